"""From what a cloud says now to what is kept: rows, repaired counters, and the memory to go on with. No I/O."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from heliograph.collect.counters import count
from heliograph.store.contract import Batch
from heliograph.store.entries import entries, known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.model import Snapshot
    from heliograph.store.contract import Day, Entry, Repair, Series

Memories = dict["Series", "Mapping[str, Any]"]
"""What the counters remember, by series."""


def batch_of(snapshots: Sequence[Snapshot], memories: Memories) -> Batch:
    """Return everything one poll has to say; `memories` are not touched, the batch brings their successors."""
    samples: list[Entry] = []
    days: list[Day] = []
    repairs: list[Repair] = []
    counters: Memories = {}
    for snapshot in snapshots:
        zone = snapshot.plant.zone or UTC
        for entry in entries(snapshot):
            counted = count(memories.get(entry.series, {}), entry, zone)
            samples.append(counted.entry)
            days.extend(counted.days)
            repairs.extend(counted.repairs)
            counters[entry.series] = counted.memory
    return Batch(
        samples=samples,
        days=days,
        repairs=repairs,
        counters=counters,
        known=[one for snapshot in snapshots for one in known(snapshot)],
    )


def zone_named(name: str | None) -> tzinfo:
    """Return the clock of a stored name: an IANA zone, an offset like "UTC+02:00", or UTC where nothing is known."""
    if not name:
        return UTC
    offset = re.fullmatch(r"UTC([+-])(\d\d):(\d\d)", name)
    if offset:
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(away if offset[1] == "+" else -away)
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - fixed offsets need none

    return ZoneInfo(name)
