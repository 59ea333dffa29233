"""From what a person types to one device of one account; which devices there are is remembered for a day."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from heliograph import private
from heliograph.cli.apart import apart
from heliograph.cli.vendors import client
from heliograph.errors import ConfigError
from heliograph.model import Device
from heliograph.orders.desk import folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from heliograph.config import Account

LAST = 86400.0
PLANT = "plant"
"""The family of a plant's own settings."""


@dataclass(frozen=True, slots=True)
class Found:
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
        return f"{self.device.id}/plant" if self.device.family == PLANT else self.device.id


def find(accounts: Sequence[Account], text: str | None, now: float) -> Found:
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


def remembered(accounts: Sequence[Account], text: str, now: float) -> list[Found]:
    """Return every device a text may mean, as far as any is remembered, however long ago; no cloud is asked."""
    return _matching([one for account in accounts for one in _remembered(account, now, inf)], text)


def _matching(found: Sequence[Found], text: str | None) -> list[Found]:
    """Return what a text may mean; an exact word wins over a loose one."""
    devices = [one for one in found if one.device.family != PLANT]
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
    return folder() / f"{client(account).gate.shelf.name}.devices.json"


def _remembered(account: Account, now: float, last: float = LAST) -> list[Found]:
    try:
        told = json.loads(_place(account).read_text("utf-8"))
        if not 0 <= now - told["at"] < last:
            return []
        found = [Found(account, Device(**one["device"]), one["plant_name"]) for one in told["devices"]]
        # The configuration may have chosen fewer plants since.
        return [one for one in found if not account.plants or one.device.plant in account.plants]
    except (OSError, ValueError, TypeError, LookupError):  # a memory that is not there costs requests, no more
        return []


def _asked(account: Account, now: float) -> list[Found]:
    """Ask the cloud which devices there are, and remember it."""
    speaker = client(account, interactive=True)
    found = apart(lambda: _listed(account, speaker))
    told = [{"device": asdict(one.device), "plant_name": one.plant_name} for one in found]
    path = _place(account)
    with suppress(OSError):  # as above; an order will tell what is wrong with the folder
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        private.write(path, json.dumps({"at": now, "devices": told}), durable=False)
    return found


def _listed(account: Account, speaker: Any) -> list[Found]:
    plants = [speaker.snapshot(plant) for plant in account.plants] if account.plants else speaker.snapshots()
    found = []
    for one in plants:
        own = Device(vendor=account.vendor, plant=one.plant.id, id=one.plant.id, family=PLANT)
        devices = [*(row.device for row in one.devices), own]
        found += [Found(account, device, one.plant.name) for device in devices if speaker.settings_of(device)]
    return found
