"""SEMS Portal requests and responses: token header, response envelope and error codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core import http
from heliograph.core.redact import excerpt
from heliograph.errors import (
    InvalidCredentials,
    LoginFailed,
    RequestRefused,
    SessionExpired,
    TermsNotAccepted,
    Unreadable,
)
from heliograph.vendors.goodwe import dialect, servers

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call
    from heliograph.core.session import Request, Response, Session

CLIENT = {"version": "v2.1.0", "client": "ios", "language": "en"}
"""Client identification, the same for the login and later calls; "ios" sessions last longer than "web" ones."""

SUCCESS_CODES = ("0", "00000")

_MOVED_ADVICE = "Check the account in the SEMS+ app: plants that moved there cannot be read through the SEMS Portal"
_CAUSES = (
    "Known causes: it expired or another login (the app, another program) replaced it; another regional server; "
    "another client name than at login; a plant served by SEMS+ only (stationType 2). "
    "A separate visitor account for this program avoids the first"
)


def build_request(session: Session, call: Call[Any], user_agent: str) -> Request:
    """Build the HTTP request of a call: the token header is the login's data as JSON text."""
    is_login = call.endpoint.route.is_login
    token = CLIENT if is_login else session.token or CLIENT
    headers = {"User-Agent": user_agent, "Token": json.dumps(token, separators=(",", ":"))}
    return http.build_request(servers.base_urls(session.server).legacy if is_login else session.base, call, headers)


def parse_login(session: Session, envelope: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the token of a login response and the base URL of the calls that use it."""
    token, api = envelope.get("data"), envelope.get("api")
    if not isinstance(token, dict) or not token.get("token"):
        raise login_without_token("the SEMS Portal or its app")
    # Quirk: some logins name no API address; the data is at the login server.
    if not isinstance(api, str) or not api.strip():
        return token, servers.base_urls(session.server).legacy
    if servers.is_plus_gateway(api.strip()):
        dialect.log_decision(session, "the SEMS Portal login names the SEMS+ gateway: the account has probably moved")
    return token, servers.legacy_base(api.strip())


def login_without_token(where: str) -> TermsNotAccepted:
    """Return the error for a successful login response without a token."""
    # Quirk: until terms are accepted or a weak password is changed, the response is success with only an
    # agreement marker (Home Assistant integration, issues 213 and 216).
    return TermsNotAccepted(
        "the login succeeded but returned no session",
        advice=f"Open {where}, accept the terms, change the password if it is reported as weak, then try again",
    )


def parse_envelope(response: Response) -> dict[str, Any]:
    """Return the response envelope, of either kind."""
    if response.status == 404 and b"Route Not Found" in response.body:
        # Quirk: the SEMS+ gateway has no SEMS Portal call; some SEMS Portal logins point there since 2026.
        raise refusal("404", "this account's server does not offer the SEMS Portal calls", _MOVED_ADVICE)
    http.raise_for_status(response)
    envelope = http.parse_json(response)
    if not isinstance(envelope, dict) or envelope.get("code") is None:
        raise Unreadable(
            "the response has no code", advice="Check that the server is a SEMS Portal", excerpt=excerpt(response.body)
        )
    return envelope


def raise_for_code(envelope: dict[str, Any], *, is_login: bool) -> None:
    """Raise the error that the envelope's code stands for, unless it is success."""
    # Quirk: the code is a number, a numeric text or a word, hasError may be false on failure, and msg
    # became Chinese for all accounts in 2025, so only the code is compared, as text.
    if str(envelope["code"]) in SUCCESS_CODES:
        return
    code = excerpt(str(envelope["code"]))
    cloud_message = excerpt(str(envelope.get("msg") or ""))
    if code == "GY0429":
        raise http.throttled_error(code, None)
    if code == "100005":
        error: LoginFailed = InvalidCredentials(
            "the cloud rejected the e-mail address or the password (100005)",
            advice="Check both; the account must exist in the SEMS Portal",
        )
    elif code in ("100000", "innerexception"):
        raise refusal(code, *(LOGIN_REFUSED if is_login else _ERRORS[code]), cloud_message)
    elif is_login:
        error = LoginFailed(f"the login failed with code {code}", excerpt=cloud_message)
    elif code in ("100001", "100002"):
        raise SessionExpired(f"the cloud does not recognise the session ({code})", advice=_CAUSES)
    else:
        raise refusal(code, f"the cloud rejected the request ({code})", "", cloud_message)
    error.code = code
    raise error


LOGIN_REFUSED = (
    "the login failed due to an internal error of the cloud; the password is not the reason",
    "Try again in an hour, not immediately, and check the account in the SEMS+ app meanwhile",
)
_ERRORS = {
    # Quirk: since 2026 list calls return this on some accounts while calls that name a plant work.
    "100000": (
        "the cloud does not serve this call for this account",
        "For a call that lists plants, pass the plant id instead; otherwise check the account in the SEMS+ app",
    ),
    # Quirk: an unknown or foreign plant is reported as a .NET null reference.
    "innerexception": ("this account has no such plant", "Check the plant id and the account's permissions"),
}


def refusal(code: str, message: str, advice: str, cloud_message: str = "") -> RequestRefused:
    """Return a `RequestRefused` error with the cloud's code and message."""
    error = RequestRefused(message, advice=advice, excerpt=cloud_message)
    error.code, error.reason = code, cloud_message
    return error


def extract_data(envelope: dict[str, Any], result_path: str) -> Any:
    """Return the data inside the envelope; reads without data raise `RequestRefused`, commands do not."""
    if not result_path:
        return envelope
    data = envelope.get(result_path)
    if data is None or data in ("", {}):
        # Quirk: accounts and plants that moved to SEMS+ return success without data.
        raise refusal(excerpt(str(envelope["code"])), "the cloud returned success without data", _MOVED_ADVICE)
    return data
