"""The state that every entity shows, whichever door it comes through: plants, their devices, and accounts.

It is parsed from the JSON objects of Heliograph's API (docs/api.md). The account door builds the same objects from its
store, so that there is one shape and one parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

from heliograph.metrics import METRICS, published_value
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.outputs.mqtt.topics import Topics, display_text
from heliograph.store.base import Series

TOPICS = Topics("heliograph")
"""Unique ids are those of the MQTT discovery with its default topic."""


class UnexpectedData(ValueError):
    """The API returned something that is not the documented object; the text names the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNow:
    """The current state of a device, or of a plant; a value that is unknown now is None."""

    node: str
    """Unique id, as in the MQTT discovery."""
    series: Series
    name: str | None
    family: str | None
    status: str | None
    freshness: str
    measured_at: datetime | None
    values: Mapping[str, float | None]
    measurements: Mapping[str, float | str | None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name, or the id if there is none."""
        return self.name or self.series.device or self.series.plant

    def value(self, key: str) -> float | str | None:
        """Return the current value of a metric or a device metric."""
        return self.values[key] if key in self.values else self.measurements.get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmNow:
    """An alarm that is not over; `seen` and `advice` are texts of Heliograph."""

    rule: str
    severity: str
    state: str
    title: str
    seen: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantNow(DeviceNow):
    """The current state of a plant with its devices."""

    zone: str
    account: str | None
    poll_reason: str | None
    next_poll_at: datetime | None
    provisional: frozenset[str]
    devices: Mapping[str, DeviceNow]
    """By node."""
    alarms: tuple[AlarmNow, ...] | None = None
    """None if the source does not watch for alarms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNow:
    """The request budget of an account, and why it is not polled."""

    name: str
    vendor: str
    problem: str | None
    """The error of the last poll, in English."""
    requests_used: int | None
    requests_limit: int | None
    pause: str | None
    """"locked", "blocked", "throttled", "unreachable" or "login"; None while there is no back-off."""
    pause_until: datetime | None
    missing_values: Mapping[str, str]
    """Why values of a plant are missing, with the remedy, by plant id."""
    problem_kind: str | None = None
    """The kind of problem that a repair explains; None if it is not known, or if waiting is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemNow:
    """Everything that one entry shows."""

    plants: Mapping[str, PlantNow]
    """By node."""
    accounts: tuple[AccountNow, ...] = ()

    def find(self, node: str) -> DeviceNow | None:
        """Return a plant or a device by its node."""
        if plant := self.plants.get(node):
            return plant
        return next((plant.devices[node] for plant in self.plants.values() if node in plant.devices), None)

    def plant_of(self, node: str) -> PlantNow | None:
        """Return the plant of a node: itself, or the one that a device belongs to."""
        found = self.plants.get(node)
        return found or next((plant for plant in self.plants.values() if node in plant.devices), None)


def parse_plant(data: Any) -> PlantNow:
    """Return a plant of the API with its devices; raises `UnexpectedData`."""
    row = _object(data, "plant")
    series = Series(_text(row, "vendor"), _text(row, "plant"))
    poll = row.get("poll")
    poll = _object(poll, "poll") if poll is not None else {}
    devices = (_device(_object(one, "devices"), series) for one in _list(row, "devices"))
    return PlantNow(
        node=TOPICS.node_id(series),
        series=series,
        name=_name(row.get("name")),
        family=None,
        status=_optional(row, "status"),
        freshness=_text(row, "freshness"),
        measured_at=moment_of(row.get("measured_at")),
        values=_values(row),
        zone=_text(row, "zone"),
        account=_optional(row, "account"),
        poll_reason=_name(poll.get("reason")),
        next_poll_at=moment_of(poll.get("next_at")),
        provisional=frozenset(str(name) for name in _list(row, "provisional")),
        devices={one.node: one for one in devices},
    )


def parse_account(data: Any) -> AccountNow:
    """Return an account of the API; raises `UnexpectedData`."""
    row = _object(data, "account")
    budget = row.get("budget")
    budget = _object(budget, "budget") if budget is not None else {}
    requests = _object(budget.get("requests", {}), "requests")
    pause = budget.get("pause")
    pause = _object(pause, "pause") if pause is not None else {}
    limit, reserve = requests.get("limit"), requests.get("reserve")
    missing = _object(row.get("missing_values", {}), "missing_values")
    return AccountNow(
        name=display_text(_text(row, "account")),
        vendor=_text(row, "vendor"),
        problem=_name(row.get("problem"), 300),
        requests_used=_whole(requests.get("used")),
        requests_limit=limit - reserve if isinstance(limit, int) and isinstance(reserve, int) else None,
        pause=_optional(pause, "kind"),
        pause_until=moment_of(pause.get("until")),
        missing_values={str(plant): display_text(str(why), 300) for plant, why in missing.items()},
    )


def parse_alarm(data: Any) -> tuple[Series, AlarmNow] | None:
    """Return an alarm of the API with its plant; None for one of an account."""
    row = _object(data, "alarm")
    if (plant := _optional(row, "plant")) is None:
        return None
    texts = {
        key: display_text(_text(row, key), 300) for key in ("rule", "severity", "state", "title", "seen", "advice")
    }
    return Series(_text(row, "vendor"), plant), AlarmNow(**texts)


def _device(row: Mapping[str, Any], plant: Series) -> DeviceNow:
    series = plant._replace(device=_text(row, "device"))
    return DeviceNow(
        node=TOPICS.node_id(series),
        series=series,
        name=_name(row.get("name")),
        family=_name(row.get("family")),
        status=_optional(row, "status"),
        freshness=_text(row, "freshness"),
        measured_at=moment_of(row.get("measured_at")),
        values=_values(row),
        measurements=_measurements(_object(row.get("measurements", {}), "measurements")),
    )


def _values(row: Mapping[str, Any]) -> dict[str, float | None]:
    values = _object(row.get("values"), "values")
    return {name: number_of(values.get(name)) for name in METRICS}


def _measurements(row: Mapping[str, Any]) -> dict[str, float | str | None]:
    found: dict[str, float | str | None] = {}
    for name, value in row.items():
        if (metric := DEVICE_METRICS.get(name)) is not None:
            is_text = metric.kind == "text"
            found[name] = (None if value is None else display_text(str(value), 200)) if is_text else number_of(value)
    return found


def _object(data: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise UnexpectedData(key)
    return data


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    found = row.get(key, [])
    if not isinstance(found, list):
        raise UnexpectedData(key)
    return found


def _text(row: Mapping[str, Any], key: str) -> str:
    found = row.get(key)
    if not isinstance(found, str) or not found:
        raise UnexpectedData(key)
    return found


def _optional(row: Mapping[str, Any], key: str) -> str | None:
    return None if row.get(key) is None else _text(row, key)


def _name(found: Any, max_length: int = 100) -> str | None:
    return display_text(found, max_length) or None if isinstance(found, str) else None


def number_of(value: Any) -> float | None:
    """Return a finite number as it is published, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return published_value(value)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment_of(value: Any) -> datetime | None:
    """Return a time of the API; raises `UnexpectedData`."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UnexpectedData("time") from None
    if found.tzinfo is None:
        raise UnexpectedData("time")
    return found
