"""Catalogue of GoodWe inverter settings: SEMS+ registers and members of the SEMS Portal's form."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core.parsing import parse_number
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import InvalidValue, RequestRefused, Unreachable
from heliograph.settings.definition import Parameter, Setting, validate
from heliograph.vendors.goodwe import dialect
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.core.endpoint import Flow, FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import Device
    from heliograph.settings.definition import Value, Values


class PlusRegister(NamedTuple):
    """SEMS+ register of a setting: address, function id, and the log entry of each value."""

    address: str
    function: str
    log: str
    log_off: str = ""
    log_texts: Mapping[str, str] = {}
    """Log text by value, for values that are not logged as numbers."""


class GoodWeSettingEntry(NamedTuple):
    """Setting with one parameter, its wire codes, and its location in each dialect."""

    setting: Setting
    codes: Mapping[Value, int] = {}
    """Wire code by value; numbers without a code are sent as they are."""
    plus: PlusRegister | None = None
    legacy: str = ""
    """Member name in the SEMS Portal's form."""


_STATUS = PlusRegister(
    "80017",
    "2043643517552594945",
    "status_setting",
    log_texts={"1": "restart", "2": "stop", "4": "start_up"},
)
_RECORDED = (
    "SEMS+: a recorded stop and start, its register says read and write; SEMS Portal: Home Assistant's integration"
)
_HYBRID = "Home Assistant's integration, pull 205"


def _setting(name: str, title: str, parameter: Parameter, evidence: str, wire: str, **more: Any) -> Setting:
    return Setting(name=name, title=title, parameters=(parameter,), evidence=evidence, wire_name=wire, **more)


_SHARED = (
    GoodWeSettingEntry(
        _setting(
            "power_switch",
            "Inverter on or off",
            Parameter(name="value", kind="switch"),
            _RECORDED,
            "80017; InverterStatus",
            meaning="Off stops generation until it is switched on again; takes minutes; readable through SEMS+ only.",
        ),
        {True: 4, False: 2},
        _STATUS,
        "InverterStatus",
    ),
    GoodWeSettingEntry(
        _setting(
            "restart",
            "Restart of the inverter",
            Parameter(name="value", kind="choice", choices=("now",), readable=False),
            _RECORDED,
            "80017; InverterStatus",
            readable=False,
            meaning="The inverter is off for about a minute.",
        ),
        {"now": 1},
        _STATUS,
        "InverterStatus",
    ),
    GoodWeSettingEntry(
        _setting(
            "active_power_rate",
            "Limit of the output power",
            Parameter(name="value", kind="number", unit="%", low=0, high=100, step=1, readable=False),
            "SEMS Portal: public clients; unpublished for SEMS+",
            "ActivePowerLimit",
            readable=False,
            meaning="SEMS Portal only.",
        ),
        legacy="ActivePowerLimit",
    ),
)
_HYBRID_ONLY = (
    GoodWeSettingEntry(
        _setting(
            "immediate_charge",
            "Force-charge the battery now (grid allowed)",
            Parameter(name="value", kind="switch"),
            _HYBRID,
            "47545",
            meaning="SEMS+ only.",
        ),
        {True: 1, False: 0},
        PlusRegister("47545", "2013217017330515970", "immediate_charge", "stop_charging"),
    ),
    GoodWeSettingEntry(
        _setting(
            "immediate_charge_stop_soc",
            "Stop force-charge at state of charge",
            Parameter(name="value", kind="number", unit="%", low=0, high=100, step=1),
            _HYBRID,
            "47546",
            meaning="SEMS+ only.",
        ),
        plus=PlusRegister("47546", "1991791639537946635", "end_charge_soc"),
    ),
    GoodWeSettingEntry(
        _setting(
            "immediate_charge_power",
            "Force-charge power",
            Parameter(name="value", kind="number", unit="%", low=0, high=100, step=1),
            f"{_HYBRID}; that it is a percentage is inferred",
            "47603",
            meaning="SEMS+ only.",
        ),
        plus=PlusRegister("47603", "1991791639537946636", "bat_immediate_charge_power"),
    ),
)
FAMILIES: dict[str, tuple[GoodWeSettingEntry, ...]] = {"inverter": _SHARED, "hybrid": (*_SHARED, *_HYBRID_ONLY)}
_RAW_CALLS = {dialect.PLUS: "save_remote_control", dialect.LEGACY: "set_device_parameters"}
"""Raw call by dialect, for settings that the account's own dialect cannot write."""
RAW_ONLY = {
    "47511": "battery mode (EMS); its values are unpublished",
    "every other address": "listed by plus_function_menus; function ids differ by firmware",
}
"""Registers that only the raw call can write, and why."""


