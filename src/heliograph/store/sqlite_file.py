"""The file of an SQLite store: its identity and permissions, and its errors as `StoreError` with advice."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from heliograph.core import limits
from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent
from heliograph.store.recovery import is_damage, repair_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = logging.getLogger(__name__)

FILE_ERRORS = (StoreError, sqlite3.Error, OSError, OverflowError, UnicodeError)
"""Exceptions of an operation of a file."""

_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program has been writing for too long; nothing was stored, try again",
    sqlite3.SQLITE_FULL: "nothing of this write was stored; free disk space and try again",
    sqlite3.SQLITE_IOERR: "nothing of this write was stored; free disk space, check the disk, and try again",
    sqlite3.SQLITE_CANTOPEN: "check its folder, the free disk space, and the limit of open files (`ulimit -n`)",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: stop the collector, then run: {command}",
    sqlite3.SQLITE_NOTADB: "it is not a store of heliograph: use another file, or move this one away",
}


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Convert errors of database and disk to `StoreError`, with the path and advice."""
    try:
        yield
    except FILE_ERRORS as error:
        raise_store_error(path, error)


def raise_store_error(path: Path, error: BaseException) -> NoReturn:
    """Raise one of `FILE_ERRORS` as `StoreError`, with the path and advice."""
    if isinstance(error, StoreError):
        raise type(error)(f"{path}: {error}") from None
    if isinstance(error, sqlite3.Error):
        advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the lower byte is the primary error code
        if advice is None and is_damage(error):
            advice = _ADVICE[sqlite3.SQLITE_CORRUPT]
        advice = f" ({advice.format(command=repair_command(path))})" if advice else ""
        raise StoreError(f"{path}: {error}{advice}") from error
    if isinstance(error, OSError):
        advice = f" ({advice})" if (advice := limits.remedy(error)) else ""
        raise StoreError(f"{path}: {error.strerror or error}{advice}") from error
    raise StoreError(f"{path}: a value that cannot be stored: {error}") from error


def file_identity(path: str) -> tuple[int, int] | None:
    """Return device and inode of a file, which change when it is replaced; None if there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - faster
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def make_private(path: Path) -> None:
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


class Transaction:
    """Commits everything that is done inside, or nothing; a generator would take a twentieth of a small write."""

    __slots__ = ("_check", "_cursor")

    def __init__(self, cursor: sqlite3.Cursor, check: Callable[[], None] | None) -> None:
        """`check` is called at the beginning, and may raise an error."""
        self._cursor = cursor
        self._check = check

    def __enter__(self) -> None:
        self._cursor.execute("BEGIN IMMEDIATE")
        if self._check is not None:
            try:
                self._check()
            except BaseException:
                self._cursor.execute("ROLLBACK")
                raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._cursor.execute("COMMIT")
        finally:
            # Neither after a commit, nor after SQLite has rolled back by itself (disk full).
            if self._cursor.connection.in_transaction:
                self._cursor.execute("ROLLBACK")
