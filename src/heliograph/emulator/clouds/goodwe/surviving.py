"""The smaller calls of the emulated portal that tell of a plant now, of lists, of warnings and of exports."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from heliograph.core.parsing import number
from heliograph.emulator.clouds.goodwe import plants
from heliograph.emulator.clouds.goodwe.context import ANSWERS, Ask, Failed
from heliograph.emulator.clouds.goodwe.deprecation import named
from heliograph.emulator.clouds.goodwe.history import energies_of
from heliograph.emulator.clouds.goodwe.inverter_model import units
from heliograph.emulator.clouds.goodwe.inverters import inverter
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import Site
    from heliograph.emulator.clouds.goodwe.inverter_model import Unit

_NO_FLAGS = ("isEvcharge", "isTigo", "isSec", "isEnvironmental", "isGenset", "isMicroInverter", "hasLayout")
_POINT = (
    *("sn", "points", "is_stored", "name", "in_pac", "out_pac", "eday", "emonth", "etotal", "status", "soc"),
    *("last_refresh_time", "master"),
)


def plant(ask: Ask) -> Site:
    """Return the plant a call names."""
    site = named(ask)
    if site is None:
        # Quirk: a plant that is not there, or somebody else's, is a .NET null reference.
        raise Failed("innerexception", "未将对象引用设置到对象的实例。", "")
    return site


@ANSWERS.to(GoodWeCalls.plant_detail)
def plant_detail(ask: Ask) -> dict[str, Any]:
    """Return the headline of a plant."""
    site = plant(ask)
    found = units(site, ask.holder, ask.stage)
    info = plants.info(site, found, ask)
    return {
        "info": {**info, "local_date": info["time"]},
        "kpi": plants.kpi(found, round(sum(unit.total for unit in found), 1)),
        "powercontrol_status": 0,
        "isPowerflow": site.homes[0].has_meter,
        **dict.fromkeys(_NO_FLAGS, False),
        "layout_id": "",
        "chartsTypesByPlant": [],
        "soc": [{"sn": unit.serial, "soc": unit.soc, "status": 1} for unit in found if unit.has_battery],
        "industrySoc": [],
    }


@ANSWERS.to(GoodWeCalls.inverter_points)
def inverter_points(ask: Ask) -> dict[str, Any]:
    """Return the newest values of a plant's inverters."""
    found = [_point(unit) for unit in units(plant(ask), ask.holder, ask.stage)]
    return {"count": len(found), "inverterPoints": found}


def _point(unit: Unit) -> dict[str, Any]:
    row = inverter(unit)
    full, labels = row["invert_full"], row["dict"]
    warm = [label for label in labels["right"] if label["key"] == "innerTemp"]
    return {
        **{name: row[name] for name in _POINT},
        # Quirk: here the temperature stands on the left, where sems-portal-api looks for it.
        "dict": {"left": [*labels["left"], *warm], "right": [one for one in labels["right"] if one not in warm]},
        "hTotal": full["hour_total"],
        "vbattery1": full["vbattery1"],
        "ibattery1": full["ibattery1"],
        "is_showOutput": unit.has_battery,
        "local_date": row["time"],
    }


@ANSWERS.to(GoodWeCalls.powerflow)
def powerflow(ask: Ask) -> dict[str, Any]:
    """Return who feeds whom in a plant."""
    site = plant(ask)
    first, metered = units(site, ask.holder, ask.stage)[0], site.homes[0].has_meter
    return {
        "hasGenset": False,
        "hasMoreInverter": len(site.homes) > 1,
        "hasPowerflow": metered,
        "powerflow": plants.powerflow(first, ask) if metered else None,
        "hasGridLoad": metered,
        "isStored": first.has_battery,
        "isParallelInventers": False,
        "isMixedParallelInventers": False,
        "isEvCharge": False,
        "evCharge": None,
    }


@ANSWERS.to(GoodWeCalls.warnings)
def warnings(ask: Ask) -> dict[str, Any]:
    """Return the warnings of a plant's inverters: none of them has any."""
    return {"list": [{"sn": serial, "warning": []} for serial in plant(ask).devices]}


@ANSWERS.to(GoodWeCalls.plant_history_list)
def plant_history_list(ask: Ask) -> dict[str, Any]:
    """Return all plants of the account; nobody has published the shape, so it is the one of the other list."""
    return _list([plants.row(site, ask) for site in ask.holder.sites], len(ask.holder.sites))


@ANSWERS.to(GoodWeCalls.plant_monitor_page)
def plant_monitor_page(ask: Ask) -> dict[str, Any]:
    """Return one page of the account's plants, as the web portal reads it."""
    return _list(plants.plant_list_page(ask), len(ask.holder.sites))


def _list(rows: list[dict[str, Any]], count: int) -> dict[str, Any]:
    return {"record": count, "messageKey": None, "list": rows}


@ANSWERS.to(GoodWeCalls.monthly_report)
def monthly_report(ask: Ask) -> dict[str, Any]:
    """Return what the sun gave a plant in a month."""
    site = plant(ask)
    month = ask.arguments.get("date", "")[:7]
    try:
        first = date.fromisoformat(f"{month}-01")
        energy = energies_of(site, month)["pv_energy"]
    except ValueError:
        raise Failed(100000, "system error") from None
    today = ask.stage.now().astimezone(site.homes[0].zone).date()
    days = min(monthrange(first.year, first.month)[1], max(1, (today - first).days + 1))
    total = sum(unit.total for unit in units(site, ask.holder, ask.stage))
    report = {
        "pw_id": site.id,
        "pw_name": site.name,
        "month_power": round(energy, 2),
        "avg_day_power": round(energy / days, 2),
        "total_power": round(total, 1),
    }
    page = int(number(ask.arguments.get("page_index")) or 1)
    return {"record": 1, "list": [report] if page == 1 else []}


@ANSWERS.to(GoodWeCalls.export_power)
def export_power(ask: Ask) -> str:
    """Return the id of an export."""
    return str(uuid5(NAMESPACE_URL, f"semsportal/{plant(ask).id}/{ask.arguments.get('date', '')}"))


@ANSWERS.to(GoodWeCalls.export_file)
def export_file(ask: Ask) -> dict[str, str]:
    """Return where the file of an export would wait; nothing is written, so nothing is there."""
    return {"file_path": f"{ask.origin}/excel/{uuid5(NAMESPACE_URL, ask.arguments.get('id', ''))}.xls"}
