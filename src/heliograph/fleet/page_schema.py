"""The tables of the triage page, and the row-level security of its database role.

`plant` has one row per plant and tenant: what the page sorts and filters by. It is apart from `latest`, which changes
at every poll and has no index on a value; a row of `plant` changes only when the state of the plant does.
"""

from __future__ import annotations

PAGE_ROLE = "heliograph_page"
"""The database role of every transaction of the page; row-level security applies to it."""

TABLES = (
    "ALTER TABLE api_token ADD COLUMN expires_at timestamptz",
    """CREATE TABLE plant (
        tenant bigint NOT NULL REFERENCES tenant ON DELETE CASCADE,
        series integer NOT NULL,
        account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
        account_name text NOT NULL,
        customer text NOT NULL DEFAULT '',
        vendor text NOT NULL,
        cloud_id text NOT NULL,
        name text NOT NULL,
        sort_name text COLLATE "C" NOT NULL,
        search_text text COLLATE "C" NOT NULL GENERATED ALWAYS AS
            (sort_name || E'\\n' || lower(cloud_id || E'\\n' || customer || E'\\n' || account_name)) STORED,
        zone text,
        peak_power double precision,
        freshness text NOT NULL DEFAULT 'not-polled',
        day date,
        specific_yield double precision,
        yield_order double precision NOT NULL GENERATED ALWAYS AS (coalesce(specific_yield, 'Infinity')) STORED,
        urgency smallint NOT NULL DEFAULT 4,
        waiting double precision NOT NULL DEFAULT 'Infinity',
        PRIMARY KEY (tenant, series)
    ) WITH (fillfactor = 70)""",
    "CREATE INDEX plant_urgency ON plant (tenant, urgency, waiting, series)",
    "CREATE INDEX plant_yield ON plant (tenant, yield_order, series)",
    "CREATE INDEX plant_name ON plant (tenant, sort_name, series)",
    "CREATE INDEX plant_customer ON plant (tenant, customer)",
    "CREATE INDEX plant_series ON plant (series)",
    "CREATE INDEX plant_account ON plant (account)",
    """CREATE TABLE plant_tag (
        tenant bigint NOT NULL,
        tag text NOT NULL,
        series integer NOT NULL,
        PRIMARY KEY (tenant, tag, series),
        FOREIGN KEY (tenant, series) REFERENCES plant ON DELETE CASCADE
    )""",
    "CREATE INDEX plant_tag_series ON plant_tag (tenant, series)",
    # The raised alarms of the rules, and what a person of this tenant answered.
    """CREATE TABLE plant_alarm (
        tenant bigint NOT NULL,
        series integer NOT NULL,
        rule text NOT NULL,
        urgency smallint NOT NULL,
        raised_at bigint NOT NULL,
        seen text NOT NULL,
        answered_at bigint,
        answered_by text,
        snoozed_until bigint,
        PRIMARY KEY (tenant, series, rule),
        FOREIGN KEY (tenant, series) REFERENCES plant ON DELETE CASCADE
    )""",
)
"""Statements that create the tables of the page, after those of the fleet."""

# A subquery is evaluated once per statement; the function alone would be called for each row.
_READABLE = "ANY ((SELECT heliograph.readable_tenants())::bigint[])"
_WRITABLE = "ANY ((SELECT heliograph.writable_tenants())::bigint[])"
_MANAGED = "ANY ((SELECT heliograph.managed_tenants())::bigint[])"

_RIGHTS = {
    "tenant": "SELECT",
    "member": "SELECT, INSERT, UPDATE (role), DELETE",
    "api_token": "SELECT (id, tenant, name, role, created_at, expires_at, revoked_at), INSERT, UPDATE (revoked_at)",
    "account": "SELECT (id, tenant, name, customer, tags, vendor, server, state, reason, imported_at)",
    "plant": "SELECT, UPDATE (customer, urgency, waiting)",
    "plant_tag": "SELECT, INSERT, DELETE",
    "plant_alarm": "SELECT, UPDATE (answered_at, answered_by, snoozed_until)",
    "latest": "SELECT",
    "day": "SELECT",
    "audit": "SELECT, INSERT",
}
"""Grants of the page's role; user names, secrets and sessions of accounts are not among them."""
_VISIBLE = {
    "tenant": f"id = {_READABLE}",
    # Rows of the store belong to a series; `plant`, with its own policy, says whose it is.
    "day": "EXISTS (SELECT FROM heliograph.plant WHERE plant.series = day.series)",
    "member": f"tenant = {_MANAGED}",
    "api_token": f"tenant = {_MANAGED}",
    "audit": f"tenant = {_MANAGED}",
}
"""The visible rows, where they are not those whose `tenant` is readable."""
_CHANGEABLE = {
    # A look is recorded in every tenant that was looked at: to read is enough.
    "audit": f"tenant = {_READABLE}",
    "member": f"tenant = {_MANAGED}",
    "api_token": f"tenant = {_MANAGED}",
}
"""The rows that may be written, where it is not those of the writable tenants."""


def _policies(table: str, rights: str) -> list[str]:
    """Return the statements that limit the page's role to rows of its tenants."""
    visible = _VISIBLE.get(table, f"tenant = {_READABLE}")
    changeable = _CHANGEABLE.get(table, f"tenant = {_WRITABLE}")
    clauses = {
        "SELECT": f"USING ({visible})",
        "INSERT": f"WITH CHECK ({changeable})",
        "UPDATE": f"USING ({changeable}) WITH CHECK ({changeable})",
        "DELETE": f"USING ({changeable})",
    }
    return [
        f"GRANT {rights} ON {table} TO {PAGE_ROLE}",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        *(
            f"CREATE POLICY page_{command.lower()} ON {table} FOR {command} TO {PAGE_ROLE} {clause}"
            for command, clause in clauses.items()
            if command in rights
        ),
    ]


def _list_function(name: str) -> str:
    return f"""CREATE OR REPLACE FUNCTION {name}() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT coalesce(nullif(current_setting('heliograph.{name}', true), ''), '{{}}')::bigint[] $$"""


SECURITY = (
    f"""DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{PAGE_ROLE}') THEN CREATE ROLE {PAGE_ROLE} NOLOGIN; END IF;
        IF NOT pg_has_role(current_user, '{PAGE_ROLE}', 'MEMBER') THEN GRANT {PAGE_ROLE} TO CURRENT_USER; END IF;
    END $$""",
    *(_list_function(name) for name in ("readable_tenants", "writable_tenants", "managed_tenants")),
    # These two run with the rights of the owner, because they are asked before the tenant is known.
    """CREATE OR REPLACE FUNCTION token_principal(given bytea)
        RETURNS TABLE (id bigint, name text, tenant bigint, role text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = heliograph, pg_temp
        AS $$ SELECT id, name, tenant, role FROM api_token WHERE hash = given AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > now()) $$""",
    """CREATE OR REPLACE FUNCTION member_roles(given text) RETURNS TABLE (tenant bigint, role text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = heliograph, pg_temp
        AS $$ SELECT tenant, role FROM member WHERE subject = given $$""",
    "REVOKE ALL ON FUNCTION token_principal(bytea), member_roles(text) FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION token_principal(bytea), member_roles(text) TO {PAGE_ROLE}",
    f"GRANT USAGE ON SCHEMA heliograph TO {PAGE_ROLE}",
    f"GRANT SELECT ON fleet_version TO {PAGE_ROLE}",
    *(statement for table, rights in _RIGHTS.items() for statement in _policies(table, rights)),
)
"""Statements that create the role of the page, its rights and its policies, after `TABLES`."""
