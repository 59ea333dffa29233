"""System health: the version of the library, and how the entries do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeassistant.components import system_health
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_URL
from homeassistant.core import callback

import heliograph

from .const import CONF_DOOR, DOMAIN, DOOR_API

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

    from .coordinator import HeliographConfigEntry


@callback
def async_register(hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:
    """Register the information."""
    register.async_register_info(_info)


async def _info(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[HeliographConfigEntry] = hass.config_entries.async_entries(DOMAIN, include_disabled=False)
    loaded = [entry for entry in entries if entry.state is ConfigEntryState.LOADED]
    states = [entry.runtime_data.data for entry in loaded]
    accounts = [account for state in states for account in state.accounts]
    info: dict[str, Any] = {
        "library": heliograph.__version__,
        "entries": f"{len(loaded)} / {len(entries)}",
        "plants": sum(len(state.plants) for state in states),
        "accounts_locked": sum(account.pause in ("locked", "blocked") for account in accounts),
        "requests_used": sum(account.requests_used or 0 for account in accounts),
    }
    for entry in entries:
        if entry.data[CONF_DOOR] == DOOR_API:
            info["can_reach_server"] = system_health.async_check_can_reach_url(hass, f"{entry.data[CONF_URL]}/healthz")
            break
    return info
