"""Published responses of the token API are parsed to the values written down here by hand.

HELIOGRAPH_CAPTURES names the folder of captures; without it, the emulator's responses cover the same families.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from heliograph.core.session import Response
from heliograph.errors import CloudError, RequestRefused, Throttled
from heliograph.model import Device, Status
from heliograph.vendors.growatt.openapi import OpenApiCalls, envelope, normalise, payloads

FOLDER = os.environ.get("HELIOGRAPH_CAPTURES")
pytestmark = pytest.mark.skipif(not FOLDER, reason="HELIOGRAPH_CAPTURES is not set to a folder of captured responses")
CET = timezone(timedelta(hours=1))

# Family, status, and values of each capture; a metric that is not listed is None or absent.
SNAPSHOTS = {
    "v1_tlx_last_data_min_2022": (
        "tlx",
        Status.ONLINE,
        {"pv_power": 2558.7, "ac_power": 2503.8, "pv_energy_today": 21.4, "pv_energy_total": 1833.0},
    ),
    "v1_tlx_last_data_mod_2026_partial": (
        "tlx",
        Status.ONLINE,
        # Without a time its powers cannot be current; the sum of the strings is 0.2 + 0 + 0.3.
        {
            "pv_energy_today": 0.5,
            "pv_energy_total": 305.7,
            "grid_import_energy_today": 0.0,
            "grid_import_energy_total": 3082.7,
            "grid_export_energy_today": 0.0,
            "grid_export_energy_total": 15.3,
            "battery_charge_energy_today": 12.5,
            "battery_charge_energy_total": 904.4,
            "battery_discharge_energy_today": 12.5,
            "battery_discharge_energy_total": 926.2,
            "load_energy_today": 0.5,
            "load_energy_total": 3396.1,
        },
    ),
    "v1_mix_last_data_sph_2019": (
        "mix",
        Status.ONLINE,
        {
            "pv_power": 3.9,
            "ac_power": 0.0,
            "grid_power": -38.6,
            "battery_power": 16.5,
            "load_power": 0.0,
            "battery_soc": 100.0,
            "pv_energy_today": 0.5,
            "pv_energy_total": 2352.3,
            "grid_import_energy_today": 0.0,
            "grid_import_energy_total": 11991.1,
            "grid_export_energy_today": 0.3,
            "grid_export_energy_total": 2293.0,
            "battery_charge_energy_today": 0.2,
            "battery_charge_energy_total": 6113.2,
            "battery_discharge_energy_today": 0.4,
            "battery_discharge_energy_total": 5540.6,
            "load_energy_today": 0.0,
            "load_energy_total": 26980.8,
        },
    ),
    "v1_storage_last_data": (
        "storage",
        Status.ONLINE,
        {
            "pv_power": 2067.1,
            "ac_power": 0.0,
            "load_power": 0.0,
            "grid_power": 0.0,
            "battery_power": 0.0,
            "battery_soc": 52.0,
            "pv_energy_today": 6.5,
            "pv_energy_total": 1051.1,
            "grid_import_energy_today": 6.0,
            "grid_import_energy_total": 24137119.8,  # nonsense of the device; the counter checks reject it
            "battery_charge_energy_today": 0.0,
            "battery_charge_energy_total": 2.3,
            "battery_discharge_energy_today": 0.0,
            "battery_discharge_energy_total": 0.0,
        },
    ),
    "v1_inverter_last_new_data": (
        "inverter",
        Status.STANDBY,
        {"pv_power": 0.0, "ac_power": 0.0, "pv_energy_today": 0.0, "pv_energy_total": 303642.5},
    ),
    "v1_max_last_data": (
        "max",
        Status.FAULT,
        {"pv_power": 0.0, "ac_power": 0.0, "pv_energy_today": 0.0, "pv_energy_total": 0.0},
    ),
    "v4_queryLastData_min": (
        "tlx",
        Status.ONLINE,
        {"pv_power": 21.6, "ac_power": 10.6, "pv_energy_today": 0.3, "pv_energy_total": 83.5},
    ),
    "v4_queryLastData_inv": (
        "inverter",
        Status.FAULT,
        {"pv_power": 0.0, "ac_power": 0.0, "pv_energy_today": 0.0, "pv_energy_total": 115.7},
    ),
    "v4_queryLastData_max": (
        "max",
        Status.FAULT,
        {"pv_power": 0.0, "ac_power": 0.0, "pv_energy_today": 0.0, "pv_energy_total": 0.0},
    ),
    "v4_queryLastData_noah": (
        "noah",
        Status.ONLINE,
        {
            "pv_power": 0.0,
            "ac_power": 0.0,
            "grid_power": 270.0,
            "load_power": 270.0,
            "battery_power": 0.0,
            "battery_soc": 10.0,
        },
    ),
    "v4_queryLastData_noah_2025_partial": (
        "noah",
        Status.ONLINE,
        # 295 W of sun, of which 132 W charge the battery and 159 W go to the house.
        {"pv_power": 295.0, "ac_power": 159.0, "battery_power": -132.0, "battery_soc": 13.0},
    ),
    "v1_tlx_data_history_min": (
        "tlx",
        Status.ONLINE,
        {"pv_power": 170.6, "ac_power": 163.8, "pv_energy_today": 1.9, "pv_energy_total": 47.1},
    ),
    "v1_mix_data_history_sph": (
        "mix",
        Status.ONLINE,
        {
            "pv_power": 93.5,
            "ac_power": 0.0,
            "grid_power": -37.7,
            "battery_power": 24.1,
            "load_power": 0.0,
            "battery_soc": 100.0,
            "pv_energy_today": 0.5,
            "pv_energy_total": 2352.3,
            "grid_import_energy_today": 0.0,
            "grid_import_energy_total": 11991.1,
            "grid_export_energy_today": 0.3,
            "grid_export_energy_total": 2293.4,
            "battery_charge_energy_today": 0.2,
            "battery_charge_energy_total": 6113.2,
            "battery_discharge_energy_today": 0.4,
            "battery_discharge_energy_total": 5540.6,
            "load_energy_today": 0.4,
            "load_energy_total": 26980.8,
        },
    ),
    "v4_queryLastData_sph": (
        "mix",
        Status.ONLINE,
        {
            "pv_power": 0.0,
            "ac_power": 0.3,
            "grid_power": -50.0,
            "battery_power": 0.0,
            "load_power": 0.0,
            "battery_soc": 0.0,
            "pv_energy_today": 0.0,
            "pv_energy_total": 95.4,
            "grid_import_energy_today": 0.0,
            "grid_import_energy_total": 23.5,
            "grid_export_energy_today": 1.0,
            "grid_export_energy_total": 103.9,
            "battery_charge_energy_today": 0.0,
            "battery_charge_energy_total": 64.5,
            "battery_discharge_energy_today": 0.0,
            "battery_discharge_energy_total": 59.6,
            "load_energy_today": 0.0,
            "load_energy_total": 41.0,
        },
    ),
    "v4_queryLastData_sph_s": (
        "sph-s",
        Status.ONLINE,
        {
            "pv_power": 1920.0,
            "ac_power": 1871.0,
            "grid_power": 138.0,  # phase R; the total is 0
            "battery_power": 0.0,
            "load_power": 1871.0,
            "battery_soc": 96.0,
            "pv_energy_today": 0.8,
            "pv_energy_total": 1132.5,
            "grid_import_energy_today": 0.2,
            "grid_import_energy_total": 870.9,
            "grid_export_energy_today": 0.0,
            "grid_export_energy_total": 6.8,
            "battery_charge_energy_today": 0.0,
            "battery_charge_energy_total": 432.6,
            "battery_discharge_energy_today": 0.0,
            "battery_discharge_energy_total": 460.8,
            "load_energy_today": 1.0,
            "load_energy_total": 2024.8,
        },
    ),
    "v4_queryLastData_spa": (
        "spa",
        Status.ONLINE,
        {
            "pv_power": 0.0,
            "ac_power": 0.3,
            "grid_power": 0.0,
            "battery_power": 0.0,
            "load_power": 0.0,
            "battery_soc": 0.0,
            "pv_energy_today": 0.0,
            "pv_energy_total": 0.0,
            "grid_import_energy_today": 0.0,
            "grid_import_energy_total": 0.0,
            "grid_export_energy_today": 0.0,
            "grid_export_energy_total": 1.0,
            "battery_charge_energy_today": 0.0,
            "battery_charge_energy_total": 7.6,
            "battery_discharge_energy_today": 0.0,
            "battery_discharge_energy_total": 6.8,
            "load_energy_today": 0.0,
            "load_energy_total": 0.0,
        },
    ),
    "v4_queryLastData_storage": (
        "storage",
        Status.ONLINE,
        {
            "pv_power": 0.0,
            "ac_power": 0.0,
            "load_power": 0.0,
            "grid_power": 0.0,
            "battery_power": 0.0,
            "battery_soc": 100.0,
            "pv_energy_today": 6.0,
            "pv_energy_total": 5.4,
            "grid_import_energy_today": 0.0,
            "grid_import_energy_total": 0.0,
            "battery_charge_energy_today": 0.0,
            "battery_charge_energy_total": 0.0,
            "battery_discharge_energy_today": 0.7,
            "battery_discharge_energy_total": 0.7,
        },
    ),
    "v4_queryLastData_wit": (
        "wit",
        Status.ONLINE,
        {
            "pv_power": 0.0,
            "ac_power": 0.0,
            "grid_power": 0.0,
            "load_power": 0.0,
            "battery_soc": 13.0,
            "pv_energy_today": 4.8,
            "pv_energy_total": 85.1,
            "grid_import_energy_today": 0.1,
            "grid_import_energy_total": 8813.6,
            "grid_export_energy_today": 0.0,  # its total is the filler -0.1
            "load_energy_today": 2.5,
            "load_energy_total": 2906.4,
        },
    ),
}


def capture(name):
    return json.loads((Path(FOLDER) / "growatt-openapi" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_measurements_of_a_capture_are_mapped(name):
    family, status, expected = SNAPSHOTS[name]
    body = capture(name)
    bean = body["data"] if name.startswith("v1") else next(iter(body["data"].values()))[0]
    bean = bean.get("datas", [bean])[0]
    data = payloads.OpenApiData(bean)
    measured_at = normalise.measured_time(data, datetime.now(CET))
    now = (measured_at or datetime(2026, 2, 22, 8, tzinfo=CET)).astimezone(CET)
    device = Device(vendor="growatt", plant="1", id="X", family=family)
    snapshot = normalise.map_device(device, data, now, lost=False)
    assert {key: value for key, value in snapshot.values.items() if value is not None} == expected
    assert snapshot.status is status


def test_time_of_a_capture_is_the_clock_of_the_device():
    # 295 W at 10:30 in Germany; the epoch of the capture, read as it stands, would be 02:30 UTC.
    data = payloads.OpenApiData(next(iter(capture("v4_queryLastData_noah")["data"].values()))[0])
    berlin = timezone(timedelta(hours=2))
    assert normalise.measured_time(data, datetime.now(berlin)) == datetime(2025, 8, 16, 16, 31, 54, tzinfo=berlin)


ANSWERS = {
    "v1_check_sn_inverter": OpenApiCalls.v1_check_serial.flow("X"),
    "v1_check_sn_datalogger": OpenApiCalls.v1_check_serial.flow("X"),
    "v1_day_energy": OpenApiCalls.v1_inverter_day_energy.flow("X", "2026-06-21"),
    "v1_device_list_mod_2026": OpenApiCalls.v1_device_list.flow("1"),
    "v1_plant_data": OpenApiCalls.v1_plant_data.flow("1"),
    "v1_plant_data_zero_after_18h_2026": OpenApiCalls.v1_plant_data.flow("1"),
    "v1_plant_details": OpenApiCalls.v1_plant_details.flow("1"),
    "v1_plant_energy_day": OpenApiCalls.v1_plant_energy.flow("1", "2026-06-21", "2026-06-21"),
    "v1_plant_energy_month": OpenApiCalls.v1_plant_energy.flow("1", "2026-06-21", "2026-06-21", "month"),
    "v1_plant_energy_year": OpenApiCalls.v1_plant_energy.flow("1", "2026-06-21", "2026-06-21", "year"),
    "v1_plant_list": OpenApiCalls.v1_plant_list.flow(),
    "v1_plant_list_mod_2026_partial": OpenApiCalls.v1_plant_list.flow(),
    "v1_plant_power": OpenApiCalls.v1_plant_power.flow("1", "2026-06-21"),
    "v1_plant_power_same_moment_2026": OpenApiCalls.v1_plant_power.flow("1", "2026-06-21"),
    "v1_tlx_alarm_data": OpenApiCalls.v1_alarms.flow("tlx", "X", "2026-06-21"),
    "v1_tlx_data_history_min": OpenApiCalls.v1_history.flow("tlx", "X", "2026-06-21", "2026-06-21"),
    "v1_mix_data_history_sph": OpenApiCalls.v1_history.flow("mix", "X", "2026-06-21", "2026-06-21"),
    "v1_inverter_data_history": OpenApiCalls.v1_inverter_history.flow("X", "2026-06-21", "2026-06-21"),
    "v1_tlx_data_info_min": OpenApiCalls.v1_device_info.flow("tlx", "X"),
    "v1_tlx_set_info_min": OpenApiCalls.v1_min_settings.flow("X"),
    "v1_mix_data_info_sph": OpenApiCalls.v1_device_info.flow("mix", "X"),
    "v1_hps_last_data": OpenApiCalls.v1_last_data.flow("hps", "X"),
    "v1_pcs_last_data": OpenApiCalls.v1_last_data.flow("pcs", "X"),
    "v1_pbd_last_data": OpenApiCalls.v1_last_data.flow("pbd", "X"),
    "v1_ammeter_meter_list_2026": OpenApiCalls.v1_meter_list.flow("LOG"),
    "v1_ammeter_meter_list_vendor": OpenApiCalls.v1_meter_list.flow("LOG"),
    "v1_ammeter_meter_last_data_vendor": OpenApiCalls.v1_meter_last_data.flow("LOG", 1),
    "v1_ammeter_meter_last_data_2026_partial": OpenApiCalls.v1_meter_last_data.flow("LOG", 1),
    "v1_env_last_data_vendor": OpenApiCalls.v1_sensor_last_data.flow("LOG", 1),
    "v1_vpp_get_soc": OpenApiCalls.v1_vpp_state_of_charge.flow("X"),
    "v1_set_success_spa": OpenApiCalls.v1_write_parameter.flow("spa", "X", "pv_active_p_rate", [50]),
    "v4_queryDeviceList": OpenApiCalls.v4_device_list.flow(),
    "v4_queryDfcData_null": OpenApiCalls.v4_high_frequency_data.flow("X", "min"),
    "v4_queryHistoricalData_shape": OpenApiCalls.v4_history.flow("X", "min", "2026-06-21"),
    "v4_set_success": OpenApiCalls.v4_set_power.flow("X", "min", 50),
}
FAILURES = {
    "v1_error_frequently_access": (OpenApiCalls.v1_plant_details.flow("1"), Throttled, "too often"),
    "v1_error_permission_denied": (OpenApiCalls.v1_plant_details.flow("1"), RequestRefused, "no permission"),
    "v4_error_frequently_access": (OpenApiCalls.v4_device_list.flow(), Throttled, "too often"),
    "v4_error_no_permission": (OpenApiCalls.v4_last_data.flow("X", "noah"), RequestRefused, "no permission"),
    "v4_error_wrong_device_type": (OpenApiCalls.v4_last_data.flow("X", "min"), RequestRefused, "another type"),
    "v4_set_failed_read_timeout": (OpenApiCalls.v4_set_power.flow("X", "min", 5), RequestRefused, "did not respond"),
}


def parsed(call, name):
    response = Response(200, {}, [], json.dumps(capture(name)).encode(), 0.0)
    return call.endpoint.shape(envelope.parse(call, response))


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_of_a_capture_is_parsed(name):
    answer = parsed(ANSWERS[name], name)
    if isinstance(answer, payloads.Payload):
        whole = name == "v1_vpp_get_soc" or "data" not in capture(name)
        assert answer.raw == (capture(name) if whole else capture(name)["data"])
        assert repr(answer)


@pytest.mark.parametrize("name", FAILURES)
def test_error_of_a_capture_is_raised(name):
    call, kind, words = FAILURES[name]
    with pytest.raises(CloudError, match=words) as caught:
        parsed(call, name)
    assert type(caught.value) is kind


def test_every_capture_of_the_token_api_is_tested():
    names = {path.stem for path in (Path(FOLDER) / "growatt-openapi").glob("*.json")}
    tested = {*SNAPSHOTS, *ANSWERS, *FAILURES}
    # The vendor's third API is out of scope.
    assert {name for name in names - tested if not name.startswith("opencloud_")} == set()


def test_time_of_a_noah_without_a_text_is_the_misread_clock():
    data = payloads.OpenApiData(next(iter(capture("v4_queryLastData_noah_2025_partial")["data"].values()))[0])
    berlin = timezone(timedelta(hours=2))
    assert normalise.measured_time(data, datetime.now(berlin)) == datetime(2025, 9, 8, 10, 30, 29, 105000, berlin)


def test_fields_of_a_capture_have_their_values():
    device = parsed(ANSWERS["v1_device_list_mod_2026"], "v1_device_list_mod_2026").devices[0]
    assert (device.id, device.type, device.lost, device.status) == ("MOD0000001", 7.0, False, 1.0)
    model = parsed(ANSWERS["v1_check_sn_inverter"], "v1_check_sn_inverter")
    assert (model.model, model.rated_power, model.has_meter) == ("NEO 800M-X", 800.0, False)
    details = parsed(ANSWERS["v1_plant_details"], "v1_plant_details")
    assert (details.timezone, details.peak_power, details.currency) == ("GMT+8", 20.0, "rmb")
    rows = parsed(ANSWERS["v4_queryDeviceList"], "v4_queryDeviceList").devices
    assert [(row.id, row.type) for row in rows] == [("MAX0000001", "max"), ("MIN0000001", "min"), ("INV0000001", "inv")]
