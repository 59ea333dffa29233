"""Tests of the simulated year: its faults, its script, and the errors that it finds in stored data."""

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
def test_run_year_stores_true_complete_days_without_spikes(plant, days, interval):
    result = year.run_year(plant, days, interval=interval)
    kinds = ("wrong", "wrong_not_uploaded", "wrong_live_only", "missing", "spikes")
    errors = {kind: result[kind] for kind in kinds}
    assert not any(errors.values()), errors
    assert result["holes"] == 0 < result["points"]
    assert abs(result["year"]["pv_energy"]) < 0.5
    assert result["hours_locked"] == 0
    assert result["history_queries"] >= days
    assert result["logins"] <= 4


def test_run_script_year_stores_wrong_days_and_spikes():
    result = year.run_script_year("Growatt, string inverter", 6)
    assert all(errors["wrong"] for errors in result.values())
    assert result["total_increasing"]["spikes"] > 0


def test_world_has_one_service_fault_at_a_time_on_about_every_fourth_day():
    with year_world.World("growatt", "inverter") as world:
        start, faults_by_hour = world.now, []
        for hour in range(24 * 60):
            world.advance_to(start + hour * 3600)
            faults_by_hour.append(world.emulator.faults.as_dict().keys() & set(year_world.SERVICE_FAULTS))
    faulty_days = {hour // 24 for hour, faults in enumerate(faults_by_hour) if faults}
    assert 5 <= len(faulty_days) <= 30
    assert {name for faults in faults_by_hour for name in faults} > {"outage"}
    assert all(len(faults) <= 1 for faults in faults_by_hour)


def test_find_errors_reports_wrong_and_missing_days_spikes_and_holes(tmp_path):
    from heliograph.model import Quality
    from heliograph.store.base import Batch, Day, Series, StoredSample
    from heliograph.store.sqlite import SqliteStore

    with (
        year_world.World("growatt", "inverter", faulty=False) as world,
        SqliteStore(tmp_path / "samples.sqlite") as store,
    ):
        noon = world.start + timedelta(days=1, hours=12)
        world.advance_to(noon.timestamp() + 86400 * 2)
        series = Series("growatt", world.plant.id)
        first, second, third = year_world.date_range(3)
        true = world.true_energies(first)["pv_energy"], world.true_energies(second)["pv_energy"]
        days = [
            Day(series, day, {"pv_energy": kwh}, Quality.LIVE, True, 1)
            for day, kwh in ((first, true[0] + 0.1), (second, true[1] * 1.01 + 0.15))
        ]
        total = world.true_totals(int(noon.timestamp()))["pv_energy_total"]
        rows = [
            StoredSample(series, int(noon.timestamp()) + delay, 1, Quality.LIVE, None, {"pv_energy_total": total + kwh})
            for delay, kwh in ((0, 0.0), (300, 65535.0), (600, 0.05))
        ]
        store.write(Batch(days=days, samples=rows))
        errors = year.find_errors(world, store, 3)
    assert [day for day, *_ in errors["wrong"] + errors["wrong_not_uploaded"]] == [f"{second}"]
    assert errors["missing"] == [(f"{third}", "pv_energy")]
    assert len(errors["spikes"]) == 2, "a total that is too high, and the decrease after it"
    assert errors["points"] - errors["holes"] == 3


def test_recorder_total_increasing_takes_large_decrease_for_a_new_meter():
    recorder = year_programs.Recorder()
    start = year_world.World("growatt", "inverter").now
    for hour, total in enumerate((1000.0, 1001.0, 0.0, 1001.0, 1000.9, 1002.0)):
        recorder.record(start + hour * 3600, hour, total)
    assert list(recorder.total_increasing.values()) == [pytest.approx(1.0 + 0.0 + 1001.0 - 0.1 + 1.1)]
    assert list(recorder.largest_today.values()) == [5]
