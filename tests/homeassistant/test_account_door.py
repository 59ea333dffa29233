"""The account door: the library inside Home Assistant. Restarts, errors, settings, and nothing that blocks the loop."""

from __future__ import annotations

import pytest
from custom_components.heliograph import account, account_source
from custom_components.heliograph.diagnostics import async_get_config_entry_diagnostics
from entries import DOMAIN, add_account, allow_writing, device_id_of, enable, remove, settings_with, state_of
from homeassistant.config_entries import ConfigEntryState
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from heliograph.store.sqlite import unclean_marker


async def requests(hass, emulator):
    return await hass.async_add_executor_job(emulator.logged)


async def fault(hass, emulator, **faults):
    await hass.async_add_executor_job(lambda: emulator.faults(**faults))


@pytest.mark.parametrize("vendor", ["growatt", "goodwe"])
async def test_a_restart_sends_no_login_and_polls_only_when_due(hass, live_emulator, blocking_calls, vendor):
    entry = await add_account(hass, live_emulator, vendor)
    before = await requests(hass, live_emulator)
    states = {one.entity_id: one.state for one in hass.states.async_all("sensor")}
    assert len(states) > 10
    for _ in range(3):
        assert await hass.config_entries.async_unload(entry.entry_id)
        assert entry.state is ConfigEntryState.NOT_LOADED
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
    after = await requests(hass, live_emulator)
    assert [one["path"] for one in after[len(before) :]] == []
    assert {one.entity_id for one in hass.states.async_all("sensor")} >= states.keys()
    await remove(hass, entry)
    assert blocking_calls() == []


async def test_the_store_is_closed_when_home_assistant_stops(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    marker = unclean_marker(account.entry_folder(hass, entry.entry_id) / "heliograph.db")
    assert marker.exists()
    await hass.async_stop()
    assert not marker.exists()


async def test_an_entry_whose_first_poll_lasts_too_long_is_set_up_later(hass, fresh_emulator, monkeypatch):
    monkeypatch.setattr(account_source, "FIRST_POLL_SECONDS", 0.0)
    data = {"door": "account", "vendor": "growatt", "server": fresh_emulator.ready["growatt"], "time_zone": "UTC"}
    known = fresh_emulator.accounts["growatt"]
    data |= {"username": known["username"], "password": known["password"]}
    entry = MockConfigEntry(domain=DOMAIN, data=data, title="Growatt")
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.reason == "The first values have not arrived yet"
    await remove(hass, entry)


async def test_states_are_the_truth(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    registry = er.async_get(hass)
    compared = 0
    for node, plant in entry.runtime_data.data.plants.items():
        truth = await hass.async_add_executor_job(live_emulator.truth, plant.series.plant)
        entity_id = registry.async_get_entity_id("sensor", DOMAIN, f"{node}_pv_energy_total")
        if entity_id is not None and hass.states.get(entity_id).state not in ("unknown", "unavailable"):
            expected = truth["pv_energy_total"]
            assert float(hass.states.get(entity_id).state) == pytest.approx(expected, abs=0.2)
            compared += 1
    assert compared > 3

    # Diagnostics have the values, but no serial numbers, names and credentials.
    text = str(await async_get_config_entry_diagnostics(hass, entry))
    plants = entry.runtime_data.data.plants.values()
    devices = [one for plant in plants for one in plant.devices.values()]
    personal = {one.series.device for one in devices} | {one.measurements.get("datalogger") for one in devices}
    personal |= {plant.title for plant in plants} | {live_emulator.accounts["growatt"]["username"]}
    assert [one for one in personal - {None} if one in text] == []
    assert "pv_energy_total" in text
    await remove(hass, entry)


async def test_a_number_is_set_read_back_and_undone(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    await allow_writing(hass, entry)
    settings = settings_with(entry, "load_first_stop_soc")
    (entity_id,) = await enable(hass, entry, f"{settings.node}_setting_load_first_stop_soc_value")
    before = await state_of(hass, entity_id)
    wanted = "77.0" if before != "77.0" else "66.0"
    target = {"entity_id": entity_id, "value": wanted}
    await hass.services.async_call("number", "set_value", target, blocking=True)
    assert hass.states.get(entity_id).state == wanted
    await hass.services.async_call(DOMAIN, "undo", {"device_id": device_id_of(hass, settings)}, blocking=True)
    assert hass.states.get(entity_id).state == before
    await remove(hass, entry)


@pytest.mark.parametrize(
    ("fault_name", "value", "key"),
    [("unwilling", "", "setting_refused"), ("clamp", "60/90", "setting_unconfirmed")],
)
async def test_a_device_that_does_not_obey_is_an_error(hass, live_emulator, shifted_clock, fault_name, value, key):
    entry = await add_account(hass, live_emulator)
    await allow_writing(hass, entry)
    registry = er.async_get(hass)
    unique_id = next(
        one.unique_id
        for one in er.async_entries_for_config_entry(registry, entry.entry_id)
        if one.unique_id.endswith("_setting_load_first_stop_soc_value")
    )
    (entity_id,) = await enable(hass, entry, unique_id)
    before = hass.states.get(entity_id).state
    await fault(hass, live_emulator, **{fault_name: value})
    with pytest.raises(HomeAssistantError) as refusal:
        await hass.services.async_call("number", "set_value", {"entity_id": entity_id, "value": 55}, blocking=True)
    await fault(hass, live_emulator, **{fault_name: None})
    assert refusal.value.translation_key == key
    # A value that is neither the old nor the new one may still change.
    assert hass.states.get(entity_id).state == (before if key == "setting_refused" else "unknown")
    await remove(hass, entry)


async def test_settings_are_no_entities_unless_writing_is_allowed(hass, live_emulator):
    entry = await add_account(hass, live_emulator)
    registry = er.async_get(hass)
    domains = {one.domain for one in er.async_entries_for_config_entry(registry, entry.entry_id)}
    assert domains == {"sensor", "binary_sensor"}
    await remove(hass, entry)
