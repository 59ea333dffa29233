"""Entries of the integration, made by its config flow as a user makes them."""

from __future__ import annotations

import asyncio

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from store_server import TOKEN

DOMAIN = "heliograph"


async def choose(hass, *steps):
    """Start the flow and choose menu entries; return the form."""
    result = await hass.config_entries.flow.async_init(DOMAIN, context={"source": "user"})
    for step in steps:
        assert result["type"] == "menu", result
        result = await hass.config_entries.flow.async_configure(result["flow_id"], {"next_step_id": step})
    return result


async def submit(hass, form, data):
    """Submit a form, and wait for what follows."""
    result = await hass.config_entries.flow.async_configure(form["flow_id"], data)
    await hass.async_block_till_done()
    return result


async def add_api(hass, url, token=TOKEN):
    """Add the entry of a Heliograph."""
    result = await submit(hass, await choose(hass, "api"), {"url": url, "token": token, "verify_ssl": True})
    assert result["type"] == "create_entry", result
    return result["result"]


async def add_account(hass, emulator, vendor="growatt", **credentials):
    """Add the entry of an emulated account."""
    account = emulator.accounts[vendor]
    given = credentials or {"username": account["username"], "password": account["password"]}
    given |= {"server": emulator.ready["growatt" if vendor == "growatt" else "url"]}
    result = await submit(hass, await choose(hass, "account", vendor), given)
    assert result["type"] == "create_entry", result
    return result["result"]


async def remove(hass, entry):
    """Remove an entry, and with it its connections."""
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()


async def allow_writing(hass, entry):
    """Switch writing on as a user does, in the options."""
    form = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(form["flow_id"], {"writes": True, "writes_per_day": 20})
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def enable(hass, entry, *unique_ids):
    """Enable entities of settings, as a user does; return their entity ids once core has shown what was read."""
    registry = er.async_get(hass)
    entries = {one.unique_id: one for one in er.async_entries_for_config_entry(registry, entry.entry_id)}
    for unique_id in unique_ids:
        registry.async_update_entity(entries[unique_id].entity_id, disabled_by=None)
    ids = [entries[unique_id].entity_id for unique_id in unique_ids]
    for entity_id in ids:
        await state_of(hass, entity_id)
    return ids


async def state_of(hass, entity_id, wanted=None):
    """Return the state of an entity once it is known, or once it is the wanted one."""
    is_known = asyncio.Event()

    @callback
    def check(_):
        state = hass.states.get(entity_id)
        if state is not None and state.state not in ("unknown", "unavailable") and wanted in (None, state.state):
            is_known.set()

    cancel = async_track_state_change_event(hass, entity_id, check)
    check(None)
    async with asyncio.timeout(60):
        await is_known.wait()
    cancel()
    return hass.states.get(entity_id).state


def settings_with(entry, *names):
    """Return the settings of the first device that has these settings."""
    return next(
        one
        for one in entry.runtime_data.device_settings.values()
        if {setting.name for setting in one.settings}.issuperset(names)
    )


def device_id_of(hass, settings):
    """Return the id of a device in the registry."""
    return dr.async_get(hass).async_get_device(identifiers={(DOMAIN, settings.node)}).id
