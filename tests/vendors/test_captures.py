"""Tests with captured responses of both clouds, if a folder of them is available: every file must be parsed.

HELIOGRAPH_CAPTURES names the folder; without it, tests/fixtures covers the same cases with synthetic responses.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from heliograph import errors as e
from heliograph.core.redact import excerpt, mask_secrets
from heliograph.core.session import Session
from heliograph.local_time import LocalDay
from heliograph.model import Device, DeviceSnapshot, Plant, Status
from heliograph.vendors.goodwe import SemsPlusCalls, charts
from heliograph.vendors.goodwe.auth import GoodWeProtocol
from heliograph.vendors.goodwe.legacy import normalise as goodwe
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import normalise as plus_normalise
from heliograph.vendors.goodwe.plus import payloads as plus
from heliograph.vendors.growatt import GrowattCalls, normalise
from heliograph.vendors.growatt.auth import GrowattProtocol
from heliograph.vendors.growatt.charts import noah_curve
from heliograph.vendors.growatt.payloads.noah import NexaPoint
from heliograph.vendors.growatt.settings import GrowattSettings
from support.growatt_script import logged_in
from support.paths import FIXTURES
from support.protocol_script import NOON, reply, script

FOLDER = os.environ.get("HELIOGRAPH_CAPTURES")
pytestmark = pytest.mark.skipif(not FOLDER, reason="HELIOGRAPH_CAPTURES is not set to a folder of captured responses")

G, S, P = GrowattCalls, GoodWeCalls, SemsPlusCalls
NOW = datetime.fromtimestamp(NOON, UTC)

# Call by file name prefix; the longest prefix applies.
CALLS = {
    "growatt/all_device_list": G.all_devices.flow("1"),
    "growatt/inverter_data": G.inverter_data.flow("SN", "2026-06-21"),
    "growatt/inverter_detail": G.inverter_detail.flow("SN"),
    "growatt/inverter_detail_two": G.inverter_detail_two.flow("SN"),
    "growatt/is_plant_noah_system": G.is_plant_noah_system.flow("1"),
    "growatt/login": G.login.flow("me", "secret"),
    "growatt/mix_error": G.mix_totals.flow("SN", "1"),
    "growatt/mix_info": G.mix_info.flow("SN"),
    "growatt/login_failed_501_v2_endpoint": G.app_login.flow("me", "secret"),
    "growatt/nexa_chart_data": G.nexa_chart.flow("SN", "2025-10-02"),
    "growatt/nexa_info_by_sn": G.nexa_info.flow("SN"),
    "growatt/user_center_energy_two": G.account_energy_data.flow(),
    "growatt/plant_detail": G.plant_detail.flow("1", 1, "2026-06-21"),
    "growatt/plant_energy_data": G.plant_energy_data.flow("1"),
    "growatt/plant_info": G.plant_info.flow("1"),
    "growatt/plant_list": G.plant_list.flow("1"),
    "growatt/plant_list_two": G.plant_list_page.flow(),
    "growatt/plant_settings": G.plant_settings.flow("1"),
    "growatt/setting_write": G.set_classic_inverter_on_off.flow("SN", True),
    "growatt/storage_detail": G.storage_detail.flow("SN"),
    "growatt/storage_detail_bean": G.storage_params.flow("SN"),
    "growatt/storage_combined": G.storage_params.flow("SN"),
    "growatt/tlx_all_settings": G.tlx_all_settings.flow("SN"),
    "growatt/tlx_battery_info_detailed": G.tlx_battery_info_detailed.flow("SN"),
    "growatt/tlx_data": G.tlx_data.flow("SN", "2026-06-21"),
    "growatt/tlx_detail": G.tlx_detail.flow("SN"),
    "growatt/tlx_enabled_settings": G.tlx_enabled_settings.flow("SN"),
    "growatt/tlx_energy_overview": G.tlx_energy_overview.flow("1", "SN"),
    "growatt/tlx_energy_prod_cons": G.tlx_energy_prod_cons.flow("1", "SN", 0, "2026-06-21"),
    "growatt/tlx_params": G.tlx_params.flow("SN"),
    "growatt/tlx_system_status": G.tlx_system_status.flow("1", "SN"),
    "goodwe/error_gateway_route_not_found": S.monitor_detail.flow("1"),
    "goodwe/error_legacy_getmonitordetail": S.monitor_detail.flow("1"),
    "goodwe/error_legacy_login": S.cross_login.flow("me", "secret"),
    "goodwe/error_legacy_missing_token": S.cross_login.flow("me", "secret"),
    "goodwe/legacy_login": S.cross_login.flow("me", "secret"),
    "goodwe/legacy_query_power_station_monitor_for_app": S.plant_list_page.flow(),
    "goodwe/legacy_query_power_station_monitor_three": S.plant_monitor_page.flow(),
    "goodwe/legacy_v2_getchartbyplant": S.chart_by_plant.flow("1", "2026-02-28", 3, "7"),
    "goodwe/legacy_v2_getmonitordetail": S.monitor_detail.flow("1", 2),
    "goodwe/legacy_v3_getmonitordetail": S.monitor_detail.flow("1", 3),
    "goodwe/error_semsplus_login": P.plus_login.flow("me", "secret"),
    "goodwe/error_semsplus_session": P.plus_flow.flow("1"),
    "goodwe/error_semsplus_statistics": P.plus_statistics.flow("1", "2026-09-24"),
    "goodwe/semsplus_all_status": P.plus_devices.flow("1"),
    "goodwe/semsplus_equipment_information": P.plus_equipment_information.flow("SN", "1"),
    "goodwe/semsplus_ev_charger_detail": P.plus_ev_charger.flow("SN", "HCA"),
    "goodwe/semsplus_ev_charger_last_charge": P.plus_last_charge.flow("SN", "1"),
    "goodwe/semsplus_login": P.plus_login.flow("me", "secret"),
    "goodwe/semsplus_related_devices": P.plus_related_devices.flow("SN", "1"),
    "goodwe/semsplus_remote": P.set_device_parameters.flow("SN", "1", {"80017": 2}, {}, {}),
    "goodwe/semsplus_station_flow": P.plus_flow.flow("1"),
    "goodwe/semsplus_station_list": P.plus_stations_page.flow(),
    "goodwe/semsplus_statistics": P.plus_statistics.flow("1", "2026-09-24"),
    "goodwe/semsplus_telecounting": P.plus_telecounting.flow("SN", "1"),
    "goodwe/semsplus_telemetry": P.plus_telemetry.flow("SN", "1"),
    "goodwe/semsplus_web_login": P.plus_login.flow("me", "secret"),
}
# Captures of undeclared calls, which are only parsed as JSON and masked, with the reason.
UNDECLARED = {
    "growatt/device_detail_data": "not a call of growattServer",
    "growatt/device_event_log": "not a call of growattServer",
    "growatt/v1": "the token API",
    "growatt/web": "the web portal",
    "growatt-openapi": "the token API",
    "goodwe/legacy_multi_inverter_summary": "its call is unknown",
}

_WRAPS = {
    "_obj": lambda body: {"result": 1, "msg": "", "obj": body},
    "_tlxSetBean": lambda body: {"result": 1, "msg": "", "obj": {"tlxSetBean": body}},
    "_deviceList": lambda body: {"deviceList": body},
    "_bean_partial": lambda body: {"storageDetailBean": body},
}


def files():
    return sorted(Path(FOLDER or ".").rglob("*.json")) if FOLDER else []


def capture_name(path):
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def longest_prefix(prefixes, name):
    return max((one for one in prefixes if name.startswith(one)), key=len, default=None)


def bundled_responses(body):
    """Return the responses of a capture that also holds requests or several responses; None for a plain one."""
    if isinstance(body, list):
        return [{"code": "00000", "data": one["flow"]} for one in body if "flow" in one] or None
    asked = [body, *(body.get(name, {}) for name in ("stop", "start_up"))] if isinstance(body, dict) else []
    return [one["response"] for one in asked if "response" in one] or None


def on_the_wire(path, index=0):
    """Return a capture as the cloud sent it; some were published without their envelope."""
    body = json.loads(path.read_text(encoding="utf-8"))
    name = path.stem
    if name.startswith("storage_combined"):
        return reply(body["storage_params"])
    if "getmonitordetail" in name and "code" not in body:
        return reply({"code": 0, "msg": "", "data": body})
    if (responses := bundled_responses(body)) is not None:
        return reply(responses[index])
    for suffix, wrap in _WRAPS.items():
        if name.endswith(suffix):
            return reply(wrap(body))
    return reply(body, 404 if name.endswith("_http404") else 200)


def read(name, index=0):
    path = Path(FOLDER) / f"{name}.json"
    call = CALLS[longest_prefix(CALLS, name)]
    growatt = name.startswith("growatt/")
    session = Session("https://openapi.growatt.com/" if growatt else "https://www.semsportal.com/api/")
    cloud = GrowattProtocol() if growatt else GoodWeProtocol()
    return call.endpoint.shape(cloud.parse_response(session, call, on_the_wire(path, index)))


def device(family):
    return Device(vendor="growatt", plant="1", id="SN", family=family)


def normalise_answer(name, answer):
    """Return the snapshot of a device's response; None if it needs several responses."""
    kind = longest_prefix(CALLS, name)
    if kind == "growatt/tlx_detail":
        return normalise.tlx(device("tlx"), answer, NOW)
    if kind == "growatt/inverter_detail":
        return normalise.inverter(device("inverter"), answer, NOW)
    if kind in ("growatt/storage_combined", "growatt/storage_detail_bean"):
        whole = json.loads((Path(FOLDER) / f"{name}.json").read_text())
        energy = G.storage_energy_overview.flow("1", "SN").endpoint.shape(whole.get("storage_energy_overview", {}))
        return normalise.storage(device("storage"), answer, energy, NOW)
    if kind == "growatt/plant_info":
        return normalise.plant_values(answer, [])
    if kind in ("goodwe/legacy_v2_getmonitordetail", "goodwe/legacy_v3_getmonitordetail"):
        return goodwe.snapshot(answer, "1", NOW)
    plant = Plant(vendor="goodwe", id="1")
    return plus_normalise.snapshot(plant, answer, [], {}, None, NOW) if isinstance(answer, plus.PlusFlow) else None


