"""Adding an account: its questions, one login that verifies it, and saving it. Shared by `login` and `setup`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from heliograph.cli.clients import client_class, create_client, unencrypted_server
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.prompt import read_secret_line
from heliograph.cli.terminal import print_error, print_wrapped
from heliograph.config import Account, Config, load
from heliograph.config.accounts import TOKEN_USER, token_service
from heliograph.config.edit import append_tables, toml_string
from heliograph.config.passwords import PasswordStore
from heliograph.core.redact import Secret
from heliograph.errors import CloudError, ConfigError, InvalidCredentials
from heliograph.local_time import parse_zone
from heliograph.vendors import VENDORS
from heliograph.vendors.base import TokenClient

if TYPE_CHECKING:
    from argparse import Namespace

    from heliograph.cli.prompt import Prompt
    from heliograph.model import Plant

STORED_TOKEN = "token = true  # saved by heliograph login"  # noqa: S105 - no token
"""The line of the configuration for a token in the password store."""
_RETYPE = "password"
MAX_PLANTS_LISTED = 20


class VerifiedAccount(NamedTuple):
    """An account whose login succeeded, perhaps with another region or password than at first."""

    account: Account
    plants: tuple[Plant, ...] | None
    """None if they could not be fetched."""
    problem: str = ""
    """Why a token reports no devices, with the remedy."""


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


def wants_token(known: Account | None, options: Namespace, prompt: Prompt) -> bool:
    """Return whether an API token is entered: as options and configuration say, otherwise offered at a terminal."""
    info = VENDORS[options.vendor]
    if options.token or options.token_stdin:
        if not info.token_client:
            raise ConfigError(f"{info.title} has no API tokens; log in with user name and password")
        if options.password_stdin:
            raise ConfigError("a token and a password are entered one after the other; choose one")
        return True
    if known is not None:
        return not known.has_password
    if not info.token_client or not prompt.interactive or options.username or options.password_stdin:
        return False
    print_line("An API token is official, needs no password and cannot be locked. Make it in the ShinePhone app: Me,")
    print_line("account name, API Token.")
    return prompt.confirm("Use an API token?", default=True)


def new_account(config: Config, options: Namespace, prompt: Prompt, *, by_token: bool) -> Account:
    """Ask for name, region and time zone of an account that is not configured yet; it has no password or token."""
    vendor: str = options.vendor
    name = options.account or vendor
    variable = f"HELIOGRAPH_{vendor.upper()}_USERNAME"
    users = {account.username: account.name for account in config.accounts if account.vendor == vendor}
    if os.environ.get(variable) in users:
        # The account from the environment exists only while the file has none of that vendor.
        raise ConfigError(f"{variable} already defines an account; unset it to add another one")
    if any(account.name == name for account in config.accounts):
        raise ConfigError(f"an account {name!r} already exists; choose another name with --account")
    if by_token and options.username:
        raise ConfigError(
            f"no {vendor} account has this user name; log in with its password first, or leave out --username"
        )
    username = TOKEN_USER if by_token else options.username or prompt.text("User name", "--username NAME")
    if username in users and not by_token:
        raise ConfigError(f"this user name already belongs to account {users[username]}")
    if not all(text.strip() and text.isprintable() for text in (name, username, options.server or "-")):
        raise ConfigError("user name, account name and server must not be empty or contain control characters")
    return Account(
        name=name,
        vendor=vendor,
        username=username,
        password=Secret(""),
        password_key="",
        # The region of a token is found without a question.
        server=options.server or (None if by_token else _ask_region(vendor, prompt)),
        zone=_ask_zone(vendor, options, prompt),
    )


def enter_secret(
    account: Account, options: Namespace, prompt: Prompt, hint: str, *, by_token: bool
) -> tuple[Account, VerifiedAccount | None]:
    """Read the token or password of an account and verify it, unless --no-verify is given; nothing is saved.

    Returns the account with its secret, and with the region that was corrected.
    """
    secret = _read_secret(options, prompt, by_token=by_token)
    account = replace(account, token=secret) if by_token else replace(account, password=secret)
    if server := unencrypted_server(account):
        exposed = "token" if by_token else "password or its hash"
        advice = "" if by_token else "; use a password that you use nowhere else"
        print_error(
            f"{server} is not encrypted: others on the network can read the {exposed}, which opens the account{advice}"
        )
    if not options.verify:
        return account, None
    verified = verify(account.token_account() if by_token else account.password_account(), hint, prompt)
    found = verified.account
    return replace(account, server=found.server) if by_token else replace(found, token=account.token), verified


def offer_password(account: Account, options: Namespace, prompt: Prompt, hint: str) -> Account:
    """Offer to add user name and password to a new account with a token, at a terminal; verify what is entered."""
    if not prompt.interactive:
        return account
    print_line("User name and password add what a token does not report: energies of past months, and more settings.")
    username = prompt.text("User name; Enter for none", "--username NAME", "")
    if not username:
        return account
    server = account.server or _ask_region(account.vendor, prompt)
    both = replace(account, username=username, server=server)
    both, verified = enter_secret(both, options, prompt, hint, by_token=False)
    if verified is not None:
        print_verified(verified)
    return both


def _read_secret(options: Namespace, prompt: Prompt, *, by_token: bool) -> Secret:
    """Read the token or password from the terminal, or from standard input with --token-stdin or --password-stdin."""
    name = "token" if by_token else "password"
    stdin = (options.token_stdin if by_token else options.password_stdin) and not prompt.interactive
    secret = read_secret_line(name) if stdin else prompt.secret("API token" if by_token else "Password", name)
    text = secret.reveal().strip() if by_token else secret.reveal()
    if not text:
        raise ConfigError(f"no {name} given; nothing was saved")
    if by_token and not (text.isascii() and text.isprintable() and " " not in text):
        raise ConfigError("this is not an API token; copy it from the ShinePhone app. Nothing was saved")
    return Secret(text)


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
            can_correct = prompt.interactive and account.token is None
            corrected = _ask_correction(account, error, prompt) if can_correct else None
            if corrected is None:
                raise
        return _log_in(corrected)
    except CloudError as error:
        hints = [error.advice, hint]
        if isinstance(error, InvalidCredentials) and account.token is None:
            regions = ", ".join(VENDORS[account.vendor].regions)
            hints.append(f"For another region: heliograph login {account.vendor} --server REGION ({regions})")
        error.advice = ". ".join(filter(None, hints))
        raise


def _log_in(account: Account) -> VerifiedAccount:
    client = create_client(account)
    run_in_thread(client.log_in)
    try:
        plants = run_in_thread(client.plants)
        problem: str = run_in_thread(client.access_problem) if isinstance(client, TokenClient) else ""
        return VerifiedAccount(account, plants, problem)
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
    password = prompt.secret("Password", "password")
    return replace(account, password=password) if password.reveal() else None


def save_secrets(account: Account, *, token: bool, password: bool) -> list[str]:
    """Save token and password as wanted, and return lines for the user that say where."""
    passwords = PasswordStore.for_user(os.environ)
    lines = []
    if token and account.token is not None:
        location = passwords.save(token_service(account.vendor), account.name, account.token)
        lines.append(f"Token saved in {location}")
    if password:
        lines.append(f"Password saved in {passwords.save(account.vendor, account.username, account.password)}")
    for warning in passwords.warnings:
        print_error(warning)
    return lines


def add_to_config(path: Path, account: Account) -> list[str]:
    """Append the account to the configuration, and return lines for the user that show what was written."""
    lines = ["[[account]]"]
    if account.name != account.vendor:
        lines.append(f"name = {toml_string(account.name)}")
    lines.append(f"vendor = {toml_string(account.vendor)}")
    if account.has_password:
        lines.append(f"username = {toml_string(account.username)}")
    if account.token is not None:
        lines.append(STORED_TOKEN)
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
    account, plants, problem = verified
    title = VENDORS[account.vendor].title
    print_line(
        f"Logged in to {title} as {account.username}." if account.has_password else f"{title} accepted the token."
    )
    if problem:
        print_error(problem)
    if plants is None:
        return
    if not plants:
        if not problem:
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
