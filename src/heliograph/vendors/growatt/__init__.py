"""Clients of the Growatt cloud: the ShinePhone password API, typed, blocking and async."""

from __future__ import annotations

from heliograph.client import AccountClient, AsyncClient, BlockingClient
from heliograph.keeper.limits import Limits
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import GrowattProtocol, resolve_server
from heliograph.vendors.growatt.composite import GrowattHistory, GrowattSnapshots
from heliograph.vendors.growatt.params import Timespan, hash_password
from heliograph.vendors.growatt.settings import GrowattSettings

__all__ = ["AsyncGrowatt", "Growatt", "GrowattCalls", "Timespan", "hash_password", "resolve_server"]


class _GrowattAccount(AccountClient):
    """One Growatt account."""

    cloud = GrowattProtocol
    default_limits = Limits(requests=180, logins=8, reserve=20, login_reserve=2)
    """Growatt support: 200 queries a day lock an account for a day. Frequent logins lock it sooner."""

    @staticmethod
    def resolve_server(server: str) -> str:
        return resolve_server(server)


class Growatt(_GrowattAccount, GrowattCalls, GrowattSnapshots, GrowattHistory, GrowattSettings, BlockingClient):
    """A blocking client of one Growatt account; regions are eu (the default), us, cn, au and more."""


class AsyncGrowatt(_GrowattAccount, GrowattCalls, GrowattSnapshots, GrowattHistory, GrowattSettings, AsyncClient):
    """An async client of one Growatt account: the same methods, awaited."""
