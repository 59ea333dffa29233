"""Overview, list, report and export calls of the emulated SEMS Portal."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from heliograph.core.parsing import parse_number
from heliograph.emulator.clouds.goodwe import plants
from heliograph.emulator.clouds.goodwe.context import LEGACY_ROUTER, GoodWeCallContext, GoodWeFailure
from heliograph.emulator.clouds.goodwe.deprecation import named_plant
from heliograph.emulator.clouds.goodwe.history import energies_of
from heliograph.emulator.clouds.goodwe.inverter_model import inverters_of
from heliograph.emulator.clouds.goodwe.inverters import inverter_entry
from heliograph.emulator.fault_log import logged_faults
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.inverter_model import EmulatedInverter

_NO_FLAGS = ("isEvcharge", "isTigo", "isSec", "isEnvironmental", "isGenset", "isMicroInverter", "hasLayout")
_POINT = (
    *("sn", "points", "is_stored", "name", "in_pac", "out_pac", "eday", "emonth", "etotal", "status", "soc"),
    *("last_refresh_time", "master"),
)


def require_plant(call: GoodWeCallContext) -> EmulatedPlant:
    """Return the plant that a call names; raise `GoodWeFailure` if there is none."""
    plant = named_plant(call)
    if plant is None:
        # Quirk: an unknown or foreign plant is reported as a .NET null reference.
        raise GoodWeFailure("innerexception", "未将对象引用设置到对象的实例。", "")
    return plant


@LEGACY_ROUTER.route(GoodWeCalls.plant_detail)
def plant_detail(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the overview of a plant."""
    plant = require_plant(call)
    inverters = inverters_of(plant, call.account, call.context)
    info = plants.plant_info(plant, inverters, call)
    return {
        "info": {**info, "local_date": info["time"]},
        "kpi": plants.plant_kpi(inverters, round(sum(inverter.energy_total for inverter in inverters), 1)),
        "powercontrol_status": 0,
        "isPowerflow": plant.households[0].has_meter,
        **dict.fromkeys(_NO_FLAGS, False),
        "layout_id": "",
        "chartsTypesByPlant": [],
        "soc": [
            {"sn": inverter.serial, "soc": inverter.soc, "status": 1} for inverter in inverters if inverter.has_battery
        ],
        "industrySoc": [],
    }


@LEGACY_ROUTER.route(GoodWeCalls.inverter_points)
def inverter_points(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the latest values of a plant's inverters."""
    inverters = [_point(inverter) for inverter in inverters_of(require_plant(call), call.account, call.context)]
    return {"count": len(inverters), "inverterPoints": inverters}


def _point(inverter: EmulatedInverter) -> dict[str, Any]:
    row = inverter_entry(inverter)
    full, labels = row["invert_full"], row["dict"]
    warm = [label for label in labels["right"] if label["key"] == "innerTemp"]
    return {
        **{name: row[name] for name in _POINT},
        # Quirk: here the temperature is on the left, where sems-portal-api expects it.
        "dict": {"left": [*labels["left"], *warm], "right": [one for one in labels["right"] if one not in warm]},
        "hTotal": full["hour_total"],
        "vbattery1": full["vbattery1"],
        "ibattery1": full["ibattery1"],
        "is_showOutput": inverter.has_battery,
        "local_date": row["time"],
    }


@LEGACY_ROUTER.route(GoodWeCalls.powerflow)
def powerflow(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the current power flow of a plant."""
    plant = require_plant(call)
    first, metered = inverters_of(plant, call.account, call.context)[0], plant.households[0].has_meter
    return {
        "hasGenset": False,
        "hasMoreInverter": len(plant.households) > 1,
        "hasPowerflow": metered,
        "powerflow": plants.powerflow(first, call) if metered else None,
        "hasGridLoad": metered,
        "isStored": first.has_battery,
        "isParallelInventers": False,
        "isMixedParallelInventers": False,
        "isEvCharge": False,
        "evCharge": None,
    }


@LEGACY_ROUTER.route(GoodWeCalls.warnings)
def warnings(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the warnings of a plant's main inverter; the format of their time is not published."""
    plant = require_plant(call)
    zone = plant.households[0].zone
    rows = [
        {
            "warning_code": fault.code,
            "error_code": "",
            "happen_time": fault.started_at and f"{fault.started_at.astimezone(zone):%m/%d/%Y %H:%M:%S}",
        }
        for fault in logged_faults(call.context)
        if fault.ended_at is None
    ]
    first, *others = plant.devices
    return {"list": [{"sn": first, "warning": rows}, *({"sn": serial, "warning": []} for serial in others)]}


@LEGACY_ROUTER.route(GoodWeCalls.plant_history_list)
def plant_history_list(call: GoodWeCallContext) -> dict[str, Any]:
    """Return all plants of the account, in the shape of the other list; the real shape is unpublished."""
    return _list([plants.plant_row(plant, call) for plant in call.account.plants], len(call.account.plants))


@LEGACY_ROUTER.route(GoodWeCalls.plant_monitor_page)
def plant_monitor_page(call: GoodWeCallContext) -> dict[str, Any]:
    """Return one page of the account's plants, in the web portal's shape."""
    return _list(plants.plant_list_page(call), len(call.account.plants))


def _list(rows: list[dict[str, Any]], count: int) -> dict[str, Any]:
    return {"record": count, "messageKey": None, "list": rows}


@LEGACY_ROUTER.route(GoodWeCalls.monthly_report)
def monthly_report(call: GoodWeCallContext) -> dict[str, Any]:
    """Return the PV energy of a plant in a month."""
    plant = require_plant(call)
    month = call.arguments.get("date", "")[:7]
    try:
        first = date.fromisoformat(f"{month}-01")
        energy = energies_of(plant, month)["pv_energy"]
    except ValueError:
        raise GoodWeFailure(100000, "system error") from None
    today = call.context.now().astimezone(plant.households[0].zone).date()
    days = min(monthrange(first.year, first.month)[1], max(1, (today - first).days + 1))
    total = sum(inverter.energy_total for inverter in inverters_of(plant, call.account, call.context))
    report = {
        "pw_id": plant.id,
        "pw_name": plant.name,
        "month_power": round(energy, 2),
        "avg_day_power": round(energy / days, 2),
        "total_power": round(total, 1),
    }
    page = int(parse_number(call.arguments.get("page_index")) or 1)
    return {"record": 1, "list": [report] if page == 1 else []}


@LEGACY_ROUTER.route(GoodWeCalls.export_power)
def export_power(call: GoodWeCallContext) -> str:
    """Return the id of an export."""
    return str(uuid5(NAMESPACE_URL, f"semsportal/{require_plant(call).id}/{call.arguments.get('date', '')}"))


@LEGACY_ROUTER.route(GoodWeCalls.export_file)
def export_file(call: GoodWeCallContext) -> dict[str, str]:
    """Return the URL of an exported file; no file is actually written."""
    return {"file_path": f"{call.origin}/excel/{uuid5(NAMESPACE_URL, call.arguments.get('id', ''))}.xls"}
