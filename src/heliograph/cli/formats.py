"""File formats of `export`: CSV, JSON Lines and Parquet, streamed so that memory does not grow with the rows."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.terminal import printable
from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError
from heliograph.metrics import METRICS, published_value
from heliograph.metrics.device import DEVICE_METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo
    from typing import BinaryIO

    from heliograph.history import HistoryRow

FORMATS = ("csv", "jsonl", "parquet")
"""The formats that a file name selects."""
HA_STATISTICS = "ha-statistics"
_GROUP = 20_000
"""Rows of a Parquet row group; these are in memory at once."""
_FORMULA = re.compile(r"(^|[;,|\t])([^\S\t]*)(?=[=+\-@\uff0b\uff0d\uff1d\uff20])")
"""The start of a formula in a spreadsheet, also after a character that may end a cell."""


class ColumnLayout(NamedTuple):
    """The columns of a file."""

    metrics: Sequence[str]
    by_day: bool
    local: bool
    """Whether times are plant local time, with their UTC offset."""
    by_device: bool = False
    """Whether the rows are those of devices."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        time_column = "day" if self.by_day else "time_local" if self.local else "time_utc"
        device = ("device",) if self.by_device else ()
        return (time_column, "vendor", "plant", *device, "name", *self.metrics, *(("final",) if self.by_day else ()))

    def cells(self, row: HistoryRow) -> tuple[Any, ...]:
        """Return the cells of a row; times are aware datetimes, values have at most three decimals."""
        start: date = row.start
        if isinstance(start, datetime) and self.local:
            start = start.astimezone(row.plant.zone)
        series = row.plant.series
        final = (row.final,) if self.by_day else ()
        device = (series.device,) if self.by_device else ()
        values = (value if isinstance(value, str) else published_value(value) for value in row.values)
        return (start, series.vendor, series.plant, *device, row.plant.name, *values, *final)


def write_csv(rows: Iterable[HistoryRow], layout: ColumnLayout, out: BinaryIO) -> int:
    """Write CSV and return the number of rows; a gap is an empty cell."""
    text = TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(layout.columns)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last number is the count
        start, *values = layout.cells(row)
        if layout.by_day:
            values[-1] = "true" if row.final else "false"
        cells = (escape_formulas(value) if isinstance(value, str) else value for value in values)
        writer.writerow((format_time(start), *cells))
    text.flush()
    text.detach()
    return count


@lru_cache
def escape_formulas(text: str) -> str:
    r"""Escape text of a server so that it is no formula in a spreadsheet, and no escape sequence in a terminal.

    >>> [escape_formulas(text) for text in ("=HYPERLINK(1)", "Roof; -1+2", "South-East", "a\x1b[2J")]
    ["'=HYPERLINK(1)", "Roof; '-1+2", 'South-East', 'a�[2J']
    """
    return printable(_FORMULA.sub(r"\1\2'", text))


def format_time(value: date) -> str:
    """Format a time or a day; UTC is written as Z.

    >>> format_time(date(2026, 6, 21)), format_time(datetime(2026, 6, 21, 12, tzinfo=UTC))
    ('2026-06-21', '2026-06-21T12:00:00Z')
    """
    if not isinstance(value, datetime):
        return value.isoformat()
    text = value.isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if value.tzinfo is UTC else text


def write_ha_statistics(rows: Iterable[HistoryRow], metrics: Sequence[str], out: BinaryIO) -> int:
    """Write statistics of Home Assistant as tab-separated text and return the number of rows.

    Each plant and energy is an external statistic with a row per day, in the day's last hour, and one of 0 before the
    first day: Home Assistant calculates the energy of a period as the difference of sums.
    """
    text = TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(("statistic_id", "unit", "start", "state", "sum"))
    sums: dict[str, float] = {}
    count = 0
    for row in rows:
        for name, kwh in zip(metrics, row.values, strict=True):
            if kwh is None or isinstance(kwh, str):
                continue
            statistic = f"heliograph:{row.plant.series.vendor}_{slug_of(row.plant.series.plant)}_{name}"
            if statistic not in sums:
                sums[statistic] = 0.0
                writer.writerow((statistic, "kWh", _last_hour(row.start - timedelta(days=1)), 0, 0))
            sums[statistic] += kwh
            total = published_value(sums[statistic])
            writer.writerow((statistic, "kWh", _last_hour(row.start), total, total))
            count += 1
    text.flush()
    text.detach()
    return count


