"""`heliograph status`: request budgets, back-offs and sessions of all accounts, and the store; sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.clients import create_client
from heliograph.cli.options import add_command, add_store_option, load_accounts, store_location
from heliograph.cli.terminal import print_json, printable, report_failure
from heliograph.cli.timefmt import format_duration, format_local_time
from heliograph.current import CurrentState
from heliograph.errors import HeliographError, StoreMissing
from heliograph.store import open_store
from heliograph.store.recovery import repair_command

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from heliograph.config import Account
    from heliograph.current import PlantState
    from heliograph.keeper import Backoff, Budget

_EXAMPLES = """\
  heliograph status
  heliograph status --account home --json
"""

_FRESHNESS = {
    "live": "live",
    "stale": "late",
    "offline-expected": "offline for the night",
    "offline-unexpected": "offline (unexpected)",
}

_BACKOFF = {
    "locked": "locked until {until}: {why}",
    "blocked": "blocked until {until}: {why}",
    "throttled": "no requests until {until}: {why}",
    "unreachable": "next attempt at {until}: {why}",
    "login": "no login before {until}: {why}",
}


class StoreSummary(NamedTuple):
    """The state of a store."""

    where: str
    size: int
    plants: Sequence[tuple[PlantState, int]]
    """Each plant with the number of its samples."""
    damaged: str | None = None
    """The damaged file, while a recovery file is in use."""


def add_status(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "status", _EXAMPLES, status)
    parser.add_argument("--json", action="store_true", help="print one object: accounts and store; unknown is null")
    add_store_option(parser)


def status(options: Namespace) -> int:
    """Show all accounts and the store; errors of one do not hide the others."""
    from heliograph.cli.settings.recover import open_order_lines  # noqa: PLC0415 - `recover` imports the settings API

    now, code = datetime.now(UTC), 0
    budgets: list[tuple[Account, Budget]] = []
    orders: dict[str, list[str]] = {}
    accounts = load_accounts(options)
    for account in accounts:
        try:
            budgets.append((account, create_client(account).budget))
            orders[account.name] = open_order_lines(account)
        except HeliographError as error:
            code = max(code, report_failure(error, f"{account.name}: " if len(accounts) > 1 else ""))
    store = None
    try:
        store = read_store(store_location(options), now)
    except HeliographError as error:
        code = max(code, report_failure(error))
    if options.json:
        rows = [{**account_dict(*pair), "orders": orders.get(pair[0].name)} for pair in budgets]
        print_json({"accounts": rows, "store": store and store_dict(store)})
        return code
    for account, budget in budgets:
        print(printable(f"{account_title(account)}: {budget_line(budget, now)}"))
        if budget.pause:
            print(printable(f"  {pause_text(budget.pause, now)}"))
        if budget.refused_at:
            at = format_local_time(budget.refused_at, now)
            print(printable(f"  password refused {at}, not retried; run: heliograph login {account.vendor}"))
        # A note made while this command reads the account: its state file is broken.
        for line in [note for at, note in budget.notes if at >= now] + orders.get(account.name, []):
            print(printable(f"  {line}"))
    for line in store_lines(store, now) if store else ():
        print(printable(line))
    return code


def account_title(account: Account) -> str:
    """Return the account's name, with its vendor if that is not the name."""
    return account.name if account.name == account.vendor else f"{account.name} ({account.vendor})"


def budget_line(budget: Budget, now: datetime) -> str:
    """Return an account's budget in one line."""
    parts = [budget_usage(budget)]
    if budget.next_free:
        parts.append(f"next request at {format_local_time(budget.next_free, now)}")
    parts.append(f"logged in {format_duration(now - budget.opened_at)} ago" if budget.opened_at else "no session")
    if budget.last_login:
        parts.append(f"last login {format_local_time(budget.last_login, now)}")
    return ", ".join(parts)


def budget_usage(budget: Budget) -> str:
    """Return the requests and logins used in the last 24 hours."""
    requests = f"{budget.requests_used} of {budget.requests_limit} requests"
    logins = f"{budget.logins_used} of {budget.logins_limit} logins"
    return f"{requests} and {logins} used in 24 h"


def pause_text(pause: Backoff, now: datetime) -> str:
    """Return the reason and the end of a back-off."""
    return _BACKOFF[pause.kind].format(until=format_local_time(pause.until, now), why=pause.why)


def account_dict(account: Account, budget: Budget) -> dict[str, Any]:
    """Return an account's state, JSON-ready."""
    from heliograph.web.schemas import budget_data  # noqa: PLC0415 - only JSON needs the API's schemas

    return {"account": account.name, "vendor": account.vendor, **budget_data(budget)}


def read_store(where: str, now: datetime) -> StoreSummary | None:
    """Return the state of a store; None if it does not exist."""
    try:
        with open_store(where, create=False) as store:
            plants = CurrentState(store).plants(int(now.timestamp()))
            counted = [(plant, store.count(plant.series)) for plant in plants]
            damaged = store.damaged_file
            return StoreSummary(shown_store(where), store.size_bytes(), counted, str(damaged) if damaged else None)
    except StoreMissing:
        return None


def shown_store(where: str) -> str:
    """Return a store's address without credentials.

    >>> shown_store("postgresql://ada:secret@db/solar?password=secret"), shown_store("/home/ada/samples.sqlite")
    ('postgresql://db/solar', '/home/ada/samples.sqlite')
    """
    scheme, slashes, rest = where.partition("://")
    return scheme + slashes + rest.rpartition("@")[2].partition("?")[0] if slashes else where


def store_lines(store: StoreSummary, now: datetime) -> Iterator[str]:
    """Yield a line for the store and one for each plant."""
    total = sum(samples for _, samples in store.plants)
    yield f"store {store.where}: {total} samples, {store.size / 1e6:.1f} MB"
    if store.damaged is not None:
        yield f"  {store.damaged} is damaged; new samples are stored beside it"
        yield f"  stop the collector, then run: {repair_command(Path(store.damaged))}"
    for plant, samples in store.plants:
        age = "no sample yet"
        if plant.measured_at is not None:
            duration = format_duration(now - datetime.fromtimestamp(plant.measured_at, UTC))
            age = f"{_FRESHNESS[plant.freshness]}, last sample {duration} old"
        yield f"  {plant.title} ({plant.series.vendor} {plant.series.plant}): {age}, {samples} samples"


def store_dict(store: StoreSummary) -> dict[str, Any]:
    """Return a store's state, JSON-ready."""
    return {
        "where": store.where,
        "bytes": store.size,
        "damaged": store.damaged,
        "plants": [
            {
                "vendor": plant.series.vendor,
                "plant": plant.series.plant,
                "name": plant.name,
                "samples": samples,
                "last_sample": plant.measured_at and datetime.fromtimestamp(plant.measured_at, UTC).isoformat(),
                "freshness": str(plant.freshness),
            }
            for plant, samples in store.plants
        ],
    }
