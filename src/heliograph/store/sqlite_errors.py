"""Errors of SQLite and of the disk as `StoreError`, with the path of the file and advice."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from heliograph.core import files
from heliograph.errors import StoreError
from heliograph.store.recovery import is_damage, repair_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_ERRORS = (StoreError, sqlite3.Error, OSError, OverflowError, UnicodeError)
"""What an operation of a file may raise."""

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
        advice = f" ({advice})" if (advice := files.remedy(error)) else ""
        raise StoreError(f"{path}: {error.strerror or error}{advice}") from error
    raise StoreError(f"{path}: a value that cannot be stored: {error}") from error
