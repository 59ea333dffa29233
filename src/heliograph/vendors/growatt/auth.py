"""How Growatt opens a session, shows that one has ended, and turns callers away."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from heliograph.core import http
from heliograph.core.http import build_request
from heliograph.core.parsing import parse_number
from heliograph.core.redact import excerpt
from heliograph.core.servers import is_trusted_url, resolve_server_url
from heliograph.core.session import REDIRECT_STATUSES
from heliograph.errors import (
    AccountLocked,
    Blocked,
    CloudError,
    InvalidCredentials,
    LoginFailed,
    RequestRefused,
    SessionExpired,
    TermsNotAccepted,
    Unreadable,
)
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.params import PlantToday
from heliograph.vendors.growatt.payloads.plants import CURRENT_USER, GrowattLogin

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Credentials, HttpFlow, Request, Response, Session

USER_AGENT = "Dalvik/2.1.0 (Linux; U; Android 12; https://github.com/indykoning/PyPi_GrowattServer)"
"""The agent growattServer made usual; the cloud's edge turns some library agents away."""

SERVERS = {
    "eu": "https://openapi.growatt.com/",
    "us": "https://openapi-us.growatt.com/",
    "cn": "https://openapi-cn.growatt.com/",
    "au": "https://openapi-au.growatt.com/",
    "smten": "http://server.smten.com/",
    "atess": "http://ess-server.atesspower.com/",
    "mobile-eu": "https://server-api.growatt.com/",
    "mobile-us": "https://server-us-api.growatt.com/",
    "mobile-cn": "https://server-cn-api.growatt.com/",
    "mobile-au": "https://server-au-api.growatt.com/",
}
DOMAINS = ("growatt.com", "smten.com", "atesspower.com")

LOCK_HOURS = 24.0
OFFSET_LASTS = 86400.0
"""Seconds before a plant's offset from UTC is asked for again: some owners turn it with summer time."""
_CLASSIC_INFO = re.compile(r"inv=JSON\.parse\('(\{.*?\})'\)", re.DOTALL)


def resolve_server(server: str) -> str:
    """Return the base address of a region's name or of an address, ending in a slash.

    >>> address("us"), address("http://127.0.0.1:8080")
    ('https://openapi-us.growatt.com/', 'http://127.0.0.1:8080/')
    """
    return resolve_server_url(server or "eu", SERVERS, "Growatt")


def user_agent(add_random_user_id: bool = False, agent_identifier: str | None = None) -> str:
    """Return the User-Agent of growattServer's constructor arguments."""
    name = USER_AGENT if agent_identifier is None else agent_identifier
    if not add_random_user_id:
        return name
    from secrets import randbelow  # noqa: PLC0415 - slow to import, and few ask for it

    return f"{name} - {randbelow(100_000):05d}"


