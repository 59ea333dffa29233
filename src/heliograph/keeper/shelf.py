"""Where the books stand: one file per account, written whole or not at all, and one lock beside it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from heliograph.errors import StoreError
from heliograph.keeper.book import FORMAT, Book

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import BaseFileLock


@dataclass(frozen=True, slots=True)
class Shelf:
    """One account's place in the folder; the file's name tells nothing of the person."""

    folder: Path
    name: str

    @classmethod
    def of(cls, folder: Path, vendor: str, server: str, username: str) -> Shelf:
        """Return the place of an account."""
        return cls(folder, f"{vendor}-{sha256(f'{server} {username}'.encode()).hexdigest()[:16]}")

    @property
    def path(self) -> Path:
        """The book's file."""
        return self.folder / f"{self.name}.json"

    def lock(self) -> BaseFileLock:
        """Return a new lock of this account; the system releases it when its holder dies."""
        from filelock import FileLock  # noqa: PLC0415 - a client that is not kept never needs it

        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from None
        return FileLock(self.folder / f"{self.name}.lock", mode=0o600, thread_local=False)

    def load(self, now: float) -> Book:
        """Return the book brought to the present; one that cannot be read is set aside, and the new one says so."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            book = Book()
        except OSError as error:
            raise self._unusable(error) from None
        else:
            book = self._parsed(text) or self._set_aside(now)
        book.seen_at(now)
        return book

    def _parsed(self, text: bytes) -> Book | None:
        try:
            stored = json.loads(text)
            newer = isinstance(stored, dict) and isinstance(stored.get("format"), int) and stored["format"] > FORMAT
            if not newer:
                return Book.from_dict(stored)
        except (ValueError, TypeError, AttributeError, RecursionError):  # not JSON, or not a book
            return None
        raise StoreError(f"{self.path} was written by a newer version of heliograph; use that one, or remove the file")

    def _set_aside(self, now: float) -> Book:
        aside = self.path.with_name(f"{self.path.name}.broken-{now:.0f}")
        try:
            self.path.replace(aside)
        except FileNotFoundError:
            pass  # another reader was faster
        except OSError as error:
            raise self._unusable(error) from None
        book = Book()
        book.note(now, f"the account's file could not be read and was set aside as {aside.name}")
        return book

    def save(self, book: Book, *, durable: bool) -> None:
        """Write the whole book; `durable` outlives a power cut, everything outlives the process."""
        new = self.path.with_suffix(".new")
        text = json.dumps(book.to_dict(), separators=(",", ":"))
        try:
            # Made anew each time, so that nobody else's permissions or links are inherited.
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path}: {error.strerror or error}. What is remembered of an account is kept there, to keep it from "
            "being locked; free the disk, set HELIOGRAPH_HOME to a folder of your own, or make the client with "
            "keeper=None"
        )
