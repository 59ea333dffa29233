"""The journal: one append-only file per account, in which everything stands before it is sent. It is the audit log."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from heliograph.core import files
from heliograph.errors import StoreError
from heliograph.settings.models import Change, ChangeState, Order, OrderKind

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import BaseFileLock

    from heliograph.settings.definition import Values

FORMAT = 1
_TURN = 30.0
"""Seconds to wait for another program's line; writing one takes milliseconds."""


@dataclass(slots=True)
class JournalContents:
    """What a journal says."""

    orders: dict[str, Order] = field(default_factory=dict)
    """In the order they were given."""
    lines_by_device: dict[str, int] = field(default_factory=dict)
    """How many lines there are of each device."""
    unreadable_lines: int = 0
    """Lines that cannot be read; what a program was writing when it died is one, and nothing was sent for that."""

    incomplete: set[str] = field(default_factory=set)
    """Orders of which something is told, but not what they were: their first line was damaged."""

    def of_device(self, device: str) -> tuple[Order, ...]:
        """Return the orders of one device."""
        return tuple(order for order in self.orders.values() if order.device == device)


class Journal:
    """One account's journal; `name` tells nothing of the person."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.name}.jsonl"

    @property
    def marker(self) -> Path:
        """A file that is there while a curtailment may be open, so that nobody else has to read the journal."""
        return self.folder / f"{self.name}.open"

    def device_lock(self, device: str) -> BaseFileLock:
        """Return a new lock of one device, which is ordered by one program at a time."""
        try:
            return files.file_lock(self.folder / f"{self.name}-{sha256(device.encode()).hexdigest()[:12]}.lock")
        except OSError as error:
            raise self.unusable_error(error) from None

    def read(self) -> JournalContents:
        """Return everything that was written."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return JournalContents()
        except OSError as error:
            raise self.unusable_error(error) from None
        book = JournalContents()
        for line in data.split(b"\n"):
            if line and not self._heard(book, line):
                book.unreadable_lines += 1
        return book

    def _heard(self, book: JournalContents, line: bytes) -> bool:
        try:
            event = json.loads(line)
            if event["v"] != FORMAT:
                raise StoreError(f"{self.path} was written by another version of heliograph; use that one to order")
            if event["event"] != "ordered" and event["order"] not in book.orders:
                book.incomplete.add(str(event["order"]))
            order = _heard(book, event)
        except (ValueError, TypeError, LookupError, RecursionError):  # not JSON, or nothing we wrote
            return False
        book.lines_by_device[order.device] = book.lines_by_device.get(order.device, 0) + 1
        return True

    def record_order(self, order: Order) -> None:
        """Write down an order; from now on it is known whatever happens."""
        told = {
            name: getattr(order, name)
            for name in ("kind", "who", "program", "account", "vendor", "plant", "device", "family", "undoes")
        }
        changes = [{"setting": one.setting, "old": one.old, "new": one.new} for one in order.changes]
        self._write(order, "ordered", order.at, **told, until=_iso(order.until), changes=changes)

    def record_sending(self, order: Order, change: Change, now: float) -> None:
        """Write down that a change is about to be sent."""
        self._write(order, "sending", now, change=change.number)
        change.state, change.sent_at = ChangeState.SENT, now

    def record_response(self, order: Order, change: Change, now: float, *, accepted: bool, why: str = "") -> None:
        """Write down what the cloud answered."""
        change.accepted, change.why = accepted, why
        self._write(order, "answered", now, change=change.number, accepted=accepted, why=why)

    def record_outcome(
        self,
        order: Order,
        change: Change,
        now: float,
        state: ChangeState,
        why: str = "",
        *,
        read: Values | None = None,
        final: bool,
    ) -> None:
        """Write down what became of a change."""
        change.state, change.why, change.ended_at, change.final = state, why, now, final
        change.read = read
        self._write(order, "ended", now, change=change.number, state=state, why=why, read=read, final=final)

    def record_release(self, order: Order, now: float, why: str) -> None:
        """Write down that a curtailment is over."""
        order.released = why
        self._write(order, "released", now, why=why)

    def set_marker(self) -> None:
        """Note beside the journal that a curtailment may be open."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.marker.touch(mode=0o600)
        except OSError as error:
            raise self.unusable_error(error) from None

    def new_id(self, book: JournalContents) -> str:
        """Return a name for an order, short enough to be typed."""
        while (found := secrets.token_hex(3)) in book.orders:
            pass
        return found

    def _write(self, order: Order, event: str, at: float, **told: Any) -> None:
        line = {"v": FORMAT, "order": order.id, "event": event, "at": _iso(at), **told}
        try:
            # Filelock's own time-out is a kind of OSError, and says which file.
            with files.file_lock(self.path.with_suffix(".lock")).acquire(timeout=_TURN):
                self._append(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise self.unusable_error(error) from None

    def _append(self, line: bytes) -> None:
        new = not self.path.exists()
        # A link is none of ours, and whoever may read this could learn when nobody is at home.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self.path, flags, 0o600), "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                # What a dying program left of a line must not swallow the next.
                line = line if file.read(1) == b"\n" else b"\n" + line
            if file.write(line) != len(line):
                raise OSError(28, "no space left for the whole line")
            os.fsync(file.fileno())
        if new:
            _sync_folder(self.folder)

    def unusable_error(self, error: OSError) -> StoreError:
        """Return the error of a journal that cannot be used, with what to do about it."""
        return StoreError(
            f"{self.path}: {error.strerror or error}. Nothing is sent that cannot be written down there; free the "
            "disk, or set HELIOGRAPH_HOME to a folder of your own"
        )


def _heard(book: JournalContents, event: dict[str, Any]) -> Order:
    """Bring a book up to one event more."""
    at, kind = _moment(event["at"]), event["event"]
    if kind == "ordered":
        return book.orders.setdefault(event["order"], _ordered(event, at))
    order = book.orders[event["order"]]
    if kind == "released":
        order.released = event["why"]
        return order
    change = order.changes[event["change"]]
    if kind == "sending":
        change.state, change.sent_at = ChangeState.SENT, at
    elif kind == "answered":
        change.accepted, change.why = event["accepted"], event["why"]
    elif kind == "ended":
        change.state, change.why, change.ended_at = ChangeState(event["state"]), event["why"], at
        change.read, change.final = event["read"], event["final"]
    else:
        raise ValueError(f"no event is called {kind}")
    return order


def _ordered(event: dict[str, Any], at: float) -> Order:
    told = {name: event[name] for name in ("who", "program", "account", "vendor", "plant", "device", "family")}
    return Order(
        id=event["order"],
        at=at,
        kind=OrderKind(event["kind"]),
        undoes=event["undoes"],
        until=None if event["until"] is None else _moment(event["until"]),
        changes=[
            Change(number=number, setting=one["setting"], old=one["old"], new=one["new"])
            for number, one in enumerate(event["changes"])
        ],
        **told,
    )


def _sync_folder(folder: Path) -> None:
    """Let a new file's name outlive a power cut, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
