"""`heliograph fleet`: thousands of accounts on several machines, in one PostgreSQL database."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from heliograph.cli.options import COMMANDS, add_parser

_EXAMPLES = """\
  heliograph fleet init postgresql://solar@db.example.com/solar --shards 256
  heliograph fleet import accounts.csv --tenant acme
  heliograph fleet run --egress fra1           a worker; start one per core
  heliograph fleet status
  heliograph fleet doctor

The database is --database, or the variable HELIOGRAPH_FLEET.
"""
_MODULES = ("account", "database", "jobs", "serve", "workers")
"""The modules that add subcommands; the others need the extra `fleet` and are imported when a subcommand runs."""


def add_fleet(commands: Any) -> None:
    """Add the command and its subcommands."""
    parser = add_parser(commands, "fleet", COMMANDS["fleet"], _EXAMPLES)
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for module in _MODULES:
        import_module(f"{__name__}.{module}").add_commands(subcommands)
