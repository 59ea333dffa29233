"""What Growatt says of accounts and plants, field by field, in its own units: vendor truth, typed but unconverted.

Units differ between calls for the same quantity; each line states the one its call uses. Sources: public
recordings described in docs/clouds/growatt.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph import metrics as m
from heliograph.core.payload import Payload, flag, nested, nested_list, number, raw, text
from heliograph.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

CURRENT_USER = object()
"""A blank in a declaration: the id of the user who is logged in."""


class GrowattPlantRow(Payload):
    """One plant as the login and the plant list name it."""

    id = text("plantId")
    name = text("plantName")
    energy_today = number("todayEnergy", "kWh")  # "9.3 kWh"
    energy_total = number("totalEnergy", "kWh")  # "2.56 MWh": the unit in the text scales
    # Quirk: "0 W" on many accounts even at full sun (growattServer issues 20, 24, 26, 82).
    power = number("currentPower", "W")


class GrowattUser(Payload):
    """The person behind an account."""

    id = text("id")
    account = text("accountName")
    right_level = number("rightlevel")


class GrowattLogin(Payload):
    """A session opened: who, and which plants."""

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
    """The stick or box that uploads a plant's data."""

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
    # Quirk: TLX devices are missing from deviceList here and stand in invList; new SPH only in sphList.
    inverters = nested_list("invList", DeviceRow)
    hybrids = nested_list("sphList", DeviceRow)
    storages = nested_list("storageList", DeviceRow)

    @property
    def all_devices(self) -> tuple[DeviceRow, ...]:
        """Every device of every list, each once."""
        rows = (*self.devices, *self.inverters, *self.hybrids, *self.storages)
        return tuple({row.id: row for row in rows if row.id}.values())


class PlantSettings(Payload):
    """Name, place, zone, size and prices of one plant; its energies are always 0."""

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


class PlantEnergy(Payload):
    """Energy and power of one plant, for every family."""

    energy_today = number("todayValue", "kWh", m.PV_ENERGY_TODAY)
    energy_month = number("monthValue", "kWh")
    energy_total = number("totalValue", "kWh", m.PV_ENERGY_TOTAL)
    power = number("powerValue", "W", m.PV_POWER)
    nominal_power = number("nominalPowerValue", "W")
    # Quirk: yearValue is always 0, so it has no field.


class Dashboard(Payload):
    """The portal's chart of one plant; every sum is text with a unit ("20.5kWh")."""

    chart = raw("chartData")
    # Quirk: for mix this is the only trustworthy import, battery charging included; the other sums are wrong.
    grid_import_today = number("etouser", "kWh", m.GRID_IMPORT_ENERGY_TODAY)
    battery_discharged_total = number("echargeToat", "kWh")


class DashboardPoint(Payload):
    """One point of the portal's day, in kW.

    Its other two series tell one direction each of what goes both ways, at the grid and at the battery.
    """

    pv_power = number("ppv", "kW", m.PV_POWER)
    load_power = number("sysOut", "kW", m.LOAD_POWER)


# Quirk: the names of two series lie (growattServer): userLoad is the export, pacToUser what the battery gives.
DASHBOARD_BARS = {
    "ppv": "pv_energy",
    "sysOut": "load_energy",
    "userLoad": "grid_export_energy",
    "pacToUser": "battery_discharge_energy",
}


class GrowattWriteResult(Payload):
    """The cloud's word that an order was taken; whether the device obeyed is another matter."""

    success = flag("success")
    message = text("msg")

    @property
    def accepted(self) -> bool:
        """Whether the answer says yes; Noahs say it by another member than all others."""
        return self.success is True or self.body.get("result") in (1, "1")


# Form part ← member of plant_settings. Every part must be sent or the server errors.
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
    """Return the form that would leave a plant's settings as they are."""
    missing = [member for member in PLANT_FORM.values() if member is not None and member not in settings]
    if missing:
        raise Unreadable(f"the plant's settings lack {', '.join(missing)}, and the form must be sent whole")
    return {part: "0" if member is None else settings[member] for part, member in PLANT_FORM.items()}
