"""Every transport as a blocking function `send(request, timeout=...)`, for tests that run over all of them."""

from __future__ import annotations

import asyncio
from contextlib import closing, contextmanager
from time import time

import pytest

from heliograph import transports
from heliograph.transports import pyreqwest_pool

NAMES = ("default", "pyreqwest", "default, async", "aiohttp", "httpx", "httpx, blocking", "standard library")


@contextmanager
def sender(name):
    """Yield the function that sends over the transport with this name, on one event loop if it is async."""
    if name == "default":
        yield lambda request, timeout=transports.TIMEOUT: transports.send(request, timeout)
    elif name == "pyreqwest":
        yield lambda request, timeout=transports.TIMEOUT: pyreqwest_pool.send(request, timeout, time)
    elif name == "standard library":
        with closing(transports.standard_library()) as transport:
            yield lambda request, timeout=transports.TIMEOUT: transport.send(request, timeout, time)
    elif name == "httpx, blocking":
        with pytest.importorskip("httpx", reason="httpx is not installed").Client() as client:
            transport = transports.httpx(client)
            yield lambda request, timeout=transports.TIMEOUT: transport.send(request, timeout, time)
    else:
        with asyncio.Runner() as runner:
            send, close = runner.run(_async_sender(name))
            yield lambda request, timeout=transports.TIMEOUT: runner.run(send(request, timeout, time))
            runner.run(close())


async def _async_sender(name):
    if name == "default, async":
        return transports.send_async, _nothing
    if name == "aiohttp":
        aiohttp = pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return transports.aiohttp(session).send, session.close
    client = pytest.importorskip("httpx", reason="httpx is not installed").AsyncClient()
    return transports.httpx(client).send, client.aclose


async def _nothing():
    pass
