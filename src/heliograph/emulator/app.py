"""The emulator application: handles requests without sockets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator import control
from heliograph.emulator.api import EmulatedResponse
from heliograph.emulator.context import EmulatorRequestContext
from heliograph.emulator.fault_values import parse_seconds
from heliograph.emulator.request import BadRequest, parse_request
from heliograph.emulator.state import EmulatorState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heliograph.emulator.api import EmulatedAccount, EmulatedRequest, Emulation

_log = logging.getLogger(__name__)

_HTTP_500 = EmulatedResponse(b"<html><body><h1>500 Internal Server Error</h1></body></html>", 500, "text/html")
_NO_RESPONSE = EmulatedResponse(b"", 0)
"""Logged instead of a response: the connection is reset."""
_UNKNOWN_PATH = EmulatedResponse(
    b"no cloud serves this path; paths of the control API begin with /control/\n", 404, "text/plain"
)
_INTERNAL_ERROR = EmulatedResponse(b"internal error of the emulator; see its output for the cause\n", 500, "text/plain")


class EmulatedDelivery(NamedTuple):
    """A response and the transport faults that apply to it."""

    response: EmulatedResponse
    delay: float = 0.0
    """Seconds to wait before sending."""
    truncated: bool = False
    """Send half of the body, then close."""
    reset: bool = False
    """Reset the connection and send nothing."""
    silent: bool = False
    """Keep the connection open and send nothing, until the client closes it."""


class Emulator(EmulatorState):
    """The emulated clouds of one world; usable without a server in tests."""

    def ready_info(self, url: str, second: str = "") -> dict[str, Any]:
        """Return the content of the ready line: the URLs of both regions, and the accounts."""
        return {
            "url": url,
            "second": second,
            **{name: address for emulation in self.emulations for name, address in emulation.addresses(url).items()},
            "control": f"{url}/control",
            "accounts": [
                {
                    "vendor": account.vendor,
                    "username": account.username,
                    "password": account.password,
                    "plants": [plant.id for plant in account.plants],
                    **self._emulation_of(account).account_info(account),
                }
                for account in self.accounts
            ],
        }

    def _emulation_of(self, account: EmulatedAccount) -> Emulation:
        return next(emulation for emulation in self.emulations if emulation.vendor == account.vendor)

    def respond(
        self,
        verb: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        origin: str = "http://emulator",
        client: str = "",
    ) -> EmulatedResponse:
        """Return the response to one request; `headers` is keyed in lower case."""
        return self.deliver(verb, target, headers or {}, body, origin, client).response

    def deliver(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes, origin: str, client: str = ""
    ) -> EmulatedDelivery:
        """Return the response to one request with its transport faults; `client` is the client's IP address."""
        try:
            request = parse_request(verb, target, headers, body, origin)
        except BadRequest as error:
            return EmulatedDelivery(EmulatedResponse(f"{error}\n".encode(), 400, "text/plain"))
        if request.path.startswith(control.PREFIX):
            return EmulatedDelivery(control.handle(self, request, body))
        emulation = next((cloud for cloud in self.emulations if cloud.owns(request.path)), None)
        if emulation is None:
            self._record(request, None, _UNKNOWN_PATH, None)
            return EmulatedDelivery(_UNKNOWN_PATH)
        return self._deliver_from(emulation, request, EmulatorRequestContext(self, emulation, client))

    def _deliver_from(
        self, emulation: Emulation, request: EmulatedRequest, context: EmulatorRequestContext
    ) -> EmulatedDelivery:
        if context.fault("outage") is not None:
            self.log.cloud_counters(emulation.vendor).lost += 1
            self._record(request, emulation.vendor, _NO_RESPONSE, None)
            return EmulatedDelivery(_NO_RESPONSE, reset=True)
        response = _response_of(emulation, request, context)
        self._record(request, emulation.vendor, response, context.username)
        slow = context.fault("slow")
        return EmulatedDelivery(
            response,
            delay=0.0 if slow is None else parse_seconds(slow),
            truncated=context.fault("truncated") is not None,
            reset=context.fault("reset") is not None,
            silent=context.was_blocked and context.fault("silent") is not None,
        )

    def _record(
        self, request: EmulatedRequest, vendor: str | None, response: EmulatedResponse, username: str | None
    ) -> None:
        if vendor is not None:
            cloud = self.log.cloud_counters(vendor)
            cloud.requests += 1
            cloud.statuses[str(response.status)] = cloud.statuses.get(str(response.status), 0) + 1
        self.log.record_request(
            at=self.world.clock.now().isoformat(timespec="seconds"),
            vendor=vendor,
            verb=request.verb,
            path=request.path,
            op=request.arguments.get("op"),
            status=response.status,
            **({} if username is None else {"username": username}),
        )


def _response_of(emulation: Emulation, request: EmulatedRequest, context: EmulatorRequestContext) -> EmulatedResponse:
    try:
        context.record_request(emulation.account_of(request, context))
        return _HTTP_500 if context.fault("http500") is not None else emulation.handle(request, context)
    except Exception:  # noqa: BLE001 - one bad request must not end the server
        _log.exception("%s could not handle %s %s", emulation.vendor, request.verb, request.path)
        return _INTERNAL_ERROR
