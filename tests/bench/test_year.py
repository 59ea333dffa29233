"""Ten days of the simulated year: every lie, troubles, restarts and two days away end with true days and no spike."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))

import year
import year_programs
import year_world


@pytest.mark.parametrize(
    ("plant", "days", "interval"),
    [("Growatt, string inverter", 10, None), ("Growatt, hybrid", 7, None), ("GoodWe, hybrid", 8, 1800)],
)
def test_what_was_kept_is_true_whole_and_counted_once(plant, days, interval):
    found = year.ours(plant, days, interval=interval)
    wrong = {kind: found[kind] for kind in ("off", "unknowable_off", "live_only", "missing", "spikes")}
    assert not any(wrong.values()), wrong
    assert found["holes"] == 0 < found["points"]
    assert abs(found["year"]["pv_energy"]) < 0.5
    assert found["locked"] == 0
    assert found["healed"] >= days
    assert found["logins"] <= 4


def test_a_script_that_writes_down_what_it_is_told_is_lied_to():
    found = year.naive("Growatt, string inverter", 6)
    assert all(recipe["off"] for recipe in found.values())
    assert found["total_increasing"]["spikes"] > 0


def test_the_world_goes_wrong_as_often_as_it_says_and_by_the_same_dice():
    with year_world.World("growatt", "inverter") as world:
        start, seen = world.now, []
        for hour in range(24 * 60):
            world.go(start + hour * 3600)
            seen.append(world.emulator.faults.as_dict().keys() & set(year_world.TROUBLES))
    troubled = {place // 24 for place, what in enumerate(seen) if what}
    assert 5 <= len(troubled) <= 30
    assert {name for what in seen for name in what} > {"outage"}
    assert all(len(what) <= 1 for what in seen)


def test_the_judge_sees_what_is_wrong(tmp_path):
    from heliograph.model import Quality
    from heliograph.store.base import Batch, Day, Series, StoredSample
    from heliograph.store.sqlite import SqliteStore

    with (
        year_world.World("growatt", "inverter", troubled=False) as world,
        SqliteStore(tmp_path / "one.sqlite") as store,
    ):
        noon = world.start + timedelta(days=1, hours=12)
        world.go(noon.timestamp() + 86400 * 2)
        series = Series("growatt", world.site.id)
        first, second, third = year_world.days(3)
        true = world.energies(first)["pv_energy"], world.energies(second)["pv_energy"]
        days = [
            Day(series, day, {"pv_energy": kwh}, Quality.LIVE, True, 1)
            for day, kwh in ((first, true[0] + 0.1), (second, true[1] * 1.01 + 0.15))
        ]
        total = world.totals(int(noon.timestamp()))["pv_energy_total"]
        rows = [
            StoredSample(series, int(noon.timestamp()) + late, 1, Quality.LIVE, None, {"pv_energy_total": total + more})
            for late, more in ((0, 0.0), (300, 65535.0), (600, 0.05))
        ]
        store.write(Batch(days=days, samples=rows))
        found = year.judged(world, store, 3)
    assert [day for day, *_ in found["off"] + found["unknowable_off"]] == [f"{second}"]
    assert found["missing"] == [(f"{third}", "pv_energy")]
    assert len(found["spikes"]) == 2, "one that is too high, and the fall after it"
    assert found["points"] - found["holes"] == 3


def test_a_fall_of_a_total_is_a_new_meter_to_total_increasing_and_a_small_one_is_not():
    recorder = year_programs.Recorder()
    start = year_world.World("growatt", "inverter").now
    for hour, total in enumerate((1000.0, 1001.0, 0.0, 1001.0, 1000.9, 1002.0)):
        recorder.note(start + hour * 3600, hour, total)
    assert list(recorder.risen.values()) == [pytest.approx(1.0 + 0.0 + 1001.0 - 0.1 + 1.1)]
    assert list(recorder.most.values()) == [5]
