"""`heliograph login`: asks for a password or an API token without echo, verifies and saves it."""

from __future__ import annotations

from argparse import SUPPRESS
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heliograph.cli.accounts import (
    STORED_TOKEN,
    add_to_config,
    enter_secret,
    find_account,
    load_or_empty,
    new_account,
    print_line,
    print_verified,
    save_secrets,
    server_line,
    verify,
    wants_token,
)
from heliograph.cli.options import add_command
from heliograph.cli.prompt import DefaultPrompt, create_prompt
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
  heliograph login growatt --token                 with an API token instead of a password
  heliograph login growatt --token-stdin < token
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
    parser.add_argument("--token", action="store_true", help="enter an API token instead of a password (Growatt)")
    parser.add_argument("--token-stdin", action="store_true", help="read the API token from standard input")
    parser.add_argument("--timezone", metavar="ZONE", help="time zone of the plants, like Europe/Berlin")
    parser.add_argument("--no-verify", action="store_false", dest="verify", help="save without contacting the cloud")
    parser.add_argument("--no-try", action="store_false", dest="verify", help=SUPPRESS)  # the former name


def login(options: Namespace) -> int:
    """Verify the password or token, save it, and add the account to the configuration."""
    config = load_or_empty(options)
    prompt = create_prompt()
    known = find_account(config, options)
    by_token = wants_token(known, options, prompt)
    account = known or new_account(config, options, prompt, by_token=by_token)
    if options.server is not None:
        account = replace(account, server=options.server)
    if known and (known.token_key if by_token else known.password_key):
        return _verify_configured(account, options, by_token=by_token)
    account, verified = enter_secret(account, options, prompt, NOT_SAVED, by_token=by_token)
    # Everything is saved before anything is printed, since printing fails if the reader has closed the pipe.
    saved = save_secrets(account, token=by_token, password=not by_token)
    try:
        added = [] if known else add_to_config(config.path, account)
    finally:
        if verified is not None:
            print_verified(verified)
        for line in saved:
            print_line(line)
    for line in added:
        print_line(line)
    if known and by_token and known.token is None:
        print_line(f"Add this line to the [[account]] table of {known.name} in {config.path}: {STORED_TOKEN}")
    if known and account.server != known.server:
        print_line(
            f"Account {known.name} is configured with another server; set in {config.path}: {server_line(account)}"
        )
    print_line("Next: heliograph run (collects the data and serves the page), or heliograph now")
    return 0


def _verify_configured(account: Account, options: Namespace, *, by_token: bool) -> int:
    """Log in with the secret from the configuration, which takes precedence over a saved one."""
    name, key = ("token", account.token_key) if by_token else ("password", account.password_key)
    source = f"the {name} comes from {account.origin}: {key}"
    if options.password_stdin or options.token_stdin or not options.verify:
        raise ConfigError(f"account {account.name}: {source}; remove it there to save one here")
    checked = account.token_account() if by_token else account.password_account()
    # A corrected password could not be saved, so none is asked for.
    print_verified(verify(checked, source[:1].upper() + source[1:], DefaultPrompt()))
    print_line(f"Nothing was saved: {source}")
    return 0
