"""The public API for setting changes: `Orders` for a blocking client, `AsyncOrders` for an async one.

Each call is declared once, as a generator (an `OrderFlow`) that yields instructions; the two classes only differ in how
they execute them.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from heliograph.core.effects import run_on_thread, run_steps_on_threads
from heliograph.core.endpoint import AsyncClientBase, Operation, SyncClientBase
from heliograph.errors import ConfigError, HeliographError, Throttled
from heliograph.local_time import Clock
from heliograph.settings import undo
from heliograph.settings.executor import LOCK_TIMEOUT, READ_BACK_DELAYS, OrderExecutor
from heliograph.settings.journal import Journal
from heliograph.settings.models import OrderKind, due_curtailments, latest_active, open_curtailments
from heliograph.settings.permissions import WRITES_PER_DAY, Permissions
from heliograph.settings.plan import Actor, Delay, ReadSettings, WriteSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from heliograph.core.endpoint import Flow
    from heliograph.keeper import Budget
    from heliograph.model import Device
    from heliograph.settings.definition import Value
    from heliograph.settings.models import Order
    from heliograph.settings.plan import Instruction, OrderFlow, Plan, SettingsSnapshot
    from heliograph.settings.schedule import Schedule
    from heliograph.vendors.base import AsyncSolarClient, SolarClient

    Wanted = Mapping[str, Value | Mapping[str, Value]]
    Curtailment = Wanted | Callable[[SettingsSnapshot], Wanted]

P = ParamSpec("P")
T = TypeVar("T")


class OrdersCall(Operation[P, T]):
    """A call declared once as an `OrderFlow`: a blocking method of `Orders`, a coroutine method of `AsyncOrders`."""

    def __init__(self, function: Callable[Concatenate[Any, P], OrderFlow[T]]) -> None:
        super().__init__(function, function.__annotations__["return"].removeprefix("OrderFlow[").removesuffix("]"))

    def flow_of(self, client: Any, *args: P.args, **kwargs: P.kwargs) -> OrderFlow[T]:
        flow: OrderFlow[T] = self.function(client, *args, **kwargs)
        return flow


class BaseOrders:
    """All calls of `Orders` and `AsyncOrders`, declared once."""

    def __init__(
        self,
        client: SolarClient | AsyncSolarClient,
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
        """Manage the setting changes of one client; nothing is sent or recorded before the first call.

        The client must be created with `allow_commands=True`; otherwise reading and planning work, and every change is
        refused before it is recorded.

        `writes` are the settings that may be written, `grid_code` also allows grid-code settings, and `writes_per_day`
        protects the devices' memory; `permissions` replaces all three. `account` and `program` are recorded in the
        journal. `journal` defaults to the one of the client's account in this user's data folder. `read_back_delays`
        are the seconds before each read-back, `lock_timeout` limits the wait for another program's change of the same
        device, and `progress` is called with a text before each wait.
        """
        self.client = client
        self.clock = clock or Clock()
        permissions = permissions or Permissions(writes=writes, grid_code=grid_code, writes_per_day=writes_per_day)
        self.executor = OrderExecutor(
            journal or Journal(journal_folder(), client.settings_guard.store.name),
            replace(permissions, allow_commands=client.allow_commands),
            Actor(account, current_user(), program or Path(sys.argv[0] or "python").name),
            client.settings_of,
            self.clock.now,
            check_quota=self._check_quota,
            read_back_delays=read_back_delays,
            lock_timeout=lock_timeout,
            progress=progress,
        )

    @property
    def journal(self) -> Journal:
        """The account's journal."""
        return self.executor.journal

    def log(self, device: str | None = None) -> tuple[Order, ...]:
        """Return all orders of the account or of one device, oldest first; nothing is sent."""
        return tuple(one for one in self.journal.read().orders.values() if device in (None, one.device))

    def curtailments(self) -> tuple[Order, ...]:
        """Return the curtailments that have not ended; nothing is sent."""
        return open_curtailments(self.log())

    def due(self) -> tuple[Order, ...]:
        """Return the curtailments to end now; nothing is sent."""
        return due_curtailments(self.log(), self.clock.now()) if self.journal.marker.exists() else ()

    def unsettled(self, device: str | None = None) -> tuple[Order, ...]:
        """Return the orders whose result is not final; nothing is sent."""
        return tuple(order for order in self.log(device) if order.open)

    @OrdersCall
    def look(self, device: Device) -> OrderFlow[SettingsSnapshot]:
        """Read the settings of a device, and update the states of its open orders."""
        return self.executor.refresh(device)

    @OrdersCall
    def plan(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> OrderFlow[Plan]:
        """Return the changes that would be sent; nothing is sent."""
        return self.executor.plan(device, wanted)

    @OrdersCall
    def schedule(self, device: Device) -> OrderFlow[Schedule]:
        """Read the schedule of a device."""
        return schedule_of((yield from self.executor.refresh(device)))

    @OrdersCall
    def carry(self, plan: Plan) -> OrderFlow[Order | None]:
        """Send the changes of a plan and read back the result; None if the device already has the values."""
        return self._execute(plan)

    @OrdersCall
    def set(self, device: Device, setting: str, value: Value | Mapping[str, Value]) -> OrderFlow[Order | None]:
        """Change one setting; None if the device already has the value."""
        return (yield from self.executor.execute((yield from self.executor.plan(device, {setting: value}))))

    @OrdersCall
    def set_all(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> OrderFlow[Order | None]:
        """Change several settings as one order; values that the device already has are not sent."""
        return (yield from self.executor.execute((yield from self.executor.plan(device, wanted))))

    @OrdersCall
    def plan_undo(self, device: Device | None = None, *, order: str | None = None) -> OrderFlow[Plan]:
        """Return the plan that undoes an order, or the latest one of a device; nothing is sent."""
        return self._plan_undo(device, order)

    @OrdersCall
    def undo(self, device: Device | None = None, *, order: str | None = None) -> OrderFlow[Order | None]:
        """Undo an order, or the latest one of a device."""
        return (yield from self._execute((yield from self._plan_undo(device, order))))

    @OrdersCall
    def plan_curtail(self, device: Device, wanted: Curtailment, until: datetime) -> OrderFlow[Plan]:
        """Return the plan of a curtailment; nothing is sent. A function gets the settings that were read."""
        return self._plan_curtail(device, wanted, until)

    @OrdersCall
    def curtail(self, device: Device, wanted: Curtailment, until: datetime) -> OrderFlow[Order | None]:
        """Change settings until a given time; then `restore`, or any Heliograph program, restores the old values.

        A function gets the settings that were read, and returns the wanted ones.
        """
        return (yield from self._execute((yield from self._plan_curtail(device, wanted, until))))

    @OrdersCall
    def restore(self, order: Order) -> OrderFlow[Order | None]:
        """End a curtailment now; None if nothing had to be sent."""
        restored = yield from undo.restore_curtailment(self.executor, order)
        self._remove_stale_marker()
        return restored

    def _plan_undo(self, device: Device | None, order: str | None) -> OrderFlow[Plan]:
        if order is not None:
            found = self._find_order(order)
        elif device is not None:
            found = latest_active(self.log(device.id))
        else:
            raise ConfigError("specify the change to undo, or a device to undo its latest change")
        return (yield from undo.plan_undo(self.executor, found))

    def _plan_curtail(self, device: Device, wanted: Curtailment, until: datetime) -> OrderFlow[Plan]:
        if until.tzinfo is None or until.timestamp() <= self.clock.now():
            raise ConfigError("the end of a curtailment must be in the future and have a time zone")
        snapshot = yield from self.executor.refresh(device)
        if callable(wanted):
            wanted = wanted(snapshot)
        if name := next((name for name in wanted if name in snapshot.curtailed), None):
            raise ConfigError(f"{name} is already curtailed by change {snapshot.curtailed[name].id}; undo that first")
        plan = self.executor.plan_from(snapshot, wanted, kind=OrderKind.CURTAIL, until=until.timestamp())
        if plan.notes:
            raise ConfigError(f"it could not be restored: {plan.notes[0]}")
        return plan

    def _execute(self, plan: Plan) -> OrderFlow[Order | None]:
        order = yield from self.executor.execute(plan)
        if order is None and plan.undoes is not None:
            undone = self._find_order(plan.undoes)
            if undone in self.curtailments():
                self.journal.record_release(undone, self.clock.now(), "the device has the old value")
        self._remove_stale_marker()
        return order

    def _find_order(self, order: str) -> Order:
        orders = self.journal.read().orders
        if order not in orders:
            raise ConfigError(f"there is no change {order[:40]!r}; heliograph settings log lists all changes")
        return orders[order]

    def _remove_stale_marker(self) -> None:
        """Remove the marker if no curtailment is open; a damaged journal may hide one."""
        if self.journal.marker.exists():
            contents = self.journal.read()
            if not contents.incomplete and not open_curtailments(contents.orders.values()):
                self.journal.marker.unlink(missing_ok=True)

    def _check_quota(self, requests: int) -> None:
        """Raise `Throttled` if the account's budget does not allow `requests` more requests."""
        client = self.client
        if getattr(client, "_guard", None) is None:
            return  # The client has no keeper and so no budget.
        guard = client.settings_guard
        budget: Budget = guard.budget()
        limit = guard.limits.usable_requests(interactive=guard.interactive)
        if budget.requests_used + requests > limit:
            error = Throttled(
                f"this change needs {requests} requests; {budget.requests_used} of {limit} in 24 hours are used",
                advice="Nothing was sent. Try again later",
            )
            error.retry_after = max(guard.available_at(requests) - guard.clock(), 0.0)
            raise error

    def _perform(self, instruction: Instruction) -> Any:
        """Execute an instruction; with an async client the result is awaitable."""
        match instruction:
            case Delay(seconds):
                return self._sleep(seconds)
            case ReadSettings(device):
                return self.client.read_settings(device)
            case WriteSetting(device, setting, values):
                return self.client.write_setting(device, setting, values)

    def _sleep(self, seconds: float) -> Any:
        raise NotImplementedError


class Orders(BaseOrders, SyncClientBase):
    """Setting changes through a blocking client."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """No-op: nothing stays open between calls."""

    def _sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def perform(self, start: Callable[[], Flow[T]]) -> T:
        flow: OrderFlow[T] = start()  # type: ignore[assignment]
        with closing(flow):
            result: Any = None
            try:
                while True:
                    instruction = _resume(flow, result)
                    try:
                        result = self._perform(instruction)
                    except HeliographError as error:
                        result = error
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]


class AsyncOrders(BaseOrders, AsyncClientBase):
    """Setting changes through an async client: the same calls, awaited."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """No-op: nothing stays open between calls."""

    async def _sleep(self, seconds: float) -> None:
        await self.clock.async_sleep(seconds)

    async def perform(self, start: Callable[[], Flow[T]]) -> T:
        flow: OrderFlow[T] = start()  # type: ignore[assignment]
        # Each step of the flow reads or writes the journal.
        return await run_steps_on_threads(flow, self._perform)

    # Awaited forms of what reads the journal, for use on an event loop.

    async def log_async(self, device: str | None = None) -> tuple[Order, ...]:
        """Return all orders of the account or of one device, oldest first; nothing is sent."""
        return await run_on_thread(lambda: self.log(device))

    async def curtailments_async(self) -> tuple[Order, ...]:
        """Return the curtailments that have not ended; nothing is sent."""
        return await run_on_thread(self.curtailments)

    async def due_async(self) -> tuple[Order, ...]:
        """Return the curtailments to end now; nothing is sent."""
        return await run_on_thread(self.due)

    async def unsettled_async(self, device: str | None = None) -> tuple[Order, ...]:
        """Return the orders whose result is not final; nothing is sent."""
        return await run_on_thread(lambda: self.unsettled(device))


def _resume(flow: OrderFlow[Any], result: Any) -> Instruction:
    return flow.throw(result) if isinstance(result, HeliographError) else flow.send(result)


def schedule_of(snapshot: SettingsSnapshot) -> Schedule:
    """Return the schedule in a snapshot."""
    from heliograph.settings.schedule import from_settings  # noqa: PLC0415 - most callers need no schedule

    return from_settings(snapshot.reported, tuple(snapshot.settings.values()))


def journal_folder() -> Path:
    """Return this user's folder of journals."""
    from heliograph.core.files import data_folder  # noqa: PLC0415 - not needed if the caller passes a journal

    return data_folder(os.environ) / "orders"


def current_user() -> str:
    """Return this machine's user name for the journal."""
    from getpass import getuser  # noqa: PLC0415 - only needed by programs that change settings

    try:
        return getuser()
    except (KeyError, OSError, ImportError):  # the user of a container may have no name
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"
