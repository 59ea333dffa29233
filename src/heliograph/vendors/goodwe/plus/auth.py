"""SEMS+ requests and responses: token header, signature, response envelope and error codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.core import http
from heliograph.core.redact import excerpt
from heliograph.errors import InvalidCredentials, LoginFailed, SessionExpired, Unreadable, WrongRegion
from heliograph.vendors.goodwe import servers
from heliograph.vendors.goodwe.legacy.auth import LOGIN_REFUSED, SUCCESS_CODES, login_without_token, refusal
from heliograph.vendors.goodwe.plus.signing import sign_request

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call
    from heliograph.core.session import Request, Response, Session

CLIENT = {"uid": "", "timestamp": 0, "token": "", "client": "semsPlusWeb", "version": "", "language": "en"}
"""Client identification; since September 2026 a login without it or a signature is a "parameter error"."""


def build_request(session: Session, call: Call[Any], user_agent: str) -> Request:
    """Build the HTTP request of a call: the token is JSON text in a header, and each request is signed."""
    is_login = call.endpoint.route.is_login
    home = servers.base_urls(session.server).plus
    token = CLIENT if is_login else session.token or CLIENT
    origin = "://".join(urlsplit(home)[:2])
    headers = {
        "User-Agent": user_agent,
        "Accept": "application/json, text/plain, */*",
        "token": json.dumps(token, separators=(",", ":")),
        # Server time: the accepted clock skew of a signature is unknown.
        "x-signature": sign_request(int(session.server_time * 1000), str(token["uid"]), str(token["token"])),
        "Origin": origin,
        "Referer": f"{origin}/",
        "client": str(CLIENT["client"]),
        "neutral": "0",
        "currentlang": "en",
    }
    return http.build_request(home if is_login else session.base, call, headers)


def parse_login(session: Session, envelope: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the token of a login response and the base URL of the calls that use it."""
    token = envelope.get("data")
    if not isinstance(token, dict) or not token.get("token") or not token.get("uid"):
        raise login_without_token("SEMS+ or its app")
    # Quirk: the address is inside data, sometimes also at the top level, and on a few accounts missing.
    api = next((url for url in (envelope.get("api"), token.get("api")) if isinstance(url, str) and url.strip()), "")
    base = servers.plus_base(api.strip()) if api else _default_base(session, token)
    return token | {"api": base.rstrip("/")}, base


def _default_base(session: Session, token: dict[str, Any]) -> str:
    """Return the data server if the login names none: the region's gateway, or the configured server."""
    home = servers.base_urls(session.server)
    if home not in servers.REGIONS.values():
        return home.plus
    region = token.get("region")
    if isinstance(region, str) and region.isalpha() and region.isascii() and region != "cn":
        return f"https://{region}-gateway.semsportal.com/web/sems/"
    return servers.DEFAULT_GATEWAY


def parse_envelope(response: Response) -> dict[str, Any]:
    """Return the response envelope of SEMS+."""
    if response.status == 404 and b"Route Not Found" in response.body:
        raise refusal("404", "this server does not offer SEMS+", "Check the server's address and region")
    http.raise_for_status(response)
    envelope = http.parse_json(response)
    if isinstance(envelope, dict) and envelope.get("data") is True and envelope.get("code") is None:
        return envelope | {"code": SUCCESS_CODES[1]}  # Quirk: some commands respond like this on success.
    if not isinstance(envelope, dict) or envelope.get("code") is None:
        raise Unreadable(
            "the response has no code", advice="Check that the server is SEMS+", excerpt=excerpt(response.body)
        )
    return envelope


def raise_for_code(envelope: dict[str, Any], *, is_login: bool) -> None:
    """Raise the error that the envelope's code stands for, unless it is success."""
    if str(envelope["code"]) in SUCCESS_CODES:
        return
    code = excerpt(str(envelope["code"]))
    cloud_message = excerpt(str(envelope.get("description") or envelope.get("errorMsg") or ""))
    if code == "GY0429":
        raise http.throttled_error(code, None)
    if is_login:
        _check_login(code, cloud_message)
    if code in _SESSION_CODES:
        raise SessionExpired(f"the cloud does not recognise the session ({code})", advice=_CAUSES)
    message, advice = _ERRORS.get(code, (f"the cloud rejected the request ({code})", ""))
    raise refusal(code, message, advice, cloud_message)


_SESSION_CODES = frozenset(("100001", "100002", "C0602"))
_CAUSES = (
    "Known causes: it expired or another login (the app, another program, the SEMS Portal) replaced it; the "
    "account is served by the SEMS Portal only. A separate visitor account for this program avoids the first"
)
_ERRORS = {
    "100000": ("internal error of the cloud", "Try again in a few minutes"),
    "100004": ("the cloud does not accept these arguments (100004)", "Check plant id, serial number and dates"),
    "100025": (
        "this account lacks the permission for that (100025)",
        "Visitors have fewer permissions than owners: ask the owner, or skip this call",
    ),
    "S0327": ("statistics are by day, month or year only (S0327)", "Use one of these three"),
    "R0305": ("the device did not apply the setting (R0305)", "Often temporary: read it back, then send it again"),
    "read_fail": (
        "the cloud could not read the device's settings (read_fail)",
        "It is offline, slow, or lacks these settings (no battery). Try again when the app shows it online",
    ),
}


def _check_login(code: str, cloud_message: str) -> None:
    if code == "100005":
        error: LoginFailed = InvalidCredentials(
            "the cloud rejected the e-mail address or the password (100005)",
            advice="Check both; the account must exist in SEMS+",
        )
    elif code == "100004":
        error = LoginFailed(
            "SEMS+ does not accept the login request (100004); the password is not the reason",
            advice="Log in to SEMS+ with a browser once: change a weak password, check that the account exists",
            excerpt=cloud_message,
        )
    elif code == "C0602":
        error = WrongRegion(
            "SEMS+ reports an abnormal login (C0602): the account belongs to another region or is blocked",
            advice='Set the account\'s regional server (server = "eu", "us", "au", "hk" or "cn"); do not retry often',
        )
    elif code == "100000":
        raise refusal(code, *LOGIN_REFUSED, cloud_message)
    else:
        error = LoginFailed(f"the login failed with code {code}", excerpt=cloud_message)
    error.code = code
    raise error


def extract_data(envelope: dict[str, Any], result_path: str) -> Any:
    """Return the data inside the envelope; calls without a result path return the envelope itself."""
    return envelope.get(result_path) if result_path else envelope
