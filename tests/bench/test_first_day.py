"""The first day of a store: all readings of counters are stored from the first poll on, and none is wrong."""

from __future__ import annotations

import sys

import pytest

from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))

import first_day


@pytest.mark.parametrize(
    ("plant", "hour", "faults"),
    [
        ("Growatt, hybrid", 20, {}),
        ("GoodWe, hybrid", 22, {}),
        ("Growatt, string inverter", 22, {"replay": True}),
    ],
)
def test_run_first_day_stores_right_counters_without_rejections(plant, hour, faults):
    readings = first_day.run_first_day(plant, hour, faults)
    assert readings.all > readings.first > 0
    assert (readings.missing, readings.rejected, readings.wrong, readings.provisional_wrong) == (0, 0, 0, 0)
    assert 0 < readings.provisional < readings.all


def test_run_first_day_counts_yesterdays_energy_before_sunrise_as_rejected():
    readings = first_day.run_first_day("Growatt, string inverter", 5, {"replay": True})
    assert readings.rejected > 0
    assert readings.wrong == readings.provisional_wrong == 0
