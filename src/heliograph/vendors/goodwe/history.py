"""A plant's past in the common model, from whichever dialect serves the account: day curves, energies of periods."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from heliograph.core import parsing
from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import ConfigError
from heliograph.local_time import LocalDay, ordered_energies, parse_day, period_range, unknown_zone_error
from heliograph.vendors.goodwe import dialect
from heliograph.vendors.goodwe.dialect import with_fallback
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import snapshots as plus_read
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from heliograph.core.session import Session
    from heliograph.local_time import EnergyRows
    from heliograph.model import HistoryCost, PeriodEnergy, Sample
    from heliograph.vendors.goodwe.legacy import charts_payloads as said
    from heliograph.vendors.goodwe.legacy.charts_api import ChartRange, DayLike
    from heliograph.vendors.goodwe.plus import payloads as plus

_USUAL_YEARS = 3
_OFFSET_LASTS = 86400
"""Seconds before a plant's offset from UTC is asked for again: it turns with summer time."""


class GoodWeHistory:
    """What an account's plants did before, in the common model."""

    @composite
    def day_curve(self, plant_id: str, day: DayLike) -> FlowGenerator[tuple[Sample, ...]]:
        """A plant's powers and state of charge over one day of its own calendar, about every 5 minutes.

        What is still to come is absent. The classic portal only knows today's offset from UTC: name the plant's
        `zone` when making the client to read days of another season right to the hour.
        """
        asked = parse_day(day)
        found: tuple[Sample, ...] = yield with_fallback(
            lambda session: _chart_curve(session, plant_id, asked),
            lambda session: _plus_curve(session, plant_id, asked),
        )
        return found

    @composite
    def inverter_curve(
        self, plant_id: str, serial_num: str, day: DayLike, metric: str = "pv_power"
    ) -> FlowGenerator[tuple[Sample, ...]]:
        """One quantity of one inverter over a day: pv_power, battery_soc or pv_energy_today; classic portal only."""
        from heliograph.vendors.goodwe import charts  # noqa: PLC0415 - single calls never wait for the model

        asked = parse_day(day)
        if metric not in charts.INVERTER_COLUMNS:
            raise ConfigError(f"an inverter has curves of {', '.join(charts.INVERTER_COLUMNS)}, not of {metric!r}")
        column, meaning = charts.INVERTER_COLUMNS[metric]
        answer: said.InverterColumn = yield GoodWeCalls.inverter_column.flow(serial_num, asked, column)
        session: Session = yield ENSURE_SESSION
        wall = yield from _legacy_wall(session, plant_id, asked)
        return charts.column_curve(answer, meaning, wall)

    @composite
    def period_energies(self, plant_id: str, period: str = "") -> FlowGenerator[tuple[PeriodEnergy, ...]]:
        """Energies of the days of a month ("2026-06"), the months of a year ("2026"), or of all years ("").

        The running day, month or year is as far as it has come; what is still to come is absent.
        """
        period_range(period)  # what is no period is refused before anything is sent
        found: tuple[PeriodEnergy, ...] = yield with_fallback(
            lambda session: _energies(_legacy_wall(session, plant_id), plant_id, period, _chart_rows),
            lambda session: _energies(_plus_wall(session, plant_id), plant_id, period, _plus_rows),
        )
        return found

    @composite
    def first_day(self, plant_id: str) -> FlowGenerator[date | None]:
        """The day a plant was put into the cloud; None where the cloud does not say."""
        found: date | None = yield with_fallback(
            lambda session: _legacy_first_day(session, plant_id),
            lambda session: _plus_first_day(session, plant_id),
        )
        return found

    @composite
    def history_cost(self, plant_id: str) -> FlowGenerator[HistoryCost]:
        """What a plant's past costs; its clock, asked once a day, comes on top, and a second chart without a meter."""
        from heliograph.model import HistoryCost  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield ENSURE_SESSION
        years = 1 if dialect.current_or_default(session) == dialect.LEGACY else _USUAL_YEARS
        return HistoryCost(curve=1, days=1, months=1, years=years)


# Clocks


def _legacy_wall(session: Session, plant_id: str, day: date | None = None) -> FlowGenerator[LocalDay]:
    """Return a day, or today, on the wall of a plant of the classic portal."""
    if session.zone is not None:
        return _on(session.zone, session, day)
    offsets: dict[str, list[float]] = session.facts.setdefault("offsets", {})
    hours, known_at = offsets.get(plant_id, (0.0, 0.0))
    if session.server_time - known_at > _OFFSET_LASTS:
        detail: said.SemsPlantDetail = yield GoodWeCalls.plant_detail.flow(plant_id)
        if detail.info.hours_behind is None or abs(detail.info.hours_behind) > 14:
            raise unknown_zone_error("goodwe")
        hours = -detail.info.hours_behind
        session.facts["offsets"][plant_id] = [hours, session.server_time]
    return _on(timezone(timedelta(hours=hours)), session, day)


