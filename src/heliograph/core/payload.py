"""Payload classes: one line per field declares our name, the wire key, the vendor's unit and the metric it feeds.

A payload is a *view*: it stores the answer exactly as sent in `.raw` and parses a field when it is read, so nothing is
lost, copied or converted needlessly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from heliograph.core import parsing
from heliograph.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from heliograph.metrics import Metric

T = TypeVar("T")
V = TypeVar("V")


class Field(Generic[T]):
    """Descriptor of one wire key of type `returns`; `unit` is the vendor's, `metric` the metric it feeds."""

    __slots__ = ("key", "metric", "name", "read", "returns", "sign", "unit")

    def __init__(
        self,
        key: str,
        read: Callable[[Any], T],
        returns: str,
        unit: str = "",
        metric: Metric | None = None,
        sign: int = 1,
    ) -> None:
        self.key = key
        self.read = read
        self.returns = returns
        self.unit = unit
        self.metric = metric
        self.sign = sign
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, payload: None, owner: type) -> Self: ...
    @overload
    def __get__(self, payload: Payload, owner: type) -> T: ...
    def __get__(self, payload: Payload | None, owner: type) -> Self | T:
        return self if payload is None else self.read(payload.body.get(self.key))


class _Slotted(type):
    """Metaclass that gives every class empty `__slots__`: without a `__dict__` no misspelt attribute can be set."""

    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        return super().__new__(cls, name, bases, {"__slots__": (), **members})


class Payload(metaclass=_Slotted):
    """One answer of a vendor API, as sent (`raw`) and as typed, unconverted fields."""

    __slots__ = ("body", "raw")

    within: str = ""
    """The member of the answer that holds the fields; empty if the answer itself does."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        body = raw.get(self.within) if self.within and isinstance(raw, dict) else raw
        if body is None:
            body = {}
        if not isinstance(body, dict):
            raise Unreadable(f"{type(self).__name__} expects an object, not {type(body).__name__}")
        self.body: Mapping[str, Any] = body

    @classmethod
    def fields(cls) -> Iterator[Field[Any]]:
        """Yield every declared field, inherited ones first; a redeclared field replaces the inherited one."""
        rows = {name: row for owner in reversed(cls.__mro__) for name, row in vars(owner).items()}
        yield from (row for row in rows.values() if isinstance(row, Field))

    def readings(self) -> dict[Metric, float | None]:
        """Return the published metrics this answer feeds, in their own units; missing values are None."""
        found: dict[Metric, float | None] = {}
        for row in self.fields():
            if row.metric is not None:
                value = parsing.parse_quantity(self.body.get(row.key), row.unit)
                if value is not None:
                    found[row.metric] = value * row.sign + 0.0  # no minus zero
                else:
                    found.setdefault(row.metric, None)
        return found

    def __repr__(self) -> str:
        inner = ", ".join(f"{row.name}={getattr(self, row.name)!r}" for row in self.fields())
        return f"{type(self).__name__}({inner})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]  # a view over a mutable answer


def number(key: str, unit: str = "", metric: Metric | None = None, *, sign: int = 1) -> Field[float | None]:
    """Declare a number in the vendor's unit; `sign` converts it to the sign of its metric."""
    # Quirk: a text may contain another unit ("2.56 MWh" where small plants have "9.3 kWh"): that unit applies.
    read = (lambda value: parsing.parse_in_unit(value, unit)) if unit else parsing.parse_number
    return Field(key, read, "float | None", unit, metric, sign)


def text(key: str) -> Field[str | None]:
    """Declare a text."""
    return Field(key, parsing.parse_text, "str | None")


def flag(key: str) -> Field[bool | None]:
    """Declare a boolean."""
    return Field(key, parsing.parse_flag, "bool | None")


def raw(key: str) -> Field[Any]:
    """Declare a member that is returned as sent."""
    return Field(key, lambda value: value, "Any")


def nested(key: str, shape: Callable[[Any], V]) -> Field[V]:
    """Declare an object inside the answer; a missing one is parsed as an empty one."""
    return Field(key, lambda value: shape(value if isinstance(value, dict) else {}), _type_name(shape))


def nested_list(key: str, shape: Callable[[Any], V]) -> Field[tuple[V, ...]]:
    """Declare an array of objects; other items are skipped, a missing array is empty."""
    read = list_of(shape)
    return Field(key, lambda value: read(value if isinstance(value, list) else []), read.__annotations__["return"])


def list_of(shape: Callable[[Any], V]) -> Callable[[Any], tuple[V, ...]]:
    """Return the parser of an array of payloads, for calls whose answer is one."""

    def read(value: Any) -> tuple[V, ...]:
        if not isinstance(value, list):
            raise Unreadable(f"the answer is not an array but {type(value).__name__}")
        return tuple(shape(item) for item in value if isinstance(item, dict))

    read.__annotations__["return"] = f"tuple[{_type_name(shape)}, ...]"
    return read


def _type_name(shape: Callable[[Any], Any]) -> str:
    return str(getattr(shape, "__annotations__", {}).get("return", getattr(shape, "__name__", "Any")))
