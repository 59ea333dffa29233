"""Declarations of the calls of Growatt's web portal, all of them reads.

Source: the requests of the npm package growatt 0.7.7 and public captures, collected in docs/clouds/growatt-portal.md.
Its demo and shared-plant logins are left out because they replace the account's session, and so are its requests to
devices (`tcpSet.do`, `ftp.do`): settings are read and written through the app's API.
"""

from __future__ import annotations

from datetime import date, datetime
from hashlib import md5
from typing import Literal

from heliograph.core.endpoint import Fields, FlowGenerator, composite, query
from heliograph.core.http import MAX_PAGES, endless_list_error
from heliograph.vendors.growatt.portal import payloads

PortalFamily = Literal["inv", "tlx", "max", "mix", "spa", "storage", "hps", "noah"]
DayLike = date | str

_HISTORY = {
    "inv": ("Inverter", "invSn"),
    "tlx": ("TLX", "tlxSn"),
    "max": ("MAX", "maxSn"),
    "mix": ("MIX", "mixSn"),
    "spa": ("SPA", "spaSn"),
    "storage": ("Storage", "storageSn"),
    "hps": ("HPS", "hpsSn"),
    "noah": ("Noah", "deviceSn"),
}
"""The family in the path of a history call, and the name of its serial number."""


def _day(value: DayLike) -> str:
    if isinstance(value, str):
        return date.fromisoformat(value).isoformat()
    return (value.date() if isinstance(value, datetime) else value).isoformat()


def parse_login(answer: object) -> None:
    """Return nothing: the session is in the cookies of the response."""


