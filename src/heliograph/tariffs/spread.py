"""The energy of a day, spread over its hours by counters or powers, and its value at prices that change during the day.

Energy that flowed while the price changed and no sample was stored has no known price: the value is then None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_SPAN = 3600
"""Seconds without a sample over which energy is spread evenly across a change of the price."""
UNPRICED_SHARE = 0.05
"""Share of a day's energy whose time may be unknown; it is valued like the rest."""
_COVERAGE = 0.95
"""Share of a day for which powers are needed, if there are no counters."""
_DEVIATIONS = (0.5, 2.0)
"""Powers are not used if the day's energy is less or more than this multiple of their integral."""
_WATT_SECONDS = 3_600_000
"""Watt seconds of a kWh."""


class Slot(NamedTuple):
    """Measurements of a span of time: the highest counter of the day in kWh, and the mean power in W."""

    start: int
    end: int
    counter: float | None = None
    power: float | None = None


class EnergySpan(NamedTuple):
    """Energy in kWh that flowed between two times."""

    start: int
    end: int
    kwh: float


class PriceSpan(NamedTuple):
    """One price per kWh between two times; None if it is unknown."""

    start: int
    end: int
    price: float | None


def spread(total: float, slots: Sequence[Slot], start: int, end: int) -> Iterator[list[EnergySpan]]:
    """Yield the ways to spread a day's energy over spans of time, the best one first; their energies sum to it.

    Counters are the best, because they count what flowed while no sample was stored. Powers must cover the whole day.

    >>> slots = [Slot(0, 900, 1.0), Slot(900, 1800, 3.0)]
    >>> [[span.kwh for span in spans] for spans in spread(6.0, slots, 0, 3600)]
    [[1.0, 2.0, 3.0]]
    """
    for spans in (_by_counter(total, slots, start, end), _by_power(total, slots, start, end)):
        known = sum(span.kwh for span in spans)
        if known > 0:
            yield [span._replace(kwh=span.kwh * total / known) for span in spans]


def _by_counter(total: float, slots: Sequence[Slot], start: int, end: int) -> list[EnergySpan]:
    spans: list[EnergySpan] = []
    at, before = start, 0.0
    for slot in slots:
        until = min(slot.end, end)
        if slot.counter is not None and until > at:
            spans.append(EnergySpan(at, until, max(0.0, slot.counter - before)))
            at, before = until, max(before, slot.counter)
    if spans and at < end and total > before:
        spans.append(EnergySpan(at, end, total - before))
    return spans


def _by_power(total: float, slots: Sequence[Slot], start: int, end: int) -> list[EnergySpan]:
    spans = [
        EnergySpan(slot.start, slot.end, max(0.0, slot.power) * (slot.end - slot.start) / _WATT_SECONDS)
        for slot in slots
        if slot.power is not None
    ]
    covered, integral = sum(span.end - span.start for span in spans), sum(span.kwh for span in spans)
    lowest, highest = (limit * integral for limit in _DEVIATIONS)
    return spans if covered >= _COVERAGE * (end - start) and lowest <= total <= highest else []


def energy_value(
    total: float, slots: Sequence[Slot], prices: Sequence[PriceSpan], start: int, end: int
) -> float | None:
    """Return the value of a day's energy; None if a price, or when the energy flowed, is unknown.

    `prices` cover the day without gaps. At one price all day no slots are needed.
    """
    if not any(one.price is not None for one in prices):
        return None
    if len({one.price for one in prices}) == 1:
        return total * (prices[0].price or 0.0)
    if total <= 0:
        return 0.0
    values = (_value(total, spans, prices) for spans in spread(total, slots, start, end))
    return next((value for value in values if value is not None), None)


def _value(total: float, spans: Sequence[EnergySpan], prices: Sequence[PriceSpan]) -> float | None:
    value = unpriced = 0.0
    for span in spans:
        price = _mean_price(span, prices)
        if price is None:
            unpriced += span.kwh
        else:
            value += span.kwh * price
    if unpriced > UNPRICED_SHARE * total:
        return None
    return value * total / (total - unpriced)


def _mean_price(span: EnergySpan, prices: Sequence[PriceSpan]) -> float | None:
    """Return the mean price of a span; None if one is unknown, or if they differ and the span is long."""
    parts = [
        (min(span.end, one.end) - max(span.start, one.start), one.price)
        for one in prices
        if one.start < span.end and one.end > span.start
    ]
    known = [(seconds, price) for seconds, price in parts if price is not None]
    if not parts or len(known) < len(parts):
        return None
    if len({price for _, price in known}) == 1:
        return known[0][1]
    if span.end - span.start > LONGEST_SPAN:
        return None
    return sum(seconds * price for seconds, price in known) / sum(seconds for seconds, _ in known)
