"""The control API: request log, faults, clock, and the true values of a plant."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.emulator.api import EmulatedResponse
from heliograph.emulator.context import apply_due_events
from heliograph.emulator.request import BadRequest, parse_json_object
from heliograph.errors import ConfigError
from heliograph.model import Device, DeviceSnapshot, Plant, Status, combine

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.emulator.api import EmulatedRequest
    from heliograph.emulator.state import EmulatorState

PREFIX = "control/"
_FASTEST = 1_000_000.0


class _NotFound(Exception):
    """The requested resource does not exist."""


def handle(emulator: EmulatorState, request: EmulatedRequest, body: bytes) -> EmulatedResponse:
    """Return the response to one control request."""
    routes = _ROUTES.get(request.path.removeprefix(PREFIX).strip("/"))
    if routes is None:
        return _json({"error": f"unknown path; available: {', '.join(PREFIX + name for name in _ROUTES)}"}, 404)
    function = routes.get(request.verb)
    if function is None:
        return _json({"error": f"use {' or '.join(routes)}"}, 405)
    try:
        return _json(function(emulator, request, body))
    except (BadRequest, ConfigError) as error:
        return _json({"error": str(error)}, 400)
    except _NotFound as error:
        return _json({"error": str(error)}, 404)


def parse_speed(value: Any) -> float:
    """Parse the speed of the simulated clock.

    >>> parse_speed("60"), parse_speed(0)
    (60.0, 0.0)
    """
    speed = _number("speed", value)
    if not 0 <= speed <= _FASTEST:
        raise ConfigError(f"speed must be a number from 0 (frozen) to {_FASTEST:.0f}, got {value}")
    return speed


def parse_moment(value: Any) -> datetime:
    """Parse an ISO time with UTC offset; in a query string its plus sign may have become a space.

    >>> parse_moment("2026-06-21T12:00:00 02:00").isoformat()
    '2026-06-21T12:00:00+02:00'
    """
    try:
        moment = datetime.fromisoformat(value.strip().replace(" ", "+") if "T" in value else value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{value!r} is not a time like 2026-06-21T12:00:00+02:00") from error
    if moment.tzinfo is None:
        raise ConfigError(f"{value!r} has no UTC offset; write it like 2026-06-21T12:00:00+02:00")
    return moment


def _log(emulator: EmulatorState, request: EmulatedRequest, body: bytes) -> dict[str, Any]:
    newest = request.arguments.get("newest", "999999999")
    if not (newest.isascii() and newest.isdigit()):
        raise ConfigError(f"newest is a number of requests, as in ?newest=0 for the counters only, not {newest[:40]!r}")
    apply_due_events(emulator)
    return emulator.log.as_dict(int(newest[:9]))


def _faults(emulator: EmulatorState, request: EmulatedRequest, body: bytes) -> dict[str, Any]:
    return dict(emulator.faults.as_dict())


def _set_faults(emulator: EmulatorState, request: EmulatedRequest, body: bytes) -> dict[str, Any]:
    emulator.faults.set(parse_json_object(body))
    return _faults(emulator, request, body)


def _clock(emulator: EmulatorState, request: EmulatedRequest, body: bytes) -> dict[str, Any]:
    clock = emulator.world.clock
    return {"now": clock.now().isoformat(timespec="milliseconds"), "speed": clock.speed}


def _set_clock(emulator: EmulatorState, request: EmulatedRequest, body: bytes) -> dict[str, Any]:
    settings = parse_json_object(body)
    if unknown := settings.keys() - {"now", "speed", "advance"}:
        raise ConfigError(f"unknown key {', '.join(sorted(unknown))[:80]}; use now, speed or advance")
    world = emulator.world
    speed = parse_speed(settings["speed"]) if "speed" in settings else None
    moment = parse_moment(settings["now"]) if "now" in settings else None
    if "advance" in settings:
        moment = _later(moment or world.clock.now(), _number("advance", settings["advance"]))
    world.clock.set(None if moment is None else world.validate_moment(moment), speed)
    return _clock(emulator, request, body)


def _truth(emulator: EmulatorState, request: EmulatedRequest, body: bytes) -> dict[str, Any]:
    plant_id = request.arguments.get("plant", "")
    found = emulator.plant(plant_id)
    if found is None:
        raise _NotFound(f"no plant with id {plant_id[:40]!r}; the ready line lists the ids, use ?plant=ID")
    account, emulated = found
    world = emulator.world
    at = request.arguments.get("at")
    moment = world.uploaded_at() if at is None else world.validate_moment(parse_moment(at))
    plant = Plant(vendor=account.vendor, id=emulated.id, name=emulated.name, zone=world.zone)
    devices = []
    for serial, home in zip(emulated.devices, emulated.truth, strict=False):  # devices that are not simulated come last
        values = home.values(moment)
        awake = bool(values["pv_power"] or home.battery_capacity)
        devices.append(
            DeviceSnapshot(
                device=Device(vendor=account.vendor, plant=emulated.id, id=serial, family=emulated.family),
                status=Status.ONLINE if awake else Status.STANDBY,
                measured_at=moment,
                values=values,
            )
        )
    return combine(plant, devices, fetched_at=world.clock.now()).as_dict()


_ROUTES: dict[str, dict[str, Callable[[EmulatorState, EmulatedRequest, bytes], dict[str, Any]]]] = {
    "log": {"GET": _log},
    "faults": {"GET": _faults, "POST": _set_faults},
    "clock": {"GET": _clock, "POST": _set_clock},
    "truth": {"GET": _truth},
}


def _later(moment: datetime, seconds: float) -> datetime:
    try:
        return moment.astimezone(UTC) + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ConfigError(f"{seconds:g} seconds exceed the calendar") from error


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{name} must be a number, got {str(value)[:40]!r}") from error
    if isinstance(value, bool) or not math.isfinite(number):
        raise ConfigError(f"{name} must be a number, got {str(value)[:40]!r}")
    return number


def _json(document: dict[str, Any], status: int = 200) -> EmulatedResponse:
    return EmulatedResponse(json.dumps(document).encode(), status, "application/json")
