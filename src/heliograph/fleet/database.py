"""One async connection to the fleet's database, and the database's clock."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from heliograph.core.redact import SecretMasker
from heliograph.errors import StoreError
from heliograph.store.postgres import connection_parameters, first_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    Values = Sequence[Any] | Mapping[str, Any]
    Rows = list[tuple[Any, ...]]
    Run = Callable[..., Awaitable[Rows]]

_KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A connection whose peer has vanished fails within the time-out of a shard."""


def boot_time() -> float:
    """Return the seconds since this machine started, including those it slept.

    CLOCK_MONOTONIC stands still while a machine sleeps, and a request permitted before would be sent afterwards.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class DatabaseClock:
    """The database's time in epoch seconds, as observed with statements; all machines of a fleet share it.

    Each observation bounds the difference between the two clocks. The bounds are narrowed by what agrees with them, and
    replaced by what does not, because either clock may be set.
    """

    def __init__(self, boot: Callable[[], float] = boot_time) -> None:
        self._boot = boot
        self._low = self._high = time.time() - boot()
        self._observed = False

    def now(self) -> float:
        """Return the database's time; this machine's before the first observation."""
        return self._boot() + (self._low + self._high) / 2

    def observe(self, database_time: float, sent_at: float, received_at: float) -> None:
        """Note the time that a statement returned, and when it was sent and its result received, by `boot_time`."""
        low, high = database_time - received_at, database_time - sent_at
        if self._observed and low <= self._high and high >= self._low:
            low, high = max(low, self._low), min(high, self._high)
        self._low, self._high, self._observed = low, high, True


class Database:
    """A connection that is opened on first use, and again after it was lost; one statement or transaction at a time."""

    def __init__(
        self,
        url: str,
        *,
        application: str = "heliograph fleet",
        clock: DatabaseClock | None = None,
        statement_seconds: float = 60.0,
    ) -> None:
        """Parse the URL; raises `ConfigError` for an invalid one.

        `clock` is shared with other connections; `statement_seconds` is the time-out of a statement.
        """
        self.url = url
        self.clock = clock or DatabaseClock()
        self._parameters = {**_KEEPALIVES, "application_name": application, **connection_parameters(url)}
        self._secrets = SecretMasker(str(value) for name, value in self._parameters.items() if "password" in name)
        self._options = f"-c statement_timeout={round(statement_seconds * 1000)} -c datestyle=iso"
        self._lock = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None

    @property
    def backend_pid(self) -> int | None:
        """The number of the server process of the open connection; None if there is none."""
        return None if self._connection is None or self._connection.closed else self._connection.info.backend_pid

    async def run(self, statement: str, values: Values = ()) -> Rows:
        """Run one idempotent statement and return its rows; raises `StoreError`.

        A connection that was lost is opened again, once: the outcome of the first attempt may be unknown.
        """
        async with self._lock:
            was_open = self._connection is not None and not self._connection.closed
            try:
                return await _run(await self._connect(), statement, values)
            except psycopg.OperationalError as error:
                if not was_open or self._connection is None or not self._connection.closed:
                    raise self._error(error) from None
            except psycopg.Error as error:
                raise self._error(error) from None
            try:
                return await _run(await self._connect(), statement, values)
            except psycopg.Error as error:
                raise self._error(error) from None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Run]:
        """Commit everything that is run inside with the function that this yields, or nothing."""
        async with self._lock:
            try:
                connection = await self._connect()
                async with connection.transaction():
                    yield lambda statement, values=(): _run(connection, statement, values)
            except psycopg.Error as error:
                raise self._error(error) from None

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
        """Yield the connection within a transaction in pipeline mode, in which statements take one round trip."""
        async with self._lock:
            try:
                connection = await self._connect()
                async with connection.pipeline(), connection.transaction():
                    yield connection
            except psycopg.Error as error:
                if self._connection is not None and not self._connection.closed:
                    await self._connection.close()  # neither closed nor usable after a failure inside a pipeline
                raise self._error(error) from None

    async def observe_clock(self) -> float:
        """Ask the database for its time, and return it."""
        sent_at = boot_time()
        ((now,),) = await self.run("SELECT extract(epoch FROM clock_timestamp())::float8")
        self.clock.observe(now, sent_at, boot_time())
        return float(now)

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            parameters = {
                **self._parameters,
                "options": f"{self._parameters.get('options', '')} {self._options}".strip(),
            }
            connection = await psycopg.AsyncConnection.connect(autocommit=True, **parameters)
            await connection.execute("SET search_path TO heliograph")
            self._connection = connection
        return self._connection

    def _error(self, error: psycopg.Error) -> StoreError:
        given = self._parameters
        where = f"PostgreSQL {given.get('dbname', '')} at {given.get('host', 'localhost')}"
        return StoreError(f"{where}: {self._secrets.mask(first_line(error))}")


async def _run(connection: psycopg.AsyncConnection[tuple[Any, ...]], statement: str, values: Values = ()) -> Rows:
    cursor = await connection.execute(statement, values or None)
    return await cursor.fetchall() if cursor.description else []
