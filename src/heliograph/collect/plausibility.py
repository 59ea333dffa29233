"""Plausibility of one sample: with a wrong time it is set aside, an impossible value becomes a gap. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.metrics import METRICS
from heliograph.model import Quality
from heliograph.store.base import MAX_AHEAD, Repair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.store.base import StoredSample

MEASURED_IN_FUTURE = "measured in the future"
_MEASURED_TOO_EARLY = "measured before 2000"
_YEAR_2000 = 946_684_800
"""Before the first plant of any vendor; a datalogger that lost its clock may report 1970."""


class CheckedSample(NamedTuple):
    """A sample without implausible values, or None if its time is wrong; and the rejected values."""

    sample: StoredSample | None
    repairs: tuple[Repair, ...]


def check_sample(sample: StoredSample) -> CheckedSample:
    """Check the time of a sample, and each value against the range of its metric.

    The repairs of a sample with a wrong time have the time it was fetched: its own may be beyond every calendar.
    """
    too_early = sample.measured_at < _YEAR_2000
    if too_early or sample.measured_at > sample.fetched_at + MAX_AHEAD:
        known = {name: value for name, value in sample.values.items() if value is not None}
        reason = _MEASURED_TOO_EARLY if too_early else MEASURED_IN_FUTURE
        return CheckedSample(None, _repairs(sample, sample.fetched_at, known, reason))
    rejected = {
        name: value
        for name, value in sample.values.items()
        if value is not None and not METRICS[name].minimum <= value <= METRICS[name].maximum
    }
    if not rejected:
        return CheckedSample(sample, ())
    # A backfilled sample stays one: its readers expect no lifetime totals.
    quality = Quality.REPAIRED if sample.quality is Quality.LIVE else sample.quality
    checked = sample._replace(values={**sample.values, **dict.fromkeys(rejected)}, quality=quality)
    return CheckedSample(checked, _repairs(sample, sample.measured_at, rejected, "outside the plausible range"))


def _repairs(sample: StoredSample, at: int, rejected: Mapping[str, float], reason: str) -> tuple[Repair, ...]:
    return tuple(Repair(sample.series, at, name, value, None, reason) for name, value in rejected.items())
