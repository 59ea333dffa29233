"""`heliograph now`: the current values of every plant of every account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.clients import create_client, missing_values
from heliograph.cli.concurrency import run_parallel
from heliograph.cli.drawing import Console
from heliograph.cli.options import add_command, add_store_option, load_accounts, store_location
from heliograph.cli.stored import StoredPlants, store_fetched
from heliograph.cli.table import snapshot_table
from heliograph.cli.terminal import print_error, print_json, report_failure
from heliograph.cli.timefmt import format_duration, format_local_time
from heliograph.errors import AccountLocked, Blocked, CloudError, StoreError, Throttled
from heliograph.keeper.limits import UPLOAD_INTERVAL
from heliograph.metrics import PV_ENERGY_TODAY, PV_ENERGY_TOTAL

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from heliograph.config import Account
    from heliograph.model import Snapshot
    from heliograph.vendors.base import SolarClient

_EXAMPLES = """\
  heliograph now
  heliograph now --account home --json
  heliograph now --max-age 0              fetch, even if nothing new is expected
  heliograph now --server us
"""


class _Reading(NamedTuple):
    """The snapshots of an account, and the error if they were not fetched."""

    snapshots: tuple[Snapshot, ...] = ()
    error: Exception | None = None
    age: float | None = None
    """Seconds since they were fetched, if they are from the store."""

    @property
    def is_stored(self) -> bool:
        return self.age is not None


def add_now(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "now", _EXAMPLES, now)
    parser.add_argument("--json", action="store_true", help="print a JSON list of plants; unknown values are null")
    parser.add_argument(
        "--max-age",
        metavar="SECONDS",
        type=float,
        default=UPLOAD_INTERVAL,
        help="accept values that any program fetched this long ago (default: %(default)g, the interval of uploads)",
    )
    add_store_option(parser)


def now(options: Namespace) -> int:
    """Show all accounts' plants and store what was fetched; an account that fails does not hide the others."""
    where = store_location(options)
    accounts = [(account, create_client(account)) for account in load_accounts(options)]
    stored = StoredPlants(where)
    readings = _read(accounts, stored, options.max_age)
    snapshots = [snapshot for reading in readings for snapshot in reading.snapshots]
    provisional: dict[tuple[str, str], frozenset[str]] = {}
    for pair, reading in zip(accounts, readings, strict=True):
        if reading.is_stored:
            provisional |= stored.provisional(*pair)
    if options.json:
        print_json([snapshot.as_dict() for snapshot in snapshots])
    elif snapshots:
        print_snapshots(snapshots, provisional)
    code = 0
    for (account, client), reading in zip(accounts, readings, strict=True):
        about = f"{account.name}: " if len(accounts) > 1 else ""
        code = max(code, _report(reading, account.name, about))
        if reading.is_stored and (poll := stored.waits(account, client)) is not None:
            next_at = format_local_time(datetime.fromtimestamp(poll.next_at, UTC), datetime.now(UTC))
            print_error(f"{about}the next reading of the collector is at {next_at}: {poll.reason}")
        names = {snapshot.plant.id: snapshot.plant.name or snapshot.plant.id for snapshot in reading.snapshots}
        for plant, why in missing_values(client).items():
            if plant in names:
                print_error(f"{about}values of {names[plant]} are missing: {why}")
    try:
        store_fetched(accounts, where)
    except StoreError as error:
        print_error(f"the values were not stored: {error}")
    return code


def _read(accounts: Sequence[tuple[Account, SolarClient]], stored: StoredPlants, max_age: float) -> list[_Reading]:
    """Return what the collector stored just now, else what is fetched, else what is stored."""
    ages = [stored.age(*pair) for pair in accounts]
    young = [
        stored.snapshots(*pair) if age is not None and 0 <= age < max_age else None
        for pair, age in zip(accounts, ages, strict=True)
    ]
    due = [pair for pair, known in zip(accounts, young, strict=True) if known is None]
    fetched = iter(run_parallel([partial(fetch_snapshots, *pair, max_age) for pair in due]))
    readings = []
    for pair, age, known in zip(accounts, ages, young, strict=True):
        result = next(fetched) if known is None else known
        if not isinstance(result, Exception):
            readings.append(_Reading(result, age=None if known is None else age))
        elif age is not None and isinstance(result, CloudError) and (older := stored.snapshots(*pair)) is not None:
            readings.append(_Reading(older, result, age))
        else:
            readings.append(_Reading((), result))
    return readings


def _report(reading: _Reading, name: str, about: str) -> int:
    """Print why an account was not fetched, and return the exit code."""
    if reading.error is None:
        if not reading.snapshots:
            print_error(f"{about}this account has no plants")
        return 0
    is_named = str(reading.error).startswith(f"{name} ")  # a cloud's error begins with the vendor's name
    code = report_failure(reading.error, "" if is_named else about)
    if reading.age is None:
        return code
    print_error(f"{about}the values shown were stored {format_duration(timedelta(seconds=reading.age))} ago")
    # A spent budget is no failure if there are stored values; a lock or a block needs the user's attention.
    is_budget = isinstance(reading.error, Throttled) and not isinstance(reading.error, AccountLocked | Blocked)
    return 0 if is_budget else code


def fetch_snapshots(account: Account, client: SolarClient, max_age: float = 0) -> tuple[Snapshot, ...]:
    """Fetch the plants that the account's configuration selects, or all."""
    selected = (client.snapshot(plant, max_age=max_age) for plant in account.plants)
    return tuple(selected if account.plants else client.snapshots(max_age=max_age))


def print_snapshots(snapshots: Sequence[Snapshot], provisional: Mapping[tuple[str, str], frozenset[str]]) -> None:
    """Print a table as wide as the terminal; counters that no second reading has confirmed are marked."""
    console = Console()
    console.print(snapshot_table(snapshots, console.width, provisional=provisional))
    shown = {PV_ENERGY_TODAY.name, PV_ENERGY_TOTAL.name}
    if any(names & shown for names in provisional.values()):
        console.print("~ not confirmed by a second reading, or calculated from the power since", style="dim")
