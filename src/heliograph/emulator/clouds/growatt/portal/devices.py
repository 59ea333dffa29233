"""Responses of the emulated web portal for single devices: current powers, energies and past measurements."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.growatt.context import UNKNOWN_DEVICE, GrowattFailure
from heliograph.emulator.clouds.growatt.formatting import decimal
from heliograph.emulator.clouds.growatt.openapi.measurements import Measurement, bean
from heliograph.emulator.clouds.growatt.plants import energy_price
from heliograph.emulator.clouds.growatt.portal.context import PORTAL_ROUTER, PortalCallContext
from heliograph.vendors.growatt.portal.api import PortalCalls

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.emulator.clouds.growatt.context import GrowattDevice

_HISTORY_ROWS = 80
_MAX_DAYS = 7


def _kilowatt(watt: float) -> float:
    kw = round(watt / 1000, 2)
    return int(kw) if kw == int(kw) else kw


def _battery_voltage(device: GrowattDevice) -> float:
    base, slope = (384.0, 0.4) if device.plant.family == "tlx-battery" else (49.0, 0.045)
    return base + slope * device.powers.soc if device.has_battery else 0.0


def _hybrid_status(device: GrowattDevice, kind: str) -> dict[str, Any]:
    """Return powers in kW; measured values are texts, computed ones numbers."""
    flow, volts = device.powers, decimal(device.grid_voltage)
    return {
        "SOC": decimal(flow.soc, 0),
        "chargePower": _kilowatt(flow.charge),
        "fAc": "50",
        "lost": f"{kind}.status.normal",
        "pLocalLoad": _kilowatt(flow.load),
        "pactogrid": _kilowatt(flow.grid_export),
        "pactouser": _kilowatt(flow.grid_import),
        "pdisCharge1": _kilowatt(flow.discharge),
        "ppv": _kilowatt(flow.pv),
        "priorityChoose": "0",
        "status": "5" if flow.pv > 0 else "6",
        "upsFac": "0",
        "upsVac1": "0",
        "uwSysWorkMode": "5" if flow.pv > 0 else "6",
        "vAc1": volts,
        "vBat": decimal(_battery_voltage(device)),
        "vac1": volts,
        "wBatteryType": "1",
    }


@PORTAL_ROUTER.route(PortalCalls.portal_mix_status)
def mix_status(call: PortalCallContext) -> dict[str, Any]:
    """Powers of a hybrid inverter, in kW except the two strings."""
    device = call.require_device("mix")
    (pv1, vpv1, _), (pv2, vpv2, _) = device.pv_string(1), device.pv_string(2)
    return _hybrid_status(device, "mix") | {
        "deviceType": "2",
        "pPv1": decimal(pv1),
        "pPv2": decimal(pv2),
        "pex": 0,
        "storagePpv": decimal(device.powers.pv / 1000, 2),
        "vPv1": decimal(vpv1),
        "vPv2": decimal(vpv2),
    }


@PORTAL_ROUTER.route(PortalCalls.portal_spa_status)
def spa_status(call: PortalCallContext) -> dict[str, Any]:
    """Powers of an AC-coupled battery inverter, in kW."""
    return _hybrid_status(call.require_device("spa"), "spa")


def _hybrid_totals(device: GrowattDevice, solar: str) -> dict[str, str]:
    found: dict[str, str] = {"unit": "€"}
    price = energy_price(device.plant)
    for name, energy in (("Today", device.energy_today), ("Total", device.energy_total)):
        found |= {
            f"edischarge1{name}": decimal(energy.discharge),
            f"elocalLoad{name}": decimal(energy.load),
            f"epv{solar}{name}": decimal(energy.pv),
            f"eself{name}": decimal(max(0.0, energy.load - energy.grid_import)),
            # The cloud's own capitals: etoGridToday, etogridTotal.
            f"eto{'Grid' if name == 'Today' else 'grid'}{name}": decimal(energy.grid_export),
            f"gridPower{name}": decimal(energy.grid_import),
            f"photovoltaicRevenue{name}": decimal(energy.pv * price),
        }
    return found


@PORTAL_ROUTER.route(PortalCalls.portal_mix_totals)
def mix_totals(call: PortalCallContext) -> dict[str, str]:
    """Energies of a hybrid inverter; those charged into the battery are missing."""
    return _hybrid_totals(call.require_device("mix"), "") | {"eexToday": "0", "eexTotal": "0"}


@PORTAL_ROUTER.route(PortalCalls.portal_spa_totals)
def spa_totals(call: PortalCallContext) -> dict[str, str]:
    """Energies of an AC-coupled battery inverter."""
    return _hybrid_totals(call.require_device("spa"), "Inverter")


@PORTAL_ROUTER.route(PortalCalls.portal_storage_status)
def storage_status(call: PortalCallContext) -> dict[str, str]:
    """Powers of an off-grid storage inverter, in W."""
    device = call.require_device("storage")
    flow = device.powers
    (pv1, vpv1, ipv1), (_, vpv2, ipv2) = device.pv_string(1), device.pv_string(2)
    first = round(pv1)
    return {
        "batPower": decimal(flow.discharge - flow.charge, 0),
        "capacity": decimal(flow.soc, 0),
        "deviceType": "3",
        "fAcInput": "50",
        "fAcOutput": "50",
        "gridPower": decimal(flow.grid_import, 0),
        "iPv1": decimal(ipv1),
        "iPv2": decimal(ipv2),
        "iTotal": decimal(ipv1 + ipv2),
        "invStatus": "-10",
        "loadPower": decimal(flow.load, 0),
        "loadPrecent": decimal(100 * flow.load / device.household.peak_power),
        "panelPower": decimal(flow.pv, 0),
        "ppv1": str(first),
        "ppv2": decimal(round(flow.pv) - first, 0),
        "rateVA": decimal(flow.load, 0),
        "status": "8" if flow.charge > 0 and flow.grid_import > 0 else "5" if flow.charge > 0 else "2",
        "vAcInput": "230",
        "vAcOutput": "230",
        "vBat": decimal(_battery_voltage(device)),
        "vPv1": decimal(vpv1),
        "vPv2": decimal(vpv2),
    }


@PORTAL_ROUTER.route(PortalCalls.portal_storage_totals)
def storage_totals(call: PortalCallContext) -> dict[str, str]:
    """Energies of an off-grid storage inverter. Quirk: the export is meaningless, as in a public capture."""
    device = call.require_device("storage")
    found = {"deviceType": "3", "eToGridToday": "243.7", "eToGridTotal": "0"}
    for name, energy in (("Today", device.energy_today), ("Total", device.energy_total)):
        found |= {
            f"charge{name}": decimal(energy.charge),
            f"eDischarge{name}": decimal(energy.discharge),
            f"eToUser{name}": decimal(energy.grid_import),
            f"epv{name}": decimal(energy.pv),
            f"useEnergy{name}": decimal(energy.load),
        }
    return found


@PORTAL_ROUTER.route(PortalCalls.portal_tlx_status)
def tlx_status(call: PortalCallContext) -> dict[str, str]:
    """Powers of a TLX device. Quirk: in W, all as texts."""
    device = call.require_device("tlx")
    flow, volts = device.powers, decimal(device.grid_voltage)
    (pv1, vpv1, _), (pv2, vpv2, _) = device.pv_string(1), device.pv_string(2)
    return {
        **dict.fromkeys(
            ("SOC1", "SOC2", "chargePower1", "chargePower2", "pPv3", "pPv4", "pdisCharge1", "upsVac1"), "0"
        ),
        "SOC": decimal(flow.soc, 0),
        "bdcStatus": "1" if device.has_battery else "0",
        "chargePower": decimal(flow.charge),
        "fAc": "50",
        "lost": "tlx.status.lost" if device.asleep else "tlx.status.normal",
        "operatingMode": "0",
        "pLocalLoad": decimal(flow.load),
        "pPv1": decimal(pv1),
        "pPv2": decimal(pv2),
        "pac": decimal(flow.ac),
        "pactogrid": decimal(flow.grid_export),
        "pactouser": decimal(flow.grid_import),
        "pdisCharge": decimal(flow.discharge),
        "ppv": decimal(flow.pv),
        "vAc1": volts,
        "vBat": decimal(_battery_voltage(device)),
        "vPv1": decimal(vpv1),
        "vPv2": decimal(vpv2),
        "vac1": volts,
    }


def _yield(device: GrowattDevice) -> dict[str, str]:
    month = device.energy(f"{device.now:%Y-%m}").pv
    price = energy_price(device.plant)
    return {
        "eToday": decimal(device.energy_today.pv),
        "eTotal": decimal(device.energy_total.pv),
        "mToday": decimal(device.energy_today.pv * price),
        "mTotal": decimal(device.energy_total.pv * price),
        "mMonth": decimal(month * price),
        "nominalPower": decimal(device.household.peak_power, 0),
        "unit": "€",
    }


@PORTAL_ROUTER.route(PortalCalls.portal_tlx_totals)
def tlx_totals(call: PortalCallContext) -> dict[str, str]:
    """Yield of a TLX device."""
    return _yield(call.require_device("tlx"))


@PORTAL_ROUTER.route(PortalCalls.portal_inverter_totals)
def inverter_totals(call: PortalCallContext) -> dict[str, str]:
    """Yield of a classic inverter."""
    return _yield(call.require_device("inverter"))


@PORTAL_ROUTER.route(PortalCalls.portal_noah_totals)
def noah_totals(call: PortalCallContext) -> dict[str, str]:
    """Yield of the plant of a Noah."""
    return _yield(call.require_device("noah"))


@PORTAL_ROUTER.route(
    PortalCalls.portal_max_totals,
    PortalCalls.portal_hps_status,
    PortalCalls.portal_hps_totals,
    PortalCalls.portal_meter_status,
    PortalCalls.portal_meter_totals,
    PortalCalls.portal_meters_status,
    PortalCalls.portal_meters_totals,
)
def not_emulated(call: PortalCallContext) -> dict[str, str]:
    """Refuse: no emulated plant has a MAX, an HPS or an export limiter with a meter."""
    raise GrowattFailure(UNKNOWN_DEVICE)


@PORTAL_ROUTER.route(PortalCalls.portal_history)
def history(call: PortalCallContext) -> dict[str, Any]:
    """At most 80 measurements, newest first."""
    device = call.require_device(call.arguments["Family"].lower())
    rows: list[dict[str, Any]] = []
    for day in _days(call):
        curve = device.household.curve(day.isoformat())
        rows += [_history_row(device, at) for at, _ in reversed(curve) if at <= device.uploaded_at]
    text = call.arguments.get("start", "0")
    skipped = int(text) if text.isdecimal() else 0
    page = rows[skipped : skipped + _HISTORY_ROWS]
    return {"datas": page, "start": skipped, "haveNext": skipped + _HISTORY_ROWS < len(rows)}


def _days(call: PortalCallContext) -> list[date]:
    try:
        first, last = (date.fromisoformat(call.arguments.get(name, "")) for name in ("startDate", "endDate"))
    except ValueError:
        raise GrowattFailure(UNKNOWN_DEVICE) from None
    count = min((last - first).days + 1, _MAX_DAYS)
    return [last - timedelta(days=back) for back in range(count)]


def _history_row(device: GrowattDevice, at: datetime) -> dict[str, Any]:
    """Return one measurement; its times are calendars with months from 0, as the npm package reads them."""
    found = bean(Measurement(device, at))
    local = at.astimezone(device.household.zone)
    calendar = {
        "year": local.year,
        "month": local.month - 1,
        "dayOfMonth": local.day,
        "hourOfDay": local.hour,
        "minute": local.minute,
        "second": local.second,
    }
    return found | {"calendar": calendar, "time": calendar}
