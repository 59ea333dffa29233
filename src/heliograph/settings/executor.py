"""The one way a setting is changed, as a generator that sends nothing itself: look, write down, send, read back.

Every step is written down before it happens, and a device is ordered by one program at a time. Whoever carries the
generator may die at any step: `settled` judges what was left, by what the device has, and sends nothing again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.files import acquire
from heliograph.errors import (
    CloudError,
    HeliographError,
    LoginFailed,
    RequestRefused,
    SessionExpired,
    StoreError,
    Throttled,
    Unreachable,
)
from heliograph.settings.models import (
    SUPERSEDED_TEMPORARY,
    Change,
    ChangeState,
    Order,
    OrderKind,
    is_temporary,
    latest_changes,
)
from heliograph.settings.outcome import (
    external_changes,
    irreversible_reason,
    known_values,
    mark_unrecorded,
    outcome_of,
    reconcile,
)
from heliograph.settings.plan import (
    Delay,
    Plan,
    ReadSettings,
    SettingsSnapshot,
    WriteSetting,
    complete_values,
    find_setting,
    planned_changes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from filelock import BaseFileLock

    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Value, Values
    from heliograph.settings.journal import Journal, JournalContents
    from heliograph.settings.permissions import Permissions
    from heliograph.settings.plan import Actor, OrderFlow, PlannedChange

GLANCE = 0.25
LOCK_TIMEOUT = 900.0
"""Seconds to wait for another program's order to the same device."""
FRESH = 60.0
"""Seconds for which what was read is believed, as long as nobody here orders anything."""
READ_BACK_DELAYS = (4.0, 16.0, 40.0, 90.0, 180.0)
"""Seconds between the looks after an order: each costs requests, and a logger passes most orders on within a minute."""


