"""Logins, sessions and account locks of the emulated Growatt cloud, and its responses without a session."""

from __future__ import annotations

import math
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from heliograph.core.parsing import CHINA
from heliograph.emulator.clouds.growatt import html
from heliograph.emulator.clouds.growatt.context import ROUTER, GrowattFailure, json_response
from heliograph.emulator.clouds.growatt.formatting import timestamp
from heliograph.emulator.ratelimit import SlidingWindow
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.params import hash_password

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from heliograph.core.endpoint import Endpoint
    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, EmulatedResponse, RequestContext
    from heliograph.emulator.ratelimit import SessionLifetime

COOKIE = "JSESSIONID"
RATE_LOCKOUT = timedelta(minutes=1)
"""How long an account is refused after too many requests."""
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_QUOTA = 200
_MAX_SESSIONS = 1000


class IssuedCookie(NamedTuple):
    """The session of one cookie."""

    lifetime: SessionLifetime
    region: str
    """The region whose host issued it; other hosts do not accept it."""


def user_id(account: EmulatedAccount) -> int:
    """Return the numeric user id of an account; it is a JSON number, plant ids are texts."""
    return 1_000_000 + crc32(account.username.encode()) % 9_000_000


def account_of(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
    """Return the account a request names or its cookie was issued to, even if the session is over."""
    cookie = _cookie(request)
    if cookie and "userName" not in request.arguments:
        # Emulator only: a cookie ends with the user id, so that expired sessions are attributed too.
        return next(
            (account for account in context.accounts("growatt") if cookie.endswith(_cookie_suffix(account))), None
        )
    return find_account(context, request.arguments.get("userName", ""))


def find_account(context: RequestContext, username: str) -> EmulatedAccount | None:
    """Return the account of a user name."""
    return next((account for account in context.accounts("growatt") if account.username == username), None)


def logged_in_account(request: EmulatedRequest, context: RequestContext) -> EmulatedAccount | None:
    """Return the account of a request's cookie if its session is valid."""
    cookie = _cookie(request)
    for account in context.accounts("growatt"):
        sessions = _sessions(account)
        session = sessions.get(cookie)
        if session is not None and session.region == _region(request, context):
            if context.use_session(session.lifetime):
                return account
            del sessions[cookie]
    return None


def _cookie(request: EmulatedRequest) -> str:
    return request.cookies.get(COOKIE.lower(), request.cookies.get(COOKIE, ""))


def _cookie_suffix(account: EmulatedAccount) -> str:
    return f"{user_id(account):08X}"


def _sessions(account: EmulatedAccount) -> dict[str, IssuedCookie]:
    sessions: dict[str, IssuedCookie] = account.state.setdefault("sessions", {})
    return sessions


def _region(request: EmulatedRequest, context: RequestContext) -> str:
    """Return which of the two regions received the request."""
    return "second" if context.second_region(request.origin) == request.origin else "first"


def exceeds_quota(account: EmulatedAccount, context: RequestContext, at: datetime) -> bool:
    """Count a request against the fault `quota` and return True if it exceeds the quota."""
    quota = context.fault("quota")
    window = account.state.setdefault("requests", SlidingWindow(_DAY))
    if account.lockout.remaining(at) is not None:
        return False
    if account.lockout.attempt(at, window, None if quota is None else int(quota or _QUOTA)) is None:
        return False
    # The behaviour of open sessions is not published; if they continued, users would not be "blocked for 24h".
    _sessions(account).clear()
    return True


def count_login(account: EmulatedAccount, context: RequestContext, at: datetime) -> timedelta | None:
    """Count a login against the fault `lock` and return the remaining lock time."""
    lock = context.fault("lock")
    window = account.state.setdefault("logins", SlidingWindow(_DAY))
    # Quirk: whether a failed attempt restarts the 24 hours is disputed; the emulator takes the stricter rule.
    extend = context.fault("lenient_lock") is None
    return account.lockout.attempt(at, window, None if lock is None else int(lock or 0), extend=extend)


def no_session_response(endpoint: Endpoint[..., Any]) -> EmulatedResponse:
    """Return the response to a call without a valid session; all variants known of the cloud occur."""
    if endpoint.route.path == "tcpSet.do":
        # Quirk: the portal's writes report it in JSON (a public client's tests).
        raise GrowattFailure({"success": False, "msg": "Login invalid, please log in again"})
    return {"PlantListAPI.do": html.MOVED_TO_LOGIN, "newPlantAPI.do": html.NOT_LOGGED_IN}.get(
        endpoint.route.path, html.LOGIN
    )


@ROUTER.route(GrowattCalls.login)
def log_in(arguments: Mapping[str, str], request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    """Handle a login and open a session if it is accepted."""
    return html.NO_SUCH_PATH if context.fault("no_classic_login") is not None else _log_in(arguments, request, context)


_PHONE = [
    "newLogin",
    "phoneType",
    "shinephoneVersion",
    "phoneSn",
    "phoneModel",
    "systemVersion",
    "language",
    "appType",
    "loginTime",
    "timestamp",
]


@ROUTER.route(GrowattCalls.app_login)
def log_in_as_app(arguments: Mapping[str, str], request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    """Handle the app's login, which has to describe the phone."""
    if context.fault("no_app_login") is not None:
        return html.NO_SUCH_PATH
    if not all(arguments.get(name) for name in _PHONE) or not _is_app_timestamp(arguments["timestamp"]):
        # Quirk: an incomplete request is answered like a wrong password (Sjord/growatt_api_client issue 38). That a
        # wrong timestamp is answered like that, too, is inferred.
        return json_response({"back": {"msg": "501", "success": False}})
    return _log_in(arguments, request, context)


def _is_app_timestamp(text: str) -> bool:
    """Return True for 11 digits of the milliseconds and two check digits.

    >>> _is_app_timestamp("1782036000076"), _is_app_timestamp("1782036000000")
    (True, False)
    """
    return len(text) == 13 and text.isdecimal() and int(text[11:]) == int(text[1] + text[3] + text[5] + text[7]) % 98


def _log_in(arguments: Mapping[str, str], request: EmulatedRequest, context: RequestContext) -> EmulatedResponse:
    account = find_account(context, arguments.get("userName", ""))
    lock = None if account is None else count_login(account, context, context.now())
    # Quirk: the host of another region does not know the account and returns the code of a wrong password.
    at_home = context.fault("region") is None or _region(request, context) == "second"
    right = account is not None and at_home and arguments.get("password") == hash_password(account.password)
    context.record_login(account, arguments.get("userName", ""), accepted=right and lock is None)
    if lock is not None and at_home:
        hours = math.ceil(lock / _HOUR)
        message = f"Current account has been locked for {hours} hours"
        return json_response({"back": {"msg": "507", "lockDuration": str(hours), "success": False, "error": message}})
    if account is None or not right:
        return json_response({"back": {"msg": "502", "success": False}})
    cookie = secrets.token_hex(12).upper() + _cookie_suffix(account)
    # Earlier sessions stay valid: there is no report that Growatt allows only one.
    sessions = _sessions(account)
    sessions[cookie] = IssuedCookie(context.open_session(), _region(request, context))
    if len(sessions) > _MAX_SESSIONS:
        del sessions[next(iter(sessions))]
    return json_response({"back": _welcome(account, context)}, ("Set-Cookie", f"{COOKIE}={cookie}; Path=/; HttpOnly"))


def _welcome(account: EmulatedAccount, context: RequestContext) -> dict[str, Any]:
    return {
        "app_code": "1",
        "data": [{"plantId": plant.id, "plantName": plant.name} for plant in account.plants],
        "deviceCount": str(sum(len(plant.devices) for plant in account.plants)),
        "isCheckUserAuth": True,
        "isEicUserAddSmartDevice": True,
        "isOpenDeviceList": 1,
        "isOpenDeviceParams": 0,
        "isOpenSmartFamily": 0,
        "isViewDeviceInfo": False,
        "msg": "",
        "quality": "0",
        "service": "1",
        "success": True,
        "totalData": {},
        "user": _user(account, context),
    }


def _user(account: EmulatedAccount, context: RequestContext) -> dict[str, Any]:
    empty = (
        "activeName appAlias company customerCode lat lng nickName noticeType phoneNum serverUrl token uid "
        "userIconPath workerCode wxOpenid cpowerAuth cpowerToken"
    )
    zero = "isAgent isBigCustomer isPhoneNumReg isValiEmail isValiPhone kind parentUserId roleId"
    return {
        **dict.fromkeys(empty.split(), ""),
        **dict.fromkeys(zero.split(), 0),
        "accountName": account.username,
        "accountNameOss": account.username,
        "agentCode": "AAAAA",
        "appType": "c",
        "approved": False,
        "area": "Europe",
        "codeIndex": 1,
        "counrty": "Germany",
        "createDate": "2024-03-01 09:00:00",
        "dataAcqList": [],
        "distributorEnable": "1",
        "email": f"{account.username}@example.com",
        "enabled": True,
        "id": user_id(account),
        "installerEnable": "1",
        "inverterGroup": [],
        "inverterList": [],
        "lastLoginIp": "192.0.2.10",
        "lastLoginTime": timestamp(context.now().astimezone(CHINA)),
        "mailNotice": True,
        "password": hash_password(account.password),
        "registerType": "0",
        "rightlevel": 1,
        "smsNotice": False,
        "timeZone": 8,
        "type": 2,
        "userDeviceType": -1,
        "userLanguage": "gm",
        "vipPoints": 10,
    }
