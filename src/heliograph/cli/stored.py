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
    from heliograph.store.base import PollStatus
    from heliograph.vendors.base import SolarClient


class StoredPlants:
    """The plants of a store, read once; a store that is missing or cannot be read has none."""

    def __init__(self, where: str) -> None:
        self._where = where

    def age(self, account: Account, client: SolarClient) -> float | None:
        """Return the seconds since the values of an account were fetched; None if a plant of it is not stored."""
        try:
            fetched = [self._newest[0].get(series) for series in _series(account, client)]
        except StoreError:  # the account's state cannot be read, which fetching reports
            return None
        times = [at for at in fetched if at is not None]
        return time() - min(times) if times and len(times) == len(fetched) else None

    def snapshots(self, account: Account, client: SolarClient) -> tuple[Snapshot, ...] | None:
        """Return the current state of an account's plants, by the same rule of freshness as on the page.

        None if the store cannot be read.
        """
        states = [self._states.get(series) for series in _series(account, client)]
        known = tuple(_as_snapshot(state) for state in states if state is not None)
        return known if len(known) == len(states) else None

    def provisional(self, account: Account, client: SolarClient) -> dict[tuple[str, str], frozenset[str]]:
        """Return the counters of each vendor and plant id that no second reading has confirmed."""
        states = (self._states[series] for series in _series(account, client))
        return {(state.series.vendor, state.series.plant): state.provisional for state in states if state.provisional}

    def waits(self, account: Account, client: SolarClient) -> PollStatus | None:
        """Return why the collector does not poll a plant of an account at its interval; None while it does."""
        polls = [poll for series in _series(account, client) if (poll := self._newest[1].get(series)) and poll.reason]
        return next((poll for poll in polls if poll.next_at > time()), None)

    @cached_property
    def _newest(self) -> tuple[Mapping[Series, int], Mapping[Series, PollStatus]]:
        """When the values of each plant were fetched, and how it is polled."""
        try:
            with open_store(self._where, create=False) as store:
                polls = store.poll_statuses()
                latest = [one for one in store.latest() if not one.series.device]
        except StoreError:  # missing; another error is reported when the fetched values cannot be stored
            return {}, {}
        # A poll that brought nothing new left the newest sample as it was.
        polled = {series: poll.polled_at for series, poll in polls.items()}
        return {one.series: max(one.fetched_at, polled.get(one.series, 0)) for one in latest}, polls

    @cached_property
    def _states(self) -> Mapping[Series, PlantState]:
        from heliograph.current import CurrentState  # noqa: PLC0415 - rarely needed

        try:
            with open_store(self._where, create=False) as store:
                return {state.series: state for state in CurrentState(store).plants(int(time()))}
        except StoreError:  # reported when the fetched values cannot be stored
            return {}


def store_fetched(accounts: Sequence[tuple[Account, SolarClient]], where: str) -> None:
    """Store what is queued, unless a collector runs: it stores the queue with its next poll.

    Raises `StoreError`; everything stays queued then.
    """
    waiting = [(account, queue) for account, client in accounts if (queue := client.guard.snapshot_file).queued()]
    if not waiting:
        return
    from heliograph.collect.snapshot_queue import store_queued  # noqa: PLC0415

    with open_store(where) as store:
        try:
            store.claim([account_key(account) for account, _ in waiting], timeout=0)
        except StoreInUse:
            return
        for account, queue in waiting:
            store_queued(queue, account.name, store)


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
