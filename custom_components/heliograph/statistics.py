"""History as statistics of Home Assistant: the actions `import_history` and `clear_history` (services.py).

External statistics, `heliograph:<vendor>_<plant>_<energy>`, belong to no entity. On request the history is also put
before the statistics of the plant's own sensors.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from homeassistant.components.recorder.models import StatisticData, StatisticMeanType, StatisticMetaData
from homeassistant.components.recorder.statistics import (
    async_add_external_statistics,
    async_import_statistics,
    statistics_during_period,
)
from homeassistant.const import UnitOfEnergy
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util
from homeassistant.util import slugify
from homeassistant.util.hass_dict import HassKey

from heliograph.local_time import EARLIEST_YEAR, day_at, day_bounds, zone_from_name
from heliograph.metrics import ENERGIES

from .const import DOMAIN
from .history import CURVE_METRICS, CurvePoint, hours_of_day, windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from homeassistant.config_entries import ConfigEntry
    from homeassistant.core import HomeAssistant, ServiceResponse

    from .history import HourEnergy
    from .model import PlantNow
    from .source import DayEnergies, Source

_IMPORTING: HassKey[asyncio.Lock] = HassKey(f"{DOMAIN}_importing")
_DAYS = 3650
"""Days per query of days."""
_CURVE_DAYS = 20
"""Days per query of curves: the API returns at most 2,000 points."""
_CURVE_SECONDS = 900
_ROWS = 5000
"""Rows per transaction of the recorder, which has other work as well."""
_STATE_AND_SUM: set[Any] = {"state", "sum"}


class StatisticRow(NamedTuple):
    """The energy of an hour and of all hours up to its end, in kWh."""

    kwh: float
    sum: float


Rows = dict[int, StatisticRow]
"""Rows by the start of their hour, in epoch seconds."""


async def async_import_history(
    hass: HomeAssistant, entry: ConfigEntry[Any], plants: Iterable[str] | None = None, *, entities: bool = False
) -> ServiceResponse:
    """Import the stored energies of the plants, default all; return the number of days and rows of each plant.

    Only rows that differ from those of an earlier import are written, so it can be repeated at any time. With
    `entities` the hours before the first own statistics of the plants' sensors are imported into them as well.
    """
    recorder = _recorder(hass)
    source: Source = entry.runtime_data.source
    report: dict[str, Any] = {}
    async with hass.data.setdefault(_IMPORTING, asyncio.Lock()):
        names = await _energy_names(hass)
        for plant in _selected(entry, plants):
            days, curves = await _read(source, plant)
            written = 0
            sums: dict[str, float] = {}
            for energy in ENERGIES:
                rows = cumulate(_hours(energy, days, curves, plant))
                if not rows:
                    continue
                statistic = statistic_id(plant.series.vendor, plant.series.plant, energy)
                written += await _replace(hass, statistic, f"{plant.title} {names[energy]}", rows)
                if entities:
                    await _put_before(hass, entry, f"{plant.node}_{energy}_total", rows)
                sums[energy] = rows[max(rows)].sum
            report[plant.node] = {"days": len(days), "rows_written": written, "energies": sums}
        await recorder.async_block_till_done()
    return {"plants": report}


async def async_clear_history(
    hass: HomeAssistant, entry: ConfigEntry[Any], plants: Iterable[str] | None = None
) -> ServiceResponse:
    """Delete the external statistics of the plants, default all; those of entities stay."""
    recorder = _recorder(hass)
    ids = [
        statistic_id(plant.series.vendor, plant.series.plant, energy)
        for plant in _selected(entry, plants)
        for energy in ENERGIES
    ]
    async with hass.data.setdefault(_IMPORTING, asyncio.Lock()):
        recorder.async_clear_statistics(ids)
        await recorder.async_block_till_done()
    return {"statistic_ids": [*ids]}


def statistic_id(vendor: str, plant: str, energy: str) -> str:
    """Return the id of the external statistics of an energy.

    >>> statistic_id("growatt", "1840213", "pv_energy")
    'heliograph:growatt_1840213_pv_energy'
    """
    return f"{DOMAIN}:{slugify(f'{vendor}_{plant}_{energy}')}"


def cumulate(hours: Iterable[HourEnergy]) -> Rows:
    """Return hours as rows with their sums, which never fall."""
    rows: Rows = {}
    total = 0.0
    for start, kwh in hours:
        total = round(total + kwh, 3)
        rows[start] = StatisticRow(kwh, total)
    return rows


def _recorder(hass: HomeAssistant) -> Any:
    if "recorder" not in hass.config.components:
        raise _refusal("recorder_off")
    return get_instance(hass)


def _refusal(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders or None
    )


def _selected(entry: ConfigEntry[Any], plants: Iterable[str] | None) -> list[PlantNow]:
    known: list[PlantNow] = list(entry.runtime_data.data.plants.values())
    if plants is None:
        return known
    wanted = set(plants)
    if unknown := wanted - {text for plant in known for text in (plant.series.plant, plant.title)}:
        raise _refusal("unknown_plant", plant=min(unknown))
    return [plant for plant in known if wanted & {plant.series.plant, plant.title}]


async def _energy_names(hass: HomeAssistant) -> dict[str, str]:
    """Return the names of the energies in the language of this Home Assistant."""
    texts = await async_get_translations(hass, hass.config.language, "entity", [DOMAIN])
    prefix = f"component.{DOMAIN}.entity.sensor"
    return {energy: texts.get(f"{prefix}.{energy}_total.name", energy) for energy in ENERGIES}


async def _read(source: Source, plant: PlantNow) -> tuple[list[DayEnergies], dict[date, list[CurvePoint]]]:
    """Return the stored days of a plant, and the curve of each."""
    zone = zone_from_name(plant.zone)
    today = day_at(int(dt_util.utcnow().timestamp()), zone)
    days: list[DayEnergies] = []
    for first, last in windows(date(EARLIEST_YEAR, 1, 1), today, _DAYS):
        days += await source.days(plant, first, last)
    curves: dict[date, list[CurvePoint]] = {}
    for first, last in windows(days[0].day, days[-1].day, _CURVE_DAYS) if days else ():
        found = await source.buckets(plant, CURVE_METRICS, first, last, _CURVE_SECONDS)
        columns = {name: (found.high if name.endswith("_today") else found.mean)[name] for name in found.mean}
        for index, moment in enumerate(found.starts):
            start = int(moment.timestamp())
            values = {name: column[index] for name, column in columns.items()}
            curves.setdefault(day_at(start, zone), []).append(CurvePoint(start, found.seconds, values))
    return days, curves


def _hours(
    energy: str, days: Sequence[DayEnergies], curves: Mapping[date, Sequence[CurvePoint]], plant: PlantNow
) -> Iterator[HourEnergy]:
    zone = zone_from_name(plant.zone)
    for row in days:
        kwh = row.values.get(energy)
        if kwh is not None:
            yield from hours_of_day(energy, kwh, curves.get(row.day, ()), day_bounds(row.day, zone))


async def _replace(hass: HomeAssistant, statistic: str, name: str, rows: Rows) -> int:
    """Make the external statistics equal to these rows; return the number of written ones."""
    recorder = get_instance(hass)
    stored = await _stored(hass, statistic)
    if set(stored) - set(rows):
        # A day that was one row is now divided into other hours, or is no longer stored.
        recorder.async_clear_statistics([statistic])
        stored = {}
    changed = {start: row for start, row in rows.items() if not _equal(stored.get(start), row)}
    metadata = _metadata(statistic, DOMAIN, name)
    for part in batched(changed, _ROWS, strict=False):
        async_add_external_statistics(hass, metadata, [_statistic(start, changed[start]) for start in part])
    return len(changed)


async def _put_before(hass: HomeAssistant, entry: ConfigEntry[Any], unique_id: str, rows: Rows) -> None:
    """Import the rows before the first own statistics of the plant's sensor, and raise the later sums by theirs."""
    registry = er.async_get(hass)
    found = registry.async_get_entity_id("sensor", DOMAIN, unique_id)
    registered = registry.async_get(found) if found else None
    if registered is None or registered.config_entry_id != entry.entry_id:
        return
    created = int(registered.created_at.timestamp()) // 3600 * 3600
    stored = await _stored(hass, registered.entity_id)
    own = min((start for start in stored if start >= created), default=None)
    if own is None:
        return
    before = {start: row for start, row in rows.items() if start < own}
    earlier = [start for start in stored if start < own]
    imported = stored[max(earlier)].sum if earlier else 0.0
    if not before:
        return
    reached = before[max(before)].sum
    # The reading at the end of each hour, by the sensor's reading at the end of its first.
    first = stored[own]
    reading = first.kwh - (first.sum - imported)
    changed = {
        start: StatisticRow(round(max(0.0, reading - (reached - row.sum)), 3), row.sum) for start, row in before.items()
    }
    metadata = _metadata(registered.entity_id, "recorder", None)
    for part in batched(changed, _ROWS, strict=False):
        async_import_statistics(hass, metadata, [_statistic(start, changed[start]) for start in part])
    if round(reached - imported, 3):
        get_instance(hass).async_adjust_statistics(
            registered.entity_id, _utc(own), reached - imported, UnitOfEnergy.KILO_WATT_HOUR
        )


