"""The SEMS Portal and SEMS+ in a box: every declared call is answered over emulated homes, or turned away."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from heliograph.emulator.api import EmulatedResponse
from heliograph.emulator.clouds.goodwe import (  # noqa: F401 - each module registers its calls
    auth,
    charts,
    deprecation,
    plants,
    plus,
    remote,
    surviving,
)
from heliograph.emulator.clouds.goodwe.context import LEGACY_ROUTER, FirewallBlocked, GoodWeCallContext, GoodWeFailure
from heliograph.emulator.clouds.goodwe.envelopes import JSON_HEADERS, JSON_TYPE, app_service, monitor_service
from heliograph.emulator.clouds.goodwe.families import FAMILIES
from heliograph.emulator.clouds.goodwe.faults import FAULTS
from heliograph.emulator.clouds.goodwe.plus_context import PLUS_ROUTER
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, HardwareProfile, RequestContext

__all__ = ["EMULATION", "LEGACY_ROUTER", "PLUS_ROUTER", "GoodWeEmulation", "alive", "charts", "plants", "remote"]

_HTML = "text/html; charset=utf-8"
_NO_ROUTE = EmulatedResponse(b'{"error_msg":"404 Route Not Found"}', 404, JSON_TYPE)
_PAGE = EmulatedResponse(
    b"<!DOCTYPE html><html><head><title>SEMS Portal</title></head><body>Maintenance</body></html>\n", 200, _HTML
)
# Nobody has published a page: users tell of time-outs and of sites that do not open (pygoodwe issue 283).
_FIREWALL = EmulatedResponse(
    b"<html><head><title>403 Forbidden</title></head><body>403 Forbidden</body></html>\n", 403, _HTML
)

# Quirk: some logins of the portal lead here, and none of its paths exists here.
_GATEWAY = re.compile(r"/*sems/.*", re.IGNORECASE)
_BASE = re.compile(r"/*api/+(.*)", re.IGNORECASE)
_VERSION = re.compile(r"v\d+/+(.*)", re.IGNORECASE)


class GoodWeEmulation:
    """The SEMS Portal and SEMS+."""

    vendor = "goodwe"

    def families(self) -> tuple[str, ...]:
        return tuple(FAMILIES)

    def hardware(self, family: str) -> HardwareProfile:
        return FAMILIES[family].hardware

    def username(self, number: int) -> str:
        return f"owner{number}@example.com"

    def plant_id(self, seed: int) -> str:
        return str(uuid5(NAMESPACE_URL, f"semsportal/{seed}"))

    def serials(self, family: str, seed: int) -> tuple[str, ...]:
        kind = FAMILIES[family]
        homes = kind.hardware.households
        return tuple(f"{kind.serial_prefix}{(seed * homes + place) % 100_000_000:08d}" for place in range(homes))

    def addresses(self, url: str) -> dict[str, str]:
        """Return where the SEMS Portal and SEMS+ are, and where SEMS+ logs in."""
        plus = f"{url}/web/sems/"
        return {
            "sems": f"{url}/api/",
            "semsplus": plus,
            "semsplus_login": f"{plus}{SemsPlusCalls.plus_login.route.path}",
        }

    def faults(self) -> dict[str, str]:
        """Return what can go wrong with GoodWe alone."""
        return FAULTS

    def owns(self, path: str) -> bool:
        return any(base.fullmatch(path) for base in (_BASE, plus.BASE, _GATEWAY))

    def account_of(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedAccount | None:
        return auth.account_of(asked, stage)

    def other_login(self, holder: EmulatedAccount, at: datetime, stage: RequestContext) -> None:
        auth.end_session(holder)

    def handle(self, asked: EmulatedRequest, stage: RequestContext) -> EmulatedResponse:
        if stage.firewall_blocks():
            return _FIREWALL
        is_plus = plus.BASE.fullmatch(asked.path) is not None
        found = plus.match_call(asked, stage) if is_plus else _matched(asked)
        if found is None:
            return _NO_ROUTE
        if stage.fault("html") is not None:
            return _PAGE
        try:
            return _told((plus.respond if is_plus else _answer)(*found, asked, stage))
        except FirewallBlocked:
            return _FIREWALL


def _matched(asked: EmulatedRequest) -> tuple[Endpoint[..., Any], dict[str, str]] | None:
    """Return the declared call of a path and its arguments; neither's case matters, and most versions are optional."""
    base = _BASE.fullmatch(asked.path)
    path = base[1] if base else ""
    found = LEGACY_ROUTER.match(asked._replace(path=path))
    if found is None and (versioned := _VERSION.fullmatch(path)):
        found = LEGACY_ROUTER.match(asked._replace(path=versioned[1]))
    return None if found is None else (found[0], {name.lower(): value for name, value in found[1].items()})


def _answer(
    call: Endpoint[..., Any], arguments: dict[str, str], asked: EmulatedRequest, stage: RequestContext
) -> dict[str, Any]:
    try:
        return _answered(call, arguments, asked, stage)
    except GoodWeFailure as refusal:
        return _envelope(call)(refusal.code, refusal.message, refusal.data, language=refusal.language)


def _answered(
    call: Endpoint[..., Any], arguments: dict[str, str], asked: EmulatedRequest, stage: RequestContext
) -> dict[str, Any]:
    token = auth.require_token(asked)
    if call.route.is_login:
        opened: dict[str, Any] = LEGACY_ROUTER.handler(call)(arguments, token, asked, stage)
        return opened
    holder = auth.require_account(token, asked, stage)
    auth.check_rate_limit(holder, stage)
    auth.apply_due_commands(call, holder, stage)
    ask = GoodWeCallContext(arguments, holder, stage, asked.origin)
    # Quirk: accounts and plants that moved to SEMS+ answer success and an empty object.
    data = {} if deprecation.returns_no_data(call, ask) else LEGACY_ROUTER.handler(call)(ask)
    return _envelope(call)(0, "操作成功", data, arguments=arguments)


def _envelope(call: Endpoint[..., Any]) -> Callable[..., dict[str, Any]]:
    ours = any(name in call.route.path for name in ("PowerStation/", "Charts/"))
    return app_service if ours else monitor_service


def _told(answer: dict[str, Any]) -> EmulatedResponse:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return EmulatedResponse(text.encode(errors="replace"), 200, JSON_TYPE, JSON_HEADERS)


EMULATION = GoodWeEmulation()
