"""`heliograph logout`: deletes an account's saved password and stored session."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heliograph.cli.accounts import find_account, load_or_empty, print_line
from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import add_command
from heliograph.cli.terminal import print_error
from heliograph.config import Account
from heliograph.config.accounts import token_service
from heliograph.config.passwords import PasswordStore
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.vendors.base import SolarClient

_EXAMPLES = """\
  heliograph logout growatt
  heliograph logout goodwe --account roof
"""


def add_logout(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "logout", _EXAMPLES, logout)
    parser.add_argument("vendor", choices=tuple(VENDORS), help="the cloud")
    parser.add_argument("--username", metavar="NAME", help="user name of the account")


def logout(options: Namespace) -> int:
    """Delete password and session; the configuration and the record of locks and budgets remain."""
    config = load_or_empty(options)
    known = find_account(config, options)
    account = known or _unconfigured_account(options)
    if options.server is not None:
        account = replace(account, server=options.server)
    clients = [_password_client(account.password_account())] if account.has_password else []
    passwords = PasswordStore.for_user(os.environ)
    if account.token is not None:
        try:
            clients.append(create_client(account.token_account()))
        except ConfigError as error:  # without the token its session cannot be found
            print_error(str(error))
        if passwords.delete(token_service(account.vendor), account.name):
            print_line("Token deleted; it stays valid until it is replaced in the app")
    deleted = passwords.delete(account.vendor, account.username)
    for warning in passwords.warnings:
        print_error(warning)
    if account.has_password:
        print_line("Password deleted" if deleted else "No password was saved")
    for client in clients:
        run_in_thread(client.forget)
    print_line("Session deleted; the used budget and any lock stay recorded, to protect the account")
    if known:
        keys = " and ".join(filter(None, (known.token_key, known.password_key)))
        print_line(f"The account is still configured in {known.origin}{keys and ', with its '}{keys}")
    return 0


def _password_client(account: Account) -> SolarClient:
    """Return a client that forgets the web portal too, whose session may be stored from an earlier configuration."""
    if VENDORS[account.vendor].portal_client and not account.portal:
        with suppress(ConfigError):  # no portal is known for its region, so that no session of one is stored
            return create_client(replace(account, portal=True))
    return create_client(account)


def _unconfigured_account(options: Namespace) -> Account:
    """Return an account that is no longer configured, by its user name."""
    if options.username is None:
        raise ConfigError(f"no such {options.vendor} account is configured; for a removed one, pass --username NAME")
    return Account(name=options.vendor, vendor=options.vendor, username=options.username, password=Secret(""))
