"""The executor of setting changes, as a generator that does no I/O itself: read, record, send once, read back.

Each step is recorded before it is executed, and one program changes a device at a time. The program may die at any
step: `reconcile` later judges what was left by reading the device, and never sends again.
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
    from collections.abc import Callable, Collection, Mapping

    from filelock import BaseFileLock

    from heliograph.model import Device
    from heliograph.settings.definition import Setting, Value, Values
    from heliograph.settings.journal import Journal, JournalContents
    from heliograph.settings.permissions import Permissions
    from heliograph.settings.plan import Actor, OrderFlow

LOCK_POLL_INTERVAL = 0.25
LOCK_TIMEOUT = 900.0
"""Seconds to wait for another program's change of the same device."""
SNAPSHOT_MAX_AGE = 60.0
"""Seconds for which a snapshot is used without a new read, if the journal has no new lines of the device."""
READ_BACK_DELAYS = (4.0, 16.0, 40.0, 90.0, 180.0)
"""Seconds before each read-back: each costs requests, and a datalogger forwards most commands within a minute."""


class OrderExecutor:
    """Plans and executes the setting changes of one account."""

    def __init__(
        self,
        journal: Journal,
        permissions: Permissions,
        actor: Actor,
        settings_of: Callable[[Device], tuple[Setting, ...]],
        now: Callable[[], float],
        *,
        check_quota: Callable[[int], None],
        read_back_delays: tuple[float, ...],
        lock_timeout: float,
        progress: Callable[[str], None],
    ) -> None:
        self.journal = journal
        self.permissions = permissions
        self.actor = actor
        self.settings_of = settings_of
        self.now = now
        self.check_quota = check_quota
        self.read_back_delays = read_back_delays
        self.lock_timeout = lock_timeout
        self.progress = progress

    def refresh(self, device: Device) -> OrderFlow[SettingsSnapshot]:
        """Read a device and update the states of its open orders."""
        lock = yield from self.acquire_lock(device)
        try:
            return (yield from self._read_snapshot(device))
        finally:
            lock.release()

    def plan(self, device: Device, wanted: Mapping[str, Value | Mapping[str, Value]]) -> OrderFlow[Plan]:
        """Read a device and return the changes needed; nothing is sent."""
        snapshot = yield from self.refresh(device)
        return self.plan_from(snapshot, wanted)

    def plan_from(
        self,
        snapshot: SettingsSnapshot,
        wanted: Mapping[str, Value | Mapping[str, Value]],
        *,
        kind: OrderKind = OrderKind.SET,
        until: float | None = None,
        undoes: str | None = None,
        forced: frozenset[str] = frozenset(),
        notes: tuple[str, ...] = (),
    ) -> Plan:
        """Return the changes needed from a snapshot."""
        self.check_settable(snapshot, wanted)
        values = complete_values(snapshot.settings, snapshot.current, wanted, snapshot.device.id)
        # Also send what the device shows already while an order for other values may still reach it.
        latest = latest_changes(snapshot.orders, snapshot.device.id)
        forced |= {
            name for name in values if name in latest and not (one := latest[name][1]).final and one.new != values[name]
        }
        steps = planned_changes(snapshot.settings, snapshot.current, values, forced)
        for step in steps:
            if reason := irreversible_reason(step.setting, step.old, step.new):
                notes += (f"{step.setting.name} could not be undone: {reason}",)
        curtailed = snapshot.curtailed
        for name in dict.fromkeys(step.setting.name for step in steps):
            if name in curtailed and (order := curtailed[name].id) != undoes:
                restore = f"To restore it now, use instead: heliograph settings undo {order}"
                notes += (f"{name} is curtailed by change {order} and will not be restored after this. {restore}",)
        return Plan(
            snapshot=snapshot,
            wanted=values,
            steps=steps,
            kind=kind,
            until=until,
            undoes=undoes,
            forced=forced,
            notes=notes,
        )

    def check_settable(self, snapshot: SettingsSnapshot, names: Collection[str]) -> None:
        """Raise `ConfigError` if the device cannot set one of `names`.

        A snapshot omits settings that are never written; for those the error gives the reason.
        """
        omitted = (one for one in self.settings_of(snapshot.device) if one.name not in snapshot.settings)
        self.permissions.check(one for one in omitted if one.name in names)
        for name in names:
            find_setting(snapshot.settings, name, snapshot.device.id)

    def execute(self, plan: Plan) -> OrderFlow[Order | None]:
        """Send the changes of a plan and read back the result; None if nothing had to be sent."""
        self.permissions.check(step.setting for step in plan.steps)
        if not plan.steps:
            return None
        device = plan.device
        lock = yield from self.acquire_lock(device)
        try:
            contents = self.journal.read()
            unchanged = contents.lines_by_device.get(device.id, 0) == plan.snapshot.journal_lines
            if not unchanged or self.now() - plan.snapshot.at > SNAPSHOT_MAX_AGE:
                yield from self._confirm_plan(plan)
                contents = self.journal.read()
            # A sequence that runs out of requests half-way would leave the device with half a schedule.
            self.check_quota(len(plan.steps) + 1)
            order = self._record_order(plan, contents)
            try:
                yield from self._send_changes(order, device)
                yield from self._read_back(order, plan.snapshot)
            except StoreError as error:
                if all(change.sent_at is None for change in order.changes):
                    raise
                # Send nothing more. The order is returned as far as known; the next read of the device reconciles it.
                self.progress(str(error))
                mark_unrecorded(order)
            return order
        finally:
            lock.release()

    def acquire_lock(self, device: Device) -> OrderFlow[BaseFileLock]:
        """Wait for the device's lock, or raise `Throttled`."""
        lock, waiting = self.journal.device_lock(device.id), False
        try:
            for seconds in acquire(lock, self.lock_timeout, LOCK_POLL_INTERVAL):
                if not waiting:
                    self.progress(f"waiting for another program that is changing {device.id}")
                waiting = True
                yield Delay(seconds)
        except TimeoutError:
            error = Throttled(
                f"another program has been changing {device.id} for {self.lock_timeout:.0f} s",
                vendor=device.vendor,
                advice="Nothing was sent. Check whether another program of yours hangs, then try again",
            )
            error.retry_after = self.lock_timeout
            raise error from None
        except OSError as error:
            raise self.journal.unusable_error(error) from None
        return lock

    def _read_snapshot(self, device: Device) -> OrderFlow[SettingsSnapshot]:
        reported: Mapping[str, Values | None] = yield ReadSettings(device)
        now, contents = self.now(), self.journal.read()
        # After the read, because it can change which settings the account supports.
        known = {setting.name: setting for setting in self.settings_of(device)}
        reconcile(self.journal, contents.of_device(device.id), known, reported, now)
        settings = {name: one for name, one in known.items() if one.risk != "dangerous" and not one.unavailable}
        contents = self.journal.read()
        orders = contents.of_device(device.id)
        return SettingsSnapshot(
            device=device,
            at=now,
            settings=settings,
            reported=reported,
            current=known_values(orders, device.id, settings, reported),
            external_changes=external_changes(orders, device.id, settings, reported),
            orders=orders,
            journal_lines=contents.lines_by_device.get(device.id, 0),
        )

    def _confirm_plan(self, plan: Plan) -> OrderFlow[None]:
        """Read the device again, and raise `RequestRefused` if the plan would now be different."""
        snapshot = yield from self._read_snapshot(plan.device)
        self.check_settable(snapshot, plan.wanted)
        if planned_changes(snapshot.settings, snapshot.current, plan.wanted, plan.forced) != plan.steps:
            raise RequestRefused(
                f"the settings of {plan.device.id} have changed since they were shown",
                vendor=plan.device.vendor,
                advice="Nothing was sent. Check the settings again, then send the changes that are still needed",
            )

    def _record_order(self, plan: Plan, contents: JournalContents) -> Order:
        device, now = plan.device, self.now()
        changes = [
            Change(number=number, setting=step.setting.name, old=step.old, new=step.new)
            for number, step in enumerate(plan.steps)
        ]
        if plan.kind is not OrderKind.RESTORE:
            # A curtailment also needs the writes that restore the old values.
            writes = 2 * len(changes) if plan.kind is OrderKind.CURTAIL else len(changes)
            self.permissions.check_write_limit(contents.orders.values(), device.id, writes, now, device.vendor)
        order = Order(
            id=self.journal.new_id(contents),
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

    def _send_changes(self, order: Order, device: Device) -> OrderFlow[None]:
        """Send the changes one by one; after the first failure the remaining ones stay unsent."""
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
                self._record_failure(order, change, error)
                if not isinstance(error, CloudError):
                    for rest in order.changes:
                        if rest.state is ChangeState.PLANNED:
                            self.journal.record_outcome(order, rest, self.now(), ChangeState.UNSENT, failed, final=True)
                    raise
            else:
                self.journal.record_response(order, change, self.now(), accepted=True)

    def _record_failure(self, order: Order, change: Change, error: HeliographError) -> None:
        """Record a failed command as rejected or never sent; otherwise its result is unknown."""
        if isinstance(error, RequestRefused):
            self.journal.record_response(order, change, self.now(), accepted=False, why=error.message)
        # Never sent: refused by the client, no connection, or a response from something other than the vendor API.
        elif (
            not isinstance(error, CloudError)
            or isinstance(error, Throttled | LoginFailed | SessionExpired)
            or (isinstance(error, Unreachable) and not error.sent)
        ):
            self.journal.record_outcome(order, change, self.now(), ChangeState.UNSENT, str(error), final=True)
        else:
            change.why = str(error)

    def _read_back(self, order: Order, snapshot: SettingsSnapshot) -> OrderFlow[None]:
        """Read the device until every outcome is final, or until the last delay is over."""
        for change in _unfinished(order):
            if is_temporary(order, change):
                self.journal.record_outcome(
                    order, change, self.now(), ChangeState.APPLIED, SUPERSEDED_TEMPORARY, final=True
                )
        self._judge(order, snapshot.settings, None, last=False)
        read: Mapping[str, Values | None] | None = None
        for seconds in self.read_back_delays:
            if not _unfinished(order):
                return
            self.progress(f"waiting for {order.device} to show the change")
            yield Delay(seconds)
            try:
                read = yield ReadSettings(snapshot.device)
            except CloudError as error:
                self.progress(str(error))
                if isinstance(error, Throttled) and not error.account_wide:
                    # Only reading has to wait: some vendor APIs report settings once in five minutes.
                    yield Delay(error.retry_after)
                    continue
                if isinstance(error, Throttled | LoginFailed):
                    break
                continue
            self._judge(order, snapshot.settings, read, last=False)
            if all(snapshot.reported.get(one.setting) is read.get(one.setting) is None for one in _unfinished(order)):
                break  # The setting was unreadable before and after the write; further read-backs will not help.
        self._judge(order, snapshot.settings, read, last=True)

    def _judge(
        self, order: Order, settings: Mapping[str, Setting], read: Mapping[str, Values | None] | None, *, last: bool
    ) -> None:
        """Record the outcomes that are final; with `last` also the others."""
        now = self.now()
        for change in _unfinished(order):
            setting = settings[change.setting]
            if read is None and setting.readable and not last:
                continue
            found = None if read is None else read.get(change.setting)
            outcome = outcome_of(change, setting, found, now - (change.sent_at or now))
            if outcome.final or last:
                self.journal.record_outcome(
                    order, change, now, outcome.state, outcome.why, read=found, final=outcome.final
                )


def _unfinished(order: Order) -> list[Change]:
    return [change for change in order.changes if change.state is ChangeState.SENT]
