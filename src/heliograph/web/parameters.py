"""What a request may say: each parameter's schema, and beside it how it is read."""

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
    """One parameter of a query."""

    name: str
    meaning: str
    schema: Schema
    parse: Callable[[str], Any]
    default: Any = None


def parse_parameters(parameters: Iterable[QueryParameter], given: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    """Return every parameter by name; what is unknown, said twice or cannot be read is a problem."""
    known = {one.name: one for one in parameters}
    found: dict[str, Any] = {}
    for name, text in given:
        if name not in known:
            there = ", ".join(known) or "none"
            raise Problem(400, f"there is no parameter {name!r} here; there are: {there}")
        if name in found:
            raise Problem(400, f"{name} is given twice")
        try:
            found[name] = known[name].parse(text)
        except ValueError as error:
            raise Problem(400, f"{name} {error}") from None
    return {name: found.get(name, one.default) for name, one in known.items()}


def text(name: str, meaning: str, longest: int = 200) -> QueryParameter:
    """Return a parameter that takes any text."""

    def reads(given: str) -> str:
        if not 1 <= len(given) <= longest:
            raise ValueError(f"has from 1 to {longest} letters")
        return given

    return QueryParameter(name, meaning, {"type": "string", "minLength": 1, "maxLength": longest}, reads)


def choice(name: str, meaning: str, words: Iterable[str], usual: str | None = None) -> QueryParameter:
    """Return a parameter that takes one of some words."""
    known = [str(word) for word in words]

    def reads(given: str) -> str:
        if given not in known:
            raise ValueError(f"is one of {', '.join(known)}, not {given!r}")
        return given

    return QueryParameter(name, meaning, _usually({"type": "string", "enum": known}, usual), reads, usual)


def choices(name: str, meaning: str, words: Iterable[str]) -> QueryParameter:
    """Return a parameter that takes some of some words, with commas between."""
    known = [str(word) for word in words]

    def reads(given: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(given.split(",")))
        for word in found:
            if word not in known:
                raise ValueError(f"hold no {word[:40]!r}; they are some of {', '.join(known)}")
        return found

    schema = {"type": "array", "items": {"type": "string", "enum": known}, "minItems": 1}
    return QueryParameter(name, meaning, schema, reads)


def integer(name: str, meaning: str, least: int, most: int, usual: int) -> QueryParameter:
    """Return a parameter that takes a whole number."""

    def reads(given: str) -> int:
        if not re.fullmatch(r"\d{1,10}", given, re.ASCII) or not least <= int(given) <= most:
            raise ValueError(f"is a whole number from {least} to {most}, not {given!r}")
        return int(given)

    return QueryParameter(
        name, meaning, {"type": "integer", "minimum": least, "maximum": most, "default": usual}, reads, usual
    )


def day(name: str, meaning: str) -> QueryParameter:
    """Return a parameter that takes a day."""
    return QueryParameter(name, meaning, DATE, _day)


def moment_or_day(name: str, meaning: str) -> QueryParameter:
    """Return a parameter that takes a moment, or a day of the plant's own calendar."""

    def reads(given: str) -> datetime | date:
        return _moment(given) if _MOMENT.fullmatch(given) else _day(given)

    return QueryParameter(name, meaning, {"anyOf": [DATE_TIME, DATE]}, reads)


def to_epoch(given: datetime | date, zone: tzinfo) -> int:
    """Return a moment, or when a plant's day begins."""
    return int(given.timestamp()) if isinstance(given, datetime) else day_start(given, zone)


def _moment(given: str) -> datetime:
    # A plus sign that is not escaped arrives as a space.
    spaced = given[:10] + "T" + given[11:].replace(" ", "+")
    try:
        found = datetime.fromisoformat(spaced.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"is no moment: {given!r}") from None
    if found.year not in _CENTURIES:
        raise ValueError("is from 1970 to 2199")
    return found


def _day(given: str) -> date:
    try:
        found = date.fromisoformat(given) if _DAY.fullmatch(given) else None
    except ValueError:
        found = None
    if found is None:
        raise ValueError(f"is a day like 2026-06-21, not {given!r}")
    if found.year not in _CENTURIES:
        raise ValueError("is from 1970 to 2199")
    return found


def _usually(schema: Schema, usual: Any) -> Schema:
    return schema if usual is None else {**schema, "default": usual}
