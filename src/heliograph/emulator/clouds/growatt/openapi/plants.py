"""Plants and lists of the emulated token API."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt import auth
from heliograph.emulator.clouds.growatt.context import DEVICE_TYPES
from heliograph.emulator.clouds.growatt.formatting import tenth, timestamp
from heliograph.emulator.clouds.growatt.openapi.context import (
    METERED,
    OPENAPI_ROUTER,
    V1_TYPES,
    V4_TYPES,
    OpenApiCall,
    OpenApiFailure,
)
from heliograph.emulator.clouds.growatt.plants import nominal_power, plant_name
from heliograph.vendors.growatt.openapi.api import OpenApiCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedPlant

_V4_PAGE = 100
_CHINA_MIDNIGHT = 16
"""UTC hour of China's midnight."""


def _plant(call: OpenApiCall, plant: EmulatedPlant) -> dict[str, Any]:
    device = call.main_device(plant)
    return {
        "city": "",
        "country": "",
        "create_date": f"{_created(call):%Y-%m-%d}",
        "current_power": f"{device.powers.ac:.1f}",
        "image_url": None,
        "installer": "0",
        "latitude": None,
        "latitude_d": None,
        "latitude_f": None,
        "locale": "en-US",
        "longitude": None,
        "name": plant_name(plant),
        "operator": "0",
        "peak_power": nominal_power(plant) / 1000,
        "plant_id": int(plant.id),
        "status": 1,
        "total_energy": f"{device.energy_total.pv:.1f}",
        "user_id": auth.user_id(call.account),
    }


def _created(call: OpenApiCall) -> date:
    return date(call.context.now().year - 1, 1, 1)


@OPENAPI_ROUTER.route(OpenApiCalls.v1_plant_list, OpenApiCalls.v1_user_plant_list)
def plant_list(call: OpenApiCall) -> dict[str, Any]:
    """One page of the token's plants."""
    user = call.arguments.get("user_name")
    if user is not None and user != call.account.username:
        raise OpenApiFailure(10011, "error_permission_denied")
    rows = [_plant(call, plant) for plant in call.account.plants]
    return {"count": len(rows), "plants": call.page(rows)}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_plant_details)
def plant_details(call: OpenApiCall) -> dict[str, Any]:
    """Size, time zone and currency of a plant; its offset is fixed."""
    plant = call.require_plant()
    offset = datetime(2025, 1, 1, tzinfo=UTC).astimezone(plant.households[0].zone).utcoffset() or timedelta()
    return {
        "city": "",
        "country": "",
        "create_date": f"{_created(call):%Y-%m-%d}",
        "currency": "EUR",
        "dataloggers": [{"datalogger_man": f"LOG{plant.id}", "datalogger_md": None, "datalogger_num": 1}],
        "inverters": [{"inverter_man": "Growatt", "inverter_md": None, "inverter_num": 1}],
        "latitude": plant.households[0].latitude,
        "locale": "en_US",
        "longitude": plant.households[0].longitude,
        "maxs": [],
        "name": plant_name(plant),
        "peak_power": nominal_power(plant) / 1000,
        "plant_type": 0,
        "timezone": f"GMT{offset / timedelta(hours=1):+g}",
        "user_id": auth.user_id(call.account),
    }


@OPENAPI_ROUTER.route(OpenApiCalls.v1_plant_data)
def plant_data(call: OpenApiCall) -> dict[str, Any]:
    """Yield of a plant. Quirk: its power is in kW, and 0 from China's midnight on (Home Assistant issue 176023)."""
    device = call.main_device(call.require_plant())
    is_dead = device.uploaded_at.astimezone(UTC).hour >= _CHINA_MIDNIGHT
    return {
        "carbon_offset": f"{device.energy_total.pv * 0.4:.1f}",
        "current_power": 0.0 if is_dead else round(device.powers.ac / 1000, 2),
        "efficiency": "",
        "last_update_time": timestamp(device.local_time),
        "monthly_energy": tenth(device.energy(f"{device.now:%Y-%m}").pv),
        "peak_power_actual": nominal_power(device.plant) / 1000,
        "timezone": plant_details(call)["timezone"],
        "today_energy": tenth(device.energy_today.pv),
        "total_energy": tenth(device.energy_total.pv),
        "yearly_energy": tenth(device.energy(f"{device.now:%Y}").pv),
    }


