"""How the SEMS Portal is spoken to: its token header, its envelope, and what its codes mean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph.core import http
from heliograph.core.http import build_request
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
"""Who we say we are, the same before and after the login; "ios" sessions last longer than "web" ones."""

SUCCESS_CODES = ("0", "00000")

_MOVED = "Look at the account in the SEMS+ app: plants that moved there cannot be read through the classic portal"
_CAUSES = (
    "Known causes: it ran out or another login (the app, another program) replaced it; another regional server; "
    "another client name than at login; a plant only SEMS+ serves (stationType 2). "
    "A visitor account of its own for this program avoids the first"
)


def request(session: Session, call: Call[Any], agent: str) -> Request:
    """Dress a call for the wire: the token is JSON text in a header, the login's own data unchanged."""
    opens = call.endpoint.route.is_login
    token = CLIENT if opens else session.token or CLIENT
    headers = {"User-Agent": agent, "Token": json.dumps(token, separators=(",", ":"))}
    return build_request(servers.base_urls(session.server).legacy if opens else session.base, call, headers)


def opened(session: Session, answer: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the token of a login and the base of the calls it opens."""
    token, api = answer.get("data"), answer.get("api")
    if not isinstance(token, dict) or not token.get("token"):
        raise login_without_token("the SEMS Portal or its app")
    # Quirk: some accounts are told no address and stay where they logged in.
    if not isinstance(api, str) or not api.strip():
        return token, servers.base_urls(session.server).legacy
    if servers.is_plus_gateway(api.strip()):
        dialect.log_decision(session, "the classic login names the gateway of SEMS+, so the account has probably moved")
    return token, servers.legacy_base(api.strip())


def login_without_token(where: str) -> TermsNotAccepted:
    """Return the error of a login that is called a success and opens nothing."""
    # Quirk: success whose data holds an agreement marker only, until terms are accepted or a weak
    # password is renewed (Home Assistant integration, issues 213 and 216).
    return TermsNotAccepted(
        "the login succeeded without a session",
        advice=f"Open {where}, accept the terms and renew the password if it is called weak, then try again",
    )


def envelope(reply: Response) -> dict[str, Any]:
    """Return the answer, in whichever of the two envelopes."""
    if reply.status == 404 and b"Route Not Found" in reply.body:
        # Quirk: the SEMS+ gateway knows no classic call; some classic logins point there since 2026.
        raise refusal("404", "this account's server does not know the classic calls", _MOVED)
    http.raise_for_status(reply)
    answer = http.parse_json(reply)
    if not isinstance(answer, dict) or answer.get("code") is None:
        raise Unreadable(
            "the answer has no code", advice="Check that the server is a SEMS Portal", excerpt=excerpt(reply.body)
        )
    return answer


def check(answer: dict[str, Any], *, opens: bool) -> None:
    """Raise what an answer's code means, unless it is success."""
    # Quirk: the code is a number, a text or a word by the server's mood, hasError may be false on failure, and
    # msg turned Chinese for everybody in 2025: only the code's text is compared.
    if str(answer["code"]) in SUCCESS_CODES:
        return
    code = excerpt(str(answer["code"]))
    words = excerpt(str(answer.get("msg") or ""))
    if code == "GY0429":
        raise http.throttled_error(code, None)
    if code == "100005":
        error: LoginFailed = InvalidCredentials(
            "the cloud refused the e-mail address or the password (100005)",
            advice="Check both; the account must be one of the SEMS Portal",
        )
    elif code in ("100000", "innerexception"):
        raise refusal(code, *(LOGIN_REFUSED if opens else _REFUSED[code]), words)
    elif opens:
        error = LoginFailed(f"the login failed with code {code}", excerpt=words)
    elif code in ("100001", "100002"):
        raise SessionExpired(f"the cloud knows no such session ({code})", advice=_CAUSES)
    else:
        raise refusal(code, f"the cloud refused ({code})", "", words)
    error.code = code
    raise error


LOGIN_REFUSED = (
    "the login failed inside the cloud; the password is not the reason",
    "Try again in an hour, not at once, and look at the account in the SEMS+ app meanwhile",
)
_REFUSED = {
    # Quirk: since 2026 listing calls answer so on some accounts while calls that name a plant work.
    "100000": (
        "the cloud does not answer this call for this account",
        "If it lists plants, name the plant's id yourself instead; else look at the account in the SEMS+ app",
    ),
    # Quirk: a .NET null reference is how an unknown or foreign plant is told.
    "innerexception": ("the cloud knows no such plant of this account", "Check the plant id and who may see it"),
}


def refusal(code: str, what: str, advice: str, words: str = "") -> RequestRefused:
    """Return a refusal with the cloud's own code and words."""
    error = RequestRefused(what, advice=advice, excerpt=words)
    error.code, error.reason = code, words
    return error


def data(answer: dict[str, Any], inside: str) -> Any:
    """Return what an answer holds; nothing at all is a refusal where something is asked, not for an order."""
    if not inside:
        return answer
    found = answer.get(inside)
    if found is None or found in ("", {}):
        # Quirk: success with nothing in it is how accounts and plants that moved to SEMS+ answer.
        raise refusal(excerpt(str(answer["code"])), "the cloud answers success and no data", _MOVED)
    return found
