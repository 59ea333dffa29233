"""Import of accounts from a CSV file: everything is checked first, then all accounts are stored or none."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.config.accounts import parse_account
from heliograph.config.table import ConfigTable, did_you_mean
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.fleet.registry import RowSource, secret_context
from heliograph.fleet.schema import DEFAULT_EGRESS
from heliograph.fleet.secrets import open_index
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heliograph.config.accounts import Account
    from heliograph.fleet.database import Database, Run
    from heliograph.fleet.secrets import SecretBox

REQUIRED = ("name", "vendor")
COLUMNS = (
    *REQUIRED,
    "username",
    "password",
    "token",
    "customer",
    "tags",
    "egress",
    "server",
    "timezone",
    "plants",
    "interval",
    "requests_per_day",
    "logins_per_day",
    "reserve",
    "portal",
    "writes",
    "grid_code",
    "writes_per_day",
)
"""The columns that a CSV file may have, in any order; all but the first two may be missing or empty."""
_APART = ("name", "vendor", "username", "password", "token", "customer", "tags", "egress")
"""Columns that are not stored as options."""
_NUMBERS = ("requests_per_day", "logins_per_day", "reserve", "writes_per_day", "interval")
_FLAGS = ("portal", "writes", "grid_code")
_LISTS = ("plants", "writes")
_MAX_NAME = 200
_EGRESS_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_PAGE = 1000


class CsvRow(NamedTuple):
    """One valid row of a CSV file."""

    line: int
    name: str
    account: Account
    options: Mapping[str, Any]
    """The values of `Account` without name, vendor and secrets, as in the configuration file."""
    server: str
    """The address of the server."""
    identity: Secret
    """The identity of the account at its server: the user name, or a hash of the token."""
    customer: str
    tags: tuple[str, ...]
    egress: str


class ImportReport(NamedTuple):
    """The result of an import: nothing was stored if there is a problem."""

    accounts: int
    """The number of valid rows."""
    problems: tuple[str, ...]
    """One line each, with the line number in the file."""
    stored: bool


def read_csv(text: str) -> tuple[list[CsvRow], list[str]]:
    """Return the valid rows of a CSV text, and the problems of the others, one line each; no problem has a secret.

    Columns are separated by commas, semicolons or tabs; several plants, tags or settings in a cell by semicolons or
    spaces, or by bars.
    """
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        return [], ["this is not a CSV file: it contains binary data"]
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = [one.strip().casefold() for one in next(reader, [])]
        if problem := _column_problem(columns):
            return [], [problem]
        rows: list[CsvRow] = []
        problems: list[str] = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                rows.append(_row(reader.line_num, columns, cells))
            except ConfigError as error:
                problems.append(str(error))
    except csv.Error as error:
        return [], [f"line {reader.line_num}: this is not CSV: {error}"]
    if not rows and not problems:
        problems = ["the file has no accounts, only a line of columns"]
    return rows, problems


def _column_problem(columns: Sequence[str]) -> str:
    if not any(columns):
        return "the file is empty; its first line must name the columns"
    unknown = [one for one in columns if one not in COLUMNS]
    missing = [one for one in REQUIRED if one not in columns]
    twice = sorted({one for one in columns if columns.count(one) > 1})
    if unknown:
        shown = ", ".join(repr(one[:40]) for one in unknown[:5])
        return f"unknown columns: {shown}; known are {', '.join(COLUMNS)}{did_you_mean(unknown[0], COLUMNS)}"
    if missing:
        return f"missing columns: {', '.join(missing)}; the file has {', '.join(columns)}"
    if twice:
        return f"columns given twice: {', '.join(twice)}"
    if "token" not in columns and not {"username", "password"} <= set(columns):
        return "missing columns: username and password, or token"
    return ""


def _row(line: int, columns: Sequence[str], cells: Sequence[str]) -> CsvRow:
    where = RowSource(f"line {line}")
    if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
        raise ConfigError(f"line {line}: it has {len(cells)} cells, and there are {len(columns)} columns")
    values: dict[str, Any] = {
        name: cell if name == "password" else cell.strip()
        for name, cell in zip(columns, cells, strict=False)
        if cell.strip()
    }
    for name in values.keys() & {*_NUMBERS, *_FLAGS, *_LISTS}:
        values[name] = _value(name, values[name])
    name, egress = values.get("name", ""), values.pop("egress", "")
    customer, tags = values.pop("customer", ""), tuple(_split(values.pop("tags", "")))
    if len(name) > _MAX_NAME or len(customer) > _MAX_NAME or "/" in name or not name.isprintable():
        raise where.error(f"must have at most {_MAX_NAME} printable characters and no slash", "name or customer")
    if egress and not _EGRESS_NAME.fullmatch(egress):
        raise where.error("must have at most 40 letters, digits and any of _.-", "egress")
    table = ConfigTable(where, "account", 0, values)
    for required in REQUIRED:
        table.text(required)
    if "token" not in values and "password" not in values:
        raise where.error("is missing, and there is no token", "password")
    if "username" in values and "password" not in values:
        raise where.error("is missing beside the user name", "password")
    account = parse_account(table)
    server, identity = _identity(where, account)
    options = {key: value for key, value in values.items() if key not in _APART}
    return CsvRow(line, name, account, options, server, identity, customer, tags, egress)


def _value(name: str, cell: str) -> Any:
    """Return a cell as the configuration file has it; what is none is left for its error."""
    if name in _FLAGS and cell.casefold() in {"true", "false", "yes", "no", "1", "0"}:
        return cell.casefold() in {"true", "yes", "1"}
    if name in _LISTS:
        return list(_split(cell))
    if name in _NUMBERS and cell.isascii() and cell.isdigit() and len(cell) < 10:
        return int(cell)
    return cell


def _split(cell: str) -> Iterator[str]:
    return filter(None, re.split(r"[;|\s]+", cell))


def _identity(where: RowSource, account: Account) -> tuple[str, Secret]:
    """Return the address of an account's server, and what identifies the account there."""
    info = VENDORS[account.vendor]
    try:
        if account.token is not None and not account.has_password:
            token_client = info.token_client_class(asynchronous=True)
            return token_client.resolve_server(account.server or ""), Secret(token_client.account_name(account.token))
        return info.async_client_class().resolve_server(account.server or ""), Secret(account.username)
    except ConfigError as error:
        raise where.error(f"cannot be used: {error}", "server") from None


