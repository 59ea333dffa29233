"""Orders against everything at once: programs that die at any step, clouds that fail, devices that do as they like."""

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
from heliograph.settings import ChangeState, Journal, OrderKind
from heliograph.settings.definition import matches
from heliograph.settings.models import latest_changes
from support.settings_fakes import DEVICE, SETTINGS, Machine, Toy, desk

MEMORY = Path("/dev/shm")  # every line of a journal is a flush
ROWS = {one.name: one for one in SETTINGS}
WAYS = st.sampled_from(
    [
        *["taken"] * 6,
        "late 50",
        "late 900",
        "late 9000",
        "never",
        "clamped",
        "refused",
        "refused but taken",
        "silence, taken",
        "silence, lost",
        "not connected",
        "throttled",
    ]
)
PERCENT = st.integers(0, 100)
TIMES = st.sampled_from(["00:00", "02:00", "04:00", "08:00", "12:00"])
WINDOW = st.fixed_dictionaries(
    {"mode": st.sampled_from(["load-first", "battery-first"]), "start": TIMES, "end": TIMES, "enabled": st.booleans()}
)
WANTED = st.dictionaries(st.sampled_from(["charge_stop_soc", "charge_power_limit", "blind"]), PERCENT, max_size=3)
WINDOWS = st.dictionaries(st.sampled_from(["time_window_1", "time_window_2", "time_window_3"]), WINDOW, max_size=3)


class Crash(BaseException):
    """The program is gone: nothing after this line runs."""


