"""Authentication of the emulated SEMS Portal: logins, tokens, sessions and rate limit."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from heliograph.emulator import device_faults
from heliograph.emulator.api import is_rate_limited
from heliograph.emulator.clouds.goodwe.context import LEGACY_ROUTER, FirewallBlocked, GoodWeFailure
from heliograph.emulator.clouds.goodwe.envelopes import monitor_service
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, RequestContext

_LOCKOUT = timedelta(seconds=300)
"""Lockout after GY0429, the delay used by every maintained client."""

NO_SESSION = (100001, "No access, please log in.")
SESSION_EXPIRED = (100002, "The authorization has expired, please log in again.")
WRONG_PASSWORD = (100005, "Email or password error.")
# The message of this code is unpublished.
RATE_LIMITED = ("GY0429", "")


def require_token(request: EmulatedRequest) -> dict[str, Any]:
    """Return the parsed Token header; raise `GoodWeFailure` if there is none."""
    token = parse_token(request)
    if token is None:
        # Quirk: message and language are those of the real portal.
        raise GoodWeFailure("100000", "ver is not fund", language="zh_CN")
    return token


def parse_token(request: EmulatedRequest) -> dict[str, Any] | None:
    """Parse the Token header: JSON text, or Base64 of it, which some clients send."""
    text = request.headers.get("token", "")
    if (token := _json(text)) is not None:
        return token
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Quirk: the portal's JSON parser accepts single quotes, which sems-portal-api sends.
    return _json(plain) or _json(plain.replace(b"'", b'"'))


def _json(text: str | bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def account_of(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
    """Return the account that a request names in its login or token, even if the token has expired."""
    claimed_id = (parse_token(request) or {}).get("uid") or None
    username = request.arguments.get("account")
    return next(
        (one for one in context.accounts("goodwe") if one.username == username or user_id(one) == claimed_id), None
    )


def end_session(account: EmulatedAccount) -> None:
    """End the account's session, as another login would, in either dialect."""
    account.state.pop("session", None)


def user_id(account: EmulatedAccount) -> str:
    """Return the user id of an account in this cloud's format."""
    return str(uuid5(NAMESPACE_URL, f"semsportal/{account.username}"))


@LEGACY_ROUTER.route(GoodWeCalls.cross_login)
def log_in(
    arguments: Mapping[str, str], token: Mapping[str, Any], request: EmulatedRequest, context: RequestContext
) -> dict[str, Any]:
    """Handle a login; the new session silently replaces the account's earlier one."""
    account = authenticate(
        arguments.get("account", ""), context, lambda account: arguments.get("pwd") == account.password
    )
    if context.fault("agreement") is not None:
        return monitor_service(0, "Successful", {"agreement_agreement": 0})
    data: dict[str, Any] = open_session(account, token, "legacy", request, context)
    if arguments.get("version", "").lower() == "v3":
        data |= {"uuid": "", "neutral": 0}
    envelope = monitor_service(0, "Successful", data)
    if context.fault("no_api") is not None:
        return envelope
    # Quirk: some logins name the SEMS+ gateway, which has none of the portal's paths.
    path = "api" if context.fault("gateway") is None else "sems"
    return {**envelope, "api": f"{home_host(request, context)}/{path}/"}


def authenticate(username: str, context: RequestContext, accepts: Callable[[EmulatedAccount], bool]) -> EmulatedAccount:
    """Return the account that logs in; raise `GoodWeFailure` if it is unknown or its password is wrong."""
    account = next((account for account in context.accounts("goodwe") if account.username == username), None)
    throttled = account is not None and is_rate_limited(account, context, _LOCKOUT)
    # The faults "lock" and "quota" have no effect here: no public report mentions a locked GoodWe account.
    accepted = account is not None and not throttled and accepts(account)
    context.record_login(account, username, accepted=accepted)
    if throttled:
        raise GoodWeFailure(*RATE_LIMITED)
    if account is None or not accepted:
        raise GoodWeFailure(*WRONG_PASSWORD)
    return account


def open_session(
    account: EmulatedAccount, token: Mapping[str, Any], dialect: str, request: EmulatedRequest, context: RequestContext
) -> dict[str, Any]:
    """Open a session and return its token; an account has one session across both dialects."""
    issued = {
        "uid": user_id(account),
        "timestamp": int(context.now().timestamp() * 1000),
        "token": secrets.token_hex(16),
        **{name: str(token.get(name, "")) for name in ("client", "version", "language")},
    }
    account.state["session"] = {
        "token": issued["token"],
        "client": issued["client"],
        "origin": home_host(request, context),
        "life": context.open_session(),
        "dialect": dialect,
        "gateway": dialect == "plus" or context.fault("gateway") is not None,
    }
    return issued


def home_host(request: EmulatedRequest, context: RequestContext) -> str:
    """Return the host of the account's region: the login host, unless the fault `region` is on."""
    return request.origin if context.fault("region") is None else context.second_region(request.origin)


def require_account(token: Mapping[str, Any], request: EmulatedRequest, context: RequestContext) -> EmulatedAccount:
    """Return the account of a token, valid for its client and host until another login."""
    account, session = find_session(token, context)
    # Quirk: from April to September 2026 the portal accepted SEMS+ sessions as well.
    if session["dialect"] != "legacy" and context.fault("september") is not None:
        raise GoodWeFailure(*SESSION_EXPIRED)
    use_session(account, request, context)
    return account


def find_session(token: Mapping[str, Any], context: RequestContext) -> tuple[EmulatedAccount, dict[str, Any]]:
    """Return the account of a token, and its session."""
    if not token.get("uid") or not token.get("token"):
        raise GoodWeFailure(*NO_SESSION)
    for account in context.accounts("goodwe"):
        session = account.state.get("session")
        if session is None or user_id(account) != token["uid"]:
            continue
        if (session["token"], session["client"]) == (token["token"], token.get("client")):
            return account, session
    raise GoodWeFailure(*SESSION_EXPIRED)


def use_session(account: EmulatedAccount, request: EmulatedRequest, context: RequestContext) -> None:
    """Use the session of an account; raise `GoodWeFailure` if it has expired or belongs to another host."""
    session = account.state["session"]
    if session["origin"] != request.origin or not context.use_session(session["life"]):
        raise GoodWeFailure(*SESSION_EXPIRED)


def apply_due_commands(endpoint: Endpoint[..., Any], account: EmulatedAccount, context: RequestContext) -> None:
    """Apply due device changes; raise `FirewallBlocked` for a command blocked by the fault `halfway`."""
    device_faults.apply_due_changes(account, context.now())
    if endpoint.route.command and device_faults.is_command_blocked(account, context):
        raise FirewallBlocked


def check_rate_limit(account: EmulatedAccount, context: RequestContext) -> None:
    """Reject a rate-limited account."""
    if is_rate_limited(account, context, _LOCKOUT):
        raise GoodWeFailure(*RATE_LIMITED)
