"""Readings that no earlier reading confirms: which are plausible enough to be stored as provisional."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.collect.counters.track import DAY, HOUR

if TYPE_CHECKING:
    from heliograph.collect.counters.track import CounterTrack

NOT_RESET = "yesterday's, not reset yet"
"""The reason of a repair; stored, so it must not change."""
RESET_BY = 12 * HOUR
"""Seconds after midnight by which a device that reports has reset its daily counters: at sunrise at the latest."""
_CURVE_SHARE = 0.1
_CURVE_EXCESS, _CURVE_ERROR = 0.3, 0.1
"""Difference of a daily counter and the power curve: as a share, and in kWh above the curve and to agree with it."""


class SampleContext(NamedTuple):
    """The context of a sample: its time in the plant's calendar, and the energy that is possible."""

    at: int
    day: int
    midnight: int
    limit: float
    """The maximum flow in kWh per second."""
    first_limit: float
    """The same for a first reading, which the size of the plant bounds."""
    curve: float | None = None
    """The energy since midnight by the power curve, in kWh, if the curve is complete."""


class KeptValue(NamedTuple):
    """The value stored for a reading, the reason if the reading is rejected, and whether the value is unconfirmed."""

    value: float | None
    reason: str | None = None
    provisional: bool = False


def check_first_total(raw: float, today: float | None, track: CounterTrack, now: SampleContext) -> KeptValue:
    """Return a lifetime total that no second reading has confirmed; it has at least today's energy."""
    if today is not None and 0 < raw < today - track.step:
        return KeptValue(None, "less than today's energy")
    # A total may be 0 for a night, and readers would count the jump after it as energy; after a day 0 is credible.
    return KeptValue(raw if raw or now.at - track.moved >= DAY else None, provisional=True)


def check_unsettled_today(
    raw: float, total: float | None, step: float, now: SampleContext, *, is_first: bool
) -> KeptValue:
    """Return a daily counter that is today's or yesterday's, if it can be today's.

    The curve decides. Without one, a first reading is bounded by the time since midnight and by the total. Until noon
    a later one may be yesterday's counter that the cloud has completed; then it is bounded like a first reading.
    """
    if now.curve is not None:
        if raw <= now.curve * (1 + _CURVE_SHARE) + _CURVE_EXCESS:
            return KeptValue(raw, provisional=True)
        return KeptValue(round(now.curve, 1), NOT_RESET, provisional=True)
    if not is_first and now.at - now.midnight < RESET_BY:
        return KeptValue(None, NOT_RESET)
    if raw > now.first_limit * (now.at - now.midnight) + step:
        return KeptValue(None, "more than can be")
    if total is not None and 0 < total < raw - step:
        return KeptValue(None, "more than the total")
    return KeptValue(raw, provisional=True)


def agrees_with_curve(raw: float, now: SampleContext) -> bool:
    """Return True if the power curve has the same energy since midnight."""
    return now.curve is not None and abs(raw - now.curve) <= max(_CURVE_SHARE * now.curve, _CURVE_ERROR)
