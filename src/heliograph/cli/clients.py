"""Client factory: creates the client of a configured account."""

from __future__ import annotations

import sys
from time import time
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import urlsplit

from heliograph.core.redact import mask_secrets
from heliograph.errors import ConfigError
from heliograph.keeper import DEFAULT_KEEPER
from heliograph.vendors import VENDORS
from heliograph.vendors.base import ReportsMissingValues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heliograph.config import Account
    from heliograph.core.redact import Secret
    from heliograph.keeper import Keeper, Limits
    from heliograph.transports import BlockingTransport
    from heliograph.vendors.base import AsyncSolarClient, SolarClient


def client_class(vendor: str) -> type[SolarClient]:
    """Return a vendor's blocking client class, which declares all its calls."""
    return VENDORS[vendor].client_class()


@overload
def create_client(
    account: Account,
    *,
    allow_commands: bool = ...,
    keeper: Keeper | None = ...,
    asynchronous: Literal[False] = ...,
    interactive: bool | None = ...,
    timeout: float | None = ...,
    transport: BlockingTransport | None = ...,
) -> SolarClient: ...
@overload
def create_client(
    account: Account,
    *,
    allow_commands: bool = ...,
    keeper: Keeper | None = ...,
    asynchronous: Literal[True],
    interactive: bool | None = ...,
    timeout: float | None = ...,
    clock: Callable[[], float] = ...,
) -> AsyncSolarClient: ...
def create_client(
    account: Account,
    *,
    allow_commands: bool = False,
    keeper: Keeper | None = DEFAULT_KEEPER,
    asynchronous: bool = False,
    interactive: bool | None = None,
    timeout: float | None = None,
    transport: BlockingTransport | None = None,
    clock: Callable[[], float] = time,
) -> SolarClient | AsyncSolarClient:
    """Create a blocking or async client of an account; nothing is sent yet.

    `interactive` clients may use the reserve of the budget; by default those of a blocking client at a terminal.
    `clock` returns the time in epoch seconds.
    """
    from heliograph.transports import TIMEOUT  # noqa: PLC0415 - saves its import for --help

    info = VENDORS[account.vendor]
    client_type: Any = info.async_client_class() if asynchronous else info.client_class()
    credentials: tuple[str | Secret, ...] = (account.username, account.password)
    if account.token is not None and not account.has_password:
        client_type, credentials = info.token_client_class(asynchronous=asynchronous), (account.token,)
    more: dict[str, Any] = {} if transport is None else {"transport": transport}
    more |= {"token": account.token} if account.token is not None and account.has_password else {}
    if account.portal:
        more["portal"] = account.portal if isinstance(account.portal, bool) else _check_server(account.portal)
    try:
        client: SolarClient | AsyncSolarClient = client_type(
            *credentials,
            **more,
            server="" if account.server is None else _check_server(account.server),
            zone=account.zone,
            allow_commands=allow_commands,
            keeper=keeper,
            limits=_limits(account, client_type.default_limits),
            interactive=is_interactive() and not asynchronous if interactive is None else interactive,
            self_throttled=asynchronous,
            timeout=TIMEOUT if timeout is None else timeout,
            clock=clock,
        )
        return client  # noqa: TRY300 - nothing else is tried
    except ConfigError as error:
        raise ConfigError(f"account {account.name}: {error}") from None


def missing_values(client: object) -> Mapping[str, str]:
    """Return why values of a plant are missing, with the remedy, by plant id; nothing is sent."""
    return client.missing_values() if isinstance(client, ReportsMissingValues) else {}


def account_key(account: Account) -> str:
    """Return a key of vendor, server and user name, which identifies an account under any configured name."""
    server = client_class(account.vendor).resolve_server(account.server or "")
    username = account.username
    if account.token is not None and not account.has_password:
        username = VENDORS[account.vendor].token_client_class(asynchronous=False).account_name(account.token)
    return f"{account.vendor} {server} {username}"


def unencrypted_server(account: Account) -> str | None:
    """Return the URL of an account's server if its credentials would cross a public network unencrypted."""
    from heliograph.outputs.http import is_local_host  # noqa: PLC0415 - only for servers with http

    server = client_class(account.vendor).resolve_server(account.server or "")
    parts = urlsplit(server)
    return server if parts.scheme == "http" and not is_local_host(parts.hostname or "") else None


def is_interactive() -> bool:
    """Return True if standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def _limits(account: Account, defaults: Limits) -> Limits:
    """Return the vendor's default limits with the account's configured values."""
    requests = defaults.requests if account.requests_per_day is None else account.requests_per_day
    logins = defaults.logins if account.logins_per_day is None else account.logins_per_day
    reserve = defaults.reserve if account.reserve is None else account.reserve
    if reserve >= requests:
        raise ConfigError(f"reserve = {reserve} uses up all {requests} requests a day; set a lower one")
    return defaults._replace(
        requests=requests, logins=logins, reserve=reserve, login_reserve=min(defaults.login_reserve, logins - 1)
    )


def _check_server(server: str) -> str:
    """Return a region name unchanged, a URL only if it is valid."""
    try:
        parts = urlsplit(server)
        is_valid = "://" not in server or (parts.scheme in {"http", "https"} and parts.hostname)
    except ValueError:
        is_valid = False
    if not is_valid or not server.isprintable() or " " in server:
        raise ConfigError(
            f"{mask_secrets(server)!r} is not a valid server; use a URL like https://example.com or a region name"
        )
    return server
