"""Declarations of the calls of Growatt's token API, generations V1 and V4, and of the families they know.

Sources: the vendor's pages and public clients, collected in docs/clouds/growatt.md. Calls that change users, plants
or dataloggers are left out on purpose. V1 names device families in the path, V4 by `deviceType`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from heliograph.core.endpoint import Fields, FlowGenerator, command, composite, query
from heliograph.core.http import endless_list_error
from heliograph.vendors.growatt.openapi import payloads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE_SIZE, MAX_PAGES = 100, 250
"""Rows of a page and pages of a list, at most."""
MAX_SERIALS = 100
"""Devices in one call, at most."""

Family = Literal["tlx", "mix", "spa", "max", "storage", "pcs", "hps", "pbd", "boost"]
"""A device family in the path of V1; MIN, MIC, MOD and NEO are "tlx", SPH is "mix"."""
DeviceType = Literal["inv", "storage", "max", "sph", "spa", "min", "wit", "sph-s", "noah"]
"""A device family of V4."""
TimeUnit = Literal["day", "month", "year"]
ReadModel = Literal["Inverter", "Storage", "Max", "Mix", "Spa", "Min"]
WriteFamily = Literal["tlx", "max", "mix", "spa", "storage"]
DayLike = date | str


def _day(value: DayLike) -> str:
    """Return a day as the API writes it."""
    if isinstance(value, str):
        return date.fromisoformat(value).isoformat()
    return (value.date() if isinstance(value, datetime) else value).isoformat()


def _serials(values: Sequence[str]) -> str:
    if isinstance(values, str):
        return values
    if not 0 < len(values) <= MAX_SERIALS:
        raise ValueError(f"one call takes 1 to {MAX_SERIALS} devices, not {len(values)}")
    return ",".join(values)


class OpenApiV1Calls:
    """The calls of V1."""

    @query("GET", "v1/plant/list", payloads.OpenApiPlantPage)
    def v1_plant_list(self, page: int = 1, per_page: int = PAGE_SIZE) -> Fields:
        """One page of the plants of the token, with power (W) and lifetime energy. Ten calls a day."""
        return {"page": page, "perpage": per_page}

    @query("POST", "v1/plant/user_plant_list", payloads.OpenApiPlantPage)
    def v1_user_plant_list(self, user_name: str, page: int = 1, per_page: int = PAGE_SIZE) -> Fields:
        """One page of the plants of one of the token's users."""
        return {"user_name": user_name, "page": page, "perpage": per_page}

    @composite
    def v1_plants(self) -> FlowGenerator[tuple[payloads.OpenApiPlant, ...]]:
        """All plants of the token, page by page until the last."""
        found: dict[str, payloads.OpenApiPlant] = {}
        for number in range(1, MAX_PAGES + 1):
            page: payloads.OpenApiPlantPage = yield OpenApiV1Calls.v1_plant_list.flow(number)
            new = {row.id: row for row in page.plants if row.id and row.id not in found}
            found |= new
            if len(page.plants) < PAGE_SIZE or not new:
                return tuple(found.values())
        raise endless_list_error("growatt", "v1_plants")

    @query("GET", "v1/plant/details", payloads.OpenApiPlantDetails)
    def v1_plant_details(self, plant_id: str) -> Fields:
        """Time zone, size, currency and address of one plant."""
        return {"plant_id": plant_id}

    @query("GET", "v1/plant/data", payloads.OpenApiPlantData)
    def v1_plant_data(self, plant_id: str) -> Fields:
        """Yield of one plant today, this month, this year and in total; its power is unusable."""
        return {"plant_id": plant_id}

    @query("GET", "v1/plant/power", payloads.OpenApiPlantPower)
    def v1_plant_power(self, plant_id: str, day: DayLike) -> Fields:
        """AC output of one plant over a day, in 5-minute steps."""
        return {"plant_id": plant_id, "date": _day(day)}

    @query("GET", "v1/plant/energy", payloads.OpenApiPlantEnergy)
    def v1_plant_energy(
        self, plant_id: str, start: DayLike, end: DayLike, time_unit: TimeUnit = "day", page: int = 1
    ) -> Fields:
        """Yield of at most 7 days, of the months of two years, or of 20 years."""
        fields = {"plant_id": plant_id, "start_date": _day(start), "end_date": _day(end), "time_unit": time_unit}
        return {**fields, "page": page, "perpage": PAGE_SIZE}

    @query("POST", "v1/plant/sn_plant", payloads.OpenApiPlant, result_path="plant")
    def v1_plant_of_device(self, serial: str) -> Fields:
        """The plant of one device."""
        return {"device_sn": serial}

    # Devices

    @query("GET", "v1/device/list", payloads.DevicePage)
    def v1_device_list(self, plant_id: str, page: int = 1, per_page: int = PAGE_SIZE) -> Fields:
        """One page of the devices of a plant: serial number, type, datalogger, and whether it is online."""
        return {"plant_id": plant_id, "page": page, "perpage": per_page}

    @query("GET", "v1/device/check/sn", payloads.DeviceModel)
    def v1_check_serial(self, serial: str) -> Fields:
        """Trade name and rated power of a device or datalogger."""
        return {"dataloggerSn": serial}

    @query("POST", "v1/device/sn_datalog", payloads.OpenApiData)
    def v1_datalogger_of_device(self, serial: str) -> Fields:
        """The datalogger of one device."""
        return {"device_sn": serial}

    @query("GET", "v1/device/datalogger/list", payloads.OpenApiData)
    def v1_dataloggers(self, plant_id: str, page: int = 1, per_page: int = PAGE_SIZE) -> Fields:
        """One page of the dataloggers of a plant."""
        return {"plant_id": plant_id, "page": page, "perpage": per_page}

    @query("GET", "v1/device/{family}/{family}_data_info", payloads.OpenApiData)
    def v1_device_info(self, family: Family, serial: str) -> Fields:
        """Identity, firmware and settings of one device; its powers here are zeros."""
        return {"family": family, "device_sn": serial}

    @query("GET", "v1/device/tlx/tlx_set_info", payloads.OpenApiData)
    def v1_min_settings(self, serial: str) -> Fields:
        """Settings of one MIN device."""
        return {"device_sn": serial}

    @query("POST", "v1/device/{family}/{family}_last_data", payloads.OpenApiData)
    def v1_last_data(self, family: Family, serial: str) -> Fields:
        """Newest measurements of one device: all powers (W), state of charge and energies (kWh)."""
        return {"family": family, f"{family}_sn": serial}

    @query("POST", "v1/device/{family}/{family}s_data", payloads.OpenApiBatch)
    def v1_batch_data(self, family: Literal["tlx", "mix", "spa", "max", "boost"], serials: Sequence[str]) -> Fields:
        """Newest measurements of at most 100 devices of one family."""
        return {"family": family, f"{family}s": _serials(serials), "pageNum": 1}

    @query("POST", "v1/device/{family}/{family}_data", payloads.DataPage)
    def v1_history(self, family: Family, serial: str, start: DayLike, end: DayLike, page: int = 1) -> Fields:
        """One page of the measurements of one device over at most 7 days; the cloud stores about 95 days."""
        dates = {"start_date": _day(start), "end_date": _day(end)}
        return {"family": family, f"{family}_sn": serial, **dates, "page": page, "perpage": PAGE_SIZE}

    @query("POST", "v1/device/{family}/alarm_data", payloads.AlarmPage)
    def v1_alarms(self, family: Family, serial: str, day: DayLike, page: int = 1) -> Fields:
        """Alarms of one device on one day."""
        fields = {"family": family, f"{family}_sn": serial, "date": _day(day)}
        return {**fields, "page": page, "perpage": PAGE_SIZE}

    # Classic inverters, whose calls have other names

    @query("GET", "v1/device/inverter/inv_data_info", payloads.OpenApiData)
    def v1_inverter_info(self, serial: str) -> Fields:
        """Identity, firmware and settings of one classic inverter."""
        return {"device_sn": serial}

    @query("GET", "v1/device/inverter/last_new_data", payloads.OpenApiData)
    def v1_inverter_last_data(self, serial: str) -> Fields:
        """Newest measurements of one classic inverter."""
        return {"device_sn": serial}

    @query("POST", "v1/device/inverter/invs_data", payloads.OpenApiBatch)
    def v1_inverter_batch_data(self, serials: Sequence[str]) -> Fields:
        """Newest measurements of at most 100 classic inverters."""
        return {"inverters": _serials(serials), "pageNum": 1}

    @query("GET", "v1/device/inverter/data", payloads.DataPage)
    def v1_inverter_history(self, serial: str, start: DayLike, end: DayLike, page: int = 1) -> Fields:
        """One page of the measurements of one classic inverter over at most 7 days, with snake_case names."""
        dates = {"start_date": _day(start), "end_date": _day(end)}
        return {"device_sn": serial, **dates, "page": page, "perpage": PAGE_SIZE}

    @query("GET", "v1/device/inverter/alarm", payloads.AlarmPage)
    def v1_inverter_alarms(self, serial: str, day: DayLike, page: int = 1) -> Fields:
        """Alarms of one classic inverter on one day."""
        return {"device_sn": serial, "date": _day(day), "page": page, "perpage": PAGE_SIZE}

    @query("GET", "v1/device/inverter/day_energy", payloads.parse_energy)
    def v1_inverter_day_energy(self, serial: str, day: DayLike) -> Fields:
        """Energy of one classic inverter on one day in kWh."""
        return {"device_sn": serial, "date": _day(day)}

    # Meters and sensors

    @query("GET", "v1/device/ammeter/meter_list", payloads.OpenApiData)
    def v1_meter_list(self, datalogger: str) -> Fields:
        """Meters of one datalogger."""
        return {"datalog_sn": datalogger}

    @query("GET", "v1/device/ammeter/meter_last_data", payloads.OpenApiData)
    def v1_meter_last_data(self, datalogger: str, address: int | str) -> Fields:
        """Newest measurements of one meter."""
        return {"datalog_sn": datalogger, "address": address}

    @query("GET", "v1/device/ammeter/meter_data", payloads.OpenApiData)
    def v1_meter_history(self, datalogger: str, address: int | str, start: DayLike, end: DayLike) -> Fields:
        """Measurements of one meter over at most 7 days."""
        return {"datalog_sn": datalogger, "address": address, "start_date": _day(start), "end_date": _day(end)}

    @query("GET", "v1/device/env/env_list", payloads.OpenApiData)
    def v1_sensor_list(self, datalogger: str) -> Fields:
        """Environment sensors of one datalogger."""
        return {"datalog_sn": datalogger}

    @query("GET", "v1/device/env/env_last_data", payloads.OpenApiData)
    def v1_sensor_last_data(self, datalogger: str, address: int | str) -> Fields:
        """Newest measurements of one environment sensor."""
        return {"datalog_sn": datalogger, "address": address}

    @query("GET", "v1/device/env/env_data", payloads.OpenApiData)
    def v1_sensor_history(self, datalogger: str, address: int | str, start: DayLike, end: DayLike) -> Fields:
        """Measurements of one environment sensor over at most 7 days."""
        return {"datalog_sn": datalogger, "address": address, "start_date": _day(start), "end_date": _day(end)}

    # Parameters

    @query("POST", "v1/read{Model}Param", payloads.parse_value)
    def v1_read_parameter(self, model: ReadModel, serial: str, parameter: str, start: int = 0, end: int = 0) -> Fields:
        """One parameter of a device by name, or registers `start` to `end` with "set_any_reg", as text."""
        return {"Model": model, "device_sn": serial, "paramId": parameter, "startAddr": start, "endAddr": end}

    @command("POST", "v1/inverterSet", payloads.parse_nothing)
    def v1_write_inverter_parameter(self, serial: str, parameter: str, first: object, second: object = "") -> Fields:
        """Write one parameter of a classic inverter."""
        return {"device_sn": serial, "paramId": parameter, "command_1": str(first), "command_2": str(second)}

    @command("POST", "v1/{family}Set", payloads.parse_nothing)
    def v1_write_parameter(
        self, family: WriteFamily, serial: str, parameter: str, values: Sequence[object] = ()
    ) -> Fields:
        """Write one parameter of a device; all values are sent, unused ones as empty texts."""
        count = {"tlx": 19, "max": 19, "mix": 18, "spa": 18, "storage": 4}[family]
        if len(values) > count:
            raise ValueError(f"{family}Set takes at most {count} values, not {len(values)}")
        texts = [*(str(value) for value in values), *[""] * (count - len(values))]
        numbered = {f"param{number}": text for number, text in enumerate(texts, 1)}
        return {"family": family, f"{family}_sn": serial, "type": parameter, **numbered}

    @query("POST", "v1/device/vpp/getSocData", payloads.OpenApiData)
    def v1_vpp_state_of_charge(self, serial: str) -> Fields:
        """State of charge of one VPP device in %."""
        return {"vppSn": serial}

    @command("POST", "v1/vppRemoteSetNew", payloads.parse_nothing)
    def v1_vpp_set_power(self, serial: str, minutes: int, percentage: int) -> Fields:
        """Charge (positive) or discharge a VPP device at a percentage of its power for some minutes."""
        return {"vppSn": serial, "time": minutes, "percentage": percentage}

    @command("POST", "v1/vppSetNew", payloads.parse_nothing)
    def v1_vpp_set_periods(self, serial: str, periods: str) -> Fields:
        """Set the periods of a VPP device, as the JSON text of the vendor's page."""
        return {"vppSn": serial, "timePeriods": periods}


