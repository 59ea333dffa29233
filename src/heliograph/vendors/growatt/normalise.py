"""From Growatt's answers to common readings: signs, zones and which of its lies to skip. One function per family."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.model import DeviceSnapshot, Status
from heliograph.vendors.growatt.params import is_ambiguous

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from heliograph.metrics import Metric
    from heliograph.model import Device
    from heliograph.vendors.growatt.payloads import devices as dev
    from heliograph.vendors.growatt.payloads import plants as said

Values = dict["Metric", float | None]

BATTERY_METRICS = (
    m.BATTERY_POWER,
    m.BATTERY_SOC,
    m.BATTERY_CHARGE_ENERGY_TODAY,
    m.BATTERY_CHARGE_ENERGY_TOTAL,
    m.BATTERY_DISCHARGE_ENERGY_TODAY,
    m.BATTERY_DISCHARGE_ENERGY_TOTAL,
)
METER_METRICS = (
    m.GRID_POWER,
    m.LOAD_POWER,
    m.GRID_IMPORT_ENERGY_TODAY,
    m.GRID_IMPORT_ENERGY_TOTAL,
    m.GRID_EXPORT_ENERGY_TODAY,
    m.GRID_EXPORT_ENERGY_TOTAL,
    m.LOAD_ENERGY_TODAY,
    m.LOAD_ENERGY_TOTAL,
)

_STATUS: dict[float | None, Status] = {-1: Status.OFFLINE, 0: Status.STANDBY, 1: Status.ONLINE, 3: Status.FAULT}
_NOAH_STATUS = {
    "-1": Status.OFFLINE,
    "1": Status.ONLINE,
    "4": Status.FAULT,
    "5": Status.ONLINE,
    "6": Status.ONLINE,
}
_MIX_FAULT = 3

FRESH = timedelta(minutes=30)
LEEWAY = timedelta(minutes=2)
_CHART_LEEWAY = timedelta(minutes=10)
_REPEATED_HOUR = timedelta(hours=2)


def tlx(device: Device, detail: dev.TlxDetail, now: datetime) -> DeviceSnapshot:
    """Read a TLX device from its detail answer; `now` is the plant's own time."""
    measured_at = parse_timestamp(detail.time, now)
    values = detail.readings()
    values[m.PV_ENERGY_TODAY] = sum_known(detail.pv1_today, detail.pv2_today, detail.pv3_today, detail.pv4_today)
    values[m.GRID_POWER] = difference(detail.grid_import_power, detail.grid_export_power)
    charged = sum_known(detail.charge_power_1, detail.charge_power_2)
    values[m.BATTERY_POWER] = difference(sum_known(detail.discharge_power_1, detail.discharge_power_2), charged)
    values[m.BATTERY_SOC] = detail.state_of_charge or detail.state_of_charge_1
    # Quirk: units without a battery or a meter answer zeros for them, so a part that never counted is not there.
    if not any((detail.charge_total, detail.discharge_total, detail.battery_voltage, values[m.BATTERY_SOC])):
        drop_metrics(values, BATTERY_METRICS)
    if not any((detail.import_total, detail.export_total, detail.load_total)):
        drop_metrics(values, METER_METRICS)
    # Quirk: asleep, offline or unknown is the whole bean in zeros without a time; `lost` alone is not enough,
    # it has been seen true on live data.
    asleep = measured_at is None and detail.lost is not False
    status = Status.OFFLINE if asleep else _STATUS.get(detail.status)
    return device_snapshot(device, status, measured_at, all_missing(values) if asleep else values, "tlx_detail")


def inverter(device: Device, detail: dev.InverterDetail, now: datetime) -> DeviceSnapshot:
    """Read a classic inverter from its detail answer; `now` is the plant's own time."""
    values = detail.readings()
    # Quirk: an unknown or sleeping id reads as zeros with the server's present time; only its empty own id tells.
    unknown = detail.inverter_id is None and not detail.energy_total
    status = Status.OFFLINE if unknown else _STATUS.get(detail.status)
    measured_at = None if unknown else parse_timestamp(detail.time, now)
    return device_snapshot(device, status, measured_at, all_missing(values) if unknown else values, "inverter_detail")


def mix(
    device: Device,
    status: dev.MixStatus,
    totals: dev.MixTotals,
    detail: dev.ProdCons,
    dashboard: said.Dashboard,
    now: datetime,
) -> DeviceSnapshot:
    """Read a hybrid inverter; `now` is the plant's own time, for its charts know no date."""
    values = status.readings() | totals.readings()
    values[m.GRID_POWER] = difference(status.grid_import_power, status.grid_export_power, scale=1000)
    values[m.BATTERY_POWER] = difference(status.battery_discharge_power, status.battery_charge_power, scale=1000)
    values[m.GRID_IMPORT_ENERGY_TODAY] = dashboard.readings()[m.GRID_IMPORT_ENERGY_TODAY]
    lost = "lost" in (status.state or "")
    state = Status.FAULT if status.work_mode == _MIX_FAULT else Status.ONLINE
    measured_at = last_chart_time(detail.chart, now)
    return device_snapshot(device, Status.OFFLINE if lost else state, measured_at, values, "mix_system_status")


def storage(device: Device, params: dev.StorageParams, energy: dev.StorageEnergy, now: datetime) -> DeviceSnapshot:
    """Read an off-grid storage inverter; `now` is the plant's own time."""
    live = params.live
    values = live.readings() | energy.readings()
    values[m.PV_POWER] = None if live.pv_power is None else live.pv_power + (live.pv2_power or 0.0)
    values[m.BATTERY_POWER] = difference(live.discharge_power, live.charge_power)
    words = (live.status_text or "").lower()
    status = Status.FAULT if "fault" in words else Status.OFFLINE if live.lost else Status.ONLINE
    return device_snapshot(device, status, parse_timestamp(live.time, now), values, "storage_params")


