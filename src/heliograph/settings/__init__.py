"""Careful orders: one road on which settings are changed, which looks, writes down, sends once and reads back."""

from __future__ import annotations

from heliograph.local_time import Clock
from heliograph.settings.api import AsyncOrders, Orders
from heliograph.settings.journal import Journal
from heliograph.settings.models import Change, ChangeState, Order, OrderKind
from heliograph.settings.permissions import Permissions
from heliograph.settings.plan import Plan, PlannedChange, SettingsSnapshot

__all__ = [
    "AsyncOrders",
    "Change",
    "ChangeState",
    "Clock",
    "Journal",
    "Order",
    "OrderKind",
    "Orders",
    "Permissions",
    "Plan",
    "PlannedChange",
    "SettingsSnapshot",
]
