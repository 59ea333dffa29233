"""The portal's door: who is logged in, from which client and host, and what callers without a session are told."""

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

_REST = timedelta(seconds=300)
"""How long every maintained client waits after GY0429."""

NO_SESSION = (100001, "No access, please log in.")
SESSION_EXPIRED = (100002, "The authorization has expired, please log in again.")
WRONG_PASSWORD = (100005, "Email or password error.")
# Nobody has published the words that come with this code.
RATE_LIMITED = ("GY0429", "")


def require_token(asked: EmulatedRequest) -> dict[str, Any]:
    """Return the Token header, or refuse whoever has none."""
    token = parse_token(asked)
    if token is None:
        # Quirk: the words are the portal's own, and so is the language of an answer to nobody.
        raise GoodWeFailure("100000", "ver is not fund", language="zh_CN")
    return token


def parse_token(asked: EmulatedRequest) -> dict[str, Any] | None:
    """Return the Token header: JSON text, or Base64 of it, which some clients send."""
    text = asked.headers.get("token", "")
    if (token := _json(text)) is not None:
        return token
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Quirk: the portal's JSON reader takes single quotes, and sems-portal-api sends them.
    return _json(plain) or _json(plain.replace(b"'", b'"'))


def _json(text: str | bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def account_of(asked: EmulatedRequest, stage: RequestContext) -> EmulatedAccount | None:
    """Return the account a request logs in to, or the one its token was given to, however long ago."""
    said = (parse_token(asked) or {}).get("uid") or None
    account = asked.arguments.get("account")
    return next((one for one in stage.accounts("goodwe") if one.username == account or user_id(one) == said), None)


def end_session(holder: EmulatedAccount) -> None:
    """Let somebody else's login take the place of the account's session, of either dialect."""
    holder.state.pop("session", None)


def user_id(holder: EmulatedAccount) -> str:
    """Return the number of an account, as this cloud gives them."""
    return str(uuid5(NAMESPACE_URL, f"semsportal/{holder.username}"))


@LEGACY_ROUTER.route(GoodWeCalls.cross_login)
def log_in(
    arguments: Mapping[str, str], token: Mapping[str, Any], asked: EmulatedRequest, stage: RequestContext
) -> dict[str, Any]:
    """Answer a login; the new session replaces the account's earlier one without a word."""
    holder = authenticate(arguments.get("account", ""), stage, lambda one: arguments.get("pwd") == one.password)
    if stage.fault("agreement") is not None:
        return monitor_service(0, "Successful", {"agreement_agreement": 0})
    data: dict[str, Any] = open_session(holder, token, "legacy", asked, stage)
    if arguments.get("version", "").lower() == "v3":
        data |= {"uuid": "", "neutral": 0}
    answer = monitor_service(0, "Successful", data)
    if stage.fault("no_api") is not None:
        return answer
    # Quirk: some logins lead to the gateway of SEMS+, below which none of the portal's paths exists.
    below = "api" if stage.fault("gateway") is None else "sems"
    return {**answer, "api": f"{home_host(asked, stage)}/{below}/"}


def authenticate(username: str, stage: RequestContext, opens: Callable[[EmulatedAccount], bool]) -> EmulatedAccount:
    """Return the account that logs in, if it is one and its password is right."""
    holder = next((one for one in stage.accounts("goodwe") if one.username == username), None)
    throttled = holder is not None and is_rate_limited(holder, stage, _REST)
    # The faults "lock" and "quota" mean nothing here: no public report knows of a GoodWe account that was locked.
    accepted = holder is not None and not throttled and opens(holder)
    stage.record_login(holder, username, accepted=accepted)
    if throttled:
        raise GoodWeFailure(*RATE_LIMITED)
    if holder is None or not accepted:
        raise GoodWeFailure(*WRONG_PASSWORD)
    return holder


def open_session(
    holder: EmulatedAccount, token: Mapping[str, Any], dialect: str, asked: EmulatedRequest, stage: RequestContext
) -> dict[str, Any]:
    """Open a session: an account has one, whichever dialect it is of."""
    now = stage.now()
    told = {
        "uid": user_id(holder),
        "timestamp": int(now.timestamp() * 1000),
        "token": secrets.token_hex(16),
        **{name: str(token.get(name, "")) for name in ("client", "version", "language")},
    }
    holder.state["session"] = {
        "token": told["token"],
        "client": told["client"],
        "origin": home_host(asked, stage),
        "life": stage.open_session(),
        "dialect": dialect,
        "gateway": dialect == "plus" or stage.fault("gateway") is not None,
    }
    return told


def home_host(asked: EmulatedRequest, stage: RequestContext) -> str:
    """Return the host of the region an account lives in: the one it logs in at, unless the fault `region` is on."""
    return asked.origin if stage.fault("region") is None else stage.second_region(asked.origin)


def require_account(token: Mapping[str, Any], asked: EmulatedRequest, stage: RequestContext) -> EmulatedAccount:
    """Return the account a token opens; it does for the client and the host it was given to, until another login."""
    holder, session = find_session(token, stage)
    # Quirk: from April to September 2026 the portal took sessions of SEMS+ as well.
    if session["dialect"] != "legacy" and stage.fault("september") is not None:
        raise GoodWeFailure(*SESSION_EXPIRED)
    use_session(holder, asked, stage)
    return holder


def find_session(token: Mapping[str, Any], stage: RequestContext) -> tuple[EmulatedAccount, dict[str, Any]]:
    """Return the account a token was given to, and its session."""
    if not token.get("uid") or not token.get("token"):
        raise GoodWeFailure(*NO_SESSION)
    for holder in stage.accounts("goodwe"):
        session = holder.state.get("session")
        if session is None or user_id(holder) != token["uid"]:
            continue
        if (session["token"], session["client"]) == (token["token"], token.get("client")):
            return holder, session
    raise GoodWeFailure(*SESSION_EXPIRED)


def use_session(holder: EmulatedAccount, asked: EmulatedRequest, stage: RequestContext) -> None:
    """Use the session of an account, or refuse when it has run out, or is of another host."""
    session = holder.state["session"]
    if session["origin"] != asked.origin or not stage.use_session(session["life"]):
        raise GoodWeFailure(*SESSION_EXPIRED)


def apply_due_commands(call: Endpoint[..., Any], holder: EmulatedAccount, stage: RequestContext) -> None:
    """Let devices do what was due, and turn an order away where the fault `halfway` says so."""
    device_faults.apply_due_changes(holder, stage.now())
    if call.route.command and device_faults.is_command_blocked(holder, stage):
        raise FirewallBlocked


def check_rate_limit(holder: EmulatedAccount, stage: RequestContext) -> None:
    """Refuse an account that asked too often, until it has rested."""
    if is_rate_limited(holder, stage, _REST):
        raise GoodWeFailure(*RATE_LIMITED)
