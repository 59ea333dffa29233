"""Limits of this machine: disk space, open files, memory and threads, with what the user can do about each."""

from __future__ import annotations

import os
import sys
from errno import EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM, ENOSPC

NEEDED_MEGABYTES = 320
"""Free address space that an async client needs for its threads and the HTTP library.

Measured with `ulimit -v` on two cores: with up to 300 MB, polls fail at some limits; with 320 MB or more at none.
"""

_NO_THREAD = "can't start new thread"
"""The text of Python's `RuntimeError`, which has no code."""
_MORE_SPACE = "free disk space"
_MORE_FILES = "raise the limit of open files (`ulimit -n`, or LimitNOFILE= of the service)"
_MORE_MEMORY = (
    "free memory, or raise its limit or that of threads (`ulimit -v`, `ulimit -u`; of a service: MemoryMax=, TasksMax=)"
)
_REMEDIES = {
    ENOSPC: _MORE_SPACE,
    EDQUOT: _MORE_SPACE,
    EFBIG: f"{_MORE_SPACE}, or raise the limit of the file size (`ulimit -f`, or LimitFSIZE= of the service)",
    EMFILE: _MORE_FILES,
    ENFILE: _MORE_FILES,
    ENOMEM: _MORE_MEMORY,
}


def remedy(error: OSError) -> str:
    """Return what the user can do about a limit of this machine, "" if the error has another cause."""
    return _REMEDIES.get(error.errno or 0, "")


def limit_reached(error: Exception) -> str:
    """Return which limit of this machine an exception reports, with its remedy; "" if it has another cause."""
    if isinstance(error, OSError):
        return f"{error.strerror}; {remedy(error)}" if remedy(error) else ""
    if isinstance(error, MemoryError):
        return f"no memory; {_MORE_MEMORY}"
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return f"no thread could be started; {_MORE_MEMORY}"
    return ""


def check_address_space() -> None:
    """Raise `OSError` if `ulimit -v` leaves less address space than the threads of an async client need.

    Without memory, a thread of Python 3.11 never starts and its creator waits forever; pyreqwest ends the process.
    Both can follow a login whose outcome is then unknown, so this is checked before anything is sent.
    """
    if sys.platform != "linux":  # macOS does not enforce the limit, Windows has none
        return
    import resource  # noqa: PLC0415 - missing on Windows

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return
    with open("/proc/self/statm", encoding="ascii") as sizes:  # noqa: PTH123 - clients do not import pathlib
        used = int(sizes.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    free = max(0, limit - used) // 2**20
    if free < NEEDED_MEGABYTES:
        raise OSError(ENOMEM, f"{free} MB of address space are left, {NEEDED_MEGABYTES} MB are needed")
