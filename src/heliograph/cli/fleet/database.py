"""`heliograph fleet init`, `migrate`, `key` and `import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.fleet.options import DATABASE, add_fleet_command, add_key_options

if TYPE_CHECKING:
    from argparse import ArgumentParser

_WORK = "heliograph.cli.fleet.database_commands"
_INIT = """\
  heliograph fleet init postgresql://solar@db.example.com/solar --shards 256
  heliograph fleet init --egress fra2 --shards 64         add shards for another address
"""
_MIGRATE = """\
  heliograph fleet migrate                before the first worker of a new version starts
  heliograph fleet migrate --contract     when no worker of the old version is left
"""
_KEY = """\
  heliograph fleet key new --key-file fleet.key       a new file, or one more key in it
  heliograph fleet key rotate --key-file fleet.key    seal everything with the last key of the file

To rotate: add a key, put the file on every worker and restart them, rotate, then delete the old line of the file.
Keep the file in two places: without it, all accounts have to be imported again.
"""
_IMPORT = """\
  heliograph fleet import accounts.csv --tenant acme --dry-run
  heliograph fleet import accounts.csv --tenant acme --key-file fleet.key

The first line of the file names the columns: name and vendor, username and password or token, and any of customer,
tags, egress, server, timezone, plants, interval, requests_per_day, logins_per_day, reserve, portal, writes, grid_code,
writes_per_day, as in the configuration file. Nothing is stored if a line has a problem.
"""


def add_commands(subcommands: Any) -> None:
    """Add the subcommands."""
    _add_init(subcommands)
    migrate = add_fleet_command(
        subcommands, "migrate", "update the fleet's tables", _MIGRATE, f"{_WORK}:migrate_tables", json=True
    )
    migrate.add_argument("--contract", action="store_true", help="remove what only older versions need")
    _add_key(subcommands)
    imported = add_fleet_command(
        subcommands, "import", "import accounts from a CSV file", _IMPORT, f"{_WORK}:import_file", json=True
    )
    imported.add_argument("file", metavar="FILE", type=Path, help="the CSV file; - for standard input")
    imported.add_argument("--tenant", metavar="NAME", required=True, help="owner of the accounts; created if it is new")
    imported.add_argument("--egress", metavar="NAME", default="default", help="egress of lines without one")
    imported.add_argument("--dry-run", action="store_true", help="check everything and store nothing")
    add_key_options(imported)


def _add_init(subcommands: Any) -> None:
    parser = add_fleet_command(
        subcommands,
        "init",
        "create the fleet's tables, and shards for an egress",
        _INIT,
        f"{_WORK}:init_tables",
        json=True,
        database=False,
    )
    parser.add_argument("database", metavar="URL", nargs="?", help=f"database, postgresql://… (default: ${DATABASE})")
    parser.add_argument("--shards", metavar="N", type=int, default=256, help="shards of the egress (default: 256)")
    parser.add_argument("--egress", metavar="NAME", default="default", help="name of the address (default: default)")


def _add_key(subcommands: Any) -> None:
    parser: ArgumentParser = add_fleet_command(
        subcommands,
        "key",
        "create or rotate the key of all passwords",
        _KEY,
        f"{_WORK}:change_key",
        json=True,
    )
    parser.add_argument("action", choices=("new", "rotate"), help="add a key to the file; or seal with its last key")
    add_key_options(parser)
