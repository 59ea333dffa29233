"""Numbers: settings of devices with a range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeassistant.components.number import NumberEntity

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
    """Add the numbers of an entry, and later those that appear."""
    add_settings(entry, async_add_entities, "number", SettingNumber)


class SettingNumber(SettingEntity, NumberEntity):
    """A setting with a range."""

    def __init__(self, coordinator: SettingsCoordinator, setting: Setting, parameter: Parameter) -> None:
        super().__init__(coordinator, setting, parameter)
        self._attr_native_unit_of_measurement = parameter.unit
        if parameter.step is not None:
            self._attr_native_step = parameter.step
        if parameter.low is not None:
            self._attr_native_min_value = parameter.low
        if parameter.high is not None:
            self._attr_native_max_value = parameter.high

    @property
    def native_value(self) -> float | None:
        """The value that was read last."""
        return float(self.read) if isinstance(self.read, int | float) else None

    async def async_set_native_value(self, value: float) -> None:
        """Change the value."""
        await self.write(value)
