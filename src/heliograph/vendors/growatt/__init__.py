"""Growatt: the ShinePhone password API, typed, blocking and async."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.client import TIMEOUT, Account, AsyncClient, BlockingClient
from heliograph.errors import ConfigError
from heliograph.redact import Secret
from heliograph.session import Credentials, Session
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.dates import Timespan
from heliograph.vendors.growatt.login import AGENT, SERVERS, GrowattCloud
from heliograph.vendors.growatt.password import hash_password
from heliograph.vendors.growatt.read import GrowattReadings

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["AsyncGrowatt", "Growatt", "GrowattCalls", "Timespan", "address", "hash_password"]


def address(server: str) -> str:
    """Return the base address of a region's name or of an address, ending in a slash.

    >>> address("us")
    'https://openapi-us.growatt.com/'
    """
    if "://" not in server:
        if server.lower() not in SERVERS:
            raise ConfigError(f"{server!r} is no Growatt region; use an address or one of {', '.join(SERVERS)}")
        return SERVERS[server.lower()]
    return server if server.endswith("/") else server + "/"


class _GrowattAccount(Account):
    """How both clients are made."""

    def __init__(
        self,
        username: str,
        password: str | Secret,
        *,
        server: str = "eu",
        zone: tzinfo | None = None,
        user_agent: str = AGENT,
        session: Session | None = None,
        timeout: float = TIMEOUT,
        allow_commands: bool = False,
    ) -> None:
        """Make a client of one account; nothing is sent before the first call.

        `server` is a region's name or an address, `zone` the plants' time zone where the cloud's fixed offset
        is not enough, `session` a stored one that may spare a login. Orders need `allow_commands`.
        """
        super().__init__(
            GrowattCloud(user_agent, zone),
            session or Session(address(server)),
            Credentials(username, password if isinstance(password, Secret) else Secret(password)),
            timeout=timeout,
            allow_commands=allow_commands,
        )


class Growatt(_GrowattAccount, GrowattCalls, GrowattReadings, BlockingClient):
    """A blocking client of one Growatt account."""


class AsyncGrowatt(_GrowattAccount, GrowattCalls, GrowattReadings, AsyncClient):
    """An async client of one Growatt account: the same methods, awaited."""
