"""The money of a period on the page: cost, income, savings and avoided CO2, and what is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import htpy as h

from heliograph.web.page.format import count, mass, money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.tariffs.money import PeriodMoney

LABELS = {"cost": "Cost", "income": "Income", "savings": "Savings", "co2": "CO₂ avoided"}
"""The columns of money, in their order."""
_UNPRICED = "Of the others, the energy, its price or its hour is unknown."


def money_text(one: PeriodMoney, name: str) -> str:
    """Return one value of a period, formatted."""
    value = one.values[name]
    return mass(value) if name == "co2" else money(value, one.currency)


def money_section(one: PeriodMoney | None, problems: Sequence[str], *, metered: bool) -> h.Node:
    """Return the money of a period and why parts of it are unknown; nothing without a tariff."""
    if one is None:
        return None
    shown = [name for name in LABELS if one.values[name] is not None]
    hints = [f"Prices are missing: {problem}." for problem in problems] or _hints(one, shown, metered=metered)
    return [
        bool(shown)
        and h.dl(".money")[[h.div[h.dt[LABELS[name]], h.dd[h.strong[money_text(one, name)]]] for name in shown]],
        [h.p(".hint")[text] for text in hints],
    ]


def _hints(one: PeriodMoney, shown: Sequence[str], *, metered: bool) -> list[str]:
    """Say for how many days each value is known, where days are missing that another value has."""
    most = max(one.known.values())
    short = [name for name in LABELS if one.known[name] < most and (name in shown or (metered and name == "cost"))]
    if not short:
        return []
    parts = ", ".join(f"{LABELS[name].lower()} of {one.known[name]}" for name in short)
    return [f"Known: {parts} of {count(most, 'day', 'days')}. {_UNPRICED}"]
