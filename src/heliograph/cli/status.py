"""`heliograph status`: request budgets, back-offs and sessions of all accounts, and the store; sends nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.clients import create_client, missing_values
from heliograph.cli.options import add_command, add_store_option, load_accounts, store_location
from heliograph.cli.terminal import as_typed, paint, print_json, print_wrapped, printable, report_failure, wrap
from heliograph.cli.timefmt import format_duration, format_local_time
from heliograph.collect.freshness import POLL_GRACE
from heliograph.current import CurrentState
from heliograph.errors import HeliographError, StoreMissing
from heliograph.store import open_store
from heliograph.store.recovery import repair_command

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from heliograph.config import Account
    from heliograph.current import PlantState
    from heliograph.keeper import Backoff, Budget
    from heliograph.store.base import PollStatus

_EXAMPLES = """\
  heliograph status
  heliograph status --problems
  heliograph status --account home --json
"""

_FRESHNESS = {
    "live": "live",
    "stale": "stale",
    "not-polled": "not polled",
    "offline-expected": "offline for the night",
    "offline-unexpected": "offline (unexpected)",
}

_PROBLEMS = ("offline-unexpected", "not-polled")
MAX_LISTED = 24
"""Accounts and plants that are listed one by one; of more, only those with problems."""

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
    parser.add_argument("--problems", action="store_true", help="summarise, and list accounts and plants with problems")
    parser.add_argument("--all", action="store_true", help=f"list all, also more than {MAX_LISTED} accounts and plants")
    add_store_option(parser)


def status(options: Namespace) -> int:
    """Show all accounts and the store; errors of one do not hide the others."""
    from heliograph.cli.settings.recover import open_order_lines  # noqa: PLC0415 - `recover` imports the settings API

    now, code = datetime.now(UTC), 0
    budgets: list[tuple[Account, Budget]] = []
    password_api: dict[str, Budget] = {}
    orders: dict[str, list[str]] = {}
    missing: dict[str, Mapping[str, str]] = {}
    accounts = load_accounts(options)
    for account in accounts:
        try:
            budgets.append((account, create_client(account).budget))
            if account.token is not None and account.has_password:
                # Its settings and older history are limited by the password API.
                password_api[account.name] = create_client(account.password_account()).budget
            missing[account.name] = missing_values(create_client(account))
            orders[account.name] = open_order_lines(account)
        except HeliographError as error:
            code = max(code, report_failure(error, f"{account.name}: " if len(accounts) > 1 else ""))
    store = None
    try:
        store = read_store(store_location(options), now)
    except HeliographError as error:
        code = max(code, report_failure(error))
    if options.json:
        rows = [
            {
                **account_dict(*pair, password_api.get(pair[0].name)),
                "orders": orders.get(pair[0].name),
                "missing_values": missing.get(pair[0].name, {}),
            }
            for pair in budgets
        ]
        print_json({"accounts": rows, "store": store and store_dict(store)})
        return code
    shown = []
    for account, budget in budgets:
        shown.append((account, budget))
        if account.name in password_api:
            by_password = replace(account.password_account(), name=f"{account.name}, by password")
            shown.append((by_password, password_api[account.name]))
    problems = {
        name: [*lines, *(f"values of plant {plant} are missing: {why}" for plant, why in missing[name].items())]
        for name, lines in orders.items()
    }
    _print_status(options, shown, problems, store, now)
    return code


def _print_status(
    options: Namespace,
    budgets: Sequence[tuple[Account, Budget]],
    orders: Mapping[str, Sequence[str]],
    store: StoreSummary | None,
    now: datetime,
) -> None:
    """Print everything, or in brief: a summary, and the accounts and plants with problems."""
    listed = len(budgets) + len(store.plants if store else ())
    brief = options.problems or (listed > MAX_LISTED and not options.all and options.account is None)
    _print_accounts(budgets, orders, now, brief=brief)
    if store is not None:
        _print_store(store, now, brief=brief)
    if brief and not options.problems:
        print("Only problems are listed; --all lists everything")


def _print_accounts(
    budgets: Sequence[tuple[Account, Budget]], orders: Mapping[str, Sequence[str]], now: datetime, *, brief: bool
) -> None:
    problems = [problem_lines(*pair, now, orders.get(pair[0].name, ())) for pair in budgets]
    if brief:
        bad = sum(map(bool, problems))
        used, limit = (sum(getattr(budget, f"requests_{kind}") for _, budget in budgets) for kind in ("used", "limit"))
        accounts = f"{len(budgets)} account{'' if len(budgets) == 1 else 's'}"
        verdict = f"{bad} with problems" if bad else "no problems"
        print_wrapped(f"{accounts}, {verdict}; {used} of {limit} requests used in 24 h")
    for (account, budget), lines in zip(budgets, problems, strict=True):
        if lines or not brief:
            print_wrapped(f"{account_title(account)}: {budget_line(budget, now)}")
            for line in lines:
                print(paint(wrap(printable(as_typed(f"  {line}"))), "problem"))


def _print_store(store: StoreSummary, now: datetime, *, brief: bool) -> None:
    total, *plants = store_lines(store, now)
    print_wrapped(total)
    if brief:
        states = (plant for plant, _ in store.plants)
        counts = Counter(_FRESHNESS[one.freshness] if one.measured_at else "no sample yet" for one in states)
        shown = ", ".join(f"{number} {name}" for name, number in counts.most_common())
        print_wrapped(f"{len(store.plants)} plant{'' if len(store.plants) == 1 else 's'}: {shown}")
        problems = [one for one in store.plants if one[0].freshness in _PROBLEMS]
        plants = list(store_lines(store._replace(plants=problems), now))[1:]
    print_wrapped(*plants)


def problem_lines(account: Account, budget: Budget, now: datetime, orders: Sequence[str]) -> list[str]:
    """Return what keeps an account from being polled, and settings changes without a known outcome."""
    lines = []
    if budget.pause:
        lines.append(pause_text(budget.pause, now))
    if budget.refused_at:
        at = format_local_time(budget.refused_at, now)
        name, option = ("password", "") if account.has_password else ("token", " --token")
        if account.name != account.vendor:
            option += f" --account {account.name}"
        lines.append(f"{name} refused {at}, not retried; run: heliograph login {account.vendor}{option}")
    # A note made while this command reads the account: its state file is broken.
    return [*lines, *(note for at, note in budget.notes if at >= now), *orders]


def account_title(account: Account) -> str:
    """Return the account's name, with its vendor if that is not the name."""
    return account.name if account.name == account.vendor else f"{account.name} ({account.vendor})"


