"""From SEMS+'s answers to common readings: signs, zones, and what follows where a member is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from heliograph import metrics as m
from heliograph.core import parsing
from heliograph.model import Device, DeviceSnapshot, Plant, Status, combine
from heliograph.vendors.goodwe.legacy.normalise import VENDOR, SourcedValues, valid_percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo

    from heliograph.core.session import Session
    from heliograph.model import Snapshot
    from heliograph.vendors.goodwe.plus import payloads as said

# Quirk: 0 is waiting and offline alike, 5 a running hybrid; what 2, 4, 6 and 7 are nobody has published.
_STATUS = {0.0: Status.OFFLINE, 1.0: Status.ONLINE, 3.0: Status.STANDBY, 5.0: Status.ONLINE}
METER_FAMILY = "meter"
"""The family of devices that measure and make nothing."""

_FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")

_OF_AN_INVERTER = (m.AC_POWER, m.PV_ENERGY_TODAY, m.PV_ENERGY_TOTAL)
_OF_A_BATTERY = (
    m.BATTERY_CHARGE_ENERGY_TODAY,
    m.BATTERY_CHARGE_ENERGY_TOTAL,
    m.BATTERY_DISCHARGE_ENERGY_TODAY,
    m.BATTERY_DISCHARGE_ENERGY_TOTAL,
)
_OF_A_METER = (
    m.GRID_IMPORT_ENERGY_TODAY,
    m.GRID_EXPORT_ENERGY_TODAY,
    m.GRID_IMPORT_ENERGY_TOTAL,
    m.GRID_EXPORT_ENERGY_TOTAL,
)

# The day's energies by the item of the statistics that tells them, where no counter does.
_ITEMS = {
    m.PV_ENERGY_TODAY: "proSystemTotalStats",
    m.BATTERY_CHARGE_ENERGY_TODAY: "proCharStats",
    m.BATTERY_DISCHARGE_ENERGY_TODAY: "proDischarStats",
    m.GRID_IMPORT_ENERGY_TODAY: "proPurchaseStats",
    m.GRID_EXPORT_ENERGY_TODAY: "proGridStats",
    m.LOAD_ENERGY_TODAY: "proConsumStats",
}
_OF_THE_GRID = (m.GRID_IMPORT_ENERGY_TODAY, m.GRID_EXPORT_ENERGY_TODAY, m.LOAD_ENERGY_TODAY)


def plant(plant_id: str, session: Session) -> Plant:
    """Return a plant as the account's list described it; a configured zone is believed first."""
    facts = session.facts
    name = facts.get("plants", {}).get(plant_id)
    zone = session.zone or iana_zone(facts.get("zones", {}).get(plant_id))
    return Plant(vendor=VENDOR, id=plant_id, name=name, zone=zone)


def iana_zone(name: str | None) -> tzinfo | None:
    """Return the zone of an IANA name; None where it is none.

    >>> named_zone("Europe/Amsterdam"), named_zone("../../etc/passwd"), named_zone(None)
    (zoneinfo.ZoneInfo(key='Europe/Amsterdam'), None, None)
    """
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):  # not a name, not a file, not known
        return None


def has_battery(one: said.Equipment) -> bool:
    """Tell whether an inverter has a battery behind it."""
    return one.type == "INVERTER" and one.subtype == "store"


def has_meter(flow: said.PlusFlow, devices: Sequence[said.Equipment]) -> bool:
    """Tell whether the grid is measured."""
    told = flow.grid is not None or flow.load is not None
    return told or any(one.type == "SMART_METER" or has_battery(one) for one in devices)


