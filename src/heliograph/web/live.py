"""What changes, as it changes: server-sent events for any number of pages, bounded, from one look at the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from json import dumps
from typing import TYPE_CHECKING, Any

from heliograph.errors import StoreError
from heliograph.web.problem import Problem
from heliograph.web.schemas import account_data, plant_data

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable

    from heliograph.web.state import StateCache, SystemState

MAX_CLIENTS = 64
KEEPALIVE_SECONDS = 15.0
"""Seconds after which a line without meaning keeps a silent connection open."""
POLL_SECONDS = 2.0
"""Seconds between two looks."""
_ACCOUNTS = "accounts"


@dataclass(slots=True)
class _Seen:
    """One thing, as it was last seen to have changed."""

    number: int
    thing: object
    text: str
    """As JSON, made once for all who listen."""


@dataclass(slots=True)
class EventHub:
    """Looks while anybody listens; whoever is slow misses what is over, and gets what is true."""

    state_cache: StateCache
    beat: float = KEEPALIVE_SECONDS
    look: float = POLL_SECONDS
    clients: int = 0
    _number: int = 0
    _last_seen: dict[Hashable, _Seen] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _poll_task: asyncio.Task[None] | None = None
    _closed: bool = False

    def check_capacity(self) -> None:
        """Raise a problem where there is no room for one more."""
        if self._closed or self.clients >= MAX_CLIENTS:
            raise Problem(503, "too many listen already", {"Retry-After": "30"})

    async def close(self) -> None:
        """End every stream."""
        self._closed = True
        if self._poll_task is not None:
            self._poll_task.cancel()
        async with self._changed:
            self._changed.notify_all()

    async def events(self, after: int, wanted: Callable[[Any], bool]) -> AsyncIterator[str]:
        """Yield what changed after an event of this number, and then whatever changes.

        Numbers are moments, so that one from before a restart still says what its listener has seen.
        """
        if self._closed:
            return
        self.clients += 1
        try:
            if self._poll_task is None:
                self._poll_task = asyncio.create_task(self._look_on())
            yield ": heliograph\nretry: 3000\n\n"
            while not self._closed:
                number = self._number
                for text in self._since(after, wanted):
                    yield text
                after = max(after, number)
                if not await self._news_after(number):
                    yield ":\n\n"
        finally:
            self.clients -= 1
            if not self.clients and self._poll_task is not None:
                self._poll_task.cancel()
                self._poll_task = None

    def _since(self, after: int, wanted: Callable[[Any], bool]) -> list[str]:
        """Return what changed after a number as events; all plants that did are one."""
        changed = {key: one.text for key, one in self._last_seen.items() if one.number > after}
        accounts = changed.pop(_ACCOUNTS, None)
        plants = [text for key, text in changed.items() if wanted(key)]
        events = [("now", f'{{"plants": [{", ".join(plants)}]}}')] if plants else []
        if accounts is not None:
            events.append(("accounts", accounts))
        return [f"event: {name}\nid: {self._number}\ndata: {data}\n\n" for name, data in events]

    async def _news_after(self, number: int) -> bool:
        """Wait for something newer, or for the time of a beat; say whether there was."""
        async with self._changed:
            try:
                # In this very task: another one's wait would be on a lock that is not its own.
                async with asyncio.timeout(self.beat):
                    await self._changed.wait_for(lambda: self._closed or self._number > number)
            except TimeoutError:
                return False
        return True

    async def _look_on(self) -> None:
        while True:
            try:
                self._take(await self.state_cache.current())
            except StoreError:
                pass  # whoever asks /healthz is told; listeners hear of it when it is over
            else:
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(self.look)

    def _take(self, now: SystemState) -> None:
        """Give everything that changed the number of this moment, or the next one where the clock was set back."""
        things: dict[Hashable, Any] = {one.series: one for one in now.plants}
        things[_ACCOUNTS] = now.accounts
        new = {
            key: one for key, one in things.items() if key not in self._last_seen or self._last_seen[key].thing != one
        }
        if new:
            self._number = max(now.at, self._number + 1)
            self._last_seen.update({key: _Seen(self._number, one, _text(one)) for key, one in new.items()})


def _text(thing: Any) -> str:
    if isinstance(thing, tuple):
        return dumps({"accounts": [account_data(one) for one in thing]})
    return dumps(plant_data(thing))