class OrderExecutor:
    """The road of one account."""

    def __init__(
        self,
        journal: Journal,
        rights: Permissions,
        whose: Actor,
        settings_of: Callable[[Device], tuple[Setting, ...]],
        now: Callable[[], float],
        *,
        check_quota: Callable[[int], None],
        read_back_delays: tuple[float, ...],
        lock_timeout: float,
        progress: Callable[[str], None],
    ) -> None:
        self.journal = journal
        self.permissions = rights
        self.actor = whose
        self.settings_of = settings_of
        self.now = now
        self.room = check_quota
        self.read_back = read_back_delays
        self.patience = lock_timeout
        self.progress = progress

    def refresh(self, device: Device) -> OrderFlow[SettingsSnapshot]:
        """Read a device, and judge what is still open of the orders it was given."""
        lock = yield from self.acquire_lock(device)
        try:
            return (yield from self._sight(device))
        finally:
            lock.release()

    def plan(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> OrderFlow[Plan]:
        """Return what would have to be sent; nothing is."""
        sight = yield from self.refresh(device)
        return self.plan_from(sight, wanted)

    def plan_from(
        self,
        sight: SettingsSnapshot,
        wanted: Mapping[str, Value | Mapping[str, Value]],
        *,
        kind: OrderKind = OrderKind.SET,
        until: float | None = None,
        undoes: str | None = None,
        forced: frozenset[str] = frozenset(),
        notes: tuple[str, ...] = (),
    ) -> Plan:
        """Return what an intent comes to for a device as it was seen."""
        self.check_settable(sight, wanted)
        values = complete_values(sight.settings, sight.current, wanted, sight.device.id)
        forced |= _on_its_way(sight, values)
        steps = planned_changes(sight.settings, sight.current, values, forced)
        notes = (
            *notes,
            *(
                f"{one.setting.name} could not be undone: {why}"
                for one in steps
                if (why := irreversible_reason(one.setting, one.old, one.new))
            ),
            *_ended(sight, steps, undoes),
        )
        return Plan(
            snapshot=sight,
            wanted=values,
            steps=steps,
            kind=kind,
            until=until,
            undoes=undoes,
            forced=forced,
            notes=notes,
        )

    def check_settable(self, sight: SettingsSnapshot, names: Collection[str]) -> None:
        """Raise where a device cannot be told one of these.

        A sight leaves out what is never written; who asks for that learns why, and not that there is no such thing.
        """
        left_out = (one for one in self.settings_of(sight.device) if one.name not in sight.settings)
        self.permissions.check(one for one in left_out if one.name in names)
        for name in names:
            find_setting(sight.settings, name, sight.device.id)

    def execute(self, plan: Plan) -> OrderFlow[Order | None]:
        """Send what differs and see what becomes of it; None where nothing had to be sent."""
        self.permissions.check(one.setting for one in plan.steps)
        if not plan.steps:
            return None
        device = plan.device
        lock = yield from self.acquire_lock(device)
        try:
            book = self.journal.read()
            if (
                book.lines_by_device.get(device.id, 0) != plan.snapshot.journal_lines
                or self.now() - plan.snapshot.at > FRESH
            ):
                yield from self._still(plan)
                book = self.journal.read()
            # A sequence that runs out of requests half-way would leave the device with half a schedule.
            self.room(len(plan.steps) + 1)
            order = self._ordered(plan, book)
            try:
                yield from self._sent(order, device)
                yield from self._seen(order, plan.snapshot)
            except StoreError as error:
                if all(change.sent_at is None for change in order.changes):
                    raise
                # Nothing more is sent; what was is told, and the next look at the device judges it.
                self.progress(str(error))
                mark_unrecorded(order)
            return order
        finally:
            lock.release()

    def acquire_lock(self, device: Device) -> OrderFlow[BaseFileLock]:
        """Wait for the device's turn."""
        lock, waiting = self.journal.device_lock(device.id), False
        try:
            for seconds in acquire(lock, self.patience, GLANCE):
                if not waiting:
                    self.progress(f"another order to {device.id} is under way; waiting for its end")
                waiting = True
                yield Delay(seconds)
        except TimeoutError:
            raise self._busy(device) from None
        except OSError as error:
            raise self.journal.unusable_error(error) from None
        return lock

    def _busy(self, device: Device) -> Throttled:
        busy = Throttled(
            f"another program has been ordering {device.id} for {self.patience:.0f} s, and it goes one at a time",
            vendor=device.vendor,
            advice="Nothing was sent. See whether another program of yours hangs, then try again",
        )
        busy.retry_after = self.patience
        return busy

    def _sight(self, device: Device) -> OrderFlow[SettingsSnapshot]:
        read: Mapping[str, Values | None] = yield ReadSettings(device)
        now, book = self.now(), self.journal.read()
        # Who has just read knows best what the account can be told.
        known = {one.name: one for one in self.settings_of(device)}
        reconcile(self.journal, book.of_device(device.id), known, read, now)
        settings = {name: one for name, one in known.items() if one.risk != "dangerous" and not one.unavailable}
        book = self.journal.read()
        orders = book.of_device(device.id)
        return SettingsSnapshot(
            device=device,
            at=now,
            settings=settings,
            reported=read,
            current=known_values(orders, device.id, settings, read),
            external_changes=external_changes(orders, device.id, settings, read),
            orders=orders,
            journal_lines=book.lines_by_device.get(device.id, 0),
        )

    def _still(self, plan: Plan) -> OrderFlow[None]:
        """Look again, and refuse where the plan would come to something else now."""
        sight = yield from self._sight(plan.device)
        self.check_settable(sight, plan.wanted)
        if planned_changes(sight.settings, sight.current, plan.wanted, plan.forced) != plan.steps:
            raise RequestRefused(
                f"{plan.device.id} was changed by somebody else since its difference was shown",
                vendor=plan.device.vendor,
                advice="Nothing was sent. Look at it again, then order what is still wanted",
            )

    def _ordered(self, plan: Plan, book: JournalContents) -> Order:
        """Write the order down."""
        device, now = plan.device, self.now()
        changes = [
            Change(number=number, setting=one.setting.name, old=one.old, new=one.new)
            for number, one in enumerate(plan.steps)
        ]
        if plan.kind is not OrderKind.RESTORE:
            # Who curtails has to be able to take it back.
            more = 2 * len(changes) if plan.kind is OrderKind.CURTAIL else len(changes)
            self.permissions.check_write_limit(book.orders.values(), device.id, more, now, device.vendor)
        order = Order(
            id=self.journal.new_id(book),
            at=now,
            kind=plan.kind,
            who=self.actor.who,
            program=self.actor.program,
            account=self.actor.account,
            vendor=device.vendor,
            plant=device.plant,
            device=device.id,
            family=device.family,
            changes=changes,
            until=plan.until,
            undoes=plan.undoes,
        )
        if order.kind is OrderKind.CURTAIL:
            self.journal.set_marker()
        self.journal.record_order(order)
        return order

    def _sent(self, order: Order, device: Device) -> OrderFlow[None]:
        """Send one change after the other; after the first that is not taken, the others stay unsent."""
        failed = ""
        for change in order.changes:
            if failed:
                self.journal.record_outcome(order, change, self.now(), ChangeState.UNSENT, failed, final=True)
                continue
            self.progress(f"sending {change.setting}")
            self.journal.record_sending(order, change, self.now())
            try:
                yield WriteSetting(device, change.setting, change.new)
            except HeliographError as error:
                failed = f"{change.setting} before it failed"
                self._failed(order, change, error)
                if not isinstance(error, CloudError):
                    self._rest_unsent(order, failed)
                    raise
            else:
                self.journal.record_response(order, change, self.now(), accepted=True)

    def _failed(self, order: Order, change: Change, error: HeliographError) -> None:
        """Write down what it means that a command failed: a no, never sent, or nobody knows."""
        now, why = self.now(), str(error)
        if isinstance(error, RequestRefused):
            self.journal.record_response(order, change, now, accepted=False, why=error.message)
        elif _turned_away(error):
            self.journal.record_outcome(order, change, now, ChangeState.UNSENT, why, final=True)
        else:
            change.why = why

    def _rest_unsent(self, order: Order, why: str) -> None:
        for change in order.changes:
            if change.state is ChangeState.PLANNED:
                self.journal.record_outcome(order, change, self.now(), ChangeState.UNSENT, why, final=True)

    def _seen(self, order: Order, sight: SettingsSnapshot) -> OrderFlow[None]:
        """Read back until every change is judged for good, or the looks are used up."""
        self._overtaken(order)
        self._judge(order, sight.settings, None, last=False)
        read: Mapping[str, Values | None] | None = None
        for seconds in self.read_back:
            if not _waiting(order):
                return
            self.progress(f"waiting for {order.device} to show it")
            yield Delay(seconds)
            try:
                read = yield ReadSettings(sight.device)
            except CloudError as error:
                self.progress(str(error))
                if isinstance(error, Throttled | LoginFailed):
                    break
                continue
            self._judge(order, sight.settings, read, last=False)
            if all(sight.reported.get(one.setting) is read.get(one.setting) is None for one in _waiting(order)):
                break  # who told nothing before and after the order will not tell it in five minutes either
        self._judge(order, sight.settings, read, last=True)

    def _overtaken(self, order: Order) -> None:
        """End the steps that only made room: what came after them in the same place is what counts."""
        for change in _waiting(order):
            if is_temporary(order, change):
                self.journal.record_outcome(
                    order, change, self.now(), ChangeState.APPLIED, SUPERSEDED_TEMPORARY, final=True
                )

    def _judge(
        self, order: Order, settings: Mapping[str, Setting], read: Mapping[str, Values | None] | None, *, last: bool
    ) -> None:
        now = self.now()
        for change in _waiting(order):
            setting = settings[change.setting]
            if read is None and setting.readable and not last:
                continue
            found = None if read is None else read.get(change.setting)
            said = outcome_of(change, setting, found, now - (change.sent_at or now))
            if said.final or last:
                self.journal.record_outcome(order, change, now, said.state, said.why, read=found, final=said.final)


def _ended(sight: SettingsSnapshot, steps: tuple[PlannedChange, ...], undoes: str | None) -> Iterator[str]:
    """Yield what will not be restored any more because this changes it first."""
    limited = sight.curtailed
    for name in dict.fromkeys(one.setting.name for one in steps):
        if name in limited and (order := limited[name].id) != undoes:
            yield (
                f"{name} is curtailed by order {order}; after this it is not restored at that order's end. To have it "
                f"restored, say instead: heliograph settings undo {order}"
            )


def _on_its_way(sight: SettingsSnapshot, wanted: Mapping[str, Values]) -> frozenset[str]:
    """Return what the device shows as it is wanted while an order for something else may still reach it."""
    last = latest_changes(sight.orders, sight.device.id)
    return frozenset(
        name
        for name, values in wanted.items()
        if name in last and not (change := last[name][1]).final and change.new != values
    )


def _waiting(order: Order) -> list[Change]:
    return [change for change in order.changes if change.state is ChangeState.SENT]


def _turned_away(error: HeliographError) -> bool:
    """Tell whether a command surely was not carried out.

    A client refuses it before it is sent, there was no connection, or what answered was a door and not the cloud.
    """
    if not isinstance(error, CloudError):
        return True
    return isinstance(error, Throttled | LoginFailed | SessionExpired) or (
        isinstance(error, Unreachable) and not error.sent
    )
