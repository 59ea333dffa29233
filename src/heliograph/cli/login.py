"""`heliograph login`: asks for a password without echo, verifies it with one login, and saves it."""

from __future__ import annotations

import json
import os
import sys
import tomllib
import warnings
from argparse import SUPPRESS
from dataclasses import replace
from getpass import GetPassWarning, getpass
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import create_client, is_interactive, unencrypted_server
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import add_command
from heliograph.cli.terminal import print_error, printable
from heliograph.config import Account, Config, load
from heliograph.config.passwords import PasswordStore
from heliograph.core.redact import Secret
from heliograph.errors import CloudError, ConfigError, InvalidCredentials
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

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
    parser.add_argument("--username", metavar="NAME", help="user name or e-mail address (default: ask)")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    parser.add_argument(
        "--no-verify", action="store_false", dest="verify", help="save the password without contacting the cloud"
    )
    parser.add_argument("--no-try", action="store_false", dest="verify", help=SUPPRESS)  # the former name


def login(options: Namespace) -> int:
    """Verify the password, save it, and add the account to the configuration."""
    config = load_or_empty(options)
    known = find_account(config, options)
    account = known or _new_account(config, options)
    if options.server is not None:
        account = replace(account, server=options.server)
    if known and known.password_key:
        return _verify_configured(account, options)
    account = replace(account, password=_password(options))
    if server := unencrypted_server(account):
        print_error(
            f"{server} is not encrypted: others on the network can read the password or its hash, which opens the "
            "account; use a password that you use nowhere else"
        )
    if options.verify:
        _verify(account, "Nothing was saved; use --no-verify to save without checking")
    # Everything is saved before anything is printed, since printing fails if the reader has closed the pipe.
    location = _save(account)
    try:
        added = [] if known else _add_account(config.path, account)
    finally:
        if options.verify:
            _print_logged_in(account)
        print_line(f"Password saved in {location}")
    for line in added:
        print_line(line)
    if known and options.server not in (None, known.server):
        print_line(
            f"Account {known.name} is configured with another server; set in {config.path}: {_server_line(account)}"
        )
    return 0


def load_or_empty(options: Namespace) -> Config:
    """Load the configuration; a file given with --config that does not exist yet has no accounts."""
    if options.config is not None and not options.config.exists():
        return Config(path=options.config, accounts=())
    config = load(options.config, os.environ)
    for warning in config.warnings:
        print_error(warning)
    return config


def find_account(config: Config, options: Namespace) -> Account | None:
    """Return the configured account that matches the options, if any."""
    for account in config.accounts:
        if account.name == options.account and account.vendor != options.vendor:
            raise ConfigError(f"account {account.name} belongs to {account.vendor}, not {options.vendor}")
        if account.name == options.account and options.username not in (None, account.username):
            raise ConfigError(f"account {account.name} has another user name in the configuration; change it there")
    found = [
        account
        for account in config.accounts
        if account.vendor == options.vendor
        and options.account in (None, account.name)
        and options.username in (None, account.username)
    ]
    if len(found) > 1:
        names = ", ".join(account.name for account in found)
        raise ConfigError(f"several {options.vendor} accounts are configured; choose one with --account: {names}")
    return found[0] if found else None


def _new_account(config: Config, options: Namespace) -> Account:

    name = options.account or options.vendor
    variable = f"HELIOGRAPH_{options.vendor.upper()}_USERNAME"
    users = {account.username: account.name for account in config.accounts if account.vendor == options.vendor}
    if os.environ.get(variable) in users:
        # The account from the environment exists only while the file has none of that vendor.
        raise ConfigError(f"{variable} already defines an account; unset it to add another one")
    if any(account.name == name for account in config.accounts):
        raise ConfigError(f"an account {name!r} already exists; choose another name with --account")
    username = options.username or _prompt_username()
    if username in users:
        raise ConfigError(f"this user name already belongs to account {users[username]}")
    if not all(text.strip() and text.isprintable() for text in (name, username, options.server or "-")):
        raise ConfigError("user name, account name and server must not be empty or contain control characters")
    return Account(name=name, vendor=options.vendor, username=username, password=Secret(""), password_key="")


