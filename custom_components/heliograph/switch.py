"""Switches: settings of devices that are on or off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeassistant.components.switch import SwitchEntity

from .setting_entity import SettingEntity, add_settings

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddEntitiesCallback

    from .coordinator import HeliographConfigEntry

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant, entry: HeliographConfigEntry, async_add_entities: AddEntitiesCallback
) -> None:
    """Add the switches of an entry, and later those that appear."""
    add_settings(entry, async_add_entities, "switch", SettingSwitch)


class SettingSwitch(SettingEntity, SwitchEntity):
    """A setting that is on or off."""

    @property
    def is_on(self) -> bool | None:
        """Whether it was on when it was read last."""
        return self.read if isinstance(self.read, bool) else None

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Switch on."""
        await self.write(value=True)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Switch off."""
        await self.write(value=False)
