"""Paths of this user's files, atomic owner-only writes, and file locks."""

from __future__ import annotations

import os
from contextlib import suppress
from errno import EDQUOT, EFBIG, ELOOP, EMFILE, ENFILE, ENOMEM, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedWriter

    from filelock import BaseFileLock

HOME_VARIABLE = "HELIOGRAPH_HOME"

_MORE_SPACE = "free disk space"
_MORE_FILES = "raise the limit of open files (`ulimit -n`, or LimitNOFILE= of the service)"
_REMEDIES = {
    ENOSPC: _MORE_SPACE,
    EDQUOT: _MORE_SPACE,
    EFBIG: f"{_MORE_SPACE}, or raise the limit of the file size (`ulimit -f`, or LimitFSIZE= of the service)",
    EMFILE: _MORE_FILES,
    ENFILE: _MORE_FILES,
    ENOMEM: "free memory, or raise its limit (`ulimit -v`, or MemoryMax= of the service)",
}


def file_lock(path: Path) -> BaseFileLock:
    """Return a lock on a file, creating its folder; the system releases the lock if the process dies.

    Raises OSError if the folder is a symbolic link that another user may have made.
    """
    from filelock import FileLock  # noqa: PLC0415 - not needed by readers

    if path.parent.is_symlink() and _is_linked_by_others(path.parent):
        raise OSError(ELOOP, "its folder is a symbolic link in a place where other users can write")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A soft lock, for file systems without locks, would outlive a killed process.
    return FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)


def _is_linked_by_others(link: Path) -> bool:
    """Return True if another user can have made or replaced a link."""
    if os.name != "posix":
        return False
    return bool(link.parent.stat().st_mode & 0o002) or link.lstat().st_uid not in (0, os.getuid())


def acquire(lock: BaseFileLock, patience: float, interval: float) -> Iterator[float]:
    """Acquire a lock without blocking: yield the seconds to sleep before each further attempt.

    Raises TimeoutError after `patience` seconds, another OSError if the file cannot be locked.
    """
    waited = 0.0
    while True:
        try:
            lock.acquire(timeout=0)
        except TimeoutError:
            if waited >= patience:
                raise
        else:
            return
        yield interval
        waited += interval


def write_atomic(path: Path, text: str, *, durable: bool = True, reserved: BufferedWriter | None = None) -> None:
    """Replace a file by a new one that only its owner can read; a `durable` file survives a power failure.

    With a `reserved` file of `reserve`, no free space and no free file descriptor is needed.
    """
    # A new file each time inherits no permissions and follows no links.
    with reserved or _create(path.with_suffix(".new")) as file:
        file.write(text.encode())
        file.truncate()
        if durable:
            file.flush()
            os.fsync(file.fileno())
    Path(file.name).replace(path)


def reserve(path: Path, size: int) -> BufferedWriter:
    """Return an open file with so many bytes of disk space for the next `write_atomic` of a path; raises OSError."""
    file = _create(path.with_suffix(".reserved"))
    try:
        file.write(bytes(size))
        file.flush()
        file.seek(0)
    except OSError:
        discard(file)
        raise
    return file


def discard(reserved: BufferedWriter) -> None:
    """Remove a reserved file that is not needed."""
    with suppress(OSError):  # closing writes what could not be written before
        reserved.close()
    with suppress(OSError):
        Path(reserved.name).unlink()


def _create(path: Path) -> BufferedWriter:
    path.unlink(missing_ok=True)
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def remedy(error: OSError) -> str:
    """Return what the user can do about a limit of this machine, "" if the error has another cause."""
    return _REMEDIES.get(error.errno or 0, "")


def config_path(environ: Mapping[str, str]) -> Path:
    """Return the default path of the configuration file."""
    if environ.get(HOME_VARIABLE):
        return Path(environ[HOME_VARIABLE]) / "config.toml"
    from platformdirs import user_config_path  # noqa: PLC0415 - not needed if HELIOGRAPH_HOME is set

    return user_config_path("heliograph", appauthor=False) / "config.toml"


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of all stored data."""
    if environ.get(HOME_VARIABLE):
        return Path(environ[HOME_VARIABLE])
    from platformdirs import user_data_path  # noqa: PLC0415 - not needed if HELIOGRAPH_HOME is set

    return user_data_path("heliograph", appauthor=False)
