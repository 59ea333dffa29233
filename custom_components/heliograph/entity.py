"""Entities of a plant or device, and of an account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from heliograph.collect.freshness import Freshness

from .const import DOMAIN
from .coordinator import HeliographCoordinator, account_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from homeassistant.helpers.entity import Entity
    from homeassistant.helpers.entity_platform import AddEntitiesCallback

    from .coordinator import HeliographConfigEntry
    from .model import AccountNow, DeviceNow

_NUMBERED = re.compile(r"^(pv|string|phase|battery|meter_phase|backup_phase|line|temperature)([1-9][0-9_]*)(?=_|$)")


class NodeEntity(CoordinatorEntity[HeliographCoordinator]):
    """An entity of a plant or of one of its devices; available while the door has that."""

    _attr_has_entity_name = True
    needs_live_plant = False
    """True if it is unavailable while its plant is unexpectedly offline."""

    def __init__(self, coordinator: HeliographCoordinator, node: str, key: str) -> None:
        super().__init__(coordinator)
        self.node = node
        self.key = key
        self._attr_unique_id = f"{node}_{key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, node)})

    @property
    def now(self) -> DeviceNow | None:
        """The plant or device; None while the door does not have it."""
        return self.coordinator.data.find(self.node)

    @property
    def available(self) -> bool:
        """Whether the door works, has the device, and the plant is not unexpectedly offline."""
        if not super().available or self.now is None:
            return False
        plant = self.coordinator.data.plant_of(self.node) if self.needs_live_plant else None
        return plant is None or plant.freshness != Freshness.OFFLINE_UNEXPECTED


class AccountEntity(CoordinatorEntity[HeliographCoordinator]):
    """An entity of an account."""

    _attr_has_entity_name = True

    def __init__(self, coordinator: HeliographCoordinator, account: str, key: str) -> None:
        super().__init__(coordinator)
        self.account = account
        node = account_node(coordinator.config_entry, account)
        self._attr_unique_id = f"{node}_{key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, node)})

    @property
    def now(self) -> AccountNow | None:
        """The account; None while the door does not report it."""
        return next((one for one in self.coordinator.data.accounts if one.name == self.account), None)

    @property
    def available(self) -> bool:
        """Whether the door works and reports the account."""
        return super().available and self.now is not None


def add_as_they_appear(
    entry: HeliographConfigEntry,
    async_add_entities: AddEntitiesCallback,
    find: Callable[[], Iterable[tuple[str, Callable[[], Entity]]]],
) -> None:
    """Add the entities that `find` names by a key, with what creates them: now, and whenever there are new ones."""
    added: set[str] = set()

    @callback
    def add() -> None:
        new = {key: create for key, create in find() if key not in added}
        added.update(new)
        if new:
            async_add_entities([create() for create in new.values()])

    add()
    entry.async_on_unload(entry.runtime_data.async_add_listener(add))


def known_ids(coordinator: HeliographCoordinator) -> set[str]:
    """Return the unique ids of the entry in the registry: at night a plant reports no powers, but it has them."""
    registry = er.async_get(coordinator.hass)
    return {one.unique_id for one in er.async_entries_for_config_entry(registry, coordinator.config_entry.entry_id)}


def translation_of(metric: str) -> tuple[str, dict[str, str]]:
    """Return the translation key of a metric, and its placeholders: numbered ones share a text.

    >>> translation_of("pv12_voltage"), translation_of("line3_1_voltage"), translation_of("battery_soc")
    (('pv_n_voltage', {'number': '12'}), ('line_n_voltage', {'number': '3-1'}), ('battery_soc', {}))
    """
    match = _NUMBERED.match(metric)
    if match is None:
        return metric, {}
    number = match[2].strip("_").replace("_", "-")
    rest = metric[match.end() :].lstrip("_")
    return "_".join(part for part in (match[1], "n", rest) if part), {"number": number}
