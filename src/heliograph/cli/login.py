"""`heliograph login`: ask for a password without showing it, try it once, and keep it where no program is told it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import is_interactive
from heliograph.cli.options import add_command
from heliograph.cli.terminal import print_error, printable
from heliograph.core.redact import Secret
from heliograph.errors import CloudError, ConfigError, InvalidCredentials
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from heliograph.config import Account, Config

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
    parser.add_argument("--username", metavar="NAME", help="the user name or e-mail address, asked for where unknown")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from a line of standard input")
    parser.add_argument(
        "--no-try", action="store_false", dest="tried", help="keep the password without asking the cloud"
    )


def login(options: Namespace) -> int:
    """Try the password, keep it, and make the account known to the other commands."""
    from dataclasses import replace  # noqa: PLC0415 - slow to import, and help needs none

    config = load_or_empty(options)
    known = find_account(config, options)
    account = known or _new_account(config, options)
    if options.server is not None:
        account = replace(account, server=options.server)
    if known and known.password_key:
        return _try_configured(account, options)
    account = replace(account, password=_password(options))
    if options.tried:
        _try(account, "Nothing was kept; --no-try keeps the password unasked")
    # All is kept before any of it is told: whoever reads us may have left by then.
    kept_in = _keep(account)
    try:
        added = [] if known else _add(config.path, account)
    finally:
        if options.tried:
            _say_logged_in(account)
        print_line(f"the password is kept in {kept_in}")
    for line in added:
        print_line(line)
    if known is None:
        return 0
    if options.server not in (None, known.server):
        print_line(
            f"the configuration sends account {known.name} elsewhere; write into {config.path}: {_server(account)}"
        )
    return 0


def load_or_empty(options: Namespace) -> Config:
    """Return the configuration; one that was named but is not there yet has no account."""
    from heliograph.config import Config, load  # noqa: PLC0415 - help needs no configuration

    if options.config is not None and not options.config.exists():
        return Config(path=options.config, accounts=())
    config = load(options.config, os.environ)
    for warning in config.warnings:
        print_error(warning)
    return config


def find_account(config: Config, options: Namespace) -> Account | None:
    """Return the configured account that the options mean, if there is one."""
    for one in config.accounts:
        if one.name == options.account and one.vendor != options.vendor:
            raise ConfigError(f"account {one.name} is one of {one.vendor}, not of {options.vendor}")
        if one.name == options.account and options.username not in (None, one.username):
            raise ConfigError(f"account {one.name} has another user name in the configuration; change it there")
    found = [
        one
        for one in config.accounts
        if one.vendor == options.vendor
        and options.account in (None, one.name)
        and options.username in (None, one.username)
    ]
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise ConfigError(f"there are several accounts of {options.vendor}; choose one with --account: {names}")
    return found[0] if found else None


def _new_account(config: Config, options: Namespace) -> Account:
    from heliograph.config import Account  # noqa: PLC0415 - help needs no configuration

    name = options.account or options.vendor
    variable = f"HELIOGRAPH_{options.vendor.upper()}_USERNAME"
    users = {one.username: one.name for one in config.accounts if one.vendor == options.vendor}
    if os.environ.get(variable) in users:
        # The environment's account is there only while the file has none of its cloud.
        raise ConfigError(f"{variable} names the account of {options.vendor}; unset it to have another one")
    if any(one.name == name for one in config.accounts):
        raise ConfigError(f"there is an account {name!r} already; name the new one with --account")
    username = options.username or _username()
    if username in users:
        raise ConfigError(f"this user already is account {users[username]}")
    if not all(text.strip() and text.isprintable() for text in (name, username, options.server or "-")):
        raise ConfigError("a name must be of printable signs, and of at least one")
    return Account(name=name, vendor=options.vendor, username=username, password=Secret(""), password_key="")


def _username() -> str:
    if not is_interactive():
        raise ConfigError("the user name is not known; say --username NAME")
    try:
        return input("User name: ").strip()
    except EOFError:
        raise ConfigError("no user name was given; nothing was kept") from None


def _password(options: Namespace) -> Secret:
    """Read the password; it is never an argument, which everybody on the machine could see."""
    if is_interactive():
        text = _asked()
    elif options.password_stdin:
        text = _line()
    else:
        raise ConfigError("there is no terminal to ask for the password; say --password-stdin and write a line to it")
    if not text:
        raise ConfigError("no password was given; nothing was kept")
    return Secret(text)


def _line() -> str:
    try:
        line = sys.stdin.readline()
        line.encode()
    except UnicodeError:
        raise ConfigError("the password is not text in this system's encoding; nothing was kept") from None
    return line.rstrip("\r\n")


def _asked() -> str:
    import warnings  # noqa: PLC0415 - only here somebody types
    from getpass import GetPassWarning, getpass  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # Where the echo cannot be turned off, it would ask all the same.
            warnings.simplefilter("error", GetPassWarning)
            return getpass()
    except GetPassWarning:
        raise ConfigError("this terminal would show the password; write it to --password-stdin instead") from None
    except EOFError:
        return ""


def _try_configured(account: Account, options: Namespace) -> int:
    """Log in with a password that the person keeps, which would win over any that is kept here."""
    whose = f"its password is that of {account.origin}: {account.password_key}"
    if options.password_stdin or not options.tried:
        raise ConfigError(f"account {account.name}: {whose}; take that out to have one kept here")
    _try(account, whose[:1].upper() + whose[1:])
    _say_logged_in(account)
    print_line(f"nothing was kept: {whose}")
    return 0


def _try(account: Account, otherwise: str) -> None:
    """Log in once; what fails says what that means for the password."""
    from heliograph.cli.clients import create_client  # noqa: PLC0415 - nor clouds
    from heliograph.cli.concurrency import run_in_thread  # noqa: PLC0415 - help needs no threads

    try:
        run_in_thread(create_client(account).log_in)
    except CloudError as error:
        hints = [error.advice, otherwise]
        if isinstance(error, InvalidCredentials):
            regions = ", ".join(VENDORS[account.vendor].regions)
            hints.append(f"For another region: heliograph login {account.vendor} --server REGION ({regions})")
        error.advice = ". ".join(filter(None, hints))
        raise


def _say_logged_in(account: Account) -> None:
    print_line(f"{account.vendor} account {account.name}: logged in")


def _keep(account: Account) -> str:
    from heliograph.config.passwords import PasswordStore  # noqa: PLC0415 - help needs none

    kept = PasswordStore.for_user(os.environ)
    where = kept.save(account.vendor, account.username, account.password)
    for warning in kept.warnings:
        print_error(warning)
    return where


def _add(path: Path, account: Account) -> list[str]:
    """Append the account to the configuration; what a person wrote there is not touched."""
    lines = ["[[account]]"]
    if account.name != account.vendor:
        lines.append(f"name = {_quoted(account.name)}")
    lines += [f"vendor = {_quoted(account.vendor)}", f"username = {_quoted(account.username)}"]
    if account.server is not None:
        lines.append(_server(account))
    if VENDORS[account.vendor].fixed_utc_offset:
        lines.append('# timezone = "Europe/Amsterdam"  # name yours: this cloud knows one offset from UTC all year')
    block = "\n".join(lines) + "\n"
    try:
        _append(path, block)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "the result would not be TOML"
        raise ConfigError(f"{path} cannot be added to ({why}); write this there yourself:\n\n{block}") from None
    return [f"{path} has a new account:", *(f"  {line}" for line in lines)]


def _append(path: Path, block: str) -> None:
    import tomllib  # noqa: PLC0415 - only a new account is written

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = path.read_text("utf-8-sig") if path.exists() else ""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    tomllib.loads(before + gap + block)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.write(gap + block)


def _server(account: Account) -> str:
    return f"server = {_quoted(account.server or '')}"


def _quoted(text: str) -> str:
    """Return a printable text as TOML writes it, which is as JSON does."""
    import json  # noqa: PLC0415 - a known account is not written

    return json.dumps(text, ensure_ascii=False)


def print_line(text: str) -> None:
    """Print one line."""
    print(printable(text))
