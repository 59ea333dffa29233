"""Call context and failures of the emulated SEMS Portal's handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.api import Router
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.emulator.api import EmulatedAccount, RequestContext

LEGACY_ROUTER = Router(GoodWeCalls)


class GoodWeCallContext(NamedTuple):
    """One emulated call of one account; argument names are in lower case."""

    arguments: Mapping[str, str]
    account: EmulatedAccount
    context: RequestContext
    origin: str


class GoodWeFailure(Exception):
    """Raised by a handler to reject a call with one of the portal's codes."""

    def __init__(self, code: int | str, message: str, data: Any = None, language: str = "en") -> None:
        self.code = code
        self.message = message
        self.data = data
        self.language = language
        super().__init__(message)


class FirewallBlocked(Exception):
    """Raised to return the firewall's page instead of a response."""
