"""The values of other tools and our metric for each: derived from the declarations, and a list of other names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from heliograph.vendors.growatt import measurements as tables
from heliograph.vendors.growatt.openapi import payloads as token
from heliograph.vendors.growatt.payloads import devices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.core.payload import Payload

SENSORS = Path(__file__).parent / "coverage" / "home_assistant_growatt.json"

_ROWS = {
    "inverter": tables.INVERTER,
    "mix": (*tables.MIX_STATUS, *tables.MIX_DETAIL),
    "sph": tables.SPH,
    "storage": tables.STORAGE,
    "tlx": tables.TLX,
    "total": (),
}
_PAYLOADS: dict[str, tuple[type[Payload], ...]] = {
    "inverter": (devices.InverterDetail,),
    "mix": (devices.MixStatus, devices.MixTotals),
    "sph": (token.SphData,),
    "storage": (devices.StorageLive, devices.StorageEnergy),
    "tlx": (devices.TlxDetail,),
    "total": (),
}

_DERIVED = {
    ("mix", "capacity"): "battery_soc",
    ("mix", "eBatChargeToday"): "battery_charge_energy_today",
    ("mix", "eBatChargeTotal"): "battery_charge_energy_total",
    ("mix", "eBatDisChargeToday"): "battery_discharge_energy_today",
    ("mix", "eBatDisChargeTotal"): "battery_discharge_energy_total",
    ("mix", "pDischarge1"): "battery_power",
    ("mix", "chargePower"): "battery_power",
    ("mix", "pdisCharge1"): "battery_power",
    ("mix", "pactogrid"): "grid_power",
    ("mix", "pactouser"): "grid_power",
    ("mix", "eChargeToday"): "load_from_pv_energy_today",
    ("mix", "lastdataupdate"): "measured_at",
    ("mix", "etouser_combined"): "grid_import_energy_today",
    ("sph", "bmsSOC"): "battery_soc",
    ("sph", "pcharge1"): "battery_power",
    ("sph", "pdischarge1"): "battery_power",
    ("sph", "pacToGridTotal"): "grid_power",
    ("sph", "pacToUserR"): "meter_phase1_power",
    ("sph", "epvtoday"): "pv_energy_today",
    ("sph", "lastdataupdate"): "measured_at",
    ("storage", "eBatDisChargeToday"): "battery_discharge_energy_today",
    ("storage", "eBatDisChargeTotal"): "battery_discharge_energy_total",
    ("storage", "pCharge"): "battery_power",
    ("tlx", "epvToday"): "pv_energy_today",
    ("tlx", "bmsSoc"): "battery_soc",
    ("tlx", "pacToUserTotal"): "grid_power",
    ("tlx", "pacToGridTotal"): "grid_power",
    ("total", "todayEnergy"): "pv_energy_today",
    ("total", "invTodayPpv"): "pv_power",
    ("total", "totalEnergy"): "pv_energy_total",
    ("total", "nominalPower"): "Plant.peak_power",
}
"""Values that are computed, or are on the plant."""

_WITHOUT_METRIC = {
    ("sph", "echarge1"): "not in `mix_last_data` (captures v1_mix_*): an energy of the password API's `mix_detail`",
    ("sph", "eChargeToday"): "not in `mix_last_data` (captures v1_mix_*): an energy of the password API's `mix_detail`",
    ("total", "plantMoneyText"): "`plant_list` has it as a text with the currency of the account; see tariffs",
    ("total", "totalMoneyText"): "`plant_list` has it as a text with the currency of the account; see tariffs",
}
"""Why a value has no metric, with the payload or capture that lacks it."""


class Coverage(NamedTuple):
    """One value of another tool, and our metric or the reason why there is none."""

    family: str
    sensor: str
    wire_key: str
    metric: str
    why: str = ""


def home_assistant_growatt() -> Iterator[Coverage]:
    """Yield every sensor of Home Assistant's Growatt integration."""
    for family, sensors in json.loads(SENSORS.read_text(encoding="utf-8"))["sensors"].items():
        for sensor, key in sensors:
            why = _WITHOUT_METRIC.get((family, key), "")
            yield Coverage(family, sensor, key, "" if why else _metric_of(family, key), why)


def _metric_of(family: str, key: str) -> str:
    names = [_DERIVED.get((family, key), "")]
    names += [row.metric.name for row in _ROWS[family] if row.key == key.lower()]
    fields = (field for payload in _PAYLOADS[family] for field in payload.fields())
    names += [field.metric.name for field in fields if field.metric is not None and field.key.lower() == key.lower()]
    return next(filter(None, names), "")


def home_assistant_growatt_table() -> str:
    """Return the coverage of Home Assistant's Growatt integration as a table."""
    found = list(home_assistant_growatt())
    covered = sum(bool(one.metric) for one in found)
    rows = [f"{covered} of {len(found)} sensors have a metric.", ""]
    rows += ["| family | sensor | wire key | here |", "|---|---|---|---|"]
    for one in found:
        here = f"`{one.metric}`" if one.metric else f"none: {one.why}"
        rows.append(f"| {one.family} | `{one.sensor}` | `{one.wire_key}` | {here} |")
    return "\n".join(rows)
