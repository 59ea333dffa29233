"""Shared by the settings commands: `Orders` of an account, device lookup with a cache, and dry-run requests."""

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
from heliograph.core.endpoint import Call, operations
from heliograph.core.files import write_atomic
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
    from heliograph.settings.definition import Setting
    from heliograph.settings.models import Order
    from heliograph.settings.plan import PlannedChange
    from heliograph.vendors.base import BaseSolarClient

TIMEOUT = 90.0
"""Seconds to wait for a response: a cloud may wait for the device before it responds (docs/settings.md)."""
CACHE_SECONDS = 86400.0
PLANT_FAMILY = "plant"
"""The device family of a plant's own settings."""
CLOCK = Clock()
"""The system clock; tests replace it."""


def now() -> datetime:
    """Return the current time."""
    return datetime.fromtimestamp(CLOCK.now(), UTC)


def orders_of(account: Account, *, program: str = "heliograph settings") -> Orders:
    """Return the blocking API of an account; it prints its progress to stderr."""
    # Interactive: self-throttling could interrupt a sequence of writes half-way.
    client = create_client(account, allow_commands=True, interactive=True, timeout=TIMEOUT)
    return Orders(client, **_arguments(account, program), progress=_print_once())


def async_orders_of(account: Account, *, program: str = "heliograph collect", interactive: bool = False) -> AsyncOrders:
    """Return the async API of an account, for the collector; `interactive` if a person waits for its changes."""
    client = create_client(account, allow_commands=True, asynchronous=True, interactive=interactive, timeout=TIMEOUT)
    return AsyncOrders(client, **_arguments(account, program))


def journal_of(account: Account) -> Journal:
    """Return the journal of an account; nothing is sent."""
    return Journal(journal_folder(), create_client(account).settings_guard.store.name)


def _arguments(account: Account, program: str) -> dict[str, Any]:
    table = "an [[account]] table of the configuration"
    if account.origin != ENVIRONMENT:
        table = f"its table in {account.origin}"
    permissions = Permissions(
        writes=account.writes,
        grid_code=account.grid_code,
        writes_per_day=account.writes_per_day or WRITES_PER_DAY,
        subject=f"account {account.name}",
        configured_in=table,
    )
    return {"permissions": permissions, "account": account.name, "program": program, "clock": CLOCK}


def _print_once() -> Callable[[str], None]:
    printed: set[str] = set()

    def progress(text: str) -> None:
        if text not in printed:
            printed.add(text)
            print_error(text)

    return progress


@dataclass(frozen=True, slots=True)
class ResolvedDevice:
    """A device with settings, and its account."""

    account: Account
    device: Device
    plant_name: str | None

    @property
    def title(self) -> str:
        """Unique id, family, name and plant, for lists."""
        names = [self.key, f"({self.device.family})"]
        if self.device.name not in (None, self.device.id):
            names.append(str(self.device.name))
        return " ".join([*names, f"of {self.plant_name or self.device.plant}"])

    @property
    def key(self) -> str:
        """The unique id as users type it."""
        return f"{self.device.id}/plant" if self.device.family == PLANT_FAMILY else self.device.id


def resolve_device(accounts: Sequence[Account], text: str | None, now: float) -> ResolvedDevice:
    """Return the device that matches `text`, or the only one if None; the error lists all devices."""
    devices = [one for account in accounts for one in _load_cache(account, now)]
    matching = _matching(devices, text)
    if not matching:
        devices = [one for account in accounts for one in _fetch_devices(account, now)]
        matching = _matching(devices, text)
    if len(matching) == 1:
        return matching[0]
    listed = "\n".join(f"  {one.title}" for one in matching or devices) or "  none"
    if text is None:
        raise ConfigError(f"specify a device:\n{listed}")
    if matching:
        raise ConfigError(f"{text[:60]!r} matches several devices; use a serial number:\n{listed}")
    hint = "; put the device before NAME=VALUE" if "=" in text else ""
    raise ConfigError(f"there is no device {text[:60]!r} with settings{hint}. Devices:\n{listed}")


