"""Actions change devices by the safe path: schedules, the verbs of battery planners, limits with an end, and undo."""

from __future__ import annotations

import pytest
from entries import DOMAIN, add_account, allow_writing, device_id_of, enable, remove, settings_with, state_of
from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.event import async_track_state_change_event


@pytest.fixture(autouse=True)
def clock(shifted_clock):
    """Let every entry use a clock that the test moves."""
    return shifted_clock


async def call(hass, action, device_id, **data):
    """Call an action for a device and return its response."""
    return await hass.services.async_call(
        DOMAIN, action, {"device_id": device_id, **data}, blocking=True, return_response=True
    )


async def writes(hass, emulator):
    """Return how many changes the emulated clouds have received."""
    logged = await hass.async_add_executor_job(emulator.logged)
    return sum("tcpset" in one["path"].lower() or "remote-control" in one["path"].lower() for one in logged)


WINDOWS = [
    {"start": "01:00", "end": "05:00", "mode": "battery-first"},
    {"start": "22:30", "end": "00:30", "mode": "grid-first"},
]


async def test_a_battery_schedule_is_set_and_undone(hass, live_emulator, blocking_calls):
    entry = await add_account(hass, live_emulator)
    await allow_writing(hass, entry)
    settings = settings_with(entry, "time_window_1", "charge_power_limit")
    device = device_id_of(hass, settings)
    before = await call(hass, "read_schedule", device)
    done = await call(hass, "set_schedule", device, windows=WINDOWS, charge_stop_soc=95)
    assert done["state"] == "applied"
    found = await call(hass, "read_schedule", device)
    enabled = {(one["start"], one["end"], one["mode"]) for one in found["windows"] if one["enabled"]}
    assert enabled == {
        ("01:00", "05:00", "battery-first"),
        ("22:30", "23:59", "grid-first"),
        ("00:00", "00:30", "grid-first"),
    }
    assert found["charge_stop_soc"] == 95
    assert found["discharge_stop_soc"] == before["discharge_stop_soc"]

    # Entities show what was read back, also of a change that another part has made.
    (entity_id,) = await enable(hass, entry, f"{settings.node}_setting_charge_stop_soc_value")
    assert float(await state_of(hass, entity_id)) == 95
    settings = settings_with(entry, "time_window_1", "charge_power_limit")
    undone = await call(hass, "undo", device, change=done["change"])
    assert undone["state"] == "applied"
    assert await call(hass, "read_schedule", device) == before
    assert float(await state_of(hass, entity_id)) == before["charge_stop_soc"]
    assert blocking_calls() == []
    await remove(hass, entry)


