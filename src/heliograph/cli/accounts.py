"""Adding an account: its questions, one login that verifies it, and saving it. Shared by `login` and `setup`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from heliograph.cli.clients import client_class, create_client
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.prompt import read_secret_line
from heliograph.cli.terminal import print_error, print_wrapped
from heliograph.config import Account, Config, load
from heliograph.config.edit import append_tables, toml_string
from heliograph.config.passwords import PasswordStore
from heliograph.core.redact import Secret
from heliograph.errors import CloudError, ConfigError, InvalidCredentials
from heliograph.local_time import parse_zone
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.cli.prompt import Prompt
    from heliograph.model import Plant

_RETYPE = "password"
MAX_PLANTS_LISTED = 20


class VerifiedAccount(NamedTuple):
    """An account whose login succeeded, perhaps with another region or password than at first."""

    account: Account
    plants: tuple[Plant, ...] | None
    """None if they could not be fetched."""


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


def new_account(config: Config, options: Namespace, prompt: Prompt) -> Account:
    """Ask for name, region and time zone of an account that is not configured yet; it has no password."""
    vendor: str = options.vendor
    name = options.account or vendor
    variable = f"HELIOGRAPH_{vendor.upper()}_USERNAME"
    users = {account.username: account.name for account in config.accounts if account.vendor == vendor}
    if os.environ.get(variable) in users:
        # The account from the environment exists only while the file has none of that vendor.
        raise ConfigError(f"{variable} already defines an account; unset it to add another one")
    if any(account.name == name for account in config.accounts):
        raise ConfigError(f"an account {name!r} already exists; choose another name with --account")
    username = options.username or prompt.text("User name", "--username NAME")
    if username in users:
        raise ConfigError(f"this user name already belongs to account {users[username]}")
    if not all(text.strip() and text.isprintable() for text in (name, username, options.server or "-")):
        raise ConfigError("user name, account name and server must not be empty or contain control characters")
    return Account(
        name=name,
        vendor=vendor,
        username=username,
        password=Secret(""),
        password_key="",
        server=options.server or _ask_region(vendor, prompt),
        zone=_ask_zone(vendor, options, prompt),
    )


def read_password(options: Namespace, prompt: Prompt) -> Secret:
    """Read the password from the terminal, or from standard input with --password-stdin."""
    stdin = options.password_stdin and not prompt.interactive
    password = read_secret_line() if stdin else prompt.secret("Password")
    if not password.reveal():
        raise ConfigError("no password given; nothing was saved")
    return password


def verify(account: Account, hint: str, prompt: Prompt) -> VerifiedAccount:
    """Log in and list the plants; after a refusal the user may correct region or password once, which is a login.

    The advice of the error raised says also what happens to the password.
    """
    if client_class(account.vendor).resolve_server(account.server or "").startswith("http://") and account.server in (
        VENDORS[account.vendor].regions
    ):
        print_error(f"region {account.server} is not encrypted: the password's hash is sent over plain HTTP")
    try:
        try:
            return _log_in(account)
        except InvalidCredentials as error:
            corrected = _ask_correction(account, error, prompt) if prompt.interactive else None
            if corrected is None:
                raise
        return _log_in(corrected)
    except CloudError as error:
        hints = [error.advice, hint]
        if isinstance(error, InvalidCredentials):
            regions = ", ".join(VENDORS[account.vendor].regions)
            hints.append(f"For another region: heliograph login {account.vendor} --server REGION ({regions})")
        error.advice = ". ".join(filter(None, hints))
        raise


def _log_in(account: Account) -> VerifiedAccount:
    client = create_client(account)
    run_in_thread(client.log_in)
    try:
        return VerifiedAccount(account, run_in_thread(client.plants))
    except CloudError as error:  # the login has succeeded, which is what is verified
        print_error(f"the plants could not be listed: {error}")
        return VerifiedAccount(account, None)


def _ask_correction(account: Account, error: InvalidCredentials, prompt: Prompt) -> Account | None:
    """Return the account with another region or password; None if the user stops."""
    print_error(str(error))
    regions = VENDORS[account.vendor].regions
    print_line(f"A wrong user name, password or region has the same answer. Regions: {', '.join(regions)}")
    question = f"Another region to try, or {_RETYPE!r} to type it again (one more login); Enter stops"

    def check(text: str) -> str:
        text = text.strip()
        if text not in ("", _RETYPE):
            client_class(account.vendor).resolve_server(text)
        return text

    answer = prompt.text(question, "--server", "", check)
    if not answer:
        return None
    if answer != _RETYPE:
        return replace(account, server=answer)
    password = prompt.secret("Password")
    return replace(account, password=password) if password.reveal() else None


def save_password(account: Account) -> str:
    """Save the password and return where, as a text for the user."""
    passwords = PasswordStore.for_user(os.environ)
    location = passwords.save(account.vendor, account.username, account.password)
    for warning in passwords.warnings:
        print_error(warning)
    return location


def add_to_config(path: Path, account: Account) -> list[str]:
    """Append the account to the configuration, and return lines for the user that show what was written."""
    lines = ["[[account]]"]
    if account.name != account.vendor:
        lines.append(f"name = {toml_string(account.name)}")
    lines += [f"vendor = {toml_string(account.vendor)}", f"username = {toml_string(account.username)}"]
    if account.server is not None:
        lines.append(server_line(account))
    if isinstance(account.zone, ZoneInfo):
        lines.append(f"timezone = {toml_string(account.zone.key)}")
    elif VENDORS[account.vendor].fixed_utc_offset:
        lines.append('# timezone = "Europe/Amsterdam"  # set your time zone; Growatt ignores daylight saving')
    append_tables(path, "\n".join(lines) + "\n", "the account")
    return [f"Account added to {path}:", *(f"  {line}" for line in lines)]


def print_verified(verified: VerifiedAccount) -> None:
    """Print that the login succeeded, and the plants of the account."""
    account, plants = verified
    print_line(f"Logged in to {VENDORS[account.vendor].title} as {account.username}.")
    if plants is None:
        return
    if not plants:
        print_line("This account has no plants.")
        return
    named = [f"{plant.name} ({plant.id})" if plant.name else plant.id for plant in plants[:MAX_PLANTS_LISTED]]
    rest = f", and {len(plants) - MAX_PLANTS_LISTED} more" if len(plants) > MAX_PLANTS_LISTED else ""
    print_line(f"Found {len(plants)} plant{'s' if len(plants) > 1 else ''}: {', '.join(named)}{rest}")


def server_line(account: Account) -> str:
    """Return the account's server as a line of the configuration."""
    return f"server = {toml_string(account.server or '')}"


