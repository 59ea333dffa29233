"""Orders as calls, blocking and awaited: both carry the same road through one client."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from heliograph.errors import ConfigError, HeliographError, Throttled
from heliograph.local_time import Clock
from heliograph.settings import models, undo
from heliograph.settings.executor import LOCK_TIMEOUT, READ_BACK_DELAYS, OrderExecutor
from heliograph.settings.journal import Journal
from heliograph.settings.models import OrderKind
from heliograph.settings.permissions import WRITES_PER_DAY, Permissions
from heliograph.settings.plan import Actor, Delay, ReadSettings, WriteSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from heliograph.keeper import Budget
    from heliograph.model import Device
    from heliograph.settings.definition import Value
    from heliograph.settings.models import Order
    from heliograph.settings.plan import Instruction, OrderFlow, Plan, SettingsSnapshot
    from heliograph.settings.schedule import Schedule


T = TypeVar("T")


def journal_folder() -> Path:
    """Return where the journals of this user are."""
    from heliograph.core.files import data_folder  # noqa: PLC0415 - who brings a journal needs none

    return data_folder(os.environ) / "orders"


def current_user() -> str:
    """Return the name of the user of this machine, for the journal."""
    from getpass import getuser  # noqa: PLC0415 - only who orders is asked

    try:
        return getuser()
    except (KeyError, OSError, ImportError):  # a container may give its user no name
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _room(client: Any, requests: int) -> None:
    """Raise when the account's budget does not hold so many requests more; a client that is not kept has none."""
    if getattr(client, "_guard", None) is None:
        return
    budget: Budget = client.budget
    limit, _ = client.gate.limits.of(interactive=client.gate.interactive)
    if budget.requests_used + requests > limit:
        spent = Throttled(
            f"this order needs {requests} requests, and {budget.requests_used} of {limit} of 24 hours are used",
            advice="Nothing was sent. Try again when more of the day has passed",
        )
        spent.retry_after = max(client.free_at(requests) - client.gate.clock(), 0.0)
        raise spent


