"""Authentication at Growatt: servers, login, the protocol adapter of the client, and the plants' UTC offsets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from heliograph.core.http import build_request
from heliograph.core.parsing import offset_zone, parse_number, parse_text
from heliograph.core.servers import is_trusted_url, resolve_server_url
from heliograph.errors import CloudError
from heliograph.keeper.limits import Limits
from heliograph.vendors.growatt import envelope
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.params import PlantToday, SentAt
from heliograph.vendors.growatt.payloads.plants import CURRENT_USER, GrowattLogin

if TYPE_CHECKING:
    from heliograph.core.endpoint import Call, FlowGenerator
    from heliograph.core.session import Credentials, HttpFlow, Request, Response, Session

USER_AGENT = "Dalvik/2.1.0 (Linux; U; Android 12; https://github.com/indykoning/PyPi_GrowattServer)"
"""The User-Agent of growattServer; the cloud refuses those of some HTTP libraries."""

LIMITS = Limits(requests=180, logins=8, reserve=20, login_reserve=2)
"""Growatt support: 200 queries a day lock an account for a day. Frequent logins lock it sooner."""

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

LOGINS = (GrowattCalls.login, GrowattCalls.app_login)
"""The calls that open a session, in the order in which they are tried."""

OFFSET_MAX_AGE = 86400.0
"""Seconds before a plant's UTC offset is fetched again; some owners change it for daylight saving."""


def resolve_server(server: str) -> str:
    """Return the base URL of a region name or of an address, ending in a slash.

    >>> resolve_server("us"), resolve_server("http://127.0.0.1:8080")
    ('https://openapi-us.growatt.com/', 'http://127.0.0.1:8080/')
    """
    return resolve_server_url(server or "eu", SERVERS, "Growatt")


def user_agent(add_random_user_id: bool = False, agent_identifier: str | None = None) -> str:
    """Return the User-Agent for the constructor arguments of growattServer."""
    name = USER_AGENT if agent_identifier is None else agent_identifier
    if not add_random_user_id:
        return name
    from secrets import randbelow  # noqa: PLC0415 - slow to import and rarely needed

    return f"{name} - {randbelow(100_000):05d}"


_RESOLVED_LATER = frozenset((type(CURRENT_USER), PlantToday))
"""Types of placeholders whose value may need a request."""


