"""Payloads of SEMS+: typed, unconverted views of accounts, plants and devices, in the cloud's units.

Powers are kW; at the grid + is export, at the battery + is discharge. Sources: public recordings described in
docs/clouds/goodwe.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCALED_UNITS = frozenset(("W", "kW", "MW", "Wh", "kWh", "MWh", "GWh"))


def any_json(value: Any) -> Any:
    """Return an undocumented response as sent."""
    return value


class PlusLogin(Payload):
    """Login response; the secrets in it are only in `raw`, so its repr does not show them."""

    client = text("client")
    language = text("language")
    region = text("region")
    issued = text("timestamp")  # Quirk: a text here, a number in the SEMS Portal's login.


# Plants


class Station(Payload):
    """One plant in the account's list."""

    id = text("id")
    name = text("name")
    status = number("status")
    power = number("pSystem", "kW")
    capacity = number("pvInstallP")  # kWp
    energy_today = number("productionToday", "kWh")
    # Quirk: productionTotal has no field: 21.852 beside 1.2 kWh today can only be MWh, but no unit is sent.
    time_zone = text("timeZone")  # IANA
    created = text("createTime")


class StationPage(Payload):
    """One page of the account's plants."""

    stations = nested_list("dataList", Station)
    total = number("total")
    page = number("current")
    size = number("size")

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        if "dataList" not in self.body:
            raise Unreadable("the response contains no plant list")


class StationInfo(Payload):
    """Name, size and location of a plant."""

    id = text("id")
    name = text("name")
    status = number("status")
    capacity = number("pvCapacity")  # kWp
    installed_power = number("installedPower")  # kW
    address = text("googleAddress")
    latitude = number("latitude")
    longitude = number("longitude")


class PlusFlow(Payload):
    """Current power flow; a member is present only if the plant has that part and it is online."""

    id = text("id")
    name = text("name")
    status = text("status")
    # Quirk: slightly negative at night with a HomeKit meter (-0.012).
    pv = number("pSystem", "kW", m.PV_POWER)
    ac = number("pAc", "kW", m.AC_POWER)
    battery = number("pBat", "kW", m.BATTERY_POWER)  # + discharges, the common sign
    grid = number("pGrid", "kW", m.GRID_POWER, sign=-1)  # + exports
    load = number("pConsum", "kW", m.LOAD_POWER)
    ev_charger = number("pEvChar", "kW")
    soc = number("soc", "%", m.BATTERY_SOC)
    flows = raw("flows")
    refreshed = text("refreshTime")  # local, whole minutes, no zone


# Alarms


class PlusAlarm(Payload):
    """One entry of the fault log."""

    serial = text("devicesn")
    code = text("warning_code")  # "E-G3-0-12": word and bit of the error registers
    error_code = text("error_code")
    name = text("warningNameEn")
    # Quirk: `warningname`, `cause` and `solution` are keys of the app's translations, not texts.
    key = text("warningname")
    level = text("alarmLevel")
    status = number("status")  # 0 lasts, 1 is over
    started = number("happentime")  # epoch milliseconds as text
    ended = number("recoverytime")


class PlusAlarmPage(Payload):
    """One page of the fault log, the newest entries first."""

    total = number("total")
    alarms = nested_list("dataList", PlusAlarm)


# Devices


class Equipment(Payload):
    """One device of the plant's inventory."""

    serial = text("sn")
    name = text("name")
    type = text("deviceType")  # INVERTER, SMART_METER, BATTERY_RACK, BAT_SYS, DONGLE, EV_CHARGER, …
    subtype = text("subtype")  # of an inverter "grid" or "store"
    status = number("status")
    added = text("addTime")  # epoch milliseconds as text

    @property
    def is_hybrid(self) -> bool:
        """Whether this is an inverter with a battery."""
        return self.type == "INVERTER" and self.subtype == "store"


class EquipmentByStatus(Payload):
    """Devices of one type with one status."""

    status = number("status")
    details = raw("detailMap")


class EquipmentByType(Payload):
    """Devices of one type."""

    type = text("deviceType")
    states = nested_list("statusDetailList", EquipmentByStatus)


class Inventory(Payload):
    """All devices of a plant, by type and status."""

    total = number("total")
    types = nested_list("deviceDetailList", EquipmentByType)

    @property
    def devices(self) -> tuple[Equipment, ...]:
        """All devices, in the order of the response."""
        return tuple(Equipment(row) for row in self._rows() if row.get("sn"))

    def _rows(self) -> Iterator[dict[str, Any]]:
        for group in self.types:
            for state in group.states:
                details = state.details if isinstance(state.details, dict) else {}
                yield from (row for row in details.values() if isinstance(row, dict))


class RelatedDevice(Payload):
    """Device attached to another one: the battery of a hybrid inverter."""

    serial = text("sn")
    name = text("name")
    type = text("type")
    status = number("status")
    soc = number("soc", "%")
    power = number("pbat", "kW")
    is_connected = flag("isConnected")

    @property
    def equipment(self) -> Equipment:
        """A row of the inventory for this device, which the inventory leaves out; an unconnected one is offline."""
        status = 0 if self.is_connected is False else self.raw.get("status")
        return Equipment({"sn": self.serial, "name": self.name, "deviceType": self.type, "status": status})


