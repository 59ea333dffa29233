"""The journal: one append-only file of JSON lines per account. It is the audit log, written before anything is sent."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from heliograph.core.files import file_lock
from heliograph.core.limits import remedy
from heliograph.errors import StoreError
from heliograph.settings.models import Change, ChangeState, Order, OrderKind

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import BaseFileLock

    from heliograph.settings.definition import Values

FORMAT = 1
_LOCK_TIMEOUT = 30.0
"""Seconds to wait for another program to write its line, which takes milliseconds."""


@dataclass(slots=True)
class JournalContents:
    """The parsed journal."""

    orders: dict[str, Order] = field(default_factory=dict)
    """By id, the oldest first."""
    lines_by_device: dict[str, int] = field(default_factory=dict)
    unreadable_lines: int = 0
    """A program that dies while writing leaves one; nothing was sent for it."""

    incomplete: set[str] = field(default_factory=set)
    """Ids of orders whose first line, with device and settings, is damaged."""

    def of_device(self, device: str) -> tuple[Order, ...]:
        """Return the orders of one device."""
        return tuple(order for order in self.orders.values() if order.device == device)


class Journal:
    """One account's journal; `name` must contain no personal data."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    @property
    def path(self) -> Path:
        """The journal file."""
        return self.folder / f"{self.name}.jsonl"

    @property
    def marker(self) -> Path:
        """A file that exists while a curtailment may be open, so that other commands need not read the journal."""
        return self.folder / f"{self.name}.open"

    def device_lock(self, device: str) -> BaseFileLock:
        """Return a new lock object for one device, which one program changes at a time."""
        try:
            return file_lock(self.folder / f"{self.name}-{sha256(device.encode()).hexdigest()[:12]}.lock")
        except OSError as error:
            raise self.unusable_error(error) from None

    def read(self) -> JournalContents:
        """Read and parse the whole journal."""
        contents = JournalContents()
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return contents
        except OSError as error:
            raise self.unusable_error(error) from None
        for line in data.split(b"\n"):
            if line and not self._parse_line(contents, line):
                contents.unreadable_lines += 1
        return contents

    def _parse_line(self, contents: JournalContents, line: bytes) -> bool:
        try:
            event = json.loads(line)
            if event["v"] != FORMAT:
                raise StoreError(f"{self.path} was written by another version of heliograph; use that version instead")
            if event["event"] != "ordered" and event["order"] not in contents.orders:
                contents.incomplete.add(str(event["order"]))
            order = _apply_event(contents, event)
        except (ValueError, TypeError, LookupError, RecursionError):  # not JSON, or not a line of this format
            return False
        contents.lines_by_device[order.device] = contents.lines_by_device.get(order.device, 0) + 1
        return True

    def record_order(self, order: Order) -> None:
        """Append a new order; it is preserved from now on, whatever happens."""
        fields = {
            name: getattr(order, name)
            for name in ("kind", "who", "program", "account", "vendor", "plant", "device", "family", "undoes")
        }
        changes = [{"setting": one.setting, "old": one.old, "new": one.new} for one in order.changes]
        self._write(order, "ordered", order.at, **fields, until=_iso(order.until), changes=changes)

    def record_sending(self, order: Order, change: Change, now: float) -> None:
        """Append that a change is about to be sent."""
        self._write(order, "sending", now, change=change.number)
        change.state, change.sent_at = ChangeState.SENT, now

    def record_response(self, order: Order, change: Change, now: float, *, accepted: bool, why: str = "") -> None:
        """Append the cloud's response."""
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
        """Append the outcome of a change."""
        change.state, change.why, change.ended_at, change.final = state, why, now, final
        change.read = read
        self._write(order, "ended", now, change=change.number, state=state, why=why, read=read, final=final)

    def record_release(self, order: Order, now: float, why: str) -> None:
        """Append that a curtailment is over without another order."""
        order.released = why
        self._write(order, "released", now, why=why)

    def set_marker(self) -> None:
        """Create the marker of an open curtailment."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.marker.touch(mode=0o600)
        except OSError as error:
            raise self.unusable_error(error) from None

    def new_id(self, contents: JournalContents) -> str:
        """Return an unused order id, short enough to type."""
        while (order_id := secrets.token_hex(3)) in contents.orders:
            pass
        return order_id

    def _write(self, order: Order, event: str, at: float, **fields: Any) -> None:
        line = {"v": FORMAT, "order": order.id, "event": event, "at": _iso(at), **fields}
        try:
            # The lock's Timeout is an OSError that names the file.
            with file_lock(self.path.with_suffix(".lock")).acquire(timeout=_LOCK_TIMEOUT):
                self._append(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise self.unusable_error(error) from None

    def _append(self, line: bytes) -> None:
        new = not self.path.exists()
        # Refuse symlinks; the journal reveals household presence, so it must stay owner-only.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self.path, flags, 0o600), "r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                # A program that died while writing leaves an unterminated line: start a new one.
                line = line if file.read(1) == b"\n" else b"\n" + line
            if file.write(line) != len(line):
                raise OSError(28, "no space left for the whole line")
            os.fsync(file.fileno())
        if new and os.name == "posix":
            # A new file's name survives a power cut only after a sync of its folder.
            handle = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def unusable_error(self, error: OSError) -> StoreError:
        """Return the error for a journal that cannot be read or written."""
        return StoreError(
            f"{self.path}: {error.strerror or error}. Nothing is sent that cannot be recorded there; "
            f"{remedy(error) or 'free the disk'}, or set HELIOGRAPH_HOME to a folder of your own"
        )


def _apply_event(contents: JournalContents, event: dict[str, Any]) -> Order:
    """Update `contents` by one event and return its order."""
    at, kind = _timestamp(event["at"]), event["event"]
    if kind == "ordered":
        return contents.orders.setdefault(event["order"], _parse_order(event, at))
    order = contents.orders[event["order"]]
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
        raise ValueError(f"unknown event {kind}")
    return order


def _parse_order(event: dict[str, Any], at: float) -> Order:
    fields = {name: event[name] for name in ("who", "program", "account", "vendor", "plant", "device", "family")}
    return Order(
        id=event["order"],
        at=at,
        kind=OrderKind(event["kind"]),
        undoes=event["undoes"],
        until=None if event["until"] is None else _timestamp(event["until"]),
        changes=[
            Change(number=number, setting=one["setting"], old=one["old"], new=one["new"])
            for number, one in enumerate(event["changes"])
        ],
        **fields,
    )


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
