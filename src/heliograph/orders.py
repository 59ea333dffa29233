"""Deprecated alias of `heliograph.settings` under its old name, available for one more release."""

from __future__ import annotations

from typing import Any

_RENAMED = {
    "Difference": "PlannedChange",
    "Kind": "OrderKind",
    "Rights": "Permissions",
    "Sight": "SettingsSnapshot",
    "State": "ChangeState",
}
_UNCHANGED = {"AsyncOrders", "Change", "Clock", "Journal", "Order", "Orders", "Plan"}


def __getattr__(name: str) -> Any:
    if name not in _UNCHANGED and name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from warnings import warn  # noqa: PLC0415 - only needed when the alias is used

    from heliograph import settings  # noqa: PLC0415 - as above

    new = _RENAMED.get(name, name)
    warn(f"heliograph.orders.{name} is deprecated; use heliograph.settings.{new}", DeprecationWarning, stacklevel=2)
    return getattr(settings, new)


def __dir__() -> list[str]:
    return sorted(_UNCHANGED | _RENAMED.keys())
