"""Actions: battery schedules, limits of the output power, undo, the verbs of battery planners, and history."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import voluptuous as vol
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.importlib import async_import_module
from homeassistant.util import dt as dt_util

from heliograph.local_time import zone_from_name
from heliograph.settings.output_limit import parse_limit
from heliograph.settings.schedule import Schedule, Window, split_at_midnight, to_settings

from .const import DOMAIN
from .control import check_outcome, device_of, schedule_of, translated_errors
from .coordinator import nodes_of
from .planner import VERBS, PlannerCall, run_verb

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse

    from heliograph.settings import Order

    from .control import DeviceControl
    from .coordinator import HeliographConfigEntry, HeliographCoordinator
    from .model import DeviceNow

ATTR_WINDOWS = "windows"
ATTR_START = "start"
ATTR_END = "end"
ATTR_MODE = "mode"
ATTR_ENABLED = "enabled"
ATTR_POWER = "power"
ATTR_LIMIT = "limit"
ATTR_UNTIL = "until"
ATTR_DURATION = "duration"
ATTR_CHANGE = "change"
ATTR_STOP_SOC = "stop_soc"
ATTR_ENTRY = "config_entry_id"
ATTR_PLANTS = "plants"
ATTR_ENTITIES = "entities"
LIMITS = ("charge_power", "discharge_power", "charge_stop_soc", "discharge_stop_soc")
ATTR_AC_CHARGE = "ac_charge"
MODES = ("load-first", "battery-first", "grid-first", "smart")
DEFAULT_DURATION = timedelta(hours=1)
"""How long a verb of a planner applies if it gives no end."""

_PERCENT = vol.All(vol.Coerce(float), vol.Range(min=0, max=100))
_DEVICE: dict[Any, Any] = {vol.Required(ATTR_DEVICE_ID): cv.string}
_END: dict[Any, Any] = {
    vol.Exclusive(ATTR_UNTIL, "end"): cv.datetime,
    vol.Exclusive(ATTR_DURATION, "end"): cv.positive_time_period,
}
_WINDOW = vol.Schema(
    {
        vol.Required(ATTR_START): cv.time,
        vol.Required(ATTR_END): cv.time,
        vol.Optional(ATTR_MODE, default="load-first"): vol.In(MODES),
        vol.Optional(ATTR_ENABLED, default=True): cv.boolean,
        vol.Optional(ATTR_POWER): vol.Coerce(float),
    }
)
_HISTORY: dict[Any, Any] = {
    vol.Required(ATTR_ENTRY): cv.string,
    vol.Optional(ATTR_PLANTS): vol.All(cv.ensure_list, [cv.string]),
}


class Target:
    """The device of an action, with its coordinator; raises `ServiceValidationError` if it cannot be changed."""

    def __init__(self, hass: HomeAssistant, device_id: str) -> None:
        self.coordinator, self.now = _find(hass, device_id)
        control = self.coordinator.source.control
        if control is None:
            raise _invalid("reading_only", device=self.now.title)
        if not self.now.series.device:
            raise _invalid("plant_has_no_settings", device=self.now.title)
        self.control: DeviceControl = control
        self.device = device_of(self.now)

    @property
    def zone(self) -> Any:
        """The time zone of the plant."""
        plant = self.coordinator.data.plant_of(self.now.node)
        return zone_from_name(None if plant is None else plant.zone)

    @staticmethod
    def response(order: Order | None) -> ServiceResponse:
        """Return a change as the response of an action; raises `HomeAssistantError` for one that failed."""
        check_outcome(order)
        if order is None:
            return {"change": None, "state": "unchanged"}
        return {"change": order.id, "state": order.state.value}


@callback
def register_services(hass: HomeAssistant) -> None:
    """Register all actions."""
    optional = SupportsResponse.OPTIONAL
    limits: dict[Any, Any] = {vol.Optional(name): _PERCENT for name in LIMITS}
    schedule: dict[Any, Any] = {
        vol.Required(ATTR_WINDOWS): [_WINDOW],
        **limits,
        vol.Optional(ATTR_AC_CHARGE): cv.boolean,
    }
    hass.services.async_register(
        DOMAIN, "set_schedule", _set_schedule, vol.Schema(_DEVICE | schedule | limits), optional
    )
    hass.services.async_register(
        DOMAIN, "read_schedule", _read_schedule, vol.Schema(_DEVICE), supports_response=SupportsResponse.ONLY
    )
    curtail = vol.All(
        vol.Schema({**_DEVICE, vol.Required(ATTR_LIMIT): cv.string, **_END}),
        cv.has_at_least_one_key(ATTR_UNTIL, ATTR_DURATION),
    )
    hass.services.async_register(DOMAIN, "curtail", _curtail, curtail, optional)
    undo = vol.Schema({**_DEVICE, vol.Optional(ATTR_CHANGE): cv.string})
    hass.services.async_register(DOMAIN, "undo", _undo, undo, optional)
    for verb, action in VERBS.items():
        more = {vol.Optional(ATTR_POWER): _PERCENT, vol.Optional(ATTR_STOP_SOC): _PERCENT, **_END} if action else {}
        hass.services.async_register(DOMAIN, verb, _verb, vol.Schema({**_DEVICE, **more}), optional)
    history = vol.Schema({**_HISTORY, vol.Optional(ATTR_ENTITIES, default=False): cv.boolean})
    hass.services.async_register(DOMAIN, "import_history", _import_history, history, optional)
    hass.services.async_register(DOMAIN, "clear_history", _clear_history, vol.Schema(_HISTORY), optional)


async def _set_schedule(call: ServiceCall) -> ServiceResponse:
    target = Target(call.hass, call.data[ATTR_DEVICE_ID])
    target.control.check_allowed()
    windows = [
        Window(
            f"{one[ATTR_START]:%H:%M}",
            f"{one[ATTR_END]:%H:%M}",
            one[ATTR_MODE],
            one.get(ATTR_POWER),
            one[ATTR_ENABLED],
        )
        for one in call.data[ATTR_WINDOWS]
    ]
    given = {name: call.data[name] for name in (*LIMITS, ATTR_AC_CHARGE) if name in call.data}
    with translated_errors():
        snapshot = await target.control.orders.look(target.device)
        settings = tuple(snapshot.settings.values())
        # Limits that the action does not name stay as they are.
        present = {name: value for name, value in asdict(schedule_of(snapshot)).items() if name != "windows"}
        wanted = to_settings(split_at_midnight(Schedule(windows=tuple(windows), **(present | given))), settings)
        order = await target.control.run(target.control.orders.set_all(target.device, wanted))
    return target.response(order)


async def _read_schedule(call: ServiceCall) -> ServiceResponse:
    target = Target(call.hass, call.data[ATTR_DEVICE_ID])
    with translated_errors():
        schedule = await target.control.orders.schedule(target.device)
    return {**asdict(schedule), "windows": [asdict(window) for window in schedule.windows]}


async def _curtail(call: ServiceCall) -> ServiceResponse:
    target = Target(call.hass, call.data[ATTR_DEVICE_ID])
    target.control.check_allowed()
    with translated_errors():
        wanted = parse_limit(await target.control.settings_of(target.device), call.data[ATTR_LIMIT])
        order = await target.control.run(target.control.orders.curtail(target.device, wanted, _end(call, target)))
    return target.response(order)


async def _undo(call: ServiceCall) -> ServiceResponse:
    target = Target(call.hass, call.data[ATTR_DEVICE_ID])
    target.control.check_allowed()
    with translated_errors():
        order = await target.control.run(target.control.orders.undo(target.device, order=call.data.get(ATTR_CHANGE)))
    return target.response(order)


async def _verb(call: ServiceCall) -> ServiceResponse:
    target = Target(call.hass, call.data[ATTR_DEVICE_ID])
    target.control.check_allowed()
    wanted = PlannerCall(
        verb=call.service,
        device=target.device,
        zone=target.zone,
        until=_end(call, target) if ATTR_UNTIL in call.data or ATTR_DURATION in call.data else None,
        default_until=dt_util.utcnow() + DEFAULT_DURATION,
        power=call.data.get(ATTR_POWER),
        stop_soc=call.data.get(ATTR_STOP_SOC),
    )
    return target.response(await run_verb(target.control, wanted))


async def _import_history(call: ServiceCall) -> ServiceResponse:
    statistics = await _statistics(call.hass)
    response: ServiceResponse = await statistics.async_import_history(
        call.hass, _entry(call), call.data.get(ATTR_PLANTS), entities=call.data[ATTR_ENTITIES]
    )
    return response


async def _clear_history(call: ServiceCall) -> ServiceResponse:
    statistics = await _statistics(call.hass)
    response: ServiceResponse = await statistics.async_clear_history(
        call.hass, _entry(call), call.data.get(ATTR_PLANTS)
    )
    return response


async def _statistics(hass: HomeAssistant) -> Any:
    """Import the module that needs the recorder's packages, which a Home Assistant without recorder may lack."""
    if "recorder" not in hass.config.components:
        raise _invalid("recorder_off")
    return await async_import_module(hass, f"{__package__}.statistics")


