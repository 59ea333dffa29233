"""What Noah balcony batteries can be told: `noahDeviceApi/noah/set`, read by `noah_info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.vendors.growatt.settings.schema import choice, entry, number, percent, switch, text, time

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOTS = 9
PRICE = "updatePlantMoney"
_MQTT = "noah-mqtt, also for the range"
_NOTES = "growattServer's notes; read back: growattServer, noah-mqtt, an owner's Nexa"
_EVERY_DAY = "1,2,3,4,5,6,7"

SETTINGS = (
    entry("default_power", "default_power", [number("value", "defaultPower", 0, 800, "W")], "Output power", _MQTT),
    entry(
        "soc_limits",
        "charging_soc",
        [
            percent("high", "chargingSocHighLimit", 70, 100, meaning="where charging ends"),
            percent("low", "chargingSocLowLimit", 0, 30, meaning="where discharging ends"),
        ],
        "Limits of the state of charge",
        _MQTT,
    ),
    *(
        entry(
            f"time_window_{slot}",
            f"time_segment{slot}",
            [
                choice("mode", f"{slot}.mode", {"load-first": "0", "battery-first": "1", "smart": "2"}),
                time("start", f"{slot}.start", padded=False),
                time("end", f"{slot}.end", padded=False),
                number("power", f"{slot}.power", 0, 800, "W", meaning="to the house; 0 where the battery comes first"),
                switch("enabled", f"{slot}.enabled"),
            ],
            f"Time window {slot} of {SLOTS}",
            f"{_NOTES}; that there are {SLOTS} is inferred",
            group="time_windows",
            disjoint="enabled",
            meaning="A window for some weekdays only cannot be told in this form, and is not read back.",
        )
        for slot in range(1, SLOTS + 1)
    ),
    entry(
        "energy_price",
        PRICE,
        [
            number("value", "formulaMoney", 0, 10_000, step=0.0001, meaning="of a kWh"),
            text("currency", "moneyUnitText", meaning="as noah_info lists it under unitList"),
        ],
        "Price the savings are reckoned with",
        _NOTES,
    ),
)
RAW_ONLY: Mapping[str, str] = {}


def flatten(noah: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer's members with each time segment in parts; a segment nobody defined is a free slot."""
    found = {name: value for name, value in noah.items() if name != "time_segment"}
    told = dict(_segments(noah.get("time_segment")))
    for slot in range(1, SLOTS + 1):
        found |= _parts(slot, str(told.get(f"time_segment{slot}", "0_0:0_0:0_0_0")))
    return found


def _segments(told: Any) -> list[tuple[str, Any]]:
    """Return name and value of each segment. Quirk: an array of objects with one member each, or one object."""
    objects = told if isinstance(told, list) else [told]
    return [pair for one in objects if isinstance(one, dict) for pair in one.items()]


def _parts(slot: int, said: str) -> dict[str, str]:
    """Return a segment's parts. Quirk: older firmware leaves the last out, newer lists weekdays in it."""
    mode, start, end, power, days = (*said.split("_"), "1", "", "", "", "")[:5]
    enabled = "1" if days == _EVERY_DAY else days
    return {
        f"{slot}.mode": mode,
        f"{slot}.start": start,
        f"{slot}.end": end,
        f"{slot}.power": power,
        f"{slot}.enabled": enabled,
    }
