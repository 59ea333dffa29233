"""Your solar data out of the Growatt and GoodWe clouds.

from heliograph import Growatt
for plant in Growatt("me", "secret").snapshots():
print(plant.as_dict())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliograph.history import read_history
    from heliograph.vendors.goodwe import AsyncGoodWe, GoodWe
    from heliograph.vendors.growatt import AsyncGrowatt, Growatt

__all__ = ["AsyncGoodWe", "AsyncGrowatt", "GoodWe", "Growatt", "read_history"]
__version__ = "0.1.0"

_HOMES = {
    "Growatt": "vendors.growatt",
    "AsyncGrowatt": "vendors.growatt",
    "GoodWe": "vendors.goodwe",
    "AsyncGoodWe": "vendors.goodwe",
    "read_history": "history",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: one cloud's user never pays for the other.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"heliograph.{_HOMES[name]}"), name)
