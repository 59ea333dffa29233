"""Device measurements in SQL: one row per device and time, its values as a JSON array in the order of a layout.

A layout is the list of metric names that a device reports; devices of one model share it. Names in every row would
take four times the space, a column per metric twice (ADR 0028).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.store import schema
from heliograph.store.base import Series, StoredMeasurements, UnreadableRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from heliograph.store.rows import Build, Rows


_T = TypeVar("_T")

measured_at = attrgetter("measured_at")


class MeasurementStore(ABC):
    """The reads and writes of device measurements; an SQL store inherits them."""

    def __init__(self) -> None:
        self._layouts: dict[str, int] = {}

    @abstractmethod
    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...
    @abstractmethod
    def _read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...
    @abstractmethod
    def _stream(self, build: Build[_T], time_of: Callable[[_T], int], statement: str, *period: Any) -> Iterator[_T]: ...

    def measurements(self, series: Series, since: int, until: int) -> Iterator[StoredMeasurements]:
        """Stream the measurements of a device, oldest first."""
        build = partial(measurements_from_rows, series)
        return self._stream(build, measured_at, schema.SELECT_MEASUREMENTS, series, since, until)

    def latest_measurements(self, series: Series | None = None) -> tuple[StoredMeasurements, ...]:
        """Return the newest measurements of one device, or of each."""
        if series is not None:
            return tuple(measurements_from_rows(series, self._read(schema.SELECT_LATEST_MEASUREMENTS, series)))
        rows = self._read(schema.SELECT_LATEST_MEASUREMENTS_OF_ALL)
        return tuple(chain.from_iterable(measurements_from_rows(Series(*row[:3]), [row[3:]]) for row in rows))

    def _new_layouts(self, measured: Sequence[StoredMeasurements]) -> dict[str, int]:
        """Return the numbers of the layouts that this store has not used yet; inside a transaction."""
        found = {}
        for names in sorted({layout_of(one.values) for one in measured} - self._layouts.keys()):
            self._run(schema.INSERT_LAYOUT, (names,))
            found[names] = self._run(schema.SELECT_LAYOUT_ID, (names,))[0][0]
        return found


def measurement_rows(
    measured: Sequence[StoredMeasurements], ids: Mapping[Series, int], layouts: Mapping[str, int]
) -> list[tuple[Any, ...]]:
    """Return measurements in the order of the table's columns, with the ids of series and the numbers of layouts."""
    return [
        (ids[one.series], one.measured_at, one.fetched_at, layouts[layout_of(one.values)], contents_of(one.values))
        for one in measured
    ]


def layout_of(values: Mapping[str, float | str | None]) -> str:
    """Return the names of the values as stored."""
    return ",".join(values)


def contents_of(values: Mapping[str, float | str | None]) -> str:
    """Return the values as stored, in the order of their names.

    >>> contents_of({"pv1_voltage": 231.0, "status_text": "Normal", "pv1_current": None})
    '[231.0,"Normal",null]'
    """
    return json.dumps(list(values.values()), separators=(",", ":"), allow_nan=False)


def measurements_from_rows(series: Series, rows: Rows) -> list[StoredMeasurements]:
    """Return the measurements of a device from rows of time, time fetched, names and contents."""
    found = []
    for at, fetched_at, names, contents in rows:
        try:
            values = dict(zip(names.split(","), json.loads(contents), strict=True))
        except (ValueError, TypeError, RecursionError) as error:
            raise UnreadableRow("the store contains damaged measurements") from error
        found.append(StoredMeasurements(series, at, fetched_at, values))
    return found