def print_line(text: str) -> None:
    """Print one line, wrapped at words at a terminal."""
    print_wrapped(text)


def machine_zone() -> str:
    """Return the name of this machine's time zone, like Europe/Berlin; empty if it is unknown or UTC."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        try:
            name = str(Path("/etc/localtime").resolve(strict=True)).partition("zoneinfo/")[2]
        except OSError:  # Windows, or no zone is set
            return ""
    name = name.removeprefix("posix/").removeprefix("right/")
    try:
        parse_zone("zone", name)
    except ConfigError:
        return ""
    return "" if name.startswith(("Etc/", "UTC", "GMT", "Universal", "Zulu", "UCT")) or "/" not in name else name


def _ask_region(vendor: str, prompt: Prompt) -> str | None:
    """Return the region at a terminal, unless a login finds it; None for the default server."""
    info = VENDORS[vendor]
    if not info.zone_regions or not prompt.interactive:
        return None

    def check(text: str) -> str:
        client_class(vendor).resolve_server(text.strip())
        return text.strip()

    suggested = info.suggested_region(machine_zone())
    region = prompt.text(f"Region ({', '.join(info.regions)})", "--server", suggested, check)
    return None if region == info.regions[0] else region


def _ask_zone(vendor: str, options: Namespace, prompt: Prompt) -> ZoneInfo | None:
    """Return the time zone of the option; ask for it where the vendor API reports none."""

    def check(text: str) -> str:
        if text.strip():
            parse_zone("time zone", text.strip())
        return text.strip()

    name = check(options.timezone or "")
    if not name and VENDORS[vendor].fixed_utc_offset and (prompt.interactive or options.command == "setup"):
        suggested = machine_zone()
        question = f"Time zone of the plants, like Europe/Berlin{'' if suggested else '; Enter for none'}"
        name = prompt.text(question, "--timezone", suggested, check)
    return ZoneInfo(name) if name else None
