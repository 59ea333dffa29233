"""From a configured account to the desk its orders are given at."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.terminal import print_error
from heliograph.config import ENVIRONMENT
from heliograph.core import files
from heliograph.core.endpoint import Call
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import ConfigError
from heliograph.model import Device
from heliograph.settings import AsyncOrders, Clock, Orders, Permissions
from heliograph.settings.api import journal_folder
from heliograph.settings.journal import Journal
from heliograph.settings.permissions import WRITES_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from heliograph.config import Account
    from heliograph.settings import PlannedChange


TIMEOUT = 90.0
"""Seconds to wait for an answer: a cloud may wait for the device before it gives one (docs/settings.md)."""
CLOCK = Clock()
"""The machine's; tests bring another one."""


def now() -> datetime:
    """Return the moment."""
    return datetime.fromtimestamp(CLOCK.now(), UTC)


def rights(account: Account) -> Permissions:
    """Return what the account's table allows."""
    where = account.origin if account.origin != ENVIRONMENT else "an [[account]] table of the configuration"
    return Permissions(
        writes=account.writes,
        grid_code=account.grid_code,
        writes_per_day=account.writes_per_day or WRITES_PER_DAY,
        subject=f"account {account.name}",
        configured_in=f"its table in {account.origin}" if where == account.origin else where,
    )


def orders_of(account: Account, *, program: str = "heliograph settings") -> Orders:
    """Return the desk of an account, which says on stderr what it waits for."""
    # Whoever runs this command wants it now; a sequence that waits for the day's even flow would stop half-way.
    speaker = create_client(account, allow_commands=True, interactive=True, timeout=TIMEOUT)
    return Orders(speaker, **_about(account, program), progress=_said_once())


def async_orders_of(account: Account) -> AsyncOrders:
    """Return the desk of an account for the collector."""
    speaker = create_client(account, allow_commands=True, asynchronous=True, timeout=TIMEOUT)
    return AsyncOrders(speaker, **_about(account, "heliograph collect"))


def journal_of(account: Account) -> Journal:
    """Return the journal of an account; nothing is sent."""
    return Journal(journal_folder(), create_client(account).guard.state_file.name)


def _about(account: Account, program: str) -> dict[str, Any]:
    return {"rights": rights(account), "account": account.name, "program": program, "clock": CLOCK}


def _said_once() -> Callable[[str], None]:
    said: set[str] = set()

    def progress(text: str) -> None:
        if text not in said:
            said.add(text)
            print_error(text)

    return progress


LAST = 86400.0
PLANT_FAMILY = "plant"
"""The family of a plant's own settings."""


@dataclass(frozen=True, slots=True)
class ResolvedDevice:
    """One device that takes settings, and whose it is."""

    account: Account
    device: Device
    plant_name: str | None

    @property
    def title(self) -> str:
        """Return what a person may call it, from the most exact to the friendliest."""
        names = [self.key, f"({self.device.family})"]
        if self.device.name not in (None, self.device.id):
            names.append(str(self.device.name))
        return " ".join([*names, f"of {self.plant_name or self.device.plant}"])

    @property
    def key(self) -> str:
        """What names it and nothing else."""
        return f"{self.device.id}/plant" if self.device.family == PLANT_FAMILY else self.device.id


def resolve_device(accounts: Sequence[Account], text: str | None, now: float) -> ResolvedDevice:
    """Return the one device that is meant, or the only one there is, or raise with what there is."""
    found = [one for account in accounts for one in _remembered(account, now)]
    meant = _matching(found, text)
    if not meant:
        found = [one for account in accounts for one in _asked(account, now)]
        meant = _matching(found, text)
    if len(meant) == 1:
        return meant[0]
    listed = "\n".join(f"  {one.title}" for one in meant or found) or "  none"
    if text is None:
        raise ConfigError(f"say which device. There are:\n{listed}")
    if meant:
        raise ConfigError(f"{text[:60]!r} names several devices; say one of them by its serial number:\n{listed}")
    hint = "; name the device first, then NAME=VALUE" if "=" in text else ""
    raise ConfigError(f"there is no device {text[:60]!r} that takes settings{hint}. There are:\n{listed}")


