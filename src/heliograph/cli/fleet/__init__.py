"""`heliograph fleet`: thousands of accounts on several machines, in one PostgreSQL database."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import COMMANDS
from heliograph.cli.terminal import WrappedHelp

if TYPE_CHECKING:
    from argparse import ArgumentParser

_EXAMPLES = """\
  heliograph fleet init postgresql://solar@db.example.com/solar --shards 256
  heliograph fleet import accounts.csv --tenant acme
  heliograph fleet run --egress fra1           a worker; start one per core
  heliograph fleet status
  heliograph fleet doctor

The database is --database, or the variable HELIOGRAPH_FLEET.
"""
_MODULES = ("database", "jobs", "serve", "workers")
"""The modules that add subcommands; the others need the extra `fleet` and are imported when a subcommand runs."""


def add_fleet(commands: Any) -> None:
    """Add the command and its subcommands."""
    sentence = COMMANDS["fleet"]
    parser: ArgumentParser = commands.add_parser(
        "fleet",
        help=sentence,
        description=sentence[:1].upper() + sentence[1:] + ".",
        epilog=f"examples:\n{_EXAMPLES}",
        formatter_class=WrappedHelp,
    )
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for module in _MODULES:
        import_module(f"{__name__}.{module}").add_commands(subcommands)
