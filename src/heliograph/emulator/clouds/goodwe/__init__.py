"""Emulated GoodWe cloud (SEMS Portal and SEMS+): routes each declared call to its handler."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from heliograph.emulator.api import EmulatedResponse
from heliograph.emulator.clouds.goodwe import (
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

__all__ = ["EMULATION", "LEGACY_ROUTER", "PLUS_ROUTER", "GoodWeEmulation", "charts", "plants", "remote", "surviving"]

_HTML = "text/html; charset=utf-8"
_NO_ROUTE = EmulatedResponse(b'{"error_msg":"404 Route Not Found"}', 404, JSON_TYPE)
_PAGE = EmulatedResponse(
    b"<!DOCTYPE html><html><head><title>SEMS Portal</title></head><body>Maintenance</body></html>\n", 200, _HTML
)
# The real page is unpublished: users report time-outs and sites that do not open (pygoodwe issue 283).
_FIREWALL = EmulatedResponse(
    b"<html><head><title>403 Forbidden</title></head><body>403 Forbidden</body></html>\n", 403, _HTML
)

# Quirk: some portal logins name this gateway, which has none of the portal's paths.
_GATEWAY = re.compile(r"/*sems/.*", re.IGNORECASE)
_BASE = re.compile(r"/*api/+(.*)", re.IGNORECASE)
_VERSION = re.compile(r"v\d+/+(.*)", re.IGNORECASE)


class GoodWeEmulation:
    """Emulation of the SEMS Portal and SEMS+."""

    vendor = "goodwe"

    def families(self) -> tuple[str, ...]:
        return tuple(FAMILIES)

    def optional_families(self) -> tuple[str, ...]:
        return ()

    def hardware(self, family: str) -> HardwareProfile:
        return FAMILIES[family].hardware

    def username(self, number: int) -> str:
        return f"owner{number}@example.com"

    def plant_id(self, seed: int) -> str:
        return str(uuid5(NAMESPACE_URL, f"semsportal/{seed}"))

    def serials(self, family: str, seed: int) -> tuple[str, ...]:
        hardware = FAMILIES[family]
        count = hardware.hardware.households
        return tuple(f"{hardware.serial_prefix}{(seed * count + index) % 100_000_000:08d}" for index in range(count))

    def addresses(self, url: str) -> dict[str, str]:
        """Return the URLs of the SEMS Portal, of SEMS+ and of the SEMS+ login."""
        plus = f"{url}/web/sems/"
        return {
            "sems": f"{url}/api/",
            "semsplus": plus,
            "semsplus_login": f"{plus}{SemsPlusCalls.plus_login.route.path}",
        }

    def faults(self) -> dict[str, str]:
        """Return the faults specific to GoodWe."""
        return FAULTS

    def account_info(self, account: EmulatedAccount) -> dict[str, str]:
        """Return no further members."""
        return {}

    def owns(self, path: str) -> bool:
        return any(base.fullmatch(path) for base in (_BASE, plus.BASE, _GATEWAY))

    def account_of(self, request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
        return auth.account_of(request, context)

    def other_login(self, account: EmulatedAccount, at: datetime, context: RequestContext) -> None:
        auth.end_session(account)

    def handle(self, request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
        if context.firewall_blocks():
            return _FIREWALL
        is_plus = plus.BASE.fullmatch(request.path) is not None
        match = plus.match_call(request, context) if is_plus else _match_call(request)
        if match is None:
            return _NO_ROUTE
        if context.fault("html") is not None:
            return _PAGE
        try:
            return _json_response((plus.respond if is_plus else _respond)(*match, request, context))
        except FirewallBlocked:
            return _FIREWALL


def _match_call(request: EmulatedRequest) -> tuple[Endpoint[..., Any], dict[str, str]] | None:
    """Return the declared call and its arguments; paths and names are case-insensitive, most versions optional."""
    base = _BASE.fullmatch(request.path)
    path = base[1] if base else ""
    match = LEGACY_ROUTER.match(request._replace(path=path))
    if match is None and (versioned := _VERSION.fullmatch(path)):
        match = LEGACY_ROUTER.match(request._replace(path=versioned[1]))
    return None if match is None else (match[0], {name.lower(): value for name, value in match[1].items()})


def _respond(
    endpoint: Endpoint[..., Any], arguments: dict[str, str], request: EmulatedRequest, context: RequestContext
) -> dict[str, Any]:
    try:
        return _envelope_of(endpoint, arguments, request, context)
    except GoodWeFailure as failure:
        return _envelope(endpoint)(failure.code, failure.message, failure.data, language=failure.language)


def _envelope_of(
    endpoint: Endpoint[..., Any], arguments: dict[str, str], request: EmulatedRequest, context: RequestContext
) -> dict[str, Any]:
    token = auth.require_token(request)
    if endpoint.route.is_login:
        login: dict[str, Any] = LEGACY_ROUTER.handler(endpoint)(arguments, token, request, context)
        return login
    account = auth.require_account(token, request, context)
    auth.check_rate_limit(account, context)
    auth.apply_due_commands(endpoint, account, context)
    call = GoodWeCallContext(arguments, account, context, request.origin)
    # Quirk: accounts and plants that moved to SEMS+ return success with an empty object.
    data = {} if deprecation.returns_no_data(endpoint, call) else LEGACY_ROUTER.handler(endpoint)(call)
    return _envelope(endpoint)(0, "操作成功", data, arguments=arguments)


def _envelope(endpoint: Endpoint[..., Any]) -> Callable[..., dict[str, Any]]:
    is_app_call = any(name in endpoint.route.path for name in ("PowerStation/", "Charts/"))
    return app_service if is_app_call else monitor_service


def _json_response(envelope: dict[str, Any]) -> EmulatedResponse:
    text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    return EmulatedResponse(text.encode(errors="replace"), 200, JSON_TYPE, JSON_HEADERS)


EMULATION = GoodWeEmulation()