class GrowattProtocol:
    """The Growatt implementation of `VendorProtocol`."""

    vendor = "growatt"

    def __init__(self, user_agent: str = USER_AGENT) -> None:
        self.headers = {"User-Agent": user_agent}

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None = None) -> HttpFlow[None]:
        """Open a session with the user name and the hashed password.

        The login that the server had last is tried first, the other one only if the server no longer has it. An answer
        of either login, such as a refused password, is final.
        """
        first = session.facts.get("login", LOGINS[0].name)
        login, other = LOGINS if first != LOGINS[1].name else reversed(LOGINS)
        call = login.flow(who.username, who.password.reveal())
        response = yield self._build_login(session, call)
        if envelope.lacks_login(response):
            # Stored before the next request: if that one has to wait, the wrong login is not sent again.
            session.facts["login"] = other.name
            call = other.flow(who.username, who.password.reveal())
            response = yield self._build_login(session, call)
        self.parse_response(session, call, response)
        if "plants" not in session.facts:
            plants = GrowattCalls.plant_list.flow(session.facts["user_id"] or "")
            self.parse_response(session, plants, (yield self.build_request(session, plants)))

    def _build_login(self, session: Session, call: Call[Any]) -> Request:
        _fill_time(session, call)
        return self.build_request(session, call)

    def fill_defaults(self, session: Session, call: Call[Any]) -> FlowGenerator[None] | None:
        """Return a flow that replaces the placeholders for user and plant-local day, None if there are none."""
        kinds = set(map(type, call.fields.values()))
        if SentAt in kinds:
            _fill_time(session, call)
        return self._fill(session, call) if not _RESOLVED_LATER.isdisjoint(kinds) else None

    def _fill(self, session: Session, call: Call[Any]) -> FlowGenerator[None]:
        for name, value in call.fields.items():
            if value is CURRENT_USER:
                call.fields[name] = session.facts["user_id"]
            elif isinstance(value, PlantToday):
                zone = yield from self.plant_zone(session, value.plant_id)
                call.fields[name] = datetime.fromtimestamp(session.server_time, zone).strftime(value.format)

    def plant_zone(self, session: Session, plant_id: str | None) -> FlowGenerator[tzinfo]:
        """Return a plant's time zone: the configured one, else the reported offset, fetched if it is due.

        Without a `plant_id` it is the zone of the account's first plant.
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
        """Return the HTTP request of a call."""
        return build_request(session.base, call, self.headers)

    def session_matches(self, session: Session, call: Call[Any]) -> bool:
        """Return True: Growatt has one kind of session."""
        return True

    def is_trusted_url(self, session: Session, url: str) -> bool:
        """Return True if a URL belongs to Growatt or to the configured server."""
        return is_trusted_url(url, session.server, DOMAINS)

    def parse_response(self, session: Session, call: Call[Any], response: Response) -> Any:
        """Return the content of a response without its envelope; raise the error the response reports."""
        try:
            answer = envelope.parse(call, response)
            _remember(session, call, answer)
            return self.unwrap(call, answer, response)
        except CloudError as error:
            error.vendor, error.call, error.status = self.vendor, call.endpoint.name, response.status
            raise

    def unwrap(self, call: Call[Any], answer: Any, response: Response) -> Any:
        """Return the content inside the envelope; a refusal raises."""
        return envelope.unwrap(call, answer, response)


def _remember(session: Session, call: Call[Any], answer: Any) -> None:
    """Store the account facts of a response in the session: user id, plants and their UTC offsets."""
    if not isinstance(answer, dict):
        return
    back = answer.get("back")
    if call.endpoint.route.is_login and isinstance(back, dict) and isinstance(back.get("user"), dict):
        session.facts["user_id"] = back["user"].get("id")
        _remember_plants(session, back, call.endpoint.name)
        session.alive = back.get("success") is True and "plants" in session.facts
    elif call.endpoint.name == GrowattCalls.plant_list.name and isinstance(back, dict):
        session.facts.setdefault("plants", _plant_names(back))
    elif call.endpoint.route.fixed.get("op") == "getPlant":
        _remember_offset(session, str(call.fields["plantId"]), answer)
    elif call.endpoint.route.fixed.get("op") == "getAllPlantListTwo" and isinstance(answer.get("PlantList"), list):
        for row in answer["PlantList"]:
            if isinstance(row, dict) and parse_text(row.get("id")) in session.facts.get("plants", ()):
                _remember_offset(session, str(row["id"]), row)


def _fill_time(session: Session, call: Call[Any]) -> None:
    """Replace the placeholders for the time of a login."""
    for name, value in call.fields.items():
        if isinstance(value, SentAt):
            call.fields[name] = value.written(session.server_time, session.zone or UTC)


def _remember_plants(session: Session, back: dict[str, Any], login: str) -> None:
    if login == GrowattCalls.app_login.name and not isinstance(back.get("data"), list):
        # Quirk: whether this answer lists the plants is not published; clients that use it fetch a list (noah-mqtt).
        session.facts.pop("plants", None)
    else:
        session.facts["plants"] = _plant_names(back)


def _plant_names(back: dict[str, Any]) -> dict[str, str | None]:
    return {plant.id: plant.name for plant in GrowattLogin(back).plants if plant.id}


def _remember_offset(session: Session, plant_id: str, settings: dict[str, Any]) -> None:
    session.facts.setdefault("offsets", {})[plant_id] = parse_number(settings.get("timezone"))
    session.facts.setdefault("offsets_at", {})[plant_id] = session.server_time


def offset_due(session: Session, plant_id: str) -> bool:
    """Return True if a plant's UTC offset must be fetched: daily, and after a clock change of the configured zone."""
    fetched_at = session.facts.get("offsets_at", {}).get(str(plant_id))
    if fetched_at is None or session.server_time - fetched_at > OFFSET_MAX_AGE:
        return True
    return _offset(session.zone, fetched_at) != _offset(session.zone, session.server_time)


def _offset(zone: tzinfo | None, moment: float) -> timedelta | None:
    return None if zone is None else datetime.fromtimestamp(moment, zone).utcoffset()


def reported_zone(session: Session, plant_id: str) -> tzinfo | None:
    """Return a plant's fixed UTC offset as reported by the cloud, None if it is not known."""
    # Quirk: the cloud has whole-hour offsets only and no daylight saving.
    return offset_zone(session.facts.get("offsets", {}).get(str(plant_id)))


def timestamp_zone(session: Session, plant_id: str) -> tzinfo | None:
    """Return the time zone of the cloud's timestamps of a plant: the reported offset or the configured zone.

    Quirk: the cloud reports one offset for the whole year. A configured zone with the same offset now also gives the
    offset of other days; a zone with another offset is not that of the timestamps (docs/decisions/0008-whose-clock.md).
    """
    reported, configured = reported_zone(session, plant_id), session.zone
    if reported is None or configured is None:
        return reported or configured
    agree = _offset(configured, session.server_time) == _offset(reported, session.server_time)
    return configured if agree else reported
