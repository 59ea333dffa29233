"""The state shared by page, API and health check, read on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from heliograph.store import open_store
from heliograph.store.threaded import StoreThread
from heliograph.web.state import StateCache
from support.website import Still, accounts, home, written


def test_current_state_is_not_delayed_by_pending_queries(tmp_path):
    opened = partial(open_store, written(tmp_path / "samples.sqlite", home()), create=False)
    release = threading.Event()

    async def story():
        state_store, query_store = StoreThread(opened), StoreThread(opened)
        cache = StateCache(state_store, accounts, clock=Still(), query_store=query_store)
        pending = [asyncio.create_task(cache.query(lambda _: release.wait(20))) for _ in range(3)]
        try:
            state = await asyncio.wait_for(cache.current(), 10)
        finally:
            release.set()
        assert len(state.plants) == 1
        assert await asyncio.gather(*pending) == [True] * 3
        await state_store.close()
        await query_store.close()

    asyncio.run(story())