def _entry(call: ServiceCall) -> HeliographConfigEntry:
    entry: HeliographConfigEntry | None = call.hass.config_entries.async_get_entry(call.data[ATTR_ENTRY])
    if entry is None or entry.domain != DOMAIN:
        raise _invalid("unknown_entry", entry=call.data[ATTR_ENTRY])
    if entry.state is not ConfigEntryState.LOADED:
        raise _invalid("entry_not_loaded", entry=entry.title)
    return entry


def _end(call: ServiceCall, target: Target) -> datetime:
    """Return the end of an action; a time without a zone is in that of Home Assistant."""
    now = dt_util.utc_from_timestamp(target.control.clock.now())
    if ATTR_DURATION in call.data:
        duration: timedelta = call.data[ATTR_DURATION]
        return now + duration
    until: datetime = call.data[ATTR_UNTIL]
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt_util.get_default_time_zone())
    if until <= now:
        raise _invalid("end_in_the_past", device=target.now.title)
    return until


def _find(hass: HomeAssistant, device_id: str) -> tuple[HeliographCoordinator, DeviceNow]:
    device = dr.async_get(hass).async_get(device_id)
    nodes = nodes_of(device) if device is not None else []
    if device is None or not nodes:
        raise _invalid("unknown_device", device=device_id)
    entries: list[HeliographConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    for entry in entries:
        for node in nodes:
            if (found := entry.runtime_data.data.find(node)) is not None:
                return entry.runtime_data, found
    raise _invalid("device_not_available", device=device.name_by_user or device.name or device_id)


def _invalid(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders)
