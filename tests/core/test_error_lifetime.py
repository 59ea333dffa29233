"""An error of a call holds the response it is about; it must not wait for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from heliograph import AsyncGrowatt, Growatt, Unreadable
from heliograph.core.session import Response
from heliograph.keeper import Keeper


def answer(request):
    body = b'{"back": {"success": true, "user": {"id": 1}}}' if "login" in request.url.lower() else b"[[[1"
    return Response(200, {}, [], body, 1_800_000_000.0)


class BlockingTransport:
    def send(self, request, timeout, clock):
        return answer(request)


class AsyncTransport:
    async def send(self, request, timeout, clock):  # noqa: ASYNC109 - the contract of transports
        return answer(request)


@pytest.fixture(params=["protected", "unprotected"])
def keeper(request, tmp_path):
    return Keeper(tmp_path) if request.param == "protected" else None


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_error_of_a_blocking_call_is_freed_when_it_was_handled(keeper):
    client = Growatt("me", "secret", keeper=keeper, transport=BlockingTransport())
    with pytest.raises(Unreadable) as caught:
        client.tlx_detail("X")
    error = weakref.ref(caught.value)
    del caught
    assert error() is None


@pytest.mark.usefixtures("without_collector")
def test_error_of_an_async_call_is_freed_when_it_was_handled(keeper):
    async def fail():
        client = AsyncGrowatt("me", "secret", keeper=keeper, transport=AsyncTransport())
        try:
            await client.tlx_detail("X")
        except Unreadable as error:
            return weakref.ref(error)
        raise AssertionError

    async def is_freed():
        error = await fail()
        return error() is None

    assert asyncio.run(is_freed())
