"""Settings of devices as entities: one for each parameter that can be read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from homeassistant.const import EntityCategory
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .device_settings import SettingsCoordinator
from .entity import add_as_they_appear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from homeassistant.helpers.entity import Entity
    from homeassistant.helpers.entity_platform import AddEntitiesCallback

    from heliograph.settings import Parameter, Setting
    from heliograph.settings.definition import Value

    from .coordinator import HeliographConfigEntry


class SettingEntity(CoordinatorEntity[SettingsCoordinator]):
    """One parameter of one setting."""

    _attr_has_entity_name = True
    _attr_entity_category = EntityCategory.CONFIG
    _attr_entity_registry_enabled_default = False

    def __init__(self, coordinator: SettingsCoordinator, setting: Setting, parameter: Parameter) -> None:
        super().__init__(coordinator)
        self.setting = setting
        self.parameter = parameter
        self._attr_unique_id = f"{coordinator.node}_setting_{setting.name}_{parameter.name}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, coordinator.node)})
        self._attr_translation_key, self._attr_translation_placeholders = translation_of(setting.name, parameter.name)

    async def async_added_to_hass(self) -> None:
        """Read the settings once an entity of the device is in use."""
        await super().async_added_to_hass()
        self.coordinator.read_once()

    @property
    def read(self) -> Value:
        """The value that was read last; None if it is unknown, or being changed."""
        if self.setting.name in self.coordinator.pending:
            return None
        values = self.coordinator.data.get(self.setting.name)
        return None if values is None else values.get(self.parameter.name)

    async def write(self, value: Value) -> None:
        """Change the value."""
        await self.coordinator.change(self.setting.name, value, self.parameter.name)


def add_settings(
    entry: HeliographConfigEntry,
    async_add_entities: AddEntitiesCallback,
    kind: str,
    entity: Callable[[SettingsCoordinator, Setting, Parameter], SettingEntity],
) -> None:
    """Add the entities of all settings of one kind, if the user allows changes, and later those of new devices."""

    def find() -> Iterator[tuple[str, Callable[[], Entity]]]:
        for coordinator in entry.runtime_data.device_settings.values():
            for setting in coordinator.settings:
                for parameter in setting.parameters:
                    # An entity that can never show a value is none.
                    if parameter.kind == kind and setting.readable and parameter.readable:
                        key = f"{coordinator.node} {setting.name} {parameter.name}"
                        yield key, partial(entity, coordinator, setting, parameter)

    add_as_they_appear(entry, async_add_entities, find)


def translation_of(setting: str, parameter: str) -> tuple[str, dict[str, str]]:
    """Return the translation key of a parameter, and its placeholders: windows share their texts.

    >>> translation_of("charge_windows", "start_2"), translation_of("time_window_9", "mode")
    (('charge_windows_start', {'number': '2'}), ('time_window_mode', {'number': '9'}))
    >>> translation_of("ac_charge", "value")
    ('ac_charge', {})
    """
    for name in (setting, parameter):
        stem, _, number = name.rpartition("_")
        if number.isdecimal():
            setting = stem if name is setting else setting
            parameter = stem if name is parameter else parameter
            return f"{setting}_{parameter}", {"number": number}
    return (setting if parameter == "value" else f"{setting}_{parameter}"), {}
