"""A plant's past in the common model, from whichever dialect the account speaks: day curves and energies of periods."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from heliograph.endpoint import Steps, sequence
from heliograph.errors import ConfigError, Unreadable
from heliograph.session import LOGGED_IN
from heliograph.vendors.goodwe.api import GoodWeCalls
from heliograph.vendors.goodwe.plus_api import SemsPlusCalls

if TYPE_CHECKING:
    from datetime import tzinfo

    from heliograph.model import PeriodEnergy, Sample
    from heliograph.session import Session
    from heliograph.vendors.goodwe import payloads_more as said
    from heliograph.vendors.goodwe import plus_payloads as plus
    from heliograph.vendors.goodwe.api_more import Day, Range
    from heliograph.vendors.goodwe.series import Wall

    Rows = dict[str, dict[str, float | None]]

_DAY_SECONDS = 86400
_OLDEST = 2005
"""No plant of this cloud is older."""


class GoodWeHistory:
    """What an account's plants did before, in the common model."""

    @sequence
    def day_curve(self, plant_id: str, day: Day) -> Steps[tuple[Sample, ...]]:
        """A plant's powers and state of charge over one day of its own calendar, about every 5 minutes.

        What is still to come is absent. Where the portal only knows an offset from UTC, it is today's: name the
        plant's `zone` when making the client to read days of another season right to the hour.
        """
        from heliograph.vendors.goodwe import series  # noqa: PLC0415 - single calls never wait for the model

        session: Session = yield LOGGED_IN
        wall = yield from _wall(session, plant_id, day)
        if speaks_plus(session):
            curves: plus.PowerCurves = yield SemsPlusCalls.plus_power_curves.plan(plant_id, wall.day, wall.hours_ahead)
            return series.plus_curve(curves, wall)
        chart: said.PowerChart = yield GoodWeCalls.power_chart.plan(plant_id, wall.day)
        if found := series.chart_curve(chart, wall):
            return found
        # Plants without a meter may have no chart; their AC power stands in an older list.
        power: said.PowerDay = yield GoodWeCalls.power_by_day.plan(plant_id, wall.day)
        return series.power_curve(power, wall)

    @sequence
    def inverter_curve(
        self, plant_id: str, serial_num: str, day: Day, metric: str = "ac_power"
    ) -> Steps[tuple[Sample, ...]]:
        """One quantity of one inverter over a day: ac_power, battery_soc or pv_energy_today; classic portal only."""
        from heliograph.vendors.goodwe import series  # noqa: PLC0415 - single calls never wait for the model

        if metric not in series.COLUMNS:
            raise ConfigError(f"an inverter has curves of {', '.join(series.COLUMNS)}, not of {metric!r}")
        session: Session = yield LOGGED_IN
        wall = yield from _wall(session, plant_id, day)
        column, meaning = series.COLUMNS[metric]
        answer: said.Column = yield GoodWeCalls.inverter_column.plan(serial_num, wall.day, column)
        return series.column_curve(answer, meaning, wall)

    @sequence
    def period_energies(self, plant_id: str, period: str = "") -> Steps[tuple[PeriodEnergy, ...]]:
        """Energies of the days of a month ("2026-06"), the months of a year ("2026"), or of all years ("").

        The running day, month or year is as far as it has come; what is still to come is absent.
        """
        from heliograph.vendors.goodwe import series  # noqa: PLC0415 - single calls never wait for the model

        first, last = bounds(period)
        session: Session = yield LOGGED_IN
        wall = yield from _wall(session, plant_id, None)
        last = min(last, wall.day)
        rows: Rows = {}
        if first <= last:
            ask = _plus_rows if speaks_plus(session) else _chart_rows
            rows = yield from ask(plant_id, period, first, last)
        return series.energies(rows, period, f"{wall.day}")


def speaks_plus(session: Session) -> bool:
    """Tell which of the two dialects the account is known to speak."""
    return bool(session.facts.get("dialect") == "plus")


def bounds(period: str) -> tuple[date, date]:
    """Return the first and the last day of a month or a year, or of all time.

    >>> bounds("2026-02")
    (datetime.date(2026, 2, 1), datetime.date(2026, 2, 28))
    """
    if not period:
        return date(_OLDEST, 1, 1), date.max
    try:
        start = date.fromisoformat(f"{period}-01-01"[:10])
        after = (start + timedelta(days={4: 366, 7: 31}[len(period)])).replace(day=1)
    except (ValueError, OverflowError, KeyError):
        raise ConfigError(
            f"a period is a month (2026-06), a year (2026) or empty for all years, not {period!r}"
        ) from None
    return start, after - timedelta(days=1)


