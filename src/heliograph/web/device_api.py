"""The API calls about devices: events, and the history of device metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import EventKind
from heliograph.web import series
from heliograph.web.api_call import DEVICE, PLANT_PATH, RANGE, ApiCall, identity, known_plant, series_of_query
from heliograph.web.parameters import choice, choices, integer
from heliograph.web.ranges import requested_range
from heliograph.web.schemas import event_data

if TYPE_CHECKING:
    from heliograph.store.base import Store, StoredEvent
    from heliograph.web.api_call import QueryValues
    from heliograph.web.state import StateCache

_MONTH, _QUARTER, _YEARS = timedelta(days=30), timedelta(days=92), timedelta(days=10 * 366)
MAX_EVENTS = 5000
"""Events of a plant that one request reads."""
_NUMBERS = tuple(name for name, metric in DEVICE_METRICS.items() if metric.kind != "text")


async def _events(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    one = await known_plant(state_cache, query)
    of = None if query["device"] is None else series_of_query(one, query)
    since, until = requested_range(state_cache, query, one, _MONTH, _YEARS)

    def question(store: Store) -> list[StoredEvent]:
        return [
            event
            for event in store.events(since, until, one.series, MAX_EVENTS)
            if of in (None, event.series) and query["kind"] in (None, event.kind)
        ]

    found = await state_cache.query(question)
    events = [event_data(event) for event in found[: query["limit"]]]
    return {**identity(one, query["device"]), "total": len(found), "events": events}


async def _measurements(state_cache: StateCache, query: QueryValues) -> dict[str, Any]:
    one = await known_plant(state_cache, query)
    of = series_of_query(one, query)
    since, until = requested_range(state_cache, query, one, timedelta(), _QUARTER)
    found = await state_cache.query(
        lambda store: series.measurement_columns(
            store, of, one.zone, query["metrics"] or _NUMBERS, since, until, query["points"]
        )
    )
    if query["metrics"] is None:
        columns = found["metrics"].items()
        found["metrics"] = {name: column for name, column in columns if any(v is not None for v in column["high"])}
    return {**identity(one, query["device"]), **found}


DEVICE_CALLS = (
    ApiCall(
        path=f"{PLANT_PATH}/events",
        meaning="Faults, warnings and changes of the plant and its devices, newest first. One without an end lasts, or "
        "its end is unknown.",
        schema="Events",
        handler=_events,
        parameters=(
            *RANGE,
            choice("kind", "only events of this kind", EventKind),
            DEVICE,
            integer("limit", "maximum number of events", 1, MAX_EVENTS, 500),
        ),
    ),
    ApiCall(
        path=f"{PLANT_PATH}/measurements",
        meaning="History of a device's voltages, currents, temperatures and other numbers in buckets, as in samples. "
        "Default metrics: all that have values; without a device there are none.",
        schema="Samples",
        handler=_measurements,
        parameters=(
            *RANGE,
            DEVICE,
            choices("metrics", "comma-separated device metrics", _NUMBERS),
            integer("points", "maximum number of buckets; a clock change may add one", 1, series.MAX_BUCKETS, 500),
        ),
    ),
)