EXPECTED_ERRORS = {
    "growatt/inverter_data_not_a_classic_inverter": e.RequestRefused,
    "growatt/login_failed_501_v2_endpoint": e.InvalidCredentials,
    "growatt/login_failed_507_short": e.AccountLocked,
    "growatt/login_locked_507": e.AccountLocked,
    "growatt/mix_error_504": e.RequestRefused,
    "growatt/setting_write_bad_time": e.RequestRefused,
    "growatt/setting_write_failure": e.RequestRefused,
    "goodwe/error_gateway_route_not_found_http404": e.RequestRefused,
    "goodwe/error_legacy_getmonitordetail_bad_station_innerexception": e.RequestRefused,
    "goodwe/error_legacy_login_bad_password_100005_2021": e.InvalidCredentials,
    "goodwe/error_legacy_login_bad_password_100005_2024": e.InvalidCredentials,
    "goodwe/error_legacy_missing_token_header_100000": e.CloudError,
    "goodwe/legacy_v3_getmonitordetail_success_but_empty_data_2026": e.RequestRefused,
    "goodwe/error_semsplus_login_parameter_error_100004": e.LoginFailed,
    "goodwe/error_semsplus_session_abnormal_C0602": e.SessionExpired,
    "goodwe/error_semsplus_statistics_bad_dimension_S0327": e.RequestRefused,
    "goodwe/semsplus_login_success_incomplete_token_missing_agreement": e.TermsNotAccepted,
}

