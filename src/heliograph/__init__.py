"""Clients for the Growatt and GoodWe clouds, blocking and async, with typed results.

>>> from heliograph import Growatt
>>> client = Growatt("me", "secret")  # nothing is sent yet
>>> client
Growatt(m***, server='https://openapi.growatt.com/')
>>> for snapshot in client.snapshots():  # doctest: +SKIP
...     print(snapshot.plant.name, snapshot.pv_power, "W")
Roof 4210.0 W
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.errors import (
        AccountLocked,
        Blocked,
        CloudError,
        ConfigError,
        HeliographError,
        InvalidCredentials,
        InvalidValue,
        LoginFailed,
        RequestRefused,
        SessionExpired,
        StoreError,
        StoreInUse,
        StoreMissing,
        TermsNotAccepted,
        Throttled,
        Unreachable,
        Unreadable,
        WrongRegion,
    )
    from heliograph.history import read_history
    from heliograph.keeper import Budget, Keeper, Limits
    from heliograph.metrics import METRICS, Metric, MetricName
    from heliograph.model import Device, DeviceSnapshot, HistoryCost, PeriodEnergy, Plant, Sample, Snapshot, Status
    from heliograph.settings import AsyncOrders, Orders
    from heliograph.vendors.goodwe import AsyncGoodWe, GoodWe
    from heliograph.vendors.growatt import AsyncGrowatt, Growatt
    from heliograph.vendors.growatt.openapi import AsyncGrowattToken, GrowattToken
    from heliograph.vendors.growatt.portal import AsyncGrowattPortal, GrowattPortal

__version__ = "0.1.0"
__all__ = [
    "METRICS",
    "AccountLocked",
    "AsyncGoodWe",
    "AsyncGrowatt",
    "AsyncGrowattPortal",
    "AsyncGrowattToken",
    "AsyncOrders",
    "Blocked",
    "Budget",
    "CloudError",
    "ConfigError",
    "Device",
    "DeviceSnapshot",
    "GoodWe",
    "Growatt",
    "GrowattPortal",
    "GrowattToken",
    "HeliographError",
    "HistoryCost",
    "InvalidCredentials",
    "InvalidValue",
    "Keeper",
    "Limits",
    "LoginFailed",
    "Metric",
    "MetricName",
    "Orders",
    "PeriodEnergy",
    "Plant",
    "RequestRefused",
    "Sample",
    "SessionExpired",
    "Snapshot",
    "Status",
    "StoreError",
    "StoreInUse",
    "StoreMissing",
    "TermsNotAccepted",
    "Throttled",
    "Unreachable",
    "Unreadable",
    "WrongRegion",
    "read_history",
]

_MODULES = {
    "history": "read_history",
    "keeper": "Budget Keeper Limits",
    "metrics": "METRICS Metric MetricName",
    "model": "Device DeviceSnapshot HistoryCost PeriodEnergy Plant Sample Snapshot Status",
    "settings": "AsyncOrders Orders",
    "vendors.goodwe": "AsyncGoodWe GoodWe",
    "vendors.growatt": "AsyncGrowatt Growatt",
    "vendors.growatt.openapi": "AsyncGrowattToken GrowattToken",
    "vendors.growatt.portal": "AsyncGrowattPortal GrowattPortal",
}


def __getattr__(name: str) -> object:
    # Names are imported when first used, so that a user of one vendor does not load the other.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    from heliograph.core.garbage import garbage_collection_paused  # noqa: PLC0415

    module = next((module for module, names in _MODULES.items() if name in names.split()), "errors")
    with garbage_collection_paused:  # collections take 1 of the 60 ms of a cold start
        value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
