"""Home Assistant's own Growatt integration against the emulated cloud: set up by its flow, its states are the truth."""

from __future__ import annotations

import growattServer
import pytest
from homeassistant.components.growatt_server import config_flow, const
from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import async_fire_time_changed

DOMAIN = "growatt_server"
HAS_TOKENS = hasattr(const, "CONF_AUTH_TYPE")

# Sensor key: metric of the truth and factor.
PLANT = {
    "total_energy_today": ("pv_energy_today", 1),
    "total_energy_output": ("pv_energy_total", 1),
}
TLX = {
    "tlx_energy_today": ("pv_energy_today", 1),
    "tlx_energy_total": ("pv_energy_total", 1),
    "tlx_internal_wattage": ("pv_power", 1),
}
TLX_BATTERY = {
    "tlx_solar_generation_total": ("pv_energy_total", 1),
    "tlx_internal_wattage": ("pv_power", 1),
    "tlx_all_batteries_charge_today": ("battery_charge_energy_today", 1),
    "tlx_all_batteries_charge_total": ("battery_charge_energy_total", 1),
    "tlx_all_batteries_discharge_today": ("battery_discharge_energy_today", 1),
    "tlx_all_batteries_discharge_total": ("battery_discharge_energy_total", 1),
    "tlx_export_to_grid_today": ("grid_export_energy_today", 1),
    "tlx_export_to_grid_total": ("grid_export_energy_total", 1),
    "tlx_load_consumption_today": ("load_energy_today", 1),
    "mix_load_consumption_total": ("load_energy_total", 1),
    "tlx_statement_of_charge": ("battery_soc", 1),
}
MIX = {
    "mix_statement_of_charge": ("battery_soc", 1),
    "mix_battery_charge_today": ("battery_charge_energy_today", 1),
    "mix_battery_charge_lifetime": ("battery_charge_energy_total", 1),
    "mix_battery_discharge_today": ("battery_discharge_energy_today", 1),
    "mix_battery_discharge_lifetime": ("battery_discharge_energy_total", 1),
    "mix_solar_generation_today": ("pv_energy_today", 1),
    "mix_solar_generation_lifetime": ("pv_energy_total", 1),
    "mix_load_consumption_today": ("load_energy_today", 1),
    "mix_load_consumption_lifetime": ("load_energy_total", 1),
    "mix_export_to_grid_today": ("grid_export_energy_today", 1),
    "mix_export_to_grid_lifetime": ("grid_export_energy_total", 1),
    "mix_import_from_grid_today_combined": ("grid_import_energy_today", 1),
    "mix_load_consumption": ("load_power", 0.001),
    "mix_wattage_pv_all": ("pv_power", 0.001),
}
SPH = {
    "mix_statement_of_charge": ("battery_soc", 1),
    "mix_battery_charge_today": ("battery_charge_energy_today", 1),
    "mix_battery_charge_lifetime": ("battery_charge_energy_total", 1),
    "mix_battery_discharge_today": ("battery_discharge_energy_today", 1),
    "mix_battery_discharge_lifetime": ("battery_discharge_energy_total", 1),
    "mix_solar_generation_today": ("pv_energy_today", 1),
    "mix_solar_generation_lifetime": ("pv_energy_total", 1),
    "mix_wattage_pv_all": ("pv_power", 1),
    "mix_import_from_grid_today": ("grid_import_energy_today", 1),
    "mix_export_to_grid_today": ("grid_export_energy_today", 1),
    "mix_export_to_grid_lifetime": ("grid_export_energy_total", 1),
    "mix_load_consumption_today": ("load_energy_today", 1),
    "mix_load_consumption_lifetime": ("load_energy_total", 1),
}
STORAGE = {
    "storage_battery_percentage": ("battery_soc", 1),
    "storage_solar_output_today": ("pv_energy_today", 1),
    "storage_solar_output_lifetime": ("pv_energy_total", 1),
    "storage_storage_production_today": ("battery_discharge_energy_today", 1),
    "storage_storage_production_lifetime": ("battery_discharge_energy_total", 1),
    "storage_import_from_grid_today": ("grid_import_energy_today", 1),
    "storage_import_from_grid_total": ("grid_import_energy_total", 1),
}
INVERTER = {
    "inverter_energy_today": ("pv_energy_today", 1),
    "inverter_energy_total": ("pv_energy_total", 1),
    "inverter_internal_wattage": ("pv_power", 1),
}
BY_PASSWORD = {
    "tlx": TLX,
    "tlx-battery": TLX_BATTERY,
    "mix": MIX,
    "storage": STORAGE,
    "inverter": INVERTER,
}
PLANT_CALLS = ["plant/data", "plant/power"]
MIN_CALLS = ["device/tlx/tlx_data_info", "device/tlx/tlx_set_info", "device/tlx/tlx_last_data"]
BY_TOKEN = {"tlx": TLX, "tlx-battery": TLX_BATTERY, "mix": SPH}
HALF_A_UNIT = {1: 0.051, 0.001: 0.0051}
"""The cloud reports tenths of kWh and W, hundredths of kW, and whole percent."""


