"""Map Growatt's responses to the common model: signs, time zones, implausible values; one function per family."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.core.measurements import raw_numbers
from heliograph.model import DeviceSnapshot, Status
from heliograph.vendors.growatt.measurements import measure, measure_mix, unusable
from heliograph.vendors.growatt.params import is_ambiguous

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from heliograph.metrics import Metric
    from heliograph.model import Device
    from heliograph.vendors.growatt.payloads import devices as dev
    from heliograph.vendors.growatt.payloads import noah as balcony
    from heliograph.vendors.growatt.payloads import plants

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
    """Map a TLX device's detail response; `now` is in plant-local time."""
    measured_at = parse_timestamp(detail.time, now)
    values = detail.readings()
    values[m.PV_ENERGY_TODAY] = sum_known(detail.pv1_today, detail.pv2_today, detail.pv3_today, detail.pv4_today)
    values[m.GRID_POWER] = difference(detail.grid_import_power, detail.grid_export_power)
    charged = sum_known(detail.charge_power_1, detail.charge_power_2)
    values[m.BATTERY_POWER] = difference(sum_known(detail.discharge_power_1, detail.discharge_power_2), charged)
    values[m.BATTERY_SOC] = detail.state_of_charge or detail.state_of_charge_1
    # Quirk: units without a battery or a meter report zeros for them, so a part that never counted is absent.
    if not any((detail.charge_total, detail.discharge_total, detail.battery_voltage, values[m.BATTERY_SOC])):
        drop_metrics(values, BATTERY_METRICS)
    if not any((detail.import_total, detail.export_total, detail.load_total)):
        drop_metrics(values, METER_METRICS)
    # Quirk: a sleeping, offline or unknown device reports all zeros without a time; `lost` alone is not enough,
    # it has been seen true on live data.
    asleep = measured_at is None and detail.lost is not False
    status = Status.OFFLINE if asleep else _STATUS.get(detail.status)
    if asleep:
        return device_snapshot(device, status, measured_at, all_missing(values), "tlx_detail")
    return device_snapshot(device, status, measured_at, values, "tlx_detail", *_measured("tlx", detail.body))


def inverter(device: Device, detail: dev.InverterDetail, now: datetime) -> DeviceSnapshot:
    """Map a classic inverter's detail response; `now` is in plant-local time."""
    values = detail.readings()
    # Quirk: an unknown or sleeping id reports zeros with the server's current time; only the empty id reveals it.
    unknown = detail.inverter_id is None and not detail.energy_total
    status = Status.OFFLINE if unknown else _STATUS.get(detail.status)
    measured_at = None if unknown else parse_timestamp(detail.time, now)
    if unknown:
        return device_snapshot(device, status, measured_at, all_missing(values), "inverter_detail")
    return device_snapshot(device, status, measured_at, values, "inverter_detail", *_measured("inverter", detail.body))


def mix(
    device: Device,
    status: dev.MixStatus,
    totals: dev.MixTotals | None,
    detail: dev.ProdCons | None,
    dashboard: plants.Dashboard | None,
    now: datetime,
) -> DeviceSnapshot:
    """Map a hybrid inverter's responses; `now` is in plant-local time, because chart keys have no date.

    What was not fetched is absent; only `detail` has the time of the data.
    """
    values = status.readings() | (totals.readings() if totals is not None else {})
    values[m.GRID_POWER] = difference(status.grid_import_power, status.grid_export_power, scale=1000)
    values[m.BATTERY_POWER] = difference(status.battery_discharge_power, status.battery_charge_power, scale=1000)
    if dashboard is not None:
        values[m.GRID_IMPORT_ENERGY_TODAY] = dashboard.readings()[m.GRID_IMPORT_ENERGY_TODAY]
    lost = "lost" in (status.state or "")
    state = Status.FAULT if status.work_mode == _MIX_FAULT else Status.ONLINE
    measured_at = last_chart_time(detail.chart, now) if detail is not None else None
    measurements = {} if lost else measure_mix(status.body, detail.body if detail is not None else {})
    state = Status.OFFLINE if lost else state
    return device_snapshot(device, state, measured_at, values, "mix_system_status", measurements)


def storage(
    device: Device, params: dev.StorageParams, energy: dev.StorageEnergy | None, now: datetime
) -> DeviceSnapshot:
    """Map an off-grid storage inverter's responses; `now` is in plant-local time."""
    live = params.live
    values = live.readings() | (energy.readings() if energy is not None else {})
    values[m.PV_POWER] = None if live.pv_power is None else live.pv_power + (live.pv2_power or 0.0)
    values[m.BATTERY_POWER] = difference(live.discharge_power, live.charge_power)
    status_text = (live.status_text or "").lower()
    status = Status.FAULT if "fault" in status_text else Status.OFFLINE if live.lost else Status.ONLINE
    measured_at = parse_timestamp(live.time, now)
    return device_snapshot(device, status, measured_at, values, "storage_params", *_measured("storage", live.body))


def spa(device: Device, row: plants.DeviceRow | None, energy: plants.PlantEnergy) -> DeviceSnapshot:
    """Map an AC-coupled battery inverter: no known call reads it, so plant data and its list row are used."""
    if row is None:
        return device_snapshot(device, None, None, energy.readings(), "plant_energy_data")
    values = energy.readings() | {m.BATTERY_SOC: row.state_of_charge}
    status = Status.OFFLINE if row.lost else _STATUS.get(parsing.parse_number(row.status))
    return device_snapshot(device, status, None, values, "plant_energy_data")


