"""From an account of the configuration to the client that speaks for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from heliograph.core.redact import mask_secrets
from heliograph.errors import ConfigError
from heliograph.keeper import DEFAULT_KEEPER

if TYPE_CHECKING:
    from heliograph.config import Account
    from heliograph.keeper import Keeper, Limits

CLIENTS = {"growatt": "Growatt", "goodwe": "GoodWe"}


def client_class(vendor: str) -> type[SolarClient]:
    """Return a vendor's blocking client, which also is the list of its calls; loaded when asked for."""
    return VENDORS[vendor].client_class()


@overload
def create_client(
    account: Account,
    *,
    allow_commands: bool = ...,
    keeper: Literal["usual"] | None = ...,
    asynchronous: Literal[False] = ...,
    interactive: bool | None = ...,
    timeout: float | None = ...,
) -> SolarClient: ...
@overload
def create_client(
    account: Account,
    *,
    allow_commands: bool = ...,
    keeper: Literal["usual"] | None = ...,
    asynchronous: Literal[True],
    interactive: bool | None = ...,
    timeout: float | None = ...,
) -> AsyncSolarClient: ...
def create_client(
    account: Account,
    *,
    allow_commands: bool = False,
    keeper: Keeper | None = DEFAULT_KEEPER,
    asynchronous: bool = False,
    interactive: bool | None = None,
    timeout: float | None = None,
) -> SolarClient | AsyncSolarClient:
    """Return a client of this account, a blocking one or an async one; nothing is sent yet.

    `interactive` says whether a person waits for it; where it is not said, whoever is at the keyboard does.
    """
    from heliograph.client import TIMEOUT  # noqa: PLC0415 - help needs no HTTP library

    info = VENDORS[account.vendor]
    kind = info.async_client_class() if asynchronous else info.client_class()
    try:
        return kind(
            account.username,
            account.password,
            server="" if account.server is None else _checked(account.server),
            zone=account.zone,
            allow_commands=allow_commands,
            keeper=keeper,
            limits=_limits(account, kind.default_limits),
            interactive=is_interactive() and not asynchronous if interactive is None else interactive,
            self_throttled=asynchronous,
            **({} if timeout is None else {"timeout": timeout}),
        )
    except ConfigError as error:
        raise ConfigError(f"account {account.name}: {error}") from None


def account_key(account: Account) -> str:
    """Return what tells accounts apart, whatever the configuration calls them."""
    server = client_class(account.vendor).resolve_server(account.server or "")
    return f"{account.vendor} {server} {account.username}"


def is_interactive() -> bool:
    """Tell whether a person waits for this, and could be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def _limits(account: Account, usual: Limits) -> Limits:
    """Return the cloud's usual limits, but for what the account's configuration says."""
    requests = usual.requests if account.requests_per_day is None else account.requests_per_day
    logins = usual.logins if account.logins_per_day is None else account.logins_per_day
    reserve = usual.reserve if account.reserve is None else account.reserve
    if reserve >= requests:
        raise ConfigError(f"its reserve of {reserve} leaves nothing of {requests} requests a day; set a lower one")
    return usual._replace(
        requests=requests, logins=logins, reserve=reserve, login_reserve=min(usual.login_reserve, logins - 1)
    )


def _checked(server: str) -> str:
    """Return a region's name as it is, an address only if it can be one."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - help needs no addresses

    try:
        parts = urlsplit(server)
        sound = "://" not in server or (parts.scheme in {"http", "https"} and parts.hostname)
    except ValueError:
        sound = False
    if not sound or not server.isprintable() or " " in server:
        raise ConfigError(
            f"{mask_secrets(server)!r} is no address; write one like https://example.com or a region's name"
        )
    return server
