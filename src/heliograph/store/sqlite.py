"""The store in one SQLite file: written by one program, read by any number at the same time."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.core import files
from heliograph.errors import StoreError, StoreInUse
from heliograph.eventlog import LogEvent
from heliograph.store.schema import insert_row_sql
from heliograph.store.sql import ALREADY_COLLECTING, CLAIM_TIMEOUT, LOCK_TIMEOUT, SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from filelock import BaseFileLock

    from heliograph.store.schema import SqlTable

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program has been writing for too long; nothing was stored, try again",
    sqlite3.SQLITE_FULL: "nothing of this write was stored; free disk space and try again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: keep a copy, recover what is readable with `sqlite3 FILE .recover`, "
    "or move it away to start a new one",
    sqlite3.SQLITE_NOTADB: "it is not a store of heliograph: use another file, or move this one away",
}


class SqliteStore(SqlStore):
    """A store in one file, readable by its owner only."""

    def __init__(self, path: Path, *, patience: float = LOCK_TIMEOUT) -> None:
        """Open or create the file; `patience` is the number of seconds to wait for another writer."""
        super().__init__()
        self.path = path
        self._lock = RLock()
        self._claim: BaseFileLock | None = None
        self._patience = patience
        with _store_errors(path):
            self._open()

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created here, because SQLite would make it readable by others; -wal and -shm inherit its permissions. An
        # existing file is not opened: closing it would release the locks this process holds on it (POSIX).
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        # Read before the file is opened: a file replaced in between is noticed at the next access.
        self._file = _identity(self.path)
        self._database = sqlite3.connect(
            self.path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._run("PRAGMA journal_mode = WAL")
            # A killed program loses no commit; a power failure loses at most the last commits, each completely.
            self._run("PRAGMA synchronous = NORMAL")
            self._migrate(identity="INTEGER PRIMARY KEY", clustered="WITHOUT ROWID")
            # Only now: a file that is no store is left as it is.
            for suffix in ("", "-wal", "-shm"):
                _make_private(self.path.with_name(self.path.name + suffix))
        except BaseException:
            self._database.close()
            self._file = None
            raise

    def _run_locked(self, work: Callable[[], _T]) -> _T:
        with self._lock, _store_errors(self.path):
            self._reopen_if_replaced()
            return work()

    def _reopen_if_replaced(self) -> None:
        """Reopen the file if it was replaced, for example by a backup; raise `StoreError` if it was deleted.

        An open file stays readable and writable after its deletion, but its data is lost when it is closed.
        """
        found = _identity(self.path)
        if found is None:
            raise StoreError("the file was deleted: restore it, or restart to create a new one")
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
            if self._database.in_transaction:  # false after SQLite rolled back by itself (disk full)
                self._run("ROLLBACK")
            raise

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._database.execute(statement, values).fetchall()

    def _lock_change_numbers(self) -> None:
        """Do nothing: SQLite allows one writer at a time."""

    def _upsert_rows(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        self._database.executemany(insert_row_sql(table), rows)

    def _schema_version(self) -> int:
        return int(self._run("PRAGMA user_version")[0][0])

    def _set_schema_version(self, number: int) -> None:
        self._run(f"PRAGMA user_version = {number}")

    def _column_names(self, table: str) -> list[str]:
        return [name for (name,) in self._run("SELECT name FROM pragma_table_info(?)", (table,))]

    def size_bytes(self) -> int:
        """Return the size of all pages, including those still in the write-ahead log."""
        return int(self._read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0])

    def claim(self, accounts: Sequence[str], *, timeout: float = CLAIM_TIMEOUT) -> None:
        """Lock the file for this collector until the store is closed."""
        self._run_locked(lambda: self._lock_for_collector(timeout))

    def _lock_for_collector(self, timeout: float) -> None:
        from filelock import Timeout  # noqa: PLC0415 - needed by collectors only

        # A separate file: closing one that SQLite has open would release SQLite's locks as well (POSIX).
        lock = files.file_lock(self.path.with_name(f"{self.path.name}.collector"))
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise StoreInUse(ALREADY_COLLECTING) from None
        self._claim = lock

    def close(self) -> None:
        """Close the file."""
        self._database.close()
        if self._claim is not None:
            self._claim.release()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, which change when it is replaced; None if there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """Remove the permissions of other users, which a restored backup may have; log a warning."""
    if os.name != "posix" or not _is_open_to_others(path):
        return
    with suppress(OSError):
        if not path.is_symlink():
            os.chmod(path, 0o600)  # noqa: PTH101
    if _is_open_to_others(path):
        _log.warning(LogEvent("store.readable_by_others", path=path, advice=f"run: chmod 600 {path}"))
    else:
        _log.warning(LogEvent("store.permissions_changed", path=path, why="others could read the file"))


def _is_open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:
        return False


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Convert errors of database and disk to `StoreError`, with the path and advice."""
    try:
        yield
    except StoreError as error:
        raise type(error)(f"{path}: {error}") from None
    except sqlite3.Error as error:
        # The lower byte is the primary error code.
        advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        raise StoreError(f"{path}: {error}" + (f" ({advice})" if advice else "")) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    except (OverflowError, UnicodeError) as error:
        raise StoreError(f"{path}: a value that cannot be stored: {error}") from error
