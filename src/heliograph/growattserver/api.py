"""growattServer's client of the password API, its errors and constants."""

from __future__ import annotations

import sys
import warnings
from copy import deepcopy
from enum import IntEnum
from time import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from heliograph._requests_compat import CompatSession, as_requests_error
from heliograph.client import BlockingClient
from heliograph.core.endpoint import Call, RawClientBase
from heliograph.core.http import build_request
from heliograph.core.protocol import AccountProtocol
from heliograph.core.redact import Secret
from heliograph.core.session import Credentials, Request, Session
from heliograph.errors import CloudError, InvalidCredentials, RequestRefused, Unreadable
from heliograph.keeper import DEFAULT_KEEPER
from heliograph.transports import TIMEOUT, send
from heliograph.vendors.growatt import Growatt, envelope
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import SERVERS, USER_AGENT, GrowattProtocol, reported_zone, user_agent
from heliograph.vendors.growatt.params import hash_password

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from heliograph.core.endpoint import Flow, FlowGenerator
    from heliograph.core.session import HttpFlow, Response
    from heliograph.keeper import Keeper, Limits
    from heliograph.vendors.growatt.params import TimeOfDay

T = TypeVar("T")

name = "growattServer"

BATT_MODE_LOAD_FIRST = 0
BATT_MODE_BATTERY_FIRST = 1
BATT_MODE_GRID_FIRST = 2


class GrowattV1ApiErrorCode(IntEnum):
    """Generic error codes of the token API."""

    SUCCESS = 0
    NO_PRIVILEGE = 10011
    RATE_LIMITED = 10012
    PAGE_SIZE_TOO_LARGE = 10013
    PAGE_COUNT_TOO_LARGE = 10014
    WRONG_DOMAIN = -1


class GrowattError(Exception):
    """Base of the errors that growattServer itself defines."""


class GrowattParameterError(GrowattError):
    """Invalid arguments."""


class GrowattV1ApiError(GrowattError):
    """An error response of the token API."""

    def __init__(self, message: str, error_code: int, error_msg: str) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.error_msg = error_msg


_LOGIN = "login_answer"
"""The account fact that holds the last login's answer and a fingerprint of its password."""
ROUND_PAUSE = 60.0
"""Seconds without a call after which the next one starts a new round of calls."""
LIMITS = Growatt.default_limits._replace(enough_logins=2)
"""Those of other programs, but a script that logs in at each start makes two logins a day."""
_REFUSED = "502"
"""The code of a refused password in a login's answer."""

# The result of growattServer if the member is missing; {} for every other call.
_EMPTY: dict[str, Any] = {"plant_list": [], "plant_list_page": []}


class _RawGrowattProtocol(GrowattProtocol):
    """Growatt's protocol without checks: answers are returned as sent, and no extra requests are sent.

    With `checks_login` a failed login raises, as the account protection needs; its answer is the error's `answer`.
    """

    def __init__(self, session: CompatSession) -> None:
        super().__init__()
        self.http = session
        self.checks_login = self.is_password_hashed = False

    def log_in(self, session: Session, who: Credentials, call: Call[Any] | None = None) -> HttpFlow[None]:
        """Renew the session of a protected script, with the login that the script sent."""
        call = GrowattCalls.login.flow(who.username, who.password.reveal(), self.is_password_hashed)
        response = yield self.build_request(session, call)
        self.parse_response(session, call, response)

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        return build_request(session.base, call, self.http.headers)

    def unwrap(self, call: Call[Any], answer: Any, response: Response) -> Any:
        if not isinstance(answer, dict):
            raise Unreadable(f"the answer is not an object but {type(answer).__name__}")
        result: Any = answer
        for member in filter(None, call.endpoint.route.result_path.split(".")):
            result = None if result is None else result.get(member, _EMPTY.get(call.endpoint.name, {}))
        if self.checks_login and call.endpoint.route.is_login:
            try:
                envelope.unwrap(call, answer, response)
            except CloudError as error:
                error.answer = result  # type: ignore[attr-defined]
                raise
        return result

    def plant_zone(self, session: Session, plant_id: str | None) -> FlowGenerator[tzinfo]:
        """Return the time zone of a plant without an extra request: as reported earlier, else this machine's."""
        yield from ()
        plant = plant_id or next(iter(session.facts.get("plants", ())), "")
        from datetime import datetime  # noqa: PLC0415

        return reported_zone(session, plant) or cast("tzinfo", datetime.now().astimezone().tzinfo)


