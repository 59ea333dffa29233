"""The state file of an account, written in place, and a lock file beside it.

A save overwrites one of the three copies in the file (state_format.py): not the newest, so that a killed program loses
nothing, and not the last durable one, so that a power failure during later saves cannot damage it.
"""

from __future__ import annotations

import json
import os
from errno import ELOOP, ENOSPC
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.core.files import HeldFileLock, write_atomic
from heliograph.core.limits import remedy
from heliograph.errors import StoreError
from heliograph.keeper.state import COMPACT, AccountState
from heliograph.keeper.state_format import (
    COPIES,
    Layout,
    NewerFormatError,
    StoredCopy,
    is_unchanged,
    new_file,
    pad_copy,
    read_copy,
    read_layout,
    read_older,
    write_copy,
)

if TYPE_CHECKING:
    from pathlib import Path

_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_encode = json.JSONEncoder(separators=COMPACT).encode


def account_name(vendor: str, server: str, username: str) -> str:
    """Return the name of an account, which contains no personal data."""
    return f"{vendor}-{sha256(f'{server} {username}'.encode()).hexdigest()[:16]}"


class _ParsedFile(NamedTuple):
    """The contents of a state file."""

    state: AccountState | None
    """None if the file is damaged."""
    layout: Layout | None = None
    newest: StoredCopy | None = None
    """The copy of the state; None if the file has another format."""


class StateFile:
    """The stored state of one account; the file name contains no personal data."""

    is_async = False

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.path = folder / f"{name}.json"
        self._lock_path = str(folder / f"{name}.lock")
        self._size = 0
        """The size of the file when it was last read."""
        self.known: _ParsedFile | None = None
        """The contents last read or written; an unchanged file is not parsed again."""
        self._finished: tuple[list[list[float]], str] = [], ""
        """The finished buckets of the request count, most of the state, and their JSON text."""
        self._others: tuple[dict[str, Any], str] = {}, ""
        """The members that a read does not change, and their JSON text."""

    def load(self, now: float) -> AccountState:
        """Return the state without a lock; modifies nothing."""
        try:
            descriptor, data = self.open(os.O_RDONLY)
        except FileNotFoundError:
            return AccountState()
        except OSError as error:
            raise self.access_error(error) from None
        if descriptor >= 0:
            os.close(descriptor)
        return self.parse(data).state or self.damaged_state(now, "will be renamed before the next request")

    def hold(self) -> HeldStateFile | None:
        """Acquire the account's lock; None if another flow or program holds it."""
        try:
            lock = HeldFileLock.acquire(self._lock_path)
        except OSError as error:
            raise self.access_error(error) from None
        return None if lock is None else HeldStateFile(self, lock)

    def open(self, access: int) -> tuple[int, bytes]:
        """Open the file and read it; a symbolic link reads as empty: the program never creates one."""
        try:
            descriptor = os.open(self.path, access | _FLAGS)
        except OSError as error:
            if error.errno == ELOOP:
                return -1, b""
            raise
        try:
            size = self._size or os.fstat(descriptor).st_size
            data = os.read(descriptor, size + 1)
            if len(data) > size:  # another program made it longer
                data += os.read(descriptor, os.fstat(descriptor).st_size)
        except BaseException:
            os.close(descriptor)
            raise
        self._size = len(data)
        return descriptor, data

    def parse(self, data: bytes) -> _ParsedFile:
        """Return the state in a file; raises `StoreError` if another version wrote it."""
        if (known := self.known) is not None and known.layout is not None and is_unchanged(data, known.layout):
            assert known.state is not None
            return _ParsedFile(known.state.copy(), known.layout, known.newest)
        if (layout := read_layout(data)) is None:
            try:
                return _ParsedFile(read_older(data))
            except NewerFormatError:
                advice = "use that one, or remove the file"
                raise StoreError(f"{self.path} was written by another version of heliograph; {advice}") from None
        for copy in layout.copies:
            if (state := read_copy(data, copy, layout.length)) is not None:
                self.known = _ParsedFile(state.copy(), layout, copy)
                return _ParsedFile(state, layout, copy)
            others = [one for one in layout.copies if one is not copy]
            layout = Layout([*others, copy._replace(number=0, durable=False)], layout.length)
        return _ParsedFile(None)

    def damaged_state(self, now: float, what: str) -> AccountState:
        """Return the state of an account whose file is damaged."""
        state = AccountState()
        state.add_note(now, f"the state file is damaged and {what}; the previous state of the account is lost")
        return state

    def encode(self, state: AccountState) -> str:
        """Return a state that is never modified again as JSON text.

        A read changes the time and the last request count only, so the text of all others is cached.
        """
        others = vars(state).copy()
        at, spent = others.pop("at"), others.pop("spent")
        if others != self._others[0]:
            self._others = others, _encode(others)[1:]
        if (finished := spent[:-1]) != self._finished[0]:
            self._finished = finished, "".join([f"{_encode(bucket)}," for bucket in finished])
        last = "".join([f"[{float(start)},{int(number)}]" for start, number in spent[-1:]])
        return f'{{"at":{float(at)},"spent":[{self._finished[1]}{last}],{self._others[1]}'

    def access_error(self, error: OSError) -> StoreError:
        """Return the error of a file that cannot be read, written or locked, with advice."""
        return StoreError(
            f"{self.path}: {error.strerror or error}. This file stores the state of an account, which prevents account "
            f"locks; {remedy(error) or 'free disk space'}, set HELIOGRAPH_HOME to another folder, or create the client "
            "with keeper=None"
        )


