"""Settings by MQTT: reads the settings of devices whose account may be written, and carries out commands.

Every change takes the path of `heliograph settings set`: checked, recorded, sent once and read back. The state of a
setting is what was read back, and unknown from sending until then.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core.effects import run_on_thread
from heliograph.errors import ConfigError, HeliographError, RequestRefused, StoreError, Throttled
from heliograph.eventlog import LogEvent
from heliograph.model import Device
from heliograph.outputs.mqtt import commands
from heliograph.outputs.mqtt.controls import control_entities, controls_of, parse_settings_message, settings_message
from heliograph.settings.models import ChangeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from heliograph.current import PlantState
    from heliograph.local_time import Clock
    from heliograph.outputs.mqtt.commands import Command, Outcome
    from heliograph.outputs.mqtt.controls import Control
    from heliograph.outputs.mqtt.discovery import HaEntity
    from heliograph.outputs.mqtt.topics import Topics
    from heliograph.settings.api import AsyncOrders
    from heliograph.settings.definition import Values
    from heliograph.settings.models import Order
    from heliograph.settings.plan import Plan, SettingsSnapshot
    from heliograph.store.base import Series

READ_SECONDS = 6 * 3600.0
"""Seconds between two reads of a device's settings; each costs a request or two."""
UNSETTLED_SECONDS = 900.0
"""The same while a change is not final: clouds show a change up to a quarter of an hour late."""
RETRY_SECONDS = 900.0
"""Seconds after a failed read."""
SNAPSHOT_SECONDS = 900.0
"""Seconds for which a read answers commands that repeat the present value, so that they cost no request."""
GATHER_SECONDS = 1.0
"""Seconds after a command in which further ones are gathered, so that one write changes a window's start and end."""
MAX_WAITING = 50
"""Commands that may wait for one device."""
MAX_RESULTS = 500
"""Results that are stored while the broker is away."""

_PLANT_FAMILY = "plant"
"""The device family of a plant's own settings."""

_log = logging.getLogger(__name__)


class WritableAccount(NamedTuple):
    """An account whose settings may be changed."""

    name: str
    vendor: str
    orders: AsyncOrders
    plants: tuple[str, ...] = ()
    """Its configured plants; empty for all."""


class ResultMessage(NamedTuple):
    """A result to publish; it is not retained."""

    topic: str
    payload: str


@dataclass(slots=True, eq=False)
class ControlledDevice:
    """One device or plant with settings: what was read, and the commands that wait for it."""

    series: Series
    device: Device
    orders: AsyncOrders
    controls: tuple[Control, ...]
    values: Mapping[str, Values | None] = field(default_factory=dict)
    """The settings as last read back, None while unknown."""
    read_at: float | None = None
    next_read: float = 0.0
    snapshot: SettingsSnapshot | None = None
    waiting: list[Command] = field(default_factory=list)
    unsettled: dict[str, list[Command]] = field(default_factory=dict)
    """Commands whose result is not final, by the id of their order."""
    task: asyncio.Task[None] | None = None


class CommandTarget(NamedTuple):
    """The setting that a command topic changes; `device` None for a topic of no setting that may be written."""

    device: ControlledDevice | None
    setting: str = ""
    parameter: str = ""


