"""Parsers and payload classes accept any JSON: a result of the declared type or `Unreadable`, never another exception.

The values that once broke something are committed in fixtures/hostile/values.json.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from math import isfinite
from pkgutil import walk_packages

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliograph import vendors
from heliograph.core import parsing
from heliograph.core.payload import Payload
from heliograph.errors import Unreadable
from support.mutations import ALPHABET
from support.paths import TESTS

CORPUS = json.loads((TESTS / "fixtures" / "hostile" / "values.json").read_text("utf-8"))["values"]
FORMATS = ("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
ZONES = (None, UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12)))
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def corpus_value(row):
    return row["value"] if "value" in row else row["start"] + row["repeat"] * row["times"] + row["end"]


VALUES = [corpus_value(row) for row in CORPUS]
VALUES += [one.make for one in ALPHABET if not callable(one.make)]


def payload_classes():
    """Return all payload classes of all vendors."""
    for module in walk_packages(vendors.__path__, "heliograph.vendors."):
        import_module(module.name)
    found, left = set(), [Payload]
    while left:
        new = set(left.pop().__subclasses__()) - found
        found |= new
        left += new
    return sorted(
        (one for one in found if one.__module__.startswith("heliograph.vendors.")), key=lambda one: one.__name__
    )


CLASSES = payload_classes()
KEYS = sorted({row.key for shape in CLASSES for row in shape.fields()} | {shape.within for shape in CLASSES} - {""})
LEAF = st.sampled_from(VALUES) | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANY_JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner),
    max_leaves=12,
)


def check(value):
    """Parse a value with every parser."""
    numbers = [parsing.parse_number(value)]
    for unit in ("W", "kW", "kWh", "MWh", "%", "V", "A", "Hz", "°C"):
        numbers += [parsing.parse_quantity(value, unit), parsing.parse_in_unit(value, unit)]
    assert all(number is None or (isinstance(number, float) and isfinite(number)) for number in numbers)
    assert isinstance(parsing.parse_text(value), str | None)
    assert parsing.parse_flag(value) in (None, True, False)
    for zone in ZONES:
        moment = parsing.parse_time(value, zone, FORMATS)
        assert moment is None or moment.tzinfo is UTC
        assert isinstance(value, str) or moment is None or EARLIEST <= moment <= LATEST
    offset = parsing.offset_zone(parsing.parse_number(value))
    assert offset is None or offset.utcoffset(None) % timedelta(minutes=1) == timedelta()


def read(shape, raw):
    """Read every field of a payload and its metrics."""
    try:
        payload = shape(raw)
        for row in shape.fields():
            getattr(payload, row.name)
        readings = payload.readings()
        repr(payload)
    except Unreadable:
        return
    assert all(value is None or isfinite(value) for value in readings.values())


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:30])
def test_parsers_accept_every_value_of_the_corpus(value):
    check(value)


@given(ANY_JSON)
def test_parsers_accept_any_json(value):
    check(value)


@pytest.mark.parametrize("shape", CLASSES, ids=lambda shape: shape.__name__)
def test_payload_with_each_value_of_the_corpus_in_every_field_is_read(shape):
    for value in VALUES:
        for body in (value, [value], dict.fromkeys((row.key for row in shape.fields()), value)):
            read(shape, body)
            if shape.within:
                read(shape, {shape.within: body})
                read(shape, {shape.within: [body]})


@example(CLASSES[0], {"unit": ["kWh"]})
@given(st.sampled_from(CLASSES), ANY_JSON | st.dictionaries(st.sampled_from(KEYS), ANY_JSON, max_size=8))
def test_payload_of_any_json_is_read_or_unreadable(shape, raw):
    read(shape, {shape.within: raw} if shape.within else raw)