def _plus_wall(session: Session, plant_id: str, day: date | None = None) -> FlowGenerator[LocalDay]:
    """Return a day, or today, on the wall of a plant of SEMS+, which knows zones by name."""
    from heliograph.vendors.goodwe.plus import normalise as plus_normalise  # noqa: PLC0415 - single calls never wait for the model

    if session.zone is None and plant_id not in session.facts.get("zones", {}):
        yield plus_read.plants(session)
    zone = plus_normalise.plant(plant_id, session).zone
    if zone is None:
        raise unknown_zone_error("goodwe")
    return _on(zone, session, day)


def _on(zone: tzinfo, session: Session, day: date | None) -> LocalDay:
    now = datetime.fromtimestamp(session.server_time, UTC)
    return LocalDay(day or now.astimezone(zone).date(), zone, now)


def _legacy_first_day(session: Session, plant_id: str) -> FlowGenerator[date | None]:
    wall = yield from _legacy_wall(session, plant_id)
    detail: said.SemsPlantDetail = yield GoodWeCalls.plant_detail.flow(plant_id)
    created = parsing.parse_time(detail.info.created, parsing.CHINA, ("%m/%d/%Y %H:%M:%S",))
    return None if created is None else created.astimezone(wall.zone).date()


def _plus_first_day(session: Session, plant_id: str) -> FlowGenerator[date | None]:
    if plant_id not in session.facts.get("created", {}):
        yield plus_read.plants(session)
    with suppress(ValueError):  # what is no day is not said
        return date.fromisoformat((session.facts["created"].get(plant_id) or "")[:10])
    return None


# Curves


def _chart_curve(session: Session, plant_id: str, day: date) -> FlowGenerator[tuple[Sample, ...]]:
    from heliograph.vendors.goodwe import charts  # noqa: PLC0415 - single calls never wait for the model

    wall = yield from _legacy_wall(session, plant_id, day)
    chart: said.PowerChart = yield GoodWeCalls.power_chart.flow(plant_id, day)
    if found := charts.chart_curve(chart, wall):
        return found
    # Plants without a meter may have no chart; their AC power stands in an older list.
    power: said.PowerDay = yield GoodWeCalls.power_by_day.flow(plant_id, day)
    return charts.power_curve(power, wall)


def _plus_curve(session: Session, plant_id: str, day: date) -> FlowGenerator[tuple[Sample, ...]]:
    from heliograph.vendors.goodwe import charts  # noqa: PLC0415 - single calls never wait for the model

    wall = yield from _plus_wall(session, plant_id, day)
    curves: plus.PowerCurves = yield SemsPlusCalls.plus_power_curves.flow(plant_id, day, wall.utc_offset_hours)
    return charts.plus_curve(curves, wall)


# Energies


def _energies(
    walled: FlowGenerator[LocalDay],
    plant_id: str,
    period: str,
    ask: Callable[[str, str, date, date], FlowGenerator[EnergyRows]],
) -> FlowGenerator[tuple[PeriodEnergy, ...]]:
    wall = yield from walled
    first, last = period_range(period)
    last = min(last, wall.day)
    rows: EnergyRows = {}
    if first <= last:
        rows = yield from ask(plant_id, period, first, last)
    return ordered_energies(rows, period, wall.day)


def _chart_rows(plant_id: str, period: str, first: date, last: date) -> FlowGenerator[EnergyRows]:
    """Ask the classic portal: its ranges end on a day and reach back from there."""
    span: ChartRange = {7: 2, 4: 3}.get(len(period), 4)  # type: ignore[assignment]
    rows = yield from _chart(plant_id, last, span)
    if span == 2 and rows and min(rows) > f"{first}":
        # Quirk: "about" 31 days; a window that begins within the month is asked to go on before it.
        rows |= yield from _chart(plant_id, date.fromisoformat(min(rows)) - timedelta(days=1), span)
    return rows


def _chart(plant_id: str, end: date, span: ChartRange) -> FlowGenerator[EnergyRows]:
    from heliograph.vendors.goodwe import charts  # noqa: PLC0415 - single calls never wait for the model

    digits = {2: 10, 3: 7}.get(span, 4)
    for chart in ("8", "3"):  # all energies; generation alone, where there is no meter
        answer: said.EnergyChart = yield GoodWeCalls.chart_by_plant.flow(plant_id, end, span, chart)
        if rows := charts.chart_energies(answer, digits):
            return rows
    return {}


def _plus_rows(plant_id: str, period: str, first: date, last: date) -> FlowGenerator[EnergyRows]:
    """Ask SEMS+: any range, but years one by one."""
    from heliograph.vendors.goodwe import charts  # noqa: PLC0415 - single calls never wait for the model

    if period:
        statistics: plus.PlusStatistics = yield SemsPlusCalls.plus_statistics.flow(
            plant_id, first, last, "day" if len(period) == 7 else "month"
        )
        return charts.plus_energies(statistics, 10 if len(period) == 7 else 7)
    rows: EnergyRows = {}
    # Quirk: a range of several years was answered with zeros; years before the plant are zeros, too.
    for year in range(last.year, first.year - 1, -1):
        end = min(last, date(year, 12, 31))
        answer: plus.PlusStatistics = yield SemsPlusCalls.plus_statistics.flow(plant_id, date(year, 1, 1), end, "year")
        found = charts.plus_energies(answer, 4)
        if not any(value for values in found.values() for value in values.values()):
            break
        rows |= found
    return rows
