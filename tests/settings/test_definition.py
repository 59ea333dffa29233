"""Validation of setting values: ranges, choices, windows, and the comparison with values read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import ConfigError, InvalidValue
from heliograph.settings.definition import Parameter, Setting, Span, matches, validate, validate_together, windows_of

PERCENT = Parameter(name="value", kind="number", unit="%", low=0, high=100, step=1)
VOLT = Parameter(name="value", kind="number", unit="V", low=100, high=240, step=0.1)
FACTOR = Parameter(name="value", kind="number", low=-1, high=1, step=0.01, excluded_range=(-0.8, 0.8))
MODE = Parameter(name="value", kind="choice", choices=("load-first", "grid-first"))


def setting(*parameters, **more):
    return Setting(name="thing", title="A thing", parameters=parameters, **more)


def one(kind):
    return setting(Parameter(name="value", kind=kind, low=1 if kind == "text" else None))


def windows(count, disjoint="enabled"):
    rows = [
        Parameter(name=f"{part}_{slot}", kind=kind)
        for slot in range(1, count + 1)
        for part, kind in (("start", "time"), ("end", "time"), ("enabled", "switch"))
    ]
    return setting(*rows, slots=count, disjoint=disjoint)


def filled(*spans):
    return {
        f"{part}_{slot}": value
        for slot, span in enumerate(spans, start=1)
        for part, value in zip(("start", "end", "enabled"), span, strict=True)
    }


@pytest.mark.parametrize(
    ("row", "value", "canonical"),
    [
        (setting(PERCENT), 90, 90.0),
        (setting(PERCENT), "90", 90.0),
        (setting(PERCENT), -0.0, 0.0),
        (setting(VOLT), "230.10000000001", 230.1),
        (setting(FACTOR), -0.8, -0.8),
        (setting(MODE), "grid-first", "grid-first"),
        (one("switch"), True, True),
        (one("switch"), "Off", False),
        (one("time"), "7:5", "07:05"),
        (one("moment"), "2026-06-21T12:05", "2026-06-21 12:05:00"),
        (one("text"), " Roof ", "Roof"),
        (setting(Parameter(name="value", kind="text")), " ", ""),
    ],
)
def test_validate_returns_the_canonical_form(row, value, canonical):
    found = validate(row, {"value": value})
    assert found == {"value": canonical}
    assert type(found["value"]) is type(canonical)
    assert validate(row, found) == found


@pytest.mark.parametrize(
    ("row", "value", "allowed"),
    [
        (setting(PERCENT), 101, "whole 0 to 100 %; got 101"),
        (setting(PERCENT), -1, "0 to 100"),
        (setting(PERCENT), 50.5, "whole 0 to 100"),
        (setting(PERCENT), math.nan, "0 to 100"),
        (setting(PERCENT), "1e400", "0 to 100"),
        (setting(PERCENT), True, "0 to 100"),
        (setting(PERCENT), "much", "'much'"),
        (setting(PERCENT), [1], "0 to 100"),
        (setting(VOLT), 230.15, "100 to 240 V in steps of 0.1"),
        (setting(FACTOR), 0.5, "-1 to 1 in steps of 0.01, not between -0.8 and 0.8"),
        (setting(MODE), "coffee-first", "load-first, grid-first"),
        (setting(MODE), ["load-first"], "load-first, grid-first"),
        (one("switch"), "perhaps", "on or off"),
        (one("time"), "24:00", "00:00 to 23:59"),
        (one("time"), 730, "00:00 to 23:59"),
        (one("time"), "\uff12:00", "00:00 to 23:59"),
        (one("moment"), "noon", "YYYY-MM-DD HH:MM:SS"),
        (one("moment"), "2026-06-21 12:00:00+02:00", "YYYY-MM-DD"),
        (one("moment"), "1999-12-31 23:59:59", "YYYY-MM-DD"),
        (one("text"), " ", "1 to 100 characters"),
        (one("text"), "a\r\nb", "1 to 100 characters"),
        (one("text"), "x" * 101, "1 to 100 characters"),
    ],
)
def test_validate_error_names_the_allowed_values(row, value, allowed):
    with pytest.raises(InvalidValue) as caught:
        validate(row, {"value": value})
    assert "thing: value" in str(caught.value)
    assert allowed in str(caught.value)
    assert len(str(caught.value)) < 250
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(
    ("values", "word"),
    [({}, "value is missing"), ({"value": None}, "missing"), ({"value": 1, "speed": 2}, "no 'speed'; it has value")],
)
def test_validate_requires_exactly_the_parameters(values, word):
    with pytest.raises(InvalidValue, match=word):
        validate(setting(PERCENT), values)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=300), st.binary(max_size=9)))
def test_validate_of_any_value_returns_or_raises_invalid_value(value):
    for row in (setting(PERCENT), setting(FACTOR), setting(MODE), *map(one, ("switch", "time", "moment", "text"))):
        try:
            found = validate(row, {"value": value})
        except InvalidValue:
            continue
        assert validate(row, found) == found


# Windows


def test_validate_rejects_overlapping_enabled_windows():
    row = windows(2)
    assert windows_of(row) == ((1, "_1"), (2, "_2"))
    validate(row, filled(("01:00", "05:00", True), ("05:00", "06:00", True)))
    validate(row, filled(("01:00", "05:00", True), ("04:00", "06:00", False)))
    with pytest.raises(InvalidValue, match="the window 04:59 to 06:00 overlaps window 1"):
        validate(row, filled(("01:00", "05:00", True), ("04:59", "06:00", True)))
    with pytest.raises(InvalidValue, match="overlaps"):
        validate(windows(2, "always"), filled(("01:00", "05:00", True), ("04:00", "06:00", False)))
    validate(windows(2, ""), filled(("01:00", "05:00", True), ("04:00", "06:00", True)))


def test_validate_rejects_windows_across_midnight():
    with pytest.raises(InvalidValue, match=r"22:00 to 06:00 crosses midnight; use two"):
        validate(windows(1), filled(("22:00", "06:00", False)))
    with pytest.raises(InvalidValue, match="empty but on"):
        validate(windows(1), filled(("06:00", "06:00", True)))
    validate(windows(1), filled(("06:00", "06:00", False)))


def single(number, disjoint):
    rows = (
        Parameter(name="start", kind="time"),
        Parameter(name="end", kind="time"),
        Parameter(name="enabled", kind="switch"),
    )
    return Setting(name=f"w{number}", title="", parameters=rows, group="w", disjoint=disjoint)


def at(start, end, enabled=True):
    return {"start": start, "end": end, "enabled": enabled}


@pytest.mark.parametrize(("disjoint", "refused"), [("always", True), ("enabled", False)])
def test_validate_together_rejects_overlapping_windows(disjoint, refused):
    rows = [single(number, disjoint) for number in (1, 2, 3)]
    state = {"w1": at("01:00", "05:00"), "w2": at("04:00", "06:00", False), "w3": None}
    if refused:
        with pytest.raises(InvalidValue, match="w2 overlaps w1; the device refuses that, even if one is off"):
            validate_together(rows, state)
    else:
        validate_together(rows, state)
    validate_together(rows, state | {"w2": at("05:00", "06:00")})
    with pytest.raises(InvalidValue, match="w2 overlaps w1"):
        validate_together(rows, state | {"w2": at("22:00", "01:01")})


TIMES = st.integers(0, 1439)


@given(TIMES, TIMES, TIMES, TIMES)
def test_span_overlaps_if_a_minute_is_shared(a, b, c, d):
    def minutes(start, end):
        return set(range(start, end)) if start <= end else set(range(start, 1440)) | set(range(end))

    assert Span((a, b)).overlaps(Span((c, d))) == bool(minutes(a, b) & minutes(c, d))


# Comparison with values read back


def test_matches_is_true_false_or_unknown():
    row = setting(PERCENT, Parameter(name="remember", kind="switch", readable=False))
    wanted = {"value": 50.0, "remember": True}
    assert matches(row, wanted, {"value": 50.0, "remember": None}) is True
    assert matches(row, wanted, {"value": 49.0, "remember": None}) is False
    assert matches(row, wanted, {"value": None, "remember": None}) is None
    assert matches(row, wanted, None) is None
    assert matches(setting(Parameter(name="value", kind="switch", readable=False)), {"value": True}, {}) is None


def test_matches_tolerates_an_advanced_clock():
    wanted = {"value": "2026-06-21 12:00:00"}
    assert matches(one("moment"), wanted, {"value": "2026-06-21 12:14:59"}) is True
    assert matches(one("moment"), wanted, {"value": "2026-06-21 12:15:01"}) is False
