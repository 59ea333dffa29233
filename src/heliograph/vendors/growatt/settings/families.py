"""Which settings each of Growatt's families has, which call tells what is set, and which call sets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import Invalid, Unreadable
from heliograph.settings import check
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.settings import tlx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heliograph.endpoint import Plan, Steps
    from heliograph.model import Device
    from heliograph.settings import Values
    from heliograph.vendors.growatt.payloads import Written
    from heliograph.vendors.growatt.settings.rows import Row


class Family(NamedTuple):
    """One family of devices: its settings, how they are read, and how one is written."""

    rows: tuple[Row, ...]
    raw: Mapping[str, str]
    """What only the raw call can send, and why."""
    read: Callable[[Device], Steps[Mapping[str, Any]]]
    """Return the members the rows are read back from."""
    write: Callable[[Device, str, list[str]], Plan[Written]]
    """Return the order of a setting by its wire name."""


def _tlx_bean(device: Device) -> Steps[Mapping[str, Any]]:
    settings = yield GrowattCalls.tlx_all_settings.plan(device.id)
    # Quirk: "-1" is a setting this model does not have (an owner's recording of a NEO).
    return {key: value for key, value in settings.body.items() if value != "-1"}


FAMILIES: dict[str, Family] = {
    "tlx": Family(
        tlx.ROWS,
        tlx.RAW,
        _tlx_bean,
        lambda device, name, params: GrowattCalls.update_tlx_inverter_setting.plan(device.id, name, params),
    ),
}


def family(device: Device) -> Family | None:
    """Return what a device can be told, None where nothing is known of its family."""
    return FAMILIES.get(device.family)


def read(device: Device) -> Steps[Mapping[str, Values | None]]:
    """Return what a device has for each of its settings."""
    if (found := family(device)) is None:
        return {}
    bean = yield from found.read(device)
    return {row.setting.name: row.read(bean) for row in found.rows}


def write(device: Device, name: str, values: Mapping[str, object]) -> Steps[None]:
    """Send one order."""
    found = family(device)
    rows = {row.setting.name: row for row in found.rows} if found else {}
    if found is None or name not in rows:
        raise Invalid(f"a device of the family {device.family!r} has no setting {name!r}")
    row = rows[name]
    written: Written = yield found.write(device, row.setting.wire, row.written(check(row.setting, values)))
    if written.success is not True:
        raise Unreadable(
            "the answer to an order says neither yes nor no",
            vendor="growatt",
            call=row.setting.wire,
            advice="Read the setting back before sending anything else",
        )
