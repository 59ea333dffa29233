"""The keeper against everything at once: programs that die, clouds that fail, clocks that jump, files that rot."""

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


class Life(RuleBasedStateMachine):
    """A month or a minute of an account; every request that is sent is checked as it is sent (keptcloud.check)."""

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

    def checked(self) -> None:
        talking = [one for one in self.programs if isinstance(one.wanted, Request)]
        assert len(talking) <= 1, "two conversations at once"
        Life.steps += 1

    def is_busy(self) -> bool:
        return any(one.steps is not None for one in self.programs)

    def busy(self, number: int) -> int:
        busy = [place for place, one in enumerate(self.programs) if one.steps is not None]
        return busy[number % len(busy)]

    @rule(number=PROGRAMS, plan=st.sampled_from(sorted(PLANS)))
    def a_program_starts(self, number, plan):
        if self.programs[number].steps is None:
            self.programs[number].start(plan)
        self.checked()

    @precondition(is_busy)
    @rule(number=PROGRAMS, most=st.integers(1, 4))
    def a_program_goes_on(self, number, most):
        one = self.programs[self.busy(number)]
        for _ in range(most):
            if one.steps is not None:
                one.step()
        self.checked()

    @rule(number=PROGRAMS, times=st.integers(1, 15), pause=st.sampled_from([1.0, 300.0, 3600.0]))
    def a_program_reads_again_and_again(self, number, times, pause):
        if self.programs[number].steps is None:
            for _ in range(times):
                self.programs[number].run()
                self.cloud.now += pause
        self.checked()

    @precondition(is_busy)
    @rule(number=PROGRAMS, after_sending=st.booleans())
    def a_program_is_killed(self, number, after_sending):
        place = self.busy(number)
        self.programs[place].kill(after_sending=after_sending)
        self.programs[place] = self.program(self.programs[place].password)
        self.checked()

    @precondition(is_busy)
    @rule(number=PROGRAMS)
    def a_program_is_interrupted(self, number):
        victim = self.programs[self.busy(number)]
        victim.steps.close()
        victim.steps = victim.wanted = None
        self.checked()

    @rule(number=PROGRAMS, interactive=st.booleans(), password=st.sampled_from(["right", "old", "wrong"]))
    def another_program_takes_its_place(self, number, interactive, password):
        if self.programs[number].steps is None:
            self.programs[number] = self.program(password, interactive=interactive)
        self.checked()

    @rule(seconds=st.sampled_from([1.0, 60.0, 900.0, 3600.0, 5 * 3600.0, DAY, 3 * DAY]))
    def time_passes(self, seconds):
        self.cloud.now += seconds
        self.checked()

    @rule()
    def somebody_else_logs_in(self):
        self.cloud.logins.append(self.cloud.now)
        self.cloud.open()
        self.checked()

    @rule()
    def the_session_ends(self):
        self.cloud.living = None
        self.checked()

    @rule(trouble=st.sampled_from(["", "", "no network", "silence", "fault", "futile", "terms"]))
    def the_cloud_has_trouble(self, trouble):
        self.cloud.trouble = trouble
        self.checked()

    @rule(hours=st.integers(1, 30), what=st.sampled_from(["locked", "blocked", "slow"]))
    def the_cloud_turns_everybody_away(self, hours, what):
        setattr(self.cloud, f"{what}_until", self.cloud.now + hours * 3600)
        self.checked()

    @rule(password=st.sampled_from(["right", "new"]))
    def the_password_is_changed(self, password):
        self.cloud.password = password
        self.checked()

    @rule(seconds=st.sampled_from([1.0, 59.0, 61.0, 3600.0, 10 * DAY, 20_000 * DAY]))
    def the_clock_goes_back(self, seconds):
        self.ahead -= min(seconds, self.clock() - 100)
        self.checked()

    @precondition(lambda self: self.ahead < 0)
    @rule()
    def the_clock_is_set_right(self):
        self.ahead = 0.0
        self.checked()

    @rule(seconds=st.sampled_from([1.0, 3600.0, 2 * DAY, 3000 * DAY]))
    def the_clock_goes_forward(self, seconds):
        self.ahead += seconds
        self.cloud.ledger.forget()  # to the programs, so much time has passed
        self.checked()

    @rule(rot=st.sampled_from(["empty", "half", "flipped", "gone", "a link", "not a book"]))
    def the_file_rots(self, rot):
        path = self.programs[0].gate.state_file.path
        if path.exists():
            content = bytearray(path.read_bytes())
            content[len(content) // 3 : len(content) // 3 + 1] = b"?"
            path.unlink()
            kinds = {"empty": b"", "half": content[: len(content) // 2], "flipped": content, "not a book": b"[NaN]"}
            if rot == "a link":
                path.symlink_to(path.with_name("elsewhere"))
            elif rot != "gone":
                path.write_bytes(kinds[rot])
            self.cloud.ledger.forget()
        self.checked()

    def teardown(self):
        """Whatever happened: when all is well again and time has passed, a program and a person are served."""
        try:
            self.heal("fresh")
            assert self.program("fresh").run() is None
            self.heal("right")
            assert self.program("right").run("insist") is None
            assert self.program("right").run() is None
        finally:
            shutil.rmtree(self.folder)

    def heal(self, password):
        for one in self.programs:
            if one.steps is not None:
                one.kill(after_sending=False)
        self.cloud.heal()
        self.cloud.living = None
        self.cloud.password = password
        self.program("any").run("forget")  # a clock that went back is noticed now: the waits begin anew
        self.cloud.now += 8 * DAY


def test_keeper_invariants_hold_for_any_sequence_of_events():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )
    assert Life.steps >= 10_000
    assert Program.sent > 2_000


@pytest.mark.parametrize("plan", ["read", "twice", "regardless"])
def test_keeper_logs_in_once_without_faults(tmp_path, plan):
    cloud = CountingCloud()
    for number in range(50):
        assert Program(cloud, tmp_path, lambda: cloud.now, "right").run(plan) is None
        cloud.now += 1800 + number
    assert len(cloud.ledger.logins) == 1
