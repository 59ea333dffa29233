"""Where the books stand: one file per account, written whole or not at all, and one lock beside it."""

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
    from pathlib import Path

    from filelock import BaseFileLock

FORMAT = 1


class StateFile(NamedTuple):
    """One account's place in the folder; the file's name tells nothing of the person."""

    folder: Path
    name: str

    @classmethod
    def for_account(cls, folder: Path, vendor: str, server: str, username: str) -> StateFile:
        """Return the place of an account."""
        return cls(folder, f"{vendor}-{sha256(f'{server} {username}'.encode()).hexdigest()[:16]}")

    @property
    def path(self) -> Path:
        """The book's file."""
        return self.folder / f"{self.name}.json"

    def lock(self) -> BaseFileLock:
        """Return a new lock of this account; the system releases it when its holder dies."""
        try:
            return files.file_lock(self.folder / f"{self.name}.lock")
        except OSError as error:
            raise self.access_error(error) from None

    def load(self, now: float, *, locked: bool) -> AccountState:
        """Return the book as it was written; one that cannot be trusted is set aside by whoever holds the lock."""
        try:
            # A link is none of ours: writing would have replaced it.
            text = b"" if self.path.is_symlink() else self.path.read_bytes()
        except FileNotFoundError:
            return AccountState()
        except OSError as error:
            raise self.access_error(error) from None
        if (book := self._parsed(text)) is not None:
            return book
        book = AccountState()
        aside = f"was set aside as {self._set_aside()}" if locked else "will be set aside before the next request"
        book.add_note(now, f"the account's file is broken and {aside}; what was known of the account is forgotten")
        return book

    def _parsed(self, text: bytes) -> AccountState | None:
        try:
            stored = json.loads(text)
            if stored["sum"] != _sum(stored["format"], json.dumps(stored["book"], separators=COMPACT)):
                return None
            if stored["format"] == FORMAT:
                return AccountState.from_dict(stored["book"])
        except (ValueError, TypeError, KeyError, RecursionError):  # not JSON, or not a book
            return None
        raise StoreError(f"{self.path} was written by another version of heliograph; use that one, or remove the file")

    def _set_aside(self) -> str:
        places = (self.path.with_name(f"{self.path.name}.broken-{number}") for number in count(1))
        aside = next(place for place in places if not os.path.lexists(place))
        try:
            self.path.replace(aside)
        except OSError as error:
            raise self.access_error(error) from None
        return aside.name

    def save(self, book: str, *, durable: bool) -> None:
        """Write a whole book in its own words; `durable` outlives a power cut, everything outlives the process."""
        try:
            files.write_atomic(self.path, _written(book), durable=durable)
        except OSError as error:
            raise self.access_error(error) from None

    def access_error(self, error: OSError) -> StoreError:
        """Return the error of a place that cannot be used, with what to do about it."""
        return StoreError(
            f"{self.path}: {error.strerror or error}. What is remembered of an account is kept there, to keep it from "
            "being locked; free the disk, set HELIOGRAPH_HOME to a folder of your own, or make the client with "
            "keeper=None"
        )


def _written(book: str) -> str:
    return f'{{"format":{FORMAT},"sum":"{_sum(FORMAT, book)}","book":{book}}}'


def _sum(form: int, text: str) -> str:
    """Return what tells a whole book from a broken one; other formats keep to it, or they look broken."""
    return sha256(f"{form} {text}".encode()).hexdigest()
