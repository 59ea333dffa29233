"""The web server: runs the application on a socket until stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import contextmanager
from errno import EADDRINUSE
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

from heliograph.alarms.model import AlarmResponse, response_row
from heliograph.alarms.monitor import stored_alarms
from heliograph.errors import ConfigError
from heliograph.eventlog import LogEvent
from heliograph.store import open_store
from heliograph.store.base import Batch
from heliograph.store.threaded import StoreThread
from heliograph.web.app import make_app
from heliograph.web.prefix import PrefixMiddleware
from heliograph.web.state import StateCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

    from starlette.types import ASGIApp

    from heliograph.alarms.model import Alarm
    from heliograph.config import ServeConfig
    from heliograph.current import AccountStatus
    from heliograph.local_time import Clock
    from heliograph.outputs.sink import SinkProgress
    from heliograph.store.base import Series
    from heliograph.tariffs.reader import MoneyReader

GRACE = 1
"""Seconds that pending responses may take during shutdown."""
_CONNECTIONS = 256
_MAX_HEAD = 16 * 1024
_IDLE = 20
"""Seconds in which a request must be received completely, and after which an idle connection is closed."""

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
    on_load: Callable[[Collection[Series]], None] = lambda _: None,
    money: MoneyReader | None = None,
) -> None:
    """Serve a store until stopped; `ready` is called with the address once the server listens.

    `on_load` is called with the plants of a page that a person has opened.
    """
    store, query_store = (StoreThread(partial(open_store, where, create=False)) for _ in range(2))
    try:
        state_cache = StateCache(store, accounts, sinks, clock, query_store=query_store, money=money)
        app = make_app(state_cache, config, on_load, partial(_acknowledge, where))
        await run_server(
            _behind_proxies(app, config), config.host, config.port, stop, ready or _log_address, app.state.live.close
        )
    finally:
        await asyncio.gather(store.close(), query_store.close())


def _acknowledge(where: str, alarm_id: str, now: int) -> Alarm | None:
    """Record that a person knows of an active alarm, and return it; None if there is no such alarm."""
    with open_store(where) as store:
        found = next((one for one in stored_alarms(store) if one.is_active and one.id == alarm_id), None)
        if found is not None:
            store.write(Batch(alarms=[response_row(found.key, AlarmResponse(at=now))]))
    return found


async def run_server(
    app: ASGIApp,
    host: str,
    port: int,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    on_stop: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Run an application until stopped; `on_stop` ends responses that would not end by themselves."""
    listener = _bound(host, port)
    with listener:
        server = _Server(_settings(app), partial(ready, _address(listener)))
        running = asyncio.create_task(server.serve([listener]))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            server.should_exit = True
            if on_stop is not None:
                await on_stop()
            await running


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command line, which has other tasks to stop too."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class _ReceiveTimeoutProtocol(H11Protocol):
    """Aborts connections whose next request is not received completely in time.

    Clients that send nothing, or single bytes, would otherwise exhaust the connection limit. The time starts with the
    connection and after each response; a request whose head and body are complete is not timed.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._update_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        self._update_deadline()

    def on_response_complete(self) -> None:
        self._cancel_deadline()
        super().on_response_complete()
        self._update_deadline()

    def _update_deadline(self) -> None:
        """Start the time unless it runs already; stop it once a request is complete and awaits its response."""
        cycle = self.cycle
        if cycle and not cycle.more_body and not cycle.response_complete:
            self._cancel_deadline()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _behind_proxies(app: ASGIApp, config: ServeConfig) -> ASGIApp:
    """Return the application behind the middleware that reads the headers of trusted proxies."""
    # Other clients can forge these headers.
    trusted = (*config.trusted_proxies, *([config.ingress] if config.ingress else []))
    if trusted:
        app = ProxyHeadersMiddleware(app, [*trusted, *_mapped(trusted)])  # type: ignore[arg-type, assignment]
    return PrefixMiddleware(app, config)


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_ReceiveTimeoutProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,  # URLs may contain a token
        server_header=False,
        proxy_headers=False,  # see `_behind_proxies`
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_MAX_HEAD,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=GRACE,
    )


def _mapped(networks: Sequence[str]) -> list[str]:
    """Return the IPv4 addresses and networks as a socket for both IP versions reports them."""
    found = (ip_network(network) for network in networks)
    return [f"::ffff:{one.network_address}/{96 + one.prefixlen}" for one in found if one.version == 4]


def _bound(host: str, port: int) -> socket.socket:
    name = host.strip("[]")
    v6 = ":" in name
    try:
        return socket.create_server(
            (name, port),
            family=socket.AF_INET6 if v6 else socket.AF_INET,
            dualstack_ipv6=name == "::" and socket.has_dualstack_ipv6(),
        )
    except (OSError, OverflowError) as error:
        # Python adds the address, which the sentence contains already.
        why = str(getattr(error, "strerror", None) or error).partition(" (while attempting")[0]
        in_use = "; another program uses it. Port 0 selects a free port"
        advice = in_use if getattr(error, "errno", None) == EADDRINUSE else ""
        raise ConfigError(f"the page cannot listen on {host} port {port}: {why}{advice}") from None


def _address(listener: socket.socket) -> str:
    """Return the URL to open; for wildcard addresses, of this machine."""
    host, port = listener.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}/"


def _log_address(address: str) -> None:
    _log.info(LogEvent("web.listening", address=address))
