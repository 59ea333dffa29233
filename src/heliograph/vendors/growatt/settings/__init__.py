"""Settings methods of the Growatt client: list, read and write the settings of a device.

The catalogue (registry.py and its tables) is imported on first use: reading clients never need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.effects import import_flow
from heliograph.core.endpoint import FlowGenerator, composite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values


def names() -> tuple[str, ...]:
    """Return the names of all settings of all families."""
    from heliograph.vendors.growatt.settings.registry import FAMILIES  # noqa: PLC0415 - see above

    return tuple(dict.fromkeys(row.setting.name for family in FAMILIES.values() for row in family.entries))


class GrowattSettings:
    """Settings methods of a Growatt client."""

    @staticmethod
    def settings_of(device: Device) -> tuple[Setting, ...]:
        """The settings of a device of this family; nothing is sent.

        A plant has settings of its own: pass a device of the family "plant" with the plant's id.
        """
        from heliograph.vendors.growatt.settings.registry import family_of  # noqa: PLC0415

        found = family_of(device)
        return found.settings if found else ()

    @composite
    def read_settings(self, device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
        """The current values of all settings of a device, in one request; None for settings that cannot be read."""
        yield from import_flow("heliograph.vendors.growatt.settings.registry")
        from heliograph.vendors.growatt.settings import registry  # noqa: PLC0415

        return (yield from registry.read_settings(device))

    @composite
    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
        """Write one setting: the values are validated and sent once, without a retry.

        `RequestRefused`: the vendor API rejected it. `Unreachable` and `Unreadable`: the outcome is unknown. No error
        means that the vendor API accepted it; `read_settings` shows minutes later whether the device applied it.
        """
        yield from import_flow("heliograph.vendors.growatt.settings.registry")
        from heliograph.vendors.growatt.settings import registry  # noqa: PLC0415

        yield from registry.write_setting(device, name, values)
