"""growattServer's client of the password API, its errors and constants."""

from __future__ import annotations

import warnings
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from heliograph._requests_compat import CompatSession, as_requests_error
from heliograph.client import BlockingClient
from heliograph.core.endpoint import Call, RawClientBase
from heliograph.core.http import build_request
from heliograph.core.protocol import AccountProtocol
from heliograph.core.session import Session
from heliograph.errors import CloudError, RequestRefused, Unreadable
from heliograph.transport import TIMEOUT
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.auth import SERVERS, USER_AGENT, GrowattProtocol, reported_zone, user_agent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from heliograph.core.endpoint import Flow, FlowGenerator
    from heliograph.core.session import Request, Response
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


# What growattServer returns if the member is missing; {} for every other call.
_EMPTY: dict[str, Any] = {"plant_list": [], "plant_list_page": []}


class _RawGrowattProtocol(GrowattProtocol):
    """Growatt's protocol without checks: answers are returned as sent, and no extra requests are sent."""

    def __init__(self, session: CompatSession) -> None:
        super().__init__()
        self.http = session

    def build_request(self, session: Session, call: Call[Any]) -> Request:
        return build_request(session.base, call, self.http.headers)

    def unwrap(self, call: Call[Any], answer: Any, response: Response) -> Any:
        if not isinstance(answer, dict):
            raise Unreadable(f"the answer is not an object but {type(answer).__name__}")
        result: Any = answer
        for member in filter(None, call.endpoint.route.result_path.split(".")):
            result = None if result is None else result.get(member, _EMPTY.get(call.endpoint.name, {}))
        return result

    def plant_zone(self, session: Session, plant_id: str | None) -> FlowGenerator[tzinfo]:
        """Return the time zone of a plant without an extra request: as reported earlier, else this machine's."""
        yield from ()
        plant = plant_id or next(iter(session.facts.get("plants", ())), "")
        from datetime import datetime  # noqa: PLC0415

        return reported_zone(session, plant) or cast("tzinfo", datetime.now().astimezone().tzinfo)


class _RawAccountProtocol(AccountProtocol):
    def decode(self, call: Call[T], answer: Any) -> T:
        return cast("T", answer)


class GrowattApi(GrowattCalls, BlockingClient, RawClientBase):
    """growattServer's client, with its `server_url`, `agent_identifier` and `session`."""

    server_url = SERVERS["eu"]
    agent_identifier = USER_AGENT
    protocol_class = _RawAccountProtocol

    def __init__(self, add_random_user_id: bool = False, agent_identifier: str | None = None) -> None:
        """Create a client: the User-Agent is the default, that plus five random digits, or `agent_identifier`."""
        given = self.agent_identifier if agent_identifier is None else agent_identifier
        self.agent_identifier = user_agent(add_random_user_id, given)
        session = Session(self.server_url)
        self._http = CompatSession({"User-Agent": self.agent_identifier}, session, lambda: self.server_url)
        super().__init__(_RawGrowattProtocol(self._http), session, None, timeout=TIMEOUT, allow_commands=True)

    @property
    def session(self) -> CompatSession:  # type: ignore[override]
        """Headers and cookies of every call, with the interface of requests.Session."""
        return self._http

    def perform(self, start: Callable[[], Flow[T]]) -> T:
        # Scripts assign server_url after construction.
        self._protocol.session.server = self._protocol.session.base = self.server_url
        try:
            return super().perform(start)
        except CloudError as error:
            raise as_requests_error(error) from error

    def get_url(self, page: str) -> str:
        """Return the URL of a page."""
        return self.server_url + page

    def login(self, username: str, password: str, is_password_hashed: bool = False) -> Any:
        """Log in; a failed login is returned as sent, with `success` False."""
        result = self.perform(lambda: GrowattCalls.login.flow(username, password, is_password_hashed))
        answer = cast("dict[str, Any]", result)
        if answer.get("success"):
            answer["userId"] = answer["user"]["id"]
            answer["userLevel"] = answer["user"]["rightlevel"]
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
