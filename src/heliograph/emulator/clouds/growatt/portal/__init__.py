"""The emulated web portal of Growatt: the same plants as the app's API, with sessions of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from heliograph.emulator import device_faults
from heliograph.emulator.api import EmulatedResponse, is_rate_limited
from heliograph.emulator.clouds.growatt import auth as app_auth
from heliograph.emulator.clouds.growatt import html
from heliograph.emulator.clouds.growatt.context import GrowattFailure, json_response
from heliograph.emulator.clouds.growatt.portal import (  # noqa: F401 - the last two register calls
    auth,
    devices,
    plants,
)
from heliograph.emulator.clouds.growatt.portal.context import PORTAL_ROUTER, PortalCallContext

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, RequestContext

_FOLDERS = ("index/", "indexbC/", "panel/", "device/", "log/")
_BARE = frozenset(("portal_plants", "portal_dataloggers"))
"""Calls without an envelope."""
FAULTS = {"portal_refuses": "the web portal refuses logins that the app accepts"}
"""Faults of the web portal, with descriptions."""


def owns(path: str) -> bool:
    """Return True if a path belongs to the portal."""
    return path in ("login", "logout") or path.startswith(_FOLDERS)


def account_of(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
    """Return the account a request claims to belong to."""
    return auth.account_of(request, context)


def handle(request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    """Return the response to one request of the portal."""
    if not request.headers.get("user-agent"):
        return html.NO_AGENT
    if context.firewall_blocks():
        return html.FIREWALL
    if request.path in ("login", "logout"):
        return _entrance(request, context)
    # Plants of businesses have the same calls below another folder (npm growatt, `indexCandI`).
    request = request._replace(path=re.sub("^indexbC/", "index/", request.path))
    account = auth.logged_in_account(request, context)
    if account is None:
        return auth.no_session_response(request.path)
    if is_rate_limited(account, context, app_auth.RATE_LOCKOUT):
        return html.FIREWALL
    # Requests count for the app's daily quota; the portal itself keeps answering.
    app_auth.exceeds_quota(account, context, context.now())
    return _answer(request, account, context)


def _entrance(request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    if request.path == "logout":
        return auth.log_out(request, context)
    if request.verb == "GET" or context.fault("html") is not None:
        return html.LOGIN
    response: EmulatedResponse = auth.log_in(request, context)
    return response


def _answer(request: EmulatedRequest, account: EmulatedAccount, context: RequestContext) -> EmulatedResponse:
    found = PORTAL_ROUTER.match(request)
    if context.fault("html") is not None or found is None:
        return html.LOGIN
    endpoint, arguments = found
    device_faults.apply_due_changes(account, context.now())
    is_bare = endpoint.name in _BARE
    if context.fault("empty") is not None:
        return json_response([] if is_bare else {"result": 1, "obj": None})
    try:
        answer = PORTAL_ROUTER.handler(endpoint)(PortalCallContext(arguments, account, context))
    except GrowattFailure as refusal:
        return json_response(refusal.body)
    return json_response(answer if is_bare else {"result": 1, "obj": answer})
