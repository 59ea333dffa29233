"""`heliograph settings schedule`: a battery's day as a small file, printed and carried out."""

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

_WINDOW = {one.name for one in fields(Window)}
_LIMITS = {one.name for one in fields(Schedule)} - {"windows"}


def run_schedule(options: Namespace) -> int:
    """Print the schedule a device has, or bring it to that of a file."""
    wanted = read(options.file) if options.file else None
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    sight = run_in_thread(lambda: orders.look(found.device))
    if wanted is None:
        schedule = schedule_of(sight)
        if options.json:
            print_json(_plain(schedule))
        else:
            print(*map(printable, written(schedule)), sep="\n")
        return 0
    values = to_settings(split_at_midnight(wanted), tuple(sight.settings.values()))
    return confirm_and_execute(options, orders, orders.executor.plan_from(sight, values))[0]


def read(place: str) -> Schedule:
    """Read a schedule from a TOML or JSON file."""
    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    return _schedule(_parsed(text, place), place)


def _parsed(text: str, place: str) -> dict[str, Any]:
    try:
        if text.lstrip().startswith("{"):
            found: dict[str, Any] = json.loads(text)
            return found
        import tomllib  # noqa: PLC0415 - a schedule may be JSON

        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place} is neither TOML nor JSON: {error}") from None


def _schedule(data: dict[str, Any], place: str) -> Schedule:
    rows = data.pop("windows", None)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{place}: windows have to be a list of tables; write [[windows]], or windows = [] for none")
    if unknown := next(iter(data.keys() - _LIMITS), None):
        raise ConfigError(f"{place}: {unknown} is not known here; known are windows, {', '.join(sorted(_LIMITS))}")
    windows = []
    for number, row in enumerate(rows, start=1):
        if unknown := next(iter(row.keys() - _WINDOW), None):
            raise ConfigError(
                f"{place}, window {number}: {unknown} is not known; known are {', '.join(sorted(_WINDOW))}"
            )
        if missing := next((name for name in ("start", "end", "mode") if not isinstance(row.get(name), str)), None):
            raise ConfigError(f'{place}, window {number}: {missing} has to be a text, like "01:00"')
        windows.append(_window(row, f"{place}, window {number}"))
    return Schedule(windows=tuple(windows), **{name: _number(data[name], name, place) for name in data})


def _window(row: dict[str, Any], where: str) -> Window:
    for name in ("start", "end"):
        hour, colon, minute = row[name].partition(":")
        parts = colon and hour.isdecimal() and minute.isdecimal() and len(hour) <= 2 and len(minute) == 2
        if not parts or int(hour) > 23 or int(minute) > 59:
            raise InvalidValue(f"{where}: {name} is a time from 00:00 to 23:59, not {row[name][:20]!r}")
        row[name] = f"{int(hour):02d}:{minute}"
    if not isinstance(row.get("enabled", True), bool):
        raise InvalidValue(f"{where}: enabled is true or false")
    if "power" in row:
        row["power"] = _number(row["power"], "power", where)
    return Window(**row)


def _number(value: object, name: str, where: str) -> Any:
    if name == "ac_charge":
        if not isinstance(value, bool):
            raise InvalidValue(f"{where}: {name} is true or false")
        return value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValue(f"{where}: {name} is a number")
    return float(value)


def _plain(schedule: Schedule) -> dict[str, Any]:
    limits = {name: value for name, value in asdict(schedule).items() if name != "windows" and value is not None}
    rows = [{name: value for name, value in asdict(one).items() if value is not None} for one in schedule.windows]
    return {**limits, "windows": rows}


def written(schedule: Schedule) -> Iterator[str]:
    """Yield a schedule as TOML."""
    data = _plain(schedule)
    rows = data.pop("windows")
    yield from (f"{name} = {_toml(value)}" for name, value in data.items())
    if not rows:
        yield "windows = []"
    for row in rows:
        yield ""
        yield "[[windows]]"
        yield from (f"{name} = {_toml(value)}" for name, value in row.items())


def _toml(value: object) -> str:
    """Return a value as TOML writes it, which for these is as JSON does."""
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return json.dumps(value, ensure_ascii=False)
