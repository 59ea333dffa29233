"""Pauses of the garbage collector."""

from __future__ import annotations

import gc
import os
from _thread import RLock  # `threading` would be imported for this lock only


class _GarbageCollectionPause:
    """Pauses the garbage collector of the process until the last thread has left the block."""

    __slots__ = ("_count", "_lock", "_was_enabled")

    def __init__(self) -> None:
        self._was_enabled = False
        self._reset()

    def _reset(self) -> None:
        # A finaliser that a collection runs, or a signal handler, may pause again while its thread has the lock.
        self._lock = RLock()
        self._count = 0

    def __enter__(self) -> None:
        # Counted: a thread that finds it disabled by another, which enables it meanwhile, would disable it for good.
        with self._lock:
            if self._count == 0:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0 and self._was_enabled:
                gc.enable()

    def end(self) -> None:
        """End the pause in a forked process, which has none of the threads in the block."""
        if self._count and self._was_enabled:
            gc.enable()
        self._reset()


garbage_collection_paused = _GarbageCollectionPause()
"""For blocks that make many objects of which none is garbage: the collector would traverse them again and again."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=garbage_collection_paused.end)
