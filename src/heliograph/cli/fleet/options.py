"""Options shared by the subcommands of `heliograph fleet`; modules that need an extra are imported when one runs."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from heliograph.cli.options import add_parser
from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

DATABASE = "HELIOGRAPH_FLEET"
KEY_FILE = "HELIOGRAPH_FLEET_KEY"

_MODULES = ("psycopg", "psycopg_pool", "cryptography", "procrastinate")


def add_fleet_command(
    subcommands: Any, name: str, sentence: str, examples: str, run: str, *, json: bool = False, database: bool = True
) -> ArgumentParser:
    """Add a subcommand; `run` is the function that runs it, as `module:function`, imported when it runs."""
    parser = add_parser(subcommands, name, sentence, examples)

    def run_command(options: Namespace) -> int:
        check_installed()
        module, _, function = run.partition(":")
        code: int = getattr(import_module(module), function)(options)
        return code

    parser.set_defaults(run=run_command)
    if database:
        parser.add_argument(
            "--database", metavar="URL", help=f"the fleet's database, postgresql://… (default: ${DATABASE})"
        )
    if json:
        parser.add_argument("--json", action="store_true", help="print one JSON object; unknown values are null")
    return parser


def add_key_options(parser: ArgumentParser) -> None:
    """Add the options for the key that opens the accounts' passwords."""
    parser.add_argument("--key-file", metavar="FILE", help=f"file with the fleet's key (default: ${KEY_FILE})")
    parser.add_argument("--key-command", metavar="COMMAND", help="command that prints the fleet's key")


def database_url(options: Namespace) -> str:
    """Return the URL of the fleet's database; raises `ConfigError` without one."""
    url: str = options.database or os.environ.get(DATABASE, "")
    if not url:
        raise ConfigError(f"the fleet's database is not set; use --database postgresql://… or the variable {DATABASE}")
    return url


def check_installed() -> None:
    """Raise `ConfigError` if a package of the extra `fleet` is missing."""
    missing = next((name for name in _MODULES if find_spec(name) is None), None)
    if missing is not None:
        raise ConfigError(f"a fleet needs {missing}, which is not installed: {extra_command('fleet')}")
