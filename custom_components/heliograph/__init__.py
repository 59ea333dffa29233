"""Heliograph in Home Assistant: solar plants of the Growatt and GoodWe clouds."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from homeassistant.const import CONF_TOKEN, CONF_URL, CONF_VERIFY_SSL, EVENT_HOMEASSISTANT_STOP, __version__
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from . import account
from .account_source import AccountSource
from .api import HeliographApi
from .api_source import ApiSource
from .const import CONF_DOOR, DOMAIN, DOOR_API, PLATFORMS
from .coordinator import HeliographConfigEntry, HeliographCoordinator, account_node, nodes_of
from .issues import report_old_core
from .services import register_services
from .versions import is_supported

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.device_registry import DeviceEntry
    from homeassistant.helpers.typing import ConfigType

    from .source import Source

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions; they exist even while no entry is loaded, so that automations can be checked."""
    register_services(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: HeliographConfigEntry) -> bool:
    """Open the door of an entry and show what is behind it."""
    if not is_supported(__version__):
        # A repair instead of `ConfigEntryError`, which core logs with a traceback.
        report_old_core(hass, __version__)
        return False
    coordinator = HeliographCoordinator(hass, entry, _source(hass, entry))
    try:
        await coordinator.async_config_entry_first_refresh()
    except BaseException:
        await coordinator.async_shutdown()
        raise
    entry.runtime_data = coordinator
    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, coordinator.async_end_work))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(_reload))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HeliographConfigEntry) -> bool:
    """End everything that an entry began."""
    if unloaded := await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        await entry.runtime_data.async_shutdown()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: HeliographConfigEntry) -> None:
    """Delete the store of an account; its journal and request counts stay, they protect the account and the devices."""
    folder = account.entry_folder(hass, entry.entry_id)
    await hass.async_add_executor_job(lambda: shutil.rmtree(folder, ignore_errors=True))


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: HeliographConfigEntry, device: DeviceEntry
) -> bool:
    """Allow to delete a device that the door no longer has."""
    data = entry.runtime_data.data
    present = {account_node(entry, one.name) for one in data.accounts}
    return not any(node in present or data.find(node) is not None for node in nodes_of(device))


async def _reload(hass: HomeAssistant, entry: HeliographConfigEntry) -> None:
    await hass.config_entries.async_reload(entry.entry_id)


def _source(hass: HomeAssistant, entry: HeliographConfigEntry) -> Source:
    if entry.data[CONF_DOOR] == DOOR_API:
        session = async_get_clientsession(hass, verify_ssl=entry.data.get(CONF_VERIFY_SSL, True))
        return ApiSource(HeliographApi(session, entry.data[CONF_URL], entry.data.get(CONF_TOKEN, "")))
    return AccountSource(hass, entry)
