"""Device measurements of both clouds: hand-written values for every family and trap."""

import json
import os
from pathlib import Path

import pytest

from heliograph.vendors.goodwe.measurements import measure_plus, measure_sems_inverter
from heliograph.vendors.goodwe.plus.payloads import Telemetry
from heliograph.vendors.growatt.measurements import measure, measure_mix

CAPTURES = os.environ.get("HELIOGRAPH_CAPTURES")

with_captures = pytest.mark.skipif(
    not CAPTURES, reason="HELIOGRAPH_CAPTURES is not set to a folder of captured responses"
)


def capture(name):
    return json.loads((Path(CAPTURES) / f"{name}.json").read_text(encoding="utf-8"))


def only(found, *names):
    return {name: found.get(name, "absent") for name in names}


@with_captures
def test_measure_reads_a_string_inverter_of_the_token_api():
    found = measure("tlx", capture("growatt-openapi/v1_tlx_last_data_min_2022")["data"])
    assert only(found, "pv1_voltage", "pv2_current", "pv2_energy_total", "phase1_voltage", "grid_frequency") == {
        "pv1_voltage": 258.6,
        "pv2_current": 6.1,
        "pv2_energy_total": 906.4,
        "phase1_voltage": 239.5,
        "grid_frequency": 50.01,
    }
    assert only(found, "temperature", "isolation_resistance", "leakage_current", "operating_time", "fault_text") == {
        "temperature": 47.8,
        "isolation_resistance": 3135.0,
        "leakage_current": 78.0,
        "operating_time": 451.43,
        "fault_text": None,
    }
    parts = ("pv3_", "phase2_", "battery", "backup", "generator", "temperature2")
    assert not [name for name in found if name.startswith(parts)]


@with_captures
def test_measure_reads_cells_and_meter_phases_of_a_hybrid():
    found = measure("mix", capture("growatt-openapi/v1_mix_last_data_sph_2019")["data"])
    names = ("battery_voltage", "battery_state_of_health", "battery_cycles", "meter_phase1_power")
    assert only(found, *names) == dict(zip(names, (56.7, 47.0, 1331.0, -38.6), strict=True))
    assert only(found, "battery_cell_voltage_min", "battery_cell_voltage_max") == {
        "battery_cell_voltage_min": 3.513,
        "battery_cell_voltage_max": 3.551,
    }


@with_captures
def test_measure_reads_ten_inputs_and_twenty_strings_of_a_wit():
    found = measure("wit", next(iter(capture("growatt-openapi/v4_queryLastData_wit")["data"].values()))[0])
    assert [found[f"pv{n}_voltage"] for n in (1, 10)] == [88.7, 2.5]
    assert [found[f"string{n}_voltage"] for n in (1, 20)] == [88.7, 2.5]
    assert only(found, "fault_code", "warning_code", "isolation_resistance") == {
        "fault_code": "501",
        "warning_code": "400",
        "isolation_resistance": None,  # 65530, a filler
    }


@with_captures
def test_measure_reads_packs_and_cells_of_a_balcony_battery():
    found = measure("noah", next(iter(capture("growatt-openapi/v4_queryLastData_noah")["data"].values()))[0])
    assert only(found, "battery1_soc", "battery2_soc", "battery_cell_voltage_max", "pv4_voltage", "temperature") == {
        "battery1_soc": 10.0,
        "battery2_soc": "absent",
        "battery_cell_voltage_max": 3.256,
        "pv4_voltage": 16.73,
        "temperature": 33.4,
    }


@with_captures
def test_measure_mix_reads_strings_in_watts_of_an_answer_in_kilowatts():
    found = measure_mix(capture("growatt/web_mix_status")["obj"], {})
    assert only(found, "pv1_power", "pv2_voltage", "battery_voltage", "backup_voltage") == {
        "pv1_power": 568.4,
        "pv2_voltage": 252.9,
        "battery_voltage": 53.1,
        "backup_voltage": "absent",
    }


@with_captures
def test_measure_sems_inverter_reads_the_last_frame_and_no_battery_from_sentinels():
    row = capture("goodwe/legacy_v2_getmonitordetail_three_phase_2021_trimmed")["data"]["inverter"][0]
    found = measure_sems_inverter(row)
    assert only(found, "pv1_voltage", "phase3_voltage", "grid_frequency", "temperature", "rated_power", "model") == {
        "pv1_voltage": 720.4,
        "phase3_voltage": 228.7,
        "grid_frequency": 50.0,
        "temperature": 32.6,
        "rated_power": 6000.0,
        "model": "GW6000-DT",
    }
    assert not [name for name in found if name.startswith(("battery", "meter", "pv2", "pv3"))]


@with_captures
@pytest.mark.parametrize(
    ("file", "kind", "expected"),
    [
        ("hybrid_inverter", "INVERTER", {"pv2_power": 77.6, "phase1_voltage": 244.1, "reactive_power": 1163.0}),
        ("bat_sys", "BAT_SYS", {"battery_voltage": 331.7, "battery_current": 2.4, "battery_temperature": 23.9}),
        ("smart_meter", "SMART_METER", {"meter_power": 1154.0, "meter_phase2_power": 422.0}),
    ],
)
def test_measure_plus_reads_telemetry(file, kind, expected):
    answer = Telemetry(capture(f"goodwe/semsplus_telemetry_{file}")["data"])
    assert only(measure_plus(kind, answer.body), *expected) == expected


def test_measure_leaves_out_the_second_battery_that_every_single_one_reports():
    ghost = {"bdc2Soc": 3, "bdc2Vbat": 12.0, "bdc2FaultType": 7, "bdc2Status": 1, "bdc2ChargeTotal": 745.4}
    one = {"bdc1Soc": 78, "bdc1Vbat": 730.4, "bdc1DischargePower": 1492.0, "bdc1ChargePower": 0, "bdc1Ibat": -2.0}
    found = measure("tlx", one | ghost)
    assert not [name for name in found if name.startswith("battery2")]
    assert only(found, "battery1_power", "battery1_current") == {"battery1_power": 1492.0, "battery1_current": 2.0}


def test_measure_signs_battery_current_by_the_powers():
    charging = {"bmsBatteryCurr": 20.0, "vbat": 53.0, "pcharge1": 1000.0, "pdischarge1": 0.0}
    assert measure("mix", charging)["battery_current"] == -20.0
    assert measure("mix", charging | {"pcharge1": 0.0, "pdischarge1": 5.0})["battery_current"] == 20.0


def test_measure_sems_inverter_reverses_the_meter_and_ignores_a_repeated_output():
    assert measure_sems_inverter({"invert_full": {"pmeter": 45.0, "pac": 900.0}})["meter_power"] == -45.0
    assert "meter_power" not in measure_sems_inverter({"invert_full": {"pmeter": 381.0, "pac": 381.0}})


def test_measure_sems_inverter_leaves_out_a_backup_output_that_repeats_the_meter():
    repeated = {"pmeter": -2337.0, "pbackup": -2337.0, "vload": 0.0, "iload": 4294967.295}
    assert not [name for name in measure_sems_inverter({"invert_full": repeated}) if name.startswith("backup")]
    used = measure_sems_inverter({"invert_full": repeated | {"pbackup": 120.0, "vload": 230.0}})
    assert only(used, "backup_power", "backup_voltage") == {"backup_power": 120.0, "backup_voltage": 230.0}


def test_measure_of_an_unknown_family_is_empty():
    assert measure("hps", {"vpv1": 300.0}) == {}
