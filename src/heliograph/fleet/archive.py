"""Old days leave the database: hours are stored, rows are written to Parquet and read back, tables are dropped.

A partition is detached before it is written, so that its rows do not change any more. If the program ends at any
moment, the next run finds the detached table and continues. A table is dropped only after its file has all its rows.
"""

# ruff: noqa: S608 - every name in a statement is a constant or the name of a partition

from __future__ import annotations

import logging
import os
from contextlib import aclosing
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError, StoreError
from heliograph.eventlog import LogEvent
from heliograph.fleet.partitions import PARTITIONED, detach_partition, detached_partitions, partitions
from heliograph.local_time import zone_from_name
from heliograph.metrics import METRICS
from heliograph.store.hours import CREATE_HOURS, HOUR, roll_up

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from heliograph.fleet.database import Database

_GROUP = 50_000
"""Rows of a Parquet row group; these are in memory at once."""
_COLUMNS = {
    "sample": {"quality": "string", "status": "string", **dict.fromkeys(METRICS, "double")},
    # As the store has them: the layout's names, separated by commas, and a JSON array of the values.
    "measurement": {"names": "string", "contents": "string"},
}
_ROWS = {
    "sample": f"SELECT series, measured_at, fetched_at, {', '.join(_COLUMNS['sample'])} FROM {{}}",
    "measurement": """SELECT series, measured_at, fetched_at, layout.names, contents
        FROM {} AS rows LEFT JOIN layout ON layout.id = rows.layout""",
}
_ADD_METRICS = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} double precision" for name in METRICS)

_log = logging.getLogger(__name__)


class ArchivedTable(NamedTuple):
    """A table that was dropped, and the file that has its rows."""

    table: str
    rows: int
    file: str


async def archive_old_days(database: Database, before: int, folder: Path) -> tuple[ArchivedTable, ...]:
    """Archive the partitions that end before a time in epoch seconds; return what was archived.

    Raises `ConfigError` before anything is changed if the folder cannot be used, and `StoreError` if a file of the same
    name has other rows. The rows are on disk before a table is dropped.
    """
    check_archive(folder)
    for statement in CREATE_HOURS:
        await database.run(statement)
    archived = []
    for table in PARTITIONED:
        # First those that an earlier run has detached.
        archived += [
            await _archive(database, table, name, folder) for name in await detached_partitions(database, table)
        ]
        for one in await partitions(database, table):
            if one.end is not None and one.end <= before:
                if table == "sample":
                    await _roll_up(database, one.name)  # so that charts of hours have no gap in between
                await detach_partition(database, table, one.name)
                archived.append(await _archive(database, table, one.name, folder))
    return tuple(archived)


def check_archive(folder: Path) -> None:
    """Raise `ConfigError` unless Parquet files can be written to the folder."""
    if find_spec("pyarrow") is None:
        raise ConfigError(f"an archive needs pyarrow, which is not installed: {extra_command('parquet')}")
    try:
        probe = folder / f".{os.getpid()}.part"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"--archive {folder} cannot be written: {error.strerror or error}") from None


async def _archive(database: Database, table: str, name: str, folder: Path) -> ArchivedTable:
    """Write a detached table to a file, unless that is done; compare the file with the table, and drop the table."""
    if table == "sample":
        await database.run(f"ALTER TABLE {name} {_ADD_METRICS}")
        await _roll_up(database, name)
    path = folder / f"{name}.parquet"
    try:
        if not path.exists():
            await _write(path, table, _groups(database, table, name))
        rows = await _compare(path, _groups(database, table, name))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}; {name} is kept") from None
    await database.run(f"DROP TABLE {name}")
    _log.info(LogEvent("fleet.archived", table=name, rows=rows, file=path))
    return ArchivedTable(name, rows, str(path))


async def _roll_up(database: Database, name: str) -> None:
    zones = await database.run("SELECT DISTINCT zone FROM series WHERE zone IS NOT NULL")
    shifts = {zone: _shift(zone) for (zone,) in zones}
    shifted = {zone: shift for zone, shift in shifts.items() if shift}
    found = await database.run("SELECT id, zone FROM series WHERE zone = ANY(%s)", (list(shifted),))
    await database.run(roll_up(name), ([number for number, _ in found], [shifted[zone] for _, zone in found]))


def _shift(zone: str) -> int:
    """Return by how many seconds the hours of a time zone begin before those of UTC, like 1800 in India."""
    offset = datetime.now(UTC).astimezone(zone_from_name(zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) % HOUR


async def _groups(database: Database, table: str, name: str) -> AsyncGenerator[Any]:
    """Yield the rows of a table as Arrow tables, in the order of its key."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, and slow to load

    schema = _schema(table)
    identities = {row[0]: row[1:] for row in await database.run("SELECT id, vendor, plant, device FROM series")}
    async with database.transaction() as run:
        await run(f"DECLARE rows NO SCROLL CURSOR FOR {_ROWS[table].format(name)} ORDER BY series, measured_at")
        while rows := await run(f"FETCH {_GROUP} FROM rows"):
            columns = zip(*((*_identity(identities, row[0]), *row) for row in rows), strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=schema)


def _identity(identities: Mapping[int, tuple[Any, ...]], series: int) -> tuple[Any, ...]:
    return identities.get(series, (None, None, None))


def _schema(table: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    time, text, number = pa.timestamp("s", "UTC"), pa.string(), pa.float64()
    fields = [("vendor", text), ("plant", text), ("device", text), ("series", pa.int32())]
    fields += [("measured_at", time), ("fetched_at", time)]
    more = [
        pa.field(
            name,
            number if kind == "double" else text,
            metadata={"unit": METRICS[name].unit} if name in METRICS else None,
        )
        for name, kind in _COLUMNS[table].items()
    ]
    return pa.schema([*(pa.field(*one) for one in fields), *more], {"made_by": "heliograph"})


async def _write(path: Path, table: str, groups: AsyncGenerator[Any]) -> None:
    """Write a file that has its name only when it is complete and on the disk."""
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]  # noqa: PLC0415

    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as out:
            with ParquetWriter(out, _schema(table), compression="zstd") as writer:
                async with aclosing(groups):
                    async for group in groups:
                        writer.write_table(group, row_group_size=_GROUP)
            out.flush()
            os.fsync(out.fileno())
        temporary.rename(path)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


async def _compare(path: Path, groups: AsyncGenerator[Any]) -> int:
    """Read a file and return its number of rows; raises `StoreError` unless it has exactly these."""
    from pyarrow.lib import ArrowException  # type: ignore[import-untyped]  # noqa: PLC0415
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    number = 0
    try:
        with ParquetFile(path) as file:
            async with aclosing(groups):
                async for group in groups:
                    # Cast, because Parquet has no times in seconds.
                    if number >= file.num_row_groups or not file.read_row_group(number).cast(group.schema).equals(
                        group
                    ):
                        raise _other_rows(path)
                    number += 1
            if number == file.num_row_groups:
                return int(file.metadata.num_rows)
    except (ArrowException, ValueError):
        pass  # no Parquet file, or one of other columns
    raise _other_rows(path)


def _other_rows(path: Path) -> StoreError:
    return StoreError(
        f"{path} is there and has not the rows of the table {path.stem}, which is kept; move the file away, or choose "
        "another folder with --archive"
    )
