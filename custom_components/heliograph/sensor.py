"""Sensors: the metrics of plants and devices, their freshness, and the request budget of accounts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import EntityCategory

from heliograph.collect.freshness import Freshness
from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import Status

from .entity import AccountEntity, NodeEntity, add_as_they_appear, known_ids, translation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from homeassistant.core import HomeAssistant
    from homeassistant.helpers.entity import Entity
    from homeassistant.helpers.entity_platform import AddEntitiesCallback

    from .coordinator import HeliographConfigEntry, HeliographCoordinator

PARALLEL_UPDATES = 0

_CLASSES = {
    "W": (SensorDeviceClass.POWER, 0),
    "kWh": (SensorDeviceClass.ENERGY, 2),
    "V": (SensorDeviceClass.VOLTAGE, 1),
    "A": (SensorDeviceClass.CURRENT, 2),
    "mA": (SensorDeviceClass.CURRENT, 0),
    "Hz": (SensorDeviceClass.FREQUENCY, 2),
    "°C": (SensorDeviceClass.TEMPERATURE, 1),
    "VA": (SensorDeviceClass.APPARENT_POWER, 0),
    "var": (SensorDeviceClass.REACTIVE_POWER, 0),
    "h": (SensorDeviceClass.DURATION, 0),
}
"""Device class and displayed decimals of each unit."""
_STATE_CLASSES = {
    "gauge": SensorStateClass.MEASUREMENT,
    # A decrease is taken for a reset, as at midnight; `total` would need the exact time of each reset.
    "today": SensorStateClass.TOTAL_INCREASING,
    "total": SensorStateClass.TOTAL_INCREASING,
}
_FIXED = frozenset(("battery_capacity", "battery_charge_capacity", "rated_power"))
"""Metrics without a state class: they are properties of the device."""


async def async_setup_entry(
    hass: HomeAssistant, entry: HeliographConfigEntry, async_add_entities: AddEntitiesCallback
) -> None:
    """Add the sensors of an entry, and later those that appear."""
    coordinator = entry.runtime_data
    known = known_ids(coordinator)
    add_as_they_appear(entry, async_add_entities, lambda: _sensors(coordinator, known))


def _sensors(coordinator: HeliographCoordinator, known: set[str]) -> Iterator[tuple[str, Callable[[], Entity]]]:
    for plant in coordinator.data.plants.values():
        for one in (plant, *plant.devices.values()):
            keys: dict[str, type[NodeEntity]] = {
                # A metric appears when it is reported for the first time.
                key: MetricSensor
                for key in (*METRICS, *DEVICE_METRICS)
                if one.value(key) is not None or f"{one.node}_{key}" in known
            }
            keys |= {"status": StatusSensor, "measured_at": MeasuredAtSensor}
            if one is plant:
                keys["freshness"] = FreshnessSensor
            for key, kind in keys.items():
                yield f"{one.node}_{key}", partial(kind, coordinator, one.node, key)
    for account in coordinator.data.accounts:
        for key, sensor in (("requests_used", RequestsUsedSensor), ("requests_limit", RequestLimitSensor)):
            yield f"{account.name}_{key}", partial(sensor, coordinator, account.name, key)


class MetricSensor(NodeEntity, SensorEntity):
    """One metric of a plant or device."""

    needs_live_plant = True

    def __init__(self, coordinator: HeliographCoordinator, node: str, key: str) -> None:
        super().__init__(coordinator, node, key)
        metric = METRICS.get(key) or DEVICE_METRICS[key]
        self._attr_translation_key, self._attr_translation_placeholders = translation_of(key)
        if key not in METRICS:
            self._attr_entity_category = EntityCategory.DIAGNOSTIC
            self._attr_entity_registry_enabled_default = False
        if metric.unit:
            self._attr_native_unit_of_measurement = metric.unit
        if metric.kind != "text" and key not in _FIXED:
            self._attr_state_class = _STATE_CLASSES[metric.kind]
        if key == "battery_capacity":
            self._attr_device_class, self._attr_suggested_display_precision = SensorDeviceClass.ENERGY_STORAGE, 2
        elif key.startswith("battery") and key.endswith("_soc"):
            self._attr_device_class, self._attr_suggested_display_precision = SensorDeviceClass.BATTERY, 0
        elif metric.unit in _CLASSES:
            self._attr_device_class, self._attr_suggested_display_precision = _CLASSES[metric.unit]

    @property
    def native_value(self) -> float | str | None:
        """The value, as far as it is known now."""
        return None if self.now is None else self.now.value(self.key)


class StatusSensor(NodeEntity, SensorEntity):
    """The operating state that the cloud reports."""

    _attr_translation_key = "status"
    _attr_device_class = SensorDeviceClass.ENUM

    def __init__(self, coordinator: HeliographCoordinator, node: str, key: str) -> None:
        super().__init__(coordinator, node, key)
        self._attr_options = [status.value for status in Status]

    @property
    def native_value(self) -> str | None:
        """The state; None for one of a newer version."""
        status = None if self.now is None else self.now.status
        return status if status in (self.options or ()) else None


class FreshnessSensor(NodeEntity, SensorEntity):
    """What the age of the newest sample of a plant means."""

    _attr_translation_key = "freshness"
    _attr_device_class = SensorDeviceClass.ENUM
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, coordinator: HeliographCoordinator, node: str, key: str) -> None:
        super().__init__(coordinator, node, key)
        self._attr_options = [freshness.value for freshness in Freshness]

    @property
    def native_value(self) -> str | None:
        """The freshness; None for one of a newer version."""
        freshness = None if self.now is None else self.now.freshness
        return freshness if freshness in (self.options or ()) else None

    @property
    def extra_state_attributes(self) -> dict[str, str | None]:
        """Why the plant is not polled, and until when."""
        plant = self.coordinator.data.plants.get(self.node)
        if plant is None or plant.poll_reason is None:
            return {}
        return {
            "poll_reason": plant.poll_reason,
            "next_poll_at": plant.next_poll_at.isoformat() if plant.next_poll_at else None,
        }


class MeasuredAtSensor(NodeEntity, SensorEntity):
    """The time of the newest sample."""

    _attr_translation_key = "measured_at"
    _attr_device_class = SensorDeviceClass.TIMESTAMP
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @property
    def native_value(self) -> datetime | None:
        """The time."""
        return None if self.now is None else self.now.measured_at


class RequestsUsedSensor(AccountEntity, SensorEntity):
    """Requests of the last 24 hours."""

    _attr_translation_key = "requests_used"
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @property
    def native_value(self) -> int | None:
        """The number."""
        return None if self.now is None else self.now.requests_used


class RequestLimitSensor(AccountEntity, SensorEntity):
    """Requests that a program may send in 24 hours."""

    _attr_translation_key = "requests_limit"
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_entity_registry_enabled_default = False

    @property
    def native_value(self) -> int | None:
        """The number."""
        return None if self.now is None else self.now.requests_limit
