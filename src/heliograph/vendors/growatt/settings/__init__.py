"""Careful orders to Growatt's devices: what there is to set, what is set, and one order at a time.

The catalogue (families.py and its tables) is loaded when first asked for: whoever only reads never waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.endpoint import FlowGenerator, composite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values


def names() -> tuple[str, ...]:
    """Return what the settings of all families are called."""
    from heliograph.vendors.growatt.settings.registry import FAMILIES  # noqa: PLC0415 - see above

    return tuple(dict.fromkeys(row.setting.name for family in FAMILIES.values() for row in family.entries))


class GrowattSettings:
    """What an account's devices can be told."""

    @staticmethod
    def settings_of(device: Device) -> tuple[Setting, ...]:
        """What a device of this family can be told; nothing is sent.

        A plant has settings of its own: ask for a device of the family "plant" with the plant's id.
        """
        from heliograph.vendors.growatt.settings.registry import family_of  # noqa: PLC0415

        found = family_of(device)
        return found.settings if found else ()

    @composite
    def read_settings(self, device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
        """What a device has for each of its settings, in one request; None for what cannot be read back."""
        from heliograph.vendors.growatt.settings import registry  # noqa: PLC0415

        return (yield from registry.read_settings(device))

    @composite
    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
        """One order for one setting, checked, sent once and never again.

        `Refused` is the cloud's no. After `Unreachable` and `Unreadable` nobody knows whether it was carried out, and
        after no error it is the cloud that took it: what the device has says `read_settings`, minutes later.
        """
        from heliograph.vendors.growatt.settings import registry  # noqa: PLC0415

        yield from registry.write_setting(device, name, values)
