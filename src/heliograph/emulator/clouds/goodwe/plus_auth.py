"""SEMS+'s door: who may log in and how the request has to look, and which sessions it knows."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from heliograph.emulator.clouds.goodwe import auth
from heliograph.emulator.clouds.goodwe.context import GoodWeFailure
from heliograph.emulator.clouds.goodwe.plus_context import PLUS_ROUTER
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.goodwe.plus.signing import encode_password, sign_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, RequestContext

BAD_REQUEST = ("100004", "parameter error.")
ABNORMAL_LOGIN = ("C0602", "账号登录异常")

_SIGNING = ("semsPlusWeb", "semsPlusAndroid")
_FLAGS = {"agreement", "ischinese", "islocal"}
_REGION = "eu"
_LONGEST_STAMP = 20


@PLUS_ROUTER.route(SemsPlusCalls.plus_login)
def log_in(
    arguments: Mapping[str, str], token: Mapping[str, Any], asked: EmulatedRequest, stage: RequestContext
) -> dict[str, Any]:
    """Answer a login; the new session replaces the account's earlier one, the portal's as well."""
    if token.get("client") in _SIGNING:
        _check_signature(token, asked)
    elif stage.fault("september") is not None:
        # Quirk: until 22 September 2026 a login needed no client and no signature (Home Assistant, issue 217).
        raise GoodWeFailure(*BAD_REQUEST)
    home = auth.home_host(asked, stage)
    lost = stage.fault("region") == "refuse" and home != asked.origin
    if lost or arguments.get("ischinese") == "true":
        # Quirk: a host that does not know the account calls its login abnormal (ioBroker adapter, 0.1.17).
        raise GoodWeFailure(*ABNORMAL_LOGIN)
    holder = auth.authenticate(
        arguments.get("account", ""), stage, lambda one: arguments.get("pwd") == encode_password(one.password)
    )
    api = {} if stage.fault("no_api") is not None else {"api": f"{home}/web/sems"}
    if not _agreed(arguments) or stage.fault("agreement") is not None:
        return {"agreement": True, **api}
    told = auth.open_session(holder, token, "plus", asked, stage)
    # Quirk: the moment is text here, and a number in the portal's login.
    return {**told, "timestamp": str(told["timestamp"]), **api, "region": _REGION, "uuid": auth.user_id(holder)}


def _agreed(arguments: Mapping[str, str]) -> bool:
    # Quirk: without these flags the login succeeds and opens nothing (Home Assistant, issue 193); the web page
    # itself sends its client and language instead.
    if arguments.keys() >= _FLAGS:
        return arguments["agreement"] in ("1", "true")
    return arguments.keys() >= {"client", "language"}


def require_plus_account(asked: EmulatedRequest, stage: RequestContext) -> EmulatedAccount:
    """Return the account whose session a request carries."""
    token = auth.parse_token(asked)
    if token is None:
        raise GoodWeFailure(*auth.NO_SESSION)
    if token.get("client") in _SIGNING:
        _check_signature(token, asked)
    try:
        holder, session = auth.find_session(token, stage)
    except GoodWeFailure as refusal:
        # Quirk: a session that another login replaced is an abnormal one here, not an expired one.
        raise (GoodWeFailure(*ABNORMAL_LOGIN) if refusal.code == auth.SESSION_EXPIRED[0] else refusal) from None
    # Quirk: a session the portal opened on the gateway serves here too, but not one of the phone app.
    related = session["gateway"] and (session["dialect"] == "plus" or session["client"] in _SIGNING)
    if not related:
        raise GoodWeFailure(*ABNORMAL_LOGIN)
    auth.use_session(holder, asked, stage)
    return holder


def _check_signature(token: Mapping[str, Any], asked: EmulatedRequest) -> None:
    """Refuse a request whose signature is not the one of its own moment; how old it may be nobody knows."""
    given = asked.headers.get("x-signature", "")
    try:
        _, _, stamp = base64.b64decode(given, validate=True).decode("ascii").partition("@")
        known = stamp.isdecimal() and len(stamp) <= _LONGEST_STAMP
        right = sign_request(int(stamp), str(token.get("uid", "")), str(token.get("token", ""))) if known else ""
    except ValueError:
        # No Base64, or a token of what no text can be.
        right = ""
    if not right or given != right:
        raise GoodWeFailure(*BAD_REQUEST)