@OPENAPI_ROUTER.route(OpenApiCalls.v1_plant_power)
def plant_power(call: OpenApiCall) -> dict[str, Any]:
    """AC output over a day, newest first; slots to come are null."""
    device, day = call.main_device(call.require_plant()), call.day("date", 10003)
    known = {f"{at:%Y-%m-%d %H:%M}": tenth(flow.ac) for at, flow in device.samples(day)}
    slots = [f"{day} {minute // 60:02d}:{minute % 60:02d}" for minute in range(0, 24 * 60, 5)]
    rows = [{"time": slot, "power": known.get(slot)} for slot in reversed(slots)]
    return {"count": len(rows), "powers": rows}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_plant_energy)
def plant_energy(call: OpenApiCall) -> dict[str, Any]:
    """Yield by day, month or year; zero without data."""
    device = call.main_device(call.require_plant())
    unit = call.arguments.get("time_unit", "")
    first, last = call.day("start_date", 10005), call.day("end_date", 10005)
    days = (last - first).days
    limits = {"day": days <= 7, "month": last.year - first.year <= 1, "year": last.year - first.year <= 20}
    if not limits.get(unit, False) or days < 0:
        raise OpenApiFailure(10005, "error_time_unit")
    form = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[unit]
    periods = dict.fromkeys((first + timedelta(days=offset)).strftime(form) for offset in range(days + 1))
    rows = [{"date": period, "energy": tenth(device.energy(period).pv)} for period in periods]
    return {"count": len(rows), "energys": call.page(rows), "time_unit": unit}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_plant_of_device)
def plant_of_device(call: OpenApiCall) -> dict[str, Any]:
    """The plant of a device."""
    device = call.device(call.arguments.get("device_sn", ""))
    if device is None:
        raise OpenApiFailure(10005, "error_device_not_found")
    return {"plant": _plant(call, device.plant)}


@OPENAPI_ROUTER.route(OpenApiCalls.v1_device_list)
def device_list(call: OpenApiCall) -> dict[str, Any]:
    """The devices of a plant that V1 knows."""
    plant = call.require_plant(missing=10003)
    if call.context.fault("empty_devices") is not None:
        return {"count": 1, "devices": []}
    kind = call.main_device(plant).token_type
    rows = []
    if kind in V1_TYPES:
        device = call.main_device(plant)
        rows.append(
            {
                "datalogger_sn": f"LOG{plant.id}",
                "device_id": int(plant.id) % 1000,
                "device_sn": plant.devices[0],
                "last_update_time": timestamp(device.local_time),
                "lost": device.asleep,
                "manufacturer": "Growatt",
                "model": "S23B08D00T00P0FU01M0078",
                "status": 0 if device.asleep else 1,
                "type": V1_TYPES[kind],
            }
        )
    if kind in METERED:
        # Quirk: a row of type 3 says that its datalogger has a meter (Home Assistant issue 173148).
        meter = {"device_id": "", "device_sn": "AMMETER", "model": "", "type": 3, "status": 0}
        rows.append({**rows[0], **meter})
    return {"count": len(rows), "devices": call.page(rows)}


@OPENAPI_ROUTER.route(OpenApiCalls.v4_device_list)
def all_devices(call: OpenApiCall) -> dict[str, Any]:
    """All devices of the token."""
    empty = call.context.fault("empty_devices") is not None
    rows = [
        {
            "createDate": f"{_created(call):%Y-%m-%d} 12:00:00",
            "datalogSn": f"LOG{plant.id}",
            "deviceSn": plant.devices[0],
            "deviceType": V4_TYPES[DEVICE_TYPES[plant.family]],
        }
        for plant in call.account.plants
    ]
    number = int(call.arguments.get("page", "1"))
    shown = rows[(number - 1) * _V4_PAGE : number * _V4_PAGE]
    pages = max(1, -(-len(rows) // _V4_PAGE))
    is_last = number >= pages
    page = {"lastPager": is_last, "notPager": False, "other": None, "pageSize": _V4_PAGE, "pages": pages}
    return {"count": len(rows), "data": [] if empty else shown, **page, "startCount": (number - 1) * _V4_PAGE}
