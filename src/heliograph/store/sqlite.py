"""The store in one SQLite file, as every home has it: written by one program, read by any number meanwhile."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.core import files
from heliograph.errors import StoreError
from heliograph.store.schema import insert_row_sql
from heliograph.store.sql import ALREADY_COLLECTING, LOCK_TIMEOUT, SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from filelock import BaseFileLock

    from heliograph.store.schema import SqlTable

_T = TypeVar("_T")

_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program has been writing for too long; nothing was kept, so try again",
    sqlite3.SQLITE_FULL: "nothing of this write was kept; make room and try again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: keep it, save what is readable with `sqlite3 FILE .recover`, "
    "or move it away to begin a new one",
    sqlite3.SQLITE_NOTADB: "it is not a store of heliograph: name another file, or move this one away",
}


class SqliteStore(SqlStore):
    """All samples of all series in one file, readable by its owner only."""

    def __init__(self, path: Path, *, patience: float = LOCK_TIMEOUT) -> None:
        """Open the file, or make it; `patience` is how many seconds to wait for another program that writes."""
        super().__init__()
        self.path = path
        self._lock = RLock()
        self._claim: BaseFileLock | None = None
        self._patience = patience
        with _one_line(path):
            self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made here, before SQLite does it with everybody's permissions; its -wal and -shm take after it. A file that is
        # there is not even opened: closing it would let go of the locks this process holds on it (POSIX).
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        # Looked at before it is opened: a file put there between the two is noticed at the next question.
        self._file = _identity(self.path)
        self._database = sqlite3.connect(
            self.path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._run("PRAGMA journal_mode = WAL")
            # A program that is killed loses nothing it committed; a power cut loses at most the last commits, whole.
            self._run("PRAGMA synchronous = NORMAL")
            self._migrate(identity="INTEGER PRIMARY KEY", clustered="WITHOUT ROWID")
        except BaseException:
            self._database.close()
            self._file = None
            raise

    def _run_locked(self, work: Callable[[], _T]) -> _T:
        with self._lock, _one_line(self.path):
            self._follow()
            return work()

    def _follow(self) -> None:
        """Go on with the file that stands here now, as when a backup was put back; what is gone is not made anew.

        What is open stays readable and writable when it is deleted, and is lost with the last who has it open.
        """
        found = _identity(self.path)
        if found is None:
            raise StoreError("the file is gone: put it back, or start again to begin a new one")
        if found != self._file:
            self._database.close()
            self._ids = {}
            self._open()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # a full disk has already rolled back by itself
                self._run("ROLLBACK")
            raise

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._database.execute(statement, values).fetchall()

    def _lock_change_numbers(self) -> None:
        """Do nothing: a file has one writer at a time."""

    def _upsert_rows(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        self._database.executemany(insert_row_sql(table), rows)

    def _schema_version(self) -> int:
        return int(self._run("PRAGMA user_version")[0][0])

    def _set_schema_version(self, number: int) -> None:
        self._run(f"PRAGMA user_version = {number}")

    def _column_names(self, table: str) -> list[str]:
        return [name for (name,) in self._run("SELECT name FROM pragma_table_info(?)", (table,))]

    def size_bytes(self) -> int:
        """Return how many bytes the file's pages take, with those that are not in it yet."""
        return int(self._read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0])

    def claim(self, accounts: Sequence[str]) -> None:
        """Be the only collector into this file until closed."""
        self._run_locked(self._take)

    def _take(self) -> None:
        from filelock import Timeout  # noqa: PLC0415 - who only reads needs none

        # A file of its own: whoever lets go of one that SQLite has open, lets go of SQLite's locks as well (POSIX).
        lock = files.file_lock(self.path.with_name(f"{self.path.name}.collector"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(ALREADY_COLLECTING) from None
        self._claim = lock

    def close(self) -> None:
        """Close the file."""
        self._database.close()
        if self._claim is not None:
            self._claim.release()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from any other that ever had its name; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn what the database or the disk says into our own error, which names the file and what to do."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from None
    except sqlite3.Error as error:
        # The lower byte is the kind of error; the rest says more than anyone can use.
        advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        raise StoreError(f"{path}: {error}" + (f" ({advice})" if advice else "")) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    except (OverflowError, UnicodeError) as error:
        raise StoreError(f"{path}: a value that no database takes: {error}") from error
