"""Declarations of all calls of the ShinePhone password API, under the names growattServer introduced.

Sources: the growattServer package and its documentation, and docs/clouds/growatt.md. Ids are text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.endpoint import Fields, FlowGenerator, command, composite, query, without_none
from heliograph.core.http import MAX_PAGES, endless_list_error
from heliograph.vendors.growatt.charts_api import GrowattCharts
from heliograph.vendors.growatt.noah_api import NoahCalls
from heliograph.vendors.growatt.params import (
    Day,
    SentAt,
    TimeOfDay,
    Timespan,
    format_day,
    format_time,
    hash_password,
    numbered,
    parse_timespan,
)
from heliograph.vendors.growatt.payloads import devices as dev
from heliograph.vendors.growatt.payloads import plants

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_SIZE = 15


class GrowattCalls(GrowattCharts, NoahCalls):
    """The calls of one Growatt account."""

    @query("POST", "newTwoLoginAPI.do", plants.GrowattLogin, result_path="back", is_login=True)
    def login(self, username: str, password: str, is_password_hashed: bool = False) -> Fields:
        """Open a session; clients created with credentials log in automatically."""
        return {"userName": username, "password": password if is_password_hashed else hash_password(password)}

    @query("POST", "newTwoLoginAPIV2.do", plants.GrowattLogin, result_path="back", is_login=True)
    def app_login(self, username: str, password: str, is_password_hashed: bool = False) -> Fields:
        """Open a session as the current app does; used where the server no longer has `login`."""
        # Quirk: without the members about the phone the answer is 501, the code of a wrong password
        # (Sjord/growatt_api_client issue 38); which phone it is does not matter.
        return {
            "userName": username,
            "password": password if is_password_hashed else hash_password(password),
            "newLogin": "1",
            "phoneType": "android",
            "shinephoneVersion": "8.4.9.0",
            "phoneSn": "heliograph",
            "phoneModel": "heliograph",
            "systemVersion": "12",
            "language": "1",
            "appType": "ShinePhone",
            "loginTime": SentAt("text"),
            "timestamp": SentAt("check"),
        }

    # Plants

    @query("GET", "PlantListAPI.do", plants.PlantList, result_path="back")
    def plant_list(self, user_id: str | int | None = None) -> Fields:
        """All plants with today's and lifetime energy; default: the plants of the logged-in user."""
        return {"userId": plants.CURRENT_USER if user_id is None else user_id}

    @query("POST", "newTwoPlantAPI.do", plants.LISTED_PLANTS, result_path="PlantList", op="getAllPlantListTwo")
    def plant_list_page(self, page: int = 1) -> Fields:
        """One page of at most 15 plants in the newer, longer form."""
        return {
            "language": "1",
            "nominalPower": "",
            "order": "1",
            "pageSize": str(PAGE_SIZE),
            "plantName": "",
            "plantStatus": "",
            "toPageNum": str(page),
        }

    @composite
    def plant_list_two(self) -> FlowGenerator[tuple[plants.ListedGrowattPlant, ...]]:
        """All plants in the newer, longer form, page by page until the last."""
        found: tuple[plants.ListedGrowattPlant, ...] = ()
        for number in range(1, MAX_PAGES + 1):
            # Quirk: the page size is fixed; a client that requests one page never sees plant 16.
            page: tuple[plants.ListedGrowattPlant, ...] = yield GrowattCalls.plant_list_page.flow(number)
            if page and page[0] in found:  # a cloud that repeats a page would never end
                return found
            found = (*found, *page)
            if len(page) != PAGE_SIZE:
                return found
        raise endless_list_error("growatt", "plant_list_two")

    @query("GET", "PlantDetailAPI.do", plants.GrowattPlantDetail, result_path="back")
    def plant_detail(self, plant_id: str, timespan: Timespan | int, date: Day = None) -> Fields:
        """Energy of one plant per day of a month (`day`) or per month of a year (`month`)."""
        span = parse_timespan(timespan)
        return {"plantId": plant_id, "type": span.value, "date": format_day(date, plant_id, span)}

    @query("GET", "newTwoPlantAPI.do", plants.PlantInfo, op="getAllDeviceListTwo")
    def plant_info(self, plant_id: str) -> Fields:
        """Headline figures of one plant and its devices by class."""
        # Quirk: pageSize=1 does not cut the lists off.
        return {"plantId": plant_id, "pageNum": 1, "pageSize": 1}

    @query("GET", "newTwoPlantAPI.do", plants.PlantInfo, op="getAllDeviceList")
    def all_devices(self, plant_id: str) -> Fields:
        """The older device list, which includes devices missing from the `deviceList` of `plant_info`."""
        return {"plantId": plant_id, "language": 1}

    @composite
    def device_list(self, plant_id: str) -> FlowGenerator[tuple[plants.DeviceRow, ...]]:
        """All devices of one plant."""
        info = yield GrowattCalls.plant_info.flow(plant_id)
        if not info.devices:
            info = yield GrowattCalls.all_devices.flow(plant_id)
        devices: tuple[plants.DeviceRow, ...] = info.devices
        return devices

    @composite
    def inverter_list(self, plant_id: str) -> FlowGenerator[tuple[plants.DeviceRow, ...]]:
        """Old name of `device_list`."""
        devices: tuple[plants.DeviceRow, ...] = yield GrowattCalls.device_list.flow(plant_id)
        return devices

    @query("GET", "newPlantAPI.do", plants.PlantSettings, op="getPlant")
    def plant_settings(self, plant_id: str) -> Fields:
        """Name, location, time zone, size and prices of one plant."""
        return {"plantId": plant_id}

    get_plant_settings = plant_settings.alias("get_plant_settings")

    @query("POST", "newTwoPlantAPI.do", plants.PlantEnergy, op="getUserCenterEnertyDataByPlantid")
    def plant_energy_data(self, plant_id: str) -> Fields:
        """Energy and power of one plant of any device family; the yearly energy is always 0."""
        return {"language": 1, "plantId": plant_id}

    @query("POST", "newPlantAPI.do", plants.Dashboard, encoding="query", action="getEnergyStorageData")
    def dashboard_data(self, plant_id: str, timespan: Timespan | int = Timespan.hour, date: Day = None) -> Fields:
        """The portal's chart of one plant with a mix or storage device; most of its sums are wrong for mix."""
        span = parse_timespan(timespan)
        return {"date": format_day(date, plant_id, span), "type": span.value, "plantId": plant_id}

    # Classic inverters

    @query("GET", "newInverterAPI.do", dev.PowerCurve, op="getInverterData")
    def inverter_data(self, inverter_id: str, date: Day = None) -> Fields:
        """The power curve of one classic inverter on one day."""
        return {"id": inverter_id, "type": 1, "date": format_day(date)}

    @query("GET", "newInverterAPI.do", dev.InverterDetail, op="getInverterDetailData")
    def inverter_detail(self, inverter_id: str) -> Fields:
        """All measurements of one classic inverter; an unknown id returns zeros."""
        return {"inverterId": inverter_id}

    @query("GET", "newInverterAPI.do", dev.InverterDetailTwo, op="getInverterDetailData_two")
    def inverter_detail_two(self, inverter_id: str) -> Fields:
        """The same measurements under other names, with a list of labels and units."""
        return {"inverterId": inverter_id}

    @query("GET", "commonDeviceSetC/setInverter", dev.ClassicInverterInfo, is_html=True, type="server")
    def classic_inverter_info(self, device_sn: str) -> Fields:
        """Settings of one classic inverter, extracted from the portal's page."""
        return {"invSn": device_sn}

    # TLX: MIN, MIC, MOD, MID-XH, NEO

    @query("POST", "newTlxApi.do", dev.TlxStatus, result_path="obj", op="getSystemStatus_KW")
    def tlx_system_status(self, plant_id: str, tlx_id: str) -> Fields:
        """Live power flows of one TLX device, in kW."""
        return {"plantId": plant_id, "id": tlx_id}

    @query("POST", "newTlxApi.do", dev.TlxEnergy, result_path="obj", op="getEnergyOverview")
    def tlx_energy_overview(self, plant_id: str, tlx_id: str) -> Fields:
        """Today's and lifetime energies of one TLX device."""
        return {"plantId": plant_id, "id": tlx_id}

    @query("POST", "newTlxApi.do", dev.ProdCons, result_path="obj", op="getEnergyProdAndCons_KW")
    def tlx_energy_prod_cons(
        self, plant_id: str, tlx_id: str, timespan: Timespan | int = Timespan.hour, date: Day = None
    ) -> Fields:
        """Production and consumption of one TLX device over a day, month or year."""
        span = parse_timespan(timespan)
        return {
            "date": format_day(date, plant_id, span),
            "plantId": plant_id,
            "language": "1",
            "id": tlx_id,
            "type": span.value,
        }

    @query("GET", "newTlxApi.do", dev.PowerCurve, op="getTlxData")
    def tlx_data(self, tlx_id: str, date: Day = None) -> Fields:
        """The power curve of one TLX device on one day."""
        return {"id": tlx_id, "type": 1, "date": format_day(date)}

    @query("GET", "newTlxApi.do", dev.TlxDetail, op="getTlxDetailData")
    def tlx_detail(self, tlx_id: str) -> Fields:
        """All measurements of one TLX device, in W and kWh; a sleeping or unknown device returns zeros."""
        return {"id": tlx_id}

    @query("GET", "newTlxApi.do", dev.TlxParams, op="getTlxParams")
    def tlx_params(self, tlx_id: str) -> Fields:
        """Model, firmware and state of one TLX device."""
        return {"id": tlx_id}

    @query("POST", "newTlxApi.do", dev.GrowattDeviceSettings, result_path="obj.tlxSetBean", op="getTlxSetData")
    def tlx_all_settings(self, tlx_id: str) -> Fields:
        """All settings of one TLX device; "-1" marks a setting the device does not have."""
        return {"serialNum": tlx_id}

    tlx_get_all_settings = tlx_all_settings.alias("tlx_get_all_settings")

    @query("POST", "newLoginAPI.do", dev.EnabledSettings, result_path="obj", op="getSetPass")
    def tlx_enabled_settings(self, tlx_id: str) -> Fields:
        """The settings the app offers for one TLX device."""
        return {"deviceSn": tlx_id, "stringTime": format_day(None), "type": "5"}

    tlx_get_enabled_settings = tlx_enabled_settings.alias("tlx_get_enabled_settings")

    @query("POST", "newTlxApi.do", dev.TlxBattery, result_path="obj", op="getBatInfo")
    def tlx_battery_info(self, serial_num: str) -> Fields:
        """Whether a battery pack is connected; if `lost` is true, its values are outdated."""
        return {"lan": 1, "serialNum": serial_num}

    @query("POST", "newTlxApi.do", dev.TlxBatteryDetail, op="getBatDetailData")
    def tlx_battery_info_detailed(self, plant_id: str | None = None, serial_num: str | None = None) -> Fields:
        """State of a battery pack; called with `(serial_num)` or `(plant_id, serial_num)`."""
        if serial_num is None:
            plant_id, serial_num = None, plant_id
        if serial_num is None:
            raise ValueError("serial_num is required: the battery's serial number")
        return {"lan": 1} | without_none(plantId=plant_id) | {"id": serial_num}

    # Mix: SPH hybrids

    @query("GET", "newMixApi.do", dev.MixInfo, result_path="obj", op="getMixInfo")
    def mix_info(self, mix_id: str, plant_id: str | None = None) -> Fields:
        """Battery and solar headline figures of one hybrid inverter."""
        return {"mixId": mix_id} | without_none(plantId=plant_id or None)

    @query("POST", "newMixApi.do", dev.MixTotals, encoding="query", result_path="obj", op="getEnergyOverview")
    def mix_totals(self, mix_id: str, plant_id: str) -> Fields:
        """Today's and lifetime energies of one hybrid inverter."""
        return {"mixId": mix_id, "plantId": plant_id}

    @query("POST", "newMixApi.do", dev.MixStatus, encoding="query", result_path="obj", op="getSystemStatus_KW")
    def mix_system_status(self, mix_id: str, plant_id: str) -> Fields:
        """Live power flows of one hybrid inverter, in kW except its two PV strings (W)."""
        return {"mixId": mix_id, "plantId": plant_id}

    @query("POST", "newMixApi.do", dev.ProdCons, encoding="query", result_path="obj", op="getEnergyProdAndCons_KW")
    def mix_detail(
        self, mix_id: str, plant_id: str, timespan: Timespan | int = Timespan.hour, date: Day = None
    ) -> Fields:
        """Production and consumption of one hybrid inverter over a day, month or year."""
        span = parse_timespan(timespan)
        return {"plantId": plant_id, "mixId": mix_id, "type": span.value, "date": format_day(date, plant_id, span)}

    @query("GET", "newMixApi.do", dev.GrowattDeviceSettings, op="getMixSetParams")
    def get_mix_inverter_settings(self, serial_number: str) -> Fields:
        """All settings of one hybrid inverter."""
        return {"serialNum": serial_number, "kind": 0}

    # SPA: AC-coupled batteries

    @query("GET", "newSpaApi.do", dev.GrowattDeviceSettings, result_path="obj", op="getSpaSetParams")
    def spa_settings(self, spa_id: str) -> Fields:
        """All settings of one AC-coupled battery inverter; no response has been published."""
        return {"spaId": spa_id, "kind": 0}

    # Storage: SPF off-grid

    @query("GET", "newStorageAPI.do", dev.StorageDetail, op="getStorageInfo_sacolar")
    def storage_detail(self, storage_id: str) -> Fields:
        """Live values of one storage inverter."""
        return {"storageId": storage_id}

    @query("GET", "newStorageAPI.do", dev.StorageParams, op="getStorageParams_sacolar")
    def storage_params(self, storage_id: str) -> Fields:
        """Live values and settings of one storage inverter, as two objects that disagree."""
        return {"storageId": storage_id}

    @query(
        "POST",
        "newStorageAPI.do",
        dev.StorageEnergy,
        encoding="query",
        result_path="obj",
        op="getEnergyOverviewData_sacolar",
    )
    def storage_energy_overview(self, plant_id: str, storage_id: str) -> Fields:
        """Today's and lifetime energies of one storage inverter."""
        return {"plantId": plant_id, "storageSn": storage_id}

    # Commands. Each is sent once, and only by a client with `allow_commands`.

    @command("POST", "newTwoPlantAPI.do", plants.GrowattWriteResult, encoding="multipart", op="updatePlant")
    def send_plant_settings(self, form: Mapping[str, Any]) -> Fields:
        """The complete settings form of one plant."""
        return {name: str(value) for name, value in form.items()}

    @composite
    def update_plant_settings(
        self,
        plant_id: str,
        changed_settings: Mapping[str, Any],
        current_settings: Mapping[str, Any] | plants.PlantSettings | None = None,
    ) -> FlowGenerator[plants.GrowattWriteResult]:
        """Change settings of one plant by form field name; the other fields are sent unchanged."""
        current: Any = current_settings or (yield GrowattCalls.plant_settings.flow(plant_id))
        form = plants.settings_form(getattr(current, "raw", current)) | dict(changed_settings)
        written: plants.GrowattWriteResult = yield GrowattCalls.send_plant_settings.flow(form)
        return written

    @command("POST", "newTcpsetAPI.do", plants.GrowattWriteResult, encoding="query")
    def update_inverter_setting(
        self,
        serial_number: str,
        setting_type: str,
        default_parameters: Mapping[str, Any],
        parameters: Mapping[str, Any] | list[Any],
    ) -> Fields:
        """Any setting, with all arguments given by the caller; the mappings carry serial number and type."""
        return {**default_parameters, **numbered(parameters)}

    @command("POST", "newTcpsetAPI.do", plants.GrowattWriteResult, encoding="query", op="mixSetApiNew")
    def update_mix_inverter_setting(
        self, serial_number: str, setting_type: str, parameters: Mapping[str, Any] | list[Any]
    ) -> Fields:
        """One setting of a hybrid inverter; all positions are required."""
        return {"serialNum": serial_number, "type": setting_type, **numbered(parameters)}

    @command("POST", "newTcpsetAPI.do", plants.GrowattWriteResult, encoding="query", op="spaSetApi")
    def update_ac_inverter_setting(
        self, serial_number: str, setting_type: str, parameters: Mapping[str, Any] | list[Any]
    ) -> Fields:
        """One setting of an AC-coupled battery inverter; all positions are required."""
        return {"serialNum": serial_number, "type": setting_type, **numbered(parameters)}

    @command("POST", "newTcpsetAPI.do", plants.GrowattWriteResult, encoding="query", op="tlxSet")
    def update_tlx_inverter_setting(
        self,
        serial_number: str,
        setting_type: str,
        parameter: Mapping[str, Any] | list[Any] | str | float,
    ) -> Fields:
        """One setting of a TLX device; a single value becomes the first parameter."""
        parameters = parameter if isinstance(parameter, dict | list) else [parameter]
        return {"serialNum": serial_number, "type": setting_type, **numbered(parameters)}

    @command("POST", "newTcpsetAPI.do", plants.GrowattWriteResult, op="tlxSet")
    def update_tlx_inverter_time_segment(
        self,
        serial_number: str,
        segment_id: int,
        batt_mode: int,
        start_time: TimeOfDay,
        end_time: TimeOfDay,
        enabled: bool,
    ) -> Fields:
        """One time segment (1-9) of a TLX device: 0 load first, 1 battery first, 2 grid first."""
        (start_hour, start_minute), (end_hour, end_minute) = format_time(start_time), format_time(end_time)
        return {
            "serialNum": serial_number,
            "type": f"time_segment{segment_id}",
            "param1": batt_mode,
            "param2": start_hour,
            "param3": start_minute,
            "param4": end_hour,
            "param5": end_minute,
            "param6": "1" if enabled else "0",
        }

    @command("POST", "tcpSet.do", plants.GrowattWriteResult, encoding="query")
    def update_classic_inverter_setting(
        self, default_parameters: Mapping[str, Any], parameters: Mapping[str, Any] | list[Any]
    ) -> Fields:
        """Any setting of a classic inverter, with all arguments given by the caller."""
        return {**default_parameters, **numbered(parameters)}

    @command("POST", "tcpSet.do", plants.GrowattWriteResult, encoding="query", action="inverterSet")
    def set_classic_inverter_active_power_rate(self, serial_number: str, rate: int) -> Fields:
        """Limit a classic inverter to a percentage of its power, 0-100 %."""
        return {"serialNum": serial_number, "paramId": "pv_active_p_rate", "command_1": rate, "command_2": ""}

    @command("POST", "tcpSet.do", plants.GrowattWriteResult, encoding="query", action="inverterSet")
    def set_classic_inverter_on_off(self, serial_number: str, enabled: bool) -> Fields:
        """Switch a classic inverter on or off."""
        state = "0001" if enabled else "0000"
        return {"serialNum": serial_number, "paramId": "pv_on_off", "command_1": state, "command_2": ""}
