"""What `heliograph status` shows of the store: how large it is, and how fresh each plant's newest sample."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.moments import length
from heliograph.errors import NothingKept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from heliograph.collect.kept import Kept

_MEANS = {
    "live": "live",
    "stale": "late",
    "offline-expected": "asleep, as expected",
    "offline-unexpected": "offline, though it should be heard",
}


class Stored(NamedTuple):
    """A store at one moment."""

    where: str
    size: int
    plants: Sequence[Kept]


def stored(where: str, now: datetime) -> Stored | None:
    """Return what a store holds; where there is none yet, none is made."""
    from heliograph.collect.kept import kept  # noqa: PLC0415 - help needs no store
    from heliograph.store import open_store  # noqa: PLC0415

    try:
        with open_store(where, make=False) as store:
            return Stored(shown_store(where), store.size(), kept(store, int(now.timestamp())))
    except NothingKept:
        return None


def shown_store(where: str) -> str:
    """Return a store's address without what opens it.

    >>> shown_store("postgresql://ada:secret@db/solar?password=secret"), shown_store("/home/ada/samples.sqlite")
    ('postgresql://db/solar', '/home/ada/samples.sqlite')
    """
    scheme, slashes, rest = where.partition("://")
    return scheme + slashes + rest.rpartition("@")[2].partition("?")[0] if slashes else where


def lines(store: Stored, now: datetime) -> Iterator[str]:
    """Yield a line for the store and one for each plant."""
    samples = sum(plant.samples for plant in store.plants)
    yield f"store {store.where}: {samples} samples, {store.size / 1e6:.1f} MB"
    for one in store.plants:
        series, name, *_ = one.plant
        yield f"  {name or series.plant} ({series.vendor} {series.plant}): {_age(one, now)}, {one.samples} samples"


def _age(one: Kept, now: datetime) -> str:
    if one.measured_at is None:
        return "no sample yet"
    return f"{_MEANS[one.freshness]}, last sample {length(now - _moment(one.measured_at))} old"


def stored_as_dict(store: Stored) -> dict[str, Any]:
    """Return the same as JSON-ready data."""
    return {
        "where": store.where,
        "bytes": store.size,
        "plants": [
            {
                "vendor": one.plant.series.vendor,
                "plant": one.plant.series.plant,
                "name": one.plant.name,
                "samples": one.samples,
                "last_sample": None if one.measured_at is None else _moment(one.measured_at).isoformat(),
                "freshness": str(one.freshness),
            }
            for one in store.plants
        ],
    }


def _moment(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
