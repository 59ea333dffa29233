"""GoodWe: the SEMS Portal, typed, blocking and async."""

from __future__ import annotations

from heliograph.client import TIMEOUT, Account, AsyncClient, BlockingClient
from heliograph.redact import Secret
from heliograph.session import Credentials, Session
from heliograph.vendors.goodwe.api import GoodWeCalls
from heliograph.vendors.goodwe.login import AGENT, GoodWeCloud, address
from heliograph.vendors.goodwe.read import GoodWeReadings

__all__ = ["AsyncGoodWe", "GoodWe", "GoodWeCalls", "address"]


class _GoodWeAccount(Account):
    """How both clients are made."""

    def __init__(
        self,
        username: str,
        password: str | Secret,
        *,
        server: str = "global",
        user_agent: str = AGENT,
        session: Session | None = None,
        timeout: float = TIMEOUT,
        allow_commands: bool = False,
    ) -> None:
        """Make a client of one account; nothing is sent before the first call.

        `server` is a region's name or an address: the global one accepts every account and names its region.
        `session` is a stored one that may spare a login. Orders need `allow_commands`.
        """
        super().__init__(
            GoodWeCloud(user_agent),
            session or Session(address(server)),
            Credentials(username, password if isinstance(password, Secret) else Secret(password)),
            timeout=timeout,
            allow_commands=allow_commands,
        )


class GoodWe(_GoodWeAccount, GoodWeCalls, GoodWeReadings, BlockingClient):
    """A blocking client of one GoodWe account."""


class AsyncGoodWe(_GoodWeAccount, GoodWeCalls, GoodWeReadings, AsyncClient):
    """An async client of one GoodWe account: the same methods, awaited."""
