"""What GoodWe's inverters can be told: a register of SEMS+, or a member of the SEMS Portal's one form."""

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
    """How SEMS+ keeps a setting: by an address, the id of a function, and what it logs for which value."""

    address: str
    function: str
    log: str
    log_off: str = ""
    words: Mapping[str, str] = {}
    """What stands in the log for a value that has a word of its own."""


class GoodWeSettingEntry(NamedTuple):
    """A setting of one parameter, what its values are on the wire, and where either dialect keeps it."""

    setting: Setting
    codes: Mapping[Value, int] = {}
    """A number that has none is written as it is."""
    plus: PlusRegister | None = None
    legacy: str = ""
    """The member of the SEMS Portal's form."""


_STATUS = PlusRegister(
    "80017",
    "2043643517552594945",
    "status_setting",
    words={"1": "restart", "2": "stop", "4": "start_up"},
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
            meaning="Off stops generation until it is switched on again; it takes minutes, and only SEMS+ tells it.",
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
            "SEMS Portal: public clients; nobody has published it for SEMS+",
            "ActivePowerLimit",
            readable=False,
            meaning="SEMS Portal only.",
        ),
        legacy="ActivePowerLimit",
    ),
)
_OF_A_HYBRID = (
    GoodWeSettingEntry(
        _setting(
            "immediate_charge",
            "Charging the battery now, also from the grid",
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
            "State of charge where that ends",
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
            "Power of that charging",
            Parameter(name="value", kind="number", unit="%", low=0, high=100, step=1),
            f"{_HYBRID}; that it is a percentage is inferred",
            "47603",
            meaning="SEMS+ only.",
        ),
        plus=PlusRegister("47603", "1991791639537946636", "bat_immediate_charge_power"),
    ),
)
FAMILIES: dict[str, tuple[GoodWeSettingEntry, ...]] = {"inverter": _SHARED, "hybrid": (*_SHARED, *_OF_A_HYBRID)}
_RAW_CALLS = {dialect.PLUS: "save_remote_control", dialect.LEGACY: "set_device_parameters"}
"""What speaks the dialect an account is not served by, which an order never does by itself."""
RAW_ONLY = {
    "47511": "the battery's mode (EMS); its values are not published",
    "every other address": "plus_function_menus tells which there are; function ids differ by firmware",
}
"""What only the raw call can send, and why."""


def settings_of(device: Device, session: Session) -> tuple[Setting, ...]:
    """Return what a device can be told, each with why not where the account's dialect is known to be the wrong one."""
    rows = FAMILIES.get(device.family, ())
    here = dialect.current(session)
    return tuple(replace(row.setting, unavailable=_elsewhere(row, here)) if here else row.setting for row in rows)


def _elsewhere(row: GoodWeSettingEntry, here: str) -> str:
    """Return why a setting cannot be set in this dialect; empty where it can."""
    if row.plus if here == dialect.PLUS else row.legacy:
        return ""
    others = dialect.NAMES[dialect.other(here)]
    return (
        f"can be set through {others} only; this account is served by {dialect.NAMES[here]}. Set it in GoodWe's app, "
        f"or by the raw call {_RAW_CALLS[here]}, which logs in to {others}"
    )


def read_settings(device: Device) -> FlowGenerator[Mapping[str, Values | None]]:
    """Return what a device has, in one request; the SEMS Portal tells nothing and is not asked."""
    rows = FAMILIES.get(device.family, ())
    found: dict[str, Values | None] = {row.setting.name: None for row in rows}
    session: Session = yield ENSURE_SESSION
    asked = [row for row in rows if row.plus and row.setting.readable]
    if dialect.current_or_default(session) != dialect.PLUS or not asked:
        return found
    told = yield from _cached(device, asked)
    for row in asked:
        value = _meant(row, parse_number(told.get(row.plus.address))) if row.plus else None
        found[row.setting.name] = None if value is None else {"value": value}
    return found


def _cached(device: Device, rows: list[GoodWeSettingEntry]) -> FlowGenerator[Mapping[str, Any]]:
    """Return values by address. Quirk: one address a device does not know makes all unreadable (issue 211)."""
    registers = [row.plus for row in rows if row.plus]
    told: Mapping[str, Any]
    try:
        told = yield _asked(device, registers)
    except RequestRefused as error:
        battery = [one for one in registers if one is not _STATUS]
        if error.code != "read_fail" or not battery:
            raise
        told = yield _asked(device, battery)
    return told if isinstance(told, dict) else {}


def _asked(device: Device, registers: list[PlusRegister]) -> Flow[Any]:
    functions = {one.address: one.function for one in registers}
    return SemsPlusCalls.plus_cached_parameters.flow(device.id, [*functions], functions)


def _meant(row: GoodWeSettingEntry, value: float | None) -> Value:
    """Return what a register's value means in our words."""
    if not row.codes:
        return value
    return next((word for word, code in row.codes.items() if code == value), None)


def write_setting(device: Device, name: str, values: Mapping[str, object]) -> FlowGenerator[None]:
    """Send one order in the dialect the account is read in."""
    row = next((one for one in FAMILIES.get(device.family, ()) if one.setting.name == name), None)
    if row is None:
        raise InvalidValue(f"a device of the family {device.family!r} has no setting {name!r}")
    value = validate(row.setting, values)["value"]
    code = row.codes[value] if row.codes else int(float(value or 0))
    session: Session = yield ENSURE_SESSION
    here = dialect.current_or_default(session)
    if why := _elsewhere(row, here):
        raise InvalidValue(f"{name} {why}")
    try:
        if here == dialect.PLUS and row.plus:
            yield _plus_order(device, row.plus, code, value)
        else:
            # Quirk: clients send the moment as well; in whose zone it is nobody has said.
            moment = datetime.fromtimestamp(session.server_time, UTC).strftime("%m/%d/%Y %H:%M:%S")
            yield GoodWeCalls.save_remote_control.flow(device.id, {row.legacy: str(code)}, moment)
    except RequestRefused as error:
        if error.code != "100000":
            raise
        # Quirk: the cloud's word for having failed inside, which tells nothing of the device.
        raise Unreachable(error.message, vendor="goodwe", call=error.call, advice="Read it back first") from None


def _plus_order(device: Device, register: PlusRegister, code: int, value: Value) -> Flow[Any]:
    word = register.words.get(str(code), str(code))
    log = {register.log_off: "0"} if register.log_off and value is False else {register.log: word}
    return SemsPlusCalls.set_device_parameters.flow(
        device.id, device.plant, {register.address: code}, {register.address: register.function}, log
    )