def _last_hour(day: date) -> str:
    return f"{day:%d.%m.%Y} 23:00"


def slug_of(text: str) -> str:
    """Return a text as Home Assistant writes it in an ID.

    >>> slug_of("Süd-Dach  (neu)"), slug_of("🌞")
    ('sud_dach_neu', '')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def write_jsonl(rows: Iterable[HistoryRow], layout: ColumnLayout, out: BinaryIO) -> int:
    """Write one JSON object per line and return their number; a gap is null."""
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007 - the last number is the count
        line = dict(zip(layout.columns, layout.cells(row), strict=True))
        out.write(json.dumps(line, default=format_time).encode() + b"\n")
    return count


def write_parquet(rows: Iterable[HistoryRow], layout: ColumnLayout, out: BinaryIO, zones: Sequence[tzinfo]) -> int:
    """Write Parquet, a row group at a time, and return the number of rows; units are in the columns' metadata."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, and slow to load
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]  # noqa: PLC0415

    schema = _schema(pa, layout, zones)
    stream, count = iter(rows), 0
    with ParquetWriter(out, schema, compression="zstd") as writer:
        while group := list(islice(stream, _GROUP)):
            columns = zip(*map(layout.cells, group), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=_GROUP)
            count += len(group)
    return count


def require_pyarrow() -> None:
    """Raise an error with the install command if pyarrow is missing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(f"Parquet needs pyarrow, which is not installed: {extra_command('parquet')}")


def _schema(pa: Any, layout: ColumnLayout, zones: Sequence[tzinfo]) -> Any:
    time_column, *_ = layout.columns
    kinds = {"day": pa.date32, "time_utc": lambda: pa.timestamp("s", "UTC"), "vendor": pa.string, "plant": pa.string}
    kinds |= {"name": pa.string, "final": pa.bool_, "time_local": lambda: pa.timestamp("s", _common_zone(zones))}
    kinds["device"] = pa.string
    fields = [pa.field(name, kinds[name]()) if name in kinds else _metric_field(pa, name) for name in layout.columns]
    return pa.schema(fields, {"made_by": "heliograph", "starts": time_column})


def _metric_field(pa: Any, name: str) -> Any:
    if (device_metric := DEVICE_METRICS.get(name)) is not None and name not in METRICS:
        kind = pa.string() if device_metric.kind == "text" else pa.float64()
        return pa.field(name, kind, metadata={"unit": device_metric.unit})
    unit = METRICS[name].unit if name in METRICS else "kWh"
    return pa.field(name, pa.float64(), metadata={"unit": unit})


def _common_zone(zones: Sequence[tzinfo]) -> str:
    """Return the time zone of all plants: a Parquet column has only one."""
    names = sorted({str(zone) for zone in zones})
    if len(names) > 1:
        raise ConfigError(
            f"these plants have different time zones ({', '.join(names)}), and a Parquet column has only one; "
            "select a plant with --plant, or use --time utc"
        )
    return names[0].removeprefix("UTC") or "UTC"


def format_of(name: str) -> str:
    """Return the format of a file by its name; CSV if it has no suffix.

    >>> format_of("year.parquet"), format_of("year.CSV"), format_of("year"), format_of("-")
    ('parquet', 'csv', 'csv', 'csv')
    """
    ending = Path(name).suffix.removeprefix(".").lower()
    if ending and ending not in FORMATS:
        raise ConfigError(f"unknown format {ending!r}; use a file name with .{', .'.join(FORMATS)}, or --format")
    return ending or "csv"


def peek_first(rows: Iterator[HistoryRow]) -> Iterator[HistoryRow]:
    """Return the same rows with the first one already read, so that errors occur before anything is written."""
    return chain(list(islice(rows, 1)), rows)
