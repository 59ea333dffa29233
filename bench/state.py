"""Benchmark of ways to store an account's state: the cost of one protected call's lock, load, save and release.

usage: state.py [CALLS]

All ways store the same state, in the middle of an account's day, and hold a file lock during the call; all but the
first two share the encoding of the state.
"One program" repeats calls; "programs in turn" are several clients of one account, which have to read what another one
wrote. The last column is the wall time of a durable save on this disk. Prints a table for ADR 0025.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from heliograph.core.files import HeldFileLock, file_lock, write_atomic
from heliograph.core.session import Session
from heliograph.keeper.state import AccountState
from heliograph.keeper.state_file import StateFile

NOW = 1_782_036_000.0
COMPACT_AT = 65_536
ROUNDS = 7


class ReplacedFile:
    """One JSON file with a checksum, written beside and renamed: the way until November 2026."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "replaced.json"

    def lock(self):
        return HeldFileLock.acquire(str(self.path.with_suffix(".lock")))

    def load(self) -> AccountState:
        if not self.path.exists():
            return AccountState()
        stored = json.loads(self.path.read_bytes())
        text = json.dumps(stored["book"], separators=(",", ":"))
        assert stored["sum"] == sha256(text.encode()).hexdigest()
        return AccountState.from_dict(stored["book"])

    def save(self, state: AccountState, *, durable: bool) -> None:
        text = json.dumps(state.to_dict(), separators=(",", ":"))
        digest = sha256(text.encode()).hexdigest()
        write_atomic(self.path, f'{{"sum":"{digest}","book":{text}}}', durable=durable)


class ReplacedFileWithLibraryLock(ReplacedFile):
    """The same with filelock's lock, as it was."""

    def lock(self):
        lock = file_lock(self.path.with_suffix(".lock"))
        lock.acquire(timeout=0)
        return lock


class AppendedFile(ReplacedFile):
    """Lines of checksum and state, of which the last whole one counts; rewritten when it is long."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "appended.log"
        self.encoder = StateFile(folder, "encoder")
        self.seen: tuple[bytes, AccountState] = b"", AccountState()

    def load(self) -> AccountState:
        if not self.path.exists():
            return AccountState()
        descriptor = os.open(self.path, os.O_RDONLY)
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, 16_384, max(size - 16_384, 0))
        os.close(descriptor)
        for line in reversed(tail.split(b"\n")[:-1]):
            digest, _, text = line.partition(b" ")
            if digest == self.seen[0]:
                return self.seen[1].copy()
            if digest == sha256(text).hexdigest().encode():
                state = AccountState.from_dict(json.loads(text))
                self.seen = digest, state.copy()
                return state
        return AccountState()

    def save(self, state: AccountState, *, durable: bool) -> None:
        text = self.encoder.encode(state)
        digest = sha256(text.encode()).hexdigest()
        line = f"{digest} {text}\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if os.fstat(descriptor).st_size > COMPACT_AT:
            write_atomic(self.path, line)
        else:
            os.write(descriptor, line.encode())
            if durable:
                os.fsync(descriptor)
        os.close(descriptor)
        self.seen = digest.encode(), state.copy()


class Database(ReplacedFile):
    """A table in a SQLite file in WAL mode, its connection kept open."""

    keeps_connection = True

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{type(self).__name__}.sqlite"
        self.encoder = StateFile(folder, "encoder")
        self.connection = None

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE IF NOT EXISTS states (account TEXT PRIMARY KEY, book TEXT) WITHOUT ROWID")
        return connection

    def load(self) -> AccountState:
        self.connection = self.connection or self.connect()
        row = self.connection.execute("SELECT book FROM states WHERE account = 'a'").fetchone()
        return AccountState() if row is None else AccountState.from_dict(json.loads(row[0]))

    def save(self, state: AccountState, *, durable: bool) -> None:
        text = self.encoder.encode(state)
        self.connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self.connection.execute("INSERT OR REPLACE INTO states VALUES ('a', ?)", (text,))
        if not self.keeps_connection:
            self.connection.close()
            self.connection = None


class ReopenedDatabase(Database):
    """The same, opened and closed by each call: a thousand accounts cannot keep a thousand connections."""

    keeps_connection = False


class InPlaceFile:
    """The state file of the package: three copies, overwritten in place."""

    def __init__(self, folder: Path) -> None:
        self.store = StateFile(folder, "in-place")

    def lock(self):
        self.held = self.store.hold()
        return self.held

    def load(self) -> AccountState:
        return self.held.load(NOW)

    def save(self, state: AccountState, *, durable: bool) -> None:
        self.held.save(state, durable=durable)


WAYS = {
    "JSON file, replaced, filelock's lock (as before)": ReplacedFileWithLibraryLock,
    "JSON file, replaced": ReplacedFile,
    "appended lines": AppendedFile,
    "SQLite, WAL, connection kept": Database,
    "SQLite, WAL, opened by each call": ReopenedDatabase,
    "three copies in place (chosen)": InPlaceFile,
}


def day_of_requests() -> AccountState:
    """Return a state in the middle of an account's day."""
    state = AccountState()
    state.at = NOW
    state.spent = [[NOW - 86_000 + 600.123 * number, 1] for number in range(143)]
    session = Session("https://openapi.growatt.com/")
    session.alive, session.cookies = True, {"openapi.growatt.com": {"JSESSIONID": "a" * 32, "SERVERID": "b" * 60}}
    session.facts = {"plants": ["1234567"], "user_id": "123456"}
    state.session, state.notes = session.to_dict(), [[NOW - 3600, "logged in"]]
    return state


def call(way, *, durable: bool = False) -> None:
    """Do what one protected call does with the state."""
    lock = way.lock()
    state = way.load()
    state.count_request(NOW)
    way.save(state, durable=durable)
    lock.release()


def cpu_per_call(ways, calls: int) -> float:
    start = time.process_time()
    for number in range(calls):
        call(ways[number % len(ways)])
    return (time.process_time() - start) / calls


def measure(calls: int) -> list[str]:
    """Return the table; the ways alternate in several rounds, so that a busy machine disturbs all equally."""
    one, turn, durable = ({name: [] for name in WAYS} for _ in range(3))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in WAYS.values():
            way = kind(folder)
            lock = way.lock()
            way.load()
            way.save(day_of_requests(), durable=False)
            lock.release()
        for _ in range(ROUNDS):
            for title, kind in WAYS.items():
                one[title].append(cpu_per_call([kind(folder)], calls))
                turn[title].append(cpu_per_call([kind(folder) for _ in range(3)], calls))
                way, start = kind(folder), time.perf_counter()
                for _ in range(5):
                    call(way, durable=True)
                durable[title].append((time.perf_counter() - start) / 5)
    lines = ["| way | one program, CPU µs a call | programs in turn | durable save, wall ms |", "|---|---|---|---|"]
    for title in WAYS:
        own, others, synced = (statistics.median(one_of[title]) for one_of in (one, turn, durable))
        lines.append(f"| {title} | {own * 1e6:.0f} | {others * 1e6:.0f} | {synced * 1e3:.1f} |")
    return lines


if __name__ == "__main__":
    print("\n".join(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 300)))
