"""Home Assistant's own check of the Energy dashboard finds nothing to complain about."""

from __future__ import annotations

import pytest
from custom_components.heliograph.statistics import statistic_id
from entries import DOMAIN, add_api, remove
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)
from store_server import HOME


def preferences(ids):
    """Return the preferences of the dashboard, by energy."""
    prices = {"entity_energy_price": None, "number_energy_price": None}
    flows = {
        "flow_from": [{"stat_energy_from": ids["grid_import_energy"], "stat_cost": None, **prices}],
        "flow_to": [{"stat_energy_to": ids["grid_export_energy"], "stat_compensation": None, **prices}],
    }
    grid = {"type": "grid", "cost_adjustment_day": 0.0, **flows}
    solar = {"type": "solar", "stat_energy_from": ids["pv_energy"], "config_entry_solar_forecast": None}
    battery = {
        "type": "battery",
        "stat_energy_from": ids["battery_discharge_energy"],
        "stat_energy_to": ids["battery_charge_energy"],
    }
    return {"energy_sources": [grid, solar, battery], "device_consumption": []}


async def validated(hass, hass_ws_client, ids):
    """Save the preferences and return what Home Assistant's check reports."""
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "energy/save_prefs", **preferences(ids)})
    saved = await client.receive_json()
    if not saved["success"]:
        # Since 2026 both directions of the grid are in one object.
        wanted = preferences(ids)
        wanted["energy_sources"][0] = {
            "type": "grid",
            "cost_adjustment_day": 0.0,
            "stat_energy_from": ids["grid_import_energy"],
            "stat_energy_to": ids["grid_export_energy"],
        }
        await client.send_json_auto_id({"type": "energy/save_prefs", **wanted})
        saved = await client.receive_json()
    assert saved["success"], saved
    await client.send_json_auto_id({"type": "energy/validate"})
    answer = await client.receive_json()
    assert answer["success"], answer
    return [issue for source in answer["result"]["energy_sources"] for issue in source]


@pytest.mark.slow
async def test_imported_history_is_valid_in_the_energy_dashboard(recorder_mock, hass, home_server, hass_ws_client):
    assert await async_setup_component(hass, "energy", {})
    entry = await add_api(hass, home_server.url)
    await hass.services.async_call(DOMAIN, "import_history", {"config_entry_id": entry.entry_id}, blocking=True)
    await async_wait_recording_done(hass)
    ids = {
        energy: statistic_id(HOME.vendor, HOME.plant, energy)
        for energy in (
            "pv_energy",
            "grid_import_energy",
            "grid_export_energy",
            "battery_charge_energy",
            "battery_discharge_energy",
        )
    }
    assert await validated(hass, hass_ws_client, ids) == []
    assert await validated(hass, hass_ws_client, ids | {"pv_energy": "heliograph:nowhere_pv_energy"}) != []
    await remove(hass, entry)


@pytest.mark.parametrize("enable_statistics", [True])
async def test_sensors_of_a_plant_are_valid_in_the_energy_dashboard(
    recorder_mock, hass, home_server, hass_ws_client, enable_statistics
):
    assert await async_setup_component(hass, "energy", {})
    entry = await add_api(hass, home_server.url)
    await async_wait_recording_done(hass)
    now = dt_util.utcnow()
    do_adhoc_statistics(hass, start=now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0))
    await async_wait_recording_done(hass)
    registry = er.async_get(hass)
    node = next(iter(entry.runtime_data.data.plants))
    ids = {
        energy: registry.async_get_entity_id("sensor", DOMAIN, f"{node}_{energy}_total")
        for energy in (
            "pv_energy",
            "grid_import_energy",
            "grid_export_energy",
            "battery_charge_energy",
            "battery_discharge_energy",
        )
    }
    assert None not in ids.values()
    assert await validated(hass, hass_ws_client, ids) == []
    await remove(hass, entry)
