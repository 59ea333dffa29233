"""From Growatt's charts to a plant's past: which of them tell of its devices, asked in the fewest requests."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.local_time import EARLIEST_YEAR, LocalDay, ordered_energies, period_range, unknown_zone_error
from heliograph.metrics import ENERGIES
from heliograph.model import HistoryCost
from heliograph.vendors.growatt import charts, snapshots
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import offset_due, timestamp_zone
from heliograph.vendors.growatt.params import Timespan
from heliograph.vendors.growatt.payloads import plants as said

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.local_time import EnergyRows
    from heliograph.model import PeriodEnergy, Sample
    from heliograph.vendors.growatt.charts_api import NoahSpan
    from heliograph.vendors.growatt.payloads import devices as dev

    Devices = tuple[tuple[str, str], ...]
    Ask = Callable[[str, str, LocalDay], FlowGenerator[charts.Curve]]

PORTAL = "portal"
"""The portal's dashboard, as one more family: it draws a plant with storage as a whole."""
_DRAWN_THERE = frozenset(("storage", "spa"))
"""Families without a chart of their own."""
_STORED = frozenset(("mix", "storage", "spa"))
"""Families the dashboard counts; a battery makes the plant's own bars ambiguous."""
_SUN = ("pv_energy",)
"""What all other bars tell."""
_USUAL_YEARS = 3
_BARS = 6


def day_curve(session: Session, plant_id: str, day: date) -> FlowGenerator[tuple[Sample, ...]]:
    """Return a plant's powers over a day."""
    wall = yield from _wall(session, plant_id, day)
    if day > wall.now.astimezone(wall.zone).date():
        return ()
    curves: list[charts.Curve] = []
    for serial, family in _charts((yield from snapshots.devices(session, plant_id))):
        curves.append((yield from _CURVES[family](plant_id, serial, wall)))
    return charts.plant_samples(curves)


def period_energies(session: Session, plant_id: str, period: str) -> FlowGenerator[tuple[PeriodEnergy, ...]]:
    """Return the energies of a plant's days, months or years."""
    wall = yield from _wall(session, plant_id)
    if period_range(period)[0] > wall.day:
        return ()
    rows: EnergyRows = {}
    for serial, source in _sources((yield from snapshots.devices(session, plant_id))):
        found = yield from _ENERGIES[source](plant_id, serial, period, wall)
        for one, values in found.items():
            rows.setdefault(one, {}).update(values)
    return ordered_energies(rows, period, wall.day)


def first_day(session: Session, plant_id: str) -> FlowGenerator[date | None]:
    """Return the day a plant was put into the cloud."""
    snapshots.check_plant(session, plant_id, "first_day")
    settings: said.PlantSettings = yield GrowattCalls.plant_settings.flow(plant_id)
    with suppress(ValueError):  # what is no day is not said
        return date.fromisoformat((settings.created or "")[:10])
    return None


def history_cost(session: Session, plant_id: str) -> FlowGenerator[HistoryCost]:
    """Return what a plant's past costs."""
    snapshots.check_plant(session, plant_id, "history_cost")
    devices = yield from snapshots.devices(session, plant_id)
    sources = _sources(devices)
    years = sum(_USUAL_YEARS if source == PORTAL else 1 for _, source in sources)
    told = {kind for _, source in sources for kind in (said.DASHBOARD_BARS.values() if source == PORTAL else _SUN)}
    return HistoryCost(
        curve=len(_charts(devices)),
        days=len(sources),
        months=len(sources),
        years=years,
        unreported=frozenset(ENERGIES) - told,
    )


# Clocks


def _wall(session: Session, plant_id: str, day: date | None = None) -> FlowGenerator[LocalDay]:
    """Return a day, or today, by the clock the cloud writes this plant's times by."""
    snapshots.check_plant(session, plant_id, "history")
    if offset_due(session, plant_id):
        yield GrowattCalls.plant_settings.flow(plant_id)
    now = datetime.fromtimestamp(session.server_time, UTC)
    zone = timestamp_zone(session, plant_id)
    if zone is None:
        raise unknown_zone_error(snapshots.VENDOR)
    return LocalDay(day or now.astimezone(zone).date(), zone, now)


# Curves