class HeldStateFile:
    """The state file of an account whose lock is held."""

    is_async = False

    def __init__(self, file: StateFile, lock: HeldFileLock) -> None:
        self._file = file
        self._lock = lock
        self._descriptor = -1
        self._size = 0
        self._parsed = _ParsedFile(None)
        self._is_synced = True
        """False if the newest copy is durable and of another program, which may have been killed before the flush."""
        self._session: dict[str, Any] | None = None
        """The session in the file."""

    def load(self, now: float) -> AccountState:
        """Return the state; a damaged file is set aside."""
        known = self._file.known
        try:
            self._descriptor, data = self._file.open(os.O_RDWR)
        except FileNotFoundError:
            return AccountState()
        except OSError as error:
            raise self._file.access_error(error) from None
        self._size = len(data)
        self._parsed = parsed = self._file.parse(data)
        if parsed.state is None:
            self._close()
            return self._file.damaged_state(now, f"was renamed to {self._set_aside()}")
        self._session = parsed.state.session
        if parsed.layout is None or parsed.newest is None or (known is not None and parsed.newest == known.newest):
            return parsed.state
        self._is_synced = not parsed.newest.durable
        if any(copy.is_damaged for copy in parsed.layout.copies):
            parsed.state.add_note(now, "a copy of the state in its file was damaged; the newest whole one is used")
        return parsed.state

    def _set_aside(self) -> str:
        path = self._file.path
        names = (path.with_name(f"{path.name}.broken-{number}") for number in count(1))
        aside = next(one for one in names if not os.path.lexists(one))
        try:
            path.replace(aside)
        except OSError as error:
            raise self._file.access_error(error) from None
        return aside.name

    def save(self, state: AccountState, *, durable: bool) -> None:
        """Replace the state; a `durable` one survives a power failure.

        When a session ends or is forgotten, every copy is replaced, so that none contains it any more.
        """
        self._file.known = None
        is_end = state.session is not self._session and _is_forgotten(self._session, state.session)
        self._session = state.session
        try:
            text = self._file.encode(state)
            self._write(text, durable or is_end)
            for _ in range(COPIES - 1 if is_end else 0):
                self._write(text, durable=True)
        except OSError as error:
            raise self._file.access_error(error) from None
        self._file.known = _ParsedFile(state, self._parsed.layout, self._parsed.newest)

    def _write(self, state_text: str, durable: bool) -> None:
        _, layout, newest = self._parsed
        number = 1 if newest is None else newest.number + 1
        copy, head = write_copy(number, durable, state_text)
        if layout is None or newest is None or len(copy) >= layout.length or not self._is_in_place():
            self._write_new_file(copy)
            return
        _, second, oldest = layout.copies
        is_last_durable = oldest.durable and not (newest.durable or second.durable)
        target = second if is_last_durable else oldest
        text = pad_copy(copy, layout.length)
        if _write_at(self._descriptor, text, target.start) < len(text):
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        if durable or not self._is_synced:
            os.fsync(self._descriptor)
            self._is_synced = True
        written = StoredCopy(number, durable, target.start, head)
        kept = oldest if is_last_durable else second
        self._parsed = _ParsedFile(None, Layout([written, newest, kept], layout.length), written)

    def _is_in_place(self) -> bool:
        """Return False if the file was deleted, replaced or cut since it was read; a save then writes it again."""
        if self._descriptor < 0:
            return False
        found = os.fstat(self._descriptor)
        return found.st_nlink > 0 and found.st_size == self._size

    def _write_new_file(self, copy: bytes) -> None:
        self._close()
        write_atomic(self._file.path, new_file(copy).decode("ascii"))
        self._descriptor, data = self._file.open(os.O_RDWR)
        self._size, layout = len(data), read_layout(data)
        assert layout is not None
        self._parsed = _ParsedFile(None, layout, layout.copies[0])
        self._is_synced = True

    def release(self) -> None:
        """Release the lock."""
        self._close()
        self._lock.release()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = _close


def _is_forgotten(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Return whether a session has ended: that of the account, or one of another API among its facts."""
    before, after = before or {}, after or {}
    if before.get("alive") and not after.get("alive"):
        return True
    facts = after.get("facts") or {}
    inner = {name: fact for name, fact in (before.get("facts") or {}).items() if isinstance(fact, dict)}
    return any(fact.get("alive") and _is_forgotten(fact, facts.get(name)) for name, fact in inner.items())


def _write_at(descriptor: int, data: bytes, start: int) -> int:
    """Write data at a place in a file; return how many bytes were written."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, start)
    os.lseek(descriptor, start, os.SEEK_SET)
    return os.write(descriptor, data)
