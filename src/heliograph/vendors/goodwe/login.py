"""How the SEMS Portal opens a session, shows that one has ended, and turns callers away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heliograph import replies
from heliograph.errors import (
    CloudError,
    InvalidCredentials,
    LoginFailed,
    Refused,
    SessionExpired,
    TermsNotAccepted,
    Unreadable,
    WrongRegion,
)
from heliograph.redact import excerpt
from heliograph.session import compose, server_address, trusted
from heliograph.vendors.goodwe.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.endpoint import Call, Plan
    from heliograph.session import Credentials, Reply, Request, Session, Talk

SERVERS = {
    "global": "https://www.semsportal.com/api/",
    "eu": "https://eu.semsportal.com/api/",
    "us": "https://us.semsportal.com/api/",
    "au": "https://au.semsportal.com/api/",
    "hk": "https://hk.semsportal.com/api/",
}
DOMAINS = ("semsportal.com", "goodwe.com", "sems.com.cn")

CLIENT = {"version": "v2.1.0", "client": "ios", "language": "en"}
"""Who we say we are, the same before and after the login; "ios" sessions last longer than "web" ones."""
AGENT = "heliograph"

SUCCESS = ("0", "00000")

_MOVED = "Look at the account in the SEMS+ app: plants that moved there cannot be read through the classic portal"
_CAUSES = (
    "Known causes: it ran out or another login (the app, another program) replaced it; another regional server; "
    "another client name than at login; a plant only SEMS+ serves (stationType 2). "
    "A visitor account of its own for this program avoids the first"
)


def address(server: str) -> str:
    """Return the base address of a region's name or of an address, ending in /api/.

    >>> address("eu"), address("http://127.0.0.1:8080"), address("http://127.0.0.1:8080/api/")
    ('https://eu.semsportal.com/api/', 'http://127.0.0.1:8080/api/', 'http://127.0.0.1:8080/api/')
    """
    found = server_address(server or "global", SERVERS, "GoodWe")
    return found if found.endswith("/api/") else found + "api/"


class GoodWeCloud:
    """What the conversation has to know about the SEMS Portal."""

    vendor = "goodwe"

    def __init__(self, user_agent: str = AGENT) -> None:
        self.user_agent = user_agent

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None = None) -> Talk[None]:
        """Open a session with the e-mail address and the password."""
        call = GoodWeCalls.cross_login.plan(who.username, who.password.reveal())
        reply = yield self.request(session, call)
        self.read(session, call, reply)

    def blanks(self, session: Session, call: Call[Any]) -> Plan[None] | None:
        """Leave nothing open: every call of this cloud names all it needs."""
        return None

    def request(self, session: Session, call: Call[Any]) -> Request:
        """Dress a call for the wire: the token is JSON text in a header, the login's own data unchanged."""
        opens = call.endpoint.route.opens
        token = CLIENT if opens else session.token or CLIENT
        headers = {"User-Agent": self.user_agent, "Token": json.dumps(token, separators=(",", ":"))}
        return compose(session.server if opens else session.base, call, headers)

    def serves(self, session: Session, call: Call[Any]) -> bool:
        """Say yes: there is one kind of session."""
        return True

    def trusts(self, session: Session, url: str) -> bool:
        """Tell whether an address belongs to GoodWe or is the configured server itself."""
        return trusted(url, session.server, DOMAINS)

    def read(self, session: Session, call: Call[Any], reply: Reply) -> Any:
        """Return the answer's data; raise what the cloud means instead."""
        opens = call.endpoint.route.opens
        try:
            answer = _answer(reply)
            _check(answer, opens=opens)
            if opens:
                self._open(session, answer)
            return _data(answer, call.endpoint.route.inside)
        except CloudError as error:
            error.vendor, error.call, error.status = self.vendor, call.endpoint.name, reply.status
            raise

    def _open(self, session: Session, answer: dict[str, Any]) -> None:
        token, base = answer.get("data"), answer.get("api")
        if not isinstance(token, dict) or not token.get("token"):
            # Quirk: success whose data holds an agreement marker only, until terms are accepted or a weak
            # password is renewed (Home Assistant integration, issue 213).
            raise TermsNotAccepted(
                "the login succeeded without a session",
                advice="Open the SEMS Portal or its app, accept the terms or renew the password, then try again",
            )
        # Quirk: some accounts are told no address and stay where they logged in.
        if isinstance(base, str) and base.strip():
            session.base = self._followed(session, base.strip())
        session.token = token
        session.alive = True
        session.facts.pop("plants", None)

    def _followed(self, session: Session, base: str) -> str:
        if not self.trusts(session, base):
            raise WrongRegion(
                f"the login sends this account on to {excerpt(base)}, which is no https address of GoodWe",
                advice="The session was not sent there; name the account's regional server yourself",
            )
        return base if base.endswith("/") else base + "/"


def _answer(reply: Reply) -> dict[str, Any]:
    """Return the envelope, whichever of the two it is."""
    if reply.status == 404 and b"Route Not Found" in reply.body:
        # Quirk: the SEMS+ gateway knows no classic call; some classic logins point there since 2026.
        raise _refused("404", "this account's server does not know the classic calls", _MOVED)
    replies.turned_away(reply)
    answer = replies.document(reply)
    if not isinstance(answer, dict) or answer.get("code") is None:
        raise Unreadable(
            "the answer has no code", advice="Check that the server is a SEMS Portal", excerpt=excerpt(reply.body)
        )
    return answer


def _check(answer: dict[str, Any], *, opens: bool) -> None:
    # Quirk: the code is a number, a text or a word by the server's mood, hasError may be false on failure, and
    # msg turned Chinese for everybody in 2025: only the code's text is compared.
    code = str(answer["code"])
    if code in SUCCESS:
        return
    words = excerpt(str(answer.get("msg") or ""))
    if code == "GY0429":
        raise replies.throttled(code, None)
    if code == "100005":
        error: LoginFailed = InvalidCredentials(
            "the cloud refused the e-mail address or the password (100005)",
            advice="Check both; the account must be one of the SEMS Portal",
        )
    elif code in ("100000", "innerexception"):
        raise _refused(code, *(_LOGIN_REFUSED if opens else _REFUSED[code]), words)
    elif opens:
        error = LoginFailed(f"the login failed with code {excerpt(code)}", excerpt=words)
    elif code in ("100001", "100002"):
        raise SessionExpired(f"the cloud knows no such session ({code})", advice=_CAUSES)
    else:
        raise _refused(code, f"the cloud refused ({excerpt(code)})", "", words)
    error.code = code
    raise error


_LOGIN_REFUSED = (
    "the login failed inside the cloud; the password is not the reason",
    "Try again in an hour, not at once: " + _MOVED[0].lower() + _MOVED[1:],
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


def _refused(code: str, what: str, advice: str, words: str = "") -> Refused:
    error = Refused(what, advice=advice, excerpt=words)
    error.code, error.reason = code, words
    return error


def _data(answer: dict[str, Any], inside: str) -> Any:
    data = answer.get(inside)
    if data is None or data in ("", {}):
        # Quirk: success with nothing in it is how accounts and plants that moved to SEMS+ answer.
        raise _refused(str(answer["code"]), "the cloud answers success and no data", _MOVED)
    return data
