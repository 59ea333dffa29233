"""Settings of an account's devices: read, changed by the library's safe path, and put back when a limit ends.

A change is checked, counted against the writes of a day, recorded, sent once and read back (docs/orders.md). Errors are
raised as translated ones of Home Assistant.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from heliograph.errors import ConfigError, HeliographError
from heliograph.model import Device
from heliograph.settings import AsyncOrders, ChangeState, Journal, Permissions
from heliograph.settings.permissions import WRITES_PER_DAY
from heliograph.settings.schedule import from_settings

from . import account
from .const import CONF_WRITES, CONF_WRITES_PER_DAY, DOMAIN
from .problems import problem_key, problem_text

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterator

    from homeassistant.config_entries import ConfigEntry
    from homeassistant.core import HomeAssistant

    from heliograph.local_time import Clock
    from heliograph.settings import Order, Schedule, Setting, SettingsSnapshot
    from heliograph.settings.definition import Values
    from heliograph.transports import AsyncTransport

    from .model import DeviceNow

_LOGGER = logging.getLogger(__name__)

PROGRAM = "Home Assistant"
CHECK_SECONDS = 30.0
"""Seconds between two looks for limits that have ended; a look reads one small file."""


class DeviceControl:
    """The settings of one account's devices; created on a thread, because it reads files."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry, transport: AsyncTransport, name: str, clock: Clock
    ) -> None:
        self.writes = bool(entry.options.get(CONF_WRITES))
        """Whether the user allows changes."""
        self.clock = clock
        self.on_change: Callable[[Order], None] = lambda _: None
        """Called with each change that was carried out, also by the end of a limit."""
        self._hass = hass
        self._name = name
        self._client = account.create_client(hass, entry.data, transport, commands=True)
        self._journal = Journal(account.journal_folder(hass), self._client.settings_guard.store.name)
        self._permissions = Permissions(
            writes=True if self.writes else (),
            writes_per_day=int(entry.options.get(CONF_WRITES_PER_DAY, WRITES_PER_DAY)),
            subject=entry.title,
            configured_in="the options of the integration",
        )
        self.orders = self.orders_of(PROGRAM)

    def orders_of(self, program: str) -> AsyncOrders:
        """Return the settings API; the journal names the program. Reads the user database, so not on the event loop."""
        return AsyncOrders(
            self._client,
            permissions=self._permissions,
            account=self._name,
            program=program,
            journal=self._journal,
            clock=self.clock,
        )

    async def settings_of(self, device: Device) -> tuple[Setting, ...]:
        """Return the usual settings of a device that this account can change; nothing is sent.

        Grid-code settings need the grid operator's consent and are left to `heliograph settings`.
        """
        found = await self._client.settings_of_async(device)
        return tuple(one for one in found if one.risk == "usual" and not one.unavailable)

    async def look(self, device: Device) -> SettingsSnapshot:
        """Read the settings of a device; one request, usually."""
        with translated_errors():
            return await self.orders.look(device)

    async def run(self, change: Awaitable[Order | None]) -> Order | None:
        """Carry out a change and report it, so that entities show what was read back."""
        order = await change
        if order is not None:
            self.on_change(order)
        return order

    def check_allowed(self) -> None:
        """Raise `ServiceValidationError` if the user has not allowed changes."""
        if not self.writes:
            raise ServiceValidationError(translation_domain=DOMAIN, translation_key="writing_not_allowed")

    async def restore_until_stopped(self, stop: asyncio.Event) -> None:
        """Put back what limits and planner slots have changed when they end, until stopped."""
        problem = ""
        while not stop.is_set():
            try:
                for order in await self.orders.due_async():
                    await self.run(self.orders.restore(order))
                problem = ""
            except HeliographError as error:
                if (text := problem_text(error)) != problem:
                    problem = text
                    _LOGGER.warning("A setting could not be put back yet: %s", text)
            await self.clock.wait(self.clock.now() + CHECK_SECONDS, stop)


def device_of(one: DeviceNow) -> Device:
    """Return the device of the settings API."""
    series = one.series
    return Device(vendor=series.vendor, plant=series.plant, id=series.device, family=one.family or "")


def schedule_of(snapshot: SettingsSnapshot) -> Schedule:
    """Return the schedule in the settings of a device."""
    return from_settings(snapshot.reported, tuple(snapshot.settings.values()))


def read_values(order: Order | None) -> dict[str, Values | None]:
    """Return what was read back of each changed setting; None for an unknown outcome; nothing for a refused one."""
    found: dict[str, Values | None] = {}
    for change in order.changes if order is not None else ():
        if change.state not in (ChangeState.REFUSED, ChangeState.UNSENT):
            found[change.setting] = change.read if change.state is ChangeState.APPLIED else None
    return found


def check_outcome(order: Order | None) -> None:
    """Raise `HomeAssistantError` unless a change was applied or accepted."""
    if order is None or order.state in (ChangeState.APPLIED, ChangeState.PENDING):
        return
    refused = order.state is ChangeState.REFUSED
    change = next((one for one in order.changes if one.state is not ChangeState.APPLIED), order.changes[0])
    raise HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="setting_refused" if refused else "setting_unconfirmed",
        translation_placeholders={"setting": change.setting, "device": order.device, "reason": change.why or "-"},
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise errors of the library as those of Home Assistant."""
    try:
        yield
    except HeliographError as error:
        kind = ServiceValidationError if isinstance(error, ConfigError) else HomeAssistantError
        raise kind(
            translation_domain=DOMAIN,
            translation_key=problem_key(error),
            translation_placeholders={"problem": problem_text(error)},
        ) from None
