"""One API path, and what the handlers of several paths share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heliograph.web.parameters import QueryParameter, moment_or_day, text
from heliograph.web.problem import Problem

if TYPE_CHECKING:
    from heliograph.current import PlantState
    from heliograph.store.base import Series
    from heliograph.web.state import StateCache

PLANT_PATH = "/plants/{vendor}/{plant}"

QueryValues = Mapping[str, Any]
Answer = Callable[["StateCache", QueryValues], Awaitable[dict[str, Any]]]

RANGE = (
    moment_or_day("from", "a time, or a day of the plant's local calendar; default: today, or a month ago"),
    moment_or_day("to", "a time, or a day, which is included; default: today"),
)
DEVICE = text("device", "one of the plant's devices instead of the plant itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One API path: summary, parameters, response schema and handler."""

    path: str
    meaning: str
    schema: str
    handler: Answer
    parameters: tuple[QueryParameter, ...] = ()


async def known_plant(state_cache: StateCache, query: QueryValues) -> PlantState:
    """Return the plant of a path; raises `Problem` if there is none."""
    for one in (await state_cache.current()).plants:
        if (one.series.vendor, one.series.plant) == (query["vendor"], query["plant"]):
            return one
    raise Problem(404, f"unknown plant {query['plant']!r} of {query['vendor']!r}")


def series_of_query(one: PlantState, query: QueryValues) -> Series:
    """Return the series of the plant, or of the device that is asked for; raises `Problem` for an unknown one."""
    if query["device"] is None:
        return one.series
    for device in one.devices:
        if device.series.device == query["device"]:
            return device.series
    raise Problem(404, f"this plant has no device {query['device']!r}")


def identity(one: PlantState, device: str | None) -> dict[str, Any]:
    """Return the members that say what an answer is about."""
    return {"vendor": one.series.vendor, "plant": one.series.plant, "device": device, "zone": str(one.zone)}
