"""Careful orders to GoodWe's inverters: what there is to set, what is set, and one order at a time.

The catalogue (catalogue.py) is loaded when first asked for: whoever only reads never waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from heliograph.core.endpoint import FlowGenerator, composite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.core.session import Session
    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values


def names() -> tuple[str, ...]:
    """Return what the settings of all families are called, in either dialect."""
    from heliograph.vendors.goodwe.settings.catalogue import FAMILIES  # noqa: PLC0415 - see above

    return tuple(dict.fromkeys(row.setting.name for rows in FAMILIES.values() for row in rows))


class _Remembering(Protocol):
    def remembered(self) -> Session: ...


class GoodWeSettings:
    """What an account's devices can be told."""

    def settings_of(self: _Remembering, device: Device) -> tuple[Setting, ...]:
        """What a device of this family can be told; nothing is sent.

        What the dialect that served the account cannot tell it says so (`unavailable`); before the first login of an
        account nobody knows which one that is.
        """
        from heliograph.vendors.goodwe.settings import catalogue  # noqa: PLC0415

        return catalogue.settings_of(device, self.remembered())

    @composite
    def read_settings(self, device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
        """What a device has for each of its settings, in one request; None for what cannot be read back."""
        from heliograph.vendors.goodwe.settings import catalogue  # noqa: PLC0415

        return (yield from catalogue.read_settings(device))

    @composite
    def write_setting(self, device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
        """One order for one setting, checked, sent once and never again.

        `Refused` is the cloud's no. After `Unreachable` and `Unreadable` nobody knows whether it was carried out. A
        device may take 90 seconds to answer SEMS+: give such a client a timeout of that length.
        """
        from heliograph.vendors.goodwe.settings import catalogue  # noqa: PLC0415

        yield from catalogue.write_setting(device, name, values)
