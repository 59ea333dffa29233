"""The accounts of a fleet: which there are, in which shard, through which egress, and with which sealed secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.config.accounts import TOKEN_USER, Account, parse_account
from heliograph.config.table import ConfigFile, ConfigTable
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError, HeliographError, StoreError
from heliograph.eventlog import LogEvent
from heliograph.fleet.secrets import Sealed, open_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.fleet.database import Database
    from heliograph.fleet.secrets import SecretBox

AccountStatus = Literal["new", "active", "paused", "needs_person", "removed"]
"""`new` was never polled; `paused` by an operator; `needs_person` until its password or terms are fixed."""
POLLED = ("new", "active")

_COLUMNS = """account.id, account.tenant, tenant.name, account.name, account.customer, account.tags, account.vendor,
    account.username, account.password, account.token, account.key_number, account.options, account.shard,
    account.egress, account.state, account.reason, account.due_at"""
_SELECT = f"SELECT {_COLUMNS} FROM account JOIN tenant ON tenant.id = account.tenant"  # noqa: S608 - constants

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAccount:
    """An account of the fleet, with the frozen `Account` that collectors use; its name is "tenant/name"."""

    id: int
    tenant: int
    tenant_name: str
    customer: str
    tags: tuple[str, ...]
    account: Account
    shard: int
    egress: str
    state: AccountStatus
    reason: str
    due_at: float
    """Epoch seconds of the database's clock; 0 if it was never polled."""
    row: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    """The row as it was read, without `due_at`."""


class RowSource(ConfigFile):
    """Where an account's values come from that is no TOML file, for error messages."""

    def __init__(self, where: str, path: Path | None = None) -> None:
        self.path = path or Path("the fleet's registry")
        self.environ: Mapping[str, str] = {}
        self.warnings: list[str] = []
        self.text = ""
        self.where = where

    def warn_if_readable_by_others(self, path: Path) -> None:
        """Do nothing: a row is no file."""

    def error(self, message: str, key: str, table: str = "", index: int = 0) -> ConfigError:
        return ConfigError(f"{self.where}: {key} {message}")


