"""The values of other clients of the GoodWe clouds and our metric for each: from the declarations, and a list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from coverage_tables import Coverage

from heliograph.vendors.goodwe import measurements as tables
from heliograph.vendors.goodwe.legacy import payloads as legacy
from heliograph.vendors.goodwe.plus import payloads as plus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.core.measurements import MeasurementRow
    from heliograph.core.payload import Payload

VALUES = Path(__file__).parent / "coverage" / "goodwe_clients.json"

_ROWS: dict[str, tuple[MeasurementRow, ...]] = {
    "inverter.invert_full": tables.SEMS_INVERTER,
    "inverter": tables.SEMS_ROW,
    "telemetry": (*tables.PLUS_INVERTER, *tables.PLUS_BATTERY),
}
_PAYLOADS: dict[str, type[Payload]] = {
    "kpi": legacy.SemsPlantKpi,
    "flow": plus.PlusFlow,
    "telecounting": plus.Telecounting,
}
_DERIVED = {
    "inverter.invert_full.soc": "battery_soc",
    "inverter.tempperature": "temperature",
    "inverter.sn": "Device.id",
    "inverter.dict.dmDeviceType": "model",
    "inverter.dict.innerTemp": "temperature",
    "powerflow.pv": "pv_power",
    "powerflow.load": "load_power",
    "powerflow.grid": "grid_power",
    "powerflow.bettery": "battery_power",
    "powerflow.loadStatus": "sign of `grid_power`",
    "powerflow.gridStatus": "sign of `grid_power`",
    "powerflow.betteryStatus": "sign of `battery_power`",
    "powerflow.soc": "battery_soc",
    "powerflow.socText": "battery_soc",
    "soc.power": "battery_soc",
    "info.time": "measured_at",
    "info.stationname": "Plant.name",
    "info.powerstation_id": "Plant.id",
    "info.capacity": "Plant.peak_power",
    "info.battery_capacity": "battery_capacity",
    "kpi.month_generation": "history of the month (`period_energies`)",
    "telemetry.pAc": "ac_power",
    "chart.PCurve_Power_PV": "pv_power",
    "chart.PCurve_Power_Meter": "grid_power",
    "chart.PCurve_Power_Battery": "battery_power",
    "chart.PCurve_Power_Load": "load_power",
    "chart.PCurve_Power_SOC": "battery_soc",
}
"""Values that are computed, are a sign, or belong to the plant or device itself."""

_WHY = {
    "kpi.day_income": "`SemsPlantKpi` has it as `income_today`; money is computed from tariffs, which know the feed-in",
    "kpi.total_income": "`SemsPlantKpi` has it as `income_total`; money is computed from tariffs",
    "info.latitude": "personal: the place of a home is in no output; `SemsPlantInfo` does not declare it",
    "info.longitude": "personal: the place of a home is in no output; `SemsPlantInfo` does not declare it",
    "powerflow.pvStatus": "a direction that solar power does not have: 0 or -1 in all `legacy_v3_getmonitordetail_*`",
    "powerflow.betteryStatusStr": "a text of `betteryStatus`, null in all captures that have it",
}
"""Why a value has no metric, with the payload or capture that shows it."""


def goodwe_clients() -> Iterator[Coverage]:
    """Yield every value of the other clients."""
    for client, values in json.loads(VALUES.read_text(encoding="utf-8"))["values"].items():
        for name, place in values:
            why = _WHY.get(place, "")
            yield Coverage(client, name, place, "" if why else _metric_of(place), why)


def _metric_of(place: str) -> str:
    part, _, key = place.rpartition(".")
    names = [_DERIVED.get(place, "")]
    names += [row.metric.name for row in _ROWS.get(part, ()) if row.key == key.lower()]
    if (payload := _PAYLOADS.get(part)) is not None:
        names += [field.metric.name for field in payload.fields() if field.metric is not None and field.key == key]
    return next(filter(None, names), "")


def goodwe_clients_table() -> str:
    """Return the coverage of the other clients as a table."""
    found = list(goodwe_clients())
    rows = [f"{sum(bool(one.metric) for one in found)} of {len(found)} values are here.", ""]
    rows += ["| client | value | place in the answer | here |", "|---|---|---|---|"]
    for one in found:
        here = f"none: {one.why}" if one.why else one.metric if " " in one.metric else f"`{one.metric}`"
        rows.append(f"| {one.family} | `{one.sensor}` | `{one.wire_key}` | {here} |")
    return "\n".join(rows)
