"""Recovery files of a damaged SQLite store: `NAME.recovery-1` and so on, the last of which is the one in use.

A store is damaged exactly while there is a recovery file beside it: no record of the damage can be out of date.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from shlex import quote
from threading import Thread
from typing import TYPE_CHECKING

from heliograph.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REPAIR_COMMAND = "heliograph doctor --repair"
ROW_ADVICE = f"update heliograph, or if the file is damaged, stop the collector and run: {REPAIR_COMMAND}"
"""The command that repairs the configured store."""
_PARTS = ("", "-wal", "-shm")


def repair_command(path: Path) -> str:
    """Return the command that repairs the store in this file, whatever is configured.

    >>> from pathlib import Path
    >>> repair_command(Path("/home/ada/my samples.sqlite"))
    "heliograph doctor --repair --store '/home/ada/my samples.sqlite'"
    """
    return f"{REPAIR_COMMAND} --store {quote(str(path))}"


def recovery_file(path: Path, number: int) -> Path:
    """Return the recovery file with this number, or the store's own file for 0."""
    return path.with_name(f"{path.name}.recovery-{number}") if number else path


def numbers_of_files(path: Path) -> list[int]:
    """Return the numbers of the files of a store, oldest first: 0 for its own file."""
    prefix = f"{path.name}.recovery-"
    with suppress(FileNotFoundError, NotADirectoryError):
        names = (file.name.removeprefix(prefix) for file in path.parent.iterdir() if file.name.startswith(prefix))
        found = sorted(int(name) for name in names if name.isascii() and name.isdigit())
        return [0, *found] if path.exists() else found
    return []


def in_use(path: Path) -> int:
    """Return the number of the file that is read and written: the newest recovery file, or else the store's own."""
    return (numbers_of_files(path) or [0])[-1]


def database_parts(file: Path) -> tuple[Path, ...]:
    """Return a database file and the files SQLite keeps beside it."""
    return tuple(file.with_name(file.name + part) for part in _PARTS)


def remove_database(file: Path) -> None:
    """Delete a database with the files beside it, if they exist."""
    for part in database_parts(file):
        part.unlink(missing_ok=True)


def is_damage(error: BaseException | None) -> bool:
    """Return whether a database error means that the file is damaged."""
    # The lower byte is the primary error code. A table or column whose name was damaged has no code of its own.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or (
        isinstance(error, sqlite3.OperationalError) and str(error).startswith(_DAMAGED_NAMES)
    )


_DAMAGED_NAMES = ("no such table", "no such column", "duplicate column name")


def integrity_check(database: sqlite3.Connection) -> str | None:
    """Return the first structural error of a database; None if it is sound. Raises `sqlite3.Error`."""
    try:
        ((result,),) = database.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return str(error)
    return None if result == "ok" else " ".join(str(result).removeprefix("*** in database main ***").split())


def connect_read_only(file: Path) -> sqlite3.Connection:
    """Open a database without the right to change it, for use in any thread."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)


def close_unchanged(database: sqlite3.Connection) -> None:
    """Close a damaged database without writing to it.

    Quirk: SQLite moves committed pages from the write-ahead log to the file when the last connection is closed. Python
    can turn that off since 3.12; with 3.11 these pages are moved, and nothing else is changed.
    """
    if hasattr(database, "setconfig"):
        database.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # type: ignore[attr-defined]
    database.close()


class IntegrityCheck:
    """Runs `integrity_check` on a file in a thread, beside its users; calls `on_damage` with the first error.

    It is stopped by `finish`, and never delays the end of the program.
    """

    def __init__(self, file: Path, on_damage: Callable[[str], None]) -> None:
        self.completed = False
        self.error: Exception | None = None
        """Why the check could not be completed."""
        self._on_damage = on_damage
        self._database = connect_read_only(file)
        self._thread = Thread(target=self._run, name="store check", daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> bool:
        """Wait for the check, stop it after this time, and return whether it was completed."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._database.interrupt()
            self._thread.join()
        self._database.close()
        return self.completed

    def _run(self) -> None:
        try:
            problem = integrity_check(self._database)
            if problem is not None:
                self._on_damage(problem)
            self.completed = True
        except (sqlite3.Error, StoreError, OSError) as error:  # interrupted, or the disk cannot be read or written
            self.error = error
