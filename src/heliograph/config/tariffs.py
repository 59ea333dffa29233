"""The configured tariffs: [[tariff]] tables of the file."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

from heliograph.errors import ConfigError
from heliograph.local_time import parse_zone
from heliograph.tariffs.tariff import MINUTES_PER_DAY, PriceSource, Tariff, TimeWindow

if TYPE_CHECKING:
    from heliograph.config.table import ConfigFile, ConfigTable
    from heliograph.tariffs.tariff import Days

_PRICE_KEYS = ("prices", "prices_list", "prices_time", "prices_value", "prices_factor", "prices_zone", "surcharge")
_KEYS = ("from", "currency", "import", "export", "standing", "vat", "co2", "windows", "plants", *_PRICE_KEYS)
_WINDOW_KEYS = ("from", "to", "days", "import", "export")
_DAYS = ("all", "weekdays", "weekends")
_MAX_PRICE = 1_000_000
_QUARTER = 15
_YEARS = range(1990, 2200)


def parse_tariffs(file: ConfigFile, data: dict[str, Any]) -> tuple[Tariff, ...]:
    """Return the tariffs of the file; raises `ConfigError` for any invalid key."""
    tables = file.tables(data, "tariff")
    tariffs = tuple(_tariff(table) for table in tables)
    for table, one in zip(tables, tariffs, strict=True):
        for other in tariffs[: table.index]:
            if not (set(one.plants) & set(other.plants) or one.plants == other.plants):
                continue
            if one.currency != other.currency:
                message = f"is {one.currency}, and an earlier tariff of the same plants has {other.currency}"
                raise table.error(f"{message}; give all tariffs of a plant the same one", "currency")
            if one.start == other.start:
                raise table.error(f"{one.start} is used by two tariffs of the same plants; remove one", "from")
    return tariffs


def _tariff(table: ConfigTable) -> Tariff:
    table.reject_unknown_keys(_KEYS)
    source = _source(table) if "prices" in table else None
    if source is None and (key := next((key for key in _PRICE_KEYS if key in table), None)):
        raise table.error("needs prices, the file or the address of a table of prices", key)
    if source is not None and (key := next((key for key in ("import", "windows") if key in table), None)):
        raise table.error("is not possible together with prices; remove one of the two", key)
    windows = _windows(table)
    tariff = Tariff(
        start=_start(table),
        currency=_currency(table),
        import_price=_decimal(table, "import"),
        export_price=_decimal(table, "export"),
        standing=_decimal(table, "standing") or 0.0,
        surcharge=_decimal(table, "surcharge") or 0.0,
        vat=_decimal(table, "vat", 0, 100) or 0.0,
        co2=_decimal(table, "co2", 0, 10_000),
        windows=windows,
        source=source,
        plants=table.texts("plants", 'plant ids, like ["1234567"]'),
    )
    prices = (tariff.import_price, tariff.export_price, tariff.co2, source)
    if not windows and all(one is None for one in prices):
        raise table.error("is missing from this tariff; give import, export, co2 or prices", "import")
    return tariff


def _start(table: ConfigTable) -> date | datetime:
    value = table.values.get("from")
    if isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value) if len(value) == len("2026-01-01") else datetime.fromisoformat(value)
    if not isinstance(value, date) or value.year not in _YEARS:
        raise table.error("must be the first day of the tariff, like 2026-01-01, or a time", "from")
    return value


def _currency(table: ConfigTable) -> str:
    text = table.text("currency")
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise table.error('must be a code of three letters, like "EUR"', "currency")
    return text


def _decimal(table: ConfigTable, key: str, minimum: float = -_MAX_PRICE, maximum: float = _MAX_PRICE) -> float | None:
    """Return an optional number; prices may be negative."""
    return None if key not in table else _number(table, key, table.values[key], minimum, maximum)


def _number(table: ConfigTable, key: str, value: object, minimum: float, maximum: float) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not minimum <= value <= maximum:
        raise table.error(f"must be a number from {minimum:g} to {maximum:g}, with a decimal point", key)
    return float(value)


def _windows(table: ConfigTable) -> tuple[TimeWindow, ...]:
    windows = table.values.get("windows", [])
    if not isinstance(windows, list) or not all(isinstance(one, dict) for one in windows):
        raise table.error('must be a list like [{from = "22:00", to = "06:00", import = 0.22}]', "windows")
    return tuple(_window(table, one) for one in windows)


def _window(table: ConfigTable, window: dict[str, Any]) -> TimeWindow:
    for key in window:
        if key not in _WINDOW_KEYS:
            raise table.error(f"has the unknown key {key!r}; known are {', '.join(_WINDOW_KEYS)}", "windows")
    days = window.get("days", "all")
    if days not in _DAYS:
        raise table.error(f"has days {days!r}; they must be one of {', '.join(_DAYS)}", "windows")
    prices = {
        key: _number(table, "windows", window[key], -_MAX_PRICE, _MAX_PRICE)
        for key in ("import", "export")
        if key in window
    }
    if not prices:
        raise table.error("has a window without import and export", "windows")
    start, end = _minute(table, window.get("from")), _minute(table, window.get("to"))
    if start in {end, MINUTES_PER_DAY}:
        raise table.error("has a window whose end is its start; set import or export of the tariff instead", "windows")
    return TimeWindow(start, end, cast("Days", days), prices.get("import"), prices.get("export"))


def _minute(table: ConfigTable, value: object) -> int:
    found = re.fullmatch(r"([01]\d|2[0-4]):([0-5]\d)", value) if isinstance(value, str) else None
    minute = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minute <= MINUTES_PER_DAY or minute % _QUARTER:
        raise table.error('needs from and to at quarters of an hour, like "22:00" and "06:30"', "windows")
    return minute


def _source(table: ConfigTable) -> PriceSource:
    location = table.text("prices")
    if location.startswith(("http://", "https://")):
        _check_url(table, location)
    else:
        from pathlib import Path  # noqa: PLC0415 - files of prices are rare

        location = str(table.file.path.parent / Path(location).expanduser())
    zone = table.text_or_none("prices_zone")
    try:
        zone_info = None if zone is None else parse_zone("prices_zone", zone)
    except ConfigError:
        raise table.error(f'must be a time zone like "Europe/Amsterdam", not {zone!r}', "prices_zone") from None
    factor = _decimal(table, "prices_factor", 1e-9, 1e9)
    return PriceSource(
        location,
        items=table.text_or_none("prices_list") or "",
        time=table.text_or_none("prices_time") or "time",
        value=table.text_or_none("prices_value") or "price",
        factor=1.0 if factor is None else factor,
        zone=zone_info,
    )


def _check_url(table: ConfigTable, url: str) -> None:
    from urllib.parse import urlsplit  # noqa: PLC0415 - needed for URLs only

    from heliograph.config.outputs import is_loopback  # noqa: PLC0415 - the same

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not url.isprintable() or " " in url:
        raise table.error('must be a file, or an address like "https://example.com/prices"', "prices")
    if parts.username or parts.password:
        raise table.error("must not contain a password", "prices")
    if parts.scheme == "http" and not is_loopback(host):
        raise table.error("must begin with https://; http:// is possible for this machine only", "prices")
