"""Devices of the emulated token API: newest measurements, history, alarms, models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt.context import DEVICE_TYPES, GrowattDevice, json_response
from heliograph.emulator.clouds.growatt.formatting import tenth, timestamp
from heliograph.emulator.clouds.growatt.openapi.context import (
    OPENAPI_ROUTER,
    V4_TYPES,
    Enveloped,
    OpenApiCall,
    OpenApiFailure,
)
from heliograph.emulator.clouds.growatt.openapi.measurements import Measurement, bean, v4_bean
from heliograph.emulator.clouds.growatt.openapi.settings import settings_bean
from heliograph.emulator.fault_log import fault_members, logged_faults
from heliograph.vendors.growatt.openapi.api import OpenApiCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from heliograph.emulator.api import EmulatedResponse

_NO_DEVICE = {"inverter": 10005, "storage": 10005, "mix": 10005, "spa": 10005, "max": 10005, "tlx": 10002}
"""Code for an unknown device, by family."""
_MODELS = {
    "tlx": (22, "MIN 4200TL-X"),
    "mix": (17, "SPH 6000"),
    "spa": (19, "SPA 3000"),
    "inverter": (16, "4200-S"),
    "max": (18, "MAX 50KTL3 LV"),
    "storage": (96, "SPF 5000ES"),
    "wit": (218, "WIT 30K-HE"),
    "sph-s": (260, "SPH 6000TL-S"),
}


def _last(device: GrowattDevice, form: Callable[[Measurement], dict[str, Any]] = bean) -> dict[str, Any]:
    # Quirk: the last row of a sleeping device stays, with the day's counters, until its first upload of the next day.
    return form(Measurement(device, device.uploaded_at))


def _envelope(content: dict[str, Any], name: str, device: GrowattDevice) -> Enveloped:
    answer = Enveloped(content)
    answer.beside = {"dataloggerSn": f"LOG{device.plant.id}", name: device.serial}
    return answer


@OPENAPI_ROUTER.route(OpenApiCalls.v1_last_data)
def last_data(call: OpenApiCall) -> Enveloped:
    """Newest measurements of one device."""
    family = call.arguments["family"]
    name = f"{family}_sn"
    device = call.readable(call.arguments.get(name, ""), family, 10002)
    return _envelope(_last(device) | fault_members(call.context), name, device)


@OPENAPI_ROUTER.route(OpenApiCalls.v1_inverter_last_data)
def inverter_last_data(call: OpenApiCall) -> Enveloped:
    """Newest measurements of one classic inverter."""
    device = call.readable(call.arguments.get("device_sn", ""), "inverter", 10005)
    return _envelope(_last(device) | fault_members(call.context), "device_sn", device)


@OPENAPI_ROUTER.route(OpenApiCalls.v1_batch_data, OpenApiCalls.v1_inverter_batch_data)
def batch_data(call: OpenApiCall) -> Enveloped:
    """Newest measurements of several devices; those of others are empty."""
    family = call.arguments.get("family", "inverter")
    name = "inverters" if family == "inverter" else f"{family}s"
    serials = call.arguments.get(name, "").split(",")
    answer = Enveloped()
    for serial in serials:
        device = call.device(serial)
        is_readable = call.context.fault("no_permission") is None
        if device is None or DEVICE_TYPES[device.plant.family] != family or not is_readable:
            answer[serial] = {}
        else:
            answer[serial] = {
                "dataloggerSn": f"LOG{device.plant.id}",
                serial: _last(device) | fault_members(call.context),
            }
    answer.beside = {"pageNum": 1, name: serials}
    return answer


def _rows(
    device: GrowattDevice, day: date, form: Callable[[Measurement], dict[str, Any]] = bean
) -> list[dict[str, Any]]:
    """Return the rows of a day, newest first; a device without battery sends none at night."""
    return [
        form(Measurement(device, at)) for at, flow in reversed(device.samples(day)) if device.has_battery or flow.pv > 0
    ]


@OPENAPI_ROUTER.route(OpenApiCalls.v1_history)
def history(call: OpenApiCall) -> Enveloped:
    """One page of the measurements of a device."""
    family = call.arguments["family"]
    name = f"{family}_sn"
    device = call.readable(call.arguments.get(name, ""), family, _NO_DEVICE.get(family, 10002))
    rows = [row for day in call.days_asked(device.now.date(), 10003, 10004) for row in _rows(device, day)]
    page = {"count": len(rows), "datas": call.page(rows), "dataloggerSn": f"LOG{device.plant.id}"}
    return _envelope({**page, "next_page_start_id": 21, name: device.serial}, name, device)


@OPENAPI_ROUTER.route(OpenApiCalls.v1_inverter_history)
def inverter_history(call: OpenApiCall) -> Enveloped:
    """One page of the measurements of a classic inverter, with names of their own."""
    device = call.readable(call.arguments.get("device_sn", ""), "inverter", 10005)
    rows = [
        {
            "fac": row["fac"],
            "power": row["pac"],
            "power_factor": -1,
            "temperature": row["temperature"],
            "time": row["time"],
            "today_energy": f"{row['powerToday']}",
            "total_energy": f"{row['powerTotal']}",
            "vac1": row["vacr"],
        }
        for day in call.days_asked(device.now.date(), 10003, 10004)
        for row in _rows(device, day)
    ]
    page = {"datas": call.page(rows), "device_sn": device.serial, "next_page_start_id": 21}
    return _envelope({**page, "count": len(rows)}, "device_sn", device)


@OPENAPI_ROUTER.route(OpenApiCalls.v1_alarms, OpenApiCalls.v1_inverter_alarms)
def alarms(call: OpenApiCall) -> dict[str, Any]:
    """Alarms of a day, as in the vendor's sample: an entry ends when it starts."""
    family = call.arguments.get("family", "inverter")
    serial = call.arguments.get("device_sn" if family == "inverter" else f"{family}_sn", "")
    device = call.readable(serial, family, 10005)
    day = call.day("date", 10003)
    rows = []
    for fault in logged_faults(call.context):
        at = "" if fault.started_at is None else timestamp(fault.started_at.astimezone(device.household.zone))
        if not at or at.startswith(f"{day}"):
            row = {"alarmCode": int(fault.code), "alarmMessage": "No AC Connection", "startTime": at, "endTime": at}
            rows.append({**row, "status": 1})
    return {"alarms": rows, "count": len(rows), f"{family}_sn": device.serial}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_inverter_day_energy)
