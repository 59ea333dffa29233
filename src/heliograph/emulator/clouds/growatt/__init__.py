"""The emulated Growatt cloud: answers all declared calls from simulated households, with the cloud's own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.emulator import device_faults
from heliograph.emulator.api import EmulatedResponse, HardwareProfile, is_rate_limited
from heliograph.emulator.clouds.growatt import (  # noqa: F401 - each module registers its calls
    auth,
    energies,
    html,
    inverter,
    mix,
    noah,
    openapi,
    plants,
    portal,
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
from heliograph.emulator.clouds.growatt.openapi.context import token_of

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
        "nexa_info",
        "classic_inverter_info",
    )
)
"""Calls answered by the device itself; they fail when it is offline."""

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
    "max": HardwareProfile(peak_power=50000, load_kwh_per_day=180),
    "sph-s": HardwareProfile(peak_power=6000, battery_capacity=10.0, battery_power=5000, load_kwh_per_day=12),
    "wit": HardwareProfile(peak_power=30000, battery_capacity=60.0, battery_power=25000, load_kwh_per_day=120),
    "nexa": HardwareProfile(peak_power=1800, battery_capacity=4.1, battery_power=1000, load_kwh_per_day=7),
}
_SERIALS = {
    "tlx": ("BZP{:07d}",),
    "tlx-battery": ("BXP{:07d}", "0KN{:013d}"),
    "mix": ("ODC{:07d}",),
    "spa": ("MQB{:07d}",),
    "inverter": ("NMB{:07d}",),
    "storage": ("KHM{:07d}",),
    "noah": ("0PV{:013d}",),
    "max": ("QXH{:07d}",),
    "sph-s": ("EGM{:07d}",),
    "wit": ("WPD{:07d}",),
    "nexa": ("0HVR{:012d}", "0HYR{:012d}"),
}


class GrowattEmulation:
    """The emulated ShinePhone cloud."""

    vendor = "growatt"

    def families(self) -> tuple[str, ...]:
        return tuple(family for family in DEVICE_TYPES if family not in self.optional_families())

    def optional_families(self) -> tuple[str, ...]:
        return ("nexa", "max", "sph-s", "wit")

    def hardware(self, family: str) -> HardwareProfile:
        return _HOMES[family]

    def username(self, number: int) -> str:
        return f"growatt{number}"

    def plant_id(self, seed: int) -> str:
        # A prime coprime to the range maps seeds to distinct ids spread over it.
        return str(1_000_000 + seed * 7919 % 9_000_000)

    def serials(self, family: str, seed: int) -> tuple[str, ...]:
        return tuple(form.format(seed % 10_000_000) for form in _SERIALS[family])

    def addresses(self, url: str) -> dict[str, str]:
        """Return the one server Growatt's app uses."""
        return {"growatt": f"{url}/"}

    def faults(self) -> dict[str, str]:
        """Return the faults specific to Growatt."""
        return {
            "lenient_lock": "login attempts during a lock do not extend it",
            "zero_power": "the plant lists report no power, though the devices do",
            "no_classic_login": "the server no longer has the classic login, only the app's",
            "no_app_login": "the server does not have the app's login, only the classic one",
            "zero_totals": "a classic inverter's lifetime totals are 0 from midnight to sunrise",
            **openapi.FAULTS,
            **portal.FAULTS,
        }

    def account_info(self, account: EmulatedAccount) -> dict[str, str]:
        """Return the account's API token."""
        return {"token": token_of(account)}

    def owns(self, path: str) -> bool:
        path = path.lstrip("/")
        is_app = (path.endswith(".do") and "/" not in path) or path.startswith(_FOLDERS)
        return is_app or path.startswith(openapi.PREFIXES) or portal.owns(path)

    def account_of(self, request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
        if request.path.lstrip("/").startswith(openapi.PREFIXES):
            return openapi.account_of(request, context)
        if portal.owns(request.path.lstrip("/")):
            return portal.account_of(request, context)
        return auth.account_of(request, context)

    def other_login(self, account: EmulatedAccount, at: datetime, context: RequestContext) -> None:
        # Sessions coexist, but requests and logins of other users count against the same account.
        auth.exceeds_quota(account, context, at)
        auth.count_login(account, context, at)

    def handle(self, request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
        request = request._replace(path=request.path.lstrip("/"))
        if request.path.startswith(openapi.PREFIXES):
            return openapi.handle(request, context)
        if portal.owns(request.path):
            return portal.handle(request, context)
        try:
            return _handle(request, context)
        except GrowattFailure as refusal:
            return json_response(refusal.body)


def _handle(request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    if not request.headers.get("user-agent"):
        return html.NO_AGENT
    if context.firewall_blocks():
        return html.FIREWALL
    if request.path in _PORTAL:
        return html.LOGIN
    if (found := ROUTER.match(request)) is None:
        return html.NO_SUCH_OPERATION
    endpoint, arguments = found
    is_login = endpoint.route.is_login
    username = arguments.get("userName", "")
    account = auth.find_account(context, username) if is_login else auth.logged_in_account(request, context)
    if account is not None and is_rate_limited(account, context, auth.RATE_LOCKOUT):
        return html.FIREWALL
    over_quota = account is not None and auth.exceeds_quota(account, context, context.now())
    if is_login:
        inner = ROUTER.handler(endpoint)(arguments, request, context)
    elif account is None or over_quota:
        inner = auth.no_session_response(endpoint)
    else:
        inner = _handle_call(endpoint, GrowattCallContext(arguments, account, context))
    return inner if isinstance(inner, EmulatedResponse) else json_response(_wrap(endpoint, inner))


def _handle_call(endpoint: Endpoint[..., Any], call: GrowattCallContext) -> Any:
    """Answer a logged-in account, or fail as an active fault demands."""
    is_command, context = endpoint.route.command, call.context
    device_faults.apply_due_changes(call.account, context.now())
    if context.fault("html") is not None:
        return html.LOGIN
    if is_command and device_faults.is_command_blocked(call.account, context):
        return html.FIREWALL
    if endpoint.name in SETTINGS and (code := context.fault("unread")) is not None:
        raise GrowattFailure({"result": 0, "obj": None, "msg": "500" if code == "500" else "501"})
    if not is_command and context.fault("empty") is not None:
        return _empty_response(endpoint)
    return ROUTER.handler(endpoint)(call)


def _wrap(endpoint: Endpoint[..., Any], inner: Any) -> Any:
    """Wrap a value in the envelope declared for its call."""
    for member in reversed(endpoint.route.result_path.split(".")):
        if member == "obj":
            inner = success(inner)
        elif member:
            inner = {member: inner}
    return inner


def _empty_response(endpoint: Endpoint[..., Any]) -> EmulatedResponse:
    """Return an empty success response in the envelope of the call."""
    outer = endpoint.route.result_path.partition(".")[0]
    if outer == "obj":
        return json_response(success(None))
    if outer == "back":
        return json_response({"back": {"success": True, "data": []}})
    return json_response({outer: []}) if outer else EmulatedResponse(b"")


EMULATION = GrowattEmulation()
