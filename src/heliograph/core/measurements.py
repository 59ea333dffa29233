"""Parse the measurements of a device by a table of its family: metric, wire key and the vendor's unit."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from heliograph.core import parsing
from heliograph.metrics.device import DEVICE_METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from heliograph.metrics.device import DeviceMetric

Measurements = dict[str, float | str | None]
"""Values of one device by device metric; None where the cloud reports no usable value."""

ALWAYS_PRESENT = frozenset(("ac", "grid", "device", "pv1", "phase1"))
"""Parts that every device has; zeros of another part are those of a part that is not connected."""
MAX_TEXT = 200
"""Characters of a text that are stored."""

_FACTORS = {
    ("mV", "V"): 0.001,
    ("kVar", "var"): 1000.0,
    ("s", "h"): 1 / 3600,
}
_DIGITS = re.compile(r"\d+", re.ASCII)
_HAS_NUMBER = re.compile(r"[+-]?\d", re.ASCII)
MAX_EXAMPLE = 60
"""Characters of an example that are stored."""
MAX_ODDITIES = 20
"""Oddities of one answer that are counted."""
MAX_RAW = 60
"""Numbers of an unknown device that are stored."""
_RAW_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}", re.ASCII)
_RAW_ID = re.compile(r"(?:id|sn|no|code|phone|lat|lng)$", re.IGNORECASE)
_PARSED_UNITS = frozenset(("W", "kW", "Wh", "kWh", "%", "V", "A", "Hz", "°C"))


class MeasurementRow(NamedTuple):
    """One wire key and the metric it feeds; of several rows of a metric the first with a value counts."""

    metric: DeviceMetric
    key: str
    """In lower case: the spelling of a key differs between generations of the same answer."""
    unit: str


def row(name: str, key: str, unit: str = "") -> MeasurementRow:
    """Declare a metric by name, with its wire key and, if it differs from the metric's, the vendor's unit."""
    metric = DEVICE_METRICS[name]
    return MeasurementRow(metric, key.lower(), unit or metric.unit)


def numbered(name: str, key: str, count: int, unit: str = "") -> Iterator[MeasurementRow]:
    """Declare the metrics of parts 1 to `count`; `{n}` stands for the number in both names."""
    for n in range(1, count + 1):
        yield row(name.format(n=n), key.format(n=n), unit)


def parse_measurements(
    rows: Sequence[MeasurementRow], body: Mapping[str, Any], fillers: Collection[float] = ()
) -> Measurements:
    """Return the measurements in an answer; a key that the answer does not have is left out.

    `fillers` are the numbers that the vendor sends instead of "no value" for a magnitude.
    """
    lowered: dict[str, Any] = {}
    for key, value in body.items():
        lowered.setdefault(key.lower(), value)
    found: Measurements = {}
    for metric, key, unit in rows:
        if key in lowered and found.get(metric.name) is None:
            raw = lowered[key]
            found[metric.name] = _text(raw) if metric.kind == "text" else _number(raw, metric, unit, fillers)
    return without_absent_parts(found)


def find_oddities(rows: Sequence[MeasurementRow], body: Mapping[str, Any]) -> dict[str, str]:
    """Return what could not be used in an answer, with an example: texts for numbers, and parts beyond the table.

    >>> rows = tuple(numbered("pv{n}_voltage", "vpv{n}", 2))
    >>> find_oddities(rows, {"vpv1": "much", "vpv2": "--", "vpv3": 231.5, "vpv4": 0})
    {'text for the number vpv1': 'much', 'no metric for vpv3': '231.5'}
    """
    found: dict[str, str] = {}
    columns = {key: metric for metric, key, _ in rows}
    numbered_keys = _numbered_keys(tuple(columns))
    for name, raw in body.items():
        key = name.lower()
        if (metric := columns.get(key)) is not None:
            if metric.kind != "text" and _is_no_number(raw):
                found[f"text for the number {key}"] = str(raw)[:MAX_EXAMPLE]
        elif numbered_keys and _without_digits(key) in numbered_keys and (parsing.parse_number(raw) or 0) > 0:
            found[f"no metric for {key}"] = str(raw)[:MAX_EXAMPLE]
    return dict(list(found.items())[:MAX_ODDITIES])


@cache
def _numbered_keys(keys: tuple[str, ...]) -> frozenset[str]:
    """Return the keys of several numbered parts, with "#" in place of the number."""
    counts = Counter(_without_digits(key) for key in keys if _DIGITS.search(key))
    return frozenset(key for key, count in counts.items() if count > 1)


@lru_cache(maxsize=4096)
def _without_digits(key: str) -> str:
    return _DIGITS.sub("#", key)


def _is_no_number(raw: Any) -> bool:
    """Return whether a value is neither a number nor one of the usual ways to send none."""
    if raw is None or isinstance(raw, int | float):
        return False
    if isinstance(raw, dict | list):
        return bool(raw)
    # Numbers that mean "none" ("65535V") are no oddity.
    return parsing.parse_text(raw) is not None and not _HAS_NUMBER.match(str(raw).strip())


def raw_numbers(body: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers in an answer whose fields are unknown, by the vendor's names; ids are left out.

    >>> raw_numbers({"ppv": "12.5", "deviceSn": "4711", "plantId": 7, "lost": False, "rows": [], "eToday": None})
    {'ppv': 12.5}
    """
    found: dict[str, float] = {}
    for name, raw in body.items():
        if isinstance(raw, bool | list | dict) or not _RAW_NAME.fullmatch(name) or _RAW_ID.search(name):
            continue
        if (value := parsing.parse_number(raw)) is not None and len(found) < MAX_RAW:
            found[name] = value
    return found


def without_absent_parts(values: Measurements) -> Measurements:
    """Return the measurements without those of parts whose numbers are all zero or missing."""
    present = set(ALWAYS_PRESENT)
    present.update(DEVICE_METRICS[name].part for name, value in values.items() if value and not isinstance(value, str))
    return {name: value for name, value in values.items() if DEVICE_METRICS[name].part in present}


def smallest_and_largest(values: Iterable[Any], unit: str = "V") -> tuple[float | None, float | None]:
    """Return the lowest and the highest of the numbers above zero, such as the voltages of cells."""
    known = [value for value in (parsing.parse_number(one) for one in values) if value is not None and value > 0]
    factor = _FACTORS.get((unit, "V"), 1.0)
    return (round(min(known) * factor, 3), round(max(known) * factor, 3)) if known else (None, None)


def _text(raw: Any) -> str | None:
    text = parsing.parse_text(raw)
    # Quirk: Growatt's `errorText` and `warnText` are "Unknown" where there is none (captures of MIN, SPH, SPF).
    return None if text is None or text == "Unknown" else text[:MAX_TEXT]


def _number(raw: Any, metric: DeviceMetric, unit: str, fillers: Collection[float]) -> float | None:
    value = parsing.parse_quantity(raw, unit) if unit in _PARSED_UNITS else parsing.parse_number(raw)
    if value is None or value in fillers:
        return None
    if unit not in _PARSED_UNITS:
        value *= _FACTORS.get((unit, metric.unit), 1.0)
    value = round(value, 3) + 0.0  # Java floats arrive widened: 47.79999923706055
    return value if metric.minimum <= value <= metric.maximum else None
