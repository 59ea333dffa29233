"""`Orders` under random failures: programs that die at any step, failing clouds, devices that change by themselves."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from heliograph.errors import HeliographError, Throttled, Unreachable
from heliograph.settings import ChangeState, Journal, OrderKind, Orders
from heliograph.settings.definition import matches
from heliograph.settings.models import latest_changes
from support.settings_fakes import DEVICE, SETTINGS, FakeClient, FakeClock, make_orders

RAM_DISK = Path("/dev/shm")  # every journal line is synced to disk
ROWS = {one.name: one for one in SETTINGS}
BEHAVIOURS = st.sampled_from(
    [
        *["applied"] * 6,
        "late 50",
        "late 900",
        "late 9000",
        "never",
        "clamped",
        "refused",
        "refused but applied",
        "no response, applied",
        "no response, lost",
        "not connected",
        "throttled",
    ]
)
PERCENT = st.integers(0, 100)
TIMES = st.sampled_from(["00:00", "02:00", "04:00", "08:00", "12:00"])
WINDOW = st.fixed_dictionaries(
    {"mode": st.sampled_from(["load-first", "battery-first"]), "start": TIMES, "end": TIMES, "enabled": st.booleans()}
)
WANTED = st.dictionaries(st.sampled_from(["charge_stop_soc", "charge_power_limit", "unreadable"]), PERCENT, max_size=3)
WINDOWS = st.dictionaries(st.sampled_from(["time_window_1", "time_window_2", "time_window_3"]), WINDOW, max_size=3)


class Crash(BaseException):
    """The program dies: nothing after this line runs."""


class DyingJournal(Journal):
    """A journal whose program dies while writing a line: before, in the middle, or after it."""

    lines_left = None
    how = ""

    def _append(self, line):
        if self.lines_left is not None:
            self.lines_left -= 1
            if self.lines_left < 0:
                if self.how == "torn":
                    with self.path.open("ab") as file:
                        file.write(line[: len(line) // 2])
                elif self.how == "after":
                    super()._append(line)
                raise Crash
        super()._append(line)


class SettingsMachine(RuleBasedStateMachine):
    """Some days of a device."""

    runs = crashes = 0
    states: ClassVar[set[ChangeState]] = set()

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=RAM_DISK if RAM_DISK.is_dir() else None))
        self.client = FakeClient(FakeClock())
        self.journal = DyingJournal(self.folder, "toy-0123")
        self.orders = make_orders(
            self.client, self.folder, journal=self.journal, writes_per_day=10_000, lock_timeout=1.0
        )

    def run(self, flow, at=None):
        """Run a flow, and let the program die at step `at`."""
        SettingsMachine.runs += 1
        sent_before = len(self.client.written)
        try:
            self._run(flow, at)
        except HeliographError:
            pass
        except Crash:
            SettingsMachine.crashes += 1
        self.journal.lines_left = None
        known = [change for order in self.orders.log() for change in order.changes if change.sent_at]
        assert len(known) >= len(self.client.written), "a command was sent that is not in the journal"
        return len(self.client.written) - sent_before

    def _run(self, flow, at):
        result, count = None, 0
        while True:
            if at is not None and count == at:
                flow.close()
                raise Crash
            count += 1
            try:
                instruction = flow.throw(result) if isinstance(result, HeliographError) else flow.send(result)
            except StopIteration:
                return
            try:
                result = self.orders._perform(instruction)
            except HeliographError as error:
                result = error

    @rule(wanted=WANTED, windows=WINDOWS, behaviours=st.lists(BEHAVIOURS, max_size=4), at=st.none() | st.integers(0, 9))
    def set_values(self, wanted, windows, behaviours, at):
        self.client.behaviours = list(behaviours)
        self.run(Orders.set_all.function(self.orders, DEVICE, {**wanted, **windows}), at)
        self.client.behaviours = []

    @rule(
        wanted=WANTED,
        line=st.integers(0, 9),
        how=st.sampled_from(["before", "torn", "after"]),
        behaviours=st.lists(BEHAVIOURS),
    )
    def program_dies_while_writing_the_journal(self, wanted, line, how, behaviours):
        self.client.behaviours, self.journal.lines_left, self.journal.how = list(behaviours), line, how
        self.run(Orders.set_all.function(self.orders, DEVICE, wanted))
        self.client.behaviours = []

    @rule(behaviours=st.lists(BEHAVIOURS, max_size=2), at=st.none() | st.integers(0, 9))
    def undo(self, behaviours, at):
        self.client.behaviours = list(behaviours)
        try:
            self.run(Orders.undo.function(self.orders, DEVICE), at)
        finally:
            self.client.behaviours = []

    @rule(
        value=PERCENT,
        minutes=st.integers(1, 600),
        behaviours=st.lists(BEHAVIOURS, max_size=2),
        at=st.none() | st.integers(0, 9),
    )
    def curtail(self, value, minutes, behaviours, at):
        self.client.behaviours = list(behaviours)
        wanted = {"active_power_rate": {"value": value, "remember": False}}
        until = datetime.fromtimestamp(self.client.clock.now() + 60 * minutes + 600, UTC)
        self.run(Orders.curtail.function(self.orders, DEVICE, wanted, until), at)
        self.client.behaviours = []

    @rule(behaviours=st.lists(BEHAVIOURS, max_size=2), at=st.none() | st.integers(0, 9))
    def restore_due_curtailments(self, behaviours, at):
        self.client.behaviours = list(behaviours)
        for order in self.orders.due():
            self.run(Orders.restore.function(self.orders, order), at)
        self.client.behaviours = []

    @rule(name=st.sampled_from(["charge_stop_soc", "charge_power_limit", "active_power_rate"]), value=PERCENT)
    def another_program_writes(self, name, value):
        self.client.values[name] = {**self.client.values[name], "value": float(value)}

    @rule(seconds=st.sampled_from([1.0, 60.0, 900.0, 2000.0, 7200.0]))
    def time_passes(self, seconds):
        self.client.clock.moment += seconds
        self.client.arrive()

    @rule(errors=st.lists(st.sampled_from([None, Unreachable("gone"), Throttled("slow")]), max_size=5))
    def reads_fail(self, errors):
        self.client.read_errors = list(errors)

    @rule(at=st.integers(0, 3))
    def look_dies(self, at):
        self.run(self.orders.executor.refresh(DEVICE), at)

    @rule()
    def look_after_half_an_hour(self):
        """The journal and the device agree, or the journal reports an unknown outcome."""
        self.client.read_errors = []
        self.client.clock.moment += 2000.0
        sent = len(self.client.written)
        snapshot = self.orders.look(DEVICE)
        assert len(self.client.written) == sent, "look sent a command"
        assert snapshot.open_orders == ()
        log = self.orders.log()
        assert not {ChangeState.PLANNED, ChangeState.SENT} & {one.state for order in log for one in order.changes}
        unsent = [one for order in log for one in order.changes if one.sent_at is None]
        assert all(one.state is ChangeState.UNSENT for one in unsent)
        external = {one.setting for one in snapshot.external_changes}
        for name, (_, change) in latest_changes(log, DEVICE.id).items():
            has = matches(ROWS[name], change.new, self.client.values[name] if ROWS[name].readable else None)
            SettingsMachine.states.add(change.state)
            if change.state is ChangeState.APPLIED:
                assert has or name in external, f"{name} differs from the journal without an external change"
            elif change.state is ChangeState.REFUSED:
                assert has is False
            else:
                assert change.state is ChangeState.UNKNOWN
                assert change.why
        for order in log:
            limits = order.kind is OrderKind.CURTAIL and any(one.state is ChangeState.APPLIED for one in order.changes)
            later = [one for one in log[log.index(order) + 1 :] if one.state is not ChangeState.REFUSED]
            if limits and not later and order.released is None:
                assert order in self.orders.curtailments(), "a curtailment is not open"
                assert self.journal.marker.exists()

    def teardown(self):
        """In the end every curtailment has ended and the old values are restored."""
        try:
            self.client.read_errors = []
            for _ in range(6):
                self.client.clock.moment += 40_000.0
                self.client.arrive()
                self.restore_due_curtailments([], None)
            assert self.orders.curtailments() == ()
            self.look_after_half_an_hour()
        finally:
            shutil.rmtree(self.folder)


def test_every_change_ends_in_a_true_state():
    run_state_machine_as_test(
        SettingsMachine,
        settings=settings(
            max_examples=120,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )
    assert SettingsMachine.runs > 1000
    assert SettingsMachine.crashes > 200
    assert {ChangeState.APPLIED, ChangeState.REFUSED, ChangeState.UNKNOWN} <= SettingsMachine.states
