"""`heliograph fleet run`: one worker process."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.fleet.options import KEY_FILE, database_url
from heliograph.cli.logs import log_to_stderr
from heliograph.cli.terminal import print_error
from heliograph.collect.service import collect_garbage_rarely
from heliograph.errors import ConfigError
from heliograph.fleet.engine import WorkerExpired
from heliograph.fleet.figures import CONTENT_TYPE, WorkerFigures, prometheus_text
from heliograph.fleet.procrastinate_engine import ProcrastinateEngine
from heliograph.fleet.schema import DEFAULT_EGRESS
from heliograph.fleet.secrets import SecretBox, read_keys
from heliograph.fleet.watchdog import EXIT_CODE, Watchdog
from heliograph.fleet.worker import FleetWorker, WorkerSettings
from heliograph.fleet.worker_database import WorkerDatabase

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from heliograph.config import Account
    from heliograph.keeper import Keeper
    from heliograph.vendors.base import AsyncSolarClient


def run_worker(options: Namespace) -> int:
    """Work until SIGTERM or Ctrl-C, then hand over all shards."""
    url = database_url(options)
    file = options.key_file or os.environ.get(KEY_FILE)
    box = SecretBox(read_keys(Path(file) if file else None, options.key_command.split() if options.key_command else ()))
    if options.share is not None and options.share < 1:
        raise ConfigError(f"--share must be at least 1, got {options.share}")
    log_to_stderr(options.log)
    egresses = options.egress or [DEFAULT_EGRESS]
    name = options.name or f"{socket.gethostname()}-{os.getpid()}"
    engine = ProcrastinateEngine(url, name, egresses, timeout=options.timeout, share=options.share)
    # A worker that is started again under its name is another owner.
    database = WorkerDatabase(url, box, f"{name} {token_hex(4)}", create_fleet_client, WorkerFigures())
    settings = WorkerSettings(fill_gaps=options.backfill)
    try:
        asyncio.run(
            work(FleetWorker(engine, database, settings), database, egresses, name, options.timeout, options.metrics)
        )
    except WorkerExpired as error:
        print_error(str(error))
        return EXIT_CODE
    return 0


def create_fleet_client(account: Account, keeper: Keeper, clock: Callable[[], float]) -> AsyncSolarClient:
    """Return the async client of an account with the keeper and the clock of a fleet."""
    return create_client(account, asynchronous=True, keeper=keeper, clock=clock)


async def work(
    worker: FleetWorker,
    database: WorkerDatabase,
    egresses: Sequence[str],
    name: str,
    timeout: float,  # noqa: ASYNC109 - of the engine, not of this function
    metrics: int | None,
) -> None:
    """Run a worker under its watchdog until a signal, and serve its metrics."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    # A poll leaves hardly any garbage in cycles, and a worker's heap is large: collections took 6 % of its time.
    collect_garbage_rarely()
    try:
        await database.open(egresses)
    except BaseException:
        await database.close()
        raise
    watchdog = Watchdog(worker.proved_at, timeout)
    watchdog.start()
    server = None if metrics is None else await _serve_metrics(database.figures, name, metrics)
    try:
        await worker.run(stop)
    finally:
        if server is not None:
            server.close()
        await database.close()
        watchdog.stop()


async def _serve_metrics(figures: WorkerFigures, name: str, port: int) -> asyncio.Server:
    """Serve the metrics at every path, without an HTTP library: one request per connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            body = prometheus_text({name: figures.as_dict()}).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        except (TimeoutError, OSError, EOFError, ValueError):
            pass  # a client that asks nothing, asks for too much, or left
        finally:
            writer.close()

    try:
        return await asyncio.start_server(answer, "127.0.0.1", port)
    except OSError as error:
        raise ConfigError(f"--metrics {port}: the port cannot be used: {error.strerror or error}") from None
