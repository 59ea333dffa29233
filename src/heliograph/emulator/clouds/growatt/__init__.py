"""Growatt in a box: answers every declared call over emulated homes, and turns callers away as the cloud does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator import device_faults
from heliograph.emulator.api import EmulatedResponse, HardwareProfile, is_rate_limited
from heliograph.emulator.clouds.growatt import (  # noqa: F401 - each module registers its calls
    auth,
    html,
    inverter,
    mix,
    noah,
    plants,
    settings,
    storage,
    tlx,
)
from heliograph.emulator.clouds.growatt.context import (
    DEVICE_TYPES,
    ROUTER,
    GrowattCallContext,
    GrowattFailure,
    json_response,
    success,
)

if TYPE_CHECKING:
    from datetime import datetime

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, RequestContext

SETTINGS = frozenset(
    (
        "tlx_all_settings",
        "tlx_get_all_settings",
        "get_mix_inverter_settings",
        "spa_settings",
        "noah_info",
        "classic_inverter_info",
    )
)
"""The calls whose answer comes from the device itself, and fails when it is silent."""

_FOLDERS = ("noahDeviceApi/", "commonDeviceSetC/")
_PORTAL = ("login.do", "error.do")

_HOMES = {
    "tlx": HardwareProfile(peak_power=4200, has_meter=False),
    "tlx-battery": HardwareProfile(peak_power=7500, battery_capacity=10.2, battery_power=5000, load_kwh_per_day=14),
    "mix": HardwareProfile(peak_power=6000, battery_capacity=7.6, battery_power=3000, load_kwh_per_day=11),
    "spa": HardwareProfile(peak_power=4000, battery_capacity=7.6, battery_power=3000, load_kwh_per_day=9),
    "inverter": HardwareProfile(peak_power=3300, has_meter=False),
    "storage": HardwareProfile(
        peak_power=5000, battery_capacity=9.6, battery_power=3000, off_grid=True, load_kwh_per_day=12
    ),
    "noah": HardwareProfile(peak_power=900, battery_capacity=2.0, battery_power=800, load_kwh_per_day=6),
}
_SERIALS = {
    "tlx": ("BZP{:07d}",),
    "tlx-battery": ("BXP{:07d}", "0KN{:013d}"),
    "mix": ("ODC{:07d}",),
    "spa": ("MQB{:07d}",),
    "inverter": ("NMB{:07d}",),
    "storage": ("KHM{:07d}",),
    "noah": ("0PV{:013d}",),
}


class GrowattEmulation:
    """The ShinePhone cloud."""

    vendor = "growatt"

    def families(self) -> tuple[str, ...]:
        return tuple(DEVICE_TYPES)

    def hardware(self, family: str) -> HardwareProfile:
        return _HOMES[family]

    def username(self, number: int) -> str:
        return f"growatt{number}"

    def plant_id(self, seed: int) -> str:
        # A prime that shares no factor with the range spreads ids over all of it, each once.
        return str(1_000_000 + seed * 7919 % 9_000_000)

    def serials(self, family: str, seed: int) -> tuple[str, ...]:
        return tuple(form.format(seed % 10_000_000) for form in _SERIALS[family])

    def addresses(self, url: str) -> dict[str, str]:
        """Return the one server Growatt's app speaks to."""
        return {"growatt": f"{url}/"}

    def faults(self) -> dict[str, str]:
        """Return what can go wrong with Growatt alone."""
        return {
            "lenient_lock": "to try in vain does not make a lock longer",
            "zero_totals": "from midnight until the sun is up a classic inverter's lifetime totals are 0",
        }

    def owns(self, path: str) -> bool:
        path = path.lstrip("/")
        return (path.endswith(".do") and "/" not in path) or path.startswith(_FOLDERS)

    def account_of(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedAccount | None:
        return auth.account_of(asked, stage)

    def other_login(self, holder: EmulatedAccount, at: datetime, stage: RequestContext) -> None:
        # Sessions live side by side, but the cloud counts what somebody else asks as well.
        auth.exceeds_quota(holder, stage, at)
        auth.count_login(holder, stage, at)

    def handle(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedResponse:
        try:
            return _answered(asked._replace(path=asked.path.lstrip("/")), stage)
        except GrowattFailure as refusal:
            return json_response(refusal.body)


def _answered(asked: EmulatedRequest, stage: RequestContext) -> EmulatedResponse:
    if not asked.headers.get("user-agent"):
        return html.NO_AGENT
    if stage.firewall_blocks():
        return html.FIREWALL
    if asked.path in _PORTAL:
        return html.LOGIN
    if (found := ROUTER.match(asked)) is None:
        return html.NO_SUCH_OPERATION
    call, arguments = found
    opens = call.route.is_login
    holder = auth.find_account(stage, arguments.get("userName", "")) if opens else auth.logged_in_account(asked, stage)
    if holder is not None and is_rate_limited(holder, stage, auth.RATE_LOCKOUT):
        return html.FIREWALL
    over_quota = holder is not None and auth.exceeds_quota(holder, stage, stage.now())
    if opens:
        inner = ROUTER.handler(call)(arguments, asked, stage)
    elif holder is None or over_quota:
        inner = auth.no_session_response(call)
    else:
        inner = _served(call, GrowattCallContext(arguments, holder, stage))
    return inner if isinstance(inner, EmulatedResponse) else json_response(_wrapped(call, inner))


def _served(call: Endpoint[..., Any], ask: GrowattCallContext) -> Any:
    """Answer an account with a session, or fail in the way a fault says."""
    order, stage = call.route.command, ask.context
    device_faults.apply_due_changes(ask.account, stage.now())
    if stage.fault("html") is not None:
        return html.LOGIN
    if order and device_faults.is_command_blocked(ask.account, stage):
        return html.FIREWALL
    if call.name in SETTINGS and (code := stage.fault("unread")) is not None:
        raise GrowattFailure({"result": 0, "obj": None, "msg": "500" if code == "500" else "501"})
    if not order and stage.fault("empty") is not None:
        return _emptied(call)
    return ROUTER.handler(call)(ask)


def _wrapped(call: Endpoint[..., Any], inner: Any) -> Any:
    """Put an inner value into the envelope its call is declared with."""
    for member in reversed(call.route.result_path.split(".")):
        if member == "obj":
            inner = success(inner)
        elif member:
            inner = {member: inner}
    return inner


def _emptied(call: Endpoint[..., Any]) -> EmulatedResponse:
    """Return success with nothing in it, in the shape of the call."""
    outer = call.route.result_path.partition(".")[0]
    if outer == "obj":
        return json_response(success(None))
    if outer == "back":
        return json_response({"back": {"success": True, "data": []}})
    return json_response({outer: []}) if outer else EmulatedResponse(b"")


EMULATION = GrowattEmulation()
