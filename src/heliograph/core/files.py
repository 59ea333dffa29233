"""Paths of this user's files, atomic owner-only writes, and file locks."""

from __future__ import annotations

import os
from errno import EACCES, EAGAIN, ELOOP, EWOULDBLOCK
from pathlib import Path
from typing import TYPE_CHECKING

if os.name == "posix":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from filelock import BaseFileLock

HOME_VARIABLE = "HELIOGRAPH_HOME"


def file_lock(path: Path) -> BaseFileLock:
    """Return a lock on a file, creating its folder; the system releases the lock if the process dies.

    Raises OSError if the folder is a symbolic link that another user may have made.
    """
    from filelock import FileLock  # noqa: PLC0415 - not needed by readers

    _check_folder(str(path.parent))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A soft lock, for file systems without locks, would outlive a killed process.
    return FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)


def _check_folder(folder: str) -> None:
    # Not pathlib, which takes ten times as long: each call of a protected client runs this.
    if os.path.islink(folder) and _is_linked_by_others(Path(folder)):  # noqa: PTH114
        raise OSError(ELOOP, "its folder is a symbolic link in a place where other users can write")


class HeldFileLock:
    """A lock on a file that this process holds until `release`, until the object is deleted, or until it ends."""

    __slots__ = ("_descriptor", "_process")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._process = os.getpid()

    @classmethod
    def acquire(cls, path: str) -> HeldFileLock | None:
        """Lock a file, creating it and its folder; None at once if another holder has it.

        The lock is that of `file_lock`, without its cost: this one is acquired before each call of a protected client.
        Raises OSError as `file_lock` does.
        """
        folder = path.rpartition(os.sep)[0]
        _check_folder(folder)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o600)
        try:
            locked = _lock_descriptor(descriptor) and os.fstat(descriptor).st_nlink > 0  # 0: it was deleted meanwhile
        except BaseException:
            os.close(descriptor)
            raise
        if locked:
            return cls(descriptor)
        os.close(descriptor)
        return None

    def release(self) -> None:
        """Release the lock; does nothing if it is released already."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # Closing alone leaves the lock to a process forked meanwhile, whose copy of this object must not unlock it.
            if os.name == "posix" and self._process == os.getpid():
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    __del__ = release


def _lock_descriptor(descriptor: int) -> bool:
    if os.name != "posix":
        from filelock import lock_descriptor  # noqa: PLC0415 - slow to import

        return lock_descriptor(descriptor, blocking=False)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (EACCES, EAGAIN, EWOULDBLOCK):
            return False
        raise
    return True


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


def write_atomic(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a file by a new one that only its owner can read; a `durable` file survives a power failure."""
    new = path.with_suffix(".new")
    # A new file each time inherits no permissions and follows no links.
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)
    if durable and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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