class AccountRegistry:
    """Reads and changes the accounts of a fleet; `box` opens their secrets."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    async def accounts_of(self, shard: int, before: Sequence[FleetAccount] = ()) -> tuple[FleetAccount, ...]:
        """Return the accounts of a shard that are to be polled, by id.

        Those of an earlier call whose rows have not changed are not parsed again, and keep their `Account`: a worker
        reads all its accounts every half minute.

        One that cannot be used, because its secrets do not open or a newer program wrote its options, gets the state
        `needs_person` and is left out. Raises `StoreError` if the key of one is not there.
        """
        rows = await self._database.run(
            f"{_SELECT} WHERE account.shard = %s AND account.state = ANY(%s) ORDER BY account.id",
            (shard, list(POLLED)),
        )
        if unknown := {row[10] for row in rows} - self._box.numbers:
            # Not the accounts' fault: their states must not depend on what one worker lacks.
            raise StoreError(f"accounts are sealed with key {min(unknown)}, which this worker's key file does not have")
        found = []
        known = {one.id: one for one in before}
        for row in rows:
            if (same := known.get(row[0])) is not None and same.row == row[:-1]:
                found.append(replace(same, due_at=row[-1]))
                continue
            try:
                found.append(self._account(row))
            except HeliographError as error:
                _log.error(LogEvent("account.unusable", account=row[0], why=error))
                await self.needs_person(row, str(error))
        return tuple(found)

    async def get(self, account_id: int) -> FleetAccount:
        """Return one account; raises `StoreError` if there is none with this id."""
        rows = await self._database.run(f"{_SELECT} WHERE account.id = %s", (account_id,))
        if not rows:
            raise StoreError(f"there is no account {account_id}")
        return self._account(rows[0])

    async def needs_person(self, row: Sequence[Any], reason: str) -> None:
        """Store that the account of a row is not polled until a person acts, unless its password was changed since."""
        number, (password, token) = row[0], row[8:10]
        await self._database.run(
            """UPDATE account SET state = 'needs_person', reason = %s WHERE id = %s AND state = ANY(%s)
            AND password IS NOT DISTINCT FROM %s::bytea AND token IS NOT DISTINCT FROM %s::bytea""",
            (reason[:500], number, list(POLLED), password, token),
        )

    def _account(self, row: Sequence[Any]) -> FleetAccount:
        (number, tenant, tenant_name, name, customer, tags, vendor, username, password, token, key, options) = row[:12]
        shown = f"{tenant_name}/{name}"
        user = self._box.open(Sealed(key, bytes(username)), secret_context("username", vendor, number)).reveal()
        secrets = {
            kind: self._box.deferred(Sealed(key, bytes(data)), secret_context(kind, vendor, number))
            for kind, data in (("password", password), ("token", token))
            if data is not None
        }
        values = {**json.loads(options), "name": shown, "vendor": vendor, **dict.fromkeys(secrets, "sealed")}
        if user != TOKEN_USER or password is not None:
            values["username"] = user
        account = parse_account(ConfigTable(RowSource(f"account {shown}"), "account", 0, values))
        return FleetAccount(
            id=number,
            tenant=tenant,
            tenant_name=tenant_name,
            customer=customer,
            tags=tuple(tags),
            account=replace(
                account,
                password=secrets.get("password", Secret("")),
                token=secrets.get("token"),
                password_key="",
                token_key="",
                origin="the fleet's registry",
            ),
            shard=row[12],
            egress=row[13],
            state=row[14],
            reason=row[15],
            due_at=row[16],
            row=tuple(row[:-1]),
        )


def secret_context(kind: str, vendor: str, account_id: int) -> tuple[object, ...]:
    """Return what a secret is sealed for."""
    return (f"the {kind} of account {account_id}", vendor)


def session_context(account_id: int) -> tuple[object, ...]:
    """Return what a session is sealed for."""
    return (f"the session of account {account_id}",)


async def move_account(database: Database, account_id: int, shard: int) -> None:
    """Assign an account to another shard of its egress, after writes under way for the old one.

    The old owner's next permit for the account is refused, and the new owner waits for a request under way. Raises
    `StoreError` if there is no such account or shard.
    """
    async with database.transaction() as run:
        target = await run("SELECT egress FROM fence WHERE shard = %s", (shard,))
        if not target:
            raise StoreError(f"there is no shard {shard}")
        rows = await run("SELECT shard, egress FROM account WHERE id = %s", (account_id,))
        if not rows:
            raise StoreError(f"there is no account {account_id}")
        ((old, egress),) = rows
        if target != [(egress,)]:
            # The other address would evade a block of this one.
            raise StoreError(f"shard {shard} is of egress {target[0][0]}, and account {account_id} stays with {egress}")
        # Before the account's row, in the order of the writes for the shard.
        await run("SELECT 1 FROM fence WHERE shard = %s FOR UPDATE", (old,))
        moved = "UPDATE account SET shard = %s WHERE id = %s AND shard = %s RETURNING id"
        if not await run(moved, (shard, account_id, old)):
            raise StoreError(f"account {account_id} was moved at the same time; try again")


class ResealReport(NamedTuple):
    """The result of sealing everything with the newest key."""

    sealed: int
    """Rows that older keys had sealed."""
    unopened: tuple[str, ...]
    """Why others could not be opened; the older keys are still needed for them, or their accounts are lost."""


async def reseal(database: Database, box: SecretBox, *, page: int = 500) -> ResealReport:
    """Seal all secrets of older keys with the newest key, in small transactions.

    May be interrupted and run again, and run beside workers whose key file has both keys. If everything was opened, the
    older keys open nothing any more.
    """
    await open_index(database, box)
    sealed, unopened = 0, []
    for table, seal in (("account", _seal_account), ("account_state", _seal_session)):
        last: int | None = 0
        while last is not None:
            last, count, problems = await _reseal_page(database, box, (table, seal), last, page)
            sealed += count
            unopened += problems
    if not unopened:
        await database.run("DELETE FROM secret_key WHERE number <> %s", (box.current,))
    return ResealReport(sealed, tuple(unopened))


_Seal = Callable[["SecretBox", Sequence[Any]], tuple[str, Sequence[Any]]]


async def _reseal_page(
    database: Database, box: SecretBox, work: tuple[str, _Seal], last: int, page: int
) -> tuple[int | None, int, list[str]]:
    table, seal = work
    problems = []
    async with database.transaction() as run:
        rows = await run(_OLD_SECRETS[table], (last, box.current, page))
        for row in rows:
            try:
                statement, values = seal(box, row)
            except StoreError as error:
                problems.append(str(error))
            else:
                await run(statement, values)
    return (rows[-1][0] if len(rows) == page else None), len(rows) - len(problems), problems


_OLD_SECRETS = {
    "account": """SELECT id, key_number, vendor, username, password, token FROM account
        WHERE id > %s AND key_number <> %s ORDER BY id LIMIT %s FOR NO KEY UPDATE""",
    "account_state": """SELECT account, key_number, session FROM account_state
        WHERE account > %s AND key_number <> %s AND session IS NOT NULL ORDER BY account LIMIT %s FOR UPDATE""",
}


def _seal_account(box: SecretBox, row: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    number, key, vendor, *data = row
    sealed: list[bytes | None] = []
    for kind, one in zip(("username", "password", "token"), data, strict=True):
        context = secret_context(kind, vendor, number)
        sealed.append(None if one is None else box.seal(box.open(Sealed(key, bytes(one)), context), context).data)
    statement = "UPDATE account SET key_number = %s, username = %s, password = %s, token = %s WHERE id = %s"
    return statement, (box.current, *sealed, number)


def _seal_session(box: SecretBox, row: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    number, key, data = row
    context = session_context(number)
    sealed = box.seal(box.open(Sealed(key, bytes(data)), context), context)
    return "UPDATE account_state SET key_number = %s, session = %s WHERE account = %s", (*sealed, number)
