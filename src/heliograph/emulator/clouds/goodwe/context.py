"""What an answer is given to work with, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.api import Router
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.emulator.api import EmulatedAccount, RequestContext

LEGACY_ROUTER = Router(GoodWeCalls)


class GoodWeCallContext(NamedTuple):
    """One call of one account; argument names are in lower case."""

    arguments: Mapping[str, str]
    account: EmulatedAccount
    context: RequestContext
    origin: str


class GoodWeFailure(Exception):
    """The call is refused with one of the portal's codes."""

    def __init__(self, code: int | str, words: str, data: Any = None, language: str = "en") -> None:
        self.code = code
        self.message = words
        self.data = data
        self.language = language
        super().__init__(words)


class FirewallBlocked(Exception):
    """The firewall answers instead of the portal."""
