"""Waiting for clouds on other threads, so that Ctrl-C ends the program at once."""

from __future__ import annotations

from queue import Empty, Queue, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence


T = TypeVar("T")

AT_ONCE = 16


def run_parallel(jobs: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Do independent jobs side by side and return, in their order, what each gave or raised.

    A thread inside the HTTP library does not hear a signal before its time-out; the main thread, which
    waits here, does. The threads are daemons: leaving does not wait for them.
    """
    waiting: SimpleQueue[tuple[int, Callable[[], T]]] = SimpleQueue()
    done: Queue[tuple[int, T | Exception]] = Queue()
    for numbered in enumerate(jobs):
        waiting.put(numbered)

    def work() -> None:
        while True:
            try:
                place, job = waiting.get_nowait()
            except Empty:
                return
            try:
                done.put((place, job()))
            except Exception as error:  # noqa: BLE001 - handed to the caller, who decides
                done.put((place, error))

    for _ in range(min(AT_ONCE, len(jobs))):
        Thread(target=work, daemon=True).start()
    results = dict(done.get() for _ in jobs)
    return [results[place] for place in range(len(jobs))]


def run_in_thread(job: Callable[[], T]) -> T:
    """Do one job on another thread and return or raise what it does."""
    (result,) = run_parallel([job])
    if isinstance(result, Exception):
        raise result
    return result


def stop_on_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and Ctrl-C end the loop in order; where the system knows no such handlers, Ctrl-C still raises."""
    import asyncio  # noqa: PLC0415 - help needs no event loop
    import signal  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