class BaseOrders:
    """What both forms have in common: whose orders these are, and the road they take."""

    def __init__(
        self,
        client: Any,
        *,
        writes: Literal[True] | Collection[str] = True,
        grid_code: bool = False,
        writes_per_day: int = WRITES_PER_DAY,
        permissions: Permissions | None = None,
        account: str = "",
        program: str = "",
        journal: Journal | None = None,
        clock: Clock | None = None,
        read_back_delays: tuple[float, ...] = READ_BACK_DELAYS,
        lock_timeout: float = LOCK_TIMEOUT,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Make a desk for one client; nothing is sent or written before the first call.

        The client has to be made with `allow_commands=True` to order anything: before anything is written down every
        order of another one is refused, while it may look and plan. `writes` are the settings that may be
        written, `grid_code` allows those of the grid code as well, `writes_per_day` spares the devices' memory;
        `rights` are all three at once. The journal is that of the client's account in this user's folder unless
        another one is given. `read_back` are the seconds between the looks after an order, `patience` those to wait
        for another program's order to the same device, and `progress` is told what is waited for.
        """
        self.client = client
        self.clock = clock or Clock()
        permissions = permissions or Permissions(writes=writes, grid_code=grid_code, writes_per_day=writes_per_day)
        permissions = replace(permissions, commands=client.allow_commands)
        whose = Actor(account, current_user(), program or Path(sys.argv[0] or "python").name)
        self.executor = OrderExecutor(
            journal or Journal(journal_folder(), client.gate.state_file.name),
            permissions,
            whose,
            client.settings_of,
            self.clock.now,
            check_quota=lambda requests: _room(client, requests),
            read_back_delays=read_back_delays,
            lock_timeout=lock_timeout,
            progress=progress,
        )

    @property
    def journal(self) -> Journal:
        """The account's journal."""
        return self.executor.journal

    def log(self, device: str | None = None) -> tuple[Order, ...]:
        """Return every order of the account, or of one device, the first one first; nothing is sent."""
        return tuple(one for one in self.journal.read().orders.values() if device in (None, one.device))

    def curtailments(self) -> tuple[Order, ...]:
        """Return the curtailments that are not over; nothing is sent."""
        return models.open_curtailments(self.log())

    def _order(self, order: str) -> Order:
        known = self.journal.read().orders
        if order not in known:
            raise ConfigError(f"there is no order {order[:40]!r}; heliograph settings log lists all that were given")
        return known[order]

    # What each call does, as steps; both forms below carry them.

    def _set(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> OrderFlow[Order | None]:
        return (yield from self.executor.execute((yield from self.executor.plan(device, wanted))))

    def _planned_undo(self, device: Device | None, order: str | None) -> OrderFlow[Plan]:
        if order is None and device is None:
            raise ConfigError("say which order to take back, or the last one of which device")
        found = (
            self._order(order) if order is not None else models.latest_active(self.log(device.id if device else None))
        )
        return (yield from undo.plan_undo(self.executor, found))

    def _carried(self, plan: Plan) -> OrderFlow[Order | None]:
        order = yield from self.executor.execute(plan)
        if order is None and plan.undoes is not None:
            undone = self._order(plan.undoes)
            if undone in self.curtailments():
                self.journal.record_release(undone, self.clock.now(), "its device has the old value")
        self._tidy()
        return order

    def _undone(self, device: Device | None, order: str | None) -> OrderFlow[Order | None]:
        return (yield from self._carried((yield from self._planned_undo(device, order))))

    def _planned_curtail(
        self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]], until: datetime
    ) -> OrderFlow[Plan]:
        if until.tzinfo is None or until.timestamp() <= self.clock.now():
            raise ConfigError("a curtailment needs an end that is still to come, as a moment with its zone")
        sight = yield from self.executor.refresh(device)
        limited = sight.curtailed
        if already := next((limited[name] for name in wanted if name in limited), None):
            raise ConfigError(f"it is curtailed already, by order {already.id}; take that back first")
        plan = self.executor.plan_from(sight, wanted, kind=OrderKind.CURTAIL, until=until.timestamp())
        if plan.notes:
            raise ConfigError(f"it could not be restored: {plan.notes[0]}")
        return plan

    def _curtailed(
        self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]], until: datetime
    ) -> OrderFlow[Order | None]:
        return (yield from self._carried((yield from self._planned_curtail(device, wanted, until))))

    def _restored(self, order: Order) -> OrderFlow[Order | None]:
        done = yield from undo.restore_curtailment(self.executor, order)
        self._tidy()
        return done

    def due(self) -> tuple[Order, ...]:
        """Return the curtailments to be ended now; nothing is sent."""
        return models.due_curtailments(self.log(), self.clock.now()) if self.journal.marker.exists() else ()

    def unsettled(self, device: str | None = None) -> tuple[Order, ...]:
        """Return the orders of which it is not known what became of them; nothing is sent."""
        return tuple(order for order in self.log(device) if order.open)

    def _tidy(self) -> None:
        """Take the mark away once no curtailment is open; one may be among what a damaged journal does not tell."""
        if self.journal.marker.exists():
            book = self.journal.read()
            if not book.incomplete and not models.open_curtailments(book.orders.values()):
                self.journal.marker.unlink(missing_ok=True)


class Orders(BaseOrders):
    """Orders through a blocking client."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open between calls."""

    def _carry(self, steps: OrderFlow[T]) -> T:
        with closing(steps):
            outcome: Any = None
            try:
                while True:
                    step: Instruction = (
                        steps.throw(outcome) if isinstance(outcome, HeliographError) else steps.send(outcome)
                    )
                    try:
                        outcome = self._do(step)
                    except HeliographError as error:
                        outcome = error
            except StopIteration as done:
                result: T = done.value
                return result

    def _do(self, step: Instruction) -> Any:
        match step:
            case Delay(seconds):
                return self.clock.sleep(seconds)
            case ReadSettings(device):
                return self.client.read_settings(device)
            case WriteSetting(device, setting, values):
                return self.client.write_setting(device, setting, values)

    def look(self, device: Device) -> SettingsSnapshot:
        """Read a device; what is open of its orders is judged by that."""
        return self._carry(self.executor.refresh(device))

    def plan(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> Plan:
        """Return what would be sent; nothing is."""
        return self._carry(self.executor.plan(device, wanted))

    def schedule(self, device: Device) -> Schedule:
        """Return the schedule a device has."""
        return schedule_of(self.look(device))

    def carry(self, plan: Plan) -> Order | None:
        """Send what a plan differs in and see what becomes of it; None where the device has it already."""
        return self._carry(self._carried(plan))

    def set(self, device: Device, setting: str, value: Value | Mapping[str, Value]) -> Order | None:
        """Change one setting; None where the device has it already."""
        return self._carry(self._set(device, {setting: value}))

    def set_all(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> Order | None:
        """Change several settings as one order; what the device has already is not sent."""
        return self._carry(self._set(device, wanted))

    def plan_undo(self, device: Device | None = None, *, order: str | None = None) -> Plan:
        """Return what would take an order back, or the last one of a device; nothing is sent."""
        return self._carry(self._planned_undo(device, order))

    def undo(self, device: Device | None = None, *, order: str | None = None) -> Order | None:
        """Take an order back, or the last one of a device."""
        return self._carry(self._undone(device, order))

    def plan_curtail(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]], until: datetime) -> Plan:
        """Return what would curtail a device; nothing is sent."""
        return self._carry(self._planned_curtail(device, wanted, until))

    def curtail(
        self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]], until: datetime
    ) -> Order | None:
        """Change settings until a moment; then `restore`, or any program of Heliograph, puts the old ones back."""
        return self._carry(self._curtailed(device, wanted, until))

    def restore(self, order: Order) -> Order | None:
        """End one curtailment now; None where nothing had to be sent."""
        return self._carry(self._restored(order))


