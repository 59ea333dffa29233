"""What the portal still answers since plants and accounts move to SEMS+, by call and by plant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.goodwe.auth import SESSION_EXPIRED
from heliograph.emulator.clouds.goodwe.context import GoodWeFailure
from heliograph.emulator.clouds.goodwe.families import FAMILIES
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedPlant
    from heliograph.emulator.clouds.goodwe.context import GoodWeCallContext

_NAMES = ("powerstationid", "powerstation_id", "pw_id", "id")
"""What the calls call a plant; the last may be an inverter."""

# Quirk: who still answered on 25 September 2026, by the notes of openHAB's integration.
_ALIVE = {
    call.name
    for call in (
        GoodWeCalls.cross_login,
        GoodWeCalls.plant_detail,
        GoodWeCalls.inverter_points,
        GoodWeCalls.powerflow,
        GoodWeCalls.plant_history_list,
        GoodWeCalls.inverter_column,
        GoodWeCalls.energy_by_day,
        # That orders still go through the portal is how its last clients are built (Home Assistant's integration, 11).
        GoodWeCalls.save_remote_control,
    )
}
# Quirk: lists say so whatever version is sent, while calls that name a plant work (Home Assistant, issue 189).
_LISTS = {
    call.name for call in (GoodWeCalls.plant_id_by_owner, GoodWeCalls.plant_list_page, GoodWeCalls.plant_monitor_page)
}


def returns_no_data(call: Endpoint[..., Any], ask: GoodWeCallContext) -> bool:
    """Tell whether the portal answers a call with success and nothing, or refuse it where it says more."""
    if ask.context.fault("empty") is not None:
        return True
    if _moved(ask) and ask.context.fault("station2") is not None:
        # Quirk: a plant of stationType 2 makes any session look expired (Home Assistant, issue 197).
        raise GoodWeFailure(*SESSION_EXPIRED)
    if call.name in _ALIVE or ask.context.fault("september") is None:
        return False
    if call.name in _LISTS:
        raise GoodWeFailure("100000", "ver is not fund")
    return True


def _moved(ask: GoodWeCallContext) -> bool:
    site = named_plant(ask)
    return site is not None and bool(FAMILIES[site.family].hardware.battery_capacity)


def named_plant(ask: GoodWeCallContext) -> EmulatedPlant | None:
    """Return the plant a call names, or whose inverter it names."""
    said = {ask.arguments.get(name) for name in _NAMES}
    return next((site for site in ask.account.plants if not said.isdisjoint((site.id, *site.devices))), None)
