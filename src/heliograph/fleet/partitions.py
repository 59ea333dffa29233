"""Daily partitions of samples and measurements, so that old days are removed by dropping a table, not row by row."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from heliograph.fleet.database import Database, Run

PARTITIONED = ("sample", "measurement")
"""The tables with a row per poll, whose key is (series, measured_at)."""
DAYS_AHEAD = 7
"""Days for which partitions exist in advance: samples of other days go to the default partition."""
_DAY = 86_400
_LOCK = 0x506172746974
"""Advisory lock for changing the partitions."""
_LOCK_SECONDS = 5
"""Seconds that detaching waits for other statements, while those after it wait for it."""
_DETACHED = """SELECT relname FROM pg_class WHERE relnamespace = 'heliograph'::regnamespace AND relkind = 'r'
    AND NOT relispartition AND relname ~ %s ORDER BY relname"""


class Partition(NamedTuple):
    """A partition of one of the tables; `end` is the first second after it, None for the default partition."""

    name: str
    end: int | None
    rows: int
    """Estimated."""
    size: int
    """Bytes."""


async def add_partitions(database: Database, today: date, days: int = DAYS_AHEAD) -> tuple[str, ...]:
    """Create the missing partitions from today until so many days later; return their names.

    The first time, a table is turned into a partitioned one, with all rows until today as its first partition. Rows
    that are in no partition's day are in the partition `…_other`.
    """
    added: list[str] = []
    async with database.transaction() as run:
        await run("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        for table in PARTITIONED:
            ((kind,),) = await run("SELECT relkind FROM pg_class WHERE oid = %s::regclass", (f"heliograph.{table}",))
            if kind not in {"p", b"p"}:
                added.append(await _partition(run, table, today))
            there = {one.name: one.end for one in await _partitions(run, table)}
            first_end = there.get(f"{table}_older") or 0
            for number in range(1, days + 1):
                day = today + timedelta(days=number)
                name, start = f"{table}_{day:%Y%m%d}", day_start(day)
                if name not in there and start >= first_end and await _is_free(run, table, start):
                    await run(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ({start}) TO ({start + _DAY})")
                    added.append(name)
    return tuple(added)


async def partitions(database: Database, table: str) -> list[Partition]:
    """Return the partitions of a table, by name; empty if it has none."""
    async with database.transaction() as run:
        return await _partitions(run, table)


async def detach_partition(database: Database, table: str, name: str) -> None:
    """Make a partition a table of its own, which nothing writes; raises `StoreError` if others use it for long."""
    async with database.transaction() as run:
        await run("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await run(f"SET LOCAL lock_timeout = '{round(_LOCK_SECONDS * 1000)}ms'")
        await run(f"ALTER TABLE {table} DETACH PARTITION {name}")


async def detached_partitions(database: Database, table: str) -> list[str]:
    """Return the tables that were partitions of this one and are to be archived."""
    return [name for (name,) in await database.run(_DETACHED, (rf"^{table}_(\d{{8}}|older)$",))]


async def _partitions(run: Run, table: str) -> list[Partition]:
    rows = await run(
        """SELECT relname, pg_get_expr(relpartbound, pg_class.oid), greatest(reltuples, 0)::bigint,
            pg_total_relation_size(pg_class.oid)
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass ORDER BY relname""",
        (f"heliograph.{table}",),
    )
    ends = [re.search(r"TO \('?(\d+)'?\)", bounds) for _, bounds, *_ in rows]
    return [
        Partition(name, int(end[1]) if end else None, count, size)
        for (name, _, count, size), end in zip(rows, ends, strict=True)
    ]


async def _partition(run: Run, table: str, today: date) -> str:
    """Turn a table into the first partition of a new one of the same columns and key; return its new name."""
    end, older, other = day_start(today + timedelta(days=1)), f"{table}_older", f"{table}_other"
    await run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    await run(f"ALTER TABLE {table} RENAME TO {older}")
    await run(f"ALTER INDEX {table}_pkey RENAME TO {older}_pkey")
    await run(
        f"""CREATE TABLE {table} (LIKE {older} INCLUDING DEFAULTS, PRIMARY KEY (series, measured_at))
        PARTITION BY RANGE (measured_at)"""
    )
    await run(f"CREATE TABLE {other} PARTITION OF {table} DEFAULT")
    # Few: a sample is at most some minutes ahead of its time.
    later = f"DELETE FROM {older} WHERE measured_at >= {end} RETURNING *"  # noqa: S608 - constants and a number
    await run(f"WITH moved AS ({later}) INSERT INTO {other} SELECT * FROM moved")  # noqa: S608
    await run(f"ALTER TABLE {table} ATTACH PARTITION {older} FOR VALUES FROM (MINVALUE) TO ({end})")
    return older


async def _is_free(run: Run, table: str, start: int) -> bool:
    """Return whether the default partition has no row of the day."""
    found = f"SELECT EXISTS (SELECT FROM {table}_other WHERE measured_at >= %s AND measured_at < %s)"  # noqa: S608
    return not (await run(found, (start, start + _DAY)))[0][0]


def day_start(day: date) -> int:
    """Return the first second of a day in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
