"""What a snapshot is to a store: one sample of the plant and one of each of its devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.model import Quality
from heliograph.store.contract import Entry, Known, Series

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.model import Device, DeviceSnapshot, Plant, Snapshot


def series_of(what: Plant | Device) -> Series:
    """Return the series of a plant or of a device."""
    plant = getattr(what, "plant", None)
    return Series(what.vendor, what.id) if plant is None else Series(what.vendor, plant, what.id)


def entries(snapshot: Snapshot, quality: Quality = Quality.LIVE) -> list[Entry]:
    """Return the samples of a snapshot, the plant's first."""

    def entry(what: Plant | Device, of: Snapshot | DeviceSnapshot) -> Entry:
        # A sample without a moment of its own is known by when it was fetched.
        measured_at = of.measured_at or snapshot.fetched_at
        return Entry(series_of(what), _epoch(measured_at), _epoch(snapshot.fetched_at), quality, of.status, of.values)

    return [entry(snapshot.plant, snapshot), *(entry(one.device, one) for one in snapshot.devices)]


def known(snapshot: Snapshot) -> list[Known]:
    """Return what a snapshot says of plant and devices that does not change from sample to sample."""
    plant = snapshot.plant
    zone = None if plant.zone is None else str(plant.zone)
    devices = (one.device for one in snapshot.devices)
    return [
        Known(series_of(plant), plant.name, None, zone),
        *(Known(series_of(one), one.name, one.family, zone) for one in devices),
    ]


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
