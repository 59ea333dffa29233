"""The state file of an account: one JSON file, replaced atomically, and a lock file beside it."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from heliograph.core import files
from heliograph.errors import StoreError
from heliograph.keeper.state import COMPACT, AccountState

if TYPE_CHECKING:
    from io import BufferedWriter
    from pathlib import Path

    from filelock import BaseFileLock

FORMAT = 1
RESERVED = 16 * 1024
"""Bytes that the state after a login may have; a usual one has 2 kB."""


class StateFile(NamedTuple):
    """The path of one account's state; the file name contains no personal data."""

    folder: Path
    name: str

    @classmethod
    def for_account(cls, folder: Path, vendor: str, server: str, username: str) -> StateFile:
        """Return the state file of an account."""
        return cls(folder, f"{vendor}-{sha256(f'{server} {username}'.encode()).hexdigest()[:16]}")

    @property
    def path(self) -> Path:
        """The path of the JSON file."""
        return self.folder / f"{self.name}.json"

    def lock(self) -> BaseFileLock:
        """Return a new lock of this account; the operating system releases it if the process is killed."""
        try:
            return files.file_lock(self.folder / f"{self.name}.lock")
        except OSError as error:
            raise self.access_error(error) from None

    def load(self, now: float, *, locked: bool) -> AccountState:
        """Load the state; a damaged file is set aside if the caller holds the lock, and a new state is returned."""
        try:
            # Ignore symlinks: the file is always replaced, so a symlink was not written by us.
            text = b"" if self.path.is_symlink() else self.path.read_bytes()
        except FileNotFoundError:
            return AccountState()
        except OSError as error:
            raise self.access_error(error) from None
        if (state := self._parse(text)) is not None:
            return state
        state = AccountState()
        aside = f"was renamed to {self._set_aside()}" if locked else "will be renamed before the next request"
        state.add_note(now, f"the state file is damaged and {aside}; the previous state of the account is lost")
        return state

    def _parse(self, text: bytes) -> AccountState | None:
        try:
            stored = json.loads(text)
            if "sum" not in stored:
                return AccountState.from_unchecked(stored)
            if stored["sum"] != _checksum(stored["format"], json.dumps(stored["book"], separators=COMPACT)):
                return None
            if stored["format"] == FORMAT:
                return AccountState.from_dict(stored["book"])
        except (ValueError, TypeError, KeyError, RecursionError):  # not JSON, or not a state file
            return None
        raise StoreError(f"{self.path} was written by another version of heliograph; use that one, or remove the file")

    def _set_aside(self) -> str:
        names = (self.path.with_name(f"{self.path.name}.broken-{number}") for number in count(1))
        aside = next(path for path in names if not os.path.lexists(path))
        try:
            self.path.replace(aside)
        except OSError as error:
            raise self.access_error(error) from None
        return aside.name

    def save(self, state: str, *, durable: bool, reserved: BufferedWriter | None = None) -> None:
        """Replace the file with a state as JSON text; a `durable` write also survives a power failure."""
        text = f'{{"format":{FORMAT},"sum":"{_checksum(FORMAT, state)}","book":{state}}}'
        try:
            files.write_atomic(self.path, text, durable=durable, reserved=reserved)
        except OSError as error:
            raise self.access_error(error) from None

    def reserve(self) -> BufferedWriter:
        """Return a file with the disk space that the outcome of a login needs."""
        try:
            return files.reserve(self.path, RESERVED)
        except OSError as error:
            raise self.access_error(error) from None

    def access_error(self, error: OSError) -> StoreError:
        """Return the error of a file that cannot be read, written or locked, with advice."""
        return StoreError(
            f"{self.path}: {error.strerror or error}. This file stores the state of an account, which prevents account "
            f"locks; {files.remedy(error) or 'free disk space'}, set HELIOGRAPH_HOME to another folder, or create the "
            "client with keeper=None"
        )


def _checksum(form: int, text: str) -> str:
    """Return the checksum of a state; other formats must compute it the same way, or they are taken for damaged."""
    return sha256(f"{form} {text}".encode()).hexdigest()
