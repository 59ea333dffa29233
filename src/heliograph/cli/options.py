"""Options shared by commands: account selection, configuration, store, and the help layout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.terminal import WrappedHelp, print_error

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from heliograph.config import Account, Config


COMMANDS = {
    "setup": "set up accounts, page, MQTT and service, step by step",
    "run": "collect all accounts, and serve the page and the outputs, until stopped",
    "login": "verify an account's password or API token, and save it",
    "logout": "delete an account's saved password and session",
    "now": "show the current values of every plant",
    "collect": "collect all accounts into the store until stopped",
    "backfill": "fetch past data from the clouds into the store, newest first",
    "history": "show daily or monthly energies from the store",
    "export": "write stored data as CSV, JSON Lines, Parquet or Home Assistant statistics",
    "import": "import earlier energies from CSV, PVOutput or Home Assistant",
    "recipe": "print a configuration of another program for your plants",
    "call": "make one API call and print its response as JSON",
    "record": "record the responses of an account, with private data replaced, for a bug report",
    "settings": "show and change the settings of a device",
    "serve": "serve the web page, the JSON API and metrics from the store",
    "alarms": "list, acknowledge and snooze alarms, and test the notifications",
    "status": "show request quotas, sessions and the store; sends nothing",
    "doctor": "find problems and how to fix them; never logs in",
    "backup": "write store, account states, journals and configuration into one file",
    "restore": "put the files of a backup in place",
    "service": "install, show or remove the systemd service that runs `heliograph run`",
    "completion": "print a completion script for bash, zsh or fish",
    "fleet": "run thousands of accounts on several machines, with PostgreSQL",
    "emulate": "serve emulated Growatt and GoodWe clouds on this machine",
    "demo": "emulate both clouds on this machine and show their plants live",
}
"""Every command with its description in the help."""

MODULES = {"import": "importing"}
"""The module of a command whose name is a Python keyword."""

_GLOBAL_OPTIONS = {"--config": True, "--server": True, "--account": True, "--store": True, "--json": False}
"""Options that may precede the command; True for those with a value."""


def add_command(
    commands: Any,
    name: str,
    examples: str,
    run: Callable[[Namespace], int],
    *,
    accounts: bool = True,
    config: bool = True,
) -> ArgumentParser:
    """Add a command with its help, examples and the common options.

    `accounts` adds the account options, `config` the configuration option.
    """
    parser = add_parser(commands, name, COMMANDS[name], examples)
    parser.set_defaults(run=run)
    if config:
        (add_account_options if accounts else add_config_option)(parser)
    return parser


def add_parser(commands: Any, name: str, sentence: str, examples: str) -> ArgumentParser:
    """Add the parser of a command or subcommand, with a sentence without its full stop, and examples."""
    parser: ArgumentParser = commands.add_parser(
        name,
        help=sentence,
        description=sentence[:1].upper() + sentence[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=WrappedHelp,
    )
    return parser


def add_account_options(parser: ArgumentParser) -> None:
    """Add the options that select configuration, server and account."""
    common = parser.add_argument_group("accounts")
    add_config_option(common)
    common.add_argument("--server", metavar="URL", help="use this server: the name of a region or a URL")
    common.add_argument("--account", metavar="NAME", help="use this account only (default: all)")


def add_config_option(parser: Any) -> None:
    """Add the option for the configuration file."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file (default: the standard one)")


def move_global_options(words: Sequence[str]) -> list[str]:
    """Move common options from before the command to after it, where argparse expects them.

    >>> move_global_options(["--config", "my.toml", "settings", "show", "--json"])
    ['settings', 'show', '--config', 'my.toml', '--json']
    """
    rest = list(words)
    moved: list[str] = []
    while rest and rest[0].partition("=")[0] in _GLOBAL_OPTIONS:
        name, has_value, _ = rest[0].partition("=")
        length = 1 if has_value or not _GLOBAL_OPTIONS[name] else 2
        moved += rest[:length]
        del rest[:length]
    if not rest:
        return moved
    # Before the command's own options, so that a repetition there takes precedence.
    position = next((index for index, word in enumerate(rest) if word.startswith("-")), len(rest))
    return [*rest[:position], *moved, *rest[position:]]


def take_trailing_arguments(options: Namespace, words: Sequence[str]) -> bool:
    """Assign positional arguments after the options to those a command declares as `late`; return False if any is left.

    Quirk: argparse accepts optional positional arguments before the first option only.

    >>> from argparse import Namespace
    >>> options = Namespace(late=("method", "arguments"), method=None, arguments=[])
    >>> take_trailing_arguments(options, ["plant_info", "1"]), options.method, options.arguments
    (True, 'plant_info', ['1'])
    """
    remaining = list(words)
    if any(word.startswith("-") for word in remaining):  # an unknown option, perhaps with its value
        return False
    for name in getattr(options, "late", ()):
        value = getattr(options, name)
        if isinstance(value, list):
            setattr(options, name, [*value, *remaining])
            remaining = []
        elif value is None and remaining:
            setattr(options, name, remaining.pop(0))
    return not remaining


def load_accounts(options: Namespace) -> tuple[Account, ...]:
    """Return the accounts selected by the options; print configuration warnings on stderr."""
    return load_config(options).select_accounts(options.account, options.server)


def load_config(options: Namespace) -> Config:
    """Load the configuration selected by the options; print its warnings on stderr."""
    from heliograph.config import load  # noqa: PLC0415 - keeps --help fast

    config = load(options.config, os.environ)
    for warning in config.warnings:
        print_error(warning)
    return config


def add_store_option(parser: ArgumentParser) -> None:
    """Add the option for the store."""
    parser.add_argument(
        "--store",
        metavar="WHERE",
        help="SQLite file or postgresql://… (default: as configured, or the standard file)",
    )


def store_location(options: Namespace) -> str:
    """Return the store from the option, the environment, the configuration, or the standard file."""
    from heliograph.history import default_store  # noqa: PLC0415 - keeps --help fast

    return str(options.store or default_store(options.config))