class Dying(Journal):
    """A journal whose program dies at a certain line: before it, in the middle of it, or just after it."""

    left = None
    how = ""

    def _append(self, line):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                if self.how == "torn":
                    with self.path.open("ab") as file:
                        file.write(line[: len(line) // 2])
                elif self.how == "after":
                    super()._append(line)
                raise Crash
        super()._append(line)


class Life(RuleBasedStateMachine):
    """Some days of a device."""

    steps = crashes = 0
    states: ClassVar[set[ChangeState]] = set()

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.toy = Toy(Machine())
        self.rest = Dying(self.folder, "toy-0123")
        self.orders = desk(self.toy, self.folder, rest=self.rest, writes_per_day=10_000, patience=1.0)

    def done(self, steps, at=None):
        """Carry something, and die at a step of it where that is wanted."""
        Life.steps += 1
        sent_before = len(self.toy.written)
        try:
            self._carried(steps, at)
        except HeliographError:
            pass
        except Crash:
            Life.crashes += 1
        self.rest.left = None
        known = [change for order in self.orders.log() for change in order.changes if change.sent_at]
        assert len(known) >= len(self.toy.written), "something was sent that nobody wrote down"
        return len(self.toy.written) - sent_before

    def _carried(self, steps, at):
        outcome, count = None, 0
        while True:
            if at is not None and count == at:
                steps.close()
                raise Crash
            count += 1
            try:
                step = steps.throw(outcome) if isinstance(outcome, HeliographError) else steps.send(outcome)
            except StopIteration:
                return
            try:
                outcome = self.orders._do(step)
            except HeliographError as error:
                outcome = error

    @rule(wanted=WANTED, windows=WINDOWS, ways=st.lists(WAYS, max_size=4), at=st.none() | st.integers(0, 9))
    def somebody_orders(self, wanted, windows, ways, at):
        self.toy.ways = list(ways)
        self.done(self.orders._set(DEVICE, {**wanted, **windows}), at)
        self.toy.ways = []

    @rule(wanted=WANTED, line=st.integers(0, 9), how=st.sampled_from(["before", "torn", "after"]), ways=st.lists(WAYS))
    def a_program_dies_while_it_writes(self, wanted, line, how, ways):
        self.toy.ways, self.rest.left, self.rest.how = list(ways), line, how
        self.done(self.orders._set(DEVICE, wanted))
        self.toy.ways = []

    @rule(ways=st.lists(WAYS, max_size=2), at=st.none() | st.integers(0, 9))
    def somebody_takes_back(self, ways, at):
        self.toy.ways = list(ways)
        try:
            self.done(self.orders._undone(DEVICE, None), at)
        finally:
            self.toy.ways = []

    @rule(value=PERCENT, minutes=st.integers(1, 600), ways=st.lists(WAYS, max_size=2), at=st.none() | st.integers(0, 9))
    def somebody_curtails(self, value, minutes, ways, at):
        self.toy.ways = list(ways)
        wanted = {"active_power_rate": {"value": value, "remember": False}}
        until = datetime.fromtimestamp(self.toy.clock.now() + 60 * minutes + 600, UTC)
        self.done(self.orders._curtailed(DEVICE, wanted, until), at)
        self.toy.ways = []

    @rule(ways=st.lists(WAYS, max_size=2), at=st.none() | st.integers(0, 9))
    def curtailments_are_ended(self, ways, at):
        self.toy.ways = list(ways)
        for order in self.orders.due():
            self.done(self.orders._restored(order), at)
        self.toy.ways = []

    @rule(name=st.sampled_from(["charge_stop_soc", "charge_power_limit", "active_power_rate"]), value=PERCENT)
    def somebody_else_writes(self, name, value):
        self.toy.has[name] = {**self.toy.has[name], "value": float(value)}

    @rule(seconds=st.sampled_from([1.0, 60.0, 900.0, 2000.0, 7200.0]))
    def time_passes(self, seconds):
        self.toy.clock.moment += seconds
        self.toy.arrive()

    @rule(errors=st.lists(st.sampled_from([None, Unreachable("gone"), Throttled("slow")]), max_size=5))
    def reads_fail(self, errors):
        self.toy.unread = list(errors)

    @rule(at=st.integers(0, 3))
    def a_look_dies(self, at):
        self.done(self.orders.executor.refresh(DEVICE), at)

    @rule()
    def all_is_quiet_and_somebody_looks(self):
        """Whatever happened before: the journal and the device agree, or the journal says that it does not know."""
        self.toy.unread = []
        self.toy.clock.moment += 2000.0
        sent = len(self.toy.written)
        sight = self.orders.look(DEVICE)
        assert len(self.toy.written) == sent, "looking sent something"
        assert sight.open_orders == ()
        log = self.orders.log()
        assert not {ChangeState.PLANNED, ChangeState.SENT} & {one.state for order in log for one in order.changes}
        unsent = [one for order in log for one in order.changes if one.sent_at is None]
        assert all(one.state is ChangeState.UNSENT for one in unsent)
        foreign = {one.setting for one in sight.external_changes}
        for name, (_, change) in latest_changes(log, DEVICE.id).items():
            has = matches(ROWS[name], change.new, self.toy.has[name] if ROWS[name].readable else None)
            Life.states.add(change.state)
            if change.state is ChangeState.APPLIED:
                assert has or name in foreign, f"{name} is not what the journal says, and nobody is told"
            elif change.state is ChangeState.REFUSED:
                assert has is False
            else:
                assert change.state is ChangeState.UNKNOWN
                assert change.why
        for order in log:
            limits = order.kind is OrderKind.CURTAIL and any(one.state is ChangeState.APPLIED for one in order.changes)
            later = [one for one in log[log.index(order) + 1 :] if one.state is not ChangeState.REFUSED]
            if limits and not later and order.released is None:
                assert order in self.orders.curtailments(), "a curtailment is forgotten"
                assert self.rest.marker.exists()

    def teardown(self):
        """In the end every curtailment is over, and what it limited is not limited any more."""
        try:
            self.toy.unread = []
            for _ in range(6):
                self.toy.clock.moment += 40_000.0
                self.toy.arrive()
                self.curtailments_are_ended([], None)
            assert self.orders.curtailments() == ()
            self.all_is_quiet_and_somebody_looks()
        finally:
            shutil.rmtree(self.folder)


def test_no_change_is_ever_left_unreported():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=120,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )
    assert Life.steps > 1000
    assert Life.crashes > 200
    assert {ChangeState.APPLIED, ChangeState.REFUSED, ChangeState.UNKNOWN} <= Life.states
