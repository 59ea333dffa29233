"""`heliograph now`: the current values of every plant of every account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console

from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import run_parallel
from heliograph.cli.options import add_command, load_accounts
from heliograph.cli.table import snapshot_table
from heliograph.cli.terminal import print_error, print_json, report_failure

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.config import Account
    from heliograph.model import Snapshot
    from heliograph.vendors.base import SolarClient

_EXAMPLES = """\
  heliograph now
  heliograph now --account home --json
  heliograph now --server us
"""


def add_now(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "now", _EXAMPLES, now)
    parser.add_argument("--json", action="store_true", help="print a JSON list of plants; unknown values are null")


def now(options: Namespace) -> int:
    """Fetch all accounts in parallel and show their plants; an account that fails does not hide the others."""
    accounts = load_accounts(options)
    results = run_parallel([partial(fetch_snapshots, account, create_client(account)) for account in accounts])
    snapshots = [snapshot for result in results if not isinstance(result, Exception) for snapshot in result]
    if options.json:
        print_json([snapshot.as_dict() for snapshot in snapshots])
    elif snapshots:
        print_snapshots(snapshots)
    code = 0
    for account, result in zip(accounts, results, strict=True):
        about = f"{account.name}: " if len(accounts) > 1 else ""
        if isinstance(result, Exception):
            is_named = str(result).startswith(f"{account.name} ")  # a cloud's error begins with the vendor's name
            code = max(code, report_failure(result, "" if is_named else about))
        elif not result:
            print_error(f"{about}this account has no plants")
    return code


def fetch_snapshots(account: Account, client: SolarClient) -> tuple[Snapshot, ...]:
    """Fetch the plants that the account's configuration selects, or all."""
    selected = (client.snapshot(plant) for plant in account.plants)
    return tuple(selected if account.plants else client.snapshots())


def print_snapshots(snapshots: Sequence[Snapshot]) -> None:
    """Print a table as wide as the terminal."""
    console = Console()
    console.print(snapshot_table(snapshots, console.width))
