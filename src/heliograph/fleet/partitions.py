"""Daily partitions of the samples, so that old days are removed by dropping a table and not row by row."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.fleet.database import Database, Run

DAYS_AHEAD = 7
"""Days for which partitions exist in advance: samples of other days go to the default partition."""
_DAY = 86_400
_LOCK = 0x506172746974
"""Advisory lock for changing the partitions."""
_PREFIX = "sample_"
_OLDER = "sample_older"
_OTHER = "sample_other"


async def add_partitions(database: Database, today: date, days: int = DAYS_AHEAD) -> tuple[str, ...]:
    """Create the missing partitions from today until so many days later; return their names.

    The first time, the table is turned into a partitioned one, with all samples until today as its first partition.
    Samples that are in no partition's day, because they are later, are in the partition `sample_other`.
    """
    async with database.transaction() as run:
        await run("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        ((kind,),) = await run("SELECT relkind FROM pg_class WHERE oid = 'heliograph.sample'::regclass")
        added = [] if kind in {"p", b"p"} else [await _partition(run, today)]
        there = {name for name, *_ in await _partitions(run)}
        for number in range(1, days + 1):
            day = today + timedelta(days=number)
            if (name := f"{_PREFIX}{day:%Y%m%d}") not in there and await _is_free(run, day):
                await run(
                    f"CREATE TABLE {name} PARTITION OF sample FOR VALUES FROM ({_start(day)}) TO ({_start(day) + _DAY})"
                )
                added.append(name)
    return tuple(added)


async def sample_partitions(database: Database) -> dict[str, tuple[int, int]]:
    """Return the estimated number of rows and the bytes of each partition, by name; empty if there is none."""
    async with database.transaction() as run:
        return {name: (int(rows), int(size)) for name, rows, size in await _partitions(run)}


async def _partitions(run: Run) -> list[tuple[str, float, int]]:
    rows = await run(
        """SELECT relname, greatest(reltuples, 0), pg_total_relation_size(pg_class.oid)
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'heliograph.sample'::regclass ORDER BY relname"""
    )
    return [(name, rows, size) for name, rows, size in rows]


async def _partition(run: Run, today: date) -> str:
    """Turn the table into the first partition of a new one of the same columns and key."""
    end = _start(today + timedelta(days=1))
    await run("LOCK TABLE sample IN ACCESS EXCLUSIVE MODE")
    await run(f"ALTER TABLE sample RENAME TO {_OLDER}")
    await run(f"ALTER INDEX sample_pkey RENAME TO {_OLDER}_pkey")
    await run(
        f"""CREATE TABLE sample (LIKE {_OLDER} INCLUDING DEFAULTS, PRIMARY KEY (series, measured_at))
        PARTITION BY RANGE (measured_at)"""
    )
    await run(f"CREATE TABLE {_OTHER} PARTITION OF sample DEFAULT")
    # Few: a sample is at most some minutes ahead of its time.
    later = f"DELETE FROM {_OLDER} WHERE measured_at >= {end} RETURNING *"  # noqa: S608 - a number
    await run(f"WITH moved AS ({later}) INSERT INTO {_OTHER} SELECT * FROM moved")  # noqa: S608
    await run(f"ALTER TABLE sample ATTACH PARTITION {_OLDER} FOR VALUES FROM (MINVALUE) TO ({end})")
    return _OLDER


async def _is_free(run: Run, day: date) -> bool:
    """Return whether the day is after the first partition, and the default partition has no sample of it."""
    bounds = await run(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = to_regclass(%s)", (f"heliograph.{_OLDER}",)
    )
    end = re.search(r"TO \('?(\d+)'?\)", bounds[0][0]) if bounds else None
    if end and _start(day) < int(end[1]):
        return False
    found = f"SELECT EXISTS (SELECT FROM {_OTHER} WHERE measured_at >= %s AND measured_at < %s)"  # noqa: S608
    return not (await run(found, (_start(day), _start(day) + _DAY)))[0][0]


def _start(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
