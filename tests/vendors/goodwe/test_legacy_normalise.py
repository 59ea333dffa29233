"""Tests of the mapping from SEMS Portal payloads to snapshots: fixtures, sign resolution and rejected values."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.session import Session
from heliograph.errors import Unreadable
from heliograph.model import Status
from heliograph.vendors.goodwe import GoodWeCalls
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.goodwe.legacy import normalise
from heliograph.vendors.goodwe.legacy.payloads import MonitorDetail
from support.paths import FIXTURES
from support.protocol_script import NOON, reply

FOLDER = FIXTURES / "goodwe"
FIXTURE_FOLDERS = sorted(
    folder for folder in FOLDER.iterdir() if folder.is_dir() and not folder.name.startswith("plus-")
)
FETCHED = datetime.fromtimestamp(NOON, UTC)


def parse_snapshot(answer: bytes):
    call = GoodWeCalls.monitor_detail.flow("P")
    data = GoodWeProtocol().parse_response(Session("https://www.semsportal.com/api/"), call, reply(answer))
    return normalise.snapshot(call.endpoint.shape(data), "P", FETCHED)


def load_fixture(name):
    return json.loads((FOLDER / name / "answer.json").read_text())["data"]


def snapshot_of(data):
    return normalise.snapshot(MonitorDetail(data), "P", FETCHED)


@pytest.mark.parametrize("folder", FIXTURE_FOLDERS, ids=lambda folder: folder.name)
def test_snapshot_of_fixture_matches_the_expected_values(folder):
    values = parse_snapshot((folder / "answer.json").read_bytes()).as_dict()
    expected = json.loads((folder / "expected.json").read_text())
    assert {name: values[name] for name in expected} == expected


@pytest.mark.parametrize("folder", FIXTURE_FOLDERS, ids=lambda folder: folder.name)
def test_fixture_documents_its_provenance(folder):
    about = tomllib.loads((folder / "about.toml").read_text())
    assert about["provenance"] == "documented"
    assert about["follows"]


@pytest.mark.parametrize("folder", FIXTURE_FOLDERS, ids=lambda folder: folder.name)
def test_snapshot_powers_balance(folder):
    values = parse_snapshot((folder / "answer.json").read_bytes()).values
    powers = [values.get(name) for name in ("pv_power", "grid_power", "load_power")]
    if None not in powers:
        pv, grid, load = powers
        assert load == pytest.approx(pv + grid + (values.get("battery_power") or 0.0), abs=2)


# Signs


def flow_response(pv, load, battery, *, flag=None, meter=True, charging=None):
    """Return a response for powers in the common signs; `flag` overrides gridStatus."""
    grid = load - pv - battery
    data = load_fixture("hybrid-discharging")
    data["powerflow"] |= {
        "pv": f"{pv}(W)",
        "load": f"{load}(W)",
        "bettery": f"{abs(battery)}(W)",
        "grid": f"{abs(grid)}(W)",
        "betteryStatus": charging if charging is not None else (battery < 0) - (battery > 0),
        "gridStatus": flag if flag is not None else (grid < 0) - (grid > 0),
    }
    data["inverter"][0]["invert_full"] |= {"pmeter": -float(grid) if meter else 0.0, "pac": float(pv)}
    return data


WATT = st.integers(0, 12_000)
BATTERY = st.integers(-8_000, 8_000)


@given(WATT, WATT, BATTERY, st.booleans())
def test_signs_satisfy_the_energy_balance(pv, load, battery, meter):
    values = snapshot_of(flow_response(pv, load, battery, meter=meter)).values
    assert values["load_power"] == load
    assert pv + values["grid_power"] + values["battery_power"] == pytest.approx(load, abs=1e-6)
    assert (values["grid_power"], values["battery_power"]) == (load - pv - battery, battery)


@given(WATT, WATT, BATTERY, st.booleans())
def test_signs_ignore_a_grid_flag_stuck_at_export(pv, load, battery, meter):
    values = snapshot_of(flow_response(pv, load, battery, flag=1, meter=meter)).values
    assert pv + values["grid_power"] + values["battery_power"] == pytest.approx(load, abs=1e-6)


@given(WATT, WATT, BATTERY, st.sampled_from([-1, 0, 1]))
def test_signs_ignore_a_wrong_battery_flag(pv, load, battery, charging):
    values = snapshot_of(flow_response(pv, load, battery, charging=charging)).values
    assert pv + values["grid_power"] + values["battery_power"] == pytest.approx(load, abs=1e-6)


def test_signs_prefer_the_meter_over_the_flag():
    importing = snapshot_of(flow_response(1692, 1737, 0, flag=1))
    assert importing.values["grid_power"] == 45
    assert importing.sources["grid_power"].endswith("by pmeter")
    assert snapshot_of(flow_response(2023, 2007, 0, flag=1)).values["grid_power"] == -16


def test_signs_prefer_the_meter_over_an_open_balance():
    data = flow_response(0, 0, 0)
    data["powerflow"] |= {"pv": "3000(W)", "load": "500(W)", "grid": "1000(W)", "gridStatus": 1}
    data["inverter"][0]["invert_full"] |= {"pmeter": -1000.0}
    assert snapshot_of(data).values["grid_power"] == 1000


def test_signs_ignore_a_meter_value_equal_to_pac():
    data = flow_response(2000, 4000, 0, flag=1)
    data["inverter"][0]["invert_full"] |= {"pmeter": 2000.0, "pac": 2000.0}
    found = snapshot_of(data)
    assert found.values["grid_power"] == 2000
    assert found.sources["grid_power"].endswith("by balance")


def test_signs_fall_back_to_the_flag_or_none():
    data = flow_response(0, 0, 0, meter=False)
    data["powerflow"] |= {"pv": "", "load": "", "bettery": "", "grid": "700(W)", "gridStatus": -1}
    assert snapshot_of(data).values["grid_power"] == 700
    data["powerflow"]["gridStatus"] = 0
    assert snapshot_of(data).values["grid_power"] is None


def test_load_power_is_positive_for_any_flag():
    data = flow_response(500, 900, 0)
    for status in (-1, 0, 1):
        data["powerflow"]["loadStatus"] = status
        assert snapshot_of(data).values["load_power"] == 900


def test_grid_values_counted_by_two_inverters_are_used_once():
    data = flow_response(200, 1250, 1000)
    second = json.loads(json.dumps(data["inverter"][0])) | {"sn": "9010KETU00000099"}
    second["invert_full"] |= {"sn": "9010KETU00000099", "buy": 2.51}
    data["inverter"].append(second)
    data["powerflow"] |= {"grid": "100(W)", "gridStatus": -1}
    values = snapshot_of(data).values
    assert values["grid_power"] == 50
    assert values["load_power"] is None
    assert values.get("load_energy_today") is None
    assert values["grid_import_energy_today"] == 2.5
    assert values["grid_export_energy_total"] == 4100.25


def test_grid_energies_of_two_meters_are_summed():
    data = flow_response(200, 1250, 1000)
    second = json.loads(json.dumps(data["inverter"][0])) | {"sn": "9010KETU00000099"}
    second["invert_full"] |= {"buy": 7.0, "seller": 1.0, "total_buy": 10.0, "total_sell": 20.0, "pmeter": 0.0}
    data["inverter"].append(second)
    assert snapshot_of(data).values["grid_import_energy_today"] == 9.5


# Offline plants, sentinels and missing parts


def test_stale_power_of_a_sleeping_plant_is_rejected():
    data = load_fixture("meter-importing")
    data["kpi"]["pac"] = data["inverter"][0]["out_pac"] = data["inverter"][0]["invert_full"]["outputpower"] = 3120.0
    data["powerflow"]["pv"] = "3120(W)"
    found = snapshot_of(data)
    assert found.values["pv_power"] is None
    assert found.values["ac_power"] is None
    assert found.values["grid_power"] == 1337


def test_status_fault_is_reported():
    data = load_fixture("meter-exporting")
    data["inverter"][0]["status"] = 2
    assert snapshot_of(data).status is Status.FAULT


def test_unknown_status_is_none():
    data = load_fixture("meter-exporting")
    data["inverter"][0]["status"] = data["info"]["status"] = 9
    assert snapshot_of(data).status is None


@pytest.mark.parametrize("soc", [536.0, 400.0, -1, None, "--", 65535])
def test_implausible_state_of_charge_is_none(soc):
    data = load_fixture("hybrid-charging")
    data["inverter"][0]["invert_full"]["soc"] = data["powerflow"]["soc"] = data["soc"]["power"] = soc
    assert snapshot_of(data).values["battery_soc"] is None


def test_hybrid_without_battery_has_no_battery_values():
    data = load_fixture("hybrid-charging")
    data["info"]["battery_capacity"] = 0.0
    data["inverter"][0]["invert_full"] |= {"battery1_capacity": None, "vbattery1": 0.0, "soc": 0.0}
    values = snapshot_of(data).as_dict()
    assert (values["battery_power"], values["battery_soc"], values["battery_charge_energy_today"]) == (None, None, None)


def test_state_of_charge_ignores_inverters_without_battery():
    data = load_fixture("hybrid-charging")
    data["inverter"].append(load_fixture("several-inverters")["inverter"][0])
    data["soc"]["power"] = 35
    assert snapshot_of(data).values["battery_soc"] == 71


def test_statistics_without_their_flag_are_ignored():
    data = load_fixture("homekit-only") | {"hasEnergeStatisticsCharts": False}
    values = snapshot_of(data).as_dict()
    assert (values["load_energy_today"], values["grid_import_energy_total"]) == (None, None)


def test_offline_homekit_does_not_hide_inverter_values():
    data = load_fixture("pv-only-night") | {"homKit": {"sn": "HKU0000000000001"}, "hasEnergeStatisticsCharts": True}
    data["kpi"] |= {"pac": 0.0, "power": 0.0, "total_power": 900.0}
    data["inverter"][0] |= {"status": 1, "out_pac": 265.0}
    data["inverter"][0]["invert_full"]["outputpower"] = 265.0
    values = snapshot_of(data).as_dict()
    assert (values["status"], values["pv_power"]) == ("online", 265.0)
    assert (values["pv_energy_today"], values["pv_energy_total"]) == (0.1, 17310.6)
    assert values["grid_import_energy_today"] is None


def test_battery_box_has_no_pv_power():
    data = load_fixture("hybrid-discharging")
    data["info"]["only_bps"] = True
    data["inverter"][0]["invert_full"]["isbuetteybps"] = True
    values = snapshot_of(data).as_dict()
    assert (values["pv_power"], values["pv_energy_today"]) == (None, None)
    assert values["ac_power"] == 1200.0


# Time


def measured_at(**changes):
    data = load_fixture("meter-exporting")
    inverter = data["inverter"][0]
    inverter["invert_full"]["last_time"] = changes.get("epoch")
    inverter["last_refresh_time"] = changes.get("text")
    inverter["d"]["creationDate"] = changes.get("china")
    return snapshot_of(data).measured_at


def test_measured_at_is_the_same_from_all_three_fields():
    noon = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
    assert measured_at(epoch=1_782_036_000_000) == noon
    assert measured_at(text="06/21/2026 12:00:00") == noon
    assert measured_at(china="06/21/2026 18:00:00") == noon
    assert measured_at(epoch=0, text="", china="") is None


@pytest.mark.parametrize(("span", "hours"), [(-2.0, 2), (5.0, -5), (-5.5, 5.5), (0, 0)])
def test_time_span_is_the_negated_utc_offset(span, hours):
    data = load_fixture("meter-exporting")
    data["info"]["time_span"] = span
    assert snapshot_of(data).plant.zone.utcoffset(None) == timedelta(hours=hours)


def test_time_span_is_rounded_to_whole_minutes():
    data = load_fixture("meter-exporting")
    data["info"]["time_span"] = "-3.333"
    assert str(snapshot_of(data).plant.zone) == "UTC+03:20"


@pytest.mark.parametrize("span", [None, "--", 99, -1e300, "nan"])
def test_invalid_time_span_leaves_the_zone_unset(span):
    data = load_fixture("meter-exporting")
    data["info"]["time_span"] = span
    assert snapshot_of(data).plant.zone is None


# Hostile responses

SLOW = st.sampled_from(["1" + " " * 2000 + "!", "1" * 10_000, "a@" * 5000])
"""Texts that are slow for regular expressions with backtracking."""
ANYTHING = st.recursive(
    SLOW | st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_arbitrary_response_values_are_parsed_or_unreadable(data):
    detail = load_fixture("hybrid-charging")
    where = data.draw(st.sampled_from([detail, detail["info"], detail["powerflow"], detail["inverter"][0]]))
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(ANYTHING)
    with suppress(Unreadable):
        snapshot_of(detail).as_dict()


def test_monitor_detail_rejects_the_response_of_another_call():
    with pytest.raises(Unreadable):
        MonitorDetail({"record": 1, "list": []})
