"""Settings of GoodWe inverters: list, read and write.

The catalogue (catalogue.py) is imported on first use, so clients that only read data do not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from heliograph.core.effects import import_flow
from heliograph.core.endpoint import FlowGenerator, composite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.core.session import Session
    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values


def names() -> tuple[str, ...]:
    """Return the names of all settings of all families, in either dialect."""
    from heliograph.vendors.goodwe.settings.catalogue import FAMILIES  # noqa: PLC0415 - see above

    return tuple(dict.fromkeys(entry.setting.name for entries in FAMILIES.values() for entry in entries))


class _HasStoredSession(Protocol):
    def stored_session(self) -> Session: ...


class GoodWeSettings:
    """Settings methods of the GoodWe clients."""

    def settings_of(self: _HasStoredSession, device: Device) -> tuple[Setting, ...]:
        """Settings of a device of this family; nothing is sent.

        Settings that the account's dialect cannot write have `unavailable` set; before the account's first login the
        dialect is unknown and no setting has.
        """
        from heliograph.vendors.goodwe.settings import catalogue  # noqa: PLC0415

        return catalogue.settings_of(device, self.stored_session())

    @composite
    def read_settings(self, device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
        """Current values of a device's settings, in one request; None for settings that cannot be read."""
        yield from import_flow("heliograph.vendors.goodwe.settings.catalogue")
        from heliograph.vendors.goodwe.settings import catalogue  # noqa: PLC0415

        return (yield from catalogue.read_settings(device))

    @composite
    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
        """Write one setting: validated, sent exactly once and never retried.

        `RequestRefused` means the cloud rejected it. After `Unreachable` and `Unreadable` the outcome is unknown. A
        device may take 90 seconds to respond to SEMS+: create such a client with a timeout of that length.
        """
        yield from import_flow("heliograph.vendors.goodwe.settings.catalogue")
        from heliograph.vendors.goodwe.settings import catalogue  # noqa: PLC0415

        yield from catalogue.write_setting(device, name, values)