def budget_line(budget: Budget, now: datetime) -> str:
    """Return an account's budget in one line."""
    parts = [budget_usage(budget)]
    if budget.next_free:
        # The collector plans its own polls within the quota.
        waiting = "next request at" if budget.free <= 0 else "scripts wait until"
        parts.append(f"{waiting} {format_local_time(budget.next_free, now)}")
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


def account_dict(account: Account, budget: Budget, password_api: Budget | None = None) -> dict[str, Any]:
    """Return an account's state, JSON-ready; with the state of the password API if it has a token too."""
    from heliograph.web.schemas import budget_data  # noqa: PLC0415 - only JSON needs the API's schemas

    second = {} if password_api is None else {"password_api": budget_data(password_api)}
    return {"account": account.name, "vendor": account.vendor, **budget_data(budget), **second}


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
        count = f"{samples} sample{'' if samples == 1 else 's'}"
        yield f"  {plant.title} ({plant.series.vendor} {plant.series.plant}): {age}, {count}"
        if plant.poll is not None:
            yield f"    {poll_text(plant.poll, now, plant.arrival_delay)}"


def poll_text(poll: PollStatus, now: datetime, delay: float = 0.0) -> str:
    """Return how often a plant is polled and when next, or why it is not; its data arrives `delay` seconds late."""
    last, next_at = (format_local_time(datetime.fromtimestamp(at, UTC), now) for at in (poll.polled_at, poll.next_at))
    if now.timestamp() > poll.next_at + POLL_GRACE:
        return f"last polled {last}; the poll at {next_at} did not happen: is the collector (heliograph run) running?"
    if poll.reason or poll.next_at - poll.polled_at > 2 * poll.interval:  # at night without a battery
        return f"last polled {last}, next {next_at}" + (f": {poll.reason}" if poll.reason else "")
    late = f", data arrives {format_duration(timedelta(seconds=delay))} late" if delay else ""
    return f"polled every {format_duration(timedelta(seconds=poll.interval))}{late}, next {next_at}"


def store_dict(store: StoreSummary) -> dict[str, Any]:
    """Return a store's state, JSON-ready."""
    from heliograph.web.schemas import poll_data  # noqa: PLC0415 - only JSON needs the API's schemas

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
                "poll": plant.poll and poll_data(plant.poll),
                "delay_seconds": plant.arrival_delay,
            }
            for plant, samples in store.plants
        ],
    }