async def _stored(hass: HomeAssistant, statistic: str) -> Rows:
    """Return the rows that the recorder has."""
    recorder = get_instance(hass)
    await recorder.async_block_till_done()
    found = await recorder.async_add_executor_job(
        statistics_during_period,
        hass,
        _utc(0),
        None,
        {statistic},
        "hour",
        {"energy": UnitOfEnergy.KILO_WATT_HOUR},
        _STATE_AND_SUM,
    )
    return {
        int(row["start"]): StatisticRow(row.get("state") or 0.0, row.get("sum") or 0.0)
        for row in found.get(statistic, ())
    }


def _equal(stored: StatisticRow | None, row: StatisticRow) -> bool:
    return stored is not None and all(abs(ours - theirs) < 0.0005 for ours, theirs in zip(row, stored, strict=True))


def _statistic(start: int, row: StatisticRow) -> StatisticData:
    return StatisticData(start=_utc(start), state=row.kwh, sum=row.sum)


def _metadata(statistic: str, source: str, name: str | None) -> StatisticMetaData:
    members: dict[str, Any] = {
        "mean_type": StatisticMeanType.NONE,
        "has_mean": False,
        "has_sum": True,
        "name": name,
        "source": source,
        "statistic_id": statistic,
        "unit_of_measurement": UnitOfEnergy.KILO_WATT_HOUR,
    }
    if "unit_class" in StatisticMetaData.__required_keys__:
        members["unit_class"] = "energy"  # a key that older versions do not know loses every row
    return cast("StatisticMetaData", members)


def _utc(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
