"""A short run of the simulated freshness: the first half day of 13 plants, polled by the real collector."""

from __future__ import annotations

import asyncio
import sys

import pytest

from heliograph.collect.freshness import Freshness
from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))

import freshness as bench

MINUTE, DAY = 60, 86400


@pytest.fixture(autouse=True)
def _no_log_output(caplog):
    caplog.set_level("ERROR")


def check_healthy_plants(simulation):
    """Assert that no healthy plant was shown as offline or asleep, and at least 95 % of the looks as live."""
    states = sum((looks.states for looks in simulation.looks.values()), start=type(bench.Looks().states)())
    assert len(simulation.looks) == 13
    assert states[Freshness.OFFLINE_UNEXPECTED] == 0
    assert sum(looks.false_asleep for looks in simulation.looks.values()) == 0
    assert states[Freshness.LIVE] >= 0.95 * states.total()


def test_simulated_plants_with_late_uploads_are_live(tmp_path):
    simulation = bench.Simulation(tmp_path, late=True)
    asyncio.run(simulation.run(0.45))
    check_healthy_plants(simulation)
    # How late the data arrives is known only after some samples of the first morning.
    looks = simulation.looks.values()
    assert sum(one.recent for one in looks) >= 0.9 * sum(one.total for one in looks)


def test_simulated_silent_dataloggers_are_found_and_the_other_plants_are_live(tmp_path):
    simulation = bench.Simulation(tmp_path)
    asyncio.run(simulation.run(0.56, silent_at=DAY / 2))
    check_healthy_plants(simulation)
    silent = [simulation.looks[series] for series in simulation.silent_since]
    assert len(silent) == 3
    for looks in silent:
        assert looks.found_after is not None
        assert looks.found_after <= max(45 * MINUTE, 2 * looks.intervals[-1])
