"""Response models of the token API. Powers are in W, energies in kWh, temperatures in °C in all families.

Quirk: the names of one quantity differ in case between families and generations (`etogridTotal`, `etoGridTotal`), so
keys are compared without case. Sources: public recordings described in docs/clouds/growatt.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heliograph import metrics as m
from heliograph.core.parsing import parse_number
from heliograph.core.payload import Payload, flag, nested_list, number, raw, text
from heliograph.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator


class CaseBlindMapping(Mapping[str, Any]):
    """A JSON object whose keys are compared without case; of two keys that differ in case only, the first counts."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values: dict[str, Any] = {}
        for key, value in values.items():
            self._values.setdefault(key.lower(), value)

    def __getitem__(self, key: str) -> Any:
        return self._values[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class OpenApiData(Payload):
    """One object of the token API, its keys compared without case."""

    __slots__ = ()

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self.body = CaseBlindMapping(self.body)


class OpenApiPlant(OpenApiData):
    """One plant of `plant/list`."""

    id = text("plant_id")
    name = text("name")
    status = number("status")
    power = number("current_power", "W")
    energy_total = number("total_energy", "kWh")
    peak_power = number("peak_power", "kW")
    created = text("create_date")


class OpenApiPlantPage(Payload):
    """One page of plants."""

    count = number("count")
    plants = nested_list("plants", OpenApiPlant)


class OpenApiPlantDetails(OpenApiData):
    """Time zone, size and currency of one plant."""

    name = text("name")
    timezone = text("timezone")
    """A fixed offset, such as "GMT+1"."""
    peak_power = number("peak_power", "kW")
    currency = text("currency")
    created = text("create_date")


class OpenApiPlantData(OpenApiData):
    """Yield of one plant."""

    energy_today = number("today_energy", "kWh")
    energy_month = number("monthly_energy", "kWh")
    energy_year = number("yearly_energy", "kWh")
    energy_total = number("total_energy", "kWh")
    # Quirk: in kW, unlike everywhere else, and 0 from 16:00 UTC on while the plant works (Home Assistant issues 174260
    # and 176023): never used.
    power = number("current_power", "kW")
    timezone = text("timezone")
    updated = text("last_update_time")


class OpenApiPlantPower(Payload):
    """AC output of one plant over a day."""

    powers = raw("powers")  # [{"time": "2026-11-28 12:05", "power": 1234.5 or null}, …]


class OpenApiPlantEnergy(Payload):
    """Yield of one plant by day, month or year."""

    time_unit = text("time_unit")
    energies = raw("energys")  # [{"date": "2026-11-28", "energy": 1.2}, …]


class OpenApiDevice(OpenApiData):
    """One device of `device/list`."""

    id = text("device_sn")
    type = number("type")
    """1 inverter, 2 storage, 3 other, 4 max, 5 sph, 6 spa, 7 min, 8 pcs, 9 hps, 10 pbd, 11 groboost."""
    model = text("model")
    datalogger = text("datalogger_sn")
    # Quirk: only here; `lost` in the measurements is true for every device, also for live ones.
    lost = flag("lost")
    status = number("status")
    updated = text("last_update_time")


class DevicePage(Payload):
    """One page of devices.

    Quirk: an empty list with a count above 0 is a fault of the server (Home Assistant issue 171361).
    """

    count = number("count")
    devices = nested_list("devices", OpenApiDevice)


class DeviceModel(OpenApiData):
    """Trade name and rated power of a device."""

    model = text("model")
    rated_power = number("normal_power", "W")
    has_meter = flag("have_meter")
    device_type = number("device_type")


class DataPage(Payload):
    """One page of measurements of a device."""

    count = number("count")
    rows = nested_list("datas", OpenApiData)


class AlarmPage(Payload):
    """One page of alarms."""

    count = number("count")
    alarms = nested_list("alarms", OpenApiData)


class OpenApiBatch(Payload):
    """Newest measurements of several devices, by serial number."""

    data = raw("data")

    @property
    def devices(self) -> dict[str, OpenApiData]:
        """The measurements of each device; a device without data is left out."""
        found: dict[str, OpenApiData] = {}
        for serial, outer in (self.data if isinstance(self.data, dict) else {}).items():
            # Quirk: the measurements are below the serial number twice.
            inner = outer.get(serial) if isinstance(outer, dict) else None
            if isinstance(inner, dict) and inner:
                found[serial] = OpenApiData(inner)
        return found


class V4Device(OpenApiData):
    """One device of V4's list."""

    id = text("deviceSn")
    type = text("deviceType")
    datalogger = text("datalogSn")


class V4DevicePage(Payload):
    """One page of the token's devices."""

    devices = nested_list("data", V4Device)
    last_page = flag("lastPager")

    @property
    def is_last(self) -> bool:
        """Whether no page follows."""
        return self.last_page is not False


class V4History(Payload):
    """All measurements of one device on one day."""

    rows = nested_list("datas", OpenApiData)
    have_next = flag("haveNext")


def parse_device_lists(value: Any) -> tuple[OpenApiData, ...]:
    """Return the only list of the answer. Quirk: its key differs from the device type (`sphs` for `sph-s`)."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise Unreadable(f"the answer is not an object but {type(value).__name__}")
    rows = next((rows for rows in value.values() if isinstance(rows, list)), [])
    return tuple(OpenApiData(row) for row in rows if isinstance(row, dict))


def parse_energy(value: Any) -> float | None:
    """Return a bare number."""
    return parse_number(value)


def parse_value(value: Any) -> Any:
    """Return a value as sent."""
    return value


def parse_nothing(value: Any) -> None:
    """Return None: the answer of a successful command has no content."""


# Measurements, one class per family


class MinData(OpenApiData):
    """MIN, MIC, MID, MOD and NEO ("tlx")."""

    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    import_power = number("pacToUserTotal", "W")
    export_power = number("pacToGridTotal", "W")
    load_power = number("pacToLocalLoad", "W", m.LOAD_POWER)
    charge_power_1 = number("bdc1ChargePower", "W")
    charge_power_2 = number("bdc2ChargePower", "W")
    discharge_power_1 = number("bdc1DischargePower", "W")
    discharge_power_2 = number("bdc2DischargePower", "W")
    second_battery_status = number("bdc2Status")
    second_battery_fault = number("bdc2FaultType")
    state_of_charge = number("bmsSoc", "%")
    state_of_charge_1 = number("bdc1Soc", "%")
    battery_voltage = number("bdc1Vbat", "V")
    pv1_today = number("epv1Today", "kWh")
    pv2_today = number("epv2Today", "kWh")
    pv3_today = number("epv3Today", "kWh")
    pv4_today = number("epv4Today", "kWh")
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    import_today = number("etoUserToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("etoUserTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    export_today = number("etoGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("etoGridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    charge_today = number("echargeToday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("echargeTotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("edischargeToday", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("edischargeTotal", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)
    load_today = number("elocalLoadToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("elocalLoadTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    status = number("status")
    time = text("time")


class SphData(OpenApiData):
    """SPH ("mix") and SPH-S."""

    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    import_power = number("pacToUserTotal", "W")
    import_power_r = number("pacToUserR", "W")
    import_power_s = number("pacToUserS", "W")
    import_power_t = number("pacToUserT", "W")
    export_power = number("pacToGridTotal", "W")
    export_power_r = number("pacToGridR", "W")
    export_power_s = number("pacToGridS", "W")
    export_power_t = number("pacToGridT", "W")
    load_power = number("plocalLoadTotal", "W", m.LOAD_POWER)
    charge_power = number("pcharge1", "W")
    discharge_power = number("pdischarge1", "W")
    state_of_charge = number("soc", "%")
    bms_state_of_charge = number("bmsSOC", "%")
    pv_today = number("epvToday", "kWh")
    pv1_today = number("epv1Today", "kWh")
    pv2_today = number("epv2Today", "kWh")
    pv3_today = number("epv3Today", "kWh")
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    import_today = number("etoUserToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("etoUserTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    export_today = number("etoGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("etoGridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    charge_today = number("echarge1Today", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("echarge1Total", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("edischarge1Today", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("edischarge1Total", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)
    load_today = number("elocalLoadToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("elocalLoadTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    status = number("status")
    status_text = text("statusText")
    time = text("time")


class SpaData(SphData):
    """SPA: like SPH, without panels of its own; it measures an AC-coupled solar inverter."""

    pv_power = number("ppvInverter", "W", m.PV_POWER)
    pv_today = number("epvInverterToday", "kWh")
    pv_total = number("epvInverterTotal", "kWh", m.PV_ENERGY_TOTAL)


class StorageData(OpenApiData):
    """SPF and other off-grid storage inverters."""

    pv_power_1 = number("ppv", "W")
    pv_power_2 = number("ppv2", "W")
    charge_power_1 = number("pCharge", "W")
    charge_power_2 = number("pCharge2", "W")
    discharge_power_1 = number("pDischarge", "W")
    discharge_power_2 = number("pDischarge2", "W")
    import_power = number("pAcInPut", "W")
    output_power = number("outPutPower", "W")
    state_of_charge = number("bmsSoc", "%")
    capacity = number("capacity", "%")
    pv1_today = number("epvToday", "kWh")
    pv2_today = number("epvToday2", "kWh")
    pv1_total = number("epvTotal", "kWh")
    pv2_total = number("epvTotal2", "kWh")
    import_today = number("eToUserToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("eToUserTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    charge_today = number("eChargeToday", "kWh", m.BATTERY_CHARGE_ENERGY_TODAY)
    charge_total = number("eChargeTotal", "kWh", m.BATTERY_CHARGE_ENERGY_TOTAL)
    discharge_today = number("eBatDisChargeToday", "kWh", m.BATTERY_DISCHARGE_ENERGY_TODAY)
    discharge_total = number("eBatDisChargeTotal", "kWh", m.BATTERY_DISCHARGE_ENERGY_TOTAL)
    status = number("status")
    time = text("time")


class InverterData(OpenApiData):
    """Classic inverters and MAX: no meter and no battery."""

    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    # The AC yield is what ShinePhone shows for these, and what the password API reports.
    power_today = number("powerToday", "kWh")
    power_total = number("powerTotal", "kWh")
    ac_today = number("eacToday", "kWh")
    ac_total = number("eacTotal", "kWh")
    status = number("status")
    time = text("time")


class WitData(OpenApiData):
    """WIT. The sign of its battery power is not proven, so it is not published."""

    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    import_power = number("pacToUserTotal", "W")
    export_power = number("pacToGridTotal", "W")
    load_power = number("plocalLoadTotal", "W", m.LOAD_POWER)
    state_of_charge = number("soc", "%")
    pv_today = number("epvToday", "kWh", m.PV_ENERGY_TODAY)
    pv_total = number("epvTotal", "kWh", m.PV_ENERGY_TOTAL)
    import_today = number("etoUserToday", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    import_total = number("etoUserTotal", "kWh", m.GRID_IMPORT_ENERGY_TOTAL)
    export_today = number("etoGridToday", "kWh", m.GRID_EXPORT_ENERGY_TODAY)
    export_total = number("etoGridTotal", "kWh", m.GRID_EXPORT_ENERGY_TOTAL)
    load_today = number("elocalLoadToday", "kWh", m.LOAD_ENERGY_TODAY)
    load_total = number("elocalLoadTotal", "kWh", m.LOAD_ENERGY_TOTAL)
    status = number("status")
    time = text("time")


class NoahData(OpenApiData):
    """NOAH and NEXA balcony batteries."""

    pv_power = number("ppv", "W", m.PV_POWER)
    ac_power = number("pac", "W", m.AC_POWER)
    battery_power = number("totalBatteryPackChargingPower", "W")
    battery_status = number("totalBatteryPackChargingStatus")
    """Bit 0 is set while charging, bit 1 while discharging."""
    state_of_charge = number("totalBatteryPackSoc", "%", m.BATTERY_SOC)
    has_meter = flag("ctFlag")
    grid_power = number("ctSelfPower", "W")
    load_power = number("totalHouseholdLoad", "W")
    status = number("status")
    time = text("timeStr")
