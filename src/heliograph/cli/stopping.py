"""Ending in order: what is under way is finished and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


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