class OpenApiV4Calls:
    """The calls of V4, the "new API"; all are POST, and a device is named by serial number and type."""

    @query("POST", "v4/new-api/queryDeviceList", payloads.V4DevicePage)
    def v4_device_list(self, page: int = 1) -> Fields:
        """One page of all devices of the token; only these may be read."""
        return {"page": page}

    @composite
    def v4_devices(self) -> FlowGenerator[tuple[payloads.V4Device, ...]]:
        """All devices of the token, page by page until the last."""
        found: dict[str, payloads.V4Device] = {}
        for number in range(1, MAX_PAGES + 1):
            page: payloads.V4DevicePage = yield OpenApiV4Calls.v4_device_list.flow(number)
            new = {row.id: row for row in page.devices if row.id and row.id not in found}
            found |= new
            if page.is_last or not new:
                return tuple(found.values())
        raise endless_list_error("growatt", "v4_devices")

    @query("POST", "v4/new-api/queryDeviceInfo", payloads.parse_device_lists)
    def v4_device_info(self, serials: Sequence[str], device_type: DeviceType) -> Fields:
        """Identity and settings of at most 100 devices."""
        return _devices(serials, device_type)

    @query("POST", "v4/new-api/queryLastData", payloads.parse_device_lists)
    def v4_last_data(self, serials: Sequence[str], device_type: DeviceType) -> Fields:
        """Newest measurements of at most 100 devices; those the token may not read are left out."""
        return _devices(serials, device_type)

    @query("POST", "v4/new-api/queryHistoricalData", payloads.V4History)
    def v4_history(self, serial: str, device_type: DeviceType, day: DayLike) -> Fields:
        """All measurements of one device on one day; the cloud stores about 95 days."""
        return {**_devices(serial, device_type), "date": _day(day)}

    @query("POST", "v4/new-api/queryDevicesHistoricalData", payloads.OpenApiData)
    def v4_histories(self, serials: Sequence[str], device_type: DeviceType, day: DayLike) -> Fields:
        """All measurements of several devices on one day."""
        return {**_devices(serials, device_type), "date": _day(day)}

    @query("POST", "v4/new-api/queryDfcData", payloads.parse_value)
    def v4_high_frequency_data(self, serial: str, device_type: DeviceType) -> Fields:
        """High-frequency data; None for every device seen so far."""
        return _devices(serial, device_type)

    @query("POST", "v4/new-api/queryDeviceInfoParam", payloads.parse_value)
    def v4_device_parameters(self, serial: str, device_type: DeviceType) -> Fields:
        """Further facts of one device, such as its batteries."""
        return _devices(serial, device_type)

    @query("POST", "v4/new-api/readPower", payloads.parse_value)
    def v4_read_power(self, serial: str, device_type: DeviceType) -> Fields:
        """Limit of the active power: % of the rated power, W for NOAH."""
        return _devices(serial, device_type)

    @query("POST", "v4/new-api/getWiFiSignalByDevice", payloads.parse_value)
    def v4_signal(self, serial: str, device_type: DeviceType) -> Fields:
        """Signal strength of the datalogger."""
        return _devices(serial, device_type)

    @query("POST", "v4/new-api/readVppParameter", payloads.parse_value)
    def v4_read_vpp(self, serial: str, device_type: DeviceType, parameter: str) -> Fields:
        """One VPP parameter, such as "set_param_1"."""
        return {**_devices(serial, device_type), "setType": parameter}

    @command("POST", "v4/new-api/setOnOrOff", payloads.parse_nothing)
    def v4_set_on_off(self, serial: str, device_type: DeviceType, on: bool) -> Fields:
        """Switch a device on or off; not for NOAH."""
        return {**_devices(serial, device_type), "value": int(on)}

    @command("POST", "v4/new-api/setPower", payloads.parse_nothing)
    def v4_set_power(self, serial: str, device_type: DeviceType, value: int) -> Fields:
        """Limit the active power: 0 to 100 %, 0 to 800 W for NOAH."""
        return {**_devices(serial, device_type), "value": value}

    @command("POST", "v4/new-api/setHighLimitSoc", payloads.parse_nothing)
    def v4_set_high_soc_limit(self, serial: str, device_type: DeviceType, value: int) -> Fields:
        """Stop charging a NOAH at a state of charge in %."""
        return {**_devices(serial, device_type), "value": value}

    @command("POST", "v4/new-api/setLowLimitSoc", payloads.parse_nothing)
    def v4_set_low_soc_limit(self, serial: str, device_type: DeviceType, value: int) -> Fields:
        """Stop discharging a NOAH at a state of charge in %."""
        return {**_devices(serial, device_type), "value": value}

    @command("POST", "v4/new-api/setTimeSegment", payloads.parse_nothing)
    def v4_set_time_segment(self, serial: str, device_type: DeviceType, segment: Mapping[str, object]) -> Fields:
        """Set one of the nine time segments of a NOAH: type, startTime, endTime, mode, power, enable."""
        return {**_devices(serial, device_type), **segment}

    @command("POST", "v4/new-api/setGridCharge", payloads.parse_nothing)
    def v4_set_grid_charge(self, serial: str, device_type: DeviceType, on: bool) -> Fields:
        """Allow charging from the grid, for NOAH and NEXA."""
        return {**_devices(serial, device_type), "value": int(on)}

    @command("POST", "v4/new-api/setOffGrid", payloads.parse_nothing)
    def v4_set_off_grid(self, serial: str, device_type: DeviceType, on: bool) -> Fields:
        """Switch the off-grid socket, for NOAH and NEXA."""
        return {**_devices(serial, device_type), "value": int(on)}

    @command("POST", "v4/new-api/setDevice", payloads.parse_nothing)
    def v4_set_device(self, serial: str, device_type: DeviceType, value: str) -> Fields:
        """Set the inverter paired with a NOAH, as the JSON text of the vendor's page."""
        return {**_devices(serial, device_type), "value": value}

    @command("POST", "v4/new-api/setVppParameter", payloads.parse_nothing)
    def v4_set_vpp(self, serial: str, device_type: DeviceType, parameter: str, value: object) -> Fields:
        """Write one VPP parameter."""
        return {**_devices(serial, device_type), "setType": parameter, "value": str(value)}

    @command("POST", "v4/new-api/setNewVppParameter", payloads.parse_nothing)
    def v4_set_new_vpp(self, serial: str, device_type: DeviceType, parameter: str, value: object) -> Fields:
        """Write one VPP parameter of the newer list."""
        return {**_devices(serial, device_type), "setType": parameter, "value": str(value)}

    @command("POST", "v4/new-api/removeVppTimePeriod", payloads.parse_nothing)
    def v4_remove_vpp_periods(self, serial: str, device_type: DeviceType, parameter: str) -> Fields:
        """Remove the VPP periods before new ones are set."""
        return {**_devices(serial, device_type), "setType": parameter}


def _devices(serials: Sequence[str], device_type: str) -> Fields:
    return {"deviceSn": _serials(serials), "deviceType": device_type}


class OpenApiCalls(OpenApiV1Calls, OpenApiV4Calls):
    """All calls of the token API."""
