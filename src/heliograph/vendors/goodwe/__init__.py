"""GoodWe clients (SEMS Portal and SEMS+), blocking and async."""

from __future__ import annotations

from heliograph.client import AccountClient, AsyncClient, BlockingClient
from heliograph.keeper.limits import Limits
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.goodwe.events import GoodWeEvents
from heliograph.vendors.goodwe.history import GoodWeHistory
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.goodwe.servers import resolve_server
from heliograph.vendors.goodwe.settings import GoodWeSettings
from heliograph.vendors.goodwe.snapshots import GoodWeSnapshots

__all__ = ["AsyncGoodWe", "GoodWe", "GoodWeCalls", "SemsPlusCalls", "resolve_server"]


class _GoodWeAccount(AccountClient):
    """Options shared by both GoodWe clients."""

    cloud = GoodWeProtocol
    default_limits = Limits(requests=300, logins=12, reserve=30, login_reserve=2)
    """A SEMS+ snapshot takes up to five requests; polling every 15 minutes was never banned (pygoodwe issue 283)."""

    @staticmethod
    def resolve_server(server: str) -> str:
        return resolve_server(server)


class GoodWe(
    _GoodWeAccount,
    GoodWeCalls,
    SemsPlusCalls,
    GoodWeSnapshots,
    GoodWeHistory,
    GoodWeEvents,
    GoodWeSettings,
    BlockingClient,
):
    """Blocking client of one GoodWe account; uses the dialect that serves the account."""


class AsyncGoodWe(
    _GoodWeAccount,
    GoodWeCalls,
    SemsPlusCalls,
    GoodWeSnapshots,
    GoodWeHistory,
    GoodWeEvents,
    GoodWeSettings,
    AsyncClient,
):
    """Async client of one GoodWe account, with the same methods."""
