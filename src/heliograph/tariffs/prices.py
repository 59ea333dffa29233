"""Parses tables of prices: CSV files, and JSON documents with a list of objects or with two lists of equal length."""

from __future__ import annotations

import csv
import json
import re
from contextlib import suppress
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.tariffs.tariff import PriceSource

HIGHEST_PRICE = 20.0
"""Per kWh, positive or negative; a higher one has another unit. Spot prices are limited to 5 per kWh in Europe."""
_MAX_ROWS = 1_000_000
_EPOCH = re.compile(r"\d{9,10}(\d{3})?(\.\d+)?")
_MILLISECONDS = 10**11
_LATEST = 10**10


def parse_prices(text: str, source: PriceSource, where: str) -> dict[int, float]:
    """Return the prices of a document by start time; `where` names it in the ConfigError for an invalid one."""
    rows = _json_rows(text, source, where) if text.lstrip()[:1] in {"{", "["} else _csv_rows(text, source, where)
    prices: dict[int, float] = {}
    for place, time, value in rows:
        if len(prices) >= _MAX_ROWS:
            raise ConfigError(f"{where} has more than {_MAX_ROWS} prices; keep those of the years you need")
        try:
            start, price = _moment(time, source), round(_price(value) * source.factor, 9)
        except ValueError as error:
            raise ConfigError(f"{where}, {place}: {error}") from None
        if abs(price) > HIGHEST_PRICE:
            raise ConfigError(
                f"{where}, {place}: {price:g} per kWh is not a price; set prices_factor, "
                "for example 0.001 for prices per MWh or 0.01 for cents"
            )
        if prices.setdefault(start, price) != price:
            raise ConfigError(f"{where}, {place}: there are two prices for {str(time)[:40]!r}; remove one")
    if not prices:
        raise ConfigError(f"{where} has no prices")
    return prices


def _csv_rows(text: str, source: PriceSource, where: str) -> Iterable[tuple[str, Any, Any]]:
    lines = text.removeprefix("\ufeff").splitlines()
    head = lines[0] if lines else ""
    delimiter = max(",;\t", key=head.count)
    names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    for name in (source.time, source.value):
        if name not in names:
            raise ConfigError(
                f"{where} has no column {name!r}; it has {', '.join(names)[:200] or 'no line'}. "
                "Set prices_time and prices_value"
            )
    time, value = names.index(source.time), names.index(source.value)
    for number, cells in enumerate(csv.reader(lines[1:], delimiter=delimiter), start=2):
        if any(cell.strip() for cell in cells):
            full = [*cells, *[""] * (len(names) - len(cells))]
            yield f"line {number}", full[time], full[value]


def _json_rows(text: str, source: PriceSource, where: str) -> Iterable[tuple[str, Any, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{where} is not JSON") from None
    for name in filter(None, source.items.split(".")):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, dict):
        times, values = found.get(source.time), found.get(source.value)
        if isinstance(times, list) and isinstance(values, list) and len(times) == len(values):
            return [(f"price {n}", time, value) for n, (time, value) in enumerate(zip(times, values, strict=True), 1)]
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ConfigError(f"{where} has no list of prices at {source.items or 'its top level'!r}; set prices_list")
    return [(f"price {n}", one.get(source.time), one.get(source.value)) for n, one in enumerate(found, 1)]


def _moment(given: Any, source: PriceSource) -> int:
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not is_number and not (isinstance(given, str) and _EPOCH.fullmatch(given.strip())):
        return _iso_moment(given, source)
    seconds = float(given)
    seconds = seconds / 1000 if seconds >= _MILLISECONDS else seconds
    if not isfinite(seconds) or not 0 <= seconds < _LATEST:
        raise ValueError(f"{str(given)[:40]!r} is not a time in seconds or milliseconds since 1970")
    return int(seconds)


def _iso_moment(given: Any, source: PriceSource) -> int:
    try:
        found = datetime.fromisoformat(given.strip()) if isinstance(given, str) else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"{str(given)[:40]!r} is not a time like 2026-06-21T14:00+02:00")
    if found.tzinfo is None:
        if source.zone is None:
            raise ValueError(f"{given[:40]!r} has no UTC offset; set prices_zone")
        found = found.replace(tzinfo=source.zone)
    return int(found.timestamp())


def _price(given: Any) -> float:
    price = float("nan")
    if isinstance(given, (int, float, str)) and not isinstance(given, bool):
        with suppress(ValueError, OverflowError):
            # A decimal comma is possible only where the comma separates no columns.
            price = float(given.strip().replace(",", ".") if isinstance(given, str) else given)
    if not isfinite(price):
        raise ValueError(f"{str(given)[:40]!r} is not a price")
    return price