def _wall(session: Session, plant_id: str, day: Day | None) -> Steps[Wall]:
    from heliograph.vendors.goodwe.series import Wall  # noqa: PLC0415 - single calls never wait for the model

    zone = yield from _zone(session, plant_id)
    now = datetime.fromtimestamp(session.cloud_now, UTC)
    if day is None:
        return Wall(now.astimezone(zone).date(), zone, now)
    try:
        return Wall(date.fromisoformat(f"{day}"[:10]), zone, now)
    except ValueError:
        raise ConfigError(f"a day is written like 2026-06-21, not {day!r}") from None


def _zone(session: Session, plant_id: str) -> Steps[tzinfo]:
    """Return the clock on a plant's wall: as configured, else as the cloud says, asked once a day."""
    if session.zone is not None:
        return session.zone
    known: dict[str, Any] = session.facts.setdefault("walls", {}).get(plant_id, {})
    plus_name, hours = known.get("name"), known.get("hours")
    if speaks_plus(session):
        if plus_name is None:
            stations: tuple[plus.Station, ...] = yield SemsPlusCalls.plus_stations.plan()
            for row in stations:
                session.facts["walls"][row.id] = {"name": row.time_zone}
            plus_name = session.facts["walls"].get(plant_id, {}).get("name")
        return _named(plus_name)
    if hours is None or session.cloud_now - known["at"] > _DAY_SECONDS:
        detail: said.PlantDetail = yield GoodWeCalls.plant_detail.plan(plant_id)
        behind = detail.info.hours_behind
        hours = None if behind is None else -behind
        session.facts["walls"][plant_id] = {"hours": hours, "at": session.cloud_now}
    return _offset(hours)


def _named(name: str | None) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - slow to import, and only SEMS+ names zones

    try:
        return ZoneInfo(name or "")
    except (LookupError, ValueError, OSError):
        raise _no_clock() from None


def _offset(hours: float | None) -> tzinfo:
    if hours is None or abs(hours) > 14:
        raise _no_clock()
    return timezone(timedelta(hours=hours))


def _no_clock() -> Unreadable:
    return Unreadable(
        "the cloud does not say which clock this plant lives by",
        vendor="goodwe",
        advice="Name the plant's zone when making the client",
    )


def _chart_rows(plant_id: str, period: str, first: date, last: date) -> Steps[Rows]:
    """Ask the classic portal: its ranges end on a day and reach back from there."""
    span: Range = {7: 2, 4: 3}.get(len(period), 4)  # type: ignore[assignment]
    rows = yield from _chart(plant_id, last, span)
    if span == 2 and rows and min(rows) > f"{first}":
        # Quirk: "about" 31 days; a window that begins within the month is asked to go on before it.
        rows |= yield from _chart(plant_id, date.fromisoformat(min(rows)) - timedelta(days=1), span)
    return rows


def _chart(plant_id: str, end: date, span: Range) -> Steps[Rows]:
    from heliograph.vendors.goodwe import series  # noqa: PLC0415 - single calls never wait for the model

    digits = {2: 10, 3: 7}.get(span, 4)
    for chart in ("8", "3"):  # all energies; generation alone, where there is no meter
        answer: said.Chart = yield GoodWeCalls.chart_by_plant.plan(plant_id, end, span, chart)
        if rows := series.chart_energies(answer, digits):
            return rows
    return {}


def _plus_rows(plant_id: str, period: str, first: date, last: date) -> Steps[Rows]:
    """Ask SEMS+: any range, but years one by one."""
    from heliograph.vendors.goodwe import series  # noqa: PLC0415 - single calls never wait for the model

    if period:
        statistics: plus.Statistics = yield SemsPlusCalls.plus_statistics.plan(
            plant_id, first, last, "day" if len(period) == 7 else "month"
        )
        return series.plus_energies(statistics, 10 if len(period) == 7 else 7)
    rows: Rows = {}
    # Quirk: a range of several years was answered with zeros; years before the plant are zeros, too.
    for year in range(last.year, first.year - 1, -1):
        end = min(last, date(year, 12, 31))
        answer: plus.Statistics = yield SemsPlusCalls.plus_statistics.plan(plant_id, date(year, 1, 1), end, "year")
        found = series.plus_energies(answer, 4)
        if not any(value for values in found.values() for value in values.values()):
            break
        rows |= found
    return rows
