"""Rows as CSV, as JSON lines or as Parquet: written as they come, so that ten years take no more memory than one."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.terminal import printable
from heliograph.errors import ConfigError
from heliograph.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo
    from typing import BinaryIO

    from heliograph.history import HistoryRow

FORMATS = ("csv", "jsonl", "parquet")
_GROUP = 20_000
"""Rows of one Parquet row group, which are in memory at once."""
_FORMULA = re.compile(r"(^|[;,|\t])(\s*)(?=[=+\-@\uff0b\uff0d\uff1d\uff20])")
"""Where a spreadsheet would begin to calculate, also after what it may take for the end of a cell."""


class ColumnLayout(NamedTuple):
    """What the columns are."""

    metrics: Sequence[str]
    by_day: bool
    local: bool
    """Whether times are those of the plant's wall, with their offset from UTC."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        starts = "day" if self.by_day else "time_local" if self.local else "time_utc"
        return (starts, "vendor", "plant", "name", *self.metrics, *(("final",) if self.by_day else ()))

    def cells(self, row: HistoryRow) -> tuple[Any, ...]:
        """Return a row's cells, a moment as one with a zone."""
        starts: date = row.start
        if isinstance(starts, datetime) and self.local:
            starts = starts.astimezone(row.plant.zone)
        series = row.plant.series
        final = (row.final,) if self.by_day else ()
        return (starts, series.vendor, series.plant, row.plant.name, *row.values, *final)


def write_csv(rows: Iterable[HistoryRow], shape: ColumnLayout, out: BinaryIO) -> int:
    """Write CSV and return how many rows it has; a gap is an empty cell."""
    import csv  # noqa: PLC0415 - one format in three
    from io import TextIOWrapper  # noqa: PLC0415 - likewise

    text = TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(shape.columns)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last number is how many there are
        starts, vendor, plant, name, *values = shape.cells(row)
        if shape.by_day:
            values[-1] = "true" if row.final else "false"
        writer.writerow(
            (moment(starts), escape_formulas(vendor), escape_formulas(plant), escape_formulas(name or ""), *values)
        )
    text.flush()
    text.detach()
    return count


@lru_cache
def escape_formulas(text: str) -> str:
    r"""Keep a server's text from being a formula in a spreadsheet, or an order to a terminal.

    >>> harmless("=HYPERLINK(1)"), harmless("Roof; -1+2"), harmless("South-East"), harmless("a\x1b[2J")
    ("'=HYPERLINK(1)", "Roof; '-1+2", 'South-East', 'a�[2J')
    """
    return printable(_FORMULA.sub(r"\1\2'", text))


def moment(value: date) -> str:
    """Write a moment or a day, UTC as Z.

    >>> moment(date(2026, 6, 21)), moment(datetime(2026, 6, 21, 12, tzinfo=UTC))
    ('2026-06-21', '2026-06-21T12:00:00Z')
    """
    if not isinstance(value, datetime):
        return value.isoformat()
    text = value.isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if value.tzinfo is UTC else text


def write_jsonl(rows: Iterable[HistoryRow], shape: ColumnLayout, out: BinaryIO) -> int:
    """Write an object a line and return how many there are; a gap is null."""
    import json  # noqa: PLC0415 - one format in three

    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last number is how many there are
        line = dict(zip(shape.columns, shape.cells(row), strict=True))
        out.write(json.dumps(line, default=moment).encode() + b"\n")
    return count


def write_parquet(rows: Iterable[HistoryRow], shape: ColumnLayout, out: BinaryIO, zones: Sequence[tzinfo]) -> int:
    """Write Parquet, a row group at a time, and return how many rows it has; units stand with the columns."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, and slow to load
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]  # noqa: PLC0415

    schema = _schema(pa, shape, zones)
    stream, count = iter(rows), 0
    with ParquetWriter(out, schema, compression="zstd") as writer:
        while group := list(islice(stream, _GROUP)):
            columns = zip(*map(shape.cells, group), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=_GROUP)
            count += len(group)
    return count


def require_pyarrow() -> None:
    """Say how to get what Parquet needs, if it is not there."""
    from importlib.util import find_spec  # noqa: PLC0415 - one format in three

    if find_spec("pyarrow") is None:
        raise ConfigError("Parquet needs pyarrow, which is not installed: pip install 'heliograph[parquet]'")


def _schema(pa: Any, shape: ColumnLayout, zones: Sequence[tzinfo]) -> Any:
    starts, *_ = shape.columns
    kinds = {"day": pa.date32, "time_utc": lambda: pa.timestamp("s", "UTC"), "vendor": pa.string, "plant": pa.string}
    kinds |= {"name": pa.string, "final": pa.bool_, "time_local": lambda: pa.timestamp("s", _one_clock(zones))}
    fields = [pa.field(name, kinds[name]()) if name in kinds else _measured(pa, name) for name in shape.columns]
    return pa.schema(fields, {"made_by": "heliograph", "starts": starts})


def _measured(pa: Any, name: str) -> Any:
    unit = METRICS[name].unit if name in METRICS else "kWh"
    return pa.field(name, pa.float64(), metadata={"unit": unit})


def _one_clock(zones: Sequence[tzinfo]) -> str:
    """Return the zone all plants live in: a column has one."""
    names = sorted({str(zone) for zone in zones})
    if len(names) > 1:
        raise ConfigError(
            f"these plants live by different clocks ({', '.join(names)}), and a Parquet column has one; "
            "choose a plant with --plant, or --time utc"
        )
    return names[0].removeprefix("UTC") or "UTC"


def format_of(name: str) -> str:
    """Return the format a file's name asks for; CSV where it asks for none.

    >>> suits("year.parquet"), suits("year.CSV"), suits("year"), suits("-")
    ('parquet', 'csv', 'csv', 'csv')
    """
    ending = Path(name).suffix.removeprefix(".").lower()
    if ending and ending not in FORMATS:
        raise ConfigError(f"no format is called {ending!r}; name the file .{', .'.join(FORMATS)}, or say --format")
    return ending or "csv"


def peek_first(rows: Iterator[HistoryRow]) -> Iterator[HistoryRow]:
    """Return the same rows, the first of them already read: what is wrong shows before anything is written."""
    from itertools import chain  # noqa: PLC0415 - used once

    return chain(list(islice(rows, 1)), rows)
