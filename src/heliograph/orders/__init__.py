"""Careful orders: one road on which settings are changed, which looks, writes down, sends once and reads back."""

from __future__ import annotations

from heliograph.orders.clock import Clock
from heliograph.orders.desk import AsyncOrders, Orders
from heliograph.orders.difference import Difference
from heliograph.orders.journal import Journal
from heliograph.orders.plan import Plan, Sight
from heliograph.orders.rights import Rights
from heliograph.orders.states import Change, Kind, Order, State

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
