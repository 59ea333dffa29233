"""Copies of a SQLite store: made while a collector writes, and put in its place again."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from heliograph.core import files
from heliograph.errors import StoreError, StoreInUse
from heliograph.store.recovery import (
    connect_read_only,
    database_parts,
    integrity_check,
    numbers_of_files,
    recovery_file,
    repair_command,
)
from heliograph.store.schema import MIGRATIONS
from heliograph.store.sql import ALREADY_COLLECTING
from heliograph.store.sqlite import lock_path, unclean_marker
from heliograph.store.sqlite_file import store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = len(MIGRATIONS)
"""The newest schema version that this program reads."""


def copy_store(path: Path, target: Path) -> None:
    """Copy a store to a new file as it is at one moment; its collector is not stopped and not delayed.

    Raises `StoreError` if the store is damaged, or if the copy cannot be written.
    """
    if numbers_of_files(path)[-1:] != [0]:
        raise StoreError(f"{path} is damaged; stop the collector, then run: {repair_command(path)}")
    target.touch(mode=0o600, exist_ok=False)
    with store_errors(path):
        source = connect_read_only(path)
    with closing(source):
        with store_errors(path):
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with store_errors(target), closing(sqlite3.connect(target)) as copy:
            # All pages in one step: from one read transaction, which a writer does not have to wait for.
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")


def check_copy(file: Path) -> int:
    """Return the schema version of a copy; raises `StoreError` if it is damaged or written by a newer version."""
    with store_errors(file), closing(connect_read_only(file)) as database:
        if (problem := integrity_check(database)) is not None:
            raise StoreError(f"this copy of a store is damaged: {problem}")
        ((version,),) = database.execute("PRAGMA user_version").fetchall()
    return int(version)


@contextmanager
def unused_store(path: Path) -> Iterator[None]:
    """Hold the lock of a store's collector; raises `StoreInUse` while a collector runs."""
    lock = files.file_lock(lock_path(path))
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        raise StoreInUse(f"{path}: {ALREADY_COLLECTING}") from None
    try:
        yield
    finally:
        lock.release()


def store_files(path: Path) -> list[Path]:
    """Return all files of a store that exist: its own, its recovery files, and those SQLite keeps beside them."""
    found = [part for number in numbers_of_files(path) for part in database_parts(recovery_file(path, number))]
    return [file for file in (*found, unclean_marker(path)) if file.exists()]
