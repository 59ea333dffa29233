"""Storing the snapshots that other programs of an account fetched and queued.

Only the program that holds the store's claim does this, because the repair of counters needs them in time order.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from heliograph.collect.batch import poll_batch
from heliograph.core.effects import run_on_thread
from heliograph.errors import StoreError
from heliograph.store.snapshot_rows import samples_of

if TYPE_CHECKING:
    from heliograph.collect.counters.repair import CounterStates
    from heliograph.keeper.snapshot_file import SnapshotFile
    from heliograph.model import Snapshot
    from heliograph.store.base import Store
    from heliograph.store.threaded import BufferedWriter


async def drain_queue(queue: SnapshotFile, account: str, writer: BufferedWriter, states: CounterStates) -> float | None:
    """Store what is queued for an account and update the poller's counter states.

    Return when the newest snapshot was fetched for which a person waited; None if there is none. While the store is
    unavailable everything stays in the queue; the writer reports that.
    """
    if writer.pending:
        return None
    queued = await run_on_thread(queue.queued)
    asked_at = max((one.at for one in queued if one.interactive), default=None)
    try:
        states.update(await writer.run(partial(store_queued, queue, account)))
    except StoreError:
        return None
    return asked_at


def store_queued(queue: SnapshotFile, account: str, store: Store) -> CounterStates:
    """Store the queued snapshots of a configured account, and return the new counter states of their series.

    Raises `StoreError`; the snapshots are then still queued. A program killed before they are removed from the queue
    stores them once more, which changes nothing.
    """
    queued = queue.queued()
    if not queued:
        return {}
    snapshots = [one.snapshot() for one in queued]
    states: CounterStates = {}
    for snapshot in snapshots:
        states.update({sample.series: store.counters(sample.series) for sample in samples_of(snapshot)})
    batch = poll_batch([one for one in snapshots if not _is_stored(one, states)], states, account)
    if batch.samples:
        store.write(batch)
    queue.mark_stored(queued)
    return dict(batch.counters)


def _is_stored(snapshot: Snapshot, states: CounterStates) -> bool:
    """Return True if the store has this sample of the plant, or a later one whose counters include this one's."""
    plant = samples_of(snapshot)[0]
    return bool(plant.measured_at <= states[plant.series].get("at", 0))
