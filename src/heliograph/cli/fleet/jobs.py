"""`heliograph fleet jobs`: the regular work on the fleet's tables."""

from __future__ import annotations

from typing import Any

from heliograph.cli.fleet.options import add_fleet_command

_EXAMPLES = """\
  heliograph fleet jobs             until stopped; one per fleet is enough, and more do no harm
  heliograph fleet jobs --once      from cron, once a day
"""


def add_commands(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = add_fleet_command(
        subcommands,
        "jobs",
        "keep daily partitions of the samples a week ahead",
        _EXAMPLES,
        "heliograph.cli.fleet.database_commands:run_jobs",
        json=True,
    )
    parser.add_argument("--once", action="store_true", help="do what is due now, and end")