async def test_verbs_of_a_planner_are_counted_once_and_released(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    await allow_writing(hass, entry)
    device = device_id_of(hass, settings_with(entry, "time_window_1", "charge_power_limit"))
    before = await call(hass, "read_schedule", device)
    end = {"duration": "01:00:00"}
    started = await call(hass, "charge_start", device, power=60, stop_soc=90, **end)
    assert started["state"] == "applied"
    found = await call(hass, "read_schedule", device)
    assert (found["charge_power"], found["charge_stop_soc"]) == (60, 90)
    assert [one["mode"] for one in found["windows"] if one["enabled"]].count("battery-first") > 0

    # A repeated call changes nothing and sends nothing, also without an end and after a restart.
    sent = await writes(hass, live_emulator)
    for repeated in (end, {}):
        assert (await call(hass, "charge_start", device, power=60, stop_soc=90, **repeated))["state"] == "unchanged"
    await hass.config_entries.async_reload(entry.entry_id)
    assert (await call(hass, "charge_start", device, power=60, stop_soc=90))["change"] is None
    assert (await call(hass, "discharge_stop", device))["state"] == "unchanged"
    assert await writes(hass, live_emulator) == sent

    # Another call replaces it; in the end everything is as before.
    assert (await call(hass, "discharge_start", device, power=40))["state"] == "applied"
    found = await call(hass, "read_schedule", device)
    assert (found["charge_power"], found["discharge_power"]) == (before["charge_power"], 40)
    assert (await call(hass, "charge_freeze", device, **end))["state"] == "applied"
    assert (await call(hass, "discharge_freeze", device, **end))["state"] == "applied"
    assert (await call(hass, "read_schedule", device))["charge_power"] == 0
    assert (await call(hass, "release", device))["state"] == "applied"
    assert await call(hass, "read_schedule", device) == before
    await remove(hass, entry)


async def test_a_verb_of_a_planner_ends_by_itself(hass, live_emulator, clock):
    entry = await add_account(hass, live_emulator)
    await allow_writing(hass, entry)
    settings = settings_with(entry, "time_window_1", "charge_power_limit")
    (entity_id,) = await enable(hass, entry, f"{settings.node}_setting_charge_power_limit_value")
    before = await state_of(hass, entity_id)
    assert (await call(hass, "charge_start", device_id_of(hass, settings), power=35))["state"] == "applied"
    assert float(hass.states.get(entity_id).state) == 35
    clock.shift += 3660  # an hour is the usual duration
    assert await state_of(hass, entity_id, wanted=before) == before
    await remove(hass, entry)


async def test_a_verb_of_a_planner_needs_as_many_writes_as_are_left(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    await allow_writing(hass, entry, writes_per_day=1)
    device = device_id_of(hass, settings_with(entry, "time_window_1", "charge_power_limit"))
    before, sent = await call(hass, "read_schedule", device), await writes(hass, live_emulator)
    with pytest.raises(HomeAssistantError) as refused:
        await call(hass, "charge_start", device, power=60, stop_soc=90)
    assert refused.value.translation_key == "throttled"
    assert "24 hours" in refused.value.translation_placeholders["problem"]
    assert await writes(hass, live_emulator) == sent
    assert await call(hass, "read_schedule", device) == before
    await remove(hass, entry)


@pytest.mark.slow
async def test_a_limit_ends_by_itself_also_after_a_restart(hass, live_emulator, clock):
    entry = await add_account(hass, live_emulator)
    await allow_writing(hass, entry)
    settings = settings_with(entry, "active_power_rate")
    device = device_id_of(hass, settings)
    (entity_id,) = await enable(hass, entry, f"{settings.node}_setting_active_power_rate_value")
    before = await state_of(hass, entity_id)
    for is_restarted in (False, True):
        assert (await call(hass, "curtail", device, limit="37%", duration="03:00:00"))["state"] == "applied"
        assert float(hass.states.get(entity_id).state) == 37
        if is_restarted:
            await hass.config_entries.async_unload(entry.entry_id)
        clock.shift += 4 * 3600
        if is_restarted:
            await hass.config_entries.async_setup(entry.entry_id)
        assert await state_of(hass, entity_id, wanted=before) == before
    assert await entry.runtime_data.source.control.orders.curtailments_async() == ()
    await remove(hass, entry)


async def test_changes_that_are_not_possible_raise_translated_errors(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    registry = dr.async_get(hass)
    devices = dr.async_entries_for_config_entry(registry, entry.entry_id)
    plant = next(one for one in devices if one.serial_number is None and one.entry_type is None)
    inverter = next(one for one in devices if one.serial_number)
    end = {"duration": "01:00:00"}
    schedule = {"windows": WINDOWS}
    for action, data in (
        ("curtail", {"limit": "10%", **end}),
        ("set_schedule", schedule),
        ("undo", {}),
        ("charge_start", end),
    ):
        assert await refusal(hass, action, inverter.id, **data) == "writing_not_allowed"
    await allow_writing(hass, entry)
    battery = device_id_of(hass, settings_with(entry, "time_window_1", "charge_power_limit"))
    for device, action, data, key in (
        (plant.id, "curtail", {"limit": "10%", **end}, "plant_has_no_settings"),
        (battery, "curtail", {"limit": "a bit less", **end}, "invalid_config"),
        (battery, "curtail", {"limit": "10%", "until": "2020-01-01 00:00:00"}, "end_in_the_past"),
        (battery, "undo", {"change": "nonesuch"}, "invalid_config"),
        (battery, "charge_start", {"duration": "30:00:00"}, "invalid_config"),
        (battery, "set_schedule", {"windows": WINDOWS * 10}, "invalid_config"),
    ):
        assert await refusal(hass, action, device, **data) == key, action
    await remove(hass, entry)


async def refusal(hass, action, device_id, **data):
    """Return the translation key of the error of an action."""
    with pytest.raises(HomeAssistantError) as raised:
        await call(hass, action, device_id, **data)
    assert isinstance(raised.value, ServiceValidationError)
    assert "{" not in str(raised.value)
    return raised.value.translation_key


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["growatt", "goodwe"])
async def test_an_entity_of_each_kind_changes_its_setting(hass, live_emulator, vendor):
    entry = await add_account(hass, live_emulator, vendor)
    await allow_writing(hass, entry)
    chosen = {}
    for settings in entry.runtime_data.device_settings.values():
        for setting in settings.settings:
            for one in setting.parameters:
                # The end of a window: its start could not be after it.
                possible = one.kind in KINDS and (one.kind != "time" or one.name.startswith("end"))
                if setting.readable and one.readable and possible:
                    chosen.setdefault(one.kind, f"{settings.node}_setting_{setting.name}_{one.name}")
    assert chosen.keys() >= {"number", "switch"}
    ids = dict(zip(chosen, await enable(hass, entry, *chosen.values()), strict=True))
    for kind, entity_id in ids.items():
        service, data, expected = KINDS[kind](hass.states.get(entity_id))
        shown = []
        cancel = async_track_state_change_event(
            hass, entity_id, callback(lambda event, shown=shown: shown.append(event.data["new_state"].state))
        )
        await hass.services.async_call(
            entity_id.partition(".")[0], service, {"entity_id": entity_id, **data}, blocking=True
        )
        cancel()
        assert shown == ["unknown", expected], entity_id
    await remove(hass, entry)


def other_number(state):
    low, high, step = (float(state.attributes[name]) for name in ("min", "max", "step"))
    value = low + step if float(state.state) != low + step else high
    return "set_value", {"value": value}, str(value)


def other_option(state):
    option = next(one for one in state.attributes["options"] if one != state.state)
    return "select_option", {"option": option}, option


def other_switch(state):
    return ("turn_off", {}, "off") if state.state == "on" else ("turn_on", {}, "on")


KINDS = {
    "number": other_number,
    "choice": other_option,
    "switch": other_switch,
    "time": lambda state: ("set_value", {"time": "03:30:00"}, "03:30:00"),
}
