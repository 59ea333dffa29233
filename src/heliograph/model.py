"""The common model of all vendors: plants, devices, snapshots, history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast, overload

from heliograph.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.metrics import Metric, MetricName


class Status(StrEnum):
    """Operating state of a plant or device, as reported by the vendor API."""

    ONLINE = "online"
    STANDBY = "standby"
    FAULT = "fault"
    OFFLINE = "offline"


class Quality(StrEnum):
    """Origin and reliability of a reading."""

    LIVE = "live"
    BACKFILLED = "backfilled"
    REPAIRED = "repaired"
    STALE = "stale"
    IMPORTED = "imported"


class EventKind(StrEnum):
    """Kinds of events."""

    FAULT = "fault"
    WARNING = "warning"
    FIRMWARE = "firmware"
    DATALOGGER = "datalogger"
    EQUIPMENT = "equipment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One site of one account; `zone` is its local time zone, `peak_power` the size of its solar modules in kWp."""

    vendor: str
    id: str
    name: str | None = None
    zone: tzinfo | None = None
    peak_power: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of a plant; `family` is the vendor's group of devices with the same API calls."""

    vendor: str
    plant: str
    id: str
    family: str
    name: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one metric; `source` names call and field, or the rule that derived it."""

    metric: MetricName
    value: float
    measured_at: datetime | None
    fetched_at: datetime
    source: str
    quality: Quality = Quality.LIVE


class MetricAttribute:
    """Descriptor that reads one metric from `values`; on the class it is the metric's definition."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._metric = next(row for row in METRICS.values() if row.name == name)

    @overload
    def __get__(self, holder: None, owner: type) -> Metric: ...
    @overload
    def __get__(self, holder: MetricValues, owner: type) -> float | None: ...
    def __get__(self, holder: MetricValues | None, owner: type) -> Metric | float | None:
        return self._metric if holder is None else holder.values.get(self._metric.name)


class MetricValues:
    """Metrics as attributes (`snapshot.pv_power`), None where unknown; `values` maps their names."""

    __slots__ = ()
    values: Mapping[str, float | None]

    pv_power = MetricAttribute()
    grid_power = MetricAttribute()
    battery_power = MetricAttribute()
    load_power = MetricAttribute()
    ac_power = MetricAttribute()
    battery_soc = MetricAttribute()
    pv_energy_today = MetricAttribute()
    grid_import_energy_today = MetricAttribute()
    grid_export_energy_today = MetricAttribute()
    battery_charge_energy_today = MetricAttribute()
    battery_discharge_energy_today = MetricAttribute()
    load_energy_today = MetricAttribute()
    pv_energy_total = MetricAttribute()
    grid_import_energy_total = MetricAttribute()
    grid_export_energy_total = MetricAttribute()
    battery_charge_energy_total = MetricAttribute()
    battery_discharge_energy_total = MetricAttribute()
    load_energy_total = MetricAttribute()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSnapshot(MetricValues):
    """One device at one moment; `values` holds every metric its family reports, None where missing."""

    device: Device
    status: Status | None
    measured_at: datetime | None
    values: Mapping[str, float | None]
    sources: Mapping[str, str] = field(default_factory=dict)
    measurements: Mapping[str, float | str | None] = field(default_factory=dict)
    """Voltages, currents, temperatures, states by the names of `metrics/device.py`; only those the device reports."""
    oddities: Mapping[str, str] = field(default_factory=dict)
    """Values of the response that could not be used, with an example."""
    raw: Mapping[str, float] = field(default_factory=dict)
    """The numbers of a device of an unknown family, by the vendor's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(MetricValues):
    """One plant at one moment, its devices combined."""

    plant: Plant
    status: Status | None
    measured_at: datetime | None
    fetched_at: datetime
    values: Mapping[str, float | None]
    sources: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[DeviceSnapshot, ...] = ()

    def readings(self) -> tuple[Reading, ...]:
        """Return every known value with its time and source."""
        return tuple(
            Reading(
                metric=cast("MetricName", name),
                value=value,
                measured_at=self.measured_at,
                fetched_at=self.fetched_at,
                source=self.sources.get(name, self.plant.vendor),
            )
            for name, value in self.values.items()
            if value is not None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return one flat dict with every metric of `metrics`, unknown ones None."""
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
class VendorEvent:
    """One entry of a vendor's fault log; without a usable time, `started_at` is None."""

    device: str
    """The serial number; empty if the log does not name it."""
    kind: EventKind
    code: str
    started_at: datetime | None
    ended_at: datetime | None = None
    """None while it lasts; logs without ends have the start here."""
    text: str = ""
    advice: str = ""
    source: str
    """The call that reported it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(MetricValues):
    """Historical values of a plant at one moment; metrics without history at the vendor are not in `values`."""

    moment: datetime
    """In UTC."""
    values: Mapping[str, float | None]
    devices: tuple[DeviceSnapshot, ...] = ()
    """The plant's devices about then, each with its own time, if the history has their measurements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodEnergy:
    """Energies of one day ("2026-06-21"), month ("2026-06") or year ("2026") of the plant's local calendar.

    Keys are the `_today` metrics without the suffix ("pv_energy", "grid_import_energy", …), in kWh.
    """

    period: str
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCost:
    """Requests that one history query of a plant usually takes; 0 if the vendor API has no such history.

    `curve` is a day's samples; `days`, `months` and `years` are the energies of a month's days, of a year's months
    and of all years. `unreported` are the energies in none of these, which have to be integrated from a day's powers.
    """

    curve: int
    days: int
    months: int
    years: int
    unreported: frozenset[str] = frozenset()

    def requests_for(self, span: str) -> int:
        """Return the requests of one query of this span."""
        cost: int = getattr(self, span)
        return cost


def combine(
    plant: Plant,
    devices: Iterable[DeviceSnapshot],
    fetched_at: datetime,
    plant_values: Mapping[str, tuple[float | None, str]] | None = None,
) -> Snapshot:
    """Combine device snapshots to their plant; a metric that is missing on one of its devices is None.

    Values are added up, the state of charge is the mean. `plant_values` are values that the vendor API reports for the
    plant itself, with their sources; they override the sums.
    """
    devices = tuple(devices)
    columns: dict[str, list[float | None]] = {}
    sources: dict[str, str] = {}
    for device in devices:
        for name, value in device.values.items():
            columns.setdefault(name, []).append(value)
            sources.setdefault(name, device.sources.get(name, device.device.family))
    values = {name: _total_or_mean(name, column) for name, column in columns.items()}
    for name, (value, source) in (plant_values or {}).items():
        values[name], sources[name] = value, source
    moments = [device.measured_at for device in devices if device.measured_at]
    return Snapshot(
        plant=plant,
        status=_worst(device.status for device in devices),
        measured_at=max(moments) if moments else None,
        fetched_at=fetched_at,
        values=values,
        sources=sources,
        devices=devices,
    )


def _total_or_mean(name: str, column: list[float | None]) -> float | None:
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
