"""What a battery planner asks for, on every family: valid settings, no overlapping windows, old values to return to."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import InvalidValue
from heliograph.settings.battery import BATTERY_ACTIONS, battery_settings
from heliograph.settings.definition import Span, validate_together, windows_of
from heliograph.settings.plan import complete_values, planned_changes
from heliograph.settings.schedule import Schedule, Window, from_settings, to_settings
from heliograph.vendors.goodwe.settings.catalogue import FAMILIES as GOODWE
from heliograph.vendors.growatt.settings.registry import FAMILIES as GROWATT

ZONE = ZoneInfo("Europe/Berlin")
TEN = datetime(2026, 6, 21, 10, 0, tzinfo=ZONE)
LIMITS = Schedule(charge_power=80, discharge_power=70, charge_stop_soc=90, discharge_stop_soc=20, ac_charge=False)


def settings_of(family):
    if family == "hybrid":
        return tuple(row.setting for row in GOODWE["hybrid"])
    return tuple(one for one in GROWATT[family].settings if one.risk == "usual")


def device_with(family, *windows):
    """Return the settings of a device, and their values with this schedule."""
    settings = settings_of(family)
    if family == "hybrid":
        return settings, {one.name: {"value": 0.0} for one in settings if one.readable}
    known = {"tlx": LIMITS, "mix": LIMITS}.get(family)
    if family == "spa":
        known = Schedule(charge_power=80, discharge_power=70, charge_stop_soc=90, discharge_stop_soc=20)
    if family in ("noah", "nexa"):
        known = Schedule(charge_stop_soc=90, discharge_stop_soc=20)
    schedule = Schedule(**{name: getattr(known, name) for name in known.__slots__} | {"windows": tuple(windows)})
    return settings, to_settings(schedule, settings)


def carried_out(family, action, current, start=TEN, hours=2.0, **limits):
    """Return the schedule of a device after an action, and the number of writes it takes."""
    settings, present = current
    wanted = battery_settings(action, settings, present, start, start + timedelta(hours=hours), **limits)
    by_name = {one.name: one for one in settings}
    complete = complete_values(by_name, present, wanted, "device")
    steps = planned_changes(by_name, present, complete)
    return present | complete, len(steps)


def test_charge_of_a_tlx_is_one_window_with_its_limits():
    settings, present = device_with("tlx")
    after, writes = carried_out("tlx", "charge", (settings, present), power=50, stop_soc=95)
    schedule = from_settings(after, settings)
    assert schedule.windows == (Window("10:00", "12:00", "battery-first"),)
    assert (schedule.charge_power, schedule.charge_stop_soc, schedule.ac_charge) == (50, 95, True)
    assert writes == 4
    assert carried_out("tlx", "charge", (settings, present))[1] == 2


def test_discharge_of_a_tlx_uses_its_discharge_limits():
    current = device_with("tlx")
    after, _ = carried_out("tlx", "discharge", current, power=40, stop_soc=30)
    schedule = from_settings(after, current[0])
    assert schedule.windows == (Window("10:00", "12:00", "grid-first"),)
    assert (schedule.discharge_power, schedule.discharge_stop_soc) == (40, 30)
    assert (schedule.charge_power, schedule.ac_charge) == (80, False)


def test_window_in_the_way_is_replaced_and_others_stay():
    night, noon = Window("01:00", "05:00", "battery-first"), Window("11:00", "14:00", "load-first", enabled=False)
    current = device_with("tlx", night, noon)
    after, _ = carried_out("tlx", "charge", current)
    assert from_settings(after, current[0]).windows == (night, Window("10:00", "12:00", "battery-first"))


def test_two_windows_in_the_way_take_one_slot_and_free_the_other():
    current = device_with("tlx", Window("09:00", "10:30", "load-first"), Window("11:00", "14:00", "grid-first"))
    after, writes = carried_out("tlx", "charge", current)
    enabled = [one for one in from_settings(after, current[0]).windows if one.enabled]
    assert enabled == [Window("10:00", "12:00", "battery-first")]
    assert writes == 3


def test_slot_over_midnight_takes_two_windows():
    current = device_with("tlx")
    after, _ = carried_out("tlx", "charge", current, start=TEN.replace(hour=23, minute=30))
    windows = from_settings(after, current[0]).windows
    assert [(one.start, one.end) for one in windows] == [("23:30", "23:59"), ("00:00", "01:30")]


def test_slot_begins_with_the_minute_that_has_begun_and_ends_with_that_of_the_end():
    settings, present = device_with("mix")
    wanted = battery_settings(
        "charge", settings, present, TEN.replace(second=59), TEN + timedelta(minutes=1, seconds=5)
    )
    assert (wanted["charge_windows"]["start_1"], wanted["charge_windows"]["end_1"]) == ("10:00", "10:02")


def test_full_windows_are_refused():
    busy = [Window(f"{hour:02d}:00", f"{hour:02d}:30", "load-first") for hour in range(9)]
    with pytest.raises(InvalidValue, match="every time window"):
        carried_out("tlx", "charge", device_with("tlx", *busy))


def test_charge_of_a_mix_is_one_write_and_switches_its_other_windows_off():
    present = device_with("mix", Window("02:00", "04:00", "battery-first"), Window("18:00", "20:00", "grid-first"))
    after, writes = carried_out("mix", "charge", present, power=60)
    assert after["charge_windows"] == present[1]["charge_windows"] | {
        "power": 60.0,
        "stop_soc": 100.0,
        "ac_charge": True,
        "start_1": "10:00",
        "end_1": "12:00",
        "enabled_1": True,
        "enabled_2": False,
        "enabled_3": False,
    }
    assert after["discharge_windows"] == present[1]["discharge_windows"]
    assert writes == 1


def test_discharge_window_in_the_way_of_a_charge_is_switched_off():
    present = device_with("mix", Window("11:00", "13:00", "grid-first"))
    after, writes = carried_out("mix", "charge", present)
    assert after["discharge_windows"]["enabled_1"] is False
    assert writes == 2


def test_freeze_of_discharging_needs_no_grid():
    for family in ("tlx", "mix"):
        settings, present = device_with(family)
        after, _ = carried_out(family, "freeze-charge", (settings, present))
        schedule = from_settings(after, settings)
        assert schedule.ac_charge is False
        assert [one.mode for one in schedule.windows if one.enabled] == ["battery-first"]


def test_freeze_of_charging_is_a_limit_of_zero():
    settings, present = device_with("tlx")
    after, writes = carried_out("tlx", "freeze-discharge", (settings, present))
    assert from_settings(after, settings).charge_power == 0
    assert writes == 1


@pytest.mark.parametrize("family", ["mix", "spa", "noah", "hybrid"])
def test_freeze_of_charging_is_refused_where_there_is_no_limit(family):
    with pytest.raises(InvalidValue, match="no setting for freeze-discharge"):
        carried_out(family, "freeze-discharge", device_with(family))


def test_balcony_battery_feeds_the_house_with_the_power_of_its_window():
    settings, present = device_with("noah")
    after, _ = carried_out("noah", "discharge", (settings, present), power=50)
    assert from_settings(after, settings).windows == (Window("10:00", "12:00", "load-first", power=400),)


def test_goodwe_begins_to_charge_last():
    settings, present = device_with("hybrid")
    wanted = battery_settings("charge", settings, present, TEN, TEN + timedelta(hours=1), power=50, stop_soc=80)
    assert list(wanted) == ["immediate_charge_power", "immediate_charge_stop_soc", "immediate_charge"]
    with pytest.raises(InvalidValue, match="no setting for discharge"):
        battery_settings("discharge", settings, present, TEN, TEN + timedelta(hours=1))


def test_limit_that_the_device_lacks_is_refused():
    with pytest.raises(InvalidValue, match="no charge_power_limit"):
        carried_out("noah", "charge", device_with("noah"), power=50)


def test_device_without_battery_is_refused():
    settings = settings_of("inverter")
    with pytest.raises(InvalidValue, match="no battery schedule"):
        battery_settings("charge", settings, {}, TEN, TEN + timedelta(hours=1))


@pytest.mark.parametrize("hours", [0, -1, 24])
def test_end_must_be_within_a_day(hours):
    settings, present = device_with("tlx")
    with pytest.raises(InvalidValue, match="end must be"):
        battery_settings("charge", settings, present, TEN, TEN + timedelta(hours=hours))


@given(
    st.sampled_from(("tlx", "mix", "spa", "noah")),
    st.sampled_from(BATTERY_ACTIONS),
    st.integers(0, 1439),
    st.integers(1, 1400),
    st.lists(st.tuples(st.integers(0, 1438), st.booleans()), max_size=3),
)
def test_every_action_gives_valid_settings_without_overlap(family, action, start, minutes, others):
    windows = []
    for minute, enabled in others:
        span = Span((minute, minute + 1))
        if any(Span.of(one.start, one.end).overlaps(span) for one in windows):
            continue
        mode = "battery-first"
        first, last = (f"{at // 60:02d}:{at % 60:02d}" for at in span)
        windows.append(Window(first, last, mode, enabled=enabled))
    settings, present = device_with(family, *windows)
    begin = TEN.replace(hour=start // 60, minute=start % 60)
    try:
        after, _ = carried_out(family, action, (settings, present), start=begin, hours=minutes / 60)
    except InvalidValue as refusal:
        assert "no setting for" in str(refusal)  # noqa: PT017 - every other refusal is a fault
        return
    validate_together(settings, after)
    changed = {name for name in after if after[name] != present[name]}
    spans = [
        Span.of(after[one.name][f"start{suffix}"], after[one.name][f"end{suffix}"])
        for one in settings
        if one.name in changed
        for _, suffix in windows_of(one)
        if after[one.name][f"enabled{suffix}"]
    ]
    covered = sum(last - first for first, last in spans)
    assert action == "freeze-discharge" or minutes - 2 <= covered <= minutes + 1