def _prompt_username() -> str:
    if not is_interactive():
        raise ConfigError("no user name given; use --username NAME")
    try:
        return input("User name: ").strip()
    except EOFError:
        raise ConfigError("no user name given; nothing was saved") from None


def _password(options: Namespace) -> Secret:
    """Read the password from the terminal or stdin; arguments would be visible in the process list."""
    if is_interactive():
        text = _prompt_password()
    elif options.password_stdin:
        text = _read_line()
    else:
        raise ConfigError(
            "no terminal to ask for the password; use --password-stdin and write one line to standard input"
        )
    if not text:
        raise ConfigError("no password given; nothing was saved")
    return Secret(text)


def _read_line() -> str:
    try:
        line = sys.stdin.readline()
        line.encode()
    except UnicodeError:
        raise ConfigError("the password is not text in this system's encoding; nothing was saved") from None
    return line.rstrip("\r\n")


def _prompt_password() -> str:

    try:
        with warnings.catch_warnings():
            # Without this, getpass would echo the password if it cannot switch the echo off.
            warnings.simplefilter("error", GetPassWarning)
            return getpass()
    except GetPassWarning:
        raise ConfigError("this terminal cannot hide the password; use --password-stdin instead") from None
    except EOFError:
        return ""


def _verify_configured(account: Account, options: Namespace) -> int:
    """Log in with the password from the configuration, which takes precedence over a saved one."""
    source = f"the password comes from {account.origin}: {account.password_key}"
    if options.password_stdin or not options.verify:
        raise ConfigError(f"account {account.name}: {source}; remove it there to save one here")
    _verify(account, source[:1].upper() + source[1:])
    _print_logged_in(account)
    print_line(f"Nothing was saved: {source}")
    return 0


def _verify(account: Account, hint: str) -> None:
    """Log in once; an error also says what happens to the password."""
    try:
        run_in_thread(create_client(account).log_in)
    except CloudError as error:
        hints = [error.advice, hint]
        if isinstance(error, InvalidCredentials):
            regions = ", ".join(VENDORS[account.vendor].regions)
            hints.append(f"For another region: heliograph login {account.vendor} --server REGION ({regions})")
        error.advice = ". ".join(filter(None, hints))
        raise


def _print_logged_in(account: Account) -> None:
    print_line(f"Logged in to {VENDORS[account.vendor].title} as {account.username}.")


def _save(account: Account) -> str:

    passwords = PasswordStore.for_user(os.environ)
    location = passwords.save(account.vendor, account.username, account.password)
    for warning in passwords.warnings:
        print_error(warning)
    return location


def _add_account(path: Path, account: Account) -> list[str]:
    """Append the account to the configuration; existing text is not changed."""
    lines = ["[[account]]"]
    if account.name != account.vendor:
        lines.append(f"name = {_quote(account.name)}")
    lines += [f"vendor = {_quote(account.vendor)}", f"username = {_quote(account.username)}"]
    if account.server is not None:
        lines.append(_server_line(account))
    if VENDORS[account.vendor].fixed_utc_offset:
        lines.append('# timezone = "Europe/Amsterdam"  # set your time zone; Growatt ignores daylight saving')
    block = "\n".join(lines) + "\n"
    try:
        _append(path, block)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the result would not be valid TOML"
        raise ConfigError(f"cannot add the account to {path} ({reason}); add it yourself:\n\n{block}") from None
    return [f"Account added to {path}:", *(f"  {line}" for line in lines)]


def _append(path: Path, block: str) -> None:

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = path.read_text("utf-8-sig") if path.exists() else ""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    tomllib.loads(before + gap + block)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.write(gap + block)


def _server_line(account: Account) -> str:
    return f"server = {_quote(account.server or '')}"


def _quote(text: str) -> str:
    """Quote printable text for TOML, source basic strings are like JSON's."""
    return json.dumps(text, ensure_ascii=False)


def print_line(text: str) -> None:
    """Print one line."""
    print(printable(text))