def _charts(devices: Devices) -> Devices:
    """Return whose charts make up a plant's day."""
    drawn = tuple(one for one in devices if one[1] in _CURVES)
    if not any(family in _DRAWN_THERE for _, family in devices):
        return drawn
    # Where the dashboard is asked anyway, hybrids are in its lines.
    return (("", PORTAL), *(one for one in drawn if one[1] not in _STORED))


def _tlx_curve(plant_id: str, serial: str, wall: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: dev.ProdCons = yield GrowattCalls.tlx_energy_prod_cons.flow(plant_id, serial, Timespan.hour, wall.day)
    return charts.tlx_curve(chart, wall)


def _mix_curve(plant_id: str, serial: str, wall: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: dev.ProdCons = yield GrowattCalls.mix_detail.flow(serial, plant_id, Timespan.hour, wall.day)
    return charts.mix_curve(chart, wall)


def _inverter_curve(plant_id: str, serial: str, wall: LocalDay) -> FlowGenerator[charts.Curve]:
    curve: dev.PowerCurve = yield GrowattCalls.inverter_data.flow(serial, wall.day)
    return charts.power_curve(curve, wall)


def _noah_curve(plant_id: str, serial: str, wall: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: dev.NoahChart = yield GrowattCalls.noah_chart.flow(serial, wall.day + timedelta(days=1))
    return charts.noah_curve(chart, wall)


def _portal_curve(plant_id: str, serial: str, wall: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: said.Dashboard = yield GrowattCalls.dashboard_data.flow(plant_id, Timespan.hour, wall.day)
    return charts.portal_curve(chart, wall)


_CURVES: dict[str, Ask] = {
    "tlx": _tlx_curve,
    "mix": _mix_curve,
    "inverter": _inverter_curve,
    snapshots.NOAH: _noah_curve,
    PORTAL: _portal_curve,
}


# Energies


def _sources(devices: Devices) -> Devices:
    """Return whose bars make up a plant's energies; what a later one tells is believed."""
    families = {family for _, family in devices}
    noahs = tuple(one for one in devices if one[1] == snapshots.NOAH)
    if noahs:
        return noahs
    stored = (("", PORTAL),) if families & _STORED else ()
    # The plant's own bars know all of its panels; beside storage alone they are ambiguous.
    return (*stored, ("", "plant")) if families - _STORED or not stored else stored


def _plant_rows(plant_id: str, serial: str, period: str, wall: LocalDay) -> FlowGenerator[EnergyRows]:
    if period:
        span = Timespan.day if len(period) == 7 else Timespan.month
        detail: said.GrowattPlantDetail = yield GrowattCalls.plant_detail.flow(plant_id, span, period_range(period)[0])
        return charts.detail_rows(detail, period)
    rows: EnergyRows = {}
    last = wall.day.year
    while last >= EARLIEST_YEAR:
        detail = yield GrowattCalls.plant_years.flow(plant_id, last)
        found = charts.detail_rows(detail, "")
        rows |= found
        last -= _BARS
        # A plant that is older than the chart is asked on.
        if f"{last + 1}" not in found:
            break
    return rows


def _noah_rows(plant_id: str, serial: str, period: str, wall: LocalDay) -> FlowGenerator[EnergyRows]:
    first = period_range(period)[0] if period else date(wall.day.year, 1, 1)
    span: NoahSpan = {7: 1, 4: 2}.get(len(period), 3)  # type: ignore[assignment]
    chart: dev.NoahChart = yield GrowattCalls.noah_energies.flow(serial, span, first)
    return charts.noah_rows(chart, period)


def _portal_rows(plant_id: str, serial: str, period: str, wall: LocalDay) -> FlowGenerator[EnergyRows]:
    if period:
        span = Timespan.day if len(period) == 7 else Timespan.month
        chart: said.Dashboard = yield GrowattCalls.dashboard_data.flow(plant_id, span, period_range(period)[0])
        return charts.portal_rows(chart, period)
    rows: EnergyRows = {}
    for year in range(wall.day.year, EARLIEST_YEAR - 1, -1):
        months = yield from _portal_rows(plant_id, serial, f"{year}", wall)
        if not months:
            break
        rows[f"{year}"] = charts.sum_months(months)
    return rows


_ENERGIES: dict[str, Callable[[str, str, str, LocalDay], FlowGenerator[EnergyRows]]] = {
    "plant": _plant_rows,
    snapshots.NOAH: _noah_rows,
    PORTAL: _portal_rows,
}
