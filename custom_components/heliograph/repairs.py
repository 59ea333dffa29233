"""Repairs that Home Assistant can carry out: removing a device that no longer exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import voluptuous as vol
from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigEntryState

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.data_entry_flow import FlowResult


class RemoveDeviceFlow(RepairsFlow):
    """Removes a device with its entities after a confirmation."""

    def __init__(self, data: dict[str, str | int | float | None]) -> None:
        self._entry_id = str(data["entry_id"])
        self._node = str(data["node"])
        self._name = str(data["name"])

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> FlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, str] | None = None) -> FlowResult:
        """Ask, then remove."""
        if user_input is None:
            return self.async_show_form(
                step_id="confirm", data_schema=vol.Schema({}), description_placeholders={"name": self._name}
            )
        entry = self.hass.config_entries.async_get_entry(self._entry_id)
        if entry is not None and entry.state is ConfigEntryState.LOADED:
            entry.runtime_data.remove_device(self._node)
        return self.async_create_entry(data={})


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of a repair."""
    return RemoveDeviceFlow(data or {})
