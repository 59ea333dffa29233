"""Entries of the integration, made by its config flow as a user makes them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_state_change_event
from store_server import TOKEN

from heliograph.local_time import Clock

DOMAIN = "heliograph"


class ShiftedClock(Clock):
    """The clock of this machine, moved by a test; no task waits for an emulated device, which answers at once."""

    shift = 0.0

    def now(self):
        return time.time() + self.shift

    async def async_sleep(self, seconds):
        await asyncio.sleep(0)

    async def wait(self, until, stop):
        while not stop.is_set() and self.now() < until:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.1)


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
    """Remove an entry, and with it its connections; nothing of it stays."""
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert not er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert not dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert not [one for one in issues(hass).values() if (one.data or {}).get("entry_id") == entry.entry_id]


def issues(hass):
    """Return the repairs of the integration, by the key of their texts."""
    return {
        one.translation_key: one for one in ir.async_get(hass).issues.values() if one.domain == DOMAIN and one.active
    }


async def issue_of(hass, key):
    """Return a repair once there is one."""
    await _repairs_change(hass, lambda: key in issues(hass))
    return issues(hass)[key]


async def end_of_issue(hass, key):
    """Wait until there is no such repair."""
    await _repairs_change(hass, lambda: key not in issues(hass))


async def _repairs_change(hass, is_reached):
    reached = asyncio.Event()

    @callback
    def check(_):
        if is_reached():
            reached.set()

    cancel = hass.bus.async_listen(ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, check)
    check(None)
    async with asyncio.timeout(90):
        await reached.wait()
    cancel()


async def allow_writing(hass, entry, writes_per_day=20):
    """Switch writing on as a user does, in the options."""
    form = await hass.config_entries.options.async_init(entry.entry_id)
    given = {"writes": True, "writes_per_day": writes_per_day}
    await hass.config_entries.options.async_configure(form["flow_id"], given)
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
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), settings.config_entry.entry_id)
    return next(one.id for one in devices if (DOMAIN, settings.node) in one.identifiers)
