"""Imported energies in SQL: one row per day and energy, apart from the measured days, which are never changed.

A reader gets an imported energy only where none was measured. Because the rows are apart, an import is undone by
deleting its rows, also if the same days were measured later (ADR 0033).
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.errors import StoreError
from heliograph.metrics import ENERGIES
from heliograph.model import Quality
from heliograph.store import schema
from heliograph.store.base import (
    Batch,
    Day,
    ImportBatch,
    ImportedEnergy,
    ImportSummary,
    Series,
    UnreadableRow,
)
from heliograph.store.measurements import MeasurementStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

_T = TypeVar("_T")


class ImportStore(MeasurementStore):
    """The reads and writes of imports; an SQL store inherits them."""

    @abstractmethod
    def _run_locked(self, work: Callable[[], _T]) -> _T: ...
    @abstractmethod
    def _transaction(self) -> AbstractContextManager[None]: ...
    @abstractmethod
    def _lock_change_numbers(self) -> None: ...
    @abstractmethod
    def _write_rows(self, batch: Batch) -> tuple[dict[Series, int], dict[str, int]]: ...
    @abstractmethod
    def days(
        self, series: Series, first: date, last: date, energies: Sequence[str] | None = None
    ) -> tuple[Day, ...]: ...

    def known_days(
        self, series: Series, first: date, last: date, energies: Sequence[str] | None = None
    ) -> tuple[Day, ...]:
        """Return the days with imported energies where none was measured."""
        names = ENERGIES if energies is None else tuple(energies)
        days = self.days(series, first, last, names)
        found: dict[date, dict[str, float]] = {}
        for one in self._imported(series, first, last):
            if one.energy in names:
                found.setdefault(one.day, {})[one.energy] = one.kwh
        if not found:
            return days
        measured = {one.day: one for one in days}
        gaps = dict.fromkeys(names)
        empty = Day(series, first, gaps, Quality.IMPORTED, final=True, written_at=0)
        return tuple(
            _with_imported(measured.get(day) or empty._replace(day=day), found.get(day, {}))
            for day in sorted(measured.keys() | found.keys())
        )

    def imported(self, series: Series) -> Iterator[ImportedEnergy]:
        """Return the imported energies of a series."""
        return self._imported(series, date.min, date.max)

    def _imported(self, series: Series, first: date, last: date) -> Iterator[ImportedEnergy]:
        rows = self._read(schema.SELECT_IMPORTED, (*series, first.isoformat(), last.isoformat()))
        return (ImportedEnergy(series, _day(day), *rest) for day, *rest in rows)

    def imports(self) -> tuple[ImportSummary, ...]:
        """Return all imports, oldest first."""
        return tuple(
            ImportSummary(
                ImportBatch(Series(*row[:3]), *row[3:7]),
                None if row[7] is None else _day(row[7]),
                None if row[8] is None else _day(row[8]),
                row[9],
            )
            for row in self._read(schema.SELECT_IMPORTS)
        )

    def add_import(self, batch: ImportBatch, energies: Sequence[ImportedEnergy]) -> None:
        """Store an imported file in one transaction."""

        def add() -> None:
            with self._transaction():
                self._lock_change_numbers()  # another import must not add the same days meanwhile
                self._check_overlap(batch.series, energies)
                self._write_rows(Batch(imports=[batch], imported=energies))

        self._run_locked(add)

    def _check_overlap(self, series: Series, energies: Sequence[ImportedEnergy]) -> None:
        new = {(one.day.isoformat(), one.energy) for one in energies}
        first, last = min(new)[0], max(new)[0]
        rows = self._run(schema.SELECT_IMPORTED, (*series, first, last))
        both = [row for row in rows if (row[0], row[1]) in new]
        if both:
            day, energy, _, import_id = both[0]
            raise StoreError(
                f"{len(both)} of these values were imported before (the first: {energy} of {day}, by import "
                f"{import_id}); nothing was imported. Undo that import first: heliograph import --undo {import_id}"
            )

    def undo_import(self, import_id: str, now: int) -> int:
        """Delete the values of an import and return their number."""

        def undo() -> int:
            with self._transaction():
                known = {row[3]: row for row in self._run(schema.SELECT_IMPORTS)}
                if import_id not in known:
                    raise StoreError(f"there is no import {import_id!r}; heliograph import --list lists them")
                if known[import_id][6] is not None:
                    raise StoreError(f"the import {import_id} is already undone; nothing was changed")
                self._run(schema.DELETE_IMPORTED, (import_id,))
                self._run(schema.UNDO_IMPORT, (now, import_id))
                return int(known[import_id][9])

        return self._run_locked(undo)


def _with_imported(day: Day, imported: dict[str, float]) -> Day:
    """Fill the gaps of a measured day."""
    used = {name: kwh for name, kwh in imported.items() if day.values.get(name) is None}
    if not used:
        return day
    measured = any(value is not None for value in day.values.values())
    quality, final = (day.quality, day.final) if measured else (Quality.IMPORTED, True)
    return day._replace(values={**day.values, **used}, imported=frozenset(used), quality=quality, final=final)


def _day(text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (ValueError, TypeError):
        raise UnreadableRow(f"the store contains a day that is none: {text!r:.40}") from None