class SettingsControl:
    """Reads and changes the settings of all devices; lives as long as the program, across connections."""

    def __init__(self, topics: Topics, accounts: Sequence[WritableAccount], clock: Clock, stop: asyncio.Event) -> None:
        self.results: deque[ResultMessage] = deque(maxlen=MAX_RESULTS)
        """Results to publish, the oldest first."""
        self.changed: Callable[[], None] = lambda: None
        """Called when there is something to publish."""
        self._topics = topics
        self._accounts = accounts
        self._clock = clock
        self._stop = stop
        self._devices: Mapping[Series, ControlledDevice] = {}
        self._by_topic: Mapping[str, CommandTarget] = {}
        self._retained: Mapping[str, str] = {}
        self._ready = False
        """Whether the devices are known."""

    def restore(self, retained: Mapping[str, str]) -> None:
        """Take over what was read before a restart from the retained messages, so that a restart costs no request."""
        self._retained = retained

    def update(self, plants: Iterable[PlantState]) -> Mapping[Series, Sequence[HaEntity]]:
        """Note which devices there are, and return the entities of their settings; reads files: call it on a thread."""
        devices: dict[Series, ControlledDevice] = {}
        for plant, series, family in _series_of(plants):
            account = next((one for one in self._accounts if _owns(one, plant, self._accounts)), None)
            if account is None:
                continue
            known = self._devices.get(series)
            if known is None or known.device.family != family:
                device = Device(vendor=series.vendor, plant=series.plant, id=series[2] or series.plant, family=family)
                known = ControlledDevice(series, device, account.orders, _controls(account.orders, device))
                self._take_over(known)
            devices[series] = known
        self._by_topic = dict(found for one in devices.values() for found in _topics_of(self._topics, one))
        self._devices, self._ready = devices, True
        return {
            series: control_entities(self._topics, series, one.controls, one.orders.executor.permissions)
            for series, one in devices.items()
        }

    def states(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield topic and settings message of every device."""
        for one in self._devices.values():
            if one.controls:
                yield self._topics.settings(one.series), settings_message(one.controls, one.values, one.read_at)

    def receive(self, topic: str, payload: bytes, ignore: str = "") -> None:
        """Take a command from the broker; with `ignore`, only log why it is not carried out."""
        if not self._ready:
            ignore = ignore or "the settings are not known yet"
        if ignore:
            _log.warning(LogEvent("settings.command.ignored", topic=topic[:200], why=ignore))
            return
        now = self._clock.now()
        one, setting, parameter = self._by_topic.get(topic, CommandTarget(None))
        if len(payload) > commands.MAX_PAYLOAD:
            self._report(commands.Command(topic=topic, setting=setting), "refused", "the command is too long")
            return
        try:
            command = commands.parse_command(topic, payload.decode("utf-8", "replace"), setting, parameter)
        except ValueError as error:
            self._report(commands.Command(topic=topic, setting=setting), "refused", str(error))
            return
        if stale := command.staleness(now):
            _log.warning(LogEvent("settings.command.ignored", topic=topic[:200], why=stale))
            self._report(command, "ignored", stale)
        elif one is None:
            why = "no setting that may be written has this topic: check device and setting, and writes of the account"
            self._report(command, "refused", why)
        elif len(one.waiting) >= MAX_WAITING:
            self._report(command, "refused", f"{MAX_WAITING} commands for this device are waiting already")
        else:
            one.waiting.append(command)
            self._start(one)

    def start_due(self) -> None:
        """Start the reads that are due."""
        for one in self._devices.values():
            if one.controls and self._clock.now() >= one.next_read:
                self._start(one)

    async def close(self) -> None:
        """End all reads and commands; the journal has what was sent, and a later read finds its result."""
        tasks = [one.task for one in self._devices.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_over(self, one: ControlledDevice) -> None:
        payload = self._retained.get(self._topics.settings(one.series))
        found = parse_settings_message(one.controls, payload) if payload else None
        if found is not None and 0 <= self._clock.now() - found[0] < READ_SECONDS:
            one.read_at, one.values = found
            one.next_read = one.read_at + READ_SECONDS

    def _start(self, one: ControlledDevice) -> None:
        if one.task is None or one.task.done():
            one.task = asyncio.create_task(self._work(one))

    async def _work(self, one: ControlledDevice) -> None:
        """Carry out the waiting commands and the read that is due."""
        while not self._stop.is_set():
            try:
                if one.waiting:
                    await self._clock.wait(self._clock.now() + GATHER_SECONDS, self._stop)
                    taken, one.waiting = one.waiting, []
                    await self._carry_out(one, taken)
                elif self._clock.now() >= one.next_read:
                    await self._read(one)
                else:
                    return
            except Exception:  # noqa: BLE001 - a fault must not end the publishing of values
                one.next_read = self._clock.now() + RETRY_SECONDS
                _log.exception(LogEvent("internal.error", service="settings by MQTT"))

    async def _read(self, one: ControlledDevice) -> None:
        """Read the settings of a device; a failure is logged and retried later."""
        try:
            await self._look(one)
        except HeliographError as error:
            wait = max(error.retry_after if isinstance(error, Throttled) else 0.0, RETRY_SECONDS)
            one.next_read = self._clock.now() + wait
            _log.warning(LogEvent("settings.read.failed", device=one.device.id, why=str(error)))
        self.changed()

    async def _look(self, one: ControlledDevice) -> SettingsSnapshot:
        """Read a device, and report the results that have become final."""
        snapshot = await one.orders.look(one.device)
        one.controls = await run_on_thread(lambda: _controls(one.orders, one.device))
        open_settings = {
            change.setting for order in snapshot.open_orders for change in order.changes if not change.final
        }
        one.values = {name: None if name in open_settings else values for name, values in snapshot.reported.items()}
        one.snapshot, one.read_at = snapshot, snapshot.at
        one.next_read = snapshot.at + (UNSETTLED_SECONDS if open_settings else READ_SECONDS)
        for order in snapshot.orders:
            if order.id in one.unsettled and not order.open:
                self._report_order(one.unsettled.pop(order.id), order)
        return snapshot

    async def _carry_out(self, one: ControlledDevice, received: Sequence[Command]) -> None:
        wanted, current, replaced = _merge(received)
        self._report_all(replaced, "refused", "a later command for the same value arrived before it was sent")
        try:
            plan, refusals = await self._plan(one, wanted)
        except HeliographError as error:
            self._report_all(current, "refused", f"nothing was sent: {error}")
            return
        accepted = [command for command in current if command.setting not in refusals]
        for command in current:
            if command.setting in refusals:
                self._report(command, "refused", refusals[command.setting])
        if plan is not None:
            await self._send(one, plan, accepted)

    async def _plan(
        self, one: ControlledDevice, wanted: Mapping[str, Mapping[str, Any]]
    ) -> tuple[Plan | None, dict[str, str]]:
        """Return the plan of the possible changes, and why others are refused, by setting."""
        orders, now, known = one.orders, self._clock.now(), one.snapshot
        if known is not None and now - known.at <= SNAPSHOT_SECONDS:
            plan, refusals = await run_on_thread(lambda: _plan(orders, known, wanted))
            if plan is None or not plan.steps:
                return plan, refusals
        # Before anything is read, so that a fault in an automation does not use up the account's requests.
        recorded = await orders.log_async(one.device.id)
        orders.executor.permissions.check_write_limit(recorded, one.device.id, 1, now, one.device.vendor)
        snapshot = await self._look(one)
        return await run_on_thread(lambda: _plan(orders, snapshot, wanted))

    async def _send(self, one: ControlledDevice, plan: Plan, accepted: Sequence[Command]) -> None:
        names = {step.setting.name for step in plan.steps}
        if names:
            one.values, one.snapshot = {**one.values, **dict.fromkeys(names)}, None
            self.changed()
        try:
            order = await one.orders.carry(plan)
        except HeliographError as error:
            unsent = isinstance(error, ConfigError | StoreError | Throttled | RequestRefused)
            if unsent:
                one.values = {**one.values, **{name: plan.snapshot.reported.get(name) for name in names}}
            else:
                one.next_read = self._clock.now() + UNSETTLED_SECONDS
            self._report_all(accepted, "refused" if unsent else "unknown", str(error))
            return
        if order is not None:
            one.values = {**one.values, **_read_back(order, plan.snapshot)}
            one.read_at = self._clock.now()
            if order.open:
                one.next_read = self._clock.now() + UNSETTLED_SECONDS
                one.unsettled[order.id] = [one for one in accepted if one.setting in names]
        self._report_order(accepted, order)

    def _report_order(self, accepted: Iterable[Command], order: Order | None) -> None:
        changes = {} if order is None else {change.setting: change for change in order.changes}
        for command in accepted:
            outcome, reason = commands.outcome_of_change(changes.get(command.setting))
            self._report(command, outcome, reason, None if order is None else order.id)

    def _report_all(self, received: Iterable[Command], outcome: Outcome, reason: str) -> None:
        for command in received:
            self._report(command, outcome, reason)

    def _report(self, command: Command, outcome: Outcome, reason: str, order: str | None = None) -> None:
        """Log a result and store it for publishing."""
        level = logging.INFO if outcome in {"applied", "pending"} else logging.WARNING
        facts = {"setting": command.setting, "outcome": outcome, "order": order, "why": reason}
        _log.log(level, LogEvent("settings.command", topic=command.topic[:200], **facts))
        text = commands.result_message(command, outcome, reason, self._clock.now(), order=order)
        self.results.append(ResultMessage(self._topics.result(command.topic), text))
        self.changed()


def _topics_of(topics: Topics, one: ControlledDevice) -> Iterator[tuple[str, CommandTarget]]:
    """Yield the command topics of a device: one for each parameter, and one for each setting as a whole."""
    for control in one.controls:
        setting, parameter = control.setting.name, control.parameter.name
        yield topics.command(one.series, setting, parameter), CommandTarget(one, setting, parameter)
        yield topics.command(one.series, setting), CommandTarget(one, setting)


def _series_of(plants: Iterable[PlantState]) -> Iterator[tuple[PlantState, Series, str]]:
    """Yield every plant and device that may have settings, with its family."""
    for plant in plants:
        yield plant, plant.series, _PLANT_FAMILY
        for device in plant.devices:
            if device.family:
                yield plant, device.series, device.family


def _owns(account: WritableAccount, plant: PlantState, accounts: Sequence[WritableAccount]) -> bool:
    """Return True if the account polls the plant; without a stored account, if it is the only one of its vendor."""
    if account.vendor != plant.series.vendor or (account.plants and plant.series.plant not in account.plants):
        return False
    if plant.account is not None:
        return account.name == plant.account
    return sum(one.vendor == account.vendor for one in accounts) == 1


def _controls(orders: AsyncOrders, device: Device) -> tuple[Control, ...]:
    return controls_of(orders.client.settings_of(device), orders.executor.permissions)


def _merge(received: Sequence[Command]) -> tuple[dict[str, dict[str, Any]], list[Command], list[Command]]:
    """Return the wanted parameters by setting, the commands that they come from, and those that others replaced."""
    wanted: dict[str, dict[str, Any]] = {}
    sources: dict[tuple[str, str], int] = {}
    for number, command in enumerate(received):
        value = command.value
        for name, one in (value if isinstance(value, Mapping) else {command.parameter or "value": value}).items():
            wanted.setdefault(command.setting, {})[name] = one
            sources[command.setting, name] = number
    current = set(sources.values())
    return (
        wanted,
        [command for number, command in enumerate(received) if number in current],
        [command for number, command in enumerate(received) if number not in current],
    )


def _plan(
    orders: AsyncOrders, snapshot: SettingsSnapshot, wanted: Mapping[str, Mapping[str, Any]]
) -> tuple[Plan | None, dict[str, str]]:
    """Return the plan of all wanted settings together, or of those that are possible one after the other."""
    executor = orders.executor
    try:
        return executor.plan_from(snapshot, wanted), {}
    except ConfigError as error:
        if len(wanted) == 1:
            return None, dict.fromkeys(wanted, str(error))
    plan, accepted, refusals = None, dict[str, Mapping[str, Any]](), dict[str, str]()
    for name, values in wanted.items():
        try:
            plan = executor.plan_from(snapshot, {**accepted, name: values})
        except ConfigError as error:
            refusals[name] = str(error)
        else:
            accepted[name] = values
    return plan, refusals


def _read_back(order: Order, snapshot: SettingsSnapshot) -> dict[str, Values | None]:
    """Return the settings of an order as read back; None while the result is not final."""
    values: dict[str, Values | None] = {}
    for change in order.changes:
        if change.state is ChangeState.UNSENT:
            values.setdefault(change.setting, snapshot.reported.get(change.setting))
        else:
            values[change.setting] = change.read if change.final else None
    return values
