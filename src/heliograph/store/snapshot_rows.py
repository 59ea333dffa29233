"""The rows of a snapshot: samples, device measurements, and what is known of its series."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from heliograph.model import Quality
from heliograph.store.base import SeriesInfo, StoredMeasurements, StoredSample, UnreadableRow, series_of

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.model import Device, DeviceSnapshot, Plant, Snapshot

RAW = "raw"
"""The name under which the raw numbers of a device of an unknown family are stored; no device metric has it."""


def samples_of(snapshot: Snapshot, quality: Quality = Quality.LIVE) -> list[StoredSample]:
    """Return the samples of a snapshot, the plant's first."""

    def sample(item: Plant | Device, values: Snapshot | DeviceSnapshot) -> StoredSample:
        # Without a time of its own, a sample gets the time of the response.
        measured_at = values.measured_at or snapshot.fetched_at
        return StoredSample(
            series_of(item), _epoch(measured_at), _epoch(snapshot.fetched_at), quality, values.status, values.values
        )

    return [sample(snapshot.plant, snapshot), *(sample(device.device, device) for device in snapshot.devices)]


def measurements_of(snapshot: Snapshot) -> list[StoredMeasurements]:
    """Return the measurements of a snapshot's devices; raw numbers are one text."""
    fetched_at = _epoch(snapshot.fetched_at)
    rows = []
    for one in snapshot.devices:
        values = dict(one.measurements)
        if one.raw:
            values[RAW] = json.dumps(dict(one.raw), separators=(",", ":"), allow_nan=False)
        if values:
            measured_at = _epoch(one.measured_at or snapshot.fetched_at)
            rows.append(StoredMeasurements(series_of(one.device), measured_at, fetched_at, values))
    return rows


def raw_of(stored: StoredMeasurements) -> dict[str, float]:
    """Return the raw numbers of stored measurements; raises `UnreadableRow`."""
    text = stored.values.get(RAW)
    if text is None:
        return {}
    try:
        return {str(name): float(value) for name, value in json.loads(str(text)).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableRow("the store contains damaged raw numbers") from error


def series_info_of(snapshot: Snapshot, account: str | None = None) -> list[SeriesInfo]:
    """Return names, families and time zone of a snapshot's plant and devices; `account` is the plant's."""
    plant = snapshot.plant
    zone = None if plant.zone is None else str(plant.zone)
    devices = (item.device for item in snapshot.devices)
    return [
        SeriesInfo(series_of(plant), plant.name, None, zone, account, plant.peak_power),
        *(SeriesInfo(series_of(device), device.name, device.family, zone) for device in devices),
    ]


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