class PortalCalls:
    """The calls of the web portal."""

    @query("POST", "login", parse_login, is_login=True)
    def portal_login(self, username: str, password: str) -> Fields:
        """Open a session of the web portal; clients created with credentials log in automatically."""
        # Quirk: the portal takes the plain MD5, without the "c" that the app writes for some zeros, and an empty
        # `password` (npm growatt 0.7.7 and a second public client of the portal).
        digest = md5(password.encode(), usedforsecurity=False).hexdigest()
        return {"account": username, "password": "", "validateCode": "", "isReadPact": 0, "passwordCrc": digest}

    # Plants

    @query("POST", "index/getPlantListTitle", payloads.parse_plants)
    def portal_plants(self) -> Fields:
        """Id, name and UTC offset of all plants; no power."""
        return {}

    @query("POST", "panel/getPlantData", payloads.PortalPlantData)
    def portal_plant(self, plant_id: str) -> Fields:
        """Size, location, money and lifetime energy of one plant."""
        return {"plantId": plant_id}

    @query("POST", "index/getWeatherByPlantId", payloads.PortalData)
    def portal_weather(self, plant_id: str) -> Fields:
        """Current weather at one plant."""
        return {"plantId": plant_id}

    @query("POST", "log/getNewPlantFaultLog", payloads.PortalPage)
    def portal_alarms(self, plant_id: str, period: str = "", serial: str = "", page: int = 1) -> Fields:
        """One page of the alarms of a plant, of one device if given, in a day, month or year, or of all ("")."""
        unit = 4 - len(period.split("-")) if period else 4
        return {"plantId": plant_id, "date": period, "deviceSn": serial, "toPageNum": page, "type": unit}

    # Devices

    @query("POST", "panel/getDevicesByPlantList", payloads.PortalDevicePage)
    def portal_device_page(self, plant_id: str, page: int = 1) -> Fields:
        """One page of the devices of a plant, with power, energies, state and time of the data."""
        return {"plantId": plant_id, "currPage": page}

    @composite
    def portal_devices(self, plant_id: str) -> FlowGenerator[tuple[payloads.PortalDevice, ...]]:
        """All devices of a plant, page by page until the last."""
        found: dict[str, payloads.PortalDevice] = {}
        for number in range(1, MAX_PAGES + 1):
            page: payloads.PortalDevicePage = yield PortalCalls.portal_device_page.flow(plant_id, number)
            new = {row.id: row for row in page.devices if row.id and row.id not in found}
            found |= new
            if number >= (page.pages or 1) or not new:
                return tuple(found.values())
        raise endless_list_error("growatt", "portal_devices")

    @query("POST", "panel/getDevicesByPlant", payloads.PortalData)
    def portal_devices_by_family(self, plant_id: str) -> Fields:
        """Serial number and name of the devices of a plant, by family."""
        return {"plantId": plant_id}

    @query("POST", "device/getDatalogList", payloads.PortalPage)
    def portal_dataloggers(self, plant_id: str, page: int = 1) -> Fields:
        """One page of the dataloggers of a plant."""
        return {"datalogSn": "", "plantId": plant_id, "currPage": page}

    # Current powers

    @query("POST", "panel/mix/getMIXStatusData", payloads.PortalHybridStatus)
    def portal_mix_status(self, plant_id: str, serial: str) -> Fields:
        """Current powers of one hybrid inverter, in kW."""
        return {"plantId": plant_id, "mixSn": serial}

    @query("POST", "panel/spa/getSPAStatusData", payloads.PortalHybridStatus)
    def portal_spa_status(self, plant_id: str, serial: str) -> Fields:
        """Current powers of one AC-coupled battery inverter, in kW; the app reports none of them."""
        return {"plantId": plant_id, "spaSn": serial}

    @query("POST", "panel/storage/getStorageStatusData", payloads.PortalStorageStatus)
    def portal_storage_status(self, plant_id: str, serial: str) -> Fields:
        """Current powers of one off-grid storage inverter, in W."""
        return {"plantId": plant_id, "storageSn": serial}

    @query("POST", "panel/tlx/getTLXStatusData_bdc", payloads.PortalTlxStatus)
    def portal_tlx_status(self, plant_id: str, serial: str) -> Fields:
        """Current powers of one TLX device with a battery, in W."""
        return {"plantId": plant_id, "tlxSn": serial}

    @query("POST", "panel/hps/getHPSStatusData", payloads.PortalData)
    def portal_hps_status(self, plant_id: str, serial: str) -> Fields:
        """Current powers of one HPS; no response has been published."""
        return {"plantId": plant_id, "hpsSn": serial}

    @query("POST", "panel/singleBackflow/getSingleBackflowStatusData", payloads.PortalData)
    def portal_meter_status(self, plant_id: str, datalogger: str, address: str) -> Fields:
        """Current powers of one export limiter with one meter; no response has been published."""
        return {"plantId": plant_id, "datalogSn": datalogger, "addr": address}

    @query("POST", "panel/multipleBackflow/getMultipleBackflowStatusData", payloads.PortalData)
    def portal_meters_status(self, plant_id: str, serial: str) -> Fields:
        """Current powers of one export limiter with several meters; no response has been published."""
        return {"plantId": plant_id, "ammerSn": serial}

    # Energies

    @query("POST", "panel/mix/getMIXTotalData", payloads.PortalMixTotals)
    def portal_mix_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime energies of one hybrid inverter."""
        return {"plantId": plant_id, "mixSn": serial}

    @query("POST", "panel/spa/getSPATotalData", payloads.PortalSpaTotals)
    def portal_spa_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime energies of one AC-coupled battery inverter."""
        return {"plantId": plant_id, "spaSn": serial}

    @query("POST", "panel/storage/getStorageTotalData", payloads.PortalStorageTotals)
    def portal_storage_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime energies of one off-grid storage inverter."""
        return {"plantId": plant_id, "storageSn": serial}

    @query("POST", "panel/tlx/getTLXTotalData", payloads.PortalInverterTotals)
    def portal_tlx_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime yield of one TLX device."""
        return {"plantId": plant_id, "tlxSn": serial}

    @query("POST", "panel/inv/getInvTotalData", payloads.PortalInverterTotals)
    def portal_inverter_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime yield of one classic inverter."""
        return {"plantId": plant_id, "invSn": serial}

    @query("POST", "panel/max/getMAXTotalData", payloads.PortalInverterTotals)
    def portal_max_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime yield of one MAX."""
        return {"plantId": plant_id, "maxSn": serial}

    @query("POST", "panel/hps/getHPSTotalData", payloads.PortalData)
    def portal_hps_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime energies of one HPS; no response has been published."""
        return {"plantId": plant_id, "hpsSn": serial}

    @query("POST", "device/getPlantTotalData", payloads.PortalData)
    def portal_noah_totals(self, plant_id: str, serial: str) -> Fields:
        """Today's and lifetime energies of the plant of one Noah; no response has been published."""
        return {"plantId": plant_id, "deviceSn": serial}

    @query("POST", "panel/singleBackflow/getSingleBackflowTotalData", payloads.PortalData)
    def portal_meter_totals(self, plant_id: str, datalogger: str, address: str, inverter_id: str) -> Fields:
        """Energies of one export limiter with one meter; no response has been published."""
        return {"plantId": plant_id, "datalogSn": datalogger, "addr": address, "invId": inverter_id}

    @query("POST", "panel/multipleBackflow/getMultipleBackflowTotalData", payloads.PortalData)
    def portal_meters_totals(self, plant_id: str, serial: str) -> Fields:
        """Energies of one export limiter with several meters; no response has been published."""
        return {"plantId": plant_id, "ammerSn": serial}

    # Measurements of past days

    @query("POST", "device/get{Family}History", payloads.PortalPage)
    def portal_history(self, family: PortalFamily, serial: str, start: DayLike, end: DayLike, skip: int = 0) -> Fields:
        """At most 80 measurements of one device between two days, newest first, after skipping `skip` of them."""
        # Quirk: 80 rows whatever the period is; further ones need another `start` (ioBroker.growatt issue 32).
        if family not in _HISTORY:
            raise ValueError(f"the family must be one of {', '.join(_HISTORY)}, not {family!r}")
        name, key = _HISTORY[family]
        return {"Family": name, key: serial, "startDate": _day(start), "endDate": _day(end), "start": skip}