def day_energy(call: OpenApiCall) -> EmulatedResponse:
    """Energy of a classic inverter on a day, as a bare number."""
    device = call.readable(call.arguments.get("device_sn", ""), "inverter", 10005)
    energy = tenth(device.energy(call.day("date", 10003).isoformat()).pv)
    return json_response({"data": energy, "error_code": 0, "error_msg": ""})


@OPENAPI_ROUTER.route(OpenApiCalls.v1_check_serial)
def check_serial(call: OpenApiCall) -> EmulatedResponse:
    """Trade name and size of a device, without an envelope."""
    serial = call.arguments.get("dataloggerSn", "")
    device = call.device(serial)
    if any(f"LOG{plant.id}" == serial for plant in call.account.plants):
        found = {"device_type": 0, "dtc": 0, "have_meter": False, "in_system": False, "model": "ShineWeFi"}
        return json_response({**found, "msg": "datalog", "normal_power": 0, "obj": 3, "result": 1})
    if device is None:
        return json_response({"msg": "other", "obj": 4, "result": 1, "device_type": 0, "in_system": False})
    number, model = _MODELS.get(DEVICE_TYPES[device.plant.family], (1000, "NOAH 2000"))
    found = {"device_type": number, "model": model, "normal_power": int(device.household.peak_power), "dtc": 5100}
    state = {"have_meter": device.household.has_meter, "in_system": True}
    return json_response({**found, **state, "msg": "inverter", "obj": 1, "result": 1})