@pytest.fixture
def cloud(emulator, monkeypatch, freezer):
    """Send growattServer to the emulator, whose clock Home Assistant shares."""
    url = emulator.ready["growatt"]
    monkeypatch.setattr(growattServer.GrowattApi, "server_url", url)
    if HAS_TOKENS:
        monkeypatch.setitem(const.SERVER_URLS_NAMES, "other_regions", url)
    else:
        monkeypatch.setattr(config_flow, "SERVER_URLS", [url])
    freezer.move_to(emulator.now)
    return emulator


def advance(cloud, freezer, **duration):
    freezer.move_to(cloud.advance(**duration))


async def set_up(hass, cloud, plant, *, token):
    """Go through the config flow as a user does, and return the entry."""
    account = cloud.accounts["growatt"]
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": "user"})
    credentials = {"username": account["username"], "password": account["password"]}
    if HAS_TOKENS:
        step = "token_auth" if token else "password_auth"
        result = await hass.config_entries.flow.async_configure(result["flow_id"], {"next_step_id": step})
        credentials = {"token": account["token"]} if token else credentials
        credentials["region"] = "other_regions"
    else:
        credentials["url"] = cloud.ready["growatt"]
    result = await hass.config_entries.flow.async_configure(result["flow_id"], credentials)
    assert (result["type"], result["step_id"], result["errors"]) == ("form", "plant", None), result
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {"plant_id": plant})
    assert result["type"] == "create_entry", result
    await hass.async_block_till_done(wait_background_tasks=True)
    assert result["result"].state is ConfigEntryState.LOADED
    return result["result"]


def family_of(truth):
    """Return the family of an emulated plant, which its name tells."""
    return truth["name"].rpartition(" ")[0].lower().replace(" ", "-")


def compare(hass, entry, truth, tables):
    """Return the sensors whose state is not the truth, and the number of compared ones."""
    registered = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    entities = {one.unique_id.rpartition("-")[2]: one.entity_id for one in registered}
    table = PLANT | tables[family_of(truth)]
    wrong = []
    for key, (metric, factor) in table.items():
        state = hass.states.get(entities[key]).state if key in entities else "no entity"
        expected = truth[metric] * factor
        try:
            correct = abs(float(state) - expected) <= (0.501 if metric == "battery_soc" else HALF_A_UNIT[factor])
        except ValueError:
            correct = False
        if not correct:
            wrong.append((key, state, expected))
    return wrong, len(table)


@pytest.mark.slow
@pytest.mark.parametrize(
    "token",
    [False, pytest.param(True, marks=pytest.mark.skipif(not HAS_TOKENS, reason="Home Assistant 2025.4 has no token"))],
    ids=["password", "token"],
)
async def test_states_of_cores_own_integration_are_the_truth(hass, cloud, freezer, token):
    await hass.config.async_set_time_zone("Europe/Berlin")
    tables = BY_TOKEN if token else BY_PASSWORD
    compared = 0
    for plant in cloud.accounts["growatt"]["plants"]:
        truth = await hass.async_add_executor_job(cloud.truth, plant)
        if family_of(truth) not in tables:
            continue
        # A token may ask the same question once in five minutes.
        await hass.async_add_executor_job(lambda: advance(cloud, freezer, minutes=6))
        truth = await hass.async_add_executor_job(cloud.truth, plant)
        entry = await set_up(hass, cloud, plant, token=token)
        wrong, number = compare(hass, entry, truth, tables)
        assert wrong == []
        compared += number
    assert compared > 10


@pytest.mark.slow
@pytest.mark.skipif(not HAS_TOKENS, reason="Home Assistant 2025.4 has no token")
async def test_calls_by_token_are_those_of_the_documentation_in_order(hass, cloud, freezer):
    await hass.config.async_set_time_zone("Europe/Berlin")
    plants = {}
    for plant in cloud.accounts["growatt"]["plants"]:
        truth = await hass.async_add_executor_job(cloud.truth, plant)
        plants[family_of(truth)] = plant
    await hass.async_add_executor_job(lambda: advance(cloud, freezer, minutes=6))
    before = len(await hass.async_add_executor_job(cloud.logged))
    await set_up(hass, cloud, plants["tlx-battery"], token=True)
    set_up_calls = paths((await hass.async_add_executor_job(cloud.logged))[before:])
    assert set_up_calls == ["plant/list", "device/list", *PLANT_CALLS, *MIN_CALLS]
    before += len(set_up_calls)
    await hass.async_add_executor_job(lambda: advance(cloud, freezer, minutes=6))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
    polled = paths((await hass.async_add_executor_job(cloud.logged))[before:])
    # The plant and the device are polled side by side.
    assert [path for path in polled if path.startswith("plant/")] == PLANT_CALLS
    assert [path for path in polled if path.startswith("device/")] == MIN_CALLS


def paths(requests):
    """Return the paths of requests of the token API."""
    return [one["path"].rpartition("v1/")[2] for one in requests]
