"""The emulator application: handles requests without sockets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator import control
from heliograph.emulator.api import EmulatedResponse
from heliograph.emulator.context import ConcurrentLogins, EmulatorRequestContext
from heliograph.emulator.fault_values import parse_seconds
from heliograph.emulator.faults import FaultSwitches
from heliograph.emulator.log import RequestLog
from heliograph.emulator.ratelimit import Firewall
from heliograph.emulator.request import BadRequest, parse_request
from heliograph.emulator.world import build_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.emulator.api import EmulatedAccount, EmulatedPlant, EmulatedRequest, Emulation
    from heliograph.emulator.world import World

_log = logging.getLogger(__name__)

_BROKEN = EmulatedResponse(b"<html><body><h1>500 Internal Server Error</h1></body></html>", 500, "text/html")
_UNHEARD = EmulatedResponse(b"", 0)
"""Logged instead of a response: the connection is reset."""
_NOWHERE = EmulatedResponse(
    b"no cloud serves this path; paths of the control API begin with /control/\n", 404, "text/plain"
)
_OURS = EmulatedResponse(b"internal error of the emulator; see its output for the cause\n", 500, "text/plain")


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


class Emulator:
    """The emulated clouds of one world; usable without a server in tests."""

    def __init__(
        self,
        world: World,
        emulations: Sequence[Emulation],
        accounts: int = 2,
        faults: Mapping[str, Any] | None = None,
    ) -> None:
        self.world = world
        self.emulations = tuple(emulations)
        own = {name: what for one in self.emulations for name, what in one.faults().items()}
        self.faults = FaultSwitches(faults, own, world.clock.now)
        self.accounts: tuple[EmulatedAccount, ...] = build_accounts(world, self.emulations, accounts, self.faults.value)
        self.accounts_by_vendor = {
            one.vendor: tuple(holder for holder in self.accounts if holder.vendor == one.vendor)
            for one in self.emulations
        }
        self.log = RequestLog(self.accounts, self.accounts_by_vendor, world.clock.now)
        self.firewall = Firewall()
        self.other_logins = ConcurrentLogins(self.faults)
        self.second_port: int | None = None
        """Port of the second region, once it is served."""
        self._plants = {site.id: (holder, site) for holder in self.accounts for site in holder.plants}

    def plant(self, plant_id: str) -> tuple[EmulatedAccount, EmulatedPlant] | None:
        """Return a plant and its account."""
        return self._plants.get(plant_id)

    def ready_info(self, url: str, second: str = "") -> dict[str, Any]:
        """Return the content of the ready line: the URLs of both regions, and the accounts."""
        return {
            "url": url,
            "second": second,
            **{name: address for one in self.emulations for name, address in one.addresses(url).items()},
            "control": f"{url}/control",
            "accounts": [
                {
                    "vendor": holder.vendor,
                    "username": holder.username,
                    "password": holder.password,
                    "plants": [site.id for site in holder.plants],
                }
                for holder in self.accounts
            ],
        }

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
            asked = parse_request(verb, target, headers, body, origin)
        except BadRequest as error:
            return EmulatedDelivery(EmulatedResponse(f"{error}\n".encode(), 400, "text/plain"))
        if asked.path.startswith(control.PREFIX):
            return EmulatedDelivery(control.handle(self, asked, body))
        emulation = next((one for one in self.emulations if one.owns(asked.path)), None)
        if emulation is None:
            self._note(asked, None, _NOWHERE, None)
            return EmulatedDelivery(_NOWHERE)
        return self._from_cloud(emulation, asked, EmulatorRequestContext(self, emulation, client))

    def apply_due_events(self) -> None:
        """Apply events due by now (other clients' logins, ended locks) to all accounts, so that the log has them."""
        for emulation in self.emulations:
            stage = EmulatorRequestContext(self, emulation)
            for holder in self.accounts_by_vendor[emulation.vendor]:
                stage.apply_due_events(holder)

    def _from_cloud(
        self, emulation: Emulation, asked: EmulatedRequest, stage: EmulatorRequestContext
    ) -> EmulatedDelivery:
        if stage.fault("outage") is not None:
            self.log.cloud_counters(emulation.vendor).lost += 1
            self._note(asked, emulation.vendor, _UNHEARD, None)
            return EmulatedDelivery(_UNHEARD, reset=True)
        told = _told(emulation, asked, stage)
        self._note(asked, emulation.vendor, told, stage.username)
        slow = stage.fault("slow")
        return EmulatedDelivery(
            told,
            delay=0.0 if slow is None else parse_seconds(slow),
            truncated=stage.fault("truncated") is not None,
            reset=stage.fault("reset") is not None,
            silent=stage.was_blocked and stage.fault("silent") is not None,
        )

    def _note(self, asked: EmulatedRequest, vendor: str | None, told: EmulatedResponse, username: str | None) -> None:
        if vendor is not None:
            cloud = self.log.cloud_counters(vendor)
            cloud.requests += 1
            cloud.statuses[str(told.status)] = cloud.statuses.get(str(told.status), 0) + 1
        self.log.record_request(
            at=self.world.clock.now().isoformat(timespec="seconds"),
            vendor=vendor,
            verb=asked.verb,
            path=asked.path,
            op=asked.arguments.get("op"),
            status=told.status,
            **({} if username is None else {"username": username}),
        )


def _told(emulation: Emulation, asked: EmulatedRequest, stage: EmulatorRequestContext) -> EmulatedResponse:
    try:
        stage.record_request(emulation.account_of(asked, stage))
        return _BROKEN if stage.fault("http500") is not None else emulation.handle(asked, stage)
    except Exception:  # noqa: BLE001 - one bad request must not end the server
        _log.exception("%s could not handle %s %s", emulation.vendor, asked.verb, asked.path)
        return _OURS
