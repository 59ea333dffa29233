"""Response models of Growatt's account and plant calls: typed fields in the vendor's own units, not converted.

Units differ between calls for the same quantity; each line states the unit of its call. Sources: public
recordings described in docs/clouds/growatt.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, list_of, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

CURRENT_USER = object()
"""Placeholder argument: the id of the logged-in user."""


class GrowattPlantRow(Payload):
    """One plant in the login response and in the plant list."""

    id = text("plantId")
    name = text("plantName")
    energy_today = number("todayEnergy", "kWh")  # "9.3 kWh"
    energy_total = number("totalEnergy", "kWh")  # "2.56 MWh": the unit in the text scales
    # Quirk: "0 W" on many accounts even at full sun (growattServer issues 20, 24, 26, 82).
    power = number("currentPower", "W")


class GrowattUser(Payload):
    """The user of an account."""

    id = text("id")
    account = text("accountName")
    right_level = number("rightlevel")


class GrowattLogin(Payload):
    """Login response: the user and the plants of the account."""

    user = nested("user", GrowattUser)
    plants = nested_list("data", GrowattPlantRow)


class PlantList(Payload):
    """All plants of an account."""

    plants = nested_list("data", GrowattPlantRow)
    totals = raw("totalData")


class GrowattPlantDetail(Payload):
    """Energy per day or month of one plant."""

    energies = raw("data")  # {"01": "12.3", …} in kWh
    plant = raw("plantData")


class DeviceRow(Payload):
    """One device in a list."""

    id = text("deviceSn")
    name = text("deviceAilas")
    family = text("deviceType")
    status = text("deviceStatus")
    lost = flag("lost")
    datalogger = text("datalogSn")
    energy_today = number("eToday", "kWh")
    energy_total = number("energy", "kWh")
    power = number("power", "W")
    state_of_charge = number("capacity", "%")


class Datalogger(Payload):
    """The datalogger that uploads a plant's data."""

    id = text("datalog_sn")
    lost = flag("lost")
    upload_minutes = number("update_interval")
    last_upload = text("update_time")


class PlantInfo(Payload):
    """Headline figures of one plant, and its devices by class."""

    energy_today = number("todayEnergy", "kWh")
    energy_total = number("totalEnergy", "kWh")
    power = number("invTodayPpv", "W")
    nominal_power = number("nominalPower", "W")
    money_today = text("plantMoneyText")
    money_total = text("totalMoneyText")
    dataloggers = nested_list("datalogList", Datalogger)
    devices = nested_list("deviceList", DeviceRow)
    # Quirk: TLX devices are missing from deviceList here and listed in invList; new SPH only in sphList.
    inverters = nested_list("invList", DeviceRow)
    hybrids = nested_list("sphList", DeviceRow)
    storages = nested_list("storageList", DeviceRow)

    @property
    def all_devices(self) -> tuple[DeviceRow, ...]:
        """All devices of all lists, without duplicates."""
        rows = (*self.devices, *self.inverters, *self.hybrids, *self.storages)
        return tuple({row.id: row for row in rows if row.id}.values())


class PlantSettings(Payload):
    """Name, location, time zone, size and prices of one plant; its energies are always 0."""

    id = text("id")
    name = text("plantName")
    utc_offset_hours = number("timezone")
    country = text("country")
    city = text("city")
    nominal_power = number("nominalPower", "W")
    created = text("createDateText")
    energy_price = number("formulaMoney")
    currency = text("formulaMoneyUnitId")
    status = number("status")


class ListedGrowattPlant(PlantSettings):
    """One plant of the newer list, which reports its power and lifetime energy as well."""

    # Quirk: it may stay 0 as the power of the older list does.
    current_power = number("currentPac", "W")
    energy_total = number("eTotal", "kWh")
    device_count = number("deviceCount")


LISTED_PLANTS = list_of(ListedGrowattPlant)


class PlantEnergy(Payload):
    """Energy and power of one plant, for every family."""

    energy_today = number("todayValue", "kWh", m.PV_ENERGY_TODAY)
    energy_month = number("monthValue", "kWh")
    energy_total = number("totalValue", "kWh", m.PV_ENERGY_TOTAL)
    power = number("powerValue", "W", m.PV_POWER)
    nominal_power = number("nominalPowerValue", "W")
    # Quirk: yearValue is always 0, so it has no field.


class AccountDevices(Payload):
    """How many devices of an account are in which state."""

    online = number("onlineNum")
    offline = number("offline")
    faulty = number("faultNum")


class AccountEnergy(PlantEnergy):
    """Energy, power and money of an account, as its first page shows them."""

    money_today = text("todayProfitStr")  # "€0.33"
    money_month = text("monthProfitStr")
    money_total = text("totalProfitStr")
    plant_count = number("plantNumber")
    first_plant = text("plantId")
    alarms = number("alarmValue")
    devices = nested("statusMap", AccountDevices)


class Dashboard(Payload):
    """The portal's chart of one plant; each sum is a text with a unit ("20.5kWh")."""

    chart = raw("chartData")
    # Quirk: for mix this is the only trustworthy import, battery charging included; the other sums are wrong.
    grid_import_today = number("etouser", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    battery_discharged_total = number("echargeToat", "kWh")


class DashboardPoint(Payload):
    """One point of the portal's day, in kW.

    Its other two series are omitted: each reports only one direction, of the grid and of the battery.
    """

    pv_power = number("ppv", "kW", m.PV_POWER)
    load_power = number("sysOut", "kW", m.LOAD_POWER)


# Quirk: two series are misnamed (growattServer): userLoad is the export, pacToUser the battery discharge.
DASHBOARD_BARS = {
    "ppv": "pv_energy",
    "sysOut": "load_energy",
    "userLoad": "grid_export_energy",
    "pacToUser": "battery_discharge_energy",
}


class GrowattWriteResult(Payload):
    """Response to a settings command: whether the vendor API accepted it, not whether the device applied it."""

    success = flag("success")
    message = text("msg")

    @property
    def accepted(self) -> bool:
        """Whether the command was accepted; Noah responses use `result` instead of `success`."""
        return self.success is True or self.body.get("result") in (1, "1")


# Form field ← member of plant_settings. The server fails unless every field is sent.
PLANT_FORM = {
    "plantCoal": "formulaCoal",
    "plantSo2": "formulaSo2",
    "accountName": "userAccount",
    "plantID": "id",
    "plantFirm": None,
    "plantCountry": "country",
    "plantType": "plantType",
    "plantIncome": "formulaMoneyStr",
    "plantAddress": "plantAddress",
    "plantTimezone": "timezone",
    "plantLng": "plant_lng",
    "plantCity": "city",
    "plantCo2": "formulaCo2",
    "plantMoney": "formulaMoneyUnitId",
    "plantPower": "nominalPower",
    "plantLat": "plant_lat",
    "plantDate": "createDateText",
    "plantName": "plantName",
}


def settings_form(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form that leaves a plant's settings unchanged."""
    missing = [member for member in PLANT_FORM.values() if member is not None and member not in settings]
    if missing:
        raise Unreadable(f"the plant's settings lack {', '.join(missing)}, but the form must be sent complete")
    return {part: "0" if member is None else settings[member] for part, member in PLANT_FORM.items()}
