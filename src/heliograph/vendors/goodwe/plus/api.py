"""API calls of SEMS+ Web, declared once each.

The API is undocumented; paths and fields are those of the web page and of working public clients,
collected in docs/clouds/goodwe.md. Reads are GET with a query, lists and statistics POST with JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from heliograph.core.endpoint import Fields, FlowGenerator, command, composite, query
from heliograph.core.http import MAX_PAGES, endless_list_error
from heliograph.core.payload import list_of
from heliograph.vendors.goodwe.calls import json_query
from heliograph.vendors.goodwe.plus import payloads
from heliograph.vendors.goodwe.plus.signing import encode_password

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.vendors.goodwe.legacy.charts_api import DayLike

PLUS_PAGE_SIZE = 15
"""Plants per page, as requested by the web page."""

ENERGY_ITEMS = (
    "proConsumStats",
    "proGridStats",
    "proPurchaseStats",
    "proSelfConsumStats",
    "proDischarStats",
    "proCharStats",
    "proSystemTotalStats",
)
POWER_ITEMS = ("pSystem", "soc", "pBat", "pConsum", "pGrid")

PROFIT_ITEMS = ("profitGridStats", "profitProStats")
Dimension = Literal["day", "month", "year"]


class SemsPlusCalls:
    """The calls of one SEMS+ account."""

    @json_query("sems-user/api/v1/auth/cross-login", payloads.PlusLogin, is_login=True)
    def plus_login(self, username: str, password: str, chinese: bool = False) -> Fields:
        """auth/cross-login: log in; clients with credentials do this automatically."""
        # Quirk: without the three flags the response is success without a token (Home Assistant integration, 193).
        return {
            "account": username,
            "pwd": encode_password(password),
            "agreement": 1,
            "isChinese": chinese,
            "isLocal": chinese,
        }

    # Plants

    @json_query("sems-plant/api/portal/stations/page", payloads.StationPage)
    def plus_stations_page(self, page: int = 1) -> Fields:
        """portal/stations/page: one page of the account's plants."""
        return {"current": page, "size": PLUS_PAGE_SIZE}

    @json_query("sems-plant/api/app/v2/stations/page", payloads.StationPage)
    def plus_app_stations_page(self, page: int = 1) -> Fields:
        """app/v2/stations/page: one page of the account's plants, as requested by the app."""
        return {"current": page, "size": 100}

    @composite
    def plus_stations(self) -> FlowGenerator[tuple[payloads.Station, ...]]:
        """All plants of the account with their power and today's energy, page by page until the last."""
        stations: dict[str, payloads.Station] = {}
        for page in range(1, MAX_PAGES + 1):
            answer: payloads.StationPage = yield SemsPlusCalls.plus_stations_page.flow(page)
            new = {row.id: row for row in answer.stations if row.id and row.id not in stations}
            stations |= new
            # Stops the loop if the server ignores the page number.
            if len(answer.stations) < PLUS_PAGE_SIZE or not new:
                return tuple(stations.values())
        raise endless_list_error("goodwe", "plus_stations")

    @query(
        "POST", "sems-plant/api/portal/stations/basic/info", payloads.StationInfo, encoding="query", result_path="data"
    )
    def plus_station_info(self, plant_id: str) -> Fields:
        """stations/basic/info: name, size and location of one plant."""
        return {"stationId": plant_id}

    @query("GET", "sems-plant/api/stations/flow", payloads.PlusFlow, result_path="data")
    def plus_flow(self, plant_id: str) -> Fields:
        """stations/flow: current power flow of one plant."""
        return {"stationId": plant_id}

    @json_query("sems-plant/api/stations/statistics", payloads.PlusStatistics)
    def plus_statistics(
        self,
        plant_id: str,
        start: DayLike,
        end: DayLike | None = None,
        dimension: Dimension = "day",
        items: list[str] | None = None,
    ) -> Fields:
        """stations/statistics: energies of one plant by day, month or year, from `start` to `end` inclusive."""
        return _statistics(plant_id, start, end, dimension, items or [*ENERGY_ITEMS])

    @json_query("sems-plant/api/stations/production", payloads.Production)
    def plus_production(
        self,
        plant_id: str,
        start: DayLike,
        end: DayLike | None = None,
        dimension: Dimension = "day",
        items: list[str] | None = None,
    ) -> Fields:
        """stations/production: totals, profit and currency of one plant from `start` to `end` inclusive."""
        return _statistics(plant_id, start, end, dimension, items or [*ENERGY_ITEMS, *PROFIT_ITEMS])

    @json_query("sems-plant/api/v1/hems/power/statisticsAndPreV2", payloads.PowerCurves)
    def plus_power_curves(
        self, plant_id: str, day: DayLike, hours_ahead: float, items: list[str] | None = None
    ) -> Fields:
        """power/statisticsAndPreV2: power curves of one day; `hours_ahead` is the plant's UTC offset."""
        return {
            "stationId": plant_id,
            "items": items or list(POWER_ITEMS),
            "timeScale": 1,
            "timeZone": int(hours_ahead) if hours_ahead == int(hours_ahead) else hours_ahead,
            "startTime": f"{day} 00:00:00",
            "endTime": f"{day} 23:59:59",
        }

    # Devices

    @query("GET", "sems-plant/api/stations/device/all-status", payloads.Inventory, result_path="data")
    def plus_devices(self, plant_id: str) -> Fields:
        """device/all-status: all devices of one plant by type and status."""
        return {"stationId": plant_id}

    @query("GET", "sems-plant/api/equipments/{sn}/telemetry", payloads.Telemetry, result_path="data")
    def plus_telemetry(self, serial_num: str, plant_id: str, device_type: str = "INVERTER") -> Fields:
        """equipments/…/telemetry: current measurements of one device."""
        return {"sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query("GET", "sems-plant/api/equipments/{sn}/telecounting", payloads.Telecounting, result_path="data")
    def plus_telecounting(self, serial_num: str, plant_id: str, device_type: str = "INVERTER") -> Fields:
        """equipments/…/telecounting: daily and lifetime counters of one device."""
        return {"sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query("GET", "sems-plant/api/equipments/{sn}/information", payloads.EquipmentInformation, result_path="data")
    def plus_equipment_information(self, serial_num: str, plant_id: str, device_type: str = "INVERTER") -> Fields:
        """equipments/…/information: model and firmware of one device."""
        return {"sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query(
        "GET", "sems-plant/api/equipments/{serial}/relatedDevices", list_of(payloads.RelatedDevice), result_path="data"
    )
    def plus_related_devices(
        self, serial_num: str, plant_id: str, device_type: str = "ENERGY_STORAGE_INTEGRATED_CABINET"
    ) -> Fields:
        """equipments/…/relatedDevices: the batteries behind one hybrid inverter."""
        # Quirk: the serial number is in the path and again in the query.
        return {"serial": serial_num, "sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query("GET", "sems-alarm/api/alarm/count", payloads.any_json, result_path="data")
    def plus_alarm_count(self) -> Fields:
        """alarm/count: number of active alarms, a number or an object of numbers."""
        return {}

    @json_query("sems-alarm/api/v2/alarm/page", payloads.PlusAlarmPage)
    def plus_alarm_page(self, plant_id: str, page: int = 1) -> Fields:
        """alarm/page: one page of the fault log of one plant, also of what is over."""
        return {"pageIndex": page, "pageSize": 50, "stationIds": [plant_id]}

    @json_query("sems-remote/api/ev-charger/detail", payloads.EvCharger)
    def plus_ev_charger(self, serial_num: str, product_model: str) -> Fields:
        """ev-charger/detail: settings of one charger."""
        return {"sn": serial_num, "productModel": product_model}

    @query("GET", "sems-plant/api/v1/chargePile/getLastCharge", payloads.LastEvCharge, result_path="data")
    def plus_last_charge(self, serial_num: str, plant_id: str) -> Fields:
        """chargePile/getLastCharge: last charging session of one charger with its curve."""
        return {"chargeSn": serial_num, "pwId": plant_id}

    # Settings

    @json_query("sems-remote/api/v2/address/remote/getTopTreeByCode", payloads.any_json)
    def plus_capabilities(self, serial_num: str, menu_code: int = 0, battery: str = "") -> Fields:
        """remote/getTopTreeByCode: settings menus of one device."""
        return {"sn": serial_num, "menuCode": menu_code, "batIndex": battery}

    @json_query("sems-remote/api/v2/address/remote/getDeviceFunctionTabMenus", payloads.any_json)
    def plus_function_menus(self, serial_num: str, menu_id: str) -> Fields:
        """remote/getDeviceFunctionTabMenus: the settings of one menu with address, function id and range."""
        return {"sn": serial_num, "menuId": menu_id}

    @json_query("sems-remote/api/v1/address/remote/get-cache-device-function-parameters", payloads.any_json)
    def plus_cached_parameters(self, serial_num: str, addresses: list[str], function_ids: Mapping[str, str]) -> Fields:
        """remote/get-cache-device-function-parameters: settings of one device by address, as cached by the cloud."""
        return {"sn": serial_num, "addresses": addresses, "addrFuncMap": dict(function_ids)}

    @command(
        "POST",
        "sems-remote/api/v1/address/remote/setDeviceFunctionParameters",
        payloads.PlusCommandResult,
        encoding="json",
    )
    def set_device_parameters(
        self,
        serial_num: str,
        plant_id: str,
        values: Mapping[str, Any],
        function_ids: Mapping[str, str],
        log: Mapping[str, str],
        device_name: str = "Inverter",
    ) -> Fields:
        """remote/setDeviceFunctionParameters: write settings by address; the device may take 90 s to respond."""
        return {
            "sn": serial_num,
            "addressMap": dict(values),
            "addrFuncMap": dict(function_ids),
            "controlItemLogs": dict(log),
            "waitingForDevice": True,
            "plantId": plant_id,
            "deviceName": device_name,
            "virtualSn": serial_num,
        }


def _statistics(plant_id: str, start: DayLike, end: DayLike | None, dimension: str, items: list[str]) -> Fields:
    if dimension not in {"day", "month", "year"}:
        raise ValueError(f"dimension must be day, month or year; got {dimension!r}")
    return {
        "stationId": plant_id,
        "isReport": False,
        "items": items,
        "dimension": dimension,
        "startTime": f"{start} 00:00:00",
        "endTime": f"{end or start} 23:59:59",
    }
