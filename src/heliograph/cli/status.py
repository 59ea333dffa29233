"""`heliograph status`: what is used of every account's budget, what holds it back, what is kept; nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.cli import kept
from heliograph.cli.moments import clock, length
from heliograph.cli.options import add_command, add_store, chosen_accounts, chosen_store
from heliograph.cli.show import failed, print_json, printable
from heliograph.errors import HeliographError

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.config import Account
    from heliograph.keeper import Budget, Pause

_EXAMPLES = """\
  heliograph status
  heliograph status --account home --json
"""

_HELD = {
    "locked": "locked until {until}: {why}",
    "blocked": "blocked until {until}: {why}",
    "throttled": "nothing is sent until {until}: {why}",
    "unreachable": "not tried again until {until}: {why}",
    "login": "no login before {until}: {why}",
}


def add_status(commands: Any) -> None:
    """Add the command to the command line."""
    sentence = "show what is used of every account's budget, and what is kept; nothing is sent"
    parser = add_command(commands, "status", sentence, _EXAMPLES, status)
    parser.add_argument("--json", action="store_true", help="print one object: accounts and store; unknown is null")
    add_store(parser)


def status(options: Namespace) -> int:
    """Show all accounts; one whose memory cannot be read does not hide the others."""
    from heliograph.cli.settings.restore import open_lines  # noqa: PLC0415 - help needs no orders
    from heliograph.cli.vendors import client  # noqa: PLC0415 - nor clouds

    now, code = datetime.now(UTC), 0
    budgets: list[tuple[Account, Budget]] = []
    orders: dict[str, list[str]] = {}
    accounts = chosen_accounts(options)
    for account in accounts:
        try:
            budgets.append((account, client(account).budget))
            orders[account.name] = open_lines(account)
        except HeliographError as error:
            code = max(code, failed(error, f"{account.name}: " if len(accounts) > 1 else ""))
    store = None
    try:
        store = kept.stored(chosen_store(options), now)
    except HeliographError as error:
        code = max(code, failed(error))
    if options.json:
        found = store and kept.stored_as_dict(store)
        told = [{**as_dict(*one), "orders": orders.get(one[0].name)} for one in budgets]
        print_json({"accounts": told, "store": found})
        return code
    for account, budget in budgets:
        print(printable(f"{title(account)}: {line(budget, now)}"))
        if budget.pause:
            print(printable(f"  {held(budget.pause, now)}"))
        if budget.refused_at:
            at = clock(budget.refused_at, now)
            print(printable(f"  password refused {at}, and not tried again; run: heliograph login {account.vendor}"))
        # What is noted while the account is looked at is that its file is broken.
        for row in [note for at, note in budget.notes if at >= now] + orders.get(account.name, []):
            print(printable(f"  {row}"))
    for row in kept.lines(store, now) if store else ():
        print(printable(row))
    return code


def title(account: Account) -> str:
    """Return what an account is called, with its cloud where that is not its name."""
    return account.name if account.name == account.vendor else f"{account.name} ({account.vendor})"


def line(budget: Budget, now: datetime) -> str:
    """Return an account's budget in one line."""
    parts = [usage(budget)]
    if budget.next_free:
        parts.append(f"next free {clock(budget.next_free, now)}")
    parts.append(f"session {length(now - budget.opened_at)} old" if budget.opened_at else "no session")
    if budget.last_login:
        parts.append(f"last login {clock(budget.last_login, now)}")
    return ", ".join(parts)


def usage(budget: Budget) -> str:
    """Return how much is used, of the 24 hours that end now."""
    requests = f"{budget.requests_used} of {budget.requests_limit} requests"
    logins = f"{budget.logins_used} of {budget.logins_limit} logins"
    return f"{requests} and {logins} used in 24 h"


def held(pause: Pause, now: datetime) -> str:
    """Return what holds an account back, and until when."""
    return _HELD[pause.kind].format(until=clock(pause.until, now), why=pause.why)


def as_dict(account: Account, budget: Budget) -> dict[str, Any]:
    """Return everything that is known of an account, as JSON-ready data."""
    from heliograph.web.shapes import budget_data  # noqa: PLC0415 - help needs no shapes

    return {"account": account.name, "vendor": account.vendor, **budget_data(budget)}