EXPECTED = tomllib.loads((FIXTURES / "goodwe/captures.toml").read_text(encoding="utf-8"))
"""Hand-written expectations of each GoodWe capture, with one table per response of a file."""


def expectations():
    """Yield each file with the index of a response in it and its expected values."""
    for name, table in EXPECTED.items():
        responses = table if all(capture_name.isdigit() for capture_name in table) else {"0": table}
        for index, expected in responses.items():
            yield pytest.param(f"goodwe/{name}", int(index), expected, id=f"{name} {index}")


def test_every_capture_is_parsed_or_listed_as_undeclared():
    names = [capture_name(path) for path in files()]
    assert len(names) > 50
    unvisited = [one for one in names if not longest_prefix(CALLS, one) and not longest_prefix(UNDECLARED, one)]
    assert unvisited == []
    assert [one for one in UNDECLARED if not any(name.startswith(one) for name in names)] == []
    assert [one for one in CALLS if not any(name.startswith(one) for name in names)] == []
    for name in names:
        if longest_prefix(CALLS, name) is None:
            json.loads((Path(FOLDER) / f"{name}.json").read_text(encoding="utf-8"))
        elif (error := EXPECTED_ERRORS.get(name)) is not None:
            with pytest.raises(error):
                read(name)
        else:
            answer = read(name)
            repr(answer)
            normalise_answer(name, answer)