def snapshot(
    plant: Plant,
    flow: said.PlusFlow,
    devices: Sequence[said.Equipment],
    counted: Mapping[str, said.Telecounting | None],
    today: said.PlusStatistics | None,
    fetched_at: datetime,
) -> Snapshot:
    """Read one plant whole: its devices' counters, and what SEMS+ says of the plant itself."""
    plant = replace(plant, name=flow.name or plant.name)
    measured_at = parsing.parse_time(flow.refreshed, plant.zone, _FORMATS)
    rows = [device_snapshot(plant, one, counted.get(one.serial or ""), measured_at) for one in devices]
    inverters = combine(plant, [row for row in rows if row.device.family != METER_FAMILY], fetched_at)
    whole = combine(plant, rows, fetched_at)
    known = dict(whole.values)
    if sum(row.device.family == METER_FAMILY for row in rows) > 1:
        # Only one of several meters can be the grid's, and nothing says which.
        known |= {row.name: None for row in _OF_A_METER}
    found = flow_powers(flow, devices) | day_energies(today, known, metered=has_meter(flow, devices))
    return replace(
        whole,
        status=inverters.status or _status(parsing.parse_number(flow.status)),
        measured_at=measured_at,
        values=known | {row.name: value for row, (value, _) in found.items()},
        sources={**whole.sources, **{row.name: source for row, (_, source) in found.items()}},
    )


def device_snapshot(
    plant: Plant, one: said.Equipment, counted: said.Telecounting | None, measured_at: datetime | None
) -> DeviceSnapshot:
    """Read one inverter or meter."""
    known = counted.readings() if counted else {}
    if one.type == "INVERTER":
        family = "hybrid" if has_battery(one) else "inverter"
        metrics = _OF_AN_INVERTER + (_OF_A_BATTERY if has_battery(one) else ())
    else:
        family, metrics = METER_FAMILY, _OF_A_METER
    values = {row.name: known.get(row) for row in metrics}
    return DeviceSnapshot(
        device=Device(vendor=VENDOR, plant=plant.id, id=one.serial or "", family=family, name=one.name),
        status=_status(one.status),
        measured_at=measured_at,
        values=values,
        sources=dict.fromkeys(values, "plus_telecounting"),
    )


def flow_powers(flow: said.PlusFlow, devices: Sequence[said.Equipment]) -> SourcedValues:
    """Return what the flow says, with what the balance says of members it leaves out."""
    told = flow.readings()
    grid, load, battery = told[m.GRID_POWER], told[m.LOAD_POWER], told[m.BATTERY_POWER]
    ac, pv = told[m.AC_POWER], told[m.PV_POWER]
    stored = battery is not None or any(map(has_battery, devices))
    ac_source, pv_source = "plus_flow pAc", "plus_flow pSystem"
    # Quirk: at night pAc and pSystem are left out rather than 0, also while the battery feeds the house.
    if ac is None and grid is not None and load is not None:
        ac, ac_source = round(load - grid, 3), "plus_flow by balance"
    if pv is None and ac is not None and (battery is not None or not stored):
        pv, pv_source = round(ac - (battery or 0.0), 3), "plus_flow by balance"
    found: SourcedValues = {
        m.PV_POWER: (None if pv is None else max(pv, 0.0), pv_source),
        m.AC_POWER: (ac, ac_source),
    }
    if has_meter(flow, devices):
        found |= {m.GRID_POWER: (grid, "plus_flow pGrid"), m.LOAD_POWER: (load, "plus_flow pConsum")}
    if stored:
        found |= {
            m.BATTERY_POWER: (battery, "plus_flow pBat"),
            m.BATTERY_SOC: (valid_percent(told[m.BATTERY_SOC]), "plus_flow soc"),
        }
    return found


def day_energies(
    today: said.PlusStatistics | None, known: Mapping[str, float | None], *, metered: bool
) -> SourcedValues:
    """Return the day's energies no counter told; a counter's own word is finer and comes first."""
    wanted = {row: item for row, item in _ITEMS.items() if row.name in known or (metered and row in _OF_THE_GRID)}
    return {
        row: (None if today is None else today.sum_of(item), f"plus_statistics {item}")
        for row, item in wanted.items()
        if known.get(row.name) is None
    }


def _status(code: float | None) -> Status | None:
    return None if code is None else _STATUS.get(code)