class Factors(Payload):
    """Response with values in groups, read by code; `raw` holds the groups."""

    def __init__(self, raw: Any) -> None:
        if raw is not None and not isinstance(raw, list):
            raise Unreadable(f"{type(self).__name__} expects an array, not {type(raw).__name__}")
        super().__init__({})
        self.raw = raw
        self.body = {row["code"]: _with_unit(row) for row in _flatten(raw or []) if isinstance(row.get("code"), str)}

    @property
    def data(self) -> dict[str, Any]:
        """The values by code as sent, without their units."""
        return {row["code"]: row.get("data") for row in _flatten(self.raw or []) if isinstance(row.get("code"), str)}


def _flatten(rows: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the factors of all groups, or of a list without groups."""
    for row in rows:
        if isinstance(row, dict):
            inner = row.get("factors")
            yield from _flatten(inner) if isinstance(inner, list) else (row,)


def _with_unit(row: dict[str, Any]) -> Any:
    # The unit is a separate member; powers and energies may have another unit than the declared one.
    value, unit = row.get("data"), row.get("unit")
    scaled = isinstance(unit, str) and unit in _SCALED_UNITS
    return f"{value} {unit}" if scaled and isinstance(value, str | int | float) else value


class Telemetry(Factors):
    """Current measurements of an inverter, a battery or a meter; each reports a subset."""

    ac_power = number("pAc", "kW")
    dc_power = number("pDc", "kW")
    backup_power = number("pBackup", "kW")
    temperature = number("Temperature", "°C")
    frequency = number("Fac", "Hz")
    hours = number("hTotal")
    battery_power = number("pBat", "kW")  # + discharges
    soc = number("soc", "%")
    soh = number("soh", "%")
    battery_voltage = number("voltage", "V")
    battery_temperature = number("batSysTemp", "°C")
    meter_power = number("totalPac", "kW")  # - imports


class FurtherDevice(NamedTuple):
    """A battery or a device of an unknown type, with its measurements; None if it has none for this account.

    A hybrid whose batteries could not be listed is one without measurements and with a problem.
    """

    device: Equipment
    telemetry: Telemetry | None
    problem: str = ""
    """Why its answer could not be used."""


class Telecounting(Factors):
    """Energy counters of an inverter or a meter; each reports a subset."""

    ac_power = number("pAc", "kW", m.AC_POWER)
    rated_power = number("ratedPower", "kW")
    pv_today = number("proPvStatsToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("proPvStatsTotal", "kWh", m.PV_ENERGY_TOTAL)
    charged_today = number("proCharStatsToday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charged_total = number("proCharStatsTotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharged_today = number("proDischarStatsToday", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharged_total = number("proDischarStatsTotal", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)
    sold_today = number("proGridStatsToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    sold_total = number("proGridStatsTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    bought_today = number("proPurchaseStatsToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    bought_total = number("proPurchaseStatsTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)


class EquipmentInformation(Factors):
    """Identity of a device: model, firmware, rated power."""

    serial = text("sn")
    name = text("deviceName")
    type = text("deviceType")
    model = text("modelType")
    firmware = text("safetyVersion")
    status = number("status")
    rated_power = number("ratedPower", "kW")


# History


class PlusPoint(Payload):
    """One point of a series: an energy of a date, or a power at a time."""

    date = text("date")  # yyyy-MM-dd, yyyy-MM or yyyy
    energy = number("val")
    moment = text("tp")  # local
    power = number("power")


class PlusSeries(Payload):
    """One item of the history: its unit and points."""

    item = text("item")
    unit = text("unit")
    points = nested_list("statisticsList", PlusPoint)


class PlusStatistics(Payload):
    """Energies of a plant by day, month or year, with their sums over the whole range."""

    # Quirk: the inverters' AC output; the PV energy of hybrids is the item proSystemTotalStats.
    generated = number("production", "kWh")
    bought = number("proPurchase", "kWh")
    sold = number("proGrid", "kWh")
    used = number("proConsum", "kWh")
    self_used = number("proSelfConsum", "kWh")
    series = nested_list("dataList", PlusSeries)

    def sum_of(self, item: str) -> float | None:
        """Return the energy of an item over the range in kWh; None if it is missing."""
        values = [point.energy for row in self.series if row.item == item for point in row.points]
        numbers = [value for value in values if value is not None]
        return round(sum(numbers), 3) if numbers and len(numbers) == len(values) else None


class Production(Payload):
    """Totals and profit of a plant over a range."""

    currency = text("currency")
    generated = number("production", "kWh")
    bought = number("proPurchase", "kWh")
    sold = number("proGrid", "kWh")


class PowerCurves(Payload):
    """Power curves of a day."""

    series = nested_list("dataList", PlusSeries)


# Settings and chargers


class PlusCommandResult(Payload):
    """Response to a successful command."""

    code = text("code")
    description = text("description")


class EvCharger(Payload):
    """Settings of a charger; its powers are limits, not measurements."""

    mode = number("chargeMode")  # 0 fast, 1 from PV, 2 from PV and battery
    power_set = number("chargePowerSetted", "kW")
    power_limit = number("chargePower", "kW")
    current_limit = number("currentLimit")
    status = text("status")
    work_state = text("workState")
    is_started = flag("startStatus")


class EvCharge(Payload):
    """One charging session."""

    serial = text("chargePileSN")
    energy = number("currentChargeQuantity", "kWh")
    minutes = number("chargeTimeLength")
    power = number("pevChar", "kW")
    work_status = number("workStu")  # 6 charges
    status = number("status")


class LastEvCharge(Payload):
    """Last charging session of a charger, with its curve."""

    charge = nested("chargeLog", EvCharge)
    curve = nested_list("curveList", PlusPoint)
