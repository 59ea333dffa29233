"""History of a plant in the common model: day curves and energies per day, month and year, from either dialect."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.core import parsing
from heliograph.core.effects import import_flow
from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import ConfigError
from heliograph.local_time import LocalDay, ordered_energies, parse_day, period_range, unknown_zone_error
from heliograph.vendors.goodwe import charts, dialect
from heliograph.vendors.goodwe.dialect import with_fallback
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import snapshots as plus_snapshots
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.goodwe.plus.zones import plant_zone

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from heliograph.core.session import Session
    from heliograph.local_time import EnergyRows
    from heliograph.model import HistoryCost, PeriodEnergy, Sample
    from heliograph.vendors.goodwe.legacy import charts_payloads
    from heliograph.vendors.goodwe.legacy.charts_api import ChartRange, DayLike
    from heliograph.vendors.goodwe.plus import payloads as plus_payloads

_TYPICAL_YEARS = 3
_OFFSET_MAX_AGE = 86400
"""Seconds before a plant's UTC offset is fetched again; it changes with daylight saving time."""


class GoodWeHistory:
    """History methods of the GoodWe clients."""

    @composite
    def day_curve(self, plant_id: str, day: DayLike) -> FlowGenerator[tuple[Sample, ...]]:
        """Powers and state of charge of a plant over one local day, about every 5 minutes.

        Future samples are absent. The SEMS Portal reports only today's UTC offset: pass the plant's `zone` to the
        client if days across a daylight saving change must be exact to the hour.
        """
        requested = parse_day(day)
        curve: tuple[Sample, ...] = yield with_fallback(
            lambda session: _chart_curve(session, plant_id, requested),
            lambda session: _plus_curve(session, plant_id, requested),
        )
        return curve

    @composite
    def inverter_curve(
        self, plant_id: str, serial_num: str, day: DayLike, metric: str = "pv_power"
    ) -> FlowGenerator[tuple[Sample, ...]]:
        """One quantity of one inverter over a day: pv_power, battery_soc or pv_energy_today; SEMS Portal only."""
        requested = parse_day(day)
        if metric not in charts.INVERTER_COLUMNS:
            raise ConfigError(f"metric must be one of {', '.join(charts.INVERTER_COLUMNS)}; got {metric!r}")
        column, line = charts.INVERTER_COLUMNS[metric]
        answer: charts_payloads.InverterColumn = yield GoodWeCalls.inverter_column.flow(serial_num, requested, column)
        session: Session = yield ENSURE_SESSION
        local_day = yield from _legacy_day(session, plant_id, requested)
        return charts.column_curve(answer, line, local_day)

    @composite
    def period_energies(self, plant_id: str, period: str = "") -> FlowGenerator[tuple[PeriodEnergy, ...]]:
        """Energies of each day of a month ("2026-06"), each month of a year ("2026"), or each year ("").

        The current day, month or year is partial; future periods are absent.
        """
        period_range(period)  # reject an invalid period before sending anything
        energies: tuple[PeriodEnergy, ...] = yield with_fallback(
            lambda session: _energies(_legacy_day(session, plant_id), plant_id, period, _chart_rows),
            lambda session: _energies(_plus_day(session, plant_id), plant_id, period, _plus_rows),
        )
        return energies

    @composite
    def first_day(self, plant_id: str) -> FlowGenerator[date | None]:
        """The day a plant was registered with the cloud; None if the cloud does not report it."""
        first: date | None = yield with_fallback(
            lambda session: _legacy_first_day(session, plant_id),
            lambda session: _plus_first_day(session, plant_id),
        )
        return first

    @composite
    def history_cost(self, plant_id: str) -> FlowGenerator[HistoryCost]:
        """Requests per history query of a plant, excluding the daily time zone query and retries without a meter."""
        yield from import_flow("heliograph.model")
        from heliograph.model import HistoryCost  # noqa: PLC0415 - loads dataclasses

        session: Session = yield ENSURE_SESSION
        years = 1 if dialect.current_or_default(session) == dialect.LEGACY else _TYPICAL_YEARS
        return HistoryCost(curve=1, days=1, months=1, years=years)


# Local days


def _legacy_day(session: Session, plant_id: str, day: date | None = None) -> FlowGenerator[LocalDay]:
    """Return the local day context of a SEMS Portal plant, by default for today."""
    if session.zone is not None:
        return _local_day(session.zone, session, day)
    offsets: dict[str, list[Any]] = session.facts.setdefault("offsets", {})
    hours, fetched_at = offsets.get(plant_id, (None, 0.0))
    if session.server_time - fetched_at > _OFFSET_MAX_AGE:
        detail: charts_payloads.SemsPlantDetail = yield GoodWeCalls.plant_detail.flow(plant_id)
        hours = None if detail.info.hours_behind is None else -detail.info.hours_behind
        if parsing.offset_zone(hours) is not None:
            offsets[plant_id] = [hours, session.server_time]
    zone = parsing.offset_zone(hours)
    if zone is None:
        raise unknown_zone_error("goodwe")
    return _local_day(zone, session, day)