@OPENAPI_ROUTER.route(OpenApiCalls.v1_datalogger_of_device)
def datalogger_of_device(call: OpenApiCall) -> dict[str, Any]:
    """The datalogger of a device."""
    device = call.device(call.arguments.get("device_sn", ""))
    if device is None:
        raise OpenApiFailure(10005, "error_device_not_found")
    return {"datalogSN": f"LOG{device.plant.id}"}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_dataloggers)
def dataloggers(call: OpenApiCall) -> dict[str, Any]:
    """The dataloggers of a plant."""
    device = call.main_device(call.require_plant(missing=10003))
    row = {"datalogger_sn": f"LOG{device.plant.id}", "lost": False, "last_update_time": timestamp(device.local_time)}
    return {"count": 1, "datalogs": [row], "peak_power_actual": {}}


# V4


def _devices(call: OpenApiCall) -> list[GrowattDevice]:
    """Return the asked devices of the asked type; others are left out silently."""
    kind = call.arguments.get("deviceType", "")
    serials = call.arguments.get("deviceSn", "").split(",")
    if kind not in V4_TYPES.values():
        raise OpenApiFailure(7, "WRONG_DEVICE_TYPE")
    if call.context.fault("no_permission") is not None:
        raise OpenApiFailure(12, "DEVICE_SN_DOES_NOT_HAVE_PERMISSION")
    found = [device for device in map(call.device, serials) if device is not None]
    return [device for device in found if V4_TYPES[DEVICE_TYPES[device.plant.family]] == kind]


@OPENAPI_ROUTER.route(OpenApiCalls.v4_last_data)
def v4_last_data(call: OpenApiCall) -> dict[str, Any]:
    """Newest measurements of several devices."""
    return {call.arguments["deviceType"]: [_last(device, v4_bean) for device in _devices(call)]}


@OPENAPI_ROUTER.route(OpenApiCalls.v4_device_info)
def v4_device_info(call: OpenApiCall) -> dict[str, Any]:
    """Identity and settings of several devices."""
    rows = []
    for device in _devices(call):
        settings = settings_bean(device)
        row = {"deviceSn": device.serial, "datalogSn": f"LOG{device.plant.id}"}
        nested = {"tlxSetbean": settings} if call.arguments["deviceType"] == "min" else settings
        rows.append({**row, "nominalPower": device.household.peak_power, **nested})
    return {call.arguments["deviceType"]: rows}


@OPENAPI_ROUTER.route(OpenApiCalls.v4_history)
def v4_history(call: OpenApiCall) -> dict[str, Any]:
    """All measurements of one device on one day."""
    devices = _devices(call)
    if not devices:
        raise OpenApiFailure(4, "DEVICE_NOT_FOUND")
    day = call.day("date", 9)
    days = call._replace(arguments={"start_date": str(day), "end_date": str(day)})
    rows = [row for asked in days.days_asked(devices[0].now.date(), 9, 9) for row in _rows(devices[0], asked, v4_bean)]
    return {"datas": rows, "endDate": str(day), "haveNext": False, "start": 0}


@OPENAPI_ROUTER.route(OpenApiCalls.v4_histories)
def v4_histories(call: OpenApiCall) -> dict[str, Any]:
    """All measurements of several devices on one day."""
    day = call.day("date", 9)
    return {device.serial: _rows(device, day, v4_bean) for device in _devices(call)}


@OPENAPI_ROUTER.route(OpenApiCalls.v4_high_frequency_data)
def v4_high_frequency_data(call: OpenApiCall) -> None:
    """Null for every device."""
    _devices(call)


@OPENAPI_ROUTER.route(OpenApiCalls.v4_device_parameters)
def v4_device_parameters(call: OpenApiCall) -> dict[str, Any]:
    """Further facts of a device: none."""
    _devices(call)
    return {"batteryList": []}


@OPENAPI_ROUTER.route(OpenApiCalls.v4_signal)
def v4_signal(call: OpenApiCall) -> int:
    """Signal strength in dBm."""
    if not _devices(call):
        raise OpenApiFailure(4, "DEVICE_NOT_FOUND")
    return -55
