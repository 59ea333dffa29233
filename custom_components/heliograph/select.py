"""Selects: settings of devices with named choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeassistant.components.select import SelectEntity

from .setting_entity import SettingEntity, add_settings

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddEntitiesCallback

    from heliograph.settings import Parameter, Setting

    from .coordinator import HeliographConfigEntry
    from .device_settings import SettingsCoordinator

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant, entry: HeliographConfigEntry, async_add_entities: AddEntitiesCallback
) -> None:
    """Add the selects of an entry, and later those that appear."""
    add_settings(entry, async_add_entities, "choice", SettingSelect)


class SettingSelect(SettingEntity, SelectEntity):
    """A setting with named choices."""

    def __init__(self, coordinator: SettingsCoordinator, setting: Setting, parameter: Parameter) -> None:
        super().__init__(coordinator, setting, parameter)
        self._attr_options = list(parameter.choices)

    @property
    def current_option(self) -> str | None:
        """The choice that was read last."""
        return self.read if isinstance(self.read, str) and self.read in self.parameter.choices else None

    async def async_select_option(self, option: str) -> None:
        """Change the choice."""
        await self.write(option)
