"""Fetch the history of a plant from the charts of its devices, in as few requests as possible."""

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
from heliograph.vendors.growatt.payloads import noah, plants

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.local_time import EnergyRows
    from heliograph.model import PeriodEnergy, Sample
    from heliograph.vendors.growatt.noah_api import NoahSpan
    from heliograph.vendors.growatt.payloads import devices as dev

    Devices = tuple[tuple[str, str], ...]
    FetchCurve = Callable[[str, str, LocalDay], FlowGenerator[charts.Curve]]

PORTAL = "portal"
"""The portal's dashboard, treated as a device family: its charts show a whole plant with storage."""
_WITHOUT_CHART = frozenset(("storage", "spa"))
"""Families without a chart of their own."""
_WITH_BATTERY = frozenset(("mix", "storage", "spa"))
"""Families the dashboard includes; a battery makes the plant's own bars ambiguous."""
_PV_ONLY = ("pv_energy",)
"""The energies of all other bars."""
_TYPICAL_YEARS = 3
_YEARS_PER_CHART = 6


def day_curve(session: Session, plant_id: str, day: date) -> FlowGenerator[tuple[Sample, ...]]:
    """Fetch a plant's powers over a day."""
    local_day = yield from _local_day(session, plant_id, day)
    if day > local_day.now.astimezone(local_day.zone).date():
        return ()
    curves: list[charts.Curve] = []
    for serial, family in _charts((yield from snapshots.devices(session, plant_id))):
        curves.append((yield from _CURVES[family](plant_id, serial, local_day)))
    return charts.plant_samples(curves)


def period_energies(session: Session, plant_id: str, period: str) -> FlowGenerator[tuple[PeriodEnergy, ...]]:
    """Fetch the energies of a plant's days, months or years."""
    local_day = yield from _local_day(session, plant_id)
    if period_range(period)[0] > local_day.day:
        return ()
    rows: EnergyRows = {}
    for serial, source in _sources((yield from snapshots.devices(session, plant_id))):
        found = yield from _ENERGIES[source](plant_id, serial, period, local_day)
        for name, values in found.items():
            rows.setdefault(name, {}).update(values)
    return ordered_energies(rows, period, local_day.day)


def first_day(session: Session, plant_id: str) -> FlowGenerator[date | None]:
    """Fetch the day a plant was added to the cloud."""
    snapshots.check_plant(session, plant_id, "first_day")
    settings: plants.PlantSettings = yield GrowattCalls.plant_settings.flow(plant_id)
    with suppress(ValueError):  # an invalid date counts as not reported
        return date.fromisoformat((settings.created or "")[:10])
    return None


def history_cost(session: Session, plant_id: str) -> FlowGenerator[HistoryCost]:
    """Return the number of requests for a plant's history."""
    snapshots.check_plant(session, plant_id, "history_cost")
    devices = yield from snapshots.devices(session, plant_id)
    sources = _sources(devices)
    years = sum(_TYPICAL_YEARS if source == PORTAL else 1 for _, source in sources)
    reported = {
        kind for _, source in sources for kind in (plants.DASHBOARD_BARS.values() if source == PORTAL else _PV_ONLY)
    }
    return HistoryCost(
        curve=len(_charts(devices)),
        days=len(sources),
        months=len(sources),
        years=years,
        unreported=frozenset(ENERGIES) - reported,
    )


# Time zone


def _local_day(session: Session, plant_id: str, day: date | None = None) -> FlowGenerator[LocalDay]:
    """Return a day (default: today) in the time zone of the cloud's timestamps of this plant."""
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
    """Return the devices (serial, family) whose charts make up a plant's day."""
    charted = tuple(device for device in devices if device[1] in _CURVES)
    if not any(family in _WITHOUT_CHART for _, family in devices):
        return charted
    # The dashboard's lines include hybrids.
    return (("", PORTAL), *(device for device in charted if device[1] not in _WITH_BATTERY))


