"""Settings of one device: what was read back, changed by the safe path, unknown meanwhile."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .control import check_outcome, device_of, read_values, translated_errors

if TYPE_CHECKING:
    import asyncio

    from homeassistant.config_entries import ConfigEntry
    from homeassistant.core import HomeAssistant

    from heliograph.settings import Order, Setting
    from heliograph.settings.definition import Value, Values

    from .control import DeviceControl
    from .model import DeviceNow

_LOGGER = logging.getLogger(__name__)

READ_INTERVAL = timedelta(hours=6)
"""Between two reads of a device's settings, while one of its entities is enabled; each takes a request."""


class SettingsCoordinator(DataUpdateCoordinator[dict[str, "Values | None"]]):
    """The settings of one device as they were last read, by name."""

    config_entry: ConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        control: DeviceControl,
        one: DeviceNow,
        settings: tuple[Setting, ...],
    ) -> None:
        super().__init__(
            hass, _LOGGER, config_entry=entry, name=f"settings of {one.title}", update_interval=READ_INTERVAL
        )
        self.control = control
        self.device = device_of(one)
        self.node = one.node
        self.settings = settings
        self.data = {}
        self.pending: set[str] = set()
        """Settings that are being changed."""
        self._first_read: asyncio.Task[None] | None = None

    def read_once(self) -> None:
        """Read the settings now, if that has not been done."""
        if self._first_read is None:
            self._first_read = self.config_entry.async_create_background_task(
                self.hass, self.async_refresh(), f"heliograph {self.name}"
            )

    async def change(self, setting: str, value: Value, parameter: str) -> None:
        """Change one value and show what was read back; raises `HomeAssistantError`."""
        self.control.check_allowed()
        wanted = {setting: {parameter: value}}
        self.pending.add(setting)
        self.async_update_listeners()
        try:
            with translated_errors():
                order = await self.control.run(self.control.orders.set_all(self.device, wanted))
        finally:
            self.pending.discard(setting)
            self.async_update_listeners()
        check_outcome(order)

    def show(self, order: Order) -> None:
        """Show what a change has read back."""
        self.data |= read_values(order)
        self.async_update_listeners()

    async def _async_update_data(self) -> dict[str, Values | None]:
        try:
            snapshot = await self.control.look(self.device)
        except HomeAssistantError as error:
            raise UpdateFailed(
                translation_domain=error.translation_domain,
                translation_key=error.translation_key,
                translation_placeholders=error.translation_placeholders,
            ) from None
        return dict(snapshot.reported)
