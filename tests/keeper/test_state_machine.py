"""The keeper under random sequences of killed programs, vendor faults, clock changes and damaged state files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from heliograph.core.session import Request
from support.keeper_cloud import DAY, PLANS, CountingCloud, Program

EXAMPLES, STEPS = 240, 50
MEMORY = Path("/dev/shm")  # 10,000 steps are many writes
PROGRAMS = st.integers(0, 2)


class KeeperInvariants(RuleBasedStateMachine):
    """Random events of one account; every request is checked by `Program.assert_allowed`."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.cloud = CountingCloud()
        self.ahead = 0.0
        self.programs = [self.program("right") for _ in range(3)]

    def clock(self) -> float:
        return self.cloud.now + self.ahead

    def program(self, password: str, *, interactive: bool = False) -> Program:
        return Program(self.cloud, self.folder, self.clock, password, interactive=interactive)

    def assert_one_sender(self) -> None:
        sending = [one for one in self.programs if isinstance(one.pending, Request)]
        assert len(sending) <= 1, "two programs send requests at once"
        KeeperInvariants.steps += 1

    def is_busy(self) -> bool:
        return any(one.steps is not None for one in self.programs)

    def busy(self, number: int) -> int:
        busy = [index for index, one in enumerate(self.programs) if one.steps is not None]
        return busy[number % len(busy)]

    @rule(number=PROGRAMS, plan=st.sampled_from(sorted(PLANS)))
    def start_program(self, number, plan):
        if self.programs[number].steps is None:
            self.programs[number].start(plan)
        self.assert_one_sender()

    @precondition(is_busy)
    @rule(number=PROGRAMS, count=st.integers(1, 4))
    def step_program(self, number, count):
        one = self.programs[self.busy(number)]
        for _ in range(count):
            if one.steps is not None:
                one.step()
        self.assert_one_sender()

    @rule(number=PROGRAMS, times=st.integers(1, 15), pause=st.sampled_from([1.0, 300.0, 3600.0]))
    def read_repeatedly(self, number, times, pause):
        if self.programs[number].steps is None:
            for _ in range(times):
                self.programs[number].run()
                self.cloud.now += pause
        self.assert_one_sender()

    @precondition(is_busy)
    @rule(number=PROGRAMS, after_sending=st.booleans())
    def kill_program(self, number, after_sending):
        index = self.busy(number)
        self.programs[index].kill(after_sending=after_sending)
        self.programs[index] = self.program(self.programs[index].password)
        self.assert_one_sender()

    @precondition(is_busy)
    @rule(number=PROGRAMS)
    def interrupt_program(self, number):
        self.programs[self.busy(number)].interrupt()
        self.assert_one_sender()

    @rule(number=PROGRAMS, interactive=st.booleans(), password=st.sampled_from(["right", "old", "wrong"]))
    def replace_program(self, number, interactive, password):
        if self.programs[number].steps is None:
            self.programs[number] = self.program(password, interactive=interactive)
        self.assert_one_sender()

    @rule(seconds=st.sampled_from([1.0, 60.0, 900.0, 3600.0, 5 * 3600.0, DAY, 3 * DAY]))
    def advance_time(self, seconds):
        self.cloud.now += seconds
        self.assert_one_sender()

    @rule()
    def log_in_with_other_client(self):
        self.cloud.logins.append(self.cloud.now)
        self.cloud.open()
        self.assert_one_sender()

    @rule()
    def end_session(self):
        self.cloud.valid_cookie = None
        self.assert_one_sender()

    @rule(fault=st.sampled_from(["", "", "no network", "silence", "fault", "futile", "terms"]))
    def set_cloud_fault(self, fault):
        self.cloud.fault = fault
        self.assert_one_sender()

    @rule(hours=st.integers(1, 30), kind=st.sampled_from(["locked", "blocked", "slow"]))
    def reject_all_requests(self, hours, kind):
        setattr(self.cloud, f"{kind}_until", self.cloud.now + hours * 3600)
        self.assert_one_sender()

    @rule(password=st.sampled_from(["right", "new"]))
    def change_password(self, password):
        self.cloud.password = password
        self.assert_one_sender()

    @rule(seconds=st.sampled_from([1.0, 59.0, 61.0, 3600.0, 10 * DAY, 20_000 * DAY]))
    def set_clock_back(self, seconds):
        self.ahead -= min(seconds, self.clock() - 100)
        self.assert_one_sender()

    @precondition(lambda self: self.ahead < 0)
    @rule()
    def correct_clock(self):
        self.ahead = 0.0
        self.assert_one_sender()

    @rule(seconds=st.sampled_from([1.0, 3600.0, 2 * DAY, 3000 * DAY]))
    def set_clock_forward(self, seconds):
        self.ahead += seconds
        self.cloud.usage.forget()  # for the programs, that much time has passed
        self.assert_one_sender()

    @rule(damage=st.sampled_from(["empty", "half", "flipped", "gone", "a link", "not a book"]))
    def damage_state_file(self, damage):
        path = self.programs[0].guard.store.path
        if path.exists():
            content = bytearray(path.read_bytes())
            content[len(content) // 3 : len(content) // 3 + 1] = b"?"
            path.unlink()
            contents = {"empty": b"", "half": content[: len(content) // 2], "flipped": content, "not a book": b"[NaN]"}
            if damage == "a link":
                path.symlink_to(path.with_name("elsewhere"))
            elif damage != "gone":
                path.write_bytes(contents[damage])
            self.cloud.usage.forget()
        self.assert_one_sender()

    def teardown(self):
        """Once all faults have ended and a week has passed, reads and a forced login succeed."""
        try:
            self.recover("fresh")
            assert self.program("fresh").run() is None
            self.recover("right")
            assert self.program("right").run("insist") is None
            assert self.program("right").run() is None
        finally:
            shutil.rmtree(self.folder)

    def recover(self, password):
        for one in self.programs:
            if one.steps is not None:
                one.kill(after_sending=False)
        self.cloud.clear_faults()
        self.cloud.valid_cookie = None
        self.cloud.password = password
        self.program("any").run("forget")  # notices that the clock went back, which restarts the waits
        self.cloud.now += 8 * DAY


def test_keeper_invariants_hold_for_any_sequence_of_events():
    run_state_machine_as_test(
        KeeperInvariants,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )
    assert KeeperInvariants.steps >= 10_000
    assert Program.sent > 2_000


@pytest.mark.parametrize("plan", ["read", "twice", "regardless"])
def test_keeper_logs_in_once_without_faults(tmp_path, plan):
    cloud = CountingCloud()
    for number in range(50):
        assert Program(cloud, tmp_path, lambda: cloud.now, "right").run(plan) is None
        cloud.now += 1800 + number
    assert len(cloud.usage.logins) == 1
