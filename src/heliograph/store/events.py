"""Events, facts and oddities in an SQL store (ADR 0041)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from heliograph.model import EventKind
from heliograph.store import event_schema as schema
from heliograph.store.base import KnownFact, Oddity, Series, StoredEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KINDS = {str(kind): kind for kind in EventKind}


class EventStore(ABC):
    """The reads of events, facts and oddities; an SQL store inherits them."""

    @abstractmethod
    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def events(self, since: int, until: int, plant: Series | None = None, limit: int = 1000) -> tuple[StoredEvent, ...]:
        """Return the events of a plant and its devices, or of all plants, the newest first."""
        statement = schema.SELECT_EVENTS if plant is None else schema.SELECT_EVENTS_OF_PLANT
        values = (since, until, *(() if plant is None else plant[:2]), limit)
        rows = self._read(statement, values)
        # A kind that this version does not know was written by a later one.
        return tuple(_event(row) for row in rows if row[4] in _KINDS)

    def facts(self, plant: Series | None = None) -> tuple[KnownFact, ...]:
        """Return the facts of a plant and its devices, or of all plants."""
        statement = schema.SELECT_FACTS if plant is None else schema.SELECT_FACTS_OF_PLANT
        rows = self._read(statement, () if plant is None else plant[:2])
        return tuple(KnownFact(Series(*row[:3]), *row[3:]) for row in rows)

    def oddities(self) -> tuple[Oddity, ...]:
        """Return all oddities, those seen last first."""
        return tuple(Oddity(Series(*row[:3]), *row[3:]) for row in self._read(schema.SELECT_ODDITIES))


def event_row(event: StoredEvent, series: int) -> tuple[Any, ...]:
    """Return an event of the series with this id, in the order of the table's columns."""
    # An empty text leaves the one that is stored.
    texts = clean(event.text) or None, clean(event.advice) or None, clean(event.source)
    return series, event.started_at, str(event.kind), clean(event.code), event.seen_at, event.ended_at, *texts


def oddity_rows(oddities: Sequence[Oddity], ids: Mapping[Series, int]) -> list[tuple[Any, ...]]:
    """Return one row per key, in the order of the table's columns: of several only the last one would count."""
    counted: dict[tuple[Series, str], Oddity] = {}
    for one in oddities:
        before = counted.get(one[:2])
        counted[one[:2]] = one if before is None else one._replace(times=before.times + one.times)
    return [(ids[one.series], clean(one.what), clean(one.example), *one[3:]) for one in counted.values()]


def _event(row: Sequence[Any]) -> StoredEvent:
    series, (at, kind, code, seen_at, ended_at, text, advice, source) = Series(*row[:3]), row[3:]
    return StoredEvent(series, at, _KINDS[kind], code, seen_at, ended_at, text or "", advice or "", source)


def clean(text: str) -> str:
    """Replace characters that a database rejects: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