def settings_of(device: Device, session: Session) -> tuple[Setting, ...]:
    """Return a device's settings; `unavailable` is set if the account's dialect cannot write it."""
    entries = FAMILIES.get(device.family, ())
    active = dialect.current(session)
    return tuple(
        replace(entry.setting, unavailable=_unavailable(entry, active)) if active else entry.setting
        for entry in entries
    )


def _unavailable(entry: GoodWeSettingEntry, active: str) -> str:
    """Return why a setting cannot be written in this dialect; empty if it can."""
    if entry.plus if active == dialect.PLUS else entry.legacy:
        return ""
    other = dialect.TITLES[dialect.other(active)]
    return (
        f"can be set through {other} only; this account is served by {dialect.TITLES[active]}. Set it in GoodWe's app, "
        f"or by the raw call {_RAW_CALLS[active]}, which logs in to {other}"
    )


def read_settings(device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
    """Return a device's current values, in one request; all None on the SEMS Portal, which cannot read settings."""
    entries = FAMILIES.get(device.family, ())
    current: dict[str, Values | None] = {entry.setting.name: None for entry in entries}
    session: Session = yield ENSURE_SESSION
    readable = [entry for entry in entries if entry.plus and entry.setting.readable]
    if dialect.current_or_default(session) != dialect.PLUS or not readable:
        return current
    values = yield from _read_cached(device, readable)
    for entry in readable:
        value = _decode(entry, parse_number(values.get(entry.plus.address))) if entry.plus else None
        current[entry.setting.name] = None if value is None else {"value": value}
    return current


def _read_cached(device: Device, entries: list[GoodWeSettingEntry]) -> FlowGenerator[Mapping[str, Any]]:
    """Return values by address. Quirk: one address unknown to the device makes all unreadable (issue 211)."""
    registers = [entry.plus for entry in entries if entry.plus]
    values: Mapping[str, Any]
    try:
        values = yield _cached_parameters(device, registers)
    except RequestRefused as error:
        battery = [register for register in registers if register is not _STATUS]
        if error.code != "read_fail" or not battery:
            raise
        values = yield _cached_parameters(device, battery)
    return values if isinstance(values, dict) else {}


def _cached_parameters(device: Device, registers: list[PlusRegister]) -> Flow[Any]:
    functions = {register.address: register.function for register in registers}
    return SemsPlusCalls.plus_cached_parameters.flow(device.id, [*functions], functions)


def _decode(entry: GoodWeSettingEntry, value: float | None) -> Value:
    """Return the setting's value for a register value."""
    if not entry.codes:
        return value
    return next((meaning for meaning, code in entry.codes.items() if code == value), None)


def write_setting(device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
    """Write one setting in the dialect the account is read in."""
    entry = next((entry for entry in FAMILIES.get(device.family, ()) if entry.setting.name == name), None)
    if entry is None:
        raise InvalidValue(f"a device of the family {device.family!r} has no setting {name!r}")
    value = validate(entry.setting, values)["value"]
    code = entry.codes[value] if entry.codes else int(float(value or 0))
    session: Session = yield ENSURE_SESSION
    active = dialect.current_or_default(session)
    if reason := _unavailable(entry, active):
        raise InvalidValue(f"{name} {reason}")
    try:
        if active == dialect.PLUS and entry.plus:
            yield _plus_write(device, entry.plus, code, value)
        else:
            # Quirk: clients send the time as well; its zone is undocumented.
            time = datetime.fromtimestamp(session.server_time, UTC).strftime("%m/%d/%Y %H:%M:%S")
            yield GoodWeCalls.save_remote_control.flow(device.id, {entry.legacy: str(code)}, time)
    except RequestRefused as error:
        if error.code != "100000":
            raise
        # Quirk: an internal error of the cloud, which says nothing about the device.
        raise Unreachable(error.message, vendor="goodwe", call=error.call, advice="Read it back first") from None


def _plus_write(device: Device, register: PlusRegister, code: int, value: Value) -> Flow[Any]:
    text = register.log_texts.get(str(code), str(code))
    log = {register.log_off: "0"} if register.log_off and value is False else {register.log: text}
    return SemsPlusCalls.set_device_parameters.flow(
        device.id, device.plant, {register.address: code}, {register.address: register.function}, log
    )
