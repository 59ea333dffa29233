"""`heliograph settings schedule`: print a charge schedule as TOML, or write one from a file."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings.change import confirm_and_execute
from heliograph.cli.settings.common import now, orders_of, resolve_device
from heliograph.cli.terminal import print_json, printable
from heliograph.errors import ConfigError, InvalidValue
from heliograph.settings.api import schedule_of
from heliograph.settings.schedule import Schedule, Window, split_at_midnight, to_settings

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

_WINDOW_KEYS = {field.name for field in fields(Window)}
_LIMIT_KEYS = {field.name for field in fields(Schedule)} - {"windows"}


def run_schedule(options: Namespace) -> int:
    """Print the schedule of a device, or change it to that of a file."""
    wanted = load_schedule(options.file) if options.file else None
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    snapshot = run_in_thread(lambda: orders.look(found.device))
    if wanted is None:
        schedule = schedule_of(snapshot)
        if options.json:
            print_json(_as_dict(schedule))
        else:
            print(*map(printable, format_schedule(schedule)), sep="\n")
        return 0
    values = to_settings(split_at_midnight(wanted), tuple(snapshot.settings.values()))
    return confirm_and_execute(options, orders, orders.executor.plan_from(snapshot, values))[0]


def load_schedule(path: str) -> Schedule:
    """Load a schedule from a TOML or JSON file; - is standard input."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    try:
        if text.lstrip().startswith("{"):
            data = json.loads(text)
        else:
            import tomllib  # noqa: PLC0415 - not needed for JSON

            data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is neither TOML nor JSON: {error}") from None
    return _parse_schedule(data, path)


def _parse_schedule(data: dict[str, Any], path: str) -> Schedule:
    rows = data.pop("windows", None)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{path}: windows must be a list of tables; write [[windows]], or windows = [] for none")
    if unknown := next(iter(data.keys() - _LIMIT_KEYS), None):
        raise ConfigError(f"{path}: unknown key {unknown}; known are windows, {', '.join(sorted(_LIMIT_KEYS))}")
    windows = []
    for number, row in enumerate(rows, start=1):
        where = f"{path}, window {number}"
        if unknown := next(iter(row.keys() - _WINDOW_KEYS), None):
            raise ConfigError(f"{where}: unknown key {unknown}; known are {', '.join(sorted(_WINDOW_KEYS))}")
        if missing := next((name for name in ("start", "end", "mode") if not isinstance(row.get(name), str)), None):
            raise ConfigError(f'{where}: {missing} must be a text, like "01:00"')
        windows.append(_parse_window(row, where))
    return Schedule(windows=tuple(windows), **{name: _parse_limit(data[name], name, path) for name in data})


def _parse_window(row: dict[str, Any], where: str) -> Window:
    for name in ("start", "end"):
        hour, colon, minute = row[name].partition(":")
        is_time = colon and hour.isdecimal() and minute.isdecimal() and len(hour) <= 2 and len(minute) == 2
        if not is_time or int(hour) > 23 or int(minute) > 59:
            raise InvalidValue(f"{where}: {name} must be a time from 00:00 to 23:59; got {row[name][:20]!r}")
        row[name] = f"{int(hour):02d}:{minute}"
    if not isinstance(row.get("enabled", True), bool):
        raise InvalidValue(f"{where}: enabled must be true or false")
    if "power" in row:
        row["power"] = _parse_limit(row["power"], "power", where)
    return Window(**row)


def _parse_limit(value: object, name: str, where: str) -> Any:
    if name == "ac_charge":
        if not isinstance(value, bool):
            raise InvalidValue(f"{where}: {name} must be true or false")
        return value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(f"{where}: {name} must be a number")
    return float(value)


def _as_dict(schedule: Schedule) -> dict[str, Any]:
    limits = {name: value for name, value in asdict(schedule).items() if name != "windows" and value is not None}
    rows = [{name: value for name, value in asdict(one).items() if value is not None} for one in schedule.windows]
    return {**limits, "windows": rows}


def format_schedule(schedule: Schedule) -> Iterator[str]:
    """Yield a schedule as lines of TOML."""
    data = _as_dict(schedule)
    rows = data.pop("windows")
    yield from (f"{name} = {_toml(value)}" for name, value in data.items())
    if not rows:
        yield "windows = []"
    for row in rows:
        yield ""
        yield "[[windows]]"
        yield from (f"{name} = {_toml(value)}" for name, value in row.items())


def _toml(value: object) -> str:
    """Return a value in TOML, which for these types is the same as JSON."""
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return json.dumps(value, ensure_ascii=False)
