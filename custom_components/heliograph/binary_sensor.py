"""Binary sensors: alarms of plants, and locks and problems of accounts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.const import EntityCategory

from .entity import AccountEntity, NodeEntity, add_as_they_appear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity import Entity
    from homeassistant.helpers.entity_platform import AddEntitiesCallback

    from .coordinator import HeliographConfigEntry, HeliographCoordinator

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: HeliographConfigEntry, async_add_entities: AddEntitiesCallback
) -> None:
    """Add the binary sensors of an entry, and later those that appear."""
    add_as_they_appear(entry, async_add_entities, lambda: _sensors(entry.runtime_data))


def _sensors(coordinator: HeliographCoordinator) -> Iterator[tuple[str, Callable[[], Entity]]]:
    for plant in coordinator.data.plants.values():
        if plant.alarms is not None:
            yield f"{plant.node}_alarm", partial(AlarmSensor, coordinator, plant.node, "alarm")
    for account in coordinator.data.accounts:
        for key, sensor in (("locked", LockedSensor), ("failing", ProblemSensor)):
            yield f"{account.name}_{key}", partial(sensor, coordinator, account.name, key)


class AlarmSensor(NodeEntity, BinarySensorEntity):
    """On while a plant has an alarm that is neither over nor snoozed."""

    _attr_translation_key = "alarm"
    _attr_device_class = BinarySensorDeviceClass.PROBLEM

    @property
    def is_on(self) -> bool | None:
        """Whether there is one."""
        alarms = self._alarms
        return None if alarms is None else any(one.state != "snoozed" for one in alarms)

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """Rule, what was seen and what to do, of each alarm."""
        return {
            "alarms": [
                {"rule": one.rule, "state": one.state, "severity": one.severity, "seen": one.seen, "advice": one.advice}
                for one in self._alarms or ()
            ]
        }

    @property
    def _alarms(self) -> Any:
        plant = self.coordinator.data.plants.get(self.node)
        return None if plant is None else plant.alarms


class LockedSensor(AccountEntity, BinarySensorEntity):
    """On while the vendor has locked or blocked the account."""

    _attr_translation_key = "locked"
    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @property
    def is_on(self) -> bool | None:
        """Whether it is locked; None while the budget is unknown."""
        if self.now is None or self.now.requests_used is None:
            return None
        return self.now.pause in ("locked", "blocked")

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """Until when nothing is sent."""
        if self.now is None or self.now.pause_until is None:
            return {}
        return {"pause": self.now.pause, "until": self.now.pause_until.isoformat()}


class ProblemSensor(AccountEntity, BinarySensorEntity):
    """On while the account cannot be polled."""

    _attr_translation_key = "failing"
    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @property
    def is_on(self) -> bool | None:
        """Whether the last poll failed, or the next ones wait for the end of a lock."""
        if self.now is None:
            return None
        return self.now.problem is not None or self.now.pause in ("locked", "blocked")

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """Why, in the words of Heliograph."""
        return {} if self.now is None or self.now.problem is None else {"problem": self.now.problem}
