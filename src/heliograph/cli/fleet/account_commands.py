"""The work of `heliograph fleet account`; needs the extra `fleet`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.cli.drawing import HEAD_RULE, Console, Table
from heliograph.cli.fleet.connection import with_database
from heliograph.cli.fleet.database_commands import secret_box
from heliograph.cli.prompt import create_prompt, read_secret_line
from heliograph.cli.terminal import print_json, print_wrapped, printable
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.fleet.access import Principal
from heliograph.fleet.account_changes import (
    AccountReport,
    SecretKind,
    change_secret,
    find_report,
    list_reports,
    pause_account,
    protection_of,
    resume_account,
)
from heliograph.fleet.tenants import tenant_by_name
from heliograph.keeper.state import AccountState
from heliograph.settings.api import current_user

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from heliograph.fleet.database import Database, Run

_MAX_NOTES = 5


def list_accounts(options: Namespace) -> int:
    """List the accounts of a state or a tenant."""

    async def read(database: Database) -> list[AccountReport]:
        async with database.transaction() as run:
            tenant = await tenant_by_name(run, options.tenant) if options.tenant else None
            return await list_reports(run, options.state, tenant)

    found = with_database(options, read)
    if options.json:
        print_json({"accounts": [_as_dict(one) for one in found]})
        return 0
    if not found:
        print_wrapped("None.")
        return 0
    table = Table(box=HEAD_RULE, show_edge=False, pad_edge=False, header_style="dim")
    for heading in ("id", "account", "state", "vendor", "egress", "shard", "reason"):
        table.add_column(heading)
    for one in found:
        cells = (one.id, one.name, one.state.replace("_", " "), one.vendor, one.egress, one.shard, one.reason)
        table.add_row(*(printable(str(cell)) for cell in cells))
    Console().print(table)
    return 0


def show_account(options: Namespace) -> int:
    """Show an account, why it is not polled, and what to do."""

    async def read(database: Database) -> tuple[AccountReport, AccountState | None, int, int]:
        async with database.transaction() as run:
            account = await find_report(run, options.account)
            ((plants,),) = await run("SELECT count(*) FROM latest WHERE account = %s", (account.id,))
            ((requests,),) = await run(_REQUESTS, (account.id,))
            return account, await protection_of(run, account.id), plants, requests

    account, state, plants, requests = with_database(options, read)
    if options.json:
        print_json(_as_dict(account) | {"plants": plants, "requests_24h": requests} | _protection_as_dict(state))
        return 0
    shown = account.state.replace("_", " ")
    facts = [
        ("account", f"{account.name} ({account.id})" + (f", customer {account.customer}" if account.customer else "")),
        ("vendor", f"{account.vendor} at {account.server}; egress {account.egress}, shard {account.shard}"),
        ("state", f"{shown}: {account.reason}" if account.reason else shown),
        ("plants", str(plants)),
        ("next poll", _time(account.due_at or None)),
        ("requests", f"{requests} in 24 hours"),
    ]
    if state is not None:
        facts += [
            ("last login", _time(state.last_login)),
            ("failed logins", f"{state.failures}: {state.failed_why}" if state.failures else "none"),
            ("password", "refused" if state.refused_passwords else "not refused"),
            ("back-off", _back_off(state, account) or "none"),
            *(("note", f"{_time(at)}: {message}") for at, message in state.notes[-_MAX_NOTES:]),
        ]
    print_wrapped(*(f"{name:14} {value}" for name, value in facts))
    if account.state == "needs_person":
        print_wrapped(
            "Fix the cause with the vendor, then run: "
            f"heliograph fleet account resume {account.id}; with another password: "
            f"heliograph fleet account password {account.id}"
        )
    elif account.state == "paused":
        print_wrapped(f"To poll it again: heliograph fleet account resume {account.id}")
    return 0


def change_password(options: Namespace) -> int:
    """Store a new password or token, and resume an account that needs a person."""
    kind: SecretKind = "token" if options.token or options.token_stdin else "password"
    given = options.password_stdin or options.token_stdin
    secret = _read_secret(kind, from_stdin=given, file=options.password_file)
    box, principal = secret_box(options), _principal()

    async def change(database: Database) -> tuple[AccountReport, AccountReport, AccountState | None]:
        async with database.transaction() as run:
            before = await find_report(run, options.account)
        after = await change_secret(database, box, before, kind, secret, principal)
        async with database.transaction() as run:
            return before, after, await protection_of(run, before.id)

    before, after, state = with_database(options, change)
    if options.json:
        print_json({"accounts": [_as_dict(after)], "secret": kind, "key": box.current})
        return 0
    print_wrapped(f"The {kind} of {before.name} ({before.id}) is stored, sealed with key {box.current}.")
    if after.state == "paused":
        print_wrapped(f"The account stays paused until: heliograph fleet account resume {after.id}")
    elif before.state == "needs_person":
        _print_resumed(after, state)
    return 0


def resume_accounts(options: Namespace) -> int:
    """Have accounts polled again that need a person or are paused."""

    async def resume(run: Run, before: AccountReport) -> tuple[AccountReport, AccountReport, AccountState | None]:
        return before, await resume_account(run, before.id, _principal()), await protection_of(run, before.id)

    found = _each(options, resume)
    if options.json:
        print_json({"accounts": [_as_dict(after) for _, after, _ in found]})
        return 0
    for before, after, state in found:
        if before.state == after.state:
            print_wrapped(f"{before.name} ({before.id}) is polled already; nothing was changed.")
        else:
            _print_resumed(after, state)
    return 0


def pause_accounts(options: Namespace) -> int:
    """Have accounts not polled any more."""
    found = _each(options, lambda run, before: pause_account(run, before.id, _principal()))
    if options.json:
        print_json({"accounts": [_as_dict(one) for one in found]})
        return 0
    for one in found:
        print_wrapped(f"{one.name} ({one.id}) is not polled until: heliograph fleet account resume {one.id}")
    return 0


_REQUESTS = """SELECT coalesce(sum(requests), 0)::int FROM requests_spent
    WHERE account = %s AND started_at > extract(epoch FROM clock_timestamp()) - 86400"""


def _print_resumed(account: AccountReport, state: AccountState | None) -> None:
    print_wrapped(f"{account.name} ({account.id}) is polled again within a minute.")
    if state is not None and (back_off := _back_off(state, account)):
        print_wrapped(f"Its requests wait all the same: {back_off}")


def _back_off(state: AccountState, account: AccountReport) -> str:
    if not state.pause or state.pause_until < datetime.now(UTC).timestamp():
        return ""
    return f"{state.pause} until {_time(state.pause_until)}: {state.pause_why}"


def _read_secret(kind: SecretKind, *, from_stdin: bool, file: Path | None) -> Secret:
    """Read the first line of standard input or a file, or ask at the terminal; raises `ConfigError` if it is empty."""
    if from_stdin:
        secret = read_secret_line(kind)
    elif file is not None:
        secret = _first_line(file)
    else:
        secret = create_prompt().secret("API token" if kind == "token" else "Password", kind)
    if not secret.reveal().strip():
        raise ConfigError(f"no {kind} given; nothing was changed")
    return Secret(secret.reveal().strip()) if kind == "token" else secret


def _first_line(file: Path) -> Secret:
    try:
        with file.open(encoding="utf-8") as opened:
            return Secret(opened.readline().rstrip("\r\n"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text; nothing was changed") from None


def _principal() -> Principal:
    """Return who runs the command, for the audit log; roles are of the page, this program has the owner's login."""
    return Principal(subject=f"{current_user()} (command line)", roles={})


