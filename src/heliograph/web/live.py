"""Live events: changes of the system state as server-sent events, from one poll for all clients."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from json import dumps
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from heliograph.errors import StoreError
from heliograph.web.problem import Problem
from heliograph.web.schemas import account_data, plant_data

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Iterator

    from starlette.types import Receive, Scope, Send

    from heliograph.web.state import StateCache, SystemState

MAX_CLIENTS = 64
KEEPALIVE_SECONDS = 15.0
"""Seconds without an event after which a comment keeps the connection open."""
POLL_SECONDS = 2.0
"""Seconds between two polls of the state."""
_ACCOUNTS = "accounts"


@dataclass(slots=True)
class _LastChange:
    """The last known state of a plant or of the accounts, with the number of the event that reported it."""

    number: int
    value: object
    text: str
    """JSON, shared by all clients."""


@dataclass(slots=True)
class EventHub:
    """Polls the state while clients are connected; slow clients skip intermediate events and get the latest state."""

    state_cache: StateCache
    keepalive: float = KEEPALIVE_SECONDS
    poll_interval: float = POLL_SECONDS
    clients: int = 0
    _number: int = 0
    _last_changes: dict[Hashable, _LastChange] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _poll_task: asyncio.Task[None] | None = None
    _closed: bool = False

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Count one client and poll while there are any; raises `Problem` if no further client can connect."""
        if self._closed or self.clients >= MAX_CLIENTS:
            raise Problem(503, "too many event clients are connected", {"Retry-After": "30"})
        self.clients += 1
        try:
            if self._poll_task is None:
                self._poll_task = asyncio.create_task(self._poll())
            yield
        finally:
            self.clients -= 1
            if not self.clients and self._poll_task is not None:
                self._poll_task.cancel()
                self._poll_task = None

    async def close(self) -> None:
        """End every stream."""
        self._closed = True
        if self._poll_task is not None:
            self._poll_task.cancel()
        async with self._changed:
            self._changed.notify_all()

    async def events(self, after: int, wanted: Callable[[Any], bool]) -> AsyncIterator[str]:
        """Yield the changes after event number `after`, then all further changes, to a connected client.

        Event numbers are Unix times, so that they remain valid after a restart.
        """
        yield ": heliograph\nretry: 3000\n\n"
        while not self._closed:
            number = self._number
            for text in self._since(after, wanted):
                yield text
            after = max(after, number)
            if not await self._wait_for_change(number):
                yield ":\n\n"

    def _since(self, after: int, wanted: Callable[[Any], bool]) -> list[str]:
        """Return the changes after an event number, with all changed plants in one event."""
        changed = {key: change.text for key, change in self._last_changes.items() if change.number > after}
        accounts = changed.pop(_ACCOUNTS, None)
        plants = [text for key, text in changed.items() if wanted(key)]
        events = [("now", f'{{"plants": [{", ".join(plants)}]}}')] if plants else []
        if accounts is not None:
            events.append(("accounts", accounts))
        return [f"event: {name}\nid: {self._number}\ndata: {data}\n\n" for name, data in events]

    async def _wait_for_change(self, number: int) -> bool:
        """Wait for a newer event; return False after the keep-alive interval."""
        async with self._changed:
            try:
                # In this task: `wait_for` of asyncio would wait in another task, which does not own the lock.
                async with asyncio.timeout(self.keepalive):
                    await self._changed.wait_for(lambda: self._closed or self._number > number)
            except TimeoutError:
                return False
        return True

    async def _poll(self) -> None:
        while True:
            try:
                self._record(await self.state_cache.current())
            except StoreError:
                pass  # reported by /healthz; clients get the state after the next successful poll
            else:
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(self.poll_interval)

    def _record(self, state: SystemState) -> None:
        """Number all changes with the current time, or the next number if the clock was set back."""
        values: dict[Hashable, Any] = {one.series: one for one in state.plants}
        values[_ACCOUNTS] = state.accounts
        last = self._last_changes
        changed = {key: value for key, value in values.items() if key not in last or last[key].value != value}
        if changed:
            self._number = max(state.at, self._number + 1)
            last.update({key: _LastChange(self._number, value, _json(value)) for key, value in changed.items()})


class EventResponse(StreamingResponse):
    """A stream of events, counted as a client from before its first byte until it ends."""

    media_type = "text/event-stream"

    def __init__(self, hub: EventHub, events: AsyncIterator[str]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store"})
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; raises `Problem` before anything is sent if there are too many clients."""
        with self._hub.connected():
            await super().__call__(scope, receive, send)


def _json(value: Any) -> str:
    if isinstance(value, tuple):
        return dumps({"accounts": [account_data(one) for one in value]})
    return dumps(plant_data(value))
