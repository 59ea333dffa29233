"""Readings in one SQLite file: a row per plant and sample, a column per metric."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from heliograph.errors import StoreError
from heliograph.metrics import METRICS
from heliograph.model import Plant, Snapshot, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SCHEMA = 1
_KEY = ("vendor", "plant", "measured_at")
_COLUMNS = (*_KEY, "fetched_at", "status", *METRICS)

_CREATE = f"""
CREATE TABLE reading (
    vendor TEXT NOT NULL,
    plant TEXT NOT NULL,
    measured_at INTEGER NOT NULL,  -- epoch seconds, UTC
    fetched_at INTEGER NOT NULL,
    status TEXT,
    {", ".join(f"{name} REAL" for name in METRICS)},
    PRIMARY KEY ({", ".join(_KEY)})
) WITHOUT ROWID
"""
_APPEND = f"""
INSERT INTO reading ({", ".join(_COLUMNS)}) VALUES ({", ".join("?" * len(_COLUMNS))})
ON CONFLICT DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY)}
WHERE excluded.fetched_at >= reading.fetched_at
"""  # noqa: S608 - every name is a constant of this package
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM reading"  # noqa: S608 - likewise
_NEWEST = "SELECT vendor, plant, max(measured_at) FROM reading GROUP BY vendor, plant"


class SqliteStore:
    """All samples of all plants; the same sample twice is one row, and the newer answer wins."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it, readable by its owner only."""
        self.path = path
        with _one_line(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made here, before SQLite does it with everybody's permissions; its -wal and -shm take after it.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(path, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    def _prepare(self) -> None:
        run = self._database.execute
        run("PRAGMA busy_timeout = 5000")
        run("PRAGMA journal_mode = WAL")
        with self._transaction():
            (version,) = run("PRAGMA user_version").fetchone()
            if version > SCHEMA:
                raise StoreError(f"{self.path} was written by a newer version of heliograph (schema {version})")
            if version == 0:
                run(_CREATE)
                run(f"PRAGMA user_version = {SCHEMA}")
            present = {row[1] for row in run("PRAGMA table_info(reading)")}
            for name in METRICS:
                if name not in present:
                    run(f"ALTER TABLE reading ADD COLUMN {name} REAL")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:  # a full disk has already rolled back by itself
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def append(self, snapshots: Iterable[Snapshot]) -> int:
        """Keep all of these or none, and return how many they were."""
        rows = [_row(one) for one in snapshots]
        with _one_line(self.path), self._transaction():
            self._database.executemany(_APPEND, rows)
        return len(rows)

    def count(self) -> int:
        """Return how many samples are kept."""
        with _one_line(self.path):
            (count,) = self._database.execute("SELECT count(*) FROM reading").fetchone()
        return int(count)

    def latest(self) -> tuple[Snapshot, ...]:
        """Return the newest sample of every plant."""
        return self._read(f"WHERE ({', '.join(_KEY)}) IN ({_NEWEST}) ORDER BY vendor, plant")

    def rows(self, vendor: str, plant: str, since: datetime) -> tuple[Snapshot, ...]:
        """Return one plant's samples from a moment on, oldest first."""
        return self._read(
            "WHERE vendor = ? AND plant = ? AND measured_at >= ? ORDER BY measured_at",
            vendor,
            plant,
            _epoch(since),
        )

    def _read(self, which: str, *values: Any) -> tuple[Snapshot, ...]:
        with _one_line(self.path):
            return tuple(_snapshot(row) for row in self._database.execute(f"{_SELECT} {which}", values))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn what the database or the disk says into our own error."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _row(one: Snapshot) -> tuple[Any, ...]:
    # A sample without a moment of its own is known by when it was fetched.
    measured_at = one.measured_at or one.fetched_at
    status = one.status.value if one.status else None
    values = (one.values.get(name) for name in METRICS)
    return (one.plant.vendor, one.plant.id, _epoch(measured_at), _epoch(one.fetched_at), status, *values)


def _snapshot(row: tuple[Any, ...]) -> Snapshot:
    vendor, plant, measured_at, fetched_at, status, *values = row
    return Snapshot(
        plant=Plant(vendor=vendor, id=plant),
        status=Status(status) if status else None,
        measured_at=datetime.fromtimestamp(measured_at, UTC),
        fetched_at=datetime.fromtimestamp(fetched_at, UTC),
        values=dict(zip(METRICS, values, strict=True)),
    )


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