async def import_accounts(
    database: Database, box: SecretBox, text: str, *, tenant: str, egress: str = DEFAULT_EGRESS, dry_run: bool = False
) -> ImportReport:
    """Import the accounts of a CSV text for a tenant, which is created if it is new: all of them or none.

    `egress` is that of rows without one. With `dry_run`, everything is checked and nothing stored.
    """
    if not tenant.strip() or "/" in tenant or not tenant.isprintable() or len(tenant) > _MAX_NAME:
        raise ConfigError(f"a tenant's name has 1 to {_MAX_NAME} printable characters and no slash")
    rows, problems = read_csv(text)
    rows = [row if row.egress else row._replace(egress=egress) for row in rows]
    index = await open_index(database, box)
    indexed = [(row, index.of(row.account.vendor, row.server, row.identity.reveal())) for row in rows]
    problems += _duplicates(indexed)
    async with database.transaction() as run:
        # Two imports at once would each find no duplicate.
        await run("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
        problems += await _stored_duplicates(run, indexed, tenant)
        shards: Shards = {}
        for number, name in await run("SELECT shard, egress FROM fence ORDER BY shard"):
            shards.setdefault(name, []).append(number)
        problems += _unknown_egresses(rows, shards)
        stored = bool(rows) and not problems and not dry_run
        if stored:
            await _store(run, box, indexed, tenant, shards)
    return ImportReport(len(rows), tuple(sorted(problems, key=_line_of)), stored)


_Indexed = tuple[CsvRow, bytes]
Shards = dict[str, list[int]]
"""The shards of each egress."""


def _unknown_egresses(rows: Sequence[CsvRow], shards: Shards) -> list[str]:
    known = f"known are {', '.join(shards)}" if shards else "there is none"
    advice = f"{known}; heliograph fleet init --egress NAME adds one"
    return [f"line {row.line}: there is no egress {row.egress}; {advice}" for row in rows if row.egress not in shards]


def _duplicates(indexed: Sequence[_Indexed]) -> list[str]:
    """Return the problems of rows that repeat the name or the account of an earlier one."""
    names: dict[str, int] = {}
    accounts: dict[bytes, int] = {}
    problems = []
    for row, key in indexed:
        if (first := names.setdefault(row.name, row.line)) != row.line:
            problems.append(f"line {row.line}: the name {row.name!r} is that of line {first}")
        elif (first := accounts.setdefault(key, row.line)) != row.line:
            problems.append(f"line {row.line}: the account is that of line {first}")
    return problems


async def _stored_duplicates(run: Run, indexed: Sequence[_Indexed], tenant: str) -> list[str]:
    """Return the problems of rows whose name or account the fleet has already."""
    own = "SELECT account.name FROM account JOIN tenant ON tenant.id = tenant WHERE tenant.name = %s"
    names = {name for (name,) in await run(own, (tenant,))}
    found = await run(
        """SELECT username_index, CASE WHEN tenant.name = %s THEN account.name END
        FROM account JOIN tenant ON tenant.id = account.tenant WHERE username_index = ANY(%s)""",
        (tenant, [key for _, key in indexed]),
    )
    accounts = {bytes(key): name for key, name in found}
    problems = []
    for row, key in indexed:
        if key in accounts:
            # Of another tenant's account, its name is not shown.
            known_as = f" as {accounts[key]!r}" if accounts[key] else ""
            problems.append(f"line {row.line}: the account is in the fleet already{known_as}")
        elif row.name in names:
            problems.append(f"line {row.line}: the tenant has another account named {row.name!r}")
    return problems


async def _store(run: Run, box: SecretBox, indexed: Sequence[_Indexed], tenant: str, shards: Shards) -> None:
    ((tenant_id,),) = await run(
        "INSERT INTO tenant (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
        (tenant,),
    )
    pairs = {(row.egress, row.account.vendor) for row, _ in indexed}
    await run(
        "INSERT INTO egress (name, vendor) SELECT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        [list(column) for column in zip(*sorted(pairs), strict=True)],
    )
    for start in range(0, len(indexed), _PAGE):
        page = indexed[start : start + _PAGE]
        numbers = await run(
            "SELECT nextval(pg_get_serial_sequence('account', 'id')) FROM generate_series(1, %s)", (len(page),)
        )
        rows = [
            _columns(box, number, tenant_id, shards[row.egress], row, key)
            for (number,), (row, key) in zip(numbers, page, strict=True)
        ]
        await run(_INSERT, [list(column) for column in zip(*rows, strict=True)])


_INSERT = """INSERT INTO account (id, tenant, name, customer, tags, vendor, server, username, username_index, password,
        token, key_number, options, shard, egress)
    SELECT id, tenant, name, customer, coalesce(string_to_array(nullif(tags, ''), ' '), '{}'), vendor, server,
        username, username_index, password, token, key_number, options, shard, egress
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[],
        %s::bytea[], %s::bytea[], %s::bytea[], %s::int[], %s::text[], %s::int[], %s::text[])
    AS new(id, tenant, name, customer, tags, vendor, server, username, username_index, password, token, key_number,
        options, shard, egress)"""


def _columns(
    box: SecretBox, number: int, tenant: int, shards: Sequence[int], row: CsvRow, key: bytes
) -> tuple[Any, ...]:
    account = row.account
    secrets = {
        "username": Secret(account.username),
        "password": account.password if account.has_password else None,
        "token": account.token,
    }
    sealed = [
        None if secret is None else box.seal(secret, secret_context(kind, account.vendor, number)).data
        for kind, secret in secrets.items()
    ]
    place = (account.vendor, row.server)
    return (
        *(number, tenant, row.name, row.customer, " ".join(row.tags), *place, sealed[0], key, *sealed[1:]),
        *(box.current, json.dumps(row.options), shards[number % len(shards)], row.egress),
    )


def _line_of(problem: str) -> int:
    found = re.match(r"line (\d+)", problem)
    return int(found[1]) if found else 0