class _RawAccountProtocol(AccountProtocol):
    cloud: _RawGrowattProtocol

    def decode(self, call: Call[T], answer: Any) -> T:
        return cast("T", answer)

    def execute(self, flow: Flow[T], now: float) -> HttpFlow[T]:
        self.cloud.http.cookies.apply_changes(self.session)
        return super().execute(flow, now)

    def _run_step(self, flow: Any) -> HttpFlow[Any]:
        if not isinstance(flow, Request):
            return (yield from super()._run_step(flow))
        response = yield flow  # one that the script built
        self.session.update_from_response(flow.url, response)
        return response


class GrowattApi(GrowattCalls, BlockingClient, RawClientBase):
    """growattServer's client, with its `server_url`, `agent_identifier` and `session`."""

    server_url = SERVERS["eu"]
    agent_identifier = USER_AGENT
    protocol_class = _RawAccountProtocol

    def __init__(
        self,
        add_random_user_id: bool = False,
        agent_identifier: str | None = None,
        *,
        keeper: Keeper | None = DEFAULT_KEEPER,
        limits: Limits = LIMITS,
        clock: Callable[[], float] = time,
    ) -> None:
        """Create a client: the User-Agent is the default, that plus five random digits, or `agent_identifier`.

        `keeper` protects the account from the first login on; with None every login and every call is sent. `limits`
        are those of the account for any 24 hours; by default two logins, as long as sessions last half a day.
        """
        given = self.agent_identifier if agent_identifier is None else agent_identifier
        self.agent_identifier = user_agent(add_random_user_id, given)
        headers = {"User-Agent": self.agent_identifier}
        self._http = CompatSession(headers, lambda: self._protocol.session, lambda: self.server_url, self._send)
        self._keeper, self._limits, self._protected_server = keeper, limits, ""
        self._called_at = 0.0
        session = Session(self.server_url)
        self._cloud = _RawGrowattProtocol(self._http)
        super().__init__(self._cloud, session, None, timeout=TIMEOUT, allow_commands=True, clock=clock)

    @property
    def session(self) -> CompatSession:  # type: ignore[override]
        """Headers and cookies of every call, with the interface of requests.Session."""
        return self._http

    def perform(self, start: Callable[[], Flow[T]], *, timeout: float | None = None) -> T:
        # Scripts assign server_url after construction.
        self._protocol.session.server = self._protocol.session.base = self.server_url
        if self.server_url != self._protected_server:
            self._guard = self._protocol.credentials = None  # another account, until it logs in
        try:
            if self._guard is not None:
                # Only the start of a round of calls is paced, so that none is interrupted; a login that sends nothing
                # is a start as well.
                self._guard.self_throttled = 0 <= self._clock() - self._called_at < ROUND_PAUSE
                self._guard.check_pacing()
            result = super().perform(start, timeout=timeout)
        except CloudError as error:
            raise as_requests_error(error) from error
        self._called_at = self._clock()
        return result

    def _send(self, request: Request, timeout: float) -> Response:
        """Send a request that the script built; one to the protected server is counted."""
        if self._guard is None or not request.url.startswith(self._protected_server):
            return send(request, timeout)
        return cast("Response", self.perform(lambda: cast("Any", request), timeout=timeout))

    def get_url(self, page: str) -> str:
        """Return the URL of a page."""
        return self.server_url + page

    def login(self, username: str, password: str, is_password_hashed: bool = False) -> Any:
        """Log in; a failed login is returned as sent, with `success` False.

        A protected client returns the stored answer while the session of this user and password is valid, and for a
        password that was refused before, an answer that says so. Nothing is sent then.
        """
        if self._keeper is not None:
            self._protect(username, password, is_password_hashed)
        try:
            answer: Any = self.perform(lambda: self._log_in(username, password, is_password_hashed))
        except CloudError as error:
            self._protocol.credentials = None  # the calls that follow need another login
            answer = getattr(error, "answer", None)
            if answer is None and isinstance(error, InvalidCredentials):
                answer = {"success": False, "msg": _REFUSED, "error": error.message}
            if not isinstance(answer, dict):
                raise
        if answer.get("success"):
            answer["userId"] = answer["user"]["id"]
            answer["userLevel"] = answer["user"]["rightlevel"]
        return answer

    def _protect(self, username: str, password: str, is_password_hashed: bool) -> None:
        """Run this and the following calls within the limits of the account."""
        assert self._keeper is not None
        self._protected_server = self.server_url
        self._guard = self._keeper.guard(
            GrowattProtocol.vendor,
            self.server_url,
            username,
            self._limits,
            interactive=hasattr(sys, "ps1"),
            clock=self._clock,
        )
        self._protocol.credentials = Credentials(username, Secret(password))
        self._cloud.checks_login, self._cloud.is_password_hashed = True, is_password_hashed

    def _log_in(self, username: str, password: str, is_password_hashed: bool) -> FlowGenerator[Any]:
        """Return the stored answer of a valid session that was opened with this password, or log in."""
        if self._guard is None:
            return (yield GrowattCalls.login.flow(username, password, is_password_hashed))
        sent = password if is_password_hashed else hash_password(password)
        fingerprint = self._guard.fingerprint(sent)
        session = self._protocol.session
        stored = session.facts.get(_LOGIN)
        if session.alive and stored and stored["fingerprint"] == fingerprint:
            answer = deepcopy(stored["answer"])
            # Quirk: the answer repeats the password as sent, which opens the account, so it is not stored.
            if "password" in answer["user"]:
                answer["user"]["password"] = sent
            return answer
        session.clear()
        answer = yield GrowattCalls.login.flow(username, password, is_password_hashed)
        stored = deepcopy(answer)
        if "password" in stored["user"]:
            stored["user"]["password"] = ""
        self._protocol.session.facts[_LOGIN] = {"fingerprint": fingerprint, "answer": stored}
        return answer

    def plant_list_two(self) -> Any:
        """Return all plants of all pages."""
        return list(self.perform(GrowattCalls.plant_list_two.flow))

    def device_list(self, plant_id: str) -> Any:
        """Return all devices of one plant."""
        return self.plant_info(plant_id).get("deviceList", []) or self.all_devices(plant_id).get("deviceList", {})

    def inverter_list(self, plant_id: str) -> Any:
        """Return all devices of one plant, under the old name."""
        warnings.warn("inverter_list is now device_list", DeprecationWarning, stacklevel=2)
        return self.device_list(plant_id)

    def classic_inverter_info(self, device_sn: str) -> Any:
        """Return the settings of one classic inverter, parsed from the portal's page."""
        try:
            return self.perform(lambda: GrowattCalls.classic_inverter_info.flow(device_sn))
        except (RequestRefused, Unreadable) as error:
            raise GrowattError(f"Could not find inverter data in response for device {device_sn}") from error

    def update_tlx_inverter_time_segment(
        self,
        serial_number: str,
        segment_id: int,
        batt_mode: int,
        start_time: TimeOfDay,
        end_time: TimeOfDay,
        enabled: bool,
    ) -> Any:
        """Set one time segment of a TLX device; a refusal raises GrowattError."""
        result = self.perform(
            lambda: GrowattCalls.update_tlx_inverter_time_segment.flow(
                serial_number, segment_id, batt_mode, start_time, end_time, enabled
            )
        )
        answer = cast("Mapping[str, Any]", result)
        if not answer.get("success", False):
            raise GrowattError(f"Failed to update TLX inverter time segment: {answer.get('msg', 'Unknown error')}")
        return answer