def unknown(device: Device, row: plants.DeviceRow) -> DeviceSnapshot:
    """Return a device of a family without a table: the numbers in its row, which may mean anything."""
    return DeviceSnapshot(device=device, status=None, measured_at=None, values={}, raw=raw_numbers(row.body))


def noah(device: Device, status: balcony.NoahStatus) -> DeviceSnapshot:
    """Map a NOAH or NEXA; only newer firmware reports grid and load."""
    values = status.readings()
    values[m.BATTERY_POWER] = difference(status.discharge_power, status.charge_power)
    if status.load_power is not None or status.grid_power is not None:
        values |= {m.LOAD_POWER: status.load_power, m.GRID_POWER: status.grid_power}
    state, call = _NOAH_STATUS.get(status.status or ""), f"{device.family}_system_status"
    return device_snapshot(device, state, None, values, call, *_measured("noah", status.body))


def plant_values(info: plants.PlantInfo, devices: Iterable[DeviceSnapshot]) -> dict[str, tuple[float | None, str]]:
    """Return the plant's own energies for metrics no device reports, with their source call.

    Quirk: devices lose their counters at night while the plant's stay right (Home Assistant issue 56500).
    A battery makes the plant's energy ambiguous, so nothing is filled in then.
    """
    devices = tuple(devices)
    if any(m.BATTERY_SOC.name in device.values for device in devices):
        return {}
    known = {name for device in devices for name, value in device.values.items() if value is not None}
    plant_energies = {m.PV_ENERGY_TODAY: info.energy_today, m.PV_ENERGY_TOTAL: info.energy_total}
    return {
        metric.name: (value, "plant_info")
        for metric, value in plant_energies.items()
        if value is not None and metric.name not in known
    }


def with_upload_time(devices: Iterable[DeviceSnapshot], info: plants.PlantInfo, now: datetime) -> list[DeviceSnapshot]:
    """Set `measured_at` of devices without a timestamp to the plant's last upload, if that time is certain.

    Quirk: the datalogger's `update_time` has no zone, and server times are in China's zone on some calls and in the
    plant's on others. Dataloggers upload every few minutes, so the interpretation just before `now` is right; an older
    one would be a guess and stays None.
    """
    texts = [logger.last_upload for logger in info.dataloggers if logger.lost is False]
    moments = [parse_timestamp(text, clock) for text in texts for clock in (now, now.astimezone(parsing.CHINA))]
    fresh = [moment for moment in moments if moment is not None and -LEEWAY <= now - moment <= FRESH]
    return [
        replace(device, measured_at=max(fresh))
        if device.measured_at is None and fresh and device.status is Status.ONLINE
        else device
        for device in devices
    ]


def device_snapshot(
    device: Device,
    status: Status | None,
    measured_at: datetime | None,
    values: Mapping[Metric, float | None],
    call: str,
    measurements: Mapping[str, float | str | None] | None = None,
    oddities: Mapping[str, str] | None = None,
) -> DeviceSnapshot:
    """Build a device snapshot; negative solar power becomes 0, missing values are None."""
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
        measurements=measurements or {},
        oddities=oddities or {},
    )


def _measured(family: str, body: Mapping[str, Any]) -> tuple[Mapping[str, float | str | None], Mapping[str, str]]:
    """Return the measurements in a device's object, and what could not be used of it."""
    return measure(family, body), unusable(family, body)


def all_missing(values: Values) -> Values:
    """Return the same metrics, all None."""
    return dict.fromkeys(values)


def drop_metrics(values: Values, metrics: Iterable[Metric]) -> None:
    """Remove the metrics of a part the device does not have."""
    for metric in metrics:
        values.pop(metric, None)


def sum_known(*values: float | None) -> float | None:
    """Return the sum of the known values, None if there are none."""
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


def difference(plus: float | None, minus: float | None, scale: float = 1.0) -> float | None:
    """Return the signed difference of two magnitudes, None if either is missing."""
    return None if plus is None or minus is None else round((plus - minus) * scale, 6)


def parse_timestamp(text: object, now: datetime) -> datetime | None:
    """Parse a timestamp in the zone of `now`.

    Quirk: the hour repeated in autumn is ambiguous. The later of the two times that is not in the future is returned.
    """
    found = parsing.parse_time(text, now.tzinfo)
    if found is None or not isinstance(text, str):
        return found
    later = found.astimezone(now.tzinfo).replace(fold=1).astimezone(UTC)
    return later if later - LEEWAY <= now else found  # arithmetic on `now` would lose its fold


def last_chart_time(chart: object, now: datetime) -> datetime | None:
    """Return the time of the last point of today's chart, whose keys are "HH:MM" in plant-local time."""
    keys = [key for key in chart if isinstance(key, str) and ":" in key] if isinstance(chart, dict) else []
    if not keys:
        return None
    found = parse_timestamp(f"{now:%Y-%m-%d} {max(keys)}:00", now)
    if found is None or (now.fold and is_ambiguous(found.astimezone(now.tzinfo))):
        # Quirk: the repeated hour has one set of keys, and the second time all of them are present.
        return None
    ahead = found - now
    if ahead <= _CHART_LEEWAY:
        return found
    # Quirk: just after midnight the last point may be yesterday's. A point some minutes ahead is in the repeated
    # hour of autumn, and the chart does not say which of the two it is.
    return found - timedelta(days=1) if ahead > _REPEATED_HOUR else None
