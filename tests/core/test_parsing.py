"""Parsers of wire values: they never raise, and unreadable values never become numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from math import isfinite
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import parsing

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("time"), inner, max_size=3),
    max_leaves=8,
)
COLON = "\N{FULLWIDTH COLON}"
NUMBERLIKE = st.text(st.sampled_from("0123456789+-.eE kKMWwh%V()°, /" + COLON), max_size=14)
UNITS = ("W", "kWh", "%", "V", "A", "Hz", "°C")
ZONES = st.sampled_from([None, UTC, ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=-12))])

SENTINELS = (65535, 6553.5, 655.35, 65.535, 4294967295, 429496729.5, 4294967.295, 4294901.76, 429483622)


@given(JSON | NUMBERLIKE, st.sampled_from(UNITS), ZONES)
def test_parsers_never_raise_and_return_finite_numbers(value, unit, zone):
    for found in (parsing.parse_number(value), parsing.parse_quantity(value, unit)):
        assert found is None or (type(found) is float and isfinite(found))
    assert parsing.parse_text(value) is None or type(parsing.parse_text(value)) is str
    assert parsing.parse_flag(value) in (True, False, None)
    found_at = parsing.parse_time(value, zone)
    assert found_at is None or found_at.tzinfo is UTC


def test_number_too_large_for_a_float_is_none():
    huge = int("9" * 400)
    assert parsing.parse_number(huge) is None
    assert parsing.parse_quantity(huge, "W") is None
    assert parsing.parse_number("9" * 400) is None
    assert parsing.parse_quantity("1e308", "kW") is None


@pytest.mark.parametrize("written", ["1" + " " * 70 + "W", "1" + "0" * 64, "0" * 65, "1." + "0" * 10_000])
def test_number_longer_than_any_quantity_is_none(written):
    assert parsing.parse_number(written) is None
    assert parsing.parse_in_unit(written, "W") is None


def test_spaces_around_a_number_do_not_count_for_its_length():
    assert parsing.parse_number(" " * 10_000 + "1.5 kW\n") == 1.5


@pytest.mark.parametrize("written", ["0E", "12e", "1.5E+", "7."])
def test_number_with_half_an_exponent_or_fraction_is_no_error(written):
    assert parsing.parse_number(written) in (None, 0.0, 12.0)


@given(NUMBERLIKE | st.text())
def test_zero_is_parsed_only_from_a_zero(written):
    if parsing.parse_number(written) == 0:
        match = re.match(r"\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)", written)
        assert match
        assert abs(Decimal(match[1])) < Decimal("1e-300")


@pytest.mark.parametrize(
    "nothing", ["", " ", "--", "-", "null", "N/A", "nan", "inf", ".", "e5", None, [], {}, False, True]
)
def test_missing_value_is_never_zero(nothing):
    assert parsing.parse_number(nothing) is None
    assert parsing.parse_quantity(nothing, "W") is None


@given(
    st.decimals(min_value=-100_000, max_value=100_000, places=3),
    st.sampled_from(
        [("W", "W", 1), ("kW", "W", 1000), ("Wh", "kWh", Decimal("0.001")), ("kWh", "kWh", 1), ("MWh", "kWh", 1000)]
    ),
    st.sampled_from(["{}{}", "{} {}", "{}({})", " {}{} "]),
)
def test_quantity_with_a_unit_is_independent_of_the_declared_one(x, unit, form):
    written, base, scale = unit
    found = parsing.parse_quantity(form.format(x, written), base)
    if float(x) in {float(value) for value in SENTINELS}:
        assert found is None
    else:
        assert found == pytest.approx(float(x * scale), abs=1e-6)


@pytest.mark.parametrize("value", SENTINELS)
@pytest.mark.parametrize("unit", UNITS)
def test_all_ones_register_is_none_with_or_without_unit(value, unit):
    for written in (value, str(value), f"{value}{unit}", f"{value}({unit})", f" {value} {unit} "):
        assert parsing.parse_number(written) is None
        assert parsing.parse_quantity(written, unit) is None


@pytest.mark.parametrize(
    ("written", "unit", "read"),
    [
        ("9.3 kWh", "kWh", 9.3),
        ("2.56 MWh", "kWh", 2560.0),
        ("0.01kW", "W", 10.0),
        ("0 W", "W", 0.0),
        ("230(W)", "W", 230.0),
        ("2337 (W)", "W", 2337.0),
        ("+0.0", "W", 0.0),
        ("-399.5", "W", -399.5),
        ("45%", "%", 45.0),
        ("0.84", "kW", 840.0),
        (623.2000122070312, "W", 623.200012),
        (0.10000000149011612, "kWh", 0.1),
        (1767.3999999999999, "kWh", 1767.4),
        ("9.0°C", "°C", 9.0),
        ("9.0℃", "°C", 9.0),
        ("12 kWh", "W", None),  # energy is not power
        ("0.8kWp", "W", None),
        ("12.3", "kWh", 12.3),
        (f"Fac{COLON}50", "Hz", None),
        (f"50{COLON}2", "Hz", None),
        ("5,1", "kWh", None),
        ("1,234.5", "kWh", None),
        ("1.2.3", "W", None),
        ("0x10", "W", None),
        ("12:05", "W", None),
    ],
)
def test_quantities_of_vendors_are_parsed_to_published_units(written, unit, read):
    assert parsing.parse_quantity(written, unit) == read


def test_placeholder_text_is_none():
    assert [parsing.parse_text(one) for one in ("", " ", "--", "NULL", "n/a", "\x00\x00", None, True, [], {})] == [
        None
    ] * 10
    assert parsing.parse_text("\x00\x00-0") == "-0"


def test_flag_is_parsed_in_every_spelling_and_never_guessed():
    assert [parsing.parse_flag(one) for one in (True, "true", "True", 1, "1")] == [True] * 5
    assert [parsing.parse_flag(one) for one in (False, "false", 0, "0")] == [False] * 4
    assert [parsing.parse_flag(one) for one in (None, "", "yes", 2, "-1", [], {})] == [None] * 7


def test_java_date_is_parsed_by_its_epoch_and_not_its_china_wall_clock():
    java = {
        "year": 125,
        "month": 0,
        "date": 30,
        "hours": 17,
        "minutes": 11,
        "time": 1738228283000,
        "timezoneOffset": -480,
    }
    assert parsing.parse_time(java, ZoneInfo("Europe/Berlin")) == datetime(2025, 1, 30, 9, 11, 23, tzinfo=UTC)
    assert parsing.parse_time({"year": 125}, UTC) is None


def test_local_time_is_parsed_in_its_zone():
    berlin = ZoneInfo("Europe/Berlin")
    assert parsing.parse_time("2026-06-21 12:05:11", berlin) == datetime(2026, 6, 21, 10, 5, 11, tzinfo=UTC)
    assert parsing.parse_time("2026-01-21 12:05:11", berlin) == datetime(2026, 1, 21, 11, 5, 11, tzinfo=UTC)
    assert parsing.parse_time("21/06/2026 12:05", berlin, ("%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M")) == datetime(
        2026, 6, 21, 10, 5, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("hours", "name"),
    [
        (2, "UTC+02:00"),
        (0.0, "UTC"),
        (-9.5, "UTC-09:30"),
        (5.75, "UTC+05:45"),
        (3.333, "UTC+03:20"),
        (-14, "UTC-14:00"),
    ],
)
def test_offset_is_a_zone_of_whole_minutes(hours, name):
    assert str(parsing.offset_zone(hours)) == name


@pytest.mark.parametrize("hours", [None, 14.01, -15, 1e300])
def test_offset_that_no_place_has_is_none(hours):
    assert parsing.offset_zone(hours) is None


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "12:05",
        "0000-00-00 00:00:00",
        "0001-01-01 00:00:00",
        "2026-13-01 00:00:00",
        0,
        -1,
        1e300,
        True,
        {"time": "x"},
    ],
)
def test_invalid_time_is_none(nonsense):
    assert parsing.parse_time(nonsense, timezone(timedelta(hours=8))) is None


@given(st.integers(946_800_000, 4_102_300_000), st.integers(-12, 14))
def test_local_time_is_the_same_time_in_utc(epoch, hours):
    zone = timezone(timedelta(hours=hours))
    aware = datetime.fromtimestamp(epoch, zone)
    assert parsing.parse_time(f"{aware:%Y-%m-%d %H:%M:%S}", zone) == aware
    assert parsing.parse_time(epoch * 1000, None) == aware


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-21 12:05:11",
        " 2026-06-21 12:05:11 ",
        "2026-6-1 2:5:1",
        "2026-06- 1  2:05: 1",
        "2026-06-21T12:05:11",
        "2026-06-21 24:00:00",
        "2026-02-30 12:05:11",
        "2026-06-21 12:05+02",
        "20260-6-21 12:05:1",
    ],
)
def test_time_is_parsed_as_by_strptime(text):
    try:
        expected = datetime.strptime(text.strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        expected = None
    assert parsing.parse_time(text, UTC) == expected
