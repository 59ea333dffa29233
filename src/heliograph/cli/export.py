"""`heliograph export`: the stored past as a file for spreadsheets and data tools; no cloud is asked."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from heliograph.cli.formats import (
    FORMATS,
    ColumnLayout,
    format_of,
    peek_first,
    require_pyarrow,
    write_csv,
    write_jsonl,
    write_parquet,
)
from heliograph.cli.options import add_command, add_store_option, store_location
from heliograph.cli.terminal import print_error
from heliograph.cli.timefmt import check_day_order, parse_day_option
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from typing import BinaryIO

    from heliograph.history import HistorySelection

_EXAMPLES = """\
  heliograph export --output june.csv --from 2026-06-01 --to 2026-06-30
  heliograph export --resolution day --metrics pv_energy,load_energy > days.csv
  heliograph export --output everything.parquet
  heliograph export --format jsonl --resolution hour --plant "Home" --time local | head

days and bounds are of the plant's own calendar. 5min and hour: powers are means, counters what they last stood at.
"""


def add_export(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "export", _EXAMPLES, export, accounts=False)
    parser.add_argument("--format", choices=FORMATS, help="else as the file's name ends, or csv")
    parser.add_argument("--from", dest="first", metavar="DAY", help="the first day, like 2026-06-01; else all")
    parser.add_argument("--to", dest="last", metavar="DAY", help="the last day, included; else all")
    parser.add_argument("--resolution", choices=("5min", "hour", "day"), default="5min", help="5min unless said")
    parser.add_argument("--plant", metavar="ID", help="the id or the name of one plant; else all")
    parser.add_argument("--metrics", metavar="NAMES", help="like pv_power,load_power; else all")
    parser.add_argument(
        "--time",
        choices=("utc", "local"),
        default="utc",
        help="whose clock: column time_utc, or time_local as on the plant's wall with its offset; utc unless said",
    )
    parser.add_argument(
        "--output", metavar="FILE", default="-", help="a file, written whole or not at all; else a pipe"
    )
    add_store_option(parser)


def export(options: Namespace) -> int:
    """Write the rows; what is wrong is said before anything is written."""
    from heliograph import history  # noqa: PLC0415 - help needs no store
    from heliograph.local_time import EARLIEST_YEAR  # noqa: PLC0415 - likewise
    from heliograph.store import open_store  # noqa: PLC0415

    first, last = parse_day_option(options.first, "--from"), parse_day_option(options.last, "--to")
    check_day_order(first, last, ("--from", "--to"))
    kind = options.format or format_of(options.output)
    if kind == "parquet":
        require_pyarrow()
        if options.output == "-" and sys.stdout.isatty():
            raise ConfigError("Parquet is nothing for a terminal; name a file with --output")
    names = None if options.metrics is None else [name.strip() for name in options.metrics.split(",")]
    metrics = history.check_metrics(names, options.resolution)
    shape = ColumnLayout(metrics, options.resolution == "day", options.time == "local")
    with open_store(store_location(options), create=False) as store:
        chosen = history.stored_plants(store, options.plant)
        # Nothing is older than the clouds, and nothing newer than today anywhere on earth.
        days = (first or date(EARLIEST_YEAR, 1, 1), last or datetime.now(UTC).date() + timedelta(days=1))
        wanted = history.HistorySelection(chosen, *days, options.resolution, metrics)
        with opened(options.output) as out:
            count = _written(kind, wanted, shape, store, out)
    if options.output != "-":
        print_error(f"{count} rows in {options.output}")
    elif not count:
        print_error("nothing is known of these days")
    return 0


def _written(kind: str, wanted: HistorySelection, shape: ColumnLayout, store: Any, out: BinaryIO) -> int:
    from heliograph.history import rows  # noqa: PLC0415 - as above

    found = peek_first(rows(store, wanted))
    if kind == "parquet":
        return write_parquet(found, shape, out, [roof.zone for roof in wanted.plants])
    return (write_csv if kind == "csv" else write_jsonl)(found, shape, out)


@contextmanager
def opened(output: str) -> Iterator[BinaryIO]:
    """Yield where to write: standard output, or a file that takes its name only when it is whole."""
    if output == "-":
        yield cast("BinaryIO", sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(output).expanduser().resolve()
    try:
        # A pipe or a device has a name for good.
        with path.open("wb") if path.exists() and not path.is_file() else _whole(path) as out:
            yield out
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror or error}") from None


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