class GrowattProtocol:
    """What the conversation has to know about Growatt."""

    vendor = "growatt"

    def __init__(self, user_agent: str = USER_AGENT) -> None:
        self.headers = {"User-Agent": user_agent}

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None = None) -> HttpFlow[None]:
        """Open a session with the user name and the hashed password."""
        call = GrowattCalls.login.flow(who.username, who.password.reveal())
        reply = yield self.build_request(session, call)
        self.parse_response(session, call, reply)

    def fill_defaults(self, session: Session, call: Call[Any]) -> FlowGenerator[None] | None:
        """Fill in the user and the plant's today where the declaration left them open."""
        if any(value is CURRENT_USER or type(value) is PlantToday for value in call.fields.values()):
            return self._fill(session, call)
        return None

    def _fill(self, session: Session, call: Call[Any]) -> FlowGenerator[None]:
        for name, value in call.fields.items():
            if value is CURRENT_USER:
                call.fields[name] = session.facts["user_id"]
            elif isinstance(value, PlantToday):
                zone = yield from self.plant_zone(session, value.plant_id)
                call.fields[name] = datetime.fromtimestamp(session.server_time, zone).strftime(value.format)

    def plant_zone(self, session: Session, plant_id: str | None) -> FlowGenerator[tzinfo]:
        """Find the clock on a plant's wall: as configured, as learned, else asked for once.

        A call that names no plant means the account's first.
        """
        if session.zone is not None:
            return session.zone
        plant = plant_id or next(iter(session.facts.get("plants", ())), None)
        if plant is None:
            return UTC
        if offset_due(session, plant):
            yield GrowattCalls.plant_settings.flow(plant)
        return reported_zone(session, plant) or UTC

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        """Dress a call for the wire."""
        return build_request(session.base, call, self.headers)

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Say yes: there is one kind of session."""
        return True

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Tell whether an address belongs to Growatt."""
        return is_trusted_url(url, session.server, DOMAINS)

    def parse_response(self, session: Session, call: Call[Any], reply: Response) -> Any:
        """Return what is inside the answer's envelope; raise what the cloud means by it."""
        try:
            answer = self._answer(call, reply)
            learn(session, call, answer)
            return self.unwrap(call, answer, reply)
        except CloudError as error:
            error.vendor, error.call, error.status = self.vendor, call.endpoint.name, reply.status
            raise

    def _answer(self, call: Call[Any], reply: Response) -> Any:
        turned_away(reply)
        if call.endpoint.route.is_html:
            return _classic_info(reply.body)
        # Quirk: a dead session answers 200 with the login page.
        if http.is_html(reply) and b"login" in reply.body[:50_000].lower():
            raise _ended("login page")
        return http.parse_json(reply)

    def unwrap(self, call: Call[Any], answer: Any, reply: Response) -> Any:
        """Take the answer out of its envelope; a refusal in it raises."""
        if isinstance(answer, dict):
            if call.endpoint.route.is_login:
                _check_login(answer.get("back"), reply.received_at)
            _check_refusal(answer)
        inside = answer
        if inside is None:
            raise RequestRefused("the cloud has nothing to say of this", advice=_UNKNOWN)
        for member in filter(None, call.endpoint.route.result_path.split(".")):
            if not isinstance(inside, dict) or member not in inside:
                raise Unreadable(f"the answer has no {member!r}", excerpt=excerpt(reply.body))
            inside = inside[member]
            if inside is None:
                raise RequestRefused("the cloud has nothing to say of this", advice=_UNKNOWN)
        return inside


_UNKNOWN = "Check the plant and serial number, and that the call fits the device's family"
_AWAY = (
    "It is offline or slow: asleep at night, or without network. Try again when the app shows it online. If it is "
    "online, check the plant and serial number, and that the call fits the device's family"
)
_REFUSALS = {
    # Quirk: the word for a device that is offline is the one for a device there is none of (a NEO's recording).
    "501": ("the cloud could not reach the device now (501)", _AWAY),
    "500": ("the device did not answer the cloud in time (500)", _AWAY),
    "504": ("the cloud refused (504)", _UNKNOWN),
    "inv_set_failure": (
        "the cloud refused (inv_set_failure)",
        "Check the setting's name and its values, and that the device is online",
    ),
}


def _ended(how: str) -> SessionExpired:
    """Return the error of a session the cloud no longer knows; `how` is what it showed instead of an answer."""
    return SessionExpired(
        f"the session has ended ({how})",
        advice="Log in again; if that was just done, wait a minute: another program may be using this account",
    )


def turned_away(reply: Response) -> None:
    """Raise when the HTTP status alone already tells why there is no answer."""
    page = reply.body[:20_000].lower()
    if reply.status in REDIRECT_STATUSES:
        # Quirk: a dead session may be moved to the login or error page (portal: /error.do?errorMess=errorNoLogin).
        raise _ended("moved to the login page")
    if reply.status >= 500 and (b"not login" in page or b"login.do" in page):
        # Quirk: a dead session may be told by an Error500 page (noah-mqtt issue 87).
        raise _ended("Error500 page")
    if reply.status == 403 and b"ua acl" in page:
        # Quirk: the edge keeps a list of program names it refuses (growattServer issue 45).
        raise Blocked(
            "the cloud's edge refuses this program's User-Agent (403)",
            advice="Name another agent",
            excerpt=excerpt(reply.body),
        )
    http.raise_for_status(reply)


def _classic_info(body: bytes) -> Any:
    text = body.decode("utf-8", "replace")
    found = _CLASSIC_INFO.search(text)
    if found is None:
        if "login" in text.lower():
            raise _ended("login page")
        raise RequestRefused("the page holds no inverter", advice=_UNKNOWN)
    with suppress(ValueError, RecursionError):
        return json.loads(found[1])
    raise Unreadable("the inverter's settings on the page are not JSON", excerpt=excerpt(found[1]))


