"""Meters of the emulated token API: a datalogger of a commercial inverter has one; environment sensors are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt.context import DEVICE_TYPES, GrowattDevice
from heliograph.emulator.clouds.growatt.formatting import tenth, timestamp
from heliograph.emulator.clouds.growatt.openapi.context import METERED, OPENAPI_ROUTER, OpenApiCall, OpenApiFailure
from heliograph.emulator.clouds.growatt.openapi.measurements import Measurement, java_calendar
from heliograph.vendors.growatt.openapi.api import OpenApiCalls

if TYPE_CHECKING:
    from datetime import datetime

_ADDRESS = "1"


def _device(call: OpenApiCall) -> GrowattDevice | None:
    """Return the metered device of the requested datalogger, None without a meter."""
    logger = call.arguments.get("datalog_sn", "")
    plant = next((plant for plant in call.account.plants if f"LOG{plant.id}" == logger), None)
    if plant is None:
        raise OpenApiFailure(10003, "error_datalog_not_found")
    return call.main_device(plant) if DEVICE_TYPES[plant.family] in METERED else None


def _meter(call: OpenApiCall, no_meter: int) -> GrowattDevice:
    device = _device(call)
    if device is None or call.arguments.get("address") != _ADDRESS:
        raise OpenApiFailure(no_meter, "error_no_meter")
    return device


@OPENAPI_ROUTER.route(OpenApiCalls.v1_meter_list)
def meter_list(call: OpenApiCall) -> dict[str, Any]:
    """Meters of a datalogger."""
    device, logger = _device(call), call.arguments["datalog_sn"]
    row = {"address": _ADDRESS, "datalog_sn": logger, "device_name": "SDM_THREE", "device_type": "134", "lost": "0"}
    meters = [] if device is None else [{**row, "raillog": "0", "lastUpdateTime": timestamp(device.local_time)}]
    return {"count": len(meters), "datalogger_sn": logger, "meters": meters}


def _bean(device: GrowattDevice, at: datetime) -> dict[str, Any]:
    measurement = Measurement(device, at)
    flow, total = measurement.powers, measurement.total
    power = tenth(flow.grid_import - flow.grid_export)
    return {
        "activeEnergy": tenth(total.grid_import),
        "activePower": power,
        "addr": 1,
        "apparentPower": abs(power),
        "calendar": java_calendar(measurement.local_time),
        "dataLogSn": f"LOG{device.plant.id}",
        "powerFactor": 1.0,
        "reactiveEnergy": 0.0,
        "reactivePower": 0.0,
        "reverseActiveTotalEnergy": tenth(total.grid_export),
        "timeText": timestamp(measurement.local_time),
    }


@OPENAPI_ROUTER.route(OpenApiCalls.v1_meter_last_data)
def meter_last_data(call: OpenApiCall) -> dict[str, Any]:
    """Newest measurements of a meter. Positive power is import; the cloud's direction is not documented."""
    device = _meter(call, 10004)
    return _bean(device, device.uploaded_at)


@OPENAPI_ROUTER.route(OpenApiCalls.v1_meter_history)
def meter_history(call: OpenApiCall) -> dict[str, Any]:
    """Measurements of a meter, newest first."""
    device = _meter(call, 10006)
    days = call.days_asked(device.now.date(), 10003, 10004)
    rows = [_bean(device, at) for day in days for at, _ in reversed(device.samples(day))]
    return {"count": len(rows), "datalogger_sn": call.arguments["datalog_sn"], "meter_data": call.page(rows)}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_sensor_list)
def sensor_list(call: OpenApiCall) -> dict[str, Any]:
    """Environment sensors of a datalogger: none."""
    _device(call)
    return {"count": 0, "datalogger_sn": call.arguments["datalog_sn"], "envs": []}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_sensor_last_data, OpenApiCalls.v1_sensor_history)
def sensor_data(call: OpenApiCall) -> None:
    """Measurements of a sensor that does not exist."""
    _device(call)
    raise OpenApiFailure(10003 if call.name == "v1_sensor_last_data" else 10005, "error_no_sensor")
