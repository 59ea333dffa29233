"""What all commands have in common: the options that choose accounts, and how help looks."""

from __future__ import annotations

import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.terminal import print_error

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from heliograph.config import Account, Config


COMMANDS = {
    "login": "log in to a cloud once and store the password",
    "logout": "delete the stored password and session of an account",
    "now": "show the current values of every plant",
    "collect": "collect all accounts into the store until stopped",
    "backfill": "fetch past data from the clouds into the store, newest day first",
    "history": "show daily or monthly energies from the store",
    "export": "write stored data as CSV, JSON Lines or Parquet",
    "call": "make one API call and print its response as JSON",
    "settings": "show and change the settings of a device",
    "serve": "serve the web page, the JSON API and metrics from the store",
    "status": "show request quotas, sessions and the store; sends nothing",
    "doctor": "diagnose accounts and environment and say what to do; never logs in",
    "emulate": "run emulated Growatt and GoodWe clouds",
    "demo": "show both clouds, emulated on this machine, live",
}
"""Every command with its line in the help."""


def add_command(
    commands: Any,
    name: str,
    examples: str,
    run: Callable[[Namespace], int],
    *,
    accounts: bool = True,
    config: bool = True,
) -> ArgumentParser:
    """Add one command with its help, its examples and the common options.

    One without accounts asks no cloud, and one without a configuration is a world of its own.
    """
    parser: ArgumentParser = commands.add_parser(
        name,
        help=COMMANDS[name],
        description=COMMANDS[name][:1].upper() + COMMANDS[name][1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    if config:
        (add_account_options if accounts else add_config_option)(parser)
    return parser


def add_account_options(parser: ArgumentParser) -> None:
    """Add the options every command knows; a command with accounts of its own has no use for them."""
    common = parser.add_argument_group("accounts")
    add_config_option(common)
    common.add_argument("--server", metavar="URL", help="ask this server instead: a region's name or an address")
    common.add_argument("--account", metavar="NAME", help="this account only")


def add_config_option(parser: Any) -> None:
    """Add the option that names the configuration."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file, if not the usual one")


def take_trailing_arguments(options: Namespace, words: Sequence[str]) -> bool:
    """Give a command the words that stand after its options, where it said `late` what may; tell whether it could.

    Quirk: what may be left out argparse takes before the first option, or not at all.

    >>> from argparse import Namespace
    >>> options = Namespace(late=("method", "arguments"), method=None, arguments=[])
    >>> take_trailing_arguments(options, ["plant_info", "1"]), options.method, options.arguments
    (True, 'plant_info', ['1'])
    """
    left = list(words)
    if any(word.startswith("-") for word in left):  # a misspelt option, perhaps with its value
        return False
    for name in getattr(options, "late", ()):
        there = getattr(options, name)
        if isinstance(there, list):
            setattr(options, name, [*there, *left])
            left = []
        elif there is None and left:
            setattr(options, name, left.pop(0))
    return not left


def load_accounts(options: Namespace) -> tuple[Account, ...]:
    """Return the accounts the options choose; what the person should know goes to stderr."""
    return load_config(options).select_accounts(options.account, options.server)


def load_config(options: Namespace) -> Config:
    """Return the configuration the options choose; what the person should know goes to stderr."""
    from heliograph.config import load  # noqa: PLC0415 - help needs no configuration

    config = load(options.config, os.environ)
    for warning in config.warnings:
        print_error(warning)
    return config


def add_store_option(parser: ArgumentParser) -> None:
    """Add the option that says where samples are kept."""
    parser.add_argument(
        "--store",
        metavar="WHERE",
        help="a file, or postgresql://…; else what the configuration says, or the usual file",
    )


def store_location(options: Namespace) -> str:
    """Return where samples are kept: as the option says, the environment, the configuration, or the usual file."""
    from heliograph.history import default_store  # noqa: PLC0415 - help needs no configuration

    return str(options.store or default_store(options.config))
