"""Data faults of the emulated clouds: what they report, and that the true values are unaffected."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.datalogger import SENTINELS
from heliograph.emulator.main import EmulatorOptions, build_emulator
from support.goodwe_emulator import Caller
from support.growatt_emulator import logged_in_cloud
from support.toy_clouds import toy_emulator

START = datetime.fromisoformat("2026-06-01T00:00:00+02:00")
STEP = timedelta(minutes=5)
DAYS = 60
DATA_FAULTS = ("late", "offline", "frozen", "replay", "glitch")


def toy(*faults, start=START, family="roof"):
    emulator = toy_emulator(accounts=1, start=start, faults=dict.fromkeys(faults, ""))
    site = next(site for site in emulator.accounts[0].plants if site.family == family)
    return emulator, site.households[0], site.truth[0]


def times(days=DAYS, step=STEP):
    return (START + step * count for count in range(days * (timedelta(days=1) // step)))


def last_uploads(emulator, home, days=DAYS):
    """Step through time; yield each time with the time of the newest upload."""
    for at in times(days, timedelta(minutes=15)):
        emulator.world.clock.set(at)
        yield at, home.last_upload_at(at)


def test_data_logger_without_fault_reports_true_data():
    emulator, home, truth = toy()
    emulator.world.clock.set(START + timedelta(days=3, hours=12))
    at = emulator.world.uploaded_at()
    assert home.last_upload_at(at) == at
    assert home.values(at) == truth.values(at)
    assert home.curve("2026-06-03") == truth.curve("2026-06-03")
    assert home.energies("2026-06") == truth.energies("2026-06")


def test_data_faults_are_reproducible():
    def samples_with(fault):
        emulator, home, _ = toy(fault)
        samples = []
        for at in times(40, timedelta(hours=2)):
            emulator.world.clock.set(at)
            samples.append((home.last_upload_at(at), home.values(home.last_upload_at(at))))
        return samples

    without_fault = samples_with("html")
    for fault in DATA_FAULTS:
        assert samples_with(fault) == samples_with(fault) != without_fault


def test_late_fault_delays_samples_and_completes_curve():
    emulator, home, truth = toy("late")
    delays = {at - last_upload for at, last_upload in last_uploads(emulator, home)}
    assert timedelta(hours=4) < max(delays) <= timedelta(hours=6)
    emulator.faults.set({"late": "2"})
    assert max(at - last_upload for at, last_upload in last_uploads(emulator, home)) <= timedelta(hours=2)
    for day in ("2026-06-05", "2026-06-20"):
        assert home.curve(day) == truth.curve(day)
    holes = 0
    for at, last_upload in list(last_uploads(emulator, home, 8))[::3]:
        emulator.world.clock.set(at)
        here = at.astimezone(home.zone).date().isoformat()
        known = [moment for moment, _ in home.curve(here) if moment <= at]
        holes += any(last_upload < moment for moment in known)
        assert home.energies(here)["pv_energy"] == pytest.approx(
            truth.values(last_upload)["pv_energy_today"]
            if last_upload.astimezone(home.zone).date().isoformat() == here
            else 0.0
        )
    assert holes == 0


def test_offline_fault_delays_or_loses_a_day():
    emulator, home, truth = toy("offline")
    waits = [at - last_upload for at, last_upload in last_uploads(emulator, home)]
    assert max(waits) >= timedelta(hours=23)
    emulator.world.clock.set(START + timedelta(days=DAYS))
    points = {}
    for back in range(DAYS):
        day = f"{START.date() + timedelta(days=back)}"
        points[day] = (len(home.curve(day)), home.energies(day), truth.energies(day))
    lost = {day: 288 - count for day, (count, *_) in points.items() if count < 288}
    assert sum(lost.values()) % 288 == 0
    assert 0 < sum(lost.values()) // 288 < DAYS // 20 * 3
    assert len([wait for wait in waits if wait >= timedelta(hours=23, minutes=45)]) > sum(lost.values()) // 288
    poorer = {day for day, (_, reported, true) in points.items() if reported["pv_energy"] < true["pv_energy"] - 0.1}
    assert poorer
    assert poorer <= lost.keys()
    june = sum(reported["pv_energy"] for day, (_, reported, _) in points.items() if day.startswith("2026-06"))
    assert home.energies("2026-06")["pv_energy"] == pytest.approx(june)


def test_offline_fault_affects_all_households_of_a_plant():
    emulator, *_ = toy("offline")
    row = next(site for site in emulator.accounts[0].plants if len(site.households) > 1)
    for at, last_upload in last_uploads(emulator, row.households[0], 40):
        assert row.households[1].last_upload_at(at) == last_upload


def test_frozen_fault_repeats_a_sample_within_its_day():
    emulator, home, truth = toy("frozen")
    emulator.world.clock.set(START + timedelta(days=DAYS))
    frozen = [at for at in times(20) if home.values(at) != truth.values(at)]
    days = {at.date() for at in frozen}
    assert 1 <= len(days) <= 7
    for day in days:
        stretch = [at for at in frozen if at.date() == day]
        assert timedelta(hours=1) < stretch[-1] - stretch[0] < timedelta(hours=5)
        assert home.values(stretch[0]) == home.values(stretch[-1]) == truth.values(stretch[0] - STEP)
        assert home.curve(f"{day}") != truth.curve(f"{day}")
        assert home.energies(f"{day}") == truth.energies(f"{day}")


@pytest.mark.parametrize("family", ["roof", "hybrid"])
def test_replay_fault_reports_yesterdays_energy_after_midnight(family):
    emulator, home, truth = toy("replay", family=family)
    emulator.world.clock.set(START + timedelta(days=2))
    midnight = START + timedelta(days=1)
    yesterday = truth.energies("2026-06-01")["pv_energy"]
    assert home.values(midnight)["pv_energy_today"] == yesterday > 1
    assert home.values(midnight)["pv_energy_total"] == truth.values(midnight)["pv_energy_total"]
    woken = next(at for at in times() if at >= midnight and home.values(at) == truth.values(at))
    if home.battery_capacity:
        assert woken == midnight + timedelta(minutes=10)
    else:
        assert truth.values(woken)["pv_power"] > 0 == truth.values(woken - STEP)["pv_power"]


def test_glitch_fault_changes_one_counter_of_one_sample():
    _, home, truth = toy("glitch")
    struck = {}
    for at in times(20):
        true = truth.values(at)
        wrong = {name: value for name, value in home.values(at).items() if value != true[name]}
        if wrong:
            struck[at] = wrong
    assert 20 * 288 // 600 < len(struck) < 20 * 288 // 150
    assert all(len(wrong) == 1 for wrong in struck.values())
    assert {value for wrong in struck.values() for value in wrong.values()} == set(SENTINELS)


def test_control_truth_is_unaffected_by_data_faults():
    emulator, home, truth = toy(*DATA_FAULTS)
    site = next(site for site in emulator.accounts[0].plants if home in site.households)
    for at in times(5, timedelta(hours=1)):
        emulator.world.clock.set(at)
        reported = json.loads(emulator.respond("GET", f"/control/truth?plant={site.id}").body)
        assert reported["pv_energy_total"] == pytest.approx(truth.values(at)["pv_energy_total"], rel=1e-6)


# Data faults of single clouds


def test_zero_totals_fault_affects_inverter_but_not_plant():
    sick = logged_in_cloud("2026-06-21T02:00:00+02:00", ["zero_totals"])
    device, plant = sick.device("inverter"), sick.plant("inverter")

    def totals():
        bean = sick.get("newInverterAPI.do", op="getInverterDetailData", inverterId=device)
        whole = sick.get("newTwoPlantAPI.do", op="getAllDeviceListTwo", plantId=plant, pageNum="1", pageSize="1")
        return bean["powerTotal"], bean["epvTotal"], float(whole["totalEnergy"])

    assert totals()[:2] == (0.0, 0.0)
    assert totals()[2] > 1000
    sick.wait(hours=10)
    assert totals()[0] == totals()[1] == pytest.approx(totals()[2], abs=0.11)
    sick.wait(hours=11, minutes=50)
    assert totals()[0] > 1000, "in the evening it still knows"


def test_morning_dip_fault_lowers_lifetime_import_and_export():
    options = EmulatorOptions(start=START, speed=0, accounts=1, faults=("morning_dip",))
    caller = Caller(build_emulator(options, [GOODWE]))
    site = caller.plants["hybrid"]
    stage_clock = caller.emulator.world.clock
    low = []
    for at in times(1, timedelta(minutes=30)):
        stage_clock.set(at)
        caller.log_in()
        detail = caller.detail("hybrid")["data"]
        true = site.truth[0].values(caller.emulator.world.uploaded_at())
        totals, today = detail["energeStatisticsTotals"], detail["energeStatisticsCharts"]
        assert today["buy"] == pytest.approx(true["grid_import_energy_today"], abs=0.01)
        assert totals["sum"] == pytest.approx(true["pv_energy_total"], abs=0.01)
        low.append(round(true["grid_import_energy_total"] - totals["buy"], 1))
    dipped = [place for place, kwh in enumerate(low) if kwh]
    assert 2 <= len(dipped) <= 6
    assert dipped == list(range(dipped[0], dipped[-1] + 1))
    assert 10 <= dipped[0] < dipped[-1] < 22
    assert {low[place] for place in dipped} == {max(low)}
    assert 2 <= max(low) <= 40


def test_offline_fault_leaves_last_upload_time_in_response():
    sick = logged_in_cloud(f"{START}", ["offline"])
    home = sick.household("inverter")
    silent = next(at for at, last_upload in last_uploads(sick.emulator, home) if at - last_upload > timedelta(hours=20))
    bean = sick.get("newInverterAPI.do", op="getInverterDetailData", inverterId=sick.device("inverter"))
    assert datetime.fromisoformat(bean["time"]).replace(tzinfo=home.zone) == home.last_upload_at(silent)
