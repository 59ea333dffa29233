"""Both clouds in a box: from a request to its answer, without sockets."""

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
"""What nobody is told: the connection is reset before."""
_NOWHERE = EmulatedResponse(
    b"there is no cloud at this path; those of the control begin with /control/\n", 404, "text/plain"
)
_OURS = EmulatedResponse(b"the emulator failed to answer this; the reason is in its own output\n", 500, "text/plain")


class EmulatedDelivery(NamedTuple):
    """An answer, and what happens to it on its way."""

    response: EmulatedResponse
    delay: float = 0.0
    """Seconds to wait before."""
    truncated: bool = False
    """Send half the body, then close."""
    reset: bool = False
    """Reset the connection and send nothing."""
    silent: bool = False
    """Keep the connection open and send nothing, until the caller leaves."""


class Emulator:
    """The emulated clouds over one world; a server carries its answers, a test may do without one."""

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
        """Where the second region is served, once it is."""
        self._plants = {site.id: (holder, site) for holder in self.accounts for site in holder.plants}

    def plant(self, plant_id: str) -> tuple[EmulatedAccount, EmulatedPlant] | None:
        """Return a plant and whose it is."""
        return self._plants.get(plant_id)

    def ready_info(self, url: str, second: str = "") -> dict[str, Any]:
        """Return what a caller has to know: the addresses of both regions, and the accounts."""
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
        """Return the answer to one request; `headers` are keyed in lower case."""
        return self.deliver(verb, target, headers or {}, body, origin, client).response

    def deliver(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes, origin: str, client: str = ""
    ) -> EmulatedDelivery:
        """Return the answer to one request, and the transport faults that befall it; `client` is whose address."""
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
        """Let what happened to the accounts up to now, without a request of theirs, be known to the log."""
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
    except Exception:  # noqa: BLE001 - whatever one caller sends, the others go on being served
        _log.exception("%s could not answer %s %s", emulation.vendor, asked.verb, asked.path)
        return _OURS
