"""A short run of the simulated alarms: sound plants raise none, and a silent datalogger is found."""

import sys

from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))

import alarms as bench
import alarms_world


def test_silent_datalogger_is_found_and_sound_plants_raise_no_alarm(monkeypatch):
    for module in (bench, alarms_world):
        monkeypatch.setattr(module, "REGIONS", 1)
    world = bench.World(7, 0, seed=3, regions=1)
    start = world.start + 5 * bench.DAY + 10 * bench.HOUR
    failure = alarms_world.Failure(kind="datalogger silent", plant=1, start=start, end=start + bench.DAY, amount=0.5)
    world.failures = [failure]
    figures = bench.Figures(world)
    for day in range(7):
        figures.run_day(day)
    assert not figures.false
    assert failure.found_at - start < 3 * bench.HOUR
