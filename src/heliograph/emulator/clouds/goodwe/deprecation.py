"""Deprecation of the emulated SEMS Portal: calls and plants that no longer return data since the move to SEMS+."""

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

_PLANT_ARGUMENTS = ("powerstationid", "powerstation_id", "pw_id", "id")
"""Argument names of the plant id; `id` may also be an inverter."""

# Quirk: the calls that still worked on 25 September 2026, according to openHAB's integration.
_SURVIVING = {
    endpoint.name
    for endpoint in (
        GoodWeCalls.cross_login,
        GoodWeCalls.plant_detail,
        GoodWeCalls.inverter_points,
        GoodWeCalls.powerflow,
        GoodWeCalls.plant_history_list,
        GoodWeCalls.inverter_column,
        GoodWeCalls.energy_by_day,
        # The portal's latest clients still send commands through it (Home Assistant's integration, 11).
        GoodWeCalls.save_remote_control,
    )
}
# Quirk: list calls fail in every version, while calls that name a plant work (Home Assistant, issue 189).
_LIST_CALLS = {
    endpoint.name
    for endpoint in (GoodWeCalls.plant_id_by_owner, GoodWeCalls.plant_list_page, GoodWeCalls.plant_monitor_page)
}


def returns_no_data(endpoint: Endpoint[..., Any], call: GoodWeCallContext) -> bool:
    """Return True if the portal returns success without data; raise `GoodWeFailure` if it rejects the call."""
    if call.context.fault("empty") is not None:
        return True
    if _moved(call) and call.context.fault("station2") is not None:
        # Quirk: calls for a plant of stationType 2 report an expired session (Home Assistant, issue 197).
        raise GoodWeFailure(*SESSION_EXPIRED)
    if endpoint.name in _SURVIVING or call.context.fault("september") is None:
        return False
    if endpoint.name in _LIST_CALLS:
        raise GoodWeFailure("100000", "ver is not fund")
    return True


def _moved(call: GoodWeCallContext) -> bool:
    site = named_plant(call)
    return site is not None and bool(FAMILIES[site.family].hardware.battery_capacity)


def named_plant(call: GoodWeCallContext) -> EmulatedPlant | None:
    """Return the plant whose id or inverter a call names, or None."""
    ids = {call.arguments.get(name) for name in _PLANT_ARGUMENTS}
    return next((site for site in call.account.plants if not ids.isdisjoint((site.id, *site.devices))), None)
