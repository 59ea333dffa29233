"""Both clouds in a box: from a request to its answer, without sockets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.emulator import control
from heliograph.emulator.api import Told
from heliograph.emulator.context import OneRequest, Rivals
from heliograph.emulator.fault_values import seconds
from heliograph.emulator.faults import Switchboard
from heliograph.emulator.log import Log
from heliograph.emulator.ratelimit import Edge
from heliograph.emulator.request import BadRequest, asked_from
from heliograph.emulator.world import furnish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.emulator.api import Asked, Emulation, Holder, Site
    from heliograph.emulator.world import World

_log = logging.getLogger(__name__)

_BROKEN = Told(b"<html><body><h1>500 Internal Server Error</h1></body></html>", 500, "text/html")
_UNHEARD = Told(b"", 0)
"""What nobody is told: the connection is reset before."""
_NOWHERE = Told(b"there is no cloud at this path; those of the control begin with /control/\n", 404, "text/plain")
_OURS = Told(b"the emulator failed to answer this; the reason is in its own output\n", 500, "text/plain")


class Delivery(NamedTuple):
    """An answer, and what happens to it on its way."""

    told: Told
    delay: float = 0.0
    """Seconds to wait before."""
    halved: bool = False
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
        self.faults = Switchboard(faults, own, world.clock.now)
        self.accounts: tuple[Holder, ...] = furnish(world, self.emulations, accounts, self.faults.value)
        self.holders = {
            one.vendor: tuple(holder for holder in self.accounts if holder.vendor == one.vendor)
            for one in self.emulations
        }
        self.log = Log(self.accounts, self.holders, world.clock.now)
        self.edge = Edge()
        self.rivals = Rivals(self.faults)
        self.second_port: int | None = None
        """Where the second region is served, once it is."""
        self._plants = {site.id: (holder, site) for holder in self.accounts for site in holder.sites}

    def plant(self, plant_id: str) -> tuple[Holder, Site] | None:
        """Return a plant and whose it is."""
        return self._plants.get(plant_id)

    def ready(self, url: str, second: str = "") -> dict[str, Any]:
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
                    "plants": [site.id for site in holder.sites],
                }
                for holder in self.accounts
            ],
        }

    def reply(
        self,
        verb: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        origin: str = "http://emulator",
        client: str = "",
    ) -> Told:
        """Return the answer to one request; `headers` are keyed in lower case."""
        return self.delivery(verb, target, headers or {}, body, origin, client).told

    def delivery(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes, origin: str, client: str = ""
    ) -> Delivery:
        """Return the answer to one request, and the transport faults that befall it; `client` is whose address."""
        try:
            asked = asked_from(verb, target, headers, body, origin)
        except BadRequest as error:
            return Delivery(Told(f"{error}\n".encode(), 400, "text/plain"))
        if asked.path.startswith(control.PREFIX):
            return Delivery(control.answer(self, asked, body))
        emulation = next((one for one in self.emulations if one.owns(asked.path)), None)
        if emulation is None:
            self._note(asked, None, _NOWHERE, None)
            return Delivery(_NOWHERE)
        return self._from_cloud(emulation, asked, OneRequest(self, emulation, client))

    def catch_up(self) -> None:
        """Let what happened to the accounts up to now, without a request of theirs, be known to the log."""
        for emulation in self.emulations:
            stage = OneRequest(self, emulation)
            for holder in self.holders[emulation.vendor]:
                stage.catch_up(holder)

    def _from_cloud(self, emulation: Emulation, asked: Asked, stage: OneRequest) -> Delivery:
        if stage.fault("outage") is not None:
            self.log.cloud(emulation.vendor).lost += 1
            self._note(asked, emulation.vendor, _UNHEARD, None)
            return Delivery(_UNHEARD, reset=True)
        told = _told(emulation, asked, stage)
        self._note(asked, emulation.vendor, told, stage.username)
        slow = stage.fault("slow")
        return Delivery(
            told,
            delay=0.0 if slow is None else seconds(slow),
            halved=stage.fault("truncated") is not None,
            reset=stage.fault("reset") is not None,
            silent=stage.turned_away and stage.fault("silent") is not None,
        )

    def _note(self, asked: Asked, vendor: str | None, told: Told, username: str | None) -> None:
        if vendor is not None:
            cloud = self.log.cloud(vendor)
            cloud.requests += 1
            cloud.statuses[str(told.status)] = cloud.statuses.get(str(told.status), 0) + 1
        self.log.note_request(
            at=self.world.clock.now().isoformat(timespec="seconds"),
            vendor=vendor,
            verb=asked.verb,
            path=asked.path,
            op=asked.arguments.get("op"),
            status=told.status,
            **({} if username is None else {"username": username}),
        )


def _told(emulation: Emulation, asked: Asked, stage: OneRequest) -> Told:
    try:
        stage.note_caller(emulation.whose(asked, stage))
        return _BROKEN if stage.fault("http500") is not None else emulation.answer(asked, stage)
    except Exception:  # noqa: BLE001 - whatever one caller sends, the others go on being served
        _log.exception("%s could not answer %s %s", emulation.vendor, asked.verb, asked.path)
        return _OURS