def _time(at: float | None) -> str:
    return "never" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M UTC}"


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _as_dict(account: AccountReport) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "customer": account.customer,
        "tags": list(account.tags),
        "vendor": account.vendor,
        "server": account.server,
        "egress": account.egress,
        "shard": account.shard,
        "state": account.state,
        "reason": account.reason,
        "next_poll_at": _iso(account.due_at or None),
    }


def _protection_as_dict(state: AccountState | None) -> dict[str, Any]:
    known = state or AccountState()
    back_off = {"kind": known.pause, "until": _iso(known.pause_until), "why": known.pause_why} if known.pause else None
    return {
        "last_login_at": _iso(known.last_login),
        "failed_logins": known.failures,
        "failed_why": known.failed_why,
        "refused_passwords": len(known.refused_passwords),
        "back_off": back_off,
        "notes": [{"at": _iso(at), "message": message} for at, message in known.notes],
    }


def _each(options: Namespace, work: Callable[[Run, AccountReport], Awaitable[Any]]) -> list[Any]:
    """Run something about each account in a transaction of its own, after all were found."""

    async def with_each(database: Database) -> list[Any]:
        async with database.transaction() as run:
            found = [await find_report(run, given) for given in options.accounts]
        results = []
        for one in found:
            async with database.transaction() as run:
                results.append(await work(run, one))
        return results

    return list(with_database(options, with_each))
