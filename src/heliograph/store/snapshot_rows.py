"""The rows of a snapshot: samples, device measurements, and what is known of its series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.model import Quality
from heliograph.store.base import SeriesInfo, StoredMeasurements, StoredSample, series_of

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.model import Device, DeviceSnapshot, Plant, Snapshot


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
    """Return the measurements of a snapshot's devices."""
    fetched_at = _epoch(snapshot.fetched_at)
    return [
        StoredMeasurements(
            series_of(one.device), _epoch(one.measured_at or snapshot.fetched_at), fetched_at, one.measurements
        )
        for one in snapshot.devices
        if one.measurements
    ]


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
