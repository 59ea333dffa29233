"""Programs under torture: processes forked from a warm one, with their own limits, that may be killed at any time."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.store import open_store
from heliograph.store.base import Batch, Series

if TYPE_CHECKING:
    import random

NOON = "2025-06-21T12:00:00+02:00"
FOREVER = 1 << 40
UNEXPECTED = ("Traceback", "internal.error", "should not have happened", "exception was never retrieved")
"""Texts in the output of a program that mean a mistake of this package."""


@dataclass
class Tally:
    """The figures of one scenario, one row of the table."""

    name: str
    trials: int = 0
    struck: int = 0
    """Trials in which the fault hit the program at work, and not before or after it."""
    lost: int = 0
    """Acknowledged rows or changes that were missing afterwards."""
    torn: int = 0
    """Writes of which a part was read."""
    mistakes: int = 0
    """Exceptions that are no error of this package, or absurd stored values."""
    stuck: int = 0
    """Trials after which neither the next start nor the printed command continued."""
    commands: int = 0
    """Trials that needed `heliograph doctor --repair`."""
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    def expect(self, condition: bool, figure: str, note: str) -> None:
        """Count a failure of the oracle, with a note about the first few."""
        if not condition:
            setattr(self, figure, getattr(self, figure) + 1)
            if len(self.notes) < 20:
                self.notes.append(f"{figure}: {note}")

    def check_output(self, text: str, trial: object) -> None:
        """Count a mistake if a program reported one."""
        found = next((word for word in UNEXPECTED if word in text), None)
        self.expect(found is None, "mistakes", f"{trial}: {text[-600:]}")

    @property
    def failures(self) -> int:
        """The number of failures of all kinds."""
        return self.lost + self.torn + self.mistakes + self.stuck


class Program:
    """A command of heliograph that runs in a process of its own."""

    def __init__(self, pid: int, output: Path) -> None:
        self.pid = pid
        self._output = output
        self.code: int | None = None

    @property
    def text(self) -> str:
        """Everything it has written so far."""
        return self._output.read_text("utf-8", "replace")

    def ended(self) -> bool:
        """Return whether it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if not self.ended():
            os.kill(self.pid, number)

    def kill(self) -> bool:
        """Kill it; return whether it was still running."""
        running = not self.ended()
        self.signal(signal.SIGKILL)
        self.wait()
        return running

    def wait(self, seconds: float = 120.0) -> int:
        """Wait for its end and return the exit code; kill it after this time."""
        end = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
                end = float("inf")
            time.sleep(0.002)
        assert self.code is not None
        return self.code

    def wait_for(self, text: str, seconds: float = 60.0) -> bool:
        """Wait until it has written a text; return whether it has."""
        end = time.monotonic() + seconds
        while text not in self.text:
            if self.ended() or time.monotonic() > end:
                return text in self.text
            time.sleep(0.002)
        return True


class Work:
    """The usual duration of a program's work, corrected by each trial: a fault at a random moment has to hit it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def wait(self, program: Program, chance: random.Random, done: str = "") -> None:
        """Wait for a random part of the duration, at most until the program has ended or written a text."""
        begun, part = time.monotonic(), chance.uniform(0, self.seconds)
        while (passed := time.monotonic() - begun) < part:
            if program.ended() or (done and done in program.text):
                self.seconds = max((self.seconds + passed) / 2, 0.02)
                return
            time.sleep(0.002)
        if part > 0.9 * self.seconds:
            self.seconds *= 1.1


class World:
    """Emulated clouds whose clock stands still, a home with configuration and store, and programs that use them."""

    def __init__(self, emulator, ready, home: Path) -> None:
        self.emulator = emulator
        self.ready = ready
        self.home = home
        self.config = home / "config.toml"
        self.store = home / "heliograph.sqlite"
        self.account = ready["accounts"][0]
        self.plants = [Series(self.account["vendor"], plant) for plant in self.account["plants"]]
        self._number = 0
        self.write_config(home)

    def write_config(self, home: Path, more: str = "", tables: str = "") -> None:
        """Write the configuration of the first account."""
        one = self.account
        path = home / "config.toml"
        path.write_text(
            f"[[account]]\nvendor = {one['vendor']!r}\nusername = {one['username']!r}\npassword = {one['password']!r}\n"
            f"server = {self.ready['url']!r}\nrequests_per_day = 1000000\n{more}\n{tables}"
        )
        path.chmod(0o600)

    def start(self, *words: str, home: Path | None = None, limits=()) -> Program:
        """Start a command; `limits` are pairs of `setrlimit`."""
        place = home or self.home
        self._number += 1
        output = Path(os.environ["TORTURE_OUTPUT"]) / f"{self._number % 50}.log"
        output.write_bytes(b"")
        pid = os.fork()
        if pid == 0:
            _run(words, place, output, limits)
        return Program(pid, output)

    def run(self, *words: str, **options) -> tuple[int, str]:
        """Run a command to its end; return exit code and output."""
        program = self.start(*words, **options)
        code = program.wait()
        return code, program.text

    def run_shifted(self, seconds: int, *words: str) -> tuple[int, str]:
        """Run a command whose clock is ahead by some seconds, with `faketime`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
        environment |= {"HELIOGRAPH_HOME": str(self.home), "HELIOGRAPH_NO_KEYRING": "1"}
        command = ["faketime", "-f", f"{seconds:+d}s", sys.executable, "-m", "heliograph", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    def advance(self, **duration: float) -> None:
        """Advance the clock of the clouds."""
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(**duration))

    def make_due(self) -> None:
        """Make the next poll of all plants due: a collector that is started again waits for it."""
        with open_store(self.store) as store:
            polls = [one._replace(next_at=one.polled_at) for one in store.poll_statuses().values()]
            store.write(Batch(polls=polls))

    def times(self, store: Path | None = None) -> list[set[int]]:
        """Return the times of the stored samples of every plant."""
        if not (store or self.store).exists():
            return [set() for _ in self.plants]
        with open_store(store or self.store, create=False) as opened:
            return [set(opened.sample_times(one, 0, FOREVER)) for one in self.plants]


@contextmanager
def world(folder: Path, vendors: int = 1):
    """Yield a new world in a folder."""
    home = folder / "home"
    home.mkdir(parents=True)
    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat(NOON), speed=0, accounts=vendors))
    with serve_in_thread(emulator) as ready:
        yield World(emulator, ready, home)


def _run(words, home: Path, output: Path, limits) -> None:
    """Run a command in this forked process, and end it."""
    code = 99
    try:
        os.closerange(3, 1024)  # those of the emulated clouds
        descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
        for number in (1, 2):
            os.dup2(descriptor, number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
            del os.environ[name]
        os.environ.update(HELIOGRAPH_HOME=str(home), HELIOGRAPH_NO_KEYRING="1")
        _skip_pauses()
        from heliograph.cli.main import run

        for limit, value in limits:
            resource.setrlimit(limit, (value, value))
        code = run(list(words))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - reported like the interpreter does
        import traceback

        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _skip_pauses() -> None:
    """Let settings changes not sleep before they read a device back."""
    from heliograph.cli.settings import common
    from heliograph.settings import Clock

    class FastClock(Clock):
        def sleep(self, seconds):
            """Return at once."""

    common.CLOCK = FastClock()


def order_states(home: Path) -> list[dict]:
    """Return the lines of the journal that can be parsed."""
    lines = []
    for path in (home / "orders").glob("*.jsonl"):
        for line in path.read_bytes().split(b"\n"):
            with suppress(ValueError):
                lines.append(json.loads(line))
    return lines
