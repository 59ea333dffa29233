"""`heliograph now`: the current values of every plant of every account."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import run_parallel
from heliograph.cli.options import add_command, add_store_option, load_accounts, store_location
from heliograph.cli.stored import StoredPlants, store_fetched
from heliograph.cli.table import snapshot_table
from heliograph.cli.terminal import print_error, print_json, report_failure
from heliograph.cli.timefmt import format_duration
from heliograph.errors import AccountLocked, Blocked, CloudError, StoreError, Throttled
from heliograph.keeper.limits import UPLOAD_INTERVAL

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

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
    """Seconds since they were stored, if they are from the store because of the error."""


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
    readings = _read(accounts, StoredPlants(where), options.max_age)
    snapshots = [snapshot for reading in readings for snapshot in reading.snapshots]
    if options.json:
        print_json([snapshot.as_dict() for snapshot in snapshots])
    elif snapshots:
        print_snapshots(snapshots)
    code = 0
    for (account, _), reading in zip(accounts, readings, strict=True):
        code = max(code, _report(reading, account.name, f"{account.name}: " if len(accounts) > 1 else ""))
    try:
        store_fetched(accounts, where)
    except StoreError as error:
        print_error(f"the values were not stored: {error}")
    return code


def _read(accounts: Sequence[tuple[Account, SolarClient]], stored: StoredPlants, max_age: float) -> list[_Reading]:
    """Return what the collector stored just now, else what is fetched, else what is stored."""
    ages = [stored.age(*pair) for pair in accounts]
    is_young = [age is not None and 0 <= age < max_age for age in ages]
    due = [pair for pair, young in zip(accounts, is_young, strict=True) if not young]
    fetched = iter(run_parallel([partial(fetch_snapshots, *pair, max_age) for pair in due]))
    readings = []
    for pair, age, young in zip(accounts, ages, is_young, strict=True):
        result = stored.snapshots(*pair) if young else next(fetched)
        if not isinstance(result, Exception):
            readings.append(_Reading(result))
        elif age is not None and isinstance(result, CloudError):
            readings.append(_Reading(stored.snapshots(*pair), result, age))
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


def print_snapshots(snapshots: Sequence[Snapshot]) -> None:
    """Print a table as wide as the terminal."""
    console = Console()
    console.print(snapshot_table(snapshots, console.width))