def test_goodwe_captures_all_have_expectations():
    names = {capture_name(path) for path in files() if capture_name(path).startswith("goodwe/")}
    assert {name for name in names if longest_prefix(CALLS, name)} == {f"goodwe/{name}" for name in EXPECTED}


@pytest.mark.parametrize(("name", "index", "expected"), [*expectations()])
def test_goodwe_capture_matches_its_expectations(name, index, expected):
    if "error" in expected:
        with pytest.raises(e.CloudError) as caught:
            read(name, index)
        assert type(caught.value).__name__ == expected["error"]
        return
    answer = read(name, index)
    subject = getattr(answer, expected["part"]) if "part" in expected else answer
    assert {field: getattr(subject, field) for field in expected.get("fields", {})} == approximately(
        expected.get("fields", {})
    )
    rows = getattr(answer, expected["rows_in"]) if "rows_in" in expected else answer
    for row, known in zip(rows if "rows" in expected else (), expected.get("rows", ()), strict=True):
        assert {field: getattr(row, field) for field in known} == approximately(known)
    for period, known in expected.get("energies", {}).items():
        assert charts.plus_energies(answer, len(period)) == {period: approximately(known)}
    found = normalise_answer(name, answer)
    values = found.values if found else {metric.name: value for metric, value in readings(answer).items()}
    assert {metric: values.get(metric) for metric in expected.get("values", {})} == approximately(
        expected.get("values", {})
    )
    assert [metric for metric in expected.get("gaps", ()) if values.get(metric) is not None] == []
    assert [metric for metric in expected.get("absent", ()) if metric in values] == []
    for fact in ("status", "measured_at"):
        if fact in expected:
            read_as = getattr(found, fact)
            assert (read_as.value if fact == "status" else read_as) == expected[fact]


def approximately(known):
    """Return expected values for comparison with tolerance: clouds send 225.70000000000002."""
    return {field: pytest.approx(one, abs=1e-3) if type(one) is float else one for field, one in known.items()}


def readings(answer):
    return answer.readings() if isinstance(answer, plus.Telecounting) else {}


def test_mask_secrets_hides_the_secrets_of_every_capture():
    for path in files():
        text = path.read_text(encoding="utf-8")
        assert excerpt(text).isprintable()
        shown = mask_secrets(text)
        assert not re.search(r"[\w.]+@[\w.]+\.\w+", shown), path.name
        assert not re.search(r"0123456789abcdef", shown), path.name
        assert not re.search(r'"(?i:token|password|pwd|uid|email|cpowerToken)"\s*:\s*"', shown), path.name


def test_growatt_offline_tlx_has_no_values():
    found = normalise_answer("growatt/tlx_detail_neo_offline", read("growatt/tlx_detail_neo_offline"))
    assert found.status is Status.OFFLINE
    assert found.measured_at is None
    assert set(found.values.values()) == {None}


def test_growatt_unknown_inverter_is_offline_without_values():
    found = normalise_answer("growatt/inverter_detail_unknown_id", read("growatt/inverter_detail_unknown_id"))
    assert found.status is Status.OFFLINE
    assert set(found.values.values()) == {None}


def test_growatt_plant_list_converts_mwh_to_kwh():
    (plant,) = read("growatt/plant_list_spf_2024").plants
    assert (plant.energy_today, plant.energy_total) == (9.3, 2560.0)


def test_growatt_login_of_a_locked_account_is_locked_for_a_day():
    for name in ("growatt/login_locked_507", "growatt/login_failed_507_short"):
        with pytest.raises(e.AccountLocked) as caught:
            read(name)
        assert caught.value.until == NOW + timedelta(hours=24)


def test_growatt_call_for_a_wrong_family_has_its_error_code():
    with pytest.raises(e.RequestRefused) as caught:
        read("growatt/mix_error_504")
    assert caught.value.code == "504"


def test_growatt_storage_bean_has_charge_and_load():
    found = normalise_answer("growatt/storage_detail_bean_partial", read("growatt/storage_detail_bean_partial"))
    assert (found.values["battery_soc"], found.values["load_power"]) == (98.0, 54.0)