def cached_devices(accounts: Sequence[Account], text: str, now: float) -> list[ResolvedDevice]:
    """Return all cached devices that match `text`, however old the cache is; nothing is sent."""
    return _matching([one for account in accounts for one in _load_cache(account, now, inf)], text)


def _matching(found: Sequence[ResolvedDevice], text: str | None) -> list[ResolvedDevice]:
    """Return the devices that match `text`; exact matches take precedence over partial ones."""
    devices = [one for one in found if one.device.family != PLANT_FAMILY]
    if text is None:
        return devices
    wanted = text.casefold()
    for matching in (
        [one for one in found if one.key.casefold() == wanted],
        [one for one in devices if (one.device.name or "").casefold() == wanted],
        [one for one in devices if wanted in {one.device.plant.casefold(), (one.plant_name or "").casefold()}],
        [
            one
            for one in devices
            if wanted and wanted in f"{one.device.id} {one.device.name} {one.plant_name}".casefold()
        ],
    ):
        if matching:
            return matching
    return []


def _cache_path(account: Account) -> Path:
    return journal_folder() / f"{create_client(account).settings_guard.store.name}.devices.json"


def _load_cache(account: Account, now: float, max_age: float = CACHE_SECONDS) -> list[ResolvedDevice]:
    try:
        cache = json.loads(_cache_path(account).read_text("utf-8"))
        if not 0 <= now - cache["at"] < max_age:
            return []
        found = [ResolvedDevice(account, Device(**one["device"]), one["plant_name"]) for one in cache["devices"]]
        # The configuration may select fewer plants since then.
        return [one for one in found if not account.plants or one.device.plant in account.plants]
    except (OSError, ValueError, TypeError, LookupError):  # an unusable cache only costs requests
        return []


def _fetch_devices(account: Account, now: float) -> list[ResolvedDevice]:
    """Fetch the devices with settings, and cache them."""
    client = create_client(account, interactive=True)

    def fetch() -> list[ResolvedDevice]:
        plants = [client.snapshot(plant) for plant in account.plants] if account.plants else client.snapshots()
        devices = []
        for one in plants:
            plant = Device(vendor=account.vendor, plant=one.plant.id, id=one.plant.id, family=PLANT_FAMILY)
            found = [*(row.device for row in one.devices), plant]
            devices += [ResolvedDevice(account, each, one.plant.name) for each in found if client.settings_of(each)]
        return devices

    found = run_in_thread(fetch)
    rows = [{"device": asdict(one.device), "plant_name": one.plant_name} for one in found]
    path = _cache_path(account)
    with suppress(OSError):  # as above; a change reports what is wrong with the folder
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"at": now, "devices": rows}), durable=False)
    return found


def settings_of(order: Order, accounts: Sequence[Account]) -> dict[str, Setting]:
    """Return the settings of an order's device by name, for units; empty if its account is no longer configured."""
    device = Device(vendor=order.vendor, plant=order.plant, id=order.device, family=order.family)
    account = next((one for one in accounts if one.vendor == order.vendor), None)
    return {} if account is None else {one.name: one for one in create_client(account).settings_of(device)}


def planned_requests(client: BaseSolarClient, device: Device, step: PlannedChange) -> list[dict[str, Any]]:
    """Return the request a change would send, or the query that must be sent first to build it; nothing is sent."""
    declared = next(one for one in operations(type(client)) if one.name == "write_setting")
    flow = declared.flow_of(client, device, step.setting.name, step.new)
    requests = []
    for call in _first_call(flow, client.session):
        route = call.endpoint.route
        fields, path = {**route.fixed, **call.fields}, route.path
        for name in [name for name in fields if f"{{{name}}}" in path]:
            path = path.replace(f"{{{name}}}", str(fields.pop(name)))
        requests.append({"call": call.endpoint.name, "verb": route.verb, "path": path, "fields": fields})
    return requests


def _first_call(flow: Any, session: Any) -> Iterator[Call[Any]]:
    if isinstance(flow, Call):
        yield flow
        return
    instruction = flow.send(None)
    while instruction is ENSURE_SESSION:
        instruction = flow.send(session)
    yield from _first_call(instruction, session)
    flow.close()
