"""`heliograph export`: write stored data to a file for spreadsheets and data tools; sends no requests."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from heliograph import history
from heliograph.cli.formats import (
    FORMATS,
    HA_STATISTICS,
    ColumnLayout,
    format_of,
    peek_first,
    require_pyarrow,
    write_csv,
    write_ha_statistics,
    write_jsonl,
    write_parquet,
)
from heliograph.cli.options import add_command, add_store_option, store_location
from heliograph.cli.terminal import print_error
from heliograph.cli.timefmt import check_day_order, parse_day_option
from heliograph.errors import ConfigError
from heliograph.local_time import EARLIEST_YEAR
from heliograph.store import open_store

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from typing import BinaryIO

_EXAMPLES = """\
  heliograph export --output june.csv --from 2026-06-01 --to 2026-06-30
  heliograph export --resolution day --metrics pv_energy,load_energy > days.csv
  heliograph export --output everything.parquet
  heliograph export --devices --output strings.csv --metrics pv1_voltage,pv1_current,temperature
  heliograph export --format ha-statistics --plant "Home" --output statistics.tsv
  heliograph export --format jsonl --resolution hour --plant "Home" --time local | head

days are in plant local time. 5min and hour: powers are averages, counters their last value.
"""


def add_export(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "export", _EXAMPLES, export, accounts=False)
    parser.add_argument("--format", choices=(*FORMATS, HA_STATISTICS), help="default: by the file name, or csv")
    parser.add_argument("--from", dest="first", metavar="DAY", help="the first day, like 2026-06-01 (default: all)")
    parser.add_argument("--to", dest="last", metavar="DAY", help="the last day, included (default: all)")
    parser.add_argument("--resolution", choices=("5min", "hour", "day"), help="default: 5min")
    parser.add_argument("--plant", metavar="ID", help="the id or name of one plant (default: all)")
    parser.add_argument("--devices", action="store_true", help="rows of each device: voltages, temperatures, …")
    parser.add_argument("--metrics", metavar="NAMES", help="like pv_power,load_power (default: all)")
    parser.add_argument(
        "--time",
        choices=("utc", "local"),
        default="utc",
        help="time zone of the time column: time_utc, or time_local in plant local time with its offset (default: utc)",
    )
    parser.add_argument(
        "--output", metavar="FILE", default="-", help="a file, replaced when complete (default: standard output)"
    )
    add_store_option(parser)


def export(options: Namespace) -> int:
    """Write the rows; errors are reported before anything is written."""
    first, last = parse_day_option(options.first, "--from"), parse_day_option(options.last, "--to")
    check_day_order(first, last, ("--from", "--to"))
    file_format = options.format or format_of(options.output)
    if file_format == "parquet":
        require_pyarrow()
        if options.output == "-" and sys.stdout.isatty():
            raise ConfigError("Parquet cannot be written to a terminal; name a file with --output")
    resolution = options.resolution or ("day" if file_format == HA_STATISTICS else "5min")
    if file_format == HA_STATISTICS and resolution != "day":
        raise ConfigError(f"{HA_STATISTICS} are energies of days; leave out --resolution {resolution}")
    names = None if options.metrics is None else [name.strip() for name in options.metrics.split(",")]
    metrics = history.check_metrics(names, resolution, devices=options.devices)
    with open_store(store_location(options), create=False) as store:
        plants = history.stored_plants(store, options.plant)
        if options.devices:
            plants = history.stored_devices(store, plants)
            metrics = metrics if names is not None else history.measured_names(store, plants)
        layout = ColumnLayout(metrics, resolution == "day", options.time == "local", options.devices)
        # No data is older than the clouds, or newer than today anywhere on earth.
        days = (first or date(EARLIEST_YEAR, 1, 1), last or datetime.now(UTC).date() + timedelta(days=1))
        selection = history.HistorySelection(plants, *days, resolution, metrics)
        with open_output(options.output) as out:
            count = _write(file_format, selection, layout, store, out)
    if options.output != "-":
        print_error(f"{count} rows in {options.output}")
    elif not count:
        print_error("no data for these days")
    return 0


def _write(
    file_format: str, selection: history.HistorySelection, layout: ColumnLayout, store: Any, out: BinaryIO
) -> int:
    rows = peek_first(history.rows(store, selection))
    if file_format == "parquet":
        return write_parquet(rows, layout, out, [plant.zone for plant in selection.plants])
    if file_format == HA_STATISTICS:
        # Today is not over, and an imported sum is never corrected.
        past = (row for row in rows if row.start < datetime.now(row.plant.zone).date())
        return write_ha_statistics(past, selection.metrics, out)
    return (write_csv if file_format == "csv" else write_jsonl)(rows, layout, out)


@contextmanager
def open_output(output: str) -> Iterator[BinaryIO]:
    """Yield standard output, or a file that gets its name only when it is complete."""
    if output == "-":
        yield cast("BinaryIO", sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(output).expanduser().resolve()
    try:
        # A pipe or a device cannot be replaced by a file.
        with path.open("wb") if path.exists() and not path.is_file() else _open_atomic(path) as out:
            yield out
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror or error}") from None


@contextmanager
def _open_atomic(path: Path) -> Iterator[BinaryIO]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