def test_growatt_storage_charging_from_the_grid_has_the_right_signs():
    name = "growatt/storage_combined_utility_charging_redacted"
    charging = normalise_answer(name, read(name))
    assert charging.values["battery_power"] == -2400.0
    name = "growatt/storage_combined_sbu_discharging_redacted"
    discharging = normalise_answer(name, read(name))
    assert discharging.values["battery_power"] == 374.0
    assert discharging.values["pv_energy_total"] == 2864.1
    assert discharging.values["battery_charge_energy_today"] == 10.5  # not the 0 of the bean


def test_growatt_login_contains_user_and_plants():
    login = read("growatt/login_success_neo")
    assert [one.id for one in login.plants] == ["1234567"]
    assert login.user.id


def test_growatt_plant_info_finds_tlx_devices_outside_the_empty_list():
    info = read("growatt/plant_info_neo")
    assert info.devices == ()
    assert [(one.id, one.family) for one in info.all_devices] == [("BZP0000001", "tlx")]


def test_growatt_nexa_info_has_settings_and_battery_packs():
    info = read("growatt/nexa_info_by_sn").settings
    assert (info.id, info.model, info.firmware) == ("0HVR000000000001", "NEXA 2000", "11.10.09.07.9000.4017")
    assert (info.charge_limit, info.discharge_limit, info.default_power, info.default_mode) == (100, 10, 100, "0")
    assert (info.grid_charging, info.export_limited, info.high_output, info.grid_connection_control) == (
        True,
        True,
        "1",
        "0",
    )
    assert (info.energy_price, info.currency, info.meter) == (0.4, "EUR", "Shelly Pro 3EM")
    assert info.battery_ids == ["0HVR000000000001", "0HYR000000000002"]
    assert info.time_segments == [{"time_segment3": "2_0:0_23:59_0_0"}]


def test_growatt_nexa_chart_has_no_output_and_wrapped_loads_are_none():
    local_day = LocalDay(date(2025, 10, 1), UTC, datetime(2025, 10, 2, tzinfo=UTC))
    curve = noah_curve(read("growatt/nexa_chart_data_partial"), local_day, NexaPoint)
    day = {f"{moment:%H:%M}": values for moment, values in curve.items()}
    assert day == {
        "08:05": {"pv_power": 0.0, "load_power": 557.0},
        "11:25": {"pv_power": 159.5, "load_power": None},
        "13:45": {"pv_power": 220.0, "load_power": 260.0},
        "14:10": {"pv_power": 341.0, "load_power": None},
        "14:15": {"pv_power": 333.5, "load_power": 216.0},
        "14:20": {"pv_power": 337.0, "load_power": None},
        "18:50": {"pv_power": 0.0, "load_power": 403.0},
    }


def test_growatt_account_energy_has_money_and_devices():
    neo = read("growatt/user_center_energy_two_neo")
    assert (neo.energy_today, neo.energy_month, neo.energy_total, neo.power) == (1.1, 18.0, 27.1, 0.0)
    assert (neo.nominal_power, neo.plant_count, neo.first_plant, neo.alarms) == (800.0, 1, "1234567", 0)
    assert (neo.money_today, neo.money_month, neo.money_total) == ("€0.33", "€5.4", "€8.13")
    assert (neo.devices.online, neo.devices.offline, neo.devices.faulty) == (0, 1, 0)
    old = read("growatt/user_center_energy_two_min_2020")
    assert (old.energy_today, old.energy_month, old.energy_total, old.nominal_power) == (9.8, 12.2, 12.2, 2835.0)
    assert (old.money_today, old.money_total) == ("€2.4", "€2.9")


def test_growatt_plant_detail_has_the_energy_of_each_day():
    assert read("growatt/plant_detail_day_neo").energies == {"01": "0.5", "02": "0", "31": "0.0"}
    assert read("growatt/plant_detail_empty_data_2022").energies == {}


def test_growatt_plant_without_noah_has_neither_noah_nor_nexa():
    found = read("growatt/is_plant_noah_system_false")
    assert (found.is_noah, found.has_noah, found.has_nexa, found.device_id) == (False, False, False, None)


def test_goodwe_plant_at_night_is_offline_with_its_lifetime_energy():
    name = "goodwe/legacy_v3_getmonitordetail_single_inverter_no_battery_night"
    found = normalise_answer(name, read(name))
    assert found.status is Status.OFFLINE
    assert found.values["pv_power"] is None
    assert found.values["pv_energy_total"]
    assert not [value for value in found.values.values() if value is not None and abs(value) > 1e6]


