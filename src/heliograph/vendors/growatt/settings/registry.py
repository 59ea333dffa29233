"""Registry of Growatt's settings: the entries of each device family, and the calls that read and write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import InvalidValue, RequestRefused, Unreachable, Unreadable
from heliograph.settings.definition import validate
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.settings import classic, hybrid, noah, tlx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heliograph.core.endpoint import Flow, FlowGenerator
    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Values
    from heliograph.vendors.growatt.payloads.plants import GrowattWriteResult
    from heliograph.vendors.growatt.settings.schema import GrowattSettingEntry


class GrowattFamily(NamedTuple):
    """One device family: its settings, how they are read, and how one is written."""

    entries: tuple[GrowattSettingEntry, ...]
    raw_only: Mapping[str, str]
    """Settings that only the raw call can send, with the reason."""
    read: Callable[[Device], FlowGenerator[Mapping[str, Any]]]
    """Fetch the response members from which the entries are decoded."""
    write: Callable[[Device, str, list[str]], Flow[GrowattWriteResult]]
    """Return the call that writes a setting, by its wire name."""

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings of these devices."""
        return tuple(entry.setting for entry in self.entries)


def _read_tlx(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    settings = yield GrowattCalls.tlx_all_settings.flow(device.id)
    # Quirk: "-1" marks a setting this model does not have (an owner's recording of a NEO).
    return {key: value for key, value in settings.body.items() if value != "-1"}


def _read_mix(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    settings = yield GrowattCalls.get_mix_inverter_settings.flow(device.id)
    return _member(settings.body, "obj", "mixBean")


def _read_spa(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    settings = yield GrowattCalls.spa_settings.flow(device.id)
    return _member(settings.body, "spaBean")


def _read_noah(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    info = yield GrowattCalls.noah_info.flow(device.id)
    return noah.flatten(_member(info.body, "noah"))


def _read_nexa(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    info = yield GrowattCalls.nexa_info.flow(device.id)
    return noah.flatten(_member(info.body, "noah"))


def _read_classic(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    info = yield GrowattCalls.classic_inverter_info.flow(device.id)
    members: Mapping[str, Any] = info.body
    return members


def _read_storage(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    params = yield GrowattCalls.storage_params.flow(device.id)
    return _member(params.body, "storageBean")


def _read_plant(device: Device) -> FlowGenerator[Mapping[str, Any]]:
    settings = yield GrowattCalls.plant_settings.flow(device.id)
    members: Mapping[str, Any] = settings.body
    return members


def _member(body: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return a nested member of a response, {} if it is missing."""
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _set_noah(device: Device, name: str, params: list[str]) -> Flow[GrowattWriteResult]:
    # Quirk: the price is the plant's, and so its id goes first (growattServer's notes).
    leading = [device.plant] if name == noah.PRICE else []
    call = GrowattCalls.update_nexa_settings if device.family == "nexa" else GrowattCalls.update_noah_settings
    return call.flow(device.id, name, leading + params)


def _set_classic(device: Device, name: str, params: list[str]) -> Flow[GrowattWriteResult]:
    first, second = (*params, "")[:2]
    where = {"action": "inverterSet", "serialNum": device.id}
    return GrowattCalls.update_classic_inverter_setting.flow(
        where, {"paramId": name, "command_1": first, "command_2": second}
    )


def _set_storage(device: Device, name: str, params: list[str]) -> Flow[GrowattWriteResult]:
    where = {"action": "storageSPF5000Set", "serialNum": device.id, "type": name}
    return GrowattCalls.update_classic_inverter_setting.flow(where, [*params, "", "", ""])


FAMILIES: dict[str, GrowattFamily] = {
    "tlx": GrowattFamily(
        tlx.SETTINGS,
        tlx.RAW_ONLY,
        _read_tlx,
        lambda device, *args: GrowattCalls.update_tlx_inverter_setting.flow(device.id, *args),
    ),
    "mix": GrowattFamily(
        hybrid.MIX,
        hybrid.MIX_RAW_ONLY,
        _read_mix,
        lambda device, *args: GrowattCalls.update_mix_inverter_setting.flow(device.id, *args),
    ),
    "spa": GrowattFamily(
        hybrid.SPA,
        hybrid.SPA_RAW_ONLY,
        _read_spa,
        lambda device, *args: GrowattCalls.update_ac_inverter_setting.flow(device.id, *args),
    ),
    "noah": GrowattFamily(noah.SETTINGS, noah.RAW_ONLY, _read_noah, _set_noah),
    "nexa": GrowattFamily(noah.NEXA, noah.RAW_ONLY, _read_nexa, _set_noah),
    "inverter": GrowattFamily(classic.CLASSIC, {}, _read_classic, _set_classic),
    "storage": GrowattFamily(classic.STORAGE, classic.STORAGE_RAW_ONLY, _read_storage, _set_storage),
    "plant": GrowattFamily(
        classic.PLANT,
        classic.PLANT_RAW_ONLY,
        _read_plant,
        # The form is read, one field of it changed, and sent complete.
        lambda device, name, params: GrowattCalls.update_plant_settings.flow(device.id, {name: params[0]}),
    ),
}


def family_of(device: Device) -> GrowattFamily | None:
    """Return the settings family of a device, None if its family is unknown."""
    return FAMILIES.get(device.family)


def read_settings(device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
    """Return the current values of all settings of a device."""
    if (family := family_of(device)) is None:
        return {}
    members = yield from family.read(device)
    return {entry.setting.name: entry.decode(members) for entry in family.entries}


def write_setting(device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
    """Validate and write one setting."""
    family = family_of(device)
    entries = {entry.setting.name: entry for entry in family.entries} if family else {}
    if family is None or name not in entries:
        raise InvalidValue(f"a device of the family {device.family!r} has no setting {name!r}")
    entry = entries[name]
    call = family.write(device, entry.setting.wire_name, entry.encode(validate(entry.setting, values)))
    try:
        result: GrowattWriteResult = yield call
    except RequestRefused as error:
        if error.code != _NO_RESPONSE:
            raise
        raise Unreachable("the device did not answer in time", vendor="growatt", call=name, advice=_READ_BACK) from None
    if not result.accepted:
        raise Unreadable(
            "the response neither accepts nor rejects the change", vendor="growatt", call=name, advice=_READ_BACK
        )


_NO_RESPONSE = "500"
"""Code of a device that did not answer when settings are read; that writes use it too is inferred."""
_READ_BACK = "Read the setting back before sending anything else"