def cached_devices(accounts: Sequence[Account], text: str, now: float) -> list[ResolvedDevice]:
    """Return every device a text may mean, as far as any is remembered, however long ago; no cloud is asked."""
    return _matching([one for account in accounts for one in _remembered(account, now, inf)], text)


def _matching(found: Sequence[ResolvedDevice], text: str | None) -> list[ResolvedDevice]:
    """Return what a text may mean; an exact word wins over a loose one."""
    devices = [one for one in found if one.device.family != PLANT_FAMILY]
    if text is None:
        return devices
    wanted = text.casefold()
    for names in (
        [one for one in found if one.key.casefold() == wanted],
        [one for one in devices if (one.device.name or "").casefold() == wanted],
        [one for one in devices if wanted in {one.device.plant.casefold(), (one.plant_name or "").casefold()}],
        [
            one
            for one in devices
            if wanted and wanted in f"{one.device.id} {one.device.name} {one.plant_name}".casefold()
        ],
    ):
        if names:
            return names
    return []


def _place(account: Account) -> Path:
    return journal_folder() / f"{create_client(account).guard.state_file.name}.devices.json"


def _remembered(account: Account, now: float, last: float = LAST) -> list[ResolvedDevice]:
    try:
        told = json.loads(_place(account).read_text("utf-8"))
        if not 0 <= now - told["at"] < last:
            return []
        found = [ResolvedDevice(account, Device(**one["device"]), one["plant_name"]) for one in told["devices"]]
        # The configuration may have chosen fewer plants since.
        return [one for one in found if not account.plants or one.device.plant in account.plants]
    except (OSError, ValueError, TypeError, LookupError):  # a memory that is not there costs requests, no more
        return []


def _asked(account: Account, now: float) -> list[ResolvedDevice]:
    """Ask the cloud which devices there are, and remember it."""
    speaker = create_client(account, interactive=True)
    found = run_in_thread(lambda: _listed(account, speaker))
    told = [{"device": asdict(one.device), "plant_name": one.plant_name} for one in found]
    path = _place(account)
    with suppress(OSError):  # as above; an order will tell what is wrong with the folder
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_atomic(path, json.dumps({"at": now, "devices": told}), durable=False)
    return found


def _listed(account: Account, speaker: Any) -> list[ResolvedDevice]:
    plants = [speaker.snapshot(plant) for plant in account.plants] if account.plants else speaker.snapshots()
    found = []
    for one in plants:
        own = Device(vendor=account.vendor, plant=one.plant.id, id=one.plant.id, family=PLANT_FAMILY)
        devices = [*(row.device for row in one.devices), own]
        found += [ResolvedDevice(account, device, one.plant.name) for device in devices if speaker.settings_of(device)]
    return found


def planned_requests(client: Any, device: Device, step: PlannedChange) -> list[dict[str, Any]]:
    """Return the command that would be sent, or the question that has to be asked before it can be known."""
    plan = type(client).write_setting.plan(device, step.setting.name, step.new)
    return [_told(call) for call in _first(plan, client.session)]


def _first(plan: Any, session: Any) -> Iterator[Call[Any]]:
    if isinstance(plan, Call):
        yield plan
        return
    wanted = plan.send(None)
    while wanted is ENSURE_SESSION:
        wanted = plan.send(session)
    yield from _first(wanted, session)
    plan.close()


def _told(call: Call[Any]) -> dict[str, Any]:
    route = call.endpoint.route
    return {
        "call": call.endpoint.name,
        "verb": route.verb,
        "path": route.path,
        "fields": {**route.fixed, **call.fields},
    }
