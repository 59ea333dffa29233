"""GoodWe: the SEMS Portal and SEMS+, typed, blocking and async."""

from __future__ import annotations

from heliograph.client import Account, AsyncClient, BlockingClient
from heliograph.keeper.limits import Limits
from heliograph.vendors.goodwe.auth import GoodWeCloud
from heliograph.vendors.goodwe.history import GoodWeHistory
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.goodwe.servers import address
from heliograph.vendors.goodwe.settings import GoodWeSettings
from heliograph.vendors.goodwe.snapshots import GoodWeReadings

__all__ = ["AsyncGoodWe", "GoodWe", "GoodWeCalls", "SemsPlusCalls", "address"]


class _GoodWeAccount(Account):
    """One GoodWe account."""

    cloud = GoodWeCloud
    usual_limits = Limits(requests=300, logins=12, reserve=30, login_reserve=2)
    """A snapshot of SEMS+ takes up to five requests; every 15 minutes by day was never banned (pygoodwe issue 283)."""
    address = staticmethod(address)


class GoodWe(_GoodWeAccount, GoodWeCalls, SemsPlusCalls, GoodWeReadings, GoodWeHistory, GoodWeSettings, BlockingClient):
    """A blocking client of one GoodWe account; it speaks whichever dialect serves the account."""


class AsyncGoodWe(
    _GoodWeAccount, GoodWeCalls, SemsPlusCalls, GoodWeReadings, GoodWeHistory, GoodWeSettings, AsyncClient
):
    """An async client of one GoodWe account: the same methods, awaited."""