def test_goodwe_importing_plant_has_a_positive_grid_power():
    name = "goodwe/legacy_v3_getmonitordetail_meter_powerflow_importing_data_only"
    assert normalise_answer(name, read(name)).values["grid_power"] > 0


def test_goodwe_exporting_plant_has_a_negative_grid_power():
    name = "goodwe/legacy_v3_getmonitordetail_homekit_only_exporting_fragment"
    assert normalise_answer(name, read(name)).values["grid_power"] < 0


def snapshot_of(flow, devices, counted, today=None):
    """Return the snapshot of several SEMS+ responses."""
    answer = [one for one in devices.devices if one.type in ("INVERTER", "SMART_METER")]
    return plus_normalise.snapshot(Plant(vendor="goodwe", id="1", zone=UTC), flow, answer, counted, today, NOW)


def test_goodwe_plus_hybrid_has_positive_discharge_and_import():
    flow, devices, counters, today = map(
        read,
        (
            "goodwe/semsplus_station_flow_hybrid_discharging",
            "goodwe/semsplus_all_status_hybrid_rack_dongle",
            "goodwe/semsplus_telecounting_hybrid_inverter",
            "goodwe/semsplus_statistics_day_hybrid",
        ),
    )
    found = snapshot_of(flow, devices, {"GWTEST0INV000001": counters}, today)
    powers = {name: found.values[name] for name in ("pv_power", "battery_power", "grid_power", "load_power")}
    assert powers == {"pv_power": 77.72, "battery_power": 762.45, "grid_power": 1.0, "load_power": 841.17}
    assert (found.values["battery_soc"], found.status) == (99.0, Status.ONLINE)
    assert (found.values["pv_energy_today"], found.values["pv_energy_total"]) == (31.4, 7492.4)
    assert (found.values["grid_import_energy_today"], found.values["load_energy_today"]) == (17.57, 29.01)


def test_goodwe_plus_meter_counts_for_its_plant():
    flow = read("goodwe/semsplus_station_flow_smart_meter_importing")
    devices = read("goodwe/semsplus_all_status_inverter_and_smart_meter")
    counters = {"GWTEST0MET000001": read("goodwe/semsplus_telecounting_smart_meter"), "GWTEST0INV000001": None}
    found = snapshot_of(flow, devices, counters)
    assert (found.values["grid_power"], found.values["load_power"], found.values["pv_power"]) == (1351.0, 1351.0, 0.0)
    assert found.values["grid_import_energy_total"] == 20314.77
    assert found.values["grid_export_energy_today"] == 36.77
    assert found.values["pv_energy_total"] is None
    assert found.status is Status.OFFLINE


def test_goodwe_snapshot_contains_no_sentinel():
    name = "goodwe/legacy_v2_getmonitordetail_three_phase_2021_trimmed"
    found = normalise_answer(name, read(name))
    assert isinstance(found.devices[0], DeviceSnapshot)
    assert not [value for value in found.values.values() if value is not None and value in (65535, 6553.5, 429483622)]


SETTINGS = {
    "growatt/tlx_all_settings_neo_tlxSetBean": ("tlx", {"power_switch": True, "grid_voltage_low": 195.5}),
    "growatt/nexa_info_by_sn": ("nexa", {"energy_price": 0.4, "grid_charging": True, "off_grid": False}),
    "growatt/plant_settings_neo": ("plant", {"nominal_power": 800, "energy_price": 0.3, "utc_offset": 1}),
    "growatt/storage_combined_sbu_discharging_redacted": ("storage", {"output_source": "battery-first"}),
    "growatt/storage_combined_utility_charging_redacted": ("storage", {"output_source": "utility-first"}),
}
"""Captures that contain settings, with some expected values."""


@pytest.mark.parametrize("name", SETTINGS)
def test_growatt_settings_of_captures_are_read(name):
    family, known = SETTINGS[name]
    answer = on_the_wire(Path(FOLDER) / f"{name}.json")
    _, found = script(logged_in().execute(GrowattSettings.read_settings.flow(device(family)), NOON), [answer])
    for setting in GrowattSettings.settings_of(device(family)):
        value = found[setting.name]
        if setting.readable:
            assert value is not None, setting.name
            assert [one.name for one in setting.parameters if one.readable and value[one.name] is None] == []
    assert {setting: found[setting]["value"] for setting in known} == known
