"""Entries of the integration, made by its config flow as a user makes them."""

from __future__ import annotations

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
