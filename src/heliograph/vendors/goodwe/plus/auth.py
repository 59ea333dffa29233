"""How SEMS+ Web is spoken to: its token header and signature, its envelope, and what its codes mean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.core import http
from heliograph.core.http import build_request
from heliograph.core.redact import excerpt
from heliograph.errors import InvalidCredentials, LoginFailed, SessionExpired, Unreadable, WrongRegion
from heliograph.vendors.goodwe import servers
from heliograph.vendors.goodwe.legacy.auth import LOGIN_REFUSED, SUCCESS_CODES, login_without_token, refusal
from heliograph.vendors.goodwe.plus.signing import sign_request

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call
    from heliograph.core.session import Request, Response, Session

CLIENT = {"uid": "", "timestamp": 0, "token": "", "client": "semsPlusWeb", "version": "", "language": "en"}
"""Who we say we are; without it, and without a signature, a login is a "parameter error" since September 2026."""


def request(session: Session, call: Call[Any], agent: str) -> Request:
    """Dress a call for the wire: the token is JSON text in a header, and every request is signed anew."""
    opens = call.endpoint.route.is_login
    home = servers.base_urls(session.server).plus
    token = CLIENT if opens else session.token or CLIENT
    origin = "://".join(urlsplit(home)[:2])
    headers = {
        "User-Agent": agent,
        "Accept": "application/json, text/plain, */*",
        "token": json.dumps(token, separators=(",", ":")),
        # The cloud's own clock: how far a signature's time may be off is unknown.
        "x-signature": sign_request(int(session.server_time * 1000), str(token["uid"]), str(token["token"])),
        "Origin": origin,
        "Referer": f"{origin}/",
        "client": str(CLIENT["client"]),
        "neutral": "0",
        "currentlang": "en",
    }
    return build_request(home if opens else session.base, call, headers)


def opened(session: Session, answer: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the token of a login and the base of the calls it opens."""
    token = answer.get("data")
    if not isinstance(token, dict) or not token.get("token") or not token.get("uid"):
        raise login_without_token("SEMS+ or its app")
    # Quirk: the address stands inside data, sometimes on top as well, and on a few accounts nowhere.
    told = next((api for api in (answer.get("api"), token.get("api")) if isinstance(api, str) and api.strip()), "")
    base = servers.plus_base(told.strip()) if told else _untold(session, token)
    return token | {"api": base.rstrip("/")}, base


def _untold(session: Session, token: dict[str, Any]) -> str:
    """Return where the data lie when the login does not say: the region's gateway, or the configured server."""
    home = servers.base_urls(session.server)
    if home not in servers.REGIONS.values():
        return home.plus
    region = token.get("region")
    if isinstance(region, str) and region.isalpha() and region.isascii() and region != "cn":
        return f"https://{region}-gateway.semsportal.com/web/sems/"
    return servers.DEFAULT_GATEWAY


def envelope(reply: Response) -> dict[str, Any]:
    """Return the answer as SEMS+ wraps it."""
    if reply.status == 404 and b"Route Not Found" in reply.body:
        raise refusal("404", "this server does not know SEMS+", "Check the server's address and region")
    http.raise_for_status(reply)
    answer = http.parse_json(reply)
    if isinstance(answer, dict) and answer.get("data") is True and answer.get("code") is None:
        return answer | {"code": SUCCESS_CODES[1]}  # Quirk: some commands answer so, and mean done.
    if not isinstance(answer, dict) or answer.get("code") is None:
        raise Unreadable("the answer has no code", advice="Check that the server is SEMS+", excerpt=excerpt(reply.body))
    return answer


def check(answer: dict[str, Any], *, opens: bool) -> None:
    """Raise what an answer's code means, unless it is success."""
    if str(answer["code"]) in SUCCESS_CODES:
        return
    code = excerpt(str(answer["code"]))
    words = excerpt(str(answer.get("description") or answer.get("errorMsg") or ""))
    if code == "GY0429":
        raise http.throttled_error(code, None)
    if opens:
        _check_login(code, words)
    if code in _ENDED:
        raise SessionExpired(f"the cloud knows no such session ({code})", advice=_CAUSES)
    what, advice = _REFUSED.get(code, (f"the cloud refused ({code})", ""))
    raise refusal(code, what, advice, words)


_ENDED = frozenset(("100001", "100002", "C0602"))
_CAUSES = (
    "Known causes: it ran out or another login (the app, another program, the classic portal) replaced it; the "
    "account is served by the classic portal only. A visitor account of its own for this program avoids the first"
)
_REFUSED = {
    "100000": ("the cloud failed inside", "Try again in some minutes"),
    "100004": ("the cloud does not accept these arguments (100004)", "Check plant id, serial number and dates"),
    "100025": (
        "this account may not see or do that (100025)",
        "Visitors have fewer rights than owners: ask the owner, or leave this call out",
    ),
    "S0327": ("statistics are by day, month or year only (S0327)", "Name one of the three"),
    "R0305": ("the device did not carry the order out (R0305)", "It is often passing: look, then send it again"),
    "read_fail": (
        "the cloud could not read the device's settings now (read_fail)",
        "It is offline or slow, or has none of these, as one without a battery. Try again when the app shows it online",
    ),
}


def _check_login(code: str, words: str) -> None:
    if code == "100005":
        error: LoginFailed = InvalidCredentials(
            "the cloud refused the e-mail address or the password (100005)",
            advice="Check both; the account must be one of SEMS+",
        )
    elif code == "100004":
        error = LoginFailed(
            "SEMS+ does not accept how the login was asked for (100004); the password is not the reason",
            advice="Log in to SEMS+ by browser once: a weak password must be renewed, and the account must be there",
            excerpt=words,
        )
    elif code == "C0602":
        error = WrongRegion(
            "SEMS+ calls this login abnormal (C0602): another region's account, or one that is blocked",
            advice='Name the account\'s regional server (server = "eu", "us", "au", "hk" or "cn") and do not try often',
        )
    elif code == "100000":
        raise refusal(code, *LOGIN_REFUSED, words)
    else:
        error = LoginFailed(f"the login failed with code {code}", excerpt=words)
    error.code = code
    raise error


def data(answer: dict[str, Any], inside: str) -> Any:
    """Return what an answer holds; a call without a wrapper is answered by its envelope."""
    return answer.get(inside) if inside else answer