def _tlx_curve(plant_id: str, serial: str, local_day: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: dev.ProdCons = yield GrowattCalls.tlx_energy_prod_cons.flow(plant_id, serial, Timespan.hour, local_day.day)
    return charts.tlx_curve(chart, local_day)


def _mix_curve(plant_id: str, serial: str, local_day: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: dev.ProdCons = yield GrowattCalls.mix_detail.flow(serial, plant_id, Timespan.hour, local_day.day)
    return charts.mix_curve(chart, local_day)


def _inverter_curve(plant_id: str, serial: str, local_day: LocalDay) -> FlowGenerator[charts.Curve]:
    curve: dev.PowerCurve = yield GrowattCalls.inverter_data.flow(serial, local_day.day)
    return charts.power_curve(curve, local_day)


def _noah_curve(plant_id: str, serial: str, local_day: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: noah.NoahChart = yield GrowattCalls.noah_chart.flow(serial, local_day.day + timedelta(days=1))
    return charts.noah_curve(chart, local_day)


def _nexa_curve(plant_id: str, serial: str, local_day: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: noah.NoahChart = yield GrowattCalls.nexa_chart.flow(serial, local_day.day + timedelta(days=1))
    return charts.noah_curve(chart, local_day, noah.NexaPoint)


def _portal_curve(plant_id: str, serial: str, local_day: LocalDay) -> FlowGenerator[charts.Curve]:
    chart: plants.Dashboard = yield GrowattCalls.dashboard_data.flow(plant_id, Timespan.hour, local_day.day)
    return charts.portal_curve(chart, local_day)


_CURVES: dict[str, FetchCurve] = {
    "tlx": _tlx_curve,
    "mix": _mix_curve,
    "inverter": _inverter_curve,
    snapshots.NOAH: _noah_curve,
    snapshots.NEXA: _nexa_curve,
    PORTAL: _portal_curve,
}


# Energies


def _sources(devices: Devices) -> Devices:
    """Return the sources (serial, family) of a plant's energies; later sources override earlier ones."""
    families = {family for _, family in devices}
    balcony = tuple(device for device in devices if device[1] in snapshots.BALCONY)
    if balcony:
        return balcony
    portal = (("", PORTAL),) if families & _WITH_BATTERY else ()
    # The plant's own bars include all of its panels; with storage devices only they are ambiguous.
    return (*portal, ("", "plant")) if families - _WITH_BATTERY or not portal else portal


def _plant_rows(plant_id: str, serial: str, period: str, local_day: LocalDay) -> FlowGenerator[EnergyRows]:
    if period:
        span = Timespan.day if len(period) == 7 else Timespan.month
        first = period_range(period)[0]
        detail: plants.GrowattPlantDetail = yield GrowattCalls.plant_detail.flow(plant_id, span, first)
        return charts.detail_rows(detail, period)
    rows: EnergyRows = {}
    last = local_day.day.year
    while last >= EARLIEST_YEAR:
        detail = yield GrowattCalls.plant_years.flow(plant_id, last)
        found = charts.detail_rows(detail, "")
        rows |= found
        last -= _YEARS_PER_CHART
        # Older years of a plant take another request.
        if f"{last + 1}" not in found:
            break
    return rows


def _noah_rows(plant_id: str, serial: str, period: str, local_day: LocalDay) -> FlowGenerator[EnergyRows]:
    chart: noah.NoahChart = yield GrowattCalls.noah_energies.flow(serial, *_noah_bars(period, local_day))
    return charts.noah_rows(chart, period)


def _nexa_rows(plant_id: str, serial: str, period: str, local_day: LocalDay) -> FlowGenerator[EnergyRows]:
    chart: noah.NoahChart = yield GrowattCalls.nexa_energies.flow(serial, *_noah_bars(period, local_day))
    return charts.noah_rows(chart, period)


def _noah_bars(period: str, local_day: LocalDay) -> tuple[NoahSpan, date]:
    """Return the kind of bars of a period, and the first day of its chart."""
    if not period:
        return 3, date(local_day.day.year, 1, 1)
    return 1 if len(period) == 7 else 2, period_range(period)[0]


def _portal_rows(plant_id: str, serial: str, period: str, local_day: LocalDay) -> FlowGenerator[EnergyRows]:
    if period:
        span = Timespan.day if len(period) == 7 else Timespan.month
        chart: plants.Dashboard = yield GrowattCalls.dashboard_data.flow(plant_id, span, period_range(period)[0])
        return charts.portal_rows(chart, period)
    rows: EnergyRows = {}
    for year in range(local_day.day.year, EARLIEST_YEAR - 1, -1):
        months = yield from _portal_rows(plant_id, serial, f"{year}", local_day)
        if not months:
            break
        rows[f"{year}"] = charts.sum_months(months)
    return rows


_ENERGIES: dict[str, Callable[[str, str, str, LocalDay], FlowGenerator[EnergyRows]]] = {
    "plant": _plant_rows,
    snapshots.NOAH: _noah_rows,
    snapshots.NEXA: _nexa_rows,
    PORTAL: _portal_rows,
}
