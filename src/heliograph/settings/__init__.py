"""Device settings: definitions, schedules, and safe changes that are checked, recorded, sent once and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliograph.settings.api import AsyncOrders, Clock, Orders
    from heliograph.settings.definition import Parameter, Setting
    from heliograph.settings.journal import Journal
    from heliograph.settings.models import Change, ChangeState, Order, OrderKind
    from heliograph.settings.permissions import Permissions
    from heliograph.settings.plan import Plan, PlannedChange, SettingsSnapshot
    from heliograph.settings.schedule import Schedule, Window

__all__ = [
    "AsyncOrders",
    "Change",
    "ChangeState",
    "Clock",
    "Journal",
    "Order",
    "OrderKind",
    "Orders",
    "Parameter",
    "Permissions",
    "Plan",
    "PlannedChange",
    "Schedule",
    "Setting",
    "SettingsSnapshot",
    "Window",
]

_MODULES = {
    "api": ("AsyncOrders", "Clock", "Orders"),
    "definition": ("Parameter", "Setting"),
    "journal": ("Journal",),
    "models": ("Change", "ChangeState", "Order", "OrderKind"),
    "permissions": ("Permissions",),
    "plan": ("Plan", "PlannedChange", "SettingsSnapshot"),
    "schedule": ("Schedule", "Window"),
}


def __getattr__(name: str) -> Any:
    # Lazy: the vendors need only the definitions, and importing them must stay fast.
    module = next((module for module, names in _MODULES.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return __all__
