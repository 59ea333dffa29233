"""Device measurements: the declarations and the parser of answers."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.measurements import MAX_RAW, numbered, parse_measurements, raw_numbers, row, smallest_and_largest
from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS

ROWS = (
    row("pv1_voltage", "vPv1"),
    row("pv2_power", "pPv2", "kW"),
    row("phase2_voltage", "vac2"),
    row("temperature", "temp1"),
    row("battery_cell_voltage_min", "minCell", "mV"),
    row("operating_time", "timeTotal", "s"),
    row("status_text", "statusText"),
    row("fault_text", "errorText"),
)


def test_device_metrics_have_unique_names_apart_from_those_of_plants():
    assert not DEVICE_METRICS.keys() & METRICS.keys()
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in DEVICE_METRICS)
    assert all(name == metric.name and metric.meaning and metric.part for name, metric in DEVICE_METRICS.items())
    assert all((metric.kind == "text") <= (metric.unit == "") for metric in DEVICE_METRICS.values())


def test_parse_measurements_converts_units_and_compares_keys_without_case():
    answer = {"VPV1": "256.7", "ppv2": 0.0776, "MINCELL": 3256.0, "timetotal": 3600, "Temp1": 47.79999923706055}
    assert parse_measurements(ROWS, answer) == {
        "pv1_voltage": 256.7,
        "pv2_power": 77.6,
        "temperature": 47.8,
        "battery_cell_voltage_min": 3.256,
        "operating_time": 1.0,
    }


def test_parse_measurements_leaves_out_keys_that_are_absent_and_reports_unusable_ones_as_gaps():
    assert parse_measurements(ROWS, {}) == {}
    assert parse_measurements(ROWS, {"vpv1": None, "temp1": "hot"}) == {"pv1_voltage": None, "temperature": None}


@pytest.mark.parametrize("value", [6553.5, 65535, -1.0, 99999.0, "nan", [1], {"a": 1}, True, "1" * 400])
def test_parse_measurements_rejects_values_outside_of_the_range(value):
    assert parse_measurements(ROWS, {"vpv1": value}, fillers=(-1.0,)) == {"pv1_voltage": None}


def test_parse_measurements_leaves_out_parts_that_are_not_connected():
    zeros = {"vpv1": 0, "ppv2": 0.0, "vac2": 0.0, "mincell": 0}
    assert parse_measurements(ROWS, zeros) == {"pv1_voltage": 0.0}
    assert parse_measurements(ROWS, zeros | {"vac2": 230.5})["phase2_voltage"] == 230.5


def test_parse_measurements_takes_the_first_key_of_a_metric_that_has_a_value():
    rows = (row("battery_voltage", "bmsVbat"), row("battery_voltage", "vbat"))
    assert parse_measurements(rows, {"bmsVbat": None, "vbat": 53.1}) == {"battery_voltage": 53.1}
    assert parse_measurements(rows, {"bmsVbat": 52.0, "vbat": 53.1}) == {"battery_voltage": 52.0}


def test_parse_measurements_shortens_texts_and_drops_placeholders():
    found = parse_measurements(ROWS, {"statusText": "x" * 500, "errorText": "Unknown"})
    assert (len(found["status_text"]), found["fault_text"]) == (200, None)


def test_numbered_declares_one_row_per_part():
    names = [one.metric.name for one in numbered("pv{n}_current", "ipv{n}", 3)]
    assert names == ["pv1_current", "pv2_current", "pv3_current"]


def test_smallest_and_largest_ignore_missing_cells():
    assert smallest_and_largest([3.55, "3.513", 0, None, "--"]) == (3.513, 3.55)
    assert smallest_and_largest([0, None]) == (None, None)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([one.key for one in ROWS] + ["other"]), _JSON))
def test_parse_measurements_never_raises_and_stays_within_the_ranges(answer):
    for name, value in parse_measurements(ROWS, answer).items():
        metric = DEVICE_METRICS[name]
        assert value is None or isinstance(value, str) or metric.minimum <= value <= metric.maximum


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=50) | st.from_regex(r"[a-z]{1,4}[0-9]{0,3}", fullmatch=True), JSON))
def test_raw_numbers_of_any_answer_are_few_finite_numbers(answer):
    found = raw_numbers(answer)
    assert len(found) <= MAX_RAW
    assert all(type(value) is float and math.isfinite(value) for value in found.values())
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_raw_numbers_leave_out_ids_and_places():
    answer = {"deviceSn": 4711, "plantId": "12", "datalogSn": "9", "lat": 48.1, "plant_lng": "11.5", "phone": 49}
    assert raw_numbers(answer | {"ppv": "12.5", "vpv9": 230}) == {"ppv": 12.5, "vpv9": 230.0}
