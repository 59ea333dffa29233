"""Which settings each of Growatt's families has, which call tells what is set, and which call sets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import Invalid, Refused, Unreachable, Unreadable
from heliograph.settings.definition import check
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.settings import classic, hybrid, noah, tlx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heliograph.core.endpoint import Plan, Steps
    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values
    from heliograph.vendors.growatt.payloads.plants import Written
    from heliograph.vendors.growatt.settings.schema import Row


class Family(NamedTuple):
    """One family of devices: its settings, how they are read, and how one is written."""

    rows: tuple[Row, ...]
    raw: Mapping[str, str]
    """What only the raw call can send, and why."""
    read: Callable[[Device], Steps[Mapping[str, Any]]]
    """Return the members the rows are read back from."""
    write: Callable[[Device, str, list[str]], Plan[Written]]
    """Return the order of a setting by its wire name."""

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What these devices can be told."""
        return tuple(row.setting for row in self.rows)


def _tlx_bean(device: Device) -> Steps[Mapping[str, Any]]:
    settings = yield GrowattCalls.tlx_all_settings.plan(device.id)
    # Quirk: "-1" is a setting this model does not have (an owner's recording of a NEO).
    return {key: value for key, value in settings.body.items() if value != "-1"}


def _mix_bean(device: Device) -> Steps[Mapping[str, Any]]:
    settings = yield GrowattCalls.get_mix_inverter_settings.plan(device.id)
    return _member(settings.body, "obj", "mixBean")


def _spa_bean(device: Device) -> Steps[Mapping[str, Any]]:
    settings = yield GrowattCalls.spa_settings.plan(device.id)
    return _member(settings.body, "spaBean")


def _noah_bean(device: Device) -> Steps[Mapping[str, Any]]:
    info = yield GrowattCalls.noah_info.plan(device.id)
    return noah.flattened(_member(info.body, "noah"))


def _classic_bean(device: Device) -> Steps[Mapping[str, Any]]:
    info = yield GrowattCalls.classic_inverter_info.plan(device.id)
    bean: Mapping[str, Any] = info.body
    return bean


def _storage_bean(device: Device) -> Steps[Mapping[str, Any]]:
    params = yield GrowattCalls.storage_params.plan(device.id)
    return _member(params.body, "storageBean")


def _plant_bean(device: Device) -> Steps[Mapping[str, Any]]:
    settings = yield GrowattCalls.plant_settings.plan(device.id)
    bean: Mapping[str, Any] = settings.body
    return bean


def _member(body: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return a member of an answer; without it nothing is known."""
    found: Any = body
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _set_noah(device: Device, name: str, params: list[str]) -> Plan[Written]:
    # Quirk: the price is the plant's, and so its id goes first (growattServer's notes).
    leading = [device.plant] if name == noah.PRICE else []
    return GrowattCalls.update_noah_settings.plan(device.id, name, leading + params)


def _set_classic(device: Device, name: str, params: list[str]) -> Plan[Written]:
    first, second = (*params, "")[:2]
    where = {"action": "inverterSet", "serialNum": device.id}
    return GrowattCalls.update_classic_inverter_setting.plan(
        where, {"paramId": name, "command_1": first, "command_2": second}
    )


def _set_storage(device: Device, name: str, params: list[str]) -> Plan[Written]:
    where = {"action": "storageSPF5000Set", "serialNum": device.id, "type": name}
    return GrowattCalls.update_classic_inverter_setting.plan(where, [*params, "", "", ""])


FAMILIES: dict[str, Family] = {
    "tlx": Family(
        tlx.ROWS, tlx.RAW, _tlx_bean, lambda at, *what: GrowattCalls.update_tlx_inverter_setting.plan(at.id, *what)
    ),
    "mix": Family(
        hybrid.MIX,
        hybrid.MIX_RAW,
        _mix_bean,
        lambda at, *what: GrowattCalls.update_mix_inverter_setting.plan(at.id, *what),
    ),
    "spa": Family(
        hybrid.SPA,
        hybrid.SPA_RAW,
        _spa_bean,
        lambda at, *what: GrowattCalls.update_ac_inverter_setting.plan(at.id, *what),
    ),
    "noah": Family(noah.ROWS, noah.RAW, _noah_bean, _set_noah),
    "inverter": Family(classic.CLASSIC, {}, _classic_bean, _set_classic),
    "storage": Family(classic.STORAGE, classic.STORAGE_RAW, _storage_bean, _set_storage),
    "plant": Family(
        classic.PLANT,
        classic.PLANT_RAW,
        _plant_bean,
        # The form is read, one part of it changed, and sent whole.
        lambda at, name, params: GrowattCalls.update_plant_settings.plan(at.id, {name: params[0]}),
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
    order = found.write(device, row.setting.wire, row.written(check(row.setting, values)))
    try:
        written: Written = yield order
    except Refused as error:
        if error.code != _NO_ANSWER:
            raise
        raise Unreachable("the device did not answer in time", vendor="growatt", call=name, advice=_LOOK) from None
    if not written.taken:
        raise Unreadable("the answer says neither yes nor no", vendor="growatt", call=name, advice=_LOOK)


_NO_ANSWER = "500"
"""The cloud's word for a device that did not answer it, when settings are read; on orders it is inferred."""
_LOOK = "Read the setting back before sending anything else"
