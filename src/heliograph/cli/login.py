"""`heliograph login`: asks for a password without echo, verifies it with one login, and saves it."""

from __future__ import annotations

from argparse import SUPPRESS
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heliograph.cli.accounts import (
    VerifiedAccount,
    add_to_config,
    find_account,
    load_or_empty,
    new_account,
    print_line,
    print_verified,
    read_password,
    save_password,
    server_line,
    verify,
)
from heliograph.cli.clients import unencrypted_server
from heliograph.cli.options import add_command
from heliograph.cli.prompt import DefaultPrompt, create_prompt
from heliograph.cli.terminal import print_error
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from heliograph.config import Account

NOT_SAVED = "Nothing was saved; use --no-verify to save without checking"
_EXAMPLES = """\
  heliograph login growatt
  heliograph login growatt --server us
  heliograph login goodwe --account roof --username me@example.com
  pass show solar | heliograph login goodwe --username me@example.com --password-stdin
"""


def add_login(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "login", _EXAMPLES, login)
    parser.add_argument("vendor", choices=tuple(VENDORS), help="the cloud")
    add_login_options(parser)


def add_login_options(parser: ArgumentParser) -> None:
    """Add the options that answer the questions about an account."""
    parser.add_argument("--username", metavar="NAME", help="user name or e-mail address (default: ask)")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    parser.add_argument("--timezone", metavar="ZONE", help="time zone of the plants, like Europe/Berlin")
    parser.add_argument(
        "--no-verify", action="store_false", dest="verify", help="save the password without contacting the cloud"
    )
    parser.add_argument("--no-try", action="store_false", dest="verify", help=SUPPRESS)  # the former name


def login(options: Namespace) -> int:
    """Verify the password, save it, and add the account to the configuration."""
    config = load_or_empty(options)
    prompt = create_prompt()
    known = find_account(config, options)
    account = known or new_account(config, options, prompt)
    if options.server is not None:
        account = replace(account, server=options.server)
    if known and known.password_key:
        return _verify_configured(account, options)
    account = replace(account, password=read_password(options, prompt))
    if server := unencrypted_server(account):
        print_error(
            f"{server} is not encrypted: others on the network can read the password or its hash, which opens the "
            "account; use a password that you use nowhere else"
        )
    verified = VerifiedAccount(account, None)
    if options.verify:
        verified = verify(verified.account, NOT_SAVED, prompt)
    account = verified.account
    # Everything is saved before anything is printed, since printing fails if the reader has closed the pipe.
    location = save_password(account)
    try:
        added = [] if known else add_to_config(config.path, account)
    finally:
        if options.verify:
            print_verified(verified)
        print_line(f"Password saved in {location}")
    for line in added:
        print_line(line)
    if known and account.server != known.server:
        print_line(
            f"Account {known.name} is configured with another server; set in {config.path}: {server_line(account)}"
        )
    print_line("Next: heliograph run (collects the data and serves the page), or heliograph now")
    return 0


def _verify_configured(account: Account, options: Namespace) -> int:
    """Log in with the password from the configuration, which takes precedence over a saved one."""
    source = f"the password comes from {account.origin}: {account.password_key}"
    if options.password_stdin or not options.verify:
        raise ConfigError(f"account {account.name}: {source}; remove it there to save one here")
    # A corrected password could not be saved, so none is asked for.
    print_verified(verify(account, source[:1].upper() + source[1:], DefaultPrompt()))
    print_line(f"Nothing was saved: {source}")
    return 0
