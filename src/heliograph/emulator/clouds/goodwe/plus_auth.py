"""Authentication of the emulated SEMS+: logins, request signatures and sessions."""

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

_SIGNING_CLIENTS = ("semsPlusWeb", "semsPlusAndroid")
_FLAGS = {"agreement", "ischinese", "islocal"}
_REGION = "eu"
_MAX_TIMESTAMP_LENGTH = 20


@PLUS_ROUTER.route(SemsPlusCalls.plus_login)
def log_in(
    arguments: Mapping[str, str], token: Mapping[str, Any], request: EmulatedRequest, context: RequestContext
) -> dict[str, Any]:
    """Handle a login; the new session replaces the account's earlier one in either dialect."""
    if token.get("client") in _SIGNING_CLIENTS:
        _check_signature(token, request)
    elif context.fault("september") is not None:
        # Quirk: until 22 September 2026 a login needed no client and no signature (Home Assistant, issue 217).
        raise GoodWeFailure(*BAD_REQUEST)
    home = auth.home_host(request, context)
    wrong_region = context.fault("region") == "refuse" and home != request.origin
    if wrong_region or arguments.get("ischinese") == "true":
        # Quirk: a host of another region reports an abnormal login (ioBroker adapter, 0.1.17).
        raise GoodWeFailure(*ABNORMAL_LOGIN)
    account = auth.authenticate(
        arguments.get("account", ""), context, lambda account: arguments.get("pwd") == encode_password(account.password)
    )
    api = {} if context.fault("no_api") is not None else {"api": f"{home}/web/sems"}
    if not _terms_accepted(arguments) or context.fault("agreement") is not None:
        return {"agreement": True, **api}
    login = auth.open_session(account, token, "plus", request, context)
    # Quirk: the timestamp is text here, and a number in the portal's login.
    return {**login, "timestamp": str(login["timestamp"]), **api, "region": _REGION, "uuid": auth.user_id(account)}


def _terms_accepted(arguments: Mapping[str, str]) -> bool:
    # Quirk: without these flags the login succeeds without a session (Home Assistant, issue 193); the web page
    # sends its client and language instead.
    if arguments.keys() >= _FLAGS:
        return arguments["agreement"] in ("1", "true")
    return arguments.keys() >= {"client", "language"}


def require_plus_account(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount:
    """Return the account of a request's session; raise `GoodWeFailure` if the session is invalid."""
    token = auth.parse_token(request)
    if token is None:
        raise GoodWeFailure(*auth.NO_SESSION)
    if token.get("client") in _SIGNING_CLIENTS:
        _check_signature(token, request)
    try:
        account, session = auth.find_session(token, context)
    except GoodWeFailure as failure:
        # Quirk: a session replaced by another login is reported as abnormal here, not as expired.
        raise (GoodWeFailure(*ABNORMAL_LOGIN) if failure.code == auth.SESSION_EXPIRED[0] else failure) from None
    # Quirk: a portal session opened on the gateway is valid here too, but not one of the phone app.
    is_valid = session["gateway"] and (session["dialect"] == "plus" or session["client"] in _SIGNING_CLIENTS)
    if not is_valid:
        raise GoodWeFailure(*ABNORMAL_LOGIN)
    auth.use_session(account, request, context)
    return account


def _check_signature(token: Mapping[str, Any], request: EmulatedRequest) -> None:
    """Reject a request whose signature does not match its own timestamp; the allowed age is unknown."""
    sent = request.headers.get("x-signature", "")
    try:
        _, _, timestamp = base64.b64decode(sent, validate=True).decode("ascii").partition("@")
        plausible = timestamp.isdecimal() and len(timestamp) <= _MAX_TIMESTAMP_LENGTH
        user, secret = str(token.get("uid", "")), str(token.get("token", ""))
        expected = sign_request(int(timestamp), user, secret) if plausible else ""
    except ValueError:
        # Invalid Base64, or a token that is not valid text.
        expected = ""
    if not expected or sent != expected:
        raise GoodWeFailure(*BAD_REQUEST)
