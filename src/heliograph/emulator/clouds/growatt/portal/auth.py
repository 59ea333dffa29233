"""Logins and sessions of the emulated web portal, and its responses without a session."""

from __future__ import annotations

import secrets
from hashlib import md5
from typing import TYPE_CHECKING

from heliograph.emulator.clouds.growatt import auth, html
from heliograph.emulator.clouds.growatt.context import json_response
from heliograph.emulator.clouds.growatt.portal.context import PORTAL_ROUTER
from heliograph.vendors.growatt.portal.api import PortalCalls

if TYPE_CHECKING:
    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, EmulatedResponse, RequestContext
    from heliograph.emulator.ratelimit import SessionLifetime

_MAX_SESSIONS = 1000


def account_of(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
    """Return the account a request names or its cookie was issued to, even if the session is over."""
    if "account" in request.arguments:
        return auth.find_account(context, request.arguments["account"])
    # Emulator only: a cookie ends with the user id, so that expired sessions are attributed too.
    cookie = _cookie(request)
    found = (one for one in context.accounts("growatt") if cookie and cookie.endswith(_suffix(one)))
    return next(found, None)


def logged_in_account(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
    """Return the account of a request's cookie if its session is valid; a session of the app is not."""
    cookie = _cookie(request)
    for account in context.accounts("growatt"):
        if (session := _sessions(account).get(cookie)) is not None:
            if context.use_session(session):
                return account
            del _sessions(account)[cookie]
    return None


@PORTAL_ROUTER.route(PortalCalls.portal_login)
def log_in(request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    """Handle a login and open a session if it is accepted."""
    username = request.arguments.get("account", "")
    account = auth.find_account(context, username)
    if account is not None:
        # Quirk: the portal is reported to accept logins while the app's are locked (growattServer issue 55). Whether
        # its logins count for the lock is not published; the emulator takes the stricter rule.
        auth.count_login(account, context, context.now())
    digest = "" if account is None else md5(account.password.encode(), usedforsecurity=False).hexdigest()
    right = account is not None and request.arguments.get("passwordCrc") == digest
    accepted = right and context.fault("portal_refuses") is None
    context.record_login(account, username, accepted=accepted)
    if account is None or not accepted:
        return json_response({"result": -2, "msg": ""})
    cookie = secrets.token_hex(12).upper() + _suffix(account)
    sessions = _sessions(account)
    sessions[cookie] = context.open_session()
    if len(sessions) > _MAX_SESSIONS:
        del sessions[next(iter(sessions))]
    cookies = {auth.COOKIE: cookie, "SERVERID": "portal", "onePlantId": account.plants[0].id}
    return json_response({"result": 1}, *(("Set-Cookie", f"{name}={value}; Path=/") for name, value in cookies.items()))


def log_out(request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    """End the session of a request."""
    for account in context.accounts("growatt"):
        _sessions(account).pop(_cookie(request), None)
    return html.MOVED_TO_LOGIN


def no_session_response(path: str) -> EmulatedResponse:
    """Return the response to a call without a valid session; both variants known of the portal occur."""
    return html.LOGIN if path.startswith("index/") else html.MOVED_TO_LOGIN


def _cookie(request: EmulatedRequest) -> str:
    return request.cookies.get(auth.COOKIE, "")


def _suffix(account: EmulatedAccount) -> str:
    return f"{auth.user_id(account):08X}"


def _sessions(account: EmulatedAccount) -> dict[str, SessionLifetime]:
    found: dict[str, SessionLifetime] = account.state.setdefault("portal_sessions", {})
    return found
