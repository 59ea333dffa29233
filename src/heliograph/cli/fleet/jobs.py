"""`heliograph fleet jobs`: the regular work on the fleet's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heliograph.cli.fleet.options import add_fleet_command

_EXAMPLES = """\
  heliograph fleet jobs                                      until stopped; one per fleet is enough, more do no harm
  heliograph fleet jobs --once                               from cron, once a day
  heliograph fleet jobs --archive /srv/heliograph --keep 90  days older than 90 become Parquet files in this folder

Without --archive nothing is removed. A day leaves the database only after its file was written and read back; its hours
and its energies stay. Several jobs of one fleet must have the same folder.
"""


def add_commands(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = add_fleet_command(
        subcommands,
        "jobs",
        "keep daily partitions a week ahead, and archive old days",
        _EXAMPLES,
        "heliograph.cli.fleet.regular_jobs:run_jobs",
        json=True,
    )
    parser.add_argument("--once", action="store_true", help="do what is due now, and end")
    parser.add_argument("--archive", metavar="FOLDER", type=Path, help="where days become Parquet files")
    parser.add_argument(
        "--keep", metavar="DAYS", type=int, default=60, help="days that stay in the database (default: 60; at least 56)"
    )