class AsyncOrders(BaseOrders):
    """Orders through an async client: the same calls, awaited."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing stays open between calls."""

    async def _carry(self, steps: OrderFlow[T]) -> T:
        with closing(steps):
            outcome: Any = None
            try:
                while True:
                    step: Instruction = (
                        steps.throw(outcome) if isinstance(outcome, HeliographError) else steps.send(outcome)
                    )
                    try:
                        outcome = await self._do(step)
                    except HeliographError as error:
                        outcome = error
            except StopIteration as done:
                result: T = done.value
                return result

    async def _do(self, step: Instruction) -> Any:
        match step:
            case Delay(seconds):
                return await self.clock.async_sleep(seconds)
            case ReadSettings(device):
                return await self.client.read_settings(device)
            case WriteSetting(device, setting, values):
                return await self.client.write_setting(device, setting, values)

    async def look(self, device: Device) -> SettingsSnapshot:
        """Read a device; what is open of its orders is judged by that."""
        return await self._carry(self.executor.refresh(device))

    async def plan(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> Plan:
        """Return what would be sent; nothing is."""
        return await self._carry(self.executor.plan(device, wanted))

    async def schedule(self, device: Device) -> Schedule:
        """Return the schedule a device has."""
        return schedule_of(await self.look(device))

    async def carry(self, plan: Plan) -> Order | None:
        """Send what a plan differs in and see what becomes of it; None where the device has it already."""
        return await self._carry(self._carried(plan))

    async def set(self, device: Device, setting: str, value: Value | Mapping[str, Value]) -> Order | None:
        """Change one setting; None where the device has it already."""
        return await self._carry(self._set(device, {setting: value}))

    async def set_all(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> Order | None:
        """Change several settings as one order; what the device has already is not sent."""
        return await self._carry(self._set(device, wanted))

    async def plan_undo(self, device: Device | None = None, *, order: str | None = None) -> Plan:
        """Return what would take an order back, or the last one of a device; nothing is sent."""
        return await self._carry(self._planned_undo(device, order))

    async def undo(self, device: Device | None = None, *, order: str | None = None) -> Order | None:
        """Take an order back, or the last one of a device."""
        return await self._carry(self._undone(device, order))

    async def plan_curtail(
        self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]], until: datetime
    ) -> Plan:
        """Return what would curtail a device; nothing is sent."""
        return await self._carry(self._planned_curtail(device, wanted, until))

    async def curtail(
        self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]], until: datetime
    ) -> Order | None:
        """Change settings until a moment; then `restore`, or any program of Heliograph, puts the old ones back."""
        return await self._carry(self._curtailed(device, wanted, until))

    async def restore(self, order: Order) -> Order | None:
        """End one curtailment now; None where nothing had to be sent."""
        return await self._carry(self._restored(order))


def schedule_of(sight: SettingsSnapshot) -> Schedule:
    """Return the schedule of a device as it was seen."""
    from heliograph.settings.schedule import from_settings  # noqa: PLC0415 - few orders are schedules

    return from_settings(sight.reported, tuple(sight.settings.values()))
