"""Query parameters of the API: schema and parser of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from heliograph.local_time import day_start
from heliograph.web.problem import Problem
from heliograph.web.schemas import DATE, DATE_TIME, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

_CENTURIES = range(1970, 2200)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+ -]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """One query parameter."""

    name: str
    meaning: str
    schema: Schema
    parse: Callable[[str], Any]
    default: Any = None


def parse_parameters(parameters: Iterable[QueryParameter], given: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    """Return every parameter by name; raises `Problem` for unknown, repeated and invalid ones."""
    known = {one.name: one for one in parameters}
    found: dict[str, Any] = {}
    for name, text in given:
        if name not in known:
            names = ", ".join(known) or "none"
            raise Problem(400, f"unknown parameter {name!r}; known parameters: {names}")
        if name in found:
            raise Problem(400, f"{name} is repeated")
        try:
            found[name] = known[name].parse(text)
        except ValueError as error:
            raise Problem(400, f"{name} {error}") from None
    return {name: found.get(name, one.default) for name, one in known.items()}


def text(name: str, meaning: str, max_length: int = 200) -> QueryParameter:
    """Return a parameter for any text."""

    def parse(given: str) -> str:
        if not 1 <= len(given) <= max_length:
            raise ValueError(f"must have 1 to {max_length} characters")
        return given

    return QueryParameter(name, meaning, {"type": "string", "minLength": 1, "maxLength": max_length}, parse)


def choice(name: str, meaning: str, words: Iterable[str], usual: str | None = None) -> QueryParameter:
    """Return a parameter for one of several values."""
    known = [str(word) for word in words]

    def parse(given: str) -> str:
        if given not in known:
            raise ValueError(f"must be one of {', '.join(known)}; got {given!r}")
        return given

    return QueryParameter(name, meaning, _with_default({"type": "string", "enum": known}, usual), parse, usual)


def choices(name: str, meaning: str, words: Iterable[str]) -> QueryParameter:
    """Return a parameter for a comma-separated list of values."""
    known = [str(word) for word in words]

    def parse(given: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(given.split(",")))
        for word in found:
            if word not in known:
                raise ValueError(f"must not contain {word[:40]!r}; valid values: {', '.join(known)}")
        return found

    schema = {"type": "array", "items": {"type": "string", "enum": known}, "minItems": 1}
    return QueryParameter(name, meaning, schema, parse)


def integer(name: str, meaning: str, minimum: int, maximum: int, usual: int) -> QueryParameter:
    """Return a parameter for an integer."""

    def parse(given: str) -> int:
        if not re.fullmatch(r"\d{1,10}", given, re.ASCII) or not minimum <= int(given) <= maximum:
            raise ValueError(f"must be an integer from {minimum} to {maximum}; got {given!r}")
        return int(given)

    return QueryParameter(
        name, meaning, {"type": "integer", "minimum": minimum, "maximum": maximum, "default": usual}, parse, usual
    )


def day(name: str, meaning: str) -> QueryParameter:
    """Return a parameter for a day."""
    return QueryParameter(name, meaning, DATE, _day)


def moment_or_day(name: str, meaning: str) -> QueryParameter:
    """Return a parameter for a time, or a day of the plant's local calendar."""

    def parse(given: str) -> datetime | date:
        return _moment(given) if _MOMENT.fullmatch(given) else _day(given)

    return QueryParameter(name, meaning, {"anyOf": [DATE_TIME, DATE]}, parse)


def to_epoch(given: datetime | date, zone: tzinfo) -> int:
    """Return a time, or the start of a plant-local day, as Unix time."""
    return int(given.timestamp()) if isinstance(given, datetime) else day_start(given, zone)


def _moment(given: str) -> datetime:
    # An unescaped plus sign arrives as a space.
    spaced = given[:10] + "T" + given[11:].replace(" ", "+")
    try:
        found = datetime.fromisoformat(spaced.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"must be a time; got {given!r}") from None
    if found.year not in _CENTURIES:
        raise ValueError("must be from 1970 to 2199")
    return found


def _day(given: str) -> date:
    try:
        found = date.fromisoformat(given) if _DAY.fullmatch(given) else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"must be a day like 2026-06-21; got {given!r}")
    if found.year not in _CENTURIES:
        raise ValueError("must be from 1970 to 2199")
    return found


def _with_default(schema: Schema, usual: Any) -> Schema:
    return schema if usual is None else {**schema, "default": usual}
