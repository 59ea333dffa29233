"""Listening: the application on a socket of its own, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import contextmanager
from errno import EADDRINUSE
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from heliograph.errors import ConfigError
from heliograph.eventlog import LogEvent
from heliograph.store import open_store
from heliograph.store.threaded import StoreThread
from heliograph.web.app import make_app
from heliograph.web.state import StateCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from heliograph.config import ServeConfig
    from heliograph.current import AccountStatus
    from heliograph.local_time import Clock
    from heliograph.outputs.sink import SinkProgress

GRACE = 1
"""Seconds an answer under way may still take once it is time to stop."""
_CONNECTIONS = 256
_LONGEST_HEAD = 16 * 1024
_IDLE = 20
"""Seconds a connection is kept for the next question; longer than most ask again."""

_log = logging.getLogger(__name__)


async def serve(
    config: ServeConfig,
    where: str,
    accounts: Callable[[], Sequence[AccountStatus]],
    stop: asyncio.Event,
    *,
    sinks: Callable[[], Sequence[SinkProgress]] = tuple,
    ready: Callable[[str], None] | None = None,
    clock: Clock | None = None,
) -> None:
    """Show what a store holds until stopped; `ready` is told the address once it is listened on."""
    aside = StoreThread(partial(open_store, where, create=False))
    try:
        app = make_app(StateCache(aside, accounts, sinks, clock), config)
        listener = _bound(config.host, config.port)
        with listener:
            server = _Server(_settings(app), partial(ready or _told, _address(listener)))
            running = asyncio.create_task(server.serve([listener]))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                server.should_exit = True
                await app.state.live.close()
                await running
    finally:
        await aside.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command line, which has more to end than this."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class _Impatient(H11Protocol):
    """Ends a connection on which nothing is asked: enough silent ones would leave no room for anybody."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(self.timeout_keep_alive, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if not self.cycle:  # no request has been heard to its end
            self.transport.abort()


def _settings(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=_Impatient,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,  # addresses may hold a token
        server_header=False,
        proxy_headers=False,  # who asks is who is connected: anybody can write a header
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=GRACE,
    )


def _bound(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    v6 = ":" in bare
    try:
        return socket.create_server(
            (bare, port),
            family=socket.AF_INET6 if v6 else socket.AF_INET,
            dualstack_ipv6=bare == "::" and socket.has_dualstack_ipv6(),
        )
    except (OSError, OverflowError) as error:
        # Python adds where it was attempted, which the sentence has.
        why = str(getattr(error, "strerror", None) or error).partition(" (while attempting")[0]
        taken = "; another program does, and port 0 takes a free one"
        advice = taken if getattr(error, "errno", None) == EADDRINUSE else ""
        raise ConfigError(f"the page cannot listen on {host} port {port}: {why}{advice}") from None


def _address(listener: socket.socket) -> str:
    """Return where to go; all addresses are no place, this machine is."""
    host, port = listener.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}/"


def _told(address: str) -> None:
    _log.info(LogEvent("serving", address=address))
