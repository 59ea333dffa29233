"""`heliograph now`: what every plant of every account does at this moment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import add_command, load_accounts
from heliograph.cli.terminal import print_error, print_json, report_failure

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.config import Account
    from heliograph.model import Snapshot

_EXAMPLES = """\
  heliograph now
  heliograph now --account home --json
  heliograph now --server us
"""


def add_now(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "now", _EXAMPLES, now)
    parser.add_argument("--json", action="store_true", help="print a list of objects, one per plant; unknown is null")


def now(options: Namespace) -> int:
    """Read all accounts side by side and show their plants; one that fails does not hide the others."""
    from heliograph.cli.clients import create_client  # noqa: PLC0415 - nor clouds
    from heliograph.cli.concurrency import run_parallel  # noqa: PLC0415 - help needs no threads

    accounts = load_accounts(options)
    results = run_parallel([partial(fetch_snapshots, one, create_client(one)) for one in accounts])
    snapshots = [one for result in results if not isinstance(result, Exception) for one in result]
    if options.json:
        print_json([one.as_dict() for one in snapshots])
    elif snapshots:
        print_snapshots(snapshots)
    code = 0
    for account, result in zip(accounts, results, strict=True):
        about = f"{account.name}: " if len(accounts) > 1 else ""
        if isinstance(result, Exception):
            named = str(result).startswith(f"{account.name} ")  # a cloud's error begins with the cloud's name
            code = max(code, report_failure(result, "" if named else about))
        elif not result:
            print_error(f"{about}this account has no plants")
    return code


def fetch_snapshots(account: Account, client: Any) -> tuple[Snapshot, ...]:
    """Return the plants of one account that its configuration names, or all."""
    named = (client.snapshot(plant) for plant in account.plants)
    return tuple(named if account.plants else client.snapshots())


def print_snapshots(snapshots: Sequence[Snapshot]) -> None:
    """Print the table as wide as the terminal."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and JSON needs none

    from heliograph.cli.table import snapshot_table  # noqa: PLC0415

    console = Console()
    console.print(snapshot_table(snapshots, console.width))
