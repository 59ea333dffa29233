"""`heliograph logout`: forget an account's password and its stored session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from heliograph.cli.login import find_account, load_or_empty, print_line
from heliograph.cli.options import add_command
from heliograph.cli.terminal import print_error
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.config import Account

_EXAMPLES = """\
  heliograph logout growatt
  heliograph logout goodwe --account roof
"""


def add_logout(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "logout", _EXAMPLES, logout)
    parser.add_argument("vendor", choices=tuple(VENDORS), help="the cloud")
    parser.add_argument("--username", metavar="NAME", help="the account of this user name")


def logout(options: Namespace) -> int:
    """Forget what was kept; what a person wrote stays, and so does the memory of locks and budgets."""
    from dataclasses import replace  # noqa: PLC0415 - slow to import, and help needs none

    from heliograph.cli.clients import create_client  # noqa: PLC0415 - nor clouds
    from heliograph.cli.concurrency import run_in_thread  # noqa: PLC0415 - nor threads
    from heliograph.config.passwords import PasswordStore  # noqa: PLC0415 - nor passwords

    config = load_or_empty(options)
    known = find_account(config, options)
    account = known or _unknown_account(options)
    if options.server is not None:
        account = replace(account, server=options.server)
    speaker = create_client(account)
    kept = PasswordStore.for_user(os.environ)
    there = kept.delete(account.vendor, account.username)
    for warning in kept.warnings:
        print_error(warning)
    print_line("the password is forgotten" if there else "no password was kept")
    run_in_thread(speaker.forget)
    print_line("the session is forgotten; what was asked of the account and any lock stay remembered, to protect it")
    if known:
        print_line(f"the account stays in {known.origin}{known.password_key and ', with its '}{known.password_key}")
    return 0


def _unknown_account(options: Namespace) -> Account:
    """Return an account that is configured no more, by its user name alone."""
    from heliograph.config import Account  # noqa: PLC0415 - help needs no configuration

    if options.username is None:
        raise ConfigError(f"no such account of {options.vendor} is configured; say --username NAME for a former one")
    return Account(name=options.vendor, vendor=options.vendor, username=options.username, password=Secret(""))
