"""The snapshots that the programs of an account fetched: a cache for all of them, and a queue for the store.

One JSON file beside the account's state file. It is read and replaced under a lock of its own, for milliseconds, so
that the collector never waits for a program that is sending requests.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core import files
from heliograph.errors import StoreError
from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from heliograph.model import Snapshot

FORMAT = 1
MAX_QUEUED = 100
"""Queued snapshots of an account; if no program stores them, the oldest are dropped."""
_LOCK_SECONDS = 5.0

_log = logging.getLogger(__name__)


class SavedSnapshot(NamedTuple):
    """A snapshot as saved: when it was fetched by this machine's clock, and the time zone its client was given."""

    at: float
    zone: str
    queued: bool
    """Whether it is not in the store yet."""
    plant: str
    data: dict[str, Any]
    interactive: bool = False
    """Whether a person waited for it."""

    @property
    def measured_at(self) -> str | None:
        """The time of the measurement as text."""
        measured: dict[str, str] | None = self.data["measured_at"]
        return None if measured is None else measured["text"]

    def snapshot(self) -> Snapshot:
        """Return the snapshot."""
        found: Snapshot = _decode(self.data)
        return found


class FoundSnapshots(NamedTuple):
    """Saved snapshots, when the oldest of them was fetched, and whether all are stored, as a collector does."""

    at: float
    snapshots: tuple[Snapshot, ...]
    is_stored: bool


class _Content(NamedTuple):
    saved: list[SavedSnapshot]
    """Oldest first."""
    listed_at: float | None
    """When the snapshots of all plants were last fetched."""
    plants: list[str]

    def newest(self, plant: str) -> SavedSnapshot | None:
        return next((one for one in reversed(self.saved) if one.plant == plant), None)


class SnapshotFile(NamedTuple):
    """The path of one account's snapshots."""

    folder: Path
    name: str

    @property
    def path(self) -> Path:
        """The path of the JSON file."""
        return self.folder / f"{self.name}.snapshots.json"

    def find(self, plant: str | None, zone: tzinfo | None) -> FoundSnapshots | None:
        """Return the newest snapshot of one plant, or of all plants if `plant` is None, and when it was fetched.

        None if there is none, or if it was fetched with another time zone. Of several, the oldest time is returned.
        """
        content = self._read()
        if plant is None and content.listed_at is None:
            return None
        plants = content.plants if plant is None else [plant]
        found = [one for name in plants if (one := content.newest(name)) is not None and one.zone == _zone_name(zone)]
        if len(found) < len(plants):
            return None
        times = [one.at for one in found] + ([content.listed_at] if plant is None and content.listed_at else [])
        stored = not any(one.queued for one in found)
        return FoundSnapshots(min(times), tuple(one.snapshot() for one in found), stored)

    def changed_at(self) -> int:
        """Return a number that differs after each change of the file; 0 without a file."""
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return 0

    def add(
        self,
        snapshots: Sequence[Snapshot],
        now: float,
        zone: tzinfo | None,
        *,
        is_all: bool,
        interactive: bool = False,
    ) -> None:
        """Save snapshots and queue them for the store; `is_all` says that the account has no other plants.

        `interactive` says that a person waited for them. Raises `StoreError` if they cannot be saved.
        """
        added = [
            SavedSnapshot(now, _zone_name(zone), True, one.plant.id, _encode(one), interactive) for one in snapshots
        ]
        with self._changing() as save:
            content = self._read()
            # A snapshot of the same measurement has nothing new for the store.
            replaced = {(one.plant, one.measured_at) for one in added if one.measured_at is not None}
            saved = [one for one in content.saved if (one.plant, one.measured_at) not in replaced] + added
            listed = (now, [one.plant for one in added]) if is_all else (content.listed_at, content.plants)
            save(_Content(saved, *listed))

    def share(self, snapshots: Sequence[Snapshot], now: float, zone: tzinfo | None) -> None:
        """Save what the collector polled, for the other programs of the account; it is in the store already.

        Counters that this poll did not fetch are those of the plant's last snapshot, daily ones only of the same day.
        Without a file nothing is saved, because no other program has used the account. Raises `StoreError`.
        """
        if not self.changed_at():
            return
        with self._changing() as save:
            content, zone_name = self._read(), _zone_name(zone)
            shared = {
                one.plant.id: SavedSnapshot(now, zone_name, False, one.plant.id, _encode(_completed(one, content)))
                for one in snapshots
                if one.measured_at is not None
            }
            saved = [one for one in content.saved if one.queued or one.plant not in shared] + [*shared.values()]
            listed_at = now if content.plants and shared.keys() >= set(content.plants) else content.listed_at
            save(_Content(saved, listed_at, content.plants))

    def queued(self) -> tuple[SavedSnapshot, ...]:
        """Return the snapshots that are not in the store yet, oldest first."""
        return tuple(one for one in self._read().saved if one.queued)

    def mark_stored(self, stored: Collection[SavedSnapshot]) -> None:
        """Remove snapshots from the queue; raises `StoreError` if that cannot be saved."""
        done = {(one.plant, one.at) for one in stored}
        with self._changing() as save:
            content = self._read()
            kept = [one._replace(queued=one.queued and (one.plant, one.at) not in done) for one in content.saved]
            save(content._replace(saved=kept))

    @contextmanager
    def _changing(self) -> Iterator[Callable[[_Content], None]]:
        """Hold the file's lock, and yield the function that replaces the file."""
        try:
            lock = files.file_lock(self.folder / f"{self.name}.snapshots.lock")
            with lock.acquire(timeout=_LOCK_SECONDS):
                yield self._write
        except OSError as error:  # also a TimeoutError of the lock
            raise StoreError(
                f"{self.path}: {error.strerror or error}. This file stores the newest snapshots of an account for its "
                "other programs; free disk space, or set HELIOGRAPH_HOME to another folder"
            ) from None

    def _read(self) -> _Content:
        """Return the content of the file; a damaged file is treated as empty, with a warning."""
        try:
            text = b"" if self.path.is_symlink() else self.path.read_bytes()
        except OSError:
            return _Content([], None, [])
        try:
            stored = json.loads(text)
            if stored["format"] == FORMAT:
                saved = [SavedSnapshot(*row) for row in stored["saved"]]
                return _Content(saved, stored["listed_at"], stored["plants"])
            why = f"its format is {stored['format']}"
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            why = str(error)
        _log.warning(LogEvent("snapshots.unreadable", path=self.path, why=why))
        return _Content([], None, [])

    def _write(self, content: _Content) -> None:
        newest = {one.plant: one for one in content.saved}
        waiting = [one for one in content.saved if one.queued and newest[one.plant] is not one]
        kept = {id(one) for one in (*newest.values(), *waiting[-MAX_QUEUED:])}
        saved = [one for one in content.saved if id(one) in kept]
        stored = {"format": FORMAT, "saved": saved, "listed_at": content.listed_at, "plants": content.plants}
        files.write_atomic(self.path, json.dumps(stored, separators=(",", ":")), durable=False)


