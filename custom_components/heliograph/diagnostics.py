"""Diagnostics of an entry, without names, ids, addresses and secrets: they are numbered, or masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_PASSWORD, CONF_TOKEN, CONF_URL, CONF_USERNAME

import heliograph

from .const import CONF_PLANTS, CONF_SERVER

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

    from .coordinator import HeliographConfigEntry
    from .model import AccountNow, DeviceNow, PlantNow

_MASKED = (CONF_PASSWORD, CONF_TOKEN, CONF_URL, CONF_USERNAME)
_PERSONAL = ("datalogger", "fault_text", "status_text", "warning_text")
"""Measurements that are a serial number, or texts of a cloud, which may repeat anything."""


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: HeliographConfigEntry) -> dict[str, Any]:
    """Return what helps to find a fault."""
    coordinator = entry.runtime_data
    data = async_redact_data(dict(entry.data), _MASKED)
    if "://" in str(entry.data.get(CONF_SERVER, "")):
        data[CONF_SERVER] = "**REDACTED**"
    return {
        "library": heliograph.__version__,
        "data": data,
        "options": {**entry.options, CONF_PLANTS: len(entry.options.get(CONF_PLANTS, ()))},
        "last_update_success": coordinator.last_update_success,
        "last_exception": type(coordinator.last_exception).__name__ if coordinator.last_exception else None,
        "plants": [_plant(one) for one in coordinator.data.plants.values()],
        "accounts": [_account(one) for one in coordinator.data.accounts],
        "settings": {
            f"device {number}": {"known": sorted(one.data), "pending": sorted(one.pending)}
            for number, one in enumerate(coordinator.device_settings.values(), 1)
        },
    }


def _plant(one: PlantNow) -> dict[str, Any]:
    alarms = None if one.alarms is None else [(alarm.rule, alarm.state) for alarm in one.alarms]
    return {
        **_device(one),
        "zone": one.zone,
        "polled": one.poll_reason is None,
        "provisional": sorted(one.provisional),
        "alarms": alarms,
        "devices": [_device(device) for device in one.devices.values()],
    }


def _device(one: DeviceNow) -> dict[str, Any]:
    return {
        "vendor": one.series.vendor,
        "family": one.family,
        "status": one.status,
        "freshness": one.freshness,
        "measured_at": None if one.measured_at is None else one.measured_at.isoformat(),
        "values": dict(one.values),
        "measurements": {name: value for name, value in one.measurements.items() if name not in _PERSONAL},
    }


def _account(one: AccountNow) -> dict[str, Any]:
    return {
        "vendor": one.vendor,
        "requests_used": one.requests_used,
        "requests_limit": one.requests_limit,
        "pause": one.pause,
        "pause_until": None if one.pause_until is None else one.pause_until.isoformat(),
        "has_problem": one.problem is not None,
        "problem_kind": one.problem_kind,
        "plants_with_missing_values": len(one.missing_values),
    }
