"""The columns of a file to import: CSV, PVOutput's outputs, and statistics of Home Assistant as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.importing.cells import Cell
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

FILE_FORMATS = ("csv", "pvoutput", "ha-statistics")
MAX_BYTES = 200_000_000
_UNIT = re.compile(r"(?:^|[\s_(\[,])([kM]?Wh)[\])]?\s*$", re.IGNORECASE)
_UNITS = {"wh": "Wh", "kwh": "kWh", "mwh": "MWh"}
_PVOUTPUT_IMPORTS = (10, 11, 12, 13)
"""The columns of imports by tariff: peak, off-peak, shoulder, high shoulder."""
_KINDS = {"change": "energy", "delta": "energy", "sum": "counter", "state": "counter"}
"""Values of a statistic, the best first, and what they are."""


class SourceColumn(NamedTuple):
    """One column with energies: its name, times, values and unit; `kind` is "energy", "counter", or None if unknown."""

    name: str
    times: Sequence[Cell]
    values: Sequence[Cell]
    unit: str | None = None
    kind: str | None = None
    ends: bool = False
    """Whether a counter was read at the end of the hour that begins at its time."""


class SourceFile(NamedTuple):
    """A file with its format, its columns, and the energies that its format names."""

    format: str
    time_column: str
    columns: Mapping[str, SourceColumn]
    known: Mapping[str, str] = {}
    """Column by energy, where the format says what a column is."""


def read_source(path: Path, file_format: str | None, time_column: str | None) -> SourceFile:
    """Read a file; raises `ConfigError` if it has no columns that could be imported."""
    text = _read_text(path)
    if file_format in (None, "ha-statistics") and text.lstrip()[:1] in "{[":
        return _statistics_file(_json_statistics(_parse_json(text)))
    if file_format == "pvoutput" or (file_format is None and re.match(r"\d{8},", text)):
        return _pvoutput(text)
    header, rows = _csv_rows(text)
    lowered = [name.lower() for name in header]
    if file_format == "ha-statistics" or (file_format is None and {"statistic_id", "start"} <= set(lowered)):
        return _statistics_file(_csv_statistics(lowered, rows))
    return _csv(header, rows, time_column)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB; split it by year")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    if b"\0" in data[:1000] and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise ConfigError(f"{path} is no text file; save it as CSV")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if not text.strip():
        raise ConfigError(f"{path} is empty; nothing was imported")
    return text


def _csv_rows(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(";\t,|", key=first.count)  # a decimal comma makes the semicolon the usual delimiter
    if ";" in first or "\t" in first:
        delimiter = max(";\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise ConfigError(f"line {reader.line_num}: this is no CSV: {error}") from None
    if not rows:
        raise ConfigError("the file has no header")
    (_, header), *rest = rows
    for line, row in rest:
        if len(row) != len(header) and any(row[len(header) :]):
            hint = "; numbers with a decimal comma must be quoted, or separated by semicolons" if "," in text else ""
            raise ConfigError(f"line {line} has {len(row)} cells, and the first line has {len(header)}{hint}")
    if not rest:
        raise ConfigError("the file has one line only: a header and lines with data are needed")
    return header, rest


def _csv(header: Sequence[str], rows: Sequence[tuple[int, list[str]]], time_column: str | None) -> SourceFile:
    if len(set(header)) != len(header):
        raise ConfigError(f"two columns have the same name: {', '.join(header)}; rename one")
    names = [name for name in header if re.search(r"\b(date|day|time|datum|tag|zeit|start)", name.lower())]
    name = time_column or (names[0] if names else header[0])
    if name not in header:
        raise ConfigError(f"there is no column {name!r}; the columns are: {', '.join(header)}")
    at = header.index(name)
    times = [Cell(line, row[at] if at < len(row) else "") for line, row in rows]
    columns = {}
    for number, title in enumerate(header):
        if number != at and title:
            values = [Cell(line, row[number] if number < len(row) else "") for line, row in rows]
            unit = _UNIT.search(title)
            columns[title] = SourceColumn(title, times, values, unit and _UNITS[unit[1].lower()])
    return SourceFile("csv", name, columns)


def _pvoutput(text: str) -> SourceFile:
    rows = [row.split(",") for row in re.split(r"[;\r\n]+", text.strip()) if row.strip()]
    for line, row in enumerate(rows, 1):
        if len(row) < 5 or not re.fullmatch(r"\d{8}", row[0].strip()):
            raise ConfigError(f"line {line}: this is no output of PVOutput, which begins with a day like 20260621")
    times = [Cell(line, row[0]) for line, row in enumerate(rows, 1)]

    def column(number: int) -> list[Cell]:
        return [Cell(line, row[number]) for line, row in enumerate(rows, 1)]

    named = {"generated": column(1), "exported": column(3), "used": column(4)}
    imports = [[row[place] for place in _PVOUTPUT_IMPORTS if place < len(row)] for row in rows]
    named["imported"] = [Cell(line, _sum_text(line, cells)) for line, cells in enumerate(imports, 1)]
    # Quirk: PVOutput writes 0 for what a system never reported, so a column of zeros is unknown (getoutput).
    columns = {
        name: SourceColumn(name, times, cells, "Wh", "energy")
        for name, cells in named.items()
        if any(cell.text.strip(" 0.") not in ("", "NaN") for cell in cells)
    }
    known = {
        "pv_energy": "generated",
        "grid_export_energy": "exported",
        "load_energy": "used",
        "grid_import_energy": "imported",
    }
    return SourceFile("pvoutput", "day", columns, {e: name for e, name in known.items() if name in columns})


def _sum_text(line: int, cells: Iterable[str]) -> str:
    numbers = [cell for cell in cells if cell.strip() not in ("", "NaN")]
    try:
        return f"{sum(map(float, numbers))!r}" if numbers else ""
    except ValueError:
        raise ConfigError(f"line {line}: {', '.join(numbers)[:60]!r} are no energies") from None


class _Statistic(NamedTuple):
    """A statistic of Home Assistant: unit, and rows of position, start and values by name."""

    unit: str | None
    rows: list[tuple[int, str, Mapping[str, Any]]]


def _csv_statistics(header: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> dict[str, _Statistic]:
    found: dict[str, _Statistic] = {}
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        one = found.setdefault(cells["statistic_id"], _Statistic(cells.get("unit"), []))
        one.rows.append((line, cells.get("start", ""), cells))
    return found


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"this is no JSON: {error}") from None


def _json_statistics(data: Any) -> dict[str, _Statistic]:
    """Return the statistics of an answer of `recorder.get_statistics`, or of a call of an import service."""
    match data:
        case {"statistics": dict() as rows_by_id} | {"result": dict() as rows_by_id}:
            return {str(name): _json_statistic(str(name), None, rows) for name, rows in rows_by_id.items()}
        case {"entities": [*entries]} | [*entries]:
            return dict(_named_statistic(one) for one in entries)
        case {"metadata": _} | {"statistic_id": _}:
            return dict([_named_statistic(data)])
        case dict() if data and all(isinstance(rows, list) for rows in data.values()):
            return {str(name): _json_statistic(str(name), None, rows) for name, rows in data.items()}
    raise ConfigError("this JSON has no statistics of Home Assistant: a list of rows with start and change, or sum")


def _named_statistic(entry: Any) -> tuple[str, _Statistic]:
    match entry:
        case {"metadata": {"statistic_id": str(name), **rest}, "stats": [*rows]}:
            return name, _json_statistic(name, rest.get("unit_of_measurement"), rows)
        case {"statistic_id": str(name), "stats": [*rows], **rest}:
            return name, _json_statistic(name, rest.get("unit_of_measurement"), rows)
        case {"id": str(name), "values": [*rows], **rest}:
            return name, _json_statistic(name, rest.get("unit"), rows)
    raise ConfigError("an entry of this JSON is no statistic: statistic_id and stats are needed")


def _json_statistic(name: str, unit: Any, rows: Any) -> _Statistic:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"the statistic {name!r} has no list of rows")
    found = [(at, str(row.get("start", row.get("datetime", ""))), row) for at, row in enumerate(rows, 1)]
    return _Statistic(unit if isinstance(unit, str) else None, found)


def _statistics_file(statistics: Mapping[str, _Statistic]) -> SourceFile:
    columns = {}
    for name, one in statistics.items():
        has = [key for key in _KINDS if one.rows and all(_given(row.get(key)) for *_, row in one.rows)]
        if not has:
            continue  # a mean, such as a power or a temperature
        best = has[0]
        if one.unit and one.unit.lower() not in _UNITS:
            continue
        times = [Cell(at, start) for at, start, _ in one.rows]
        values = [Cell(at, str(row[best])) for at, _, row in one.rows]
        unit = _UNITS[one.unit.lower()] if one.unit else None
        columns[name] = SourceColumn(name, times, values, unit, _KINDS[best], ends=True)
    if not columns:
        raise ConfigError("no statistic of this file has energies: change, sum or state, in Wh, kWh or MWh")
    return SourceFile("ha-statistics", "start", columns)


def _given(value: Any) -> bool:
    return value is not None and value != ""
