"""Context of one emulated call of the token API: token, devices and their measurements, and the vendor's intervals."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator.api import Router
from heliograph.emulator.clouds.growatt.context import UNKNOWN_FAMILY, GrowattDevice
from heliograph.vendors.growatt.openapi.api import OpenApiCalls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, RequestContext

OPENAPI_ROUTER = Router(OpenApiCalls)

V1_TYPES = {"inverter": 1, "storage": 2, "max": 4, "mix": 5, "spa": 6, "tlx": 7, UNKNOWN_FAMILY: 9}
"""V1's number of each device type; it does not know Noah, WIT and SPH-S."""
V4_TYPES = {
    "inverter": "inv",
    "storage": "storage",
    "max": "max",
    "mix": "sph",
    "spa": "spa",
    "tlx": "min",
    "wit": "wit",
    "sph-s": "sph-s",
    "noah": "noah",
}
METERED = frozenset(("max",))
"""Device types whose datalogger has a meter of its own."""
DEPTH = timedelta(days=95)
"""Age of the oldest device rows."""
_FIVE_MINUTES, _TEN_SECONDS, _FIVE_SECONDS, _MINUTE = 300.0, 10.0, 5.0, 60.0
_FAST = {
    "v1_last_data": {"mix", "spa", "hps", "storage"},
    "v1_history": {"tlx", "spa", "hps", "storage", "boost"},
    "v1_batch_data": {"mix", "spa"},
}
_QUICK_CALLS = frozenset(("v4_device_list", "v4_read_power", "v4_signal", "v4_read_vpp", "v1_read_parameter"))
_DEVICE_HISTORY = frozenset(("v1_history", "v1_inverter_history", "v4_history", "v4_histories"))
"""Calls that count as equal whatever their dates and pages."""
_DATES = frozenset(("start_date", "end_date", "date", "page", "perpage", "timezone_id"))
_MAX_RANGE = timedelta(days=7)


class OpenApiFailure(Exception):
    """A refusal with the cloud's code and message."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Enveloped(dict[str, Any]):
    """The `data` of a V1 answer that has further members beside it."""

    beside: Mapping[str, Any] = {}


def token_of(account: EmulatedAccount) -> str:
    """Return an account's API token, derived from its password."""
    return sha256(f"{account.username}/{account.password}".encode()).hexdigest()[:32]


class OpenApiCall(NamedTuple):
    """One request of one token, its arguments merged."""

    arguments: Mapping[str, str]
    account: EmulatedAccount
    context: RequestContext
    name: str = ""
    """The name of the declared call."""

    def require_plant(self, missing: int = 10002) -> EmulatedPlant:
        """Return the plant of `plant_id`; raise the call's code if the token has none."""
        plant_id = self.arguments.get("plant_id")
        if not plant_id:
            raise OpenApiFailure(10003, "error_plant_id_null")
        for plant in self.account.plants:
            if plant.id == plant_id:
                return plant
        raise OpenApiFailure(missing, "error_plant_not_found")

    def device(self, serial: str) -> GrowattDevice | None:
        """Return the token's device of a serial number, None if it has none."""
        for plant in self.account.plants:
            if plant.devices[0] == serial:
                return self.main_device(plant)
        return None

    def main_device(self, plant: EmulatedPlant) -> GrowattDevice:
        """Return a plant's main device."""
        return GrowattDevice(plant, plant.devices[0], plant.households[0], self.context)

    def readable(self, serial: str, kind: str, unknown: int) -> GrowattDevice:
        """Return a device of a family; raise the call's code for an unknown one, and without permission."""
        device = self.device(serial)
        if self.context.fault("no_permission") is not None:
            raise OpenApiFailure(10011, "error_permission_denied")
        if device is None or device.token_type != kind:
            raise OpenApiFailure(unknown, "error_device_not_found")
        return device

    def day(self, name: str, code: int) -> date:
        """Return a day argument; raise the call's code for an invalid one."""
        try:
            return date.fromisoformat(self.arguments.get(name, ""))
        except ValueError:
            raise OpenApiFailure(code, "error_date") from None

    def page(self, rows: list[Any]) -> list[Any]:
        """Return the rows of the requested page."""
        number, size = (int(self.arguments.get(name, default)) for name, default in (("page", "1"), ("perpage", "20")))
        if size > 100:
            raise OpenApiFailure(10013, "error_perpage")
        if number > 250:
            raise OpenApiFailure(10014, "error_page")
        return rows[(number - 1) * size : number * size]

    def days_asked(self, today: date, bad_date: int, too_long: int) -> list[date]:
        """Return the days of a history query that still have rows, newest first."""
        first, last = self.day("start_date", bad_date), self.day("end_date", bad_date)
        if last - first > _MAX_RANGE:
            raise OpenApiFailure(too_long, "error_date_range")
        days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
        return [day for day in reversed(days) if today - DEPTH <= day <= today]


def too_early(
    endpoint: Endpoint[..., Any], arguments: Mapping[str, str], account: EmulatedAccount, context: RequestContext
) -> bool:
    """Return True if an equal call came too recently; a refused call does not count."""
    if endpoint.route.command:
        return False
    if context.fault("too_often") is not None:
        return True
    name = endpoint.name
    seconds = _FIVE_SECONDS if name in _QUICK_CALLS else _FIVE_MINUTES
    if arguments.get("family") in _FAST.get(name, ()):
        seconds = _TEN_SECONDS
    if name == "v4_last_data" and arguments.get("deviceType") == "noah":
        seconds = _MINUTE
    ignored = _DATES if name in _DEVICE_HISTORY else ()
    key = (name, *sorted((one, value) for one, value in arguments.items() if one not in ignored))
    sent: dict[tuple[Any, ...], datetime] = account.state.setdefault("openapi", {})
    before, now = sent.get(key), context.now()
    if before is not None and timedelta() <= now - before < timedelta(seconds=seconds):
        return True
    sent[key] = now
    return False
