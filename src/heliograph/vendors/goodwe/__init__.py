"""GoodWe: the SEMS Portal, typed, blocking and async."""

from __future__ import annotations

from heliograph.client import Account, AsyncClient, BlockingClient
from heliograph.vendors.goodwe.api import GoodWeCalls
from heliograph.vendors.goodwe.login import GoodWeCloud, address
from heliograph.vendors.goodwe.read import GoodWeReadings

__all__ = ["AsyncGoodWe", "GoodWe", "GoodWeCalls", "address"]


class _GoodWeAccount(Account):
    """One GoodWe account."""

    cloud = GoodWeCloud
    address = staticmethod(address)


class GoodWe(_GoodWeAccount, GoodWeCalls, GoodWeReadings, BlockingClient):
    """A blocking client of one GoodWe account; the global server names its region by itself."""


class AsyncGoodWe(_GoodWeAccount, GoodWeCalls, GoodWeReadings, AsyncClient):
    """An async client of one GoodWe account: the same methods, awaited."""
