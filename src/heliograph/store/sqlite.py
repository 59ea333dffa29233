"""The store in one SQLite file: written by one program, read by any number at the same time.

A damaged file is left as it is: a recovery file beside it is read and written until the store is repaired.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import suppress
from functools import partial
from itertools import chain
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from heliograph.core import files
from heliograph.core.garbage import garbage_collection_paused
from heliograph.errors import StoreError, StoreInUse
from heliograph.eventlog import LogEvent
from heliograph.store.copying import readable, recent_batches
from heliograph.store.recovery import (
    IntegrityCheck,
    close_unchanged,
    database_parts,
    in_use,
    is_damage,
    numbers_of_files,
    recovery_file,
    remove_database,
    repair_command,
)
from heliograph.store.schema import INSERT_SERIES, SELECT_SERIES_ID, TABLES, UPSERT_READER, insert_sql
from heliograph.store.sql import ALREADY_COLLECTING, CLAIM_TIMEOUT, LOCK_TIMEOUT, SqlStore
from heliograph.store.sqlite_file import (
    FILE_ERRORS,
    Transaction,
    file_identity,
    make_private,
    raise_store_error,
    store_errors,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from filelock import BaseFileLock

    from heliograph.store.base import SeriesChange
    from heliograph.store.rows import Build
    from heliograph.store.sql_table import SqlTable

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_ATTEMPTS = 4
"""The first attempt may only notice that the file was replaced."""
_MANY_ROWS = 10
"""Rows from which one statement of all takes less time than a statement for each."""
_MOST_ROWS = 32
"""More take longer to prepare; before version 3.32, SQLite allowed 999 values in a statement."""
_CHECK_SECONDS = 3.0
"""Seconds an integrity check gets at the end; containers are killed ten seconds after the stop signal."""


class Feed(NamedTuple):
    """The positions of the readers of a store (name, number, time), and the changes recorded for them."""

    readers: Sequence[tuple[Any, ...]] = ()
    changes: Sequence[SeriesChange] = ()


class FileReplaced(Exception):
    """The open file is no longer the one in use."""


class SqliteStore(SqlStore):
    """A store in one file, readable by its owner only."""

    def __init__(
        self, path: Path, *, patience: float = LOCK_TIMEOUT, writes: bool = False, follow: bool = True
    ) -> None:
        """Open or create the file; `patience` is the number of seconds to wait for another writer.

        A program that `writes` starts a recovery file if the file is damaged and no collector uses it. Without `follow`
        this very file is opened, even if a recovery file is in use.
        """
        super().__init__()
        self.path = path
        self.file = path
        """The file in use: `path`, or the newest recovery file."""
        self._number = 0
        self._lock = RLock()
        self._claim: BaseFileLock | None = None
        self._check: IntegrityCheck | None = None
        self._patience = patience
        self._writes = writes
        self._follow = follow
        with store_errors(path):
            self._open()

    @property
    def damaged_file(self) -> Path | None:
        """The store's own file, if it is damaged and a recovery file is in use."""
        return self.path if self._number else None

    def _open(self) -> None:
        """Open the file in use; begin a recovery file if it is damaged."""
        while True:
            self._number = in_use(self.path) if self._follow else 0
            self.file = recovery_file(self.path, self._number)
            # As texts, because these two are looked up twice in every transaction.
            self._name, self._successor = map(os.fspath, (self.file, recovery_file(self.path, self._number + 1)))
            try:
                self._connect()
            except FileReplaced:
                continue
            except sqlite3.DatabaseError as error:
                if not self._start_recovery(error):
                    raise
            else:
                return

    def _connect(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created here, because SQLite would make it readable by others; -wal and -shm inherit its permissions. An
        # existing file is not opened: closing it would release the locks this process holds on it (POSIX).
        if self._number == 0:
            with suppress(FileExistsError):
                os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        # Read before the file is opened: a file replaced in between is noticed at the next access.
        self._identity = file_identity(self._name)
        self._database = sqlite3.connect(
            self.file, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        # One for all statements, each of which is complete before the next: a small write would make five.
        self._cursor = self._database.cursor()
        try:
            self._run("PRAGMA journal_mode = WAL")
            # A killed program loses no commit; a power failure loses at most the last commits, each completely.
            self._run("PRAGMA synchronous = NORMAL")
            self._migrate(identity="INTEGER PRIMARY KEY", clustered="WITHOUT ROWID")
            # Only now: a file that is no store is left as it is.
            for part in database_parts(self.file):
                make_private(part)
        except BaseException:
            close_unchanged(self._database)
            self._identity = None
            raise

    def _run_locked(self, work: Callable[[], _T]) -> _T:
        with self._lock:
            try:  # a context manager would take a microsecond
                return self._run_on_file_in_use(work)
            except FILE_ERRORS as error:
                raise_store_error(self.path, error)

    def _run_on_file_in_use(self, work: Callable[[], _T]) -> _T:
        for attempt in range(_ATTEMPTS):
            if attempt or self._identity is None:
                self._reopen_if_replaced()
            try:
                return work()
            except FileReplaced:
                continue
            except sqlite3.DatabaseError as error:
                if not self._start_recovery(error):
                    raise
        raise StoreError("the file was replaced while it was used; try again")

    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        def read() -> list[tuple[Any, ...]]:
            self._check_file()
            return self._run(statement, values)

        return self._run_locked(read)

    def _read_as(self, build: Build[_T], statement: str, values: Sequence[Any]) -> list[_T]:
        def read() -> list[_T]:
            self._check_file()
            with garbage_collection_paused:  # also while rows are fetched: from a file that takes milliseconds
                return build(self._run(statement, values))

        return self._run_locked(read)

    def _check_file(self) -> None:
        """Raise `FileReplaced` if the file is no longer the one in use."""
        if self._is_replaced():
            raise FileReplaced

    def _reopen_if_replaced(self) -> None:
        """Open the file in use if it is another one: after a backup was restored, a recovery begun, the store repaired.

        Raises `StoreError` if it was deleted: an open file stays readable and writable after its deletion, but its data
        is lost when it is closed.
        """
        if not self._is_replaced():
            return
        if numbers_of_files(self.path):
            self._close_database()
            self._ids, self._layouts = {}, {}
            self._open()
        else:
            raise StoreError("the file was deleted: restore it, or restart to create a new one")

    def _is_replaced(self) -> bool:
        return self._identity is None or file_identity(self._name) != self._identity or self._has_successor()

    def _has_successor(self) -> bool:
        return self._follow and os.access(self._successor, os.F_OK)  # twice as fast as os.path.exists

    def _transaction(self) -> Transaction:
        # Checked when no other program can write any more: a repair replaces the file while it has this lock.
        return Transaction(self._cursor, self._check_file if self._identity is not None else None)

    def _start_recovery(self, error: sqlite3.DatabaseError) -> bool:
        """Begin a recovery file if the error means damage and no other program collects; return whether it did.

        A damaged file that no collector ever used may be anything, and is left alone.
        """
        if (
            not is_damage(error)
            or not self._follow
            or not (self._claim or (self._writes and lock_path(self.path).exists()))
        ):
            return False
        if self._claim is not None:
            self._begin_recovery(self.file, str(error))
            return True
        lock = files.file_lock(lock_path(self.path))
        try:
            with lock.acquire(timeout=0):
                self._begin_recovery(self.file, str(error))
        except TimeoutError:
            return False
        return True

    def _begin_recovery(self, damaged: Path, why: str) -> None:
        """Create the next recovery file, with what the collector needs of the damaged one, and leave that as it is."""
        with self._lock:
            if damaged != self.file or self._has_successor():
                return  # it was replaced meanwhile
            recovery = recovery_file(self.path, self._number + 1)
            create_recovery_file(damaged, recovery)
            advice = f"stop the collector, then run: {repair_command(self.path)}"
            _log.error(LogEvent("store.damaged", path=damaged, why=why, samples_go_to=recovery.name, advice=advice))

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._cursor.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            if "decode to UTF-8" not in str(error):
                raise
        # A damaged text: read with replaced characters it is an unknown word, or no JSON, and is handled as such.
        self._database.text_factory = _decode
        try:
            return self._cursor.execute(statement, values).fetchall()
        finally:
            self._database.text_factory = str

    def _lock_change_numbers(self) -> None:
        """Do nothing: SQLite allows one writer at a time."""

    def _upsert_rows(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        for start in range(0, len(rows), _MOST_ROWS):
            part = rows[start : start + _MOST_ROWS]
            if len(part) < _MANY_ROWS:
                self._cursor.executemany(insert_sql(table), part)
            else:  # in one statement, each row is merged with those before it
                self._cursor.execute(insert_sql(table, len(part)), tuple(chain.from_iterable(part)))

    def _schema_version(self) -> int:
        return int(self._run("PRAGMA user_version")[0][0])

    def _set_schema_version(self, number: int) -> None:
        self._run(f"PRAGMA user_version = {number}")

    def _column_names(self, table: str) -> list[str]:
        return [name for (name,) in self._run("SELECT name FROM pragma_table_info(?)", (table,))]

    def missing_tables(self) -> list[str]:
        """Return the tables that are not there any more."""
        found = {name for (name,) in self._read("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        return sorted(TABLES - found)

    def feed(self) -> Feed:
        """Return the change feed: the positions of all readers, and the changes that one of them has not processed."""
        return Feed(self._read("SELECT name, number, moved_at FROM reader"), self.changes(0, 1 << 40))

    def restore_feed(self, feed: Feed) -> None:
        """Continue the change feed of another store: its readers stay where they are."""

        def restore() -> None:
            with self._transaction():
                for reader in feed.readers:
                    self._run(UPSERT_READER, reader)
                for change in feed.changes:
                    self._run(INSERT_SERIES, change.series)
                    ((series,),) = self._run(SELECT_SERIES_ID, change.series)
                    self._run("INSERT OR REPLACE INTO change VALUES (?, ?, ?, ?)", (change.number, series, *change[2:]))

        self._run_locked(restore)

    def size_bytes(self) -> int:
        """Return the size of all pages, including those still in the write-ahead log."""
        return int(self._read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0])

    def claim(self, accounts: Sequence[str], *, timeout: float = CLAIM_TIMEOUT) -> None:
        """Lock the file for this collector until the store is closed; check it if the last one ended uncleanly."""
        self._run_locked(lambda: self._lock_for_collector(timeout))

    def _lock_for_collector(self, timeout: float) -> None:
        self._check_file()
        # A separate file: closing one that SQLite has open would release SQLite's locks as well (POSIX).
        lock = files.file_lock(lock_path(self.path))
        try:
            lock.acquire(timeout=timeout)
        except TimeoutError:
            raise StoreInUse(ALREADY_COLLECTING) from None
        self._claim = lock
        marker = unclean_marker(self.path)
        if marker.exists():
            _log.info(LogEvent("store.checking", path=self.file, why="the last collector did not end by itself"))
            self._check = IntegrityCheck(self.file, partial(self._begin_recovery, self.file))
            return
        # On a full disk the collector must start all the same: it only misses this check after a crash.
        with suppress(OSError):
            marker.touch(mode=0o600)

    def close(self) -> None:
        """Close the file; an integrity check gets a few seconds, or is repeated by the next collector."""
        checked = self._check is None or self._check.finish(_CHECK_SECONDS)
        if self._check is not None and self._check.error is not None:
            _log.warning(LogEvent("store.unchecked", path=self.file, why=self._check.error))
        self._close_database()
        if self._claim is not None:
            if checked:
                with suppress(OSError):
                    unclean_marker(self.path).unlink(missing_ok=True)
            self._claim.release()

    def _close_database(self) -> None:
        if self._has_successor():
            close_unchanged(self._database)
        else:
            self._database.close()


def create_recovery_file(damaged: Path, recovery: Path) -> None:
    """Create a recovery file, all at once, with the recent data of a damaged file as far as it can be read."""
    draft = recovery.with_name(f"{recovery.name}.new")
    remove_database(draft)
    source = readable(lambda: SqliteStore(damaged, follow=False))
    try:
        with SqliteStore(draft) as store:
            if source is not None:
                for batch in recent_batches(source):
                    store.write(batch)
                store.restore_feed(readable(source.feed) or Feed())
        draft.rename(recovery)
    finally:
        remove_database(draft)
        if source is not None:
            close_unchanged(source._database)  # noqa: SLF001


def unclean_marker(path: Path) -> Path:
    """Return the file that exists while a collector uses the store; after its end it means that it was killed."""
    return path.with_name(f"{path.name}.unclean")


def lock_path(path: Path) -> Path:
    """Return the file that a collector locks, and whose existence shows that the store was collected into."""
    return path.with_name(f"{path.name}.collector")


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")
