"""Careful orders: one road on which settings are changed, which looks, writes down, sends once and reads back."""

from __future__ import annotations

from heliograph.settings.api import AsyncOrders, Clock, Orders
from heliograph.settings.journal import Journal
from heliograph.settings.models import Change, Kind, Order, State
from heliograph.settings.permissions import Rights
from heliograph.settings.plan import Difference, Plan, Sight

__all__ = [
    "AsyncOrders",
    "Change",
    "Clock",
    "Difference",
    "Journal",
    "Kind",
    "Order",
    "Orders",
    "Plan",
    "Rights",
    "Sight",
    "State",
]
