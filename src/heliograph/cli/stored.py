"""The store as `heliograph now` uses it: the newest values of an account's plants, and the writing of fetched ones."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from time import time
from typing import TYPE_CHECKING

from heliograph.cli.clients import account_key
from heliograph.errors import StoreError, StoreInUse
from heliograph.model import Plant, Snapshot
from heliograph.store import open_store
from heliograph.store.base import Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heliograph.config import Account
    from heliograph.current import PlantState
    from heliograph.vendors.base import SolarClient


class StoredPlants:
    """The plants of a store, read once; a store that is missing or cannot be read has none."""

    def __init__(self, where: str) -> None:
        self._where = where

    def age(self, account: Account, client: SolarClient) -> float | None:
        """Return the seconds since the values of an account were fetched; None if a plant of it is not stored."""
        try:
            fetched = [self._fetched_at.get(series) for series in _series(account, client)]
        except StoreError:  # the account's state cannot be read, which fetching reports
            return None
        times = [at for at in fetched if at is not None]
        return time() - min(times) if times and len(times) == len(fetched) else None

    def snapshots(self, account: Account, client: SolarClient) -> tuple[Snapshot, ...]:
        """Return the current state of an account's plants, by the same rule of freshness as on the page."""
        return tuple(_as_snapshot(self._states[series]) for series in _series(account, client))

    @cached_property
    def _fetched_at(self) -> Mapping[Series, int]:
        try:
            with open_store(self._where, create=False) as store:
                return {one.series: one.fetched_at for one in store.latest() if not one.series.device}
        except StoreError:  # missing; another error is reported when the fetched values cannot be stored
            return {}

    @cached_property
    def _states(self) -> Mapping[Series, PlantState]:
        from heliograph.current import CurrentState  # noqa: PLC0415 - rarely needed

        with open_store(self._where, create=False) as store:
            return {state.series: state for state in CurrentState(store).plants(int(time()))}


def store_fetched(accounts: Sequence[tuple[Account, SolarClient]], where: str) -> None:
    """Store what is queued, unless a collector runs: it stores the queue with its next poll.

    Raises `StoreError`; everything stays queued then.
    """
    waiting = [(account, queue) for account, client in accounts if (queue := client.guard.snapshot_file).queued()]
    if not waiting:
        return
    from heliograph.collect.poller import poll_batch  # noqa: PLC0415 - rarely needed
    from heliograph.collect.snapshot_queue import store_queued  # noqa: PLC0415

    with open_store(where) as store:
        try:
            store.claim([account_key(account) for account, _ in waiting], timeout=0)
        except StoreInUse:
            return
        for _, queue in waiting:
            store_queued(queue, poll_batch, store)


def _series(account: Account, client: SolarClient) -> list[Series]:
    return [Series(account.vendor, plant) for plant in account.plants or client.known_plants()]


def _as_snapshot(state: PlantState) -> Snapshot:
    measured, fetched = (
        None if at is None else datetime.fromtimestamp(at, UTC) for at in (state.measured_at, state.fetched_at)
    )
    assert fetched is not None, "the series has a sample"
    return Snapshot(
        plant=Plant(vendor=state.series.vendor, id=state.series.plant, name=state.name, zone=state.zone),
        status=state.status,
        measured_at=measured,
        fetched_at=fetched,
        values=state.values,
    )
