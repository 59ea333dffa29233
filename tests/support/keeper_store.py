"""State stores in memory: of a blocking client, and one that an async client awaits."""

from __future__ import annotations

import asyncio

from heliograph.keeper.state import AccountState


class MemoryStore:
    """The state of one account in a dictionary that several stores share, and a list of what was done with it."""

    is_async = False

    def __init__(self, name: str, states: dict[str, AccountState] | None = None) -> None:
        self.name = name
        self.states = {} if states is None else states
        self.done: list[str] = []

    def load(self, now):
        self.done.append("load")
        return self.states.get(self.name, AccountState()).copy()

    def hold(self):
        if self.states.get("held"):
            self.done.append("busy")
            return None
        self.states["held"] = self
        self.done.append("hold")
        return self

    def save(self, state, *, durable):
        self.done.append("save durably" if durable else "save")
        self.states[self.name] = state.copy()

    def release(self):
        self.done.append("release")
        self.states["held"] = None


class AwaitedStore(MemoryStore):
    """The same as coroutines; `pause` is awaited within each of them."""

    is_async = True

    def __init__(self, name, states=None, pause=lambda: asyncio.sleep(0)) -> None:
        super().__init__(name, states)
        self.pause = pause

    def known(self):
        return None

    async def load(self, now):
        await self.pause()
        return super().load(now)

    async def hold(self):
        held = super().hold()
        await self.pause()
        return held

    async def admit(self, *, is_login):
        await self.pause()

    def abandon(self):
        self.done.append("abandon")

    async def save(self, state, *, durable):
        await self.pause()
        super().save(state, durable=durable)

    async def release(self):
        await self.pause()
        super().release()
