"""Loads the default HTTP library, so that every thread can use it."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

from heliograph.core.limits import check_address_space

_NAME = "heliograph.transports.pyreqwest_pool"
_lock = threading.Lock()
_pool: Any = None


def load_pool() -> Any:
    """Return the module `pyreqwest_pool`; raises `OSError` if a limit of files or memory forbids it.

    Quirk: the process ends with a segmentation fault if a thread uses pyreqwest after the thread that imported it has
    ended (0.15.1 on Linux; a test repeats it). It is imported by the main thread, or by one that never ends.
    """
    global _pool  # noqa: PLW0603 - one library per process
    if _pool is None:
        with _lock:
            if _pool is None:
                check_address_space()
                is_main = threading.current_thread() is threading.main_thread()
                _pool = import_module(_NAME) if is_main else _import_on_lasting_thread()
    return _pool


def _import_on_lasting_thread() -> Any:
    outcome: list[Any] = []
    is_done = threading.Event()

    def load() -> None:
        try:
            outcome.append(import_module(_NAME))
        except BaseException as error:  # noqa: BLE001 - raised in the caller
            outcome.append(error)
            return
        finally:
            is_done.set()
        threading.Event().wait()

    threading.Thread(target=load, name="http library", daemon=True).start()
    is_done.wait()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
