"""Schedules of every family: lossless round trips, and write sequences without overlapping windows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import InvalidValue
from heliograph.settings.definition import minute_of_day, validate, validate_together, windows_of
from heliograph.settings.schedule import (
    Schedule,
    Window,
    from_settings,
    is_schedule_setting,
    split_at_midnight,
    to_settings,
    write_sequence,
)
from heliograph.vendors.growatt.settings.registry import FAMILIES

FAMILIES_WITH_SCHEDULE = ("tlx", "mix", "spa", "noah", "nexa")
"""The families that store a schedule."""
LIMITS = {
    "tlx": ("charge_power", "discharge_power", "charge_stop_soc", "discharge_stop_soc", "ac_charge"),
    "mix": ("charge_power", "discharge_power", "charge_stop_soc", "discharge_stop_soc", "ac_charge"),
    "spa": ("charge_power", "discharge_power", "charge_stop_soc", "discharge_stop_soc"),
    "noah": ("charge_stop_soc", "discharge_stop_soc"),
    "nexa": ("charge_stop_soc", "discharge_stop_soc"),
}
MODES = {
    "tlx": ("load-first", "battery-first", "grid-first"),
    "mix": ("battery-first", "grid-first"),
    "spa": ("battery-first", "grid-first", "load-first"),
    "noah": ("load-first", "battery-first", "smart"),
    "nexa": ("load-first", "battery-first", "smart"),
}
BALCONY = ("noah", "nexa")


FULL = Schedule(charge_power=50, discharge_power=50, charge_stop_soc=90, discharge_stop_soc=10, ac_charge=True)


def clock(minute):
    return f"{minute // 60:02d}:{minute % 60:02d}"


@st.composite
def spans(draw, most):
    """Return non-overlapping windows in order; some are empty."""
    edges = sorted(draw(st.lists(st.integers(0, 1439), min_size=0, max_size=2 * most)))
    return [(clock(a), clock(b)) for a, b in zip(edges[::2], edges[1::2], strict=False)]


@st.composite
def schedules(draw, family):
    windows = []
    groups = [MODES[family]] if family in ("tlx", *BALCONY) else [(mode,) for mode in MODES[family]]
    most = 9 if len(groups) == 1 else 3
    for modes in groups:
        for start, end in draw(spans(most)):
            on = draw(st.booleans()) and start != end
            power = float(draw(st.integers(1, 800))) if family in BALCONY else None
            windows.append(Window(start, end, draw(st.sampled_from(modes)), power, enabled=on))
    percent = st.integers(0, 100).map(float)
    limits = {name: draw(st.booleans()) if name == "ac_charge" else draw(percent) for name in LIMITS[family]}
    if family in BALCONY:
        limits = {
            "charge_stop_soc": draw(st.integers(70, 100)) + 0.0,
            "discharge_stop_soc": draw(st.integers(0, 30)) + 0.0,
        }
    found = Schedule(windows=tuple(windows), **limits)
    return trimmed(found, family)


def trimmed(schedule, family):
    """Remove unused windows at the end of each mode, because they are not read back."""

    def free(window, modes):
        mode = "load-first" if len(modes) > 1 else modes[0]
        return window in (Window("00:00", "00:00", mode, power, enabled=False) for power in (None, 0.0))

    used = []
    for modes in [MODES[family]] if family in ("tlx", *BALCONY) else [(mode,) for mode in MODES[family]]:
        windows = [one for one in schedule.windows if one.mode in modes]
        while windows and free(windows[-1], modes):
            windows.pop()
        used += windows
    return Schedule(**{name: getattr(schedule, name) for name in LIMITS[family]}, windows=tuple(used))


@pytest.mark.parametrize("family", FAMILIES_WITH_SCHEDULE)
@given(data=st.data())
def test_to_settings_and_from_settings_round_trip(family, data):
    settings = FAMILIES[family].settings
    schedule = data.draw(schedules(family))
    written = to_settings(schedule, settings)
    for setting in settings:
        if setting.name in written:
            assert validate(setting, written[setting.name]) == written[setting.name]
    validate_together(settings, written)
    assert from_settings(written, settings) == schedule


@pytest.mark.parametrize("family", FAMILIES_WITH_SCHEDULE)
@given(data=st.data())
def test_from_settings_and_to_settings_round_trip_unvalidated_values(family, data):
    """Includes values that `validate` rejects: windows across midnight, and unused slots between others."""
    settings = FAMILIES[family].settings
    read = {
        one.name: {p.name: data.draw(anything(p)) for p in one.parameters}
        for one in settings
        if is_schedule_setting(one)
    }
    assert to_settings(from_settings(read, settings), settings) == read


def anything(parameter):
    if parameter.kind == "choice":
        return st.sampled_from(parameter.choices)
    if parameter.kind == "time":
        return st.sampled_from(["00:00", "00:30", "06:00", "22:00", "23:59"])
    if parameter.kind == "switch":
        return st.booleans()
    return st.integers(int(parameter.low), int(parameter.high)).map(float)


@pytest.mark.parametrize("family", FAMILIES_WITH_SCHEDULE)
@given(data=st.data())
def test_schedule_round_trip_in_the_wire_format(family, data):
    """Values of a response are encoded to the same request arguments by the catalogue."""
    rows = FAMILIES[family].entries
    settings = FAMILIES[family].settings
    written = to_settings(data.draw(schedules(family)), settings)
    bean = {}
    for row in rows:
        if row.setting.name not in written:
            continue
        for place in row.arguments:
            bean[place.key] = reported_as(place, written[row.setting.name][place.parameter.name])
    read = {row.setting.name: row.decode(bean) for row in rows if row.setting.name in written}
    assert read == written
    for row in rows:
        if row.setting.name in written:
            assert row.encode(read[row.setting.name]) == row.encode(written[row.setting.name])


def reported_as(place, value):
    """Return a value as in a response: times without leading zeros, all others as written."""
    if place.parameter.kind == "time":
        hour, minute = value.split(":")
        return f"{int(hour)}:{int(minute)}"
    return place.encode(value)[0]


def test_from_settings_rejects_families_without_a_schedule():
    for family in ("inverter", "storage", "plant"):
        with pytest.raises(InvalidValue, match="has no schedule"):
            from_settings({}, FAMILIES[family].settings)


@pytest.mark.parametrize(
    ("family", "schedule", "word"),
    [
        ("tlx", Schedule(windows=(Window("00:00", "01:00"),) * 10), "9 windows, not 10"),
        ("mix", Schedule(windows=(Window("00:00", "01:00", "grid-first"),) * 4), "3 windows for grid-first, not 4"),
        ("mix", Schedule(windows=(Window("00:00", "01:00", "load-first"),)), "no windows for load-first"),
        (
            "mix",
            Schedule(charge_power=50, discharge_power=50, charge_stop_soc=90, discharge_stop_soc=10),
            "its ac_charge",
        ),
        ("noah", Schedule(charge_stop_soc=90), "written as a whole"),
        ("noah", Schedule(windows=(Window("00:00", "01:00"),)), "its power"),
        ("spa", Schedule(ac_charge=True), "no ac_charge"),
        ("tlx", Schedule(windows=(Window("00:00", "01:00", power=100.0),)), "no power of their own"),
        ("mix", replace(FULL, windows=(Window("00:00", "01:00", "grid-first", 100.0),)), "no power of their own"),
    ],
)
def test_to_settings_rejects_schedules_the_device_cannot_hold(family, schedule, word):
    with pytest.raises(InvalidValue, match=word):
        to_settings(schedule, FAMILIES[family].settings)


def test_from_settings_rejects_unreadable_windows():
    settings = FAMILIES["tlx"].settings
    read = to_settings(Schedule(charge_power=50.0), settings)
    assert from_settings(read, settings) == Schedule(charge_power=50.0)
    with pytest.raises(InvalidValue, match="time_window_3 could not be read"):
        from_settings(read | {"time_window_3": None}, settings)
    with pytest.raises(InvalidValue, match="time_window_3 could not be read"):
        from_settings(read | {"time_window_3": {**read["time_window_3"], "enabled": None}}, settings)


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1439)), max_size=4))
def test_split_at_midnight_covers_the_same_minutes(edges):
    windows = tuple(Window(clock(a), clock(b), "grid-first") for a, b in edges)
    cut = split_at_midnight(Schedule(windows=windows)).windows
    assert all(minute_of_day(one.start) <= minute_of_day(one.end) and one.mode == "grid-first" for one in cut)

    def covered(these):
        found = set()
        for one in these:
            a, b = minute_of_day(one.start), minute_of_day(one.end)
            found |= set(range(a, b)) if a <= b else set(range(a, 1440)) | set(range(b))
        return found

    assert covered(windows) - covered(cut) <= {1439}
    assert covered(cut) <= covered(windows)


# Write sequence


def device(settings, present, steps):
    """Apply writes like a TLX device, which rejects every overlap."""
    state = dict(present)
    for name, values in steps:
        state[name] = values
        validate_together(settings, state)
    return state


@given(before=schedules("tlx"), after=schedules("tlx"))
def test_write_sequence_never_overlaps_windows_of_the_device(before, after):
    settings = FAMILIES["tlx"].settings
    present, wanted = to_settings(before, settings), to_settings(after, settings)
    steps = write_sequence(settings, present, wanted)
    assert device(settings, present, steps) == wanted
    assert [name for name, values in steps if present[name] == values == wanted[name]] == []
    changed = sum(present[name] != values for name, values in wanted.items())
    assert changed <= len(steps) <= changed + len(wanted)


def test_write_sequence_swaps_windows_with_one_more_write():
    settings = FAMILIES["tlx"].settings
    morning, evening = Window("06:00", "08:00", "battery-first"), Window("18:00", "20:00", "grid-first")
    present = to_settings(Schedule(windows=(morning, evening)), settings)
    wanted = to_settings(Schedule(windows=(evening, morning)), settings)
    steps = write_sequence(settings, present, wanted)
    assert [name for name, _ in steps] == ["time_window_2", "time_window_1", "time_window_2"]
    assert device(settings, present, steps) == wanted


def test_write_sequence_rejects_overlap_with_an_unchanged_window():
    settings = FAMILIES["tlx"].settings
    present = to_settings(Schedule(windows=(Window("06:00", "08:00"),)), settings)
    wanted = {"time_window_2": {"mode": "grid-first", "start": "07:00", "end": "09:00", "enabled": True}}
    with pytest.raises(InvalidValue, match="time_window_2 overlaps a window that is not part of this change"):
        write_sequence(settings, present, wanted)


def test_all_families_with_windows_are_covered():
    assert {name for name, one in FAMILIES.items() if any(windows_of(row) for row in one.settings)} == set(
        FAMILIES_WITH_SCHEDULE
    )
