"""Changes of single accounts by an operator: pause, resume, a new password or token.

Changes of passwords are in the account's row only, where the worker finds them at its next look. The state of account
protection belongs to the worker that polls the account, so it is changed only while no worker does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple

from heliograph.errors import ConfigError
from heliograph.fleet.audit import record
from heliograph.fleet.registry import POLLED, AccountStatus, secret_context
from heliograph.fleet.secrets import Sealed, open_index
from heliograph.fleet.state_store import check_form, state_contents
from heliograph.keeper.policy import on_user_action
from heliograph.keeper.state import COMPACT, AccountState
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.core.redact import Secret
    from heliograph.fleet.access import Principal
    from heliograph.fleet.database import Database, Run
    from heliograph.fleet.secrets import SecretBox

SecretKind = Literal["password", "token"]
_SELECT = """SELECT account.id, account.tenant, tenant.name || '/' || account.name, account.name, customer, tags,
    vendor, server, egress, shard, state, reason, due_at, password IS NOT NULL, token IS NOT NULL
    FROM account JOIN tenant ON tenant.id = account.tenant"""
# At once: the time of the next poll is that of a worker which knew of the failure only.
_RESUME = """UPDATE account SET state = CASE WHEN due_at = 0 THEN 'new' ELSE 'active' END, reason = '',
    due_at = least(due_at, extract(epoch FROM clock_timestamp())) WHERE id = %s RETURNING state, due_at"""


class AccountReport(NamedTuple):
    """An account without user name and secrets."""

    id: int
    tenant: int
    name: str
    """As "tenant/name"."""
    own_name: str
    customer: str
    tags: Sequence[str]
    vendor: str
    server: str
    egress: str
    shard: int
    state: AccountStatus
    reason: str
    due_at: float
    """Epoch seconds; 0 if it was never polled."""
    has_password: bool
    has_token: bool


async def list_reports(run: Run, state: str | None = None, tenant: int | None = None) -> list[AccountReport]:
    """Return the accounts, or those of one state or tenant, by id."""
    rows = await run(
        f"{_SELECT} WHERE state = coalesce(%s, state) AND account.tenant = coalesce(%s, account.tenant)"
        " ORDER BY account.id",
        (state, tenant),
    )
    return [AccountReport(*row) for row in rows]


async def find_report(run: Run, given: str) -> AccountReport:
    """Return an account by its id or its name "tenant/name"; raises `ConfigError` if there is none."""
    is_id = given.isascii() and given.isdigit() and len(given) < 19
    column = "account.id" if is_id else "tenant.name || '/' || account.name"
    for row in await run(f"{_SELECT} WHERE {column} = %s", (int(given) if is_id else given,)):
        return AccountReport(*row)
    raise ConfigError(f"there is no account {given[:100]}; heliograph fleet account list shows them")


async def protection_of(run: Run, account_id: int) -> AccountState | None:
    """Return the state of an account without its session and request counts; None before its first poll."""
    for form, contents in await run("SELECT form, contents FROM account_state WHERE account = %s", (account_id,)):
        check_form(account_id, form)
        return AccountState.from_dict(json.loads(contents))
    return None


async def pause_account(run: Run, account_id: int, principal: Principal) -> AccountReport:
    """Have an account not polled any more; requests under way end."""
    account = await _locked(run, account_id)
    if account.state != "paused":
        await run("UPDATE account SET state = 'paused', reason = '' WHERE id = %s", (account_id,))
        await record(run, principal, [account.tenant], "pause account", account.own_name)
    return account._replace(state="paused", reason="")


async def resume_account(run: Run, account_id: int, principal: Principal) -> AccountReport:
    """Have an account polled that is paused or needs a person.

    In the latter case, waits after failed logins and the refusals of passwords end; a lock or block of the vendor, and
    the limits of requests and logins stay.
    """
    account = await _locked(run, account_id)
    if account.state in POLLED:
        return account
    if account.state == "needs_person":
        await _end_refusals(run, account_id)
    why = "it was paused" if account.state == "paused" else f"it needed a person: {account.reason}"
    ((state, due_at),) = await run(_RESUME, (account_id,))
    await record(run, principal, [account.tenant], "resume account", f"{account.own_name}: {why}")
    return account._replace(state=state, reason="", due_at=due_at)


async def change_secret(
    database: Database, box: SecretBox, account: AccountReport, kind: SecretKind, secret: Secret, principal: Principal
) -> AccountReport:
    """Seal and store a new password or token; an account that needs a person is resumed, a paused one stays paused.

    Nothing is sent: the account's worker logs in from the account's egress. Raises `ConfigError` if the account has no
    such secret, or if another account has the token, and `StoreError` if the key is not the fleet's.
    """
    if not (account.has_password if kind == "password" else account.has_token):
        has, lacks = ("an API token", "password") if kind == "password" else ("a password", "API token")
        raise ConfigError(f"{account.name} has {has} and no {lacks}; import it again to change that")
    index = await open_index(database, box)
    async with database.transaction() as run:
        await _locked(run, account.id)
        if kind == "token" and not account.has_password:
            token_name = VENDORS[account.vendor].token_client_class(asynchronous=True).account_name(secret)
            key = index.of(account.vendor, account.server, token_name)
            other = "SELECT 1 FROM account WHERE vendor = %s AND server = %s AND username_index = %s AND id <> %s"
            if await run(other, (account.vendor, account.server, key, account.id)):
                raise ConfigError("another account of the fleet has this token; nothing was changed")
            await run("UPDATE account SET username_index = %s WHERE id = %s", (key, account.id))
        # All secrets of a row have one key.
        kinds = ("username", "password", "token")
        ((number, *sealed),) = await run(
            "SELECT key_number, username, password, token FROM account WHERE id = %s", (account.id,)
        )
        new = []
        for one, data in zip(kinds, sealed, strict=True):
            context = secret_context(one, account.vendor, account.id)
            known = None if data is None or one == kind else box.open(Sealed(number, bytes(data)), context)
            value = secret if one == kind else known
            new.append(None if value is None else box.seal(value, context).data)
        await run(
            "UPDATE account SET key_number = %s, username = %s, password = %s, token = %s WHERE id = %s",
            (box.current, *new, account.id),
        )
        await record(run, principal, [account.tenant], f"change {kind}", account.own_name)
        if account.state == "needs_person":
            return await resume_account(run, account.id, principal)
    return account


async def _locked(run: Run, account_id: int) -> AccountReport:
    for row in await run(f"{_SELECT} WHERE account.id = %s FOR NO KEY UPDATE OF account", (account_id,)):
        account = AccountReport(*row)
        if account.state == "removed":
            raise ConfigError(f"{account.name} was removed from the fleet; import it again")
        return account
    raise ConfigError(f"there is no account {account_id}")


async def _end_refusals(run: Run, account_id: int) -> None:
    state = await protection_of(run, account_id)
    if state is None:
        return
    ((now,),) = await run("SELECT extract(epoch FROM clock_timestamp())::float8")
    on_user_action(state, now)
    contents = json.dumps(state_contents(state), separators=COMPACT)
    await run("UPDATE account_state SET contents = %s WHERE account = %s", (contents, account_id))
