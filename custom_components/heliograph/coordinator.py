"""Coordinator of one entry: reads its door, registers the devices, and reports what needs the user as repairs."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from heliograph.vendors import VENDORS

from .const import CONF_PLANTS, DOMAIN, REFRESH_INTERVAL
from .control import device_of
from .device_settings import SettingsCoordinator
from .issues import IssueReporter
from .model import SystemNow
from .source import AuthError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from homeassistant.core import Event, HomeAssistant

    from heliograph.settings import Order

    from .model import AccountNow, DeviceNow, PlantNow
    from .source import Source

_LOGGER = logging.getLogger(__name__)

type HeliographConfigEntry = ConfigEntry[HeliographCoordinator]


class HeliographCoordinator(DataUpdateCoordinator[SystemNow]):
    """The current state of everything that an entry shows."""

    config_entry: HeliographConfigEntry

    def __init__(self, hass: HomeAssistant, entry: HeliographConfigEntry, source: Source) -> None:
        super().__init__(
            hass, _LOGGER, config_entry=entry, name=entry.title, update_interval=REFRESH_INTERVAL, always_update=False
        )
        self.source = source
        self.plant_choices: dict[str, str] = {}
        """Titles of all plants of the door by node, for the options."""
        self.device_settings: dict[str, SettingsCoordinator] = {}
        """The settings of devices by node, where the user allows changes."""
        self._issues = IssueReporter(hass, entry)
        self._registered: dict[str, tuple[object, ...]] = {}
        """What the device registry knows of each node."""

    async def _async_setup(self) -> None:
        await self.source.start(self._on_change, self._on_failure)

    async def _async_update_data(self) -> SystemNow:
        try:
            system = self._accept(await self.source.read())
        except AuthError as error:
            raise ConfigEntryAuthFailed(
                translation_domain=DOMAIN,
                translation_key=error.key,
                translation_placeholders=error.translation_placeholders,
            ) from None
        except SourceError as error:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key=error.key,
                translation_placeholders=error.translation_placeholders,
            ) from None
        await self._describe_settings(system)
        return system

    async def async_shutdown(self) -> None:
        """End the door's work and the repairs of this entry."""
        await self.async_end_work()
        self._issues.clear()

    async def async_end_work(self, _: Event | None = None) -> None:
        """End the door's work, because Home Assistant stops: core unloads no entry then.

        The repairs stay, so that those are still ignored after the next start that the user ignores.
        """
        await super().async_shutdown()
        await self.source.stop()

    async def _describe_settings(self, system: SystemNow) -> None:
        """Find the settings of devices that have not been seen before; nothing is sent."""
        control = self.source.control
        if control is None or not control.writes:
            return
        control.on_change = self._show_change
        for plant in system.plants.values():
            for node, one in plant.devices.items():
                if node not in self.device_settings and one.family is not None:
                    settings = await control.settings_of(device_of(one))
                    self.device_settings[node] = SettingsCoordinator(
                        self.hass, self.config_entry, control, one, settings
                    )

    @callback
    def _show_change(self, order: Order) -> None:
        """Show what a change of settings has read back."""
        for one in self.device_settings.values():
            if one.device.id == order.device:
                one.show(order)

    @callback
    def _on_change(self, system: SystemNow) -> None:
        """Show a new state now; unlike `async_set_updated_data` the next full read stays due."""
        if self.data is None or self._shutdown_requested:
            return
        self.data = self._accept(system)
        self.async_update_listeners()

    @callback
    def _on_failure(self) -> None:
        """Read the state soon: the door is no longer open, or something has happened that it explains."""
        if self.data is not None and not self._shutdown_requested:
            self.config_entry.async_create_background_task(
                self.hass, self.async_request_refresh(), "heliograph refresh"
            )

    @callback
    def _accept(self, system: SystemNow) -> SystemNow:
        """Return the state without plants that are not selected or belong to another entry; register the devices."""
        self.plant_choices = {node: plant.title for node, plant in system.plants.items()}
        selected = set(self.config_entry.options.get(CONF_PLANTS, ()))
        elsewhere = self._nodes_of_other_entries()
        plants = {node: one for node, one in system.plants.items() if not selected or node in selected}
        duplicates = [(one, elsewhere[node]) for node, one in plants.items() if node in elsewhere]
        system = replace(system, plants={node: one for node, one in plants.items() if node not in elsewhere})
        for account in system.accounts:
            self._register_account(account)
        for plant in system.plants.values():
            self._register_plant(plant)
        self._issues.update(system, self._missing(system, selected), duplicates)
        return system

    def _nodes_of_other_entries(self) -> Mapping[str, str]:
        """Return the nodes that other enabled entries have registered, with the titles of these entries."""
        registry = dr.async_get(self.hass)
        return {
            node: entry.title
            for entry in self.hass.config_entries.async_entries(DOMAIN, include_disabled=False)
            if entry.entry_id != self.config_entry.entry_id
            for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
            for node in nodes_of(device)
        }

    def _missing(self, system: SystemNow, selected: set[str]) -> dict[str, str]:
        """Return the registered devices that the door no longer has, by node; those not selected are removed.

        Devices of a plant that is missing are not listed: they are removed with it.
        """
        registry = dr.async_get(self.hass)
        accounts = {account_node(self.config_entry, one.name) for one in system.accounts}
        missing: list[tuple[str, dr.DeviceEntry]] = []
        for device in dr.async_entries_for_config_entry(registry, self.config_entry.entry_id):
            for node in nodes_of(device):
                if node in accounts or system.find(node) is not None:
                    continue
                if selected and node in self.plant_choices and node not in selected:
                    self.remove_device(node)
                else:
                    missing.append((node, device))
        ids = {device.id for _, device in missing}
        return {
            node: device.name_by_user or device.name or node
            for node, device in missing
            if device.via_device_id not in ids and registry.async_get(device.id) is not None
        }

    def remove_device(self, node: str) -> None:
        """Remove the device of a node and its entities from this entry, with the devices that belong to it."""
        registry = dr.async_get(self.hass)
        devices = dr.async_entries_for_config_entry(registry, self.config_entry.entry_id)
        removed = {device.id for device in devices if node in nodes_of(device)}
        for device in devices:
            if device.id in removed or device.via_device_id in removed:
                registry.async_remove_device(device.id)
                for one in nodes_of(device):
                    self._registered.pop(one, None)

    def account_device(self, account: AccountNow) -> dr.DeviceInfo:
        """Return the link of an entity to its account's device."""
        return dr.DeviceInfo(identifiers={(DOMAIN, account_node(self.config_entry, account.name))})

    def _register_account(self, account: AccountNow) -> None:
        node = account_node(self.config_entry, account.name)
        self._register(
            node,
            (account.name,),
            lambda: dr.DeviceInfo(
                identifiers={(DOMAIN, node)},
                entry_type=dr.DeviceEntryType.SERVICE,
                manufacturer=vendor_title(account.vendor),
                translation_key="account",
                translation_placeholders={"account": account.name},
            ),
        )

    def _register_plant(self, plant: PlantNow) -> None:
        plant_id = self._register_device(plant, None)
        for device in plant.devices.values():
            self._register_device(device, plant_id)

    def _register_device(self, one: DeviceNow, via: str | None) -> str | None:
        model, firmware = (one.measurements.get(key) for key in ("model", "firmware"))
        facts = (one.title, model or one.family, firmware, via)

        def info() -> dr.DeviceInfo:
            found = dr.DeviceInfo(
                identifiers={(DOMAIN, one.node)}, name=one.title, manufacturer=vendor_title(one.series.vendor)
            )
            if one.series.device:
                found["serial_number"] = one.series.device
            # What is unknown now, at night for example, does not replace what is registered.
            if model or one.family:
                found["model"] = str(model or one.family)
            if firmware:
                found["sw_version"] = str(firmware)
            return found

        return self._register(one.node, facts, info, via)

    def _register(
        self, node: str, facts: tuple[object, ...], info: Callable[[], dr.DeviceInfo], via: str | None = None
    ) -> str | None:
        """Register a device unless the registry knows it as it is; return its id."""
        registry = dr.async_get(self.hass)
        known = self._registered.get(node)
        if known is not None and known[1:] == facts:
            return str(known[0])
        device = registry.async_get_or_create(config_entry_id=self.config_entry.entry_id, **info())
        if via is not None and device.via_device_id != via:
            registry.async_update_device(device.id, via_device_id=via)
        self._registered[node] = (device.id, *facts)
        return device.id


def nodes_of(device: dr.DeviceEntry) -> list[str]:
    """Return the nodes of a registered device, usually one."""
    return [node for domain, node in device.identifiers if domain == DOMAIN]


def account_node(entry: ConfigEntry, name: str) -> str:
    """Return the unique id of an account; two doors may have accounts of the same name."""
    return f"{entry.entry_id}_account_{name}"


def vendor_title(vendor: str) -> str:
    """Return the name of a vendor for display."""
    return VENDORS[vendor].title if vendor in VENDORS else vendor