def _plus_day(session: Session, plant_id: str, day: date | None = None) -> FlowGenerator[LocalDay]:
    """Return the local day context of a SEMS+ plant, by default for today; SEMS+ reports IANA zone names."""
    if session.zone is None and plant_id not in session.facts.get("zones", {}):
        yield plus_snapshots.plants(session)
    zone = plant_zone(plant_id, session)
    if zone is None:
        raise unknown_zone_error("goodwe")
    return _local_day(zone, session, day)


def _local_day(zone: tzinfo, session: Session, day: date | None) -> LocalDay:
    now = datetime.fromtimestamp(session.server_time, UTC)
    return LocalDay(day or now.astimezone(zone).date(), zone, now)


def _legacy_first_day(session: Session, plant_id: str) -> FlowGenerator[date | None]:
    local_day = yield from _legacy_day(session, plant_id)
    detail: charts_payloads.SemsPlantDetail = yield GoodWeCalls.plant_detail.flow(plant_id)
    created = parsing.parse_time(detail.info.created, parsing.CHINA, ("%m/%d/%Y %H:%M:%S",))
    return None if created is None else created.astimezone(local_day.zone).date()


def _plus_first_day(session: Session, plant_id: str) -> FlowGenerator[date | None]:
    if plant_id not in session.facts.get("created", {}):
        yield plus_snapshots.plants(session)
    with suppress(ValueError):  # not a date: unknown
        return date.fromisoformat((session.facts["created"].get(plant_id) or "")[:10])
    return None


# Curves


def _chart_curve(session: Session, plant_id: str, day: date) -> FlowGenerator[tuple[Sample, ...]]:
    local_day = yield from _legacy_day(session, plant_id, day)
    chart: charts_payloads.PowerChart = yield GoodWeCalls.power_chart.flow(plant_id, day)
    if curve := charts.chart_curve(chart, local_day):
        return curve
    # Plants without a meter may have no chart; their AC power is in an older list.
    power: charts_payloads.PowerDay = yield GoodWeCalls.power_by_day.flow(plant_id, day)
    return charts.power_curve(power, local_day)


def _plus_curve(session: Session, plant_id: str, day: date) -> FlowGenerator[tuple[Sample, ...]]:
    local_day = yield from _plus_day(session, plant_id, day)
    curves: plus_payloads.PowerCurves = yield SemsPlusCalls.plus_power_curves.flow(
        plant_id, day, local_day.utc_offset_hours
    )
    return charts.plus_curve(curves, local_day)


# Energies


def _energies(
    local_day_flow: FlowGenerator[LocalDay],
    plant_id: str,
    period: str,
    fetch: Callable[[str, str, date, date], FlowGenerator[EnergyRows]],
) -> FlowGenerator[tuple[PeriodEnergy, ...]]:
    local_day = yield from local_day_flow
    first, last = period_range(period)
    last = min(last, local_day.day)
    rows: EnergyRows = {}
    if first <= last:
        rows = yield from fetch(plant_id, period, first, last)
    return ordered_energies(rows, period, local_day.day)


def _chart_rows(plant_id: str, period: str, first: date, last: date) -> FlowGenerator[EnergyRows]:
    """Fetch energies from the SEMS Portal, whose ranges end on a given day and extend backwards."""
    span: ChartRange = {7: 2, 4: 3}.get(len(period), 4)  # type: ignore[assignment]
    rows = yield from _chart(plant_id, last, span)
    if span == 2 and rows and min(rows) > f"{first}":
        # Quirk: "about" 31 days; if the window begins within the month, the days before it are fetched as well.
        rows |= yield from _chart(plant_id, date.fromisoformat(min(rows)) - timedelta(days=1), span)
    return rows


def _chart(plant_id: str, end: date, span: ChartRange) -> FlowGenerator[EnergyRows]:
    digits = {2: 10, 3: 7}.get(span, 4)
    for chart in ("8", "3"):  # all energies; generation only, for plants without a meter
        answer: charts_payloads.EnergyChart = yield GoodWeCalls.chart_by_plant.flow(plant_id, end, span, chart)
        if rows := charts.chart_energies(answer, digits):
            return rows
    return {}


def _plus_rows(plant_id: str, period: str, first: date, last: date) -> FlowGenerator[EnergyRows]:
    """Fetch energies from SEMS+, which accepts any range; years are fetched one by one."""
    if period:
        statistics: plus_payloads.PlusStatistics = yield SemsPlusCalls.plus_statistics.flow(
            plant_id, first, last, "day" if len(period) == 7 else "month"
        )
        return charts.plus_energies(statistics, 10 if len(period) == 7 else 7)
    rows: EnergyRows = {}
    # Quirk: a range of several years returned zeros; years before the plant are zeros, too.
    for year in range(last.year, first.year - 1, -1):
        end = min(last, date(year, 12, 31))
        answer: plus_payloads.PlusStatistics = yield SemsPlusCalls.plus_statistics.flow(
            plant_id, date(year, 1, 1), end, "year"
        )
        energies = charts.plus_energies(answer, 4)
        if not any(value for values in energies.values() for value in values.values()):
            break
        rows |= energies
    return rows
