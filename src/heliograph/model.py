"""What any cloud says, in our words: plants, devices, readings and snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from heliograph.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Status(StrEnum):
    """How a plant or device is, as far as its cloud knows."""

    ONLINE = "online"
    STANDBY = "standby"
    FAULT = "fault"
    OFFLINE = "offline"


class Quality(StrEnum):
    """Where a reading comes from and how far it can be trusted."""

    LIVE = "live"
    BACKFILLED = "backfilled"
    REPAIRED = "repaired"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One site of one account; `zone` is the clock on its wall."""

    vendor: str
    id: str
    name: str | None = None
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One box of a plant; `family` is how its cloud groups devices that answer alike."""

    vendor: str
    plant: str
    id: str
    family: str
    name: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one metric; `source` names call and field, or the rule that derived it."""

    metric: str
    value: float
    measured_at: datetime | None
    fetched_at: datetime
    source: str
    quality: Quality = Quality.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSnapshot:
    """One device at one moment. `values` holds every metric its family can tell; a gap is None."""

    device: Device
    status: Status | None
    measured_at: datetime | None
    values: Mapping[str, float | None]
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One plant at one moment: what its devices say together."""

    plant: Plant
    status: Status | None
    measured_at: datetime | None
    fetched_at: datetime
    values: Mapping[str, float | None]
    sources: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[DeviceSnapshot, ...] = ()

    def readings(self) -> tuple[Reading, ...]:
        """Return every known value with its moment and source."""
        return tuple(
            Reading(
                metric=name,
                value=value,
                measured_at=self.measured_at,
                fetched_at=self.fetched_at,
                source=self.sources.get(name, self.plant.vendor),
            )
            for name, value in self.values.items()
            if value is not None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return one flat object with every metric of `metrics.py`, unknown ones None."""
        return {
            "vendor": self.plant.vendor,
            "plant": self.plant.id,
            "name": self.plant.name,
            "measured_at": _iso(self.measured_at),
            "fetched_at": _iso(self.fetched_at),
            "status": self.status.value if self.status else None,
            **{name: self.values.get(name) for name in METRICS},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a plant measured at one moment of its past; metrics its cloud keeps no series of are not in `values`."""

    moment: datetime
    """In UTC."""
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodEnergy:
    """What flowed in one day ("2026-06-21"), month ("2026-06") or year ("2026") of the plant's own calendar.

    Keys are the `_today` metrics without the suffix ("pv_energy", "grid_import_energy", …), in kWh.
    """

    period: str
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCost:
    """Requests one question about a plant's past usually takes; 0 where its cloud keeps no such series.

    `curve` is a day's samples; `days`, `months` and `years` are the energies of a month's days, of a year's months
    and of all years. `untold` are the kinds of energy that none of these tells, for whom a day's powers must do.
    """

    curve: int
    days: int
    months: int
    years: int
    unreported: frozenset[str] = frozenset()

    def requests_for(self, span: str) -> int:
        """Return the requests of one such question."""
        cost: int = getattr(self, span)
        return cost


def combine(
    plant: Plant,
    devices: Iterable[DeviceSnapshot],
    fetched_at: datetime,
    plant_values: Mapping[str, tuple[float | None, str]] | None = None,
) -> Snapshot:
    """Add up devices to their plant; a metric one of its devices should know but does not is a gap.

    State of charge is the mean. `plant_values` are what the cloud says of the plant itself, with their
    sources; they win over sums.
    """
    devices = tuple(devices)
    columns: dict[str, list[float | None]] = {}
    sources: dict[str, str] = {}
    for one in devices:
        for name, value in one.values.items():
            columns.setdefault(name, []).append(value)
            sources.setdefault(name, one.sources.get(name, one.device.family))
    values = {name: _together(name, column) for name, column in columns.items()}
    for name, (value, source) in (plant_values or {}).items():
        values[name], sources[name] = value, source
    moments = [one.measured_at for one in devices if one.measured_at]
    return Snapshot(
        plant=plant,
        status=_worst(one.status for one in devices),
        measured_at=max(moments) if moments else None,
        fetched_at=fetched_at,
        values=values,
        sources=sources,
        devices=devices,
    )


def _together(name: str, column: list[float | None]) -> float | None:
    known = [value for value in column if value is not None]
    if len(known) < len(column):
        return None
    total = sum(known)
    return round(total / len(known) if METRICS[name].unit == "%" else total, 3)


def _worst(statuses: Iterable[Status | None]) -> Status | None:
    found = {status for status in statuses if status}
    for status in (Status.FAULT, Status.ONLINE, Status.STANDBY, Status.OFFLINE):
        if status in found:
            return status
    return None


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")
