"""Both clouds in a box: from a request to its answer, without sockets."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.answers import Told
from heliograph.emulator import control
from heliograph.emulator.asking import BadRequest, asked_from
from heliograph.emulator.faults import Switchboard, seconds
from heliograph.emulator.log import Log
from heliograph.emulator.town import furnish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from heliograph.answers import Asked, Emulation, Holder, Site
    from heliograph.emulator.town import World

_log = logging.getLogger(__name__)

_PORT = re.compile(r":\d+$")

_BROKEN = Told(b"<html><body><h1>500 Internal Server Error</h1></body></html>", 500, "text/html")
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
        self.faults = Switchboard(faults, own)
        self.log = Log()
        self.accounts: tuple[Holder, ...] = furnish(world, self.emulations, accounts)
        self.holders = {
            one.vendor: tuple(holder for holder in self.accounts if holder.vendor == one.vendor)
            for one in self.emulations
        }
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
    ) -> Told:
        """Return the answer to one request; `headers` are keyed in lower case."""
        return self.delivery(verb, target, headers or {}, body, origin).told

    def delivery(self, verb: str, target: str, headers: Mapping[str, str], body: bytes, origin: str) -> Delivery:
        """Return the answer to one request, and the transport faults that befall it."""
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
        return self._from_cloud(emulation, asked)

    def _from_cloud(self, emulation: Emulation, asked: Asked) -> Delivery:
        stage = _Stage(self)
        told = _BROKEN if stage.fault("http500") is not None else _told(emulation, asked, stage)
        self._note(asked, emulation.vendor, told, stage.username)
        slow = stage.fault("slow")
        return Delivery(
            told,
            delay=0.0 if slow is None else seconds(slow),
            halved=stage.fault("truncated") is not None,
            reset=stage.fault("reset") is not None,
        )

    def _note(self, asked: Asked, vendor: str | None, told: Told, username: str | None) -> None:
        self.log.note_request(
            at=self.world.clock.now().isoformat(timespec="seconds"),
            vendor=vendor,
            verb=asked.verb,
            path=asked.path,
            op=asked.arguments.get("op"),
            status=told.status,
            **({} if username is None else {"username": username}),
        )


class _Stage:
    """What a cloud may look at while it answers one request."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._faults: dict[str, str | None] = {}
        self.username: str | None = None

    def now(self) -> datetime:
        return self._emulator.world.clock.now()

    def uploaded_at(self) -> datetime:
        return self._emulator.world.uploaded_at()

    def holders(self, vendor: str) -> tuple[Holder, ...]:
        return self._emulator.holders[vendor]

    def fault(self, name: str) -> str | None:
        if name not in self._faults:
            self._faults[name] = self._emulator.faults.take(name)
        return self._faults[name]

    def second_region(self, origin: str) -> str:
        port = self._emulator.second_port
        return origin if port is None else f"{_PORT.sub('', origin)}:{port}"

    def note_login(self, holder: Holder | None, username: str, *, accepted: bool) -> None:
        self.username = username if holder is None else holder.username
        self._emulator.log.note_login(self.username, accepted=accepted)


def _told(emulation: Emulation, asked: Asked, stage: _Stage) -> Told:
    try:
        return emulation.answer(asked, stage)
    except Exception:  # noqa: BLE001 - whatever one caller sends, the others go on being served
        _log.exception("%s could not answer %s %s", emulation.vendor, asked.verb, asked.path)
        return _OURS