def _check_login(back: Any, at: float) -> None:
    if not isinstance(back, dict):
        raise Unreadable("the login's answer has no 'back'")
    if back.get("success") is True:
        if not isinstance(back.get("user"), dict):
            raise TermsNotAccepted(
                "the login succeeded without a user",
                advice="Accept the terms in the ShinePhone app, then try again",
            )
        return
    raise login_failure(back, at)


def login_failure(back: dict[str, Any], at: float) -> CloudError:
    """Return the error a failed login stands for; `at` is when it was answered."""
    code = excerpt(str(back.get("msg") or ""))
    words = excerpt(str(back.get("error") or ""))
    if code == "507" or "locked" in words.lower():
        said = parse_number(back.get("lockDuration"))
        hours = said if said is not None and 0 < said <= 24 * 365 else LOCK_HOURS
        locked = AccountLocked(
            f"the account is locked for {hours:g} hours (507)",
            advice="Do not log in again before that; the app is locked as well",
        )
        locked.retry_after = hours * 3600
        locked.until = datetime.fromtimestamp(at, UTC) + timedelta(seconds=locked.retry_after)
        return locked
    failed: LoginFailed
    if code in ("501", "502"):
        failed = InvalidCredentials(
            f"the cloud refused the user name or password ({code})",
            advice="Check both, and the region: an account lives on one regional server only",
        )
    else:
        failed = LoginFailed(f"the login failed with code {code or 'none'}", excerpt=words)
    failed.code = code
    return failed


def _check_refusal(answer: dict[str, Any]) -> None:
    if answer.get("success") is False or (answer.get("result") in (0, "0") and "obj" in answer):
        code = excerpt(str(answer.get("msg") or ""))
        if "login invalid" in code.lower():
            # Quirk: the portal's writes tell a dead session in words (docs/clouds/growatt.md).
            raise _ended("login invalid")
        what, advice = _REFUSALS.get(code, (f"the cloud refused ({code or 'no reason given'})", ""))
        error = RequestRefused(what, advice=advice)
        error.code = error.reason = code
        raise error


def learn(session: Session, call: Call[Any], answer: Any) -> None:
    """Keep what an answer says of the account: who it is, which plants it has, and their clocks."""
    if not isinstance(answer, dict):
        return
    back = answer.get("back")
    if call.endpoint.route.is_login and isinstance(back, dict) and isinstance(back.get("user"), dict):
        session.alive = back.get("success") is True
        session.facts["user_id"] = back["user"].get("id")
        session.facts["plants"] = {plant.id: plant.name for plant in GrowattLogin(back).plants if plant.id}
    elif call.endpoint.route.fixed.get("op") == "getPlant":
        offset = parse_number(answer.get("timezone"))
        known = offset if offset is not None and abs(offset) <= 14 else None
        session.facts.setdefault("offsets", {})[str(call.fields["plantId"])] = known
        session.facts.setdefault("offsets_at", {})[str(call.fields["plantId"])] = session.server_time


def offset_due(session: Session, plant_id: str) -> bool:
    """Tell whether a plant's offset has to be asked for: daily, and as soon as its wall's clock was changed."""
    asked_at = session.facts.get("offsets_at", {}).get(str(plant_id))
    if asked_at is None or session.server_time - asked_at > OFFSET_LASTS:
        return True
    return _offset(session.zone, asked_at) != _offset(session.zone, session.server_time)


def _offset(zone: tzinfo | None, moment: float) -> timedelta | None:
    return None if zone is None else datetime.fromtimestamp(moment, zone).utcoffset()


def reported_zone(session: Session, plant_id: str) -> tzinfo | None:
    """Return a plant's fixed offset, as far as the cloud has told it."""
    # Quirk: the cloud knows whole hours only and no summer time.
    hours = session.facts.get("offsets", {}).get(str(plant_id))
    return None if hours is None else timezone(timedelta(hours=hours))


def timestamp_zone(session: Session, plant_id: str) -> tzinfo | None:
    """Return the clock the cloud writes a plant's times by: the offset it told, or the zone a person named.

    Quirk: the cloud tells one offset for all of the year. A named zone that agrees with it now knows what it was on
    other days; one that does not is not the clock the cloud writes by (docs/decisions/0008-whose-clock.md).
    """
    learned, named = reported_zone(session, plant_id), session.zone
    if learned is None or named is None:
        return learned or named
    agree = _offset(named, session.server_time) == _offset(learned, session.server_time)
    return named if agree else learned