def _completed(polled: Snapshot, content: _Content) -> Snapshot:
    """Return a polled snapshot with the metrics of the plant's last one that were not fetched."""
    from dataclasses import replace  # noqa: PLC0415 - single calls do not need it

    from heliograph.metrics import METRICS  # noqa: PLC0415

    last = content.newest(polled.plant.id)
    before = None if last is None else last.snapshot()
    if before is None or before.measured_at is None or polled.measured_at is None:
        return polled
    zone = polled.plant.zone
    same_day = before.measured_at.astimezone(zone).date() == polled.measured_at.astimezone(zone).date()
    kinds = {"total", "today"} if same_day else {"total"}
    older = {name: value for name, value in before.values.items() if METRICS[name].kind in kinds}
    devices = {one.device.id: one for one in (*before.devices, *polled.devices)}
    return replace(
        polled,
        values={**older, **polled.values},
        sources={**{name: text for name, text in before.sources.items() if name in older}, **polled.sources},
        devices=tuple(devices.values()),
    )


def _zone_name(zone: tzinfo | None) -> str:
    return "" if zone is None else str(zone)


_KIND = "@"


def _encode(value: Any) -> Any:
    """Return a snapshot as JSON-ready data; times, zones and classes of the model are marked with their kind."""
    if isinstance(value, datetime):
        return {_KIND: "time", "text": value.isoformat()}
    if isinstance(value, tzinfo):
        return {_KIND: "zone", "text": str(value)}
    if hasattr(value, "__dataclass_fields__"):
        members = {name: _encode(getattr(value, name)) for name in value.__dataclass_fields__}
        return {_KIND: type(value).__name__, **members}
    if hasattr(value, "items"):
        return {key: _encode(item) for key, item in value.items()}
    return [_encode(item) for item in value] if isinstance(value, tuple | list) else value


def _decode(value: Any) -> Any:
    from heliograph import model  # noqa: PLC0415 - single calls do not need the model
    from heliograph.local_time import stored_zone  # noqa: PLC0415

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(decode, value))
        if not isinstance(value, dict):
            return value
        kind = value.get(_KIND)
        if kind == "time":
            return datetime.fromisoformat(value["text"])
        if kind == "zone":
            return stored_zone(value["text"])
        members = {key: decode(item) for key, item in value.items() if key != _KIND}
        if kind is None:
            return members
        if members.get("status") is not None:
            members["status"] = model.Status(members["status"])
        classes: dict[str, type] = {
            one.__name__: one for one in (model.Snapshot, model.DeviceSnapshot, model.Plant, model.Device)
        }
        # A newer version may have saved members that this one does not know.
        known = classes[kind].__dataclass_fields__  # type: ignore[attr-defined]
        return classes[kind](**{name: item for name, item in members.items() if name in known})

    return decode(value)
