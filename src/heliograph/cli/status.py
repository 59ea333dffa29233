"""What `heliograph status` shows of the store: how large it is, and how fresh each plant's newest sample."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.options import add_command, add_store_option, load_accounts, store_location
from heliograph.cli.terminal import print_json, printable, report_failure
from heliograph.cli.timefmt import format_duration, format_local_time
from heliograph.errors import HeliographError, StoreMissing

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from heliograph.collect.kept import PlantSummary
    from heliograph.config import Account
    from heliograph.keeper import Backoff, Budget


_MEANS = {
    "live": "live",
    "stale": "late",
    "offline-expected": "asleep, as expected",
    "offline-unexpected": "offline, though it should be heard",
}


class StoreSummary(NamedTuple):
    """A store at one moment."""

    where: str
    size: int
    plants: Sequence[PlantSummary]


def read_store(where: str, now: datetime) -> StoreSummary | None:
    """Return what a store holds; where there is none yet, none is made."""
    from heliograph.collect.kept import plant_summaries  # noqa: PLC0415 - help needs no store
    from heliograph.store import open_store  # noqa: PLC0415

    try:
        with open_store(where, create=False) as store:
            return StoreSummary(shown_store(where), store.size_bytes(), plant_summaries(store, int(now.timestamp())))
    except StoreMissing:
        return None


def shown_store(where: str) -> str:
    """Return a store's address without what opens it.

    >>> shown_store("postgresql://ada:secret@db/solar?password=secret"), shown_store("/home/ada/samples.sqlite")
    ('postgresql://db/solar', '/home/ada/samples.sqlite')
    """
    scheme, slashes, rest = where.partition("://")
    return scheme + slashes + rest.rpartition("@")[2].partition("?")[0] if slashes else where


def store_lines(store: StoreSummary, now: datetime) -> Iterator[str]:
    """Yield a line for the store and one for each plant."""
    samples = sum(plant.samples for plant in store.plants)
    yield f"store {store.where}: {samples} samples, {store.size / 1e6:.1f} MB"
    for one in store.plants:
        series, name, *_ = one.plant
        yield f"  {name or series.plant} ({series.vendor} {series.plant}): {_age(one, now)}, {one.samples} samples"


def _age(one: PlantSummary, now: datetime) -> str:
    if one.measured_at is None:
        return "no sample yet"
    return f"{_MEANS[one.freshness]}, last sample {format_duration(now - _moment(one.measured_at))} old"


def store_dict(store: StoreSummary) -> dict[str, Any]:
    """Return the same as JSON-ready data."""
    return {
        "where": store.where,
        "bytes": store.size,
        "plants": [
            {
                "vendor": one.plant.series.vendor,
                "plant": one.plant.series.plant,
                "name": one.plant.name,
                "samples": one.samples,
                "last_sample": None if one.measured_at is None else _moment(one.measured_at).isoformat(),
                "freshness": str(one.freshness),
            }
            for one in store.plants
        ],
    }


def _moment(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


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
    parser = add_command(commands, "status", _EXAMPLES, status)
    parser.add_argument("--json", action="store_true", help="print one object: accounts and store; unknown is null")
    add_store_option(parser)


def status(options: Namespace) -> int:
    """Show all accounts; one whose memory cannot be read does not hide the others."""
    from heliograph.cli.clients import create_client  # noqa: PLC0415 - nor clouds
    from heliograph.cli.settings.recover import open_order_lines  # noqa: PLC0415 - help needs no orders

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
        found = store and store_dict(store)
        told = [{**account_dict(*one), "orders": orders.get(one[0].name)} for one in budgets]
        print_json({"accounts": told, "store": found})
        return code
    for account, budget in budgets:
        print(printable(f"{account_title(account)}: {line(budget, now)}"))
        if budget.pause:
            print(printable(f"  {pause_text(budget.pause, now)}"))
        if budget.refused_at:
            at = format_local_time(budget.refused_at, now)
            print(printable(f"  password refused {at}, and not tried again; run: heliograph login {account.vendor}"))
        # What is noted while the account is looked at is that its file is broken.
        for row in [note for at, note in budget.notes if at >= now] + orders.get(account.name, []):
            print(printable(f"  {row}"))
    for row in store_lines(store, now) if store else ():
        print(printable(row))
    return code


def account_title(account: Account) -> str:
    """Return what an account is called, with its cloud where that is not its name."""
    return account.name if account.name == account.vendor else f"{account.name} ({account.vendor})"


def line(budget: Budget, now: datetime) -> str:
    """Return an account's budget in one line."""
    parts = [budget_usage(budget)]
    if budget.next_free:
        parts.append(f"next free {format_local_time(budget.next_free, now)}")
    parts.append(f"session {format_duration(now - budget.opened_at)} old" if budget.opened_at else "no session")
    if budget.last_login:
        parts.append(f"last login {format_local_time(budget.last_login, now)}")
    return ", ".join(parts)


def budget_usage(budget: Budget) -> str:
    """Return how much is used, of the 24 hours that end now."""
    requests = f"{budget.requests_used} of {budget.requests_limit} requests"
    logins = f"{budget.logins_used} of {budget.logins_limit} logins"
    return f"{requests} and {logins} used in 24 h"


def pause_text(pause: Backoff, now: datetime) -> str:
    """Return what holds an account back, and until when."""
    return _HELD[pause.kind].format(until=format_local_time(pause.until, now), why=pause.why)


def account_dict(account: Account, budget: Budget) -> dict[str, Any]:
    """Return everything that is known of an account, as JSON-ready data."""
    from heliograph.web.schemas import budget_data  # noqa: PLC0415 - help needs no shapes

    return {"account": account.name, "vendor": account.vendor, **budget_data(budget)}
