"""Background threads for requests, and signal handling: Ctrl-C ends the program immediately."""

from __future__ import annotations

import asyncio
import signal
from queue import Empty, Queue, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


T = TypeVar("T")

MAX_THREADS = 16


def run_parallel(jobs: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run independent jobs in parallel; return each result or exception in the order of `jobs`.

    A thread inside the HTTP library does not react to a signal before its timeout; the main thread, which waits
    here, does. The threads are daemons, so the program exits without waiting for them.
    """
    waiting: SimpleQueue[tuple[int, Callable[[], T]]] = SimpleQueue()
    done: Queue[tuple[int, T | Exception]] = Queue()
    for item in enumerate(jobs):
        waiting.put(item)

    def work() -> None:
        while True:
            try:
                index, job = waiting.get_nowait()
            except Empty:
                return
            try:
                done.put((index, job()))
            except Exception as error:  # noqa: BLE001 - returned to the caller
                done.put((index, error))

    for _ in range(min(MAX_THREADS, len(jobs))):
        Thread(target=work, daemon=True).start()
    results = dict(done.get() for _ in jobs)
    return [results[index] for index in range(len(jobs))]


def run_in_thread(job: Callable[[], T]) -> T:
    """Run one job in another thread; return its result or raise its exception."""
    (result,) = run_parallel([job])
    if isinstance(result, Exception):
        raise result
    return result


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGTERM and Ctrl-C."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
