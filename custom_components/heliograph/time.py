"""Times: settings of devices that are a time of day."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

from homeassistant.components.time import TimeEntity

from .setting_entity import SettingEntity, add_settings

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity_platform import AddEntitiesCallback

    from .coordinator import HeliographConfigEntry

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant, entry: HeliographConfigEntry, async_add_entities: AddEntitiesCallback
) -> None:
    """Add the times of an entry, and later those that appear."""
    add_settings(entry, async_add_entities, "time", SettingTime)


class SettingTime(SettingEntity, TimeEntity):
    """A time of day, in the time of the plant."""

    @property
    def native_value(self) -> time | None:
        """The time that was read last."""
        return time.fromisoformat(self.read) if isinstance(self.read, str) else None

    async def async_set_value(self, value: time) -> None:
        """Change the time."""
        await self.write(f"{value:%H:%M}")
