"""From an account of the configuration to the client that speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import heliograph
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from heliograph.config import Account

CLIENTS = {"growatt": "Growatt", "goodwe": "GoodWe"}


def client_type(vendor: str) -> Any:
    """Return a vendor's blocking client, which also is the list of its calls; loaded when asked for."""
    return getattr(heliograph, CLIENTS[vendor])


def client(account: Account, *, allow_commands: bool = False) -> Any:
    """Return a client of this account; nothing is sent yet."""
    try:
        return client_type(account.vendor)(
            account.username,
            account.password,
            server="" if account.server is None else _checked(account.server),
            zone=account.zone,
            allow_commands=allow_commands,
        )
    except ConfigError as error:
        raise ConfigError(f"account {account.name}: {error}") from None


def _checked(server: str) -> str:
    """Return a region's name as it is, an address only if it can be one."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - help needs no addresses

    try:
        parts = urlsplit(server)
        sound = "://" not in server or (parts.scheme in {"http", "https"} and parts.hostname)
    except ValueError:
        sound = False
    if not sound or not server.isprintable() or " " in server:
        raise ConfigError(f"{server!r} is no address; write one like https://example.com or a region's name")
    return server