def spa(device: Device, row: said.DeviceRow, energy: said.PlantEnergy) -> DeviceSnapshot:
    """Read an AC-coupled battery inverter: no known call reads it, so its plant and its list row speak for it."""
    values = energy.readings() | {m.BATTERY_SOC: row.state_of_charge}
    status = Status.OFFLINE if row.lost else _STATUS.get(parsing.parse_number(row.status))
    return device_snapshot(device, status, None, values, "plant_energy_data")


def noah(device: Device, status: dev.NoahStatus) -> DeviceSnapshot:
    """Read a balcony battery; grid and load are known to newer firmware only."""
    values = status.readings()
    values[m.BATTERY_POWER] = difference(status.discharge_power, status.charge_power)
    if status.load_power is not None or status.grid_power is not None:
        values |= {m.LOAD_POWER: status.load_power, m.GRID_POWER: status.grid_power}
    return device_snapshot(device, _NOAH_STATUS.get(status.status or ""), None, values, "noah_system_status")


def plant_values(info: said.PlantInfo, devices: Iterable[DeviceSnapshot]) -> dict[str, tuple[float | None, str]]:
    """Return what the plant's own figures fill in where its devices are silent.

    Quirk: devices forget their counters at night while the plant's stay right (Home Assistant issue 56500).
    A battery makes the plant's energy ambiguous, so there it fills nothing.
    """
    devices = tuple(devices)
    if any(m.BATTERY_SOC.name in one.values for one in devices):
        return {}
    known = {name for one in devices for name, value in one.values.items() if value is not None}
    own = {m.PV_ENERGY_TODAY: info.energy_today, m.PV_ENERGY_TOTAL: info.energy_total}
    return {
        metric.name: (value, "plant_info")
        for metric, value in own.items()
        if value is not None and metric.name not in known
    }


def with_upload_time(devices: Iterable[DeviceSnapshot], info: said.PlantInfo, now: datetime) -> list[DeviceSnapshot]:
    """Give devices whose answers know no time the moment of their plant's last upload, where that is certain.

    Quirk: the logger's `update_time` says no zone, and server times are China's on some calls and the plant's on
    others. Loggers upload every few minutes, so of the two readings the one just past is the right one; an older
    one is a guess, and stays a gap.
    """
    texts = [logger.last_upload for logger in info.dataloggers if logger.lost is False]
    moments = [parse_timestamp(text, clock) for text in texts for clock in (now, now.astimezone(parsing.CHINA))]
    fresh = [moment for moment in moments if moment is not None and -LEEWAY <= now - moment <= FRESH]
    return [
        replace(one, measured_at=max(fresh))
        if one.measured_at is None and fresh and one.status is Status.ONLINE
        else one
        for one in devices
    ]


def device_snapshot(
    device: Device,
    status: Status | None,
    measured_at: datetime | None,
    values: Mapping[Metric, float | None],
    call: str,
) -> DeviceSnapshot:
    """Put a device's values together; solar power is never negative, and what an answer lacks is a gap."""
    named = {
        metric.name: None if value is None else max(value, 0.0) if metric is m.PV_POWER else value
        for metric, value in values.items()
    }
    return DeviceSnapshot(
        device=device,
        status=status,
        measured_at=measured_at,
        values=named,
        sources=dict.fromkeys(named, call),
    )


def all_missing(values: Values) -> Values:
    """Return the same metrics, all of them gaps."""
    return dict.fromkeys(values)


def drop_metrics(values: Values, metrics: Iterable[Metric]) -> None:
    """Drop the metrics of a part the device does not have."""
    for metric in metrics:
        values.pop(metric, None)


def sum_known(*values: float | None) -> float | None:
    """Add what is known; nothing known is a gap."""
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def difference(plus: float | None, minus: float | None, scale: float = 1.0) -> float | None:
    """Make one signed value of the two magnitudes Growatt sends; either missing is a gap."""
    return None if plus is None or minus is None else round((plus - minus) * scale, 6)


def parse_timestamp(text: object, now: datetime) -> datetime | None:
    """Return when a time was written, by the clock of `now`.

    Quirk: where clocks go back an hour comes twice, and a time does not say of which it is. It is taken for the later
    one that is not to come.
    """
    found = parsing.parse_time(text, now.tzinfo)
    if found is None or not isinstance(text, str):
        return found
    again = found.astimezone(now.tzinfo).replace(fold=1).astimezone(UTC)
    return again if again - LEEWAY <= now else found  # `now` itself would lose its fold in a sum


def last_chart_time(chart: object, now: datetime) -> datetime | None:
    """Return the moment of the last point of today's chart, whose keys are "HH:MM" on the plant's wall."""
    keys = [key for key in chart if isinstance(key, str) and ":" in key] if isinstance(chart, dict) else []
    if not keys:
        return None
    found = parse_timestamp(f"{now:%Y-%m-%d} {max(keys)}:00", now)
    if found is None or (now.fold and is_ambiguous(found.astimezone(now.tzinfo))):
        # Quirk: the hour that comes twice has one set of keys, and the second time all of them are there.
        return None
    ahead = found - now
    if ahead <= _CHART_LEEWAY:
        return found
    # Quirk: just after midnight the last point may be yesterday's. A point some minutes ahead is of the hour that
    # comes twice when clocks go back: which of the two it is, the chart does not say.
    return found - timedelta(days=1) if ahead > _REPEATED_HOUR else None
