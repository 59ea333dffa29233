"""What goes wrong at the doors: a translated message or a repair each, and no entity without an entry."""

from __future__ import annotations

import pytest
from custom_components import heliograph as component
from custom_components.heliograph import repairs
from entries import DOMAIN, add_account, add_api, issues, remove
from homeassistant.config_entries import ConfigEntryState
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import get_system_health_info
from store_server import TOKEN, StoreServer

import heliograph


@pytest.fixture
def served(tmp_path):
    """Serve a home with values of today."""
    server = StoreServer(tmp_path)
    server.fill_today()
    with server:
        yield server


async def test_a_plant_of_two_entries_is_shown_once_until_one_is_removed(hass, served, tmp_path):
    entry = await add_api(hass, served.url)
    with StoreServer(tmp_path) as second:
        await _two_entries(hass, entry, await add_api(hass, second.url))


async def _two_entries(hass, entry, other):
    registry = er.async_get(hass)
    assert other.state is ConfigEntryState.LOADED
    assert not other.runtime_data.data.plants
    own = er.async_entries_for_config_entry(registry, other.entry_id)
    assert {one.domain for one in own} <= {"sensor", "binary_sensor"}
    assert not [one for one in own if one.unique_id.startswith("heliograph_goodwe")]
    found = issues(hass)["duplicate_plant"]
    assert found.translation_placeholders["other"] == entry.title
    await remove(hass, entry)
    await other.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert len(other.runtime_data.data.plants) == 1
    assert "duplicate_plant" not in issues(hass)
    await remove(hass, other)
    assert not er.async_get(hass).entities
    assert not issues(hass)


async def test_a_plant_of_both_doors_is_shown_by_the_older_entry(hass, live_emulator, tmp_path):
    account = await add_account(hass, live_emulator, "goodwe")
    plant = next(iter(account.runtime_data.data.plants.values()))
    server = StoreServer(tmp_path)
    server.fill_today(plant.series)
    with server:
        other = await add_api(hass, server.url)
        assert not other.runtime_data.data.plants
        assert issues(hass)["duplicate_plant"].translation_placeholders["other"] == account.title
        await remove(hass, account)
        await other.runtime_data.async_refresh()
        assert list(other.runtime_data.data.plants) == [plant.node]
        await remove(hass, other)


async def test_system_information_counts_entries_and_plants(hass, served):
    assert await async_setup_component(hass, "system_health", {})
    entry = await add_api(hass, served.url)
    info = await get_system_health_info(hass, DOMAIN)
    assert await info.pop("can_reach_server") == "ok"
    assert info == {
        "library": heliograph.__version__,
        "entries": "1 / 1",
        "plants": 1,
        "accounts_locked": 0,
        "requests_used": 0,
    }
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert not any([await component.async_remove_config_entry_device(hass, entry, one) for one in devices])
    await remove(hass, entry)


async def test_a_plant_that_mqtt_shows_too_is_a_repair(hass, served):
    entry = await add_api(hass, served.url)
    (node,) = entry.runtime_data.data.plants
    registered = er.async_get(hass).async_get_or_create("sensor", "mqtt", f"{node}_freshness")
    await entry.runtime_data.async_refresh()
    assert "also_mqtt" in issues(hass)
    er.async_get(hass).async_remove(registered.entity_id)
    await entry.runtime_data.async_refresh()
    assert "also_mqtt" not in issues(hass)
    await remove(hass, entry)


async def test_a_device_that_disappears_is_removed_by_its_repair(hass, served):
    entry = await add_api(hass, served.url)
    source, read = entry.runtime_data.source, entry.runtime_data.source.read

    async def read_nothing():
        system = await read()
        return type(system)(plants={}, accounts=system.accounts)

    source.read = read_nothing
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    issue = issues(hass)["device_missing"]
    assert issue.is_fixable
    assert {one.state for one in hass.states.async_all("sensor")} == {"unavailable"}
    # One repair for the plant, which removes its devices as well.
    (one,) = [one for one in ir.async_get(hass).issues.values() if one.translation_key == "device_missing"]
    assert one.translation_placeholders == {"name": "Haus am See"}
    flow = await repairs.async_create_fix_flow(hass, one.issue_id, one.data)
    flow.hass = hass
    assert (await flow.async_step_init())["step_id"] == "confirm"
    flow.handler = DOMAIN
    await flow.async_step_confirm({})
    await entry.runtime_data.async_refresh()
    await hass.async_block_till_done()
    assert not dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert not er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert not issues(hass)
    await remove(hass, entry)


async def test_actions_refuse_what_they_cannot_do_with_a_translated_error(hass, served):
    entry = await add_api(hass, served.url)
    registry = dr.async_get(hass)
    device = next(one for one in dr.async_entries_for_config_entry(registry, entry.entry_id) if one.serial_number)
    for name, data, key in (
        ("import_history", {"config_entry_id": entry.entry_id}, "recorder_off"),
        ("charge_stop", {"device_id": device.id}, "reading_only"),
        ("charge_stop", {"device_id": "none of ours"}, "unknown_device"),
    ):
        with pytest.raises(ServiceValidationError) as refusal:
            await hass.services.async_call(DOMAIN, name, data, blocking=True)
        assert refusal.value.translation_key == key
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as refusal:
        await hass.services.async_call(DOMAIN, "charge_stop", {"device_id": device.id}, blocking=True)
    assert refusal.value.translation_key == "device_not_available"
    await remove(hass, entry)


async def test_an_entry_on_an_old_core_says_so(hass, served, monkeypatch):
    entry = await add_api(hass, served.url)
    monkeypatch.setattr(component, "__version__", "2025.3.4")
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert issues(hass)["core_too_old"].translation_placeholders == {"version": "2025.3.4", "minimum": "2025.4.0"}
    await remove(hass, entry)


async def test_diagnostics_name_neither_people_nor_places(hass, served):
    from custom_components.heliograph.diagnostics import async_get_config_entry_diagnostics

    entry = await add_api(hass, served.url)
    text = str(await async_get_config_entry_diagnostics(hass, entry))
    for secret in (TOKEN, served.url, "Haus am See", "9010KETU21AW0001", "6ad3f1c2"):
        assert secret not in text
    assert "pv_power" in text
    await remove(hass, entry)
