"""Repair of a damaged SQLite store: everything readable is copied to a new file, which then takes its place.

Nothing is deleted, and each step leaves a store that works: a repair that was killed is simply repeated.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from heliograph.core import files
from heliograph.errors import StoreError, StoreMissing
from heliograph.store.base import UnreadableRow
from heliograph.store.copying import all_batches
from heliograph.store.recovery import (
    close_unchanged,
    connect_read_only,
    database_parts,
    integrity_check,
    is_damage,
    numbers_of_files,
    recovery_file,
    remove_database,
    repair_command,
)
from heliograph.store.salvage import Salvage
from heliograph.store.sqlite import SqliteStore, create_recovery_file, lock_path, unclean_marker
from heliograph.store.sqlite_file import store_errors
from heliograph.store.sqlite_pages import PageReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from heliograph.store.base import Batch

_log = logging.getLogger(__name__)
_ATTEMPTS = 20


class CopiedFile(NamedTuple):
    """The rows read from one file; `damage` is the first error of a damaged one."""

    name: str
    damage: str | None
    samples: int = 0
    days: int = 0
    unreadable_pages: int = 0
    unknown_rows: int = 0
    """Rows that are readable, but whose plant is not."""


class RepairReport(NamedTuple):
    """The result of a repair; a store that was not damaged is not changed, and has neither `files` nor `finished`."""

    path: Path
    files: tuple[CopiedFile, ...] = ()
    samples: int = 0
    """Samples of the repaired store, each counted once."""
    set_aside: tuple[str, ...] = ()
    """The new names of the damaged file and of the recovery files."""
    finished: bool = False
    """Whether the store was repaired now."""


def repair_store(path: Path, now: datetime) -> RepairReport:
    """Repair a store if it is damaged; raises `StoreError` while a collector uses it, or if nothing is readable."""
    if not numbers_of_files(path):
        raise StoreMissing(f"there is no store at {path}; nothing was changed")
    lock = files.file_lock(lock_path(path))
    try:
        with lock.acquire(timeout=0), store_errors(path):
            return _repair(path, f"{now:%Y%m%d-%H%M%S}")
    except TimeoutError:
        raise StoreError(f"{path}: a collector is using it; stop it, then run again: {repair_command(path)}") from None


def _repair(path: Path, stamp: str) -> RepairReport:
    numbers = numbers_of_files(path)
    damage = {number: _damage(recovery_file(path, number)) for number in numbers}
    if numbers == [0] and damage[0] is None:
        unclean_marker(path).unlink(missing_ok=True)
        return RepairReport(path)
    newest = numbers[-1]
    if damage[newest] is not None:
        if not any(_is_store(recovery_file(path, number)) for number in numbers):
            raise StoreError("nothing of a store of heliograph is readable in it; nothing was changed")
        # From here on a program that writes without a claim, such as a backfill, writes to a sound file.
        newest += 1
        create_recovery_file(recovery_file(path, newest - 1), recovery_file(path, newest))
        damage[newest] = None
    copied: tuple[CopiedFile, ...] = ()
    if len(damage) > 1:
        copied = _merge(path, damage, recovery_file(path, newest + 1))
        newest += 1
    set_aside = tuple(_set_aside(path, number, stamp) for number in damage if number != newest)
    with _place(recovery_file(path, newest), path) as store:
        samples = sum(store.count(info.series) for info in store.series())
    unclean_marker(path).unlink(missing_ok=True)
    return RepairReport(path, copied, samples, set_aside, finished=True)


def _merge(path: Path, damage: dict[int, str | None], merged: Path) -> tuple[CopiedFile, ...]:
    """Copy all files, the oldest first, to a new one, which is used from the moment of its renaming."""
    draft = merged.with_name(f"{merged.name}.new")
    remove_database(draft)
    newest = recovery_file(path, max(damage))
    copied = []
    with _no_writers(newest):
        with SqliteStore(draft) as target:
            for number, problem in damage.items():
                file = recovery_file(path, number)
                copied.append(_copy(file, target) if problem is None else _salvage(file, problem, target))
            with SqliteStore(newest) as source:
                target.restore_feed(source.feed())
        problem = _damage(draft)
        if problem is not None:
            raise StoreError(f"the new file is damaged as well ({problem}): check the disk; nothing was changed")
        _flush(draft)
        draft.rename(merged)
    return tuple(copied)


def _copy(file: Path, target: SqliteStore) -> CopiedFile:
    with SqliteStore(file, follow=False) as source:
        samples, days = _write(all_batches(source), target)
    return CopiedFile(file.name, None, samples, days)


def _salvage(file: Path, problem: str, target: SqliteStore) -> CopiedFile:
    with closing(PageReader(file)) as pages:
        rows = Salvage(pages)
        samples, days = _write(rows.batches(), target)
        return CopiedFile(file.name, problem, samples, days, pages.unreadable, rows.unknown)


def _write(batches: Iterator[Batch], target: SqliteStore) -> tuple[int, int]:
    samples = days = 0
    for batch in batches:
        target.write(batch)
        samples, days = samples + len(batch.samples), days + len(batch.days)
    return samples, days


def _set_aside(path: Path, number: int, stamp: str) -> str:
    """Rename a file that was copied; return its new name."""
    name = f"{path.name}.damaged-{stamp}" + (f"-recovery-{number}" if number else "")
    # The file itself last: as long as it has its name, a repeated repair finds it.
    for part in reversed(database_parts(recovery_file(path, number))):
        suffix = part.name.removeprefix(recovery_file(path, number).name)
        with suppress(FileNotFoundError):
            part.rename(path.with_name(name + suffix))
    return name


@contextmanager
def _place(file: Path, path: Path) -> Iterator[SqliteStore]:
    """Rename a sound file to the store's own name, and open it; nothing of its write-ahead log may be left behind."""
    for part in database_parts(path):
        if part != path:
            part.unlink(missing_ok=True)
    database = sqlite3.connect(file, isolation_level=None)
    try:
        for _ in range(_ATTEMPTS):
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            database.execute("BEGIN IMMEDIATE")
            log = database_parts(file)[1]
            if not log.exists() or not log.stat().st_size:
                break
            database.execute("ROLLBACK")  # another program wrote in between
        else:
            raise StoreError(f"other programs keep writing to it: stop them, then run again: {repair_command(path)}")
        file.rename(path)
        database.execute("ROLLBACK")
    finally:
        database.close()
    for part in database_parts(file):
        part.unlink(missing_ok=True)
    with SqliteStore(path) as store:
        yield store


@contextmanager
def _no_writers(file: Path) -> Iterator[None]:
    """Keep other programs from writing to a file: their batches wait, and are then written to the new one."""
    database = sqlite3.connect(file, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
    finally:
        database.close()


def _damage(file: Path) -> str | None:
    """Return the first error of a damaged file, None for a sound one; other errors of disk and database are raised."""
    database = connect_read_only(file)
    try:
        problem = integrity_check(database)
    finally:
        close_unchanged(database)
    if problem is None:
        # The structure is sound; a value may still be one that no version wrote, and cannot be read.
        try:
            with SqliteStore(file, follow=False) as store:
                if missing := store.missing_tables():
                    return f"no such table: {', '.join(missing)}"
                for _ in all_batches(store):
                    pass
        except UnreadableRow as error:
            return str(error)
        except StoreError as error:  # a column has another name
            if not is_damage(error.__cause__):
                raise
            return str(error.__cause__)
    return problem


def _is_store(file: Path) -> bool:
    with closing(PageReader(file)) as pages:
        return Salvage(pages).is_store


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
