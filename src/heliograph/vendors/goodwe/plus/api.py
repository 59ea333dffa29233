"""Every call of SEMS+ Web we use, declared once.

The vendor publishes no description; paths and fields are those of the web page and of working public clients,
collected in docs/clouds/goodwe.md. Reads are GET with a query, lists and statistics POST with JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from heliograph.core.endpoint import Fields, FlowGenerator, command, composite, query
from heliograph.core.payload import list_of
from heliograph.vendors.goodwe.plus import payloads as said
from heliograph.vendors.goodwe.plus.signing import encode_password

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.vendors.goodwe.legacy.charts_api import DayLike

PLUS_PAGE_SIZE = 15
"""Plants per page, as the web page asks for."""

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

    @query(
        "POST", "sems-user/api/v1/auth/cross-login", said.PlusLogin, encoding="json", result_path="data", is_login=True
    )
    def plus_login(self, username: str, password: str, chinese: bool = False) -> Fields:
        """auth/cross-login: open a session; clients made with credentials do it by themselves."""
        # Quirk: without the three flags the answer is success and holds no token (Home Assistant integration, 193).
        return {
            "account": username,
            "pwd": encode_password(password),
            "agreement": 1,
            "isChinese": chinese,
            "isLocal": chinese,
        }

    # Plants

    @query("POST", "sems-plant/api/portal/stations/page", said.StationPage, encoding="json", result_path="data")
    def plus_stations_page(self, page: int = 1) -> Fields:
        """portal/stations/page: one page of the account's plants."""
        return {"current": page, "size": PLUS_PAGE_SIZE}

    @query("POST", "sems-plant/api/app/v2/stations/page", said.StationPage, encoding="json", result_path="data")
    def plus_app_stations_page(self, page: int = 1) -> Fields:
        """app/v2/stations/page: one page of the account's plants, as the app asks for it."""
        return {"current": page, "size": 100}

    @composite
    def plus_stations(self) -> FlowGenerator[tuple[said.Station, ...]]:
        """All plants of the account with their power and today's energy, page by page until the last."""
        found: dict[str, said.Station] = {}
        page = 1
        while True:
            answer: said.StationPage = yield SemsPlusCalls.plus_stations_page.flow(page)
            new = {row.id: row for row in answer.stations if row.id and row.id not in found}
            found |= new
            # A server that ignores the page number would otherwise be asked for ever.
            if len(answer.stations) < PLUS_PAGE_SIZE or not new:
                return tuple(found.values())
            page += 1

    @query("POST", "sems-plant/api/portal/stations/basic/info", said.StationInfo, encoding="query", result_path="data")
    def plus_station_info(self, plant_id: str) -> Fields:
        """stations/basic/info: name, size and place of one plant."""
        return {"stationId": plant_id}

    @query("GET", "sems-plant/api/stations/flow", said.PlusFlow, result_path="data")
    def plus_flow(self, plant_id: str) -> Fields:
        """stations/flow: who feeds whom in one plant, now."""
        return {"stationId": plant_id}

    @query("POST", "sems-plant/api/stations/statistics", said.PlusStatistics, encoding="json", result_path="data")
    def plus_statistics(
        self,
        plant_id: str,
        start: DayLike,
        end: DayLike | None = None,
        dimension: Dimension = "day",
        items: list[str] | None = None,
    ) -> Fields:
        """stations/statistics: energies of one plant by day, month or year, from a day to a day, both included."""
        return _statistics(plant_id, start, end, dimension, items or [*ENERGY_ITEMS])

    @query("POST", "sems-plant/api/stations/production", said.Production, encoding="json", result_path="data")
    def plus_production(
        self,
        plant_id: str,
        start: DayLike,
        end: DayLike | None = None,
        dimension: Dimension = "day",
        items: list[str] | None = None,
    ) -> Fields:
        """stations/production: totals, profit and currency of one plant from a day to a day."""
        return _statistics(plant_id, start, end, dimension, items or [*ENERGY_ITEMS, *PROFIT_ITEMS])

    @query(
        "POST", "sems-plant/api/v1/hems/power/statisticsAndPreV2", said.PowerCurves, encoding="json", result_path="data"
    )
    def plus_power_curves(
        self, plant_id: str, day: DayLike, hours_ahead: float, items: list[str] | None = None
    ) -> Fields:
        """power/statisticsAndPreV2: a day's curves; `hours_ahead` is the plant's offset from UTC."""
        return {
            "stationId": plant_id,
            "items": items or list(POWER_ITEMS),
            "timeScale": 1,
            "timeZone": int(hours_ahead) if hours_ahead == int(hours_ahead) else hours_ahead,
            "startTime": f"{day} 00:00:00",
            "endTime": f"{day} 23:59:59",
        }

    # Devices

    @query("GET", "sems-plant/api/stations/device/all-status", said.Inventory, result_path="data")
    def plus_devices(self, plant_id: str) -> Fields:
        """device/all-status: every device of one plant by kind and state."""
        return {"stationId": plant_id}

    @query("GET", "sems-plant/api/equipments/{sn}/telemetry", said.Telemetry, result_path="data")
    def plus_telemetry(self, serial_num: str, plant_id: str, device_type: str = "INVERTER") -> Fields:
        """equipments/…/telemetry: what one device measures now."""
        return {"sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query("GET", "sems-plant/api/equipments/{sn}/telecounting", said.Telecounting, result_path="data")
    def plus_telecounting(self, serial_num: str, plant_id: str, device_type: str = "INVERTER") -> Fields:
        """equipments/…/telecounting: what one device has counted today and in its life."""
        return {"sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query("GET", "sems-plant/api/equipments/{sn}/information", said.EquipmentInformation, result_path="data")
    def plus_equipment_information(self, serial_num: str, plant_id: str, device_type: str = "INVERTER") -> Fields:
        """equipments/…/information: model and firmware of one device."""
        return {"sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query("GET", "sems-plant/api/equipments/{serial}/relatedDevices", list_of(said.RelatedDevice), result_path="data")
    def plus_related_devices(
        self, serial_num: str, plant_id: str, device_type: str = "ENERGY_STORAGE_INTEGRATED_CABINET"
    ) -> Fields:
        """equipments/…/relatedDevices: the batteries behind one hybrid inverter."""
        # Quirk: the serial stands in the path and once more in the query.
        return {"serial": serial_num, "sn": serial_num, "deviceType": device_type, "pwId": plant_id}

    @query("GET", "sems-alarm/api/alarm/count", said.any_json, result_path="data")
    def plus_alarm_count(self) -> Fields:
        """alarm/count: how many alarms stand, a number or an object of numbers."""
        return {}

    @query("POST", "sems-remote/api/ev-charger/detail", said.EvCharger, encoding="json", result_path="data")
    def plus_ev_charger(self, serial_num: str, product_model: str) -> Fields:
        """ev-charger/detail: how one charger is set."""
        return {"sn": serial_num, "productModel": product_model}

    @query("GET", "sems-plant/api/v1/chargePile/getLastCharge", said.LastEvCharge, result_path="data")
    def plus_last_charge(self, serial_num: str, plant_id: str) -> Fields:
        """chargePile/getLastCharge: the last charge of one charger with its curve."""
        return {"chargeSn": serial_num, "pwId": plant_id}

    # Settings

    @query(
        "POST", "sems-remote/api/v2/address/remote/getTopTreeByCode", said.any_json, encoding="json", result_path="data"
    )
    def plus_capabilities(self, serial_num: str, menu_code: int = 0, battery: str = "") -> Fields:
        """remote/getTopTreeByCode: what can be set on one device."""
        return {"sn": serial_num, "menuCode": menu_code, "batIndex": battery}

    @query(
        "POST",
        "sems-remote/api/v2/address/remote/getDeviceFunctionTabMenus",
        said.any_json,
        encoding="json",
        result_path="data",
    )
    def plus_function_menus(self, serial_num: str, menu_id: str) -> Fields:
        """remote/getDeviceFunctionTabMenus: the settings of one menu with address, function id and range."""
        return {"sn": serial_num, "menuId": menu_id}

    @query(
        "POST",
        "sems-remote/api/v1/address/remote/get-cache-device-function-parameters",
        said.any_json,
        encoding="json",
        result_path="data",
    )
    def plus_cached_parameters(self, serial_num: str, addresses: list[str], function_ids: Mapping[str, str]) -> Fields:
        """remote/get-cache-device-function-parameters: settings of one device by address, as the cloud knows them."""
        return {"sn": serial_num, "addresses": addresses, "addrFuncMap": dict(function_ids)}

    @command(
        "POST", "sems-remote/api/v1/address/remote/setDeviceFunctionParameters", said.PlusCommandResult, encoding="json"
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
        """remote/setDeviceFunctionParameters: write settings by address; the device may take 90 s to answer."""
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
        raise ValueError(f"statistics are by day, month or year, not by {dimension!r}")
    return {
        "stationId": plant_id,
        "isReport": False,
        "items": items,
        "dimension": dimension,
        "startTime": f"{start} 00:00:00",
        "endTime": f"{end or start} 23:59:59",
    }
