"""Settings of balcony batteries, NOAH and NEXA: written by their `set` call, read by `noah_info` or `nexa_info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.vendors.growatt.settings.schema import choice, entry, number, percent, switch, text, time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.vendors.growatt.settings.schema import GrowattSettingEntry

SLOTS = 9
PRICE = "updatePlantMoney"
_MQTT = "noah-mqtt, also for the range"
_NEXA_MQTT = "nexa-mqtt"
_NOTES = "growattServer's notes; read back: growattServer, noah-mqtt, an owner's Nexa"
_EVERY_DAY = "1,2,3,4,5,6,7"

_MODES = {"load-first": "0", "battery-first": "1", "smart": "2"}


def _common(limits: str, notes: str) -> tuple[GrowattSettingEntry, ...]:
    """Return the settings of both, with the evidence of the limits and of the others."""
    return (
        entry(
            "soc_limits",
            "charging_soc",
            [
                percent("high", "chargingSocHighLimit", 70, 100, meaning="where charging ends"),
                percent("low", "chargingSocLowLimit", 0, 30, meaning="where discharging ends"),
            ],
            "State of charge limits",
            limits,
        ),
        *(
            entry(
                f"time_window_{slot}",
                f"time_segment{slot}",
                [
                    choice("mode", f"{slot}.mode", _MODES),
                    time("start", f"{slot}.start", padded=False),
                    time("end", f"{slot}.end", padded=False),
                    number(
                        "power", f"{slot}.power", 0, 800, "W", meaning="output to the house; 0 in battery-first mode"
                    ),
                    switch("enabled", f"{slot}.enabled"),
                ],
                f"Time window {slot} of {SLOTS}",
                f"{notes}; that there are {SLOTS} is inferred",
                group="time_windows",
                disjoint="enabled",
                meaning="A window for some weekdays only cannot be expressed here and is not read back.",
            )
            for slot in range(1, SLOTS + 1)
        ),
        entry(
            "energy_price",
            PRICE,
            [
                number("value", "formulaMoney", 0, 10_000, step=0.0001, meaning="of a kWh"),
                text("currency", "moneyUnitText", meaning="one of the unitList of noah_info"),
            ],
            "Energy price for the savings",
            notes,
        ),
    )


SETTINGS = (
    entry("default_power", "default_power", [number("value", "defaultPower", 0, 800, "W")], "Output power", _MQTT),
    *_common(_MQTT, _NOTES),
)
NEXA = (
    entry(
        "default_output",
        "system_out_put_power",
        [choice("mode", "defaultMode", _MODES), number("power", "defaultACCouplePower", 0, 800, "W")],
        "Mode and output power outside time windows",
        f"{_NEXA_MQTT}, also for the range",
    ),
    entry(
        "grid_charging",
        "allow_grid_charging",
        [switch("value", "allowGridCharging")],
        "Charge from the grid",
        _NEXA_MQTT,
    ),
    entry(
        "off_grid",
        "grid_connection_control",
        [switch("value", "gridConnectionControl")],
        "Off-grid output",
        f"{_NEXA_MQTT}; that 1 enables off-grid output is the name of its argument",
    ),
    entry(
        "high_output",
        "ac_couple_power_control",
        [switch("value", "acCouplePowerControl")],
        "Up to 1000 W of output",
        _NEXA_MQTT,
        risk="grid-code",
        meaning="More than 800 W may need a registration or an electrician, depending on the country.",
    ),
    *_common(f"{_NEXA_MQTT}, also for the range", f"{_NOTES}; that a NEXA takes it as a NOAH does is inferred"),
)
RAW_ONLY: Mapping[str, str] = {}


def flatten(noah: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response members with each time segment split into parts; undefined segments are empty slots."""
    members = {name: value for name, value in noah.items() if name != "time_segment"}
    segments = dict(_segments(noah.get("time_segment")))
    for slot in range(1, SLOTS + 1):
        members |= _parts(slot, str(segments.get(f"time_segment{slot}", "0_0:0_0:0_0_0")))
    return members


def _segments(value: Any) -> list[tuple[str, Any]]:
    """Return name and value of each segment. Quirk: an array of objects with one member each, or one object."""
    objects = value if isinstance(value, list) else [value]
    return [pair for item in objects if isinstance(item, dict) for pair in item.items()]


def _parts(slot: int, text: str) -> dict[str, str]:
    """Return a segment's parts. Quirk: older firmware omits the last one, newer lists weekdays in it."""
    mode, start, end, power, days = (*text.split("_"), "1", "", "", "", "")[:5]
    enabled = "1" if days == _EVERY_DAY else days
    return {
        f"{slot}.mode": mode,
        f"{slot}.start": start,
        f"{slot}.end": end,
        f"{slot}.power": power,
        f"{slot}.enabled": enabled,
    }
