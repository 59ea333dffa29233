"""The store in PostgreSQL, in the database schema `heliograph`: for many plants and many writers."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from operator import itemgetter
from threading import RLock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import LockNotAvailable, UniqueViolation
from psycopg.pq import PipelineStatus

from heliograph.core.redact import SecretMasker
from heliograph.errors import ConfigError, StoreError, StoreInUse, StoreMissing
from heliograph.metrics import METRICS
from heliograph.store import hours
from heliograph.store.schema import SAMPLE_TABLE, SELECT_NEWEST_CHANGE, insert_sql
from heliograph.store.sql import ALREADY_COLLECTING, CLAIM_TIMEOUT, LOCK_TIMEOUT, SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from heliograph.store.base import Bucket, Series, SeriesChange
    from heliograph.store.sql_table import SqlTable

_T = TypeVar("_T")

_CLAIM_RETRY_SECONDS = 0.1
_COPY_MIN_ROWS = 20
"""Number of rows from which COPY into a temporary table is faster than one statement per row."""
_SAMPLE_TYPES = ["int4", "int8", "int8", "text", "text", *["float8"] * len(METRICS)]
_SCHEMA_LOCK = 0x48656C696F
"""Advisory lock for checking and creating tables."""
_CHANGES_LOCK = 0x4E756D626572
"""Advisory lock for numbering changes: numbers increase in the order in which they become visible."""
_CONNECT_SECONDS = 10
_NEW_CHANGE_TABLE = """CREATE TABLE new_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, series integer NOT NULL, since bigint NOT NULL,
    until bigint NOT NULL
)"""
_ADD_CHANGES = "INSERT INTO new_change (series, since, until) SELECT * FROM unnest(?::int[], ?::bigint[], ?::bigint[])"
_NUMBER_CHANGES = f"""WITH moved AS (DELETE FROM new_change RETURNING id, series, since, until)
    INSERT INTO change (number, series, since, until)
    SELECT ({SELECT_NEWEST_CHANGE}) + row_number() OVER (ORDER BY id), series, since, until FROM moved"""  # noqa: S608


class PostgresStore(SqlStore):
    """A store in a database that any number of programs may write at the same time."""

    def __init__(self, url: str, *, patience: float = LOCK_TIMEOUT, create: bool = True) -> None:
        """Connect and update the schema; `patience` is the number of seconds to wait for another program's lock.

        With `create=False`, `StoreMissing` is raised if the database has no store.
        """
        super().__init__()
        self._parameters = connection_parameters(url)
        self._secrets = SecretMasker(str(value) for name, value in self._parameters.items() if "password" in name)
        self._patience = patience
        self._lock = RLock()
        self._database: psycopg.Connection[tuple[Any, ...]] | None = None
        self._closed = False
        self._make = create
        self._claimed: list[int] = []
        self._run_locked(lambda: None)

    def _run_locked(self, work: Callable[[], _T]) -> _T:
        with self._lock, self._store_errors():
            self._connect()
            try:
                return self._attempt(work)
            except UniqueViolation:
                pass  # another writer inserted the same row first; the retry merges with it
            except psycopg.OperationalError:
                if not self._live.closed:
                    raise
            # The connection was lost, and the outcome of a write is unknown: writes are idempotent.
            self._connect()
            return self._attempt(work)

    def _attempt(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except psycopg.Error:
            # A server that stops in the middle of a batch leaves a connection that is neither closed nor usable.
            live = self._live
            if not live.closed and live.pgconn.pipeline_status != PipelineStatus.OFF:
                live.close()
            raise

    @property
    def _live(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._database is None:
            raise StoreError("the store is closed")
        return self._database

    def _connect(self) -> None:
        """Connect if there is no connection, or if the last one was lost."""
        if self._closed:
            raise StoreError("the store is closed")
        if self._database is not None and not self._database.closed:
            return
        self._ids, self._layouts = {}, {}  # the server may have been restored from a backup
        self._database = psycopg.connect(autocommit=True, **self._parameters)
        try:
            self._run("SELECT set_config('lock_timeout', ?, false)", (f"{round(self._patience * 1000)}ms",))
            self._run("SET search_path TO heliograph")
            self._run("SET datestyle TO iso")
            self._run("SELECT pg_advisory_lock(?)", (_SCHEMA_LOCK,))
            if self._run("SELECT to_regnamespace('heliograph') IS NULL")[0][0]:
                if not self._make:
                    raise StoreMissing("there is no store yet; run: heliograph collect, or heliograph backfill")  # noqa: TRY301 - the connection is closed below
                self._run("CREATE SCHEMA heliograph")
            self._migrate(identity="INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY", clustered="")
            self._run("SELECT pg_advisory_unlock(?)", (_SCHEMA_LOCK,))
            self._lock_accounts()
        except BaseException:
            self._database.close()
            raise

    def buckets(self, series: Series, metrics: Sequence[str], since: int, until: int, seconds: int) -> Iterator[Bucket]:
        """Stream aggregates of intervals of `seconds`, counted from `since`; empty intervals are omitted.

        Where samples were archived, intervals of whole hours are aggregated from the hours that are left of them.
        """
        found = super().buckets(series, metrics, since, until, seconds)
        if seconds % hours.HOUR or not self._read(hours.HOURS_EXIST)[0][0]:
            return found
        queries = hours.SELECT_HOUR_BOUNDS, hours.select_hours(metrics)
        return hours.fuller_buckets(found, self._buckets(*queries, series, since, until, seconds))

    def size_bytes(self) -> int:
        """Return the size of the tables, with their indexes."""
        tables = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'heliograph'::regnamespace"
        return int(self._read(f"SELECT sum(pg_total_relation_size(oid)) FROM ({tables}) AS ours")[0][0])  # noqa: S608

    def claim(self, accounts: Sequence[str], *, timeout: float = CLAIM_TIMEOUT) -> None:
        """Lock these accounts for this collector until the store is closed; a reconnect locks them again."""
        self._claimed = [int.from_bytes(sha256(one.encode()).digest()[:8], signed=True) for one in accounts]
        deadline = monotonic() + timeout
        while True:
            try:
                self._run_locked(self._lock_accounts)
            except StoreInUse:
                if monotonic() >= deadline:
                    raise
            else:
                return
            sleep(_CLAIM_RETRY_SECONDS)

    def _lock_accounts(self) -> None:
        if not self._claimed:
            return
        # Otherwise the lock of a machine that lost power would be held for hours.
        self._run("SET tcp_keepalives_idle TO 60; SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 6")
        taken = "SELECT bool_and(pg_try_advisory_lock(one)) FROM unnest(?::bigint[]) AS one"
        if not self._run(taken, (self._claimed,))[0][0]:
            self._run("SELECT pg_advisory_unlock_all()")
            raise StoreInUse(ALREADY_COLLECTING)

    def _transaction(self) -> AbstractContextManager[Any]:
        return self._live.transaction()

    def _lock_change_numbers(self) -> None:
        self._run("SELECT pg_advisory_xact_lock(?)", (_CHANGES_LOCK,))

    def _add_changes(self, rows: Sequence[tuple[int, int, int]]) -> None:
        # Without numbers, which readers assign: a lock until the commit would let only one writer commit at a time.
        self._run(_ADD_CHANGES, [list(column) for column in zip(*rows, strict=True)])

    def changes(self, after: int, limit: int = 1000) -> tuple[SeriesChange, ...]:
        """Return the changes with a number above `after`, oldest first; new ones are numbered first."""
        self._run_locked(self._number_changes)
        return super().changes(after, limit)

    def newest_change(self) -> int:
        """Return the number of the newest change; new ones are numbered first."""
        self._run_locked(self._number_changes)
        return super().newest_change()

    def _number_changes(self) -> None:
        """Number the changes that have become visible, so that numbers increase in that order."""
        if not self._run("SELECT 1 FROM new_change LIMIT 1"):
            return
        with self._transaction():
            self._lock_change_numbers()
            self._run(_NUMBER_CHANGES)

    def _missing(self) -> list[str]:
        is_missing = self._run("SELECT to_regclass('heliograph.new_change') IS NULL")[0][0]
        return [*super()._missing(), *([_NEW_CHANGE_TABLE] if is_missing else [])]

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        # Numbers are parsed faster in binary; statements without values may be several, which only text allows.
        cursor = self._live.execute(_psycopg_sql(statement), values, binary=bool(values))
        return cursor.fetchall() if cursor.description else []

    def _upsert_rows(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        width = len(table.key)
        rows.sort(key=itemgetter(*range(width)))  # a fixed order avoids deadlocks between writers
        if len(rows) >= _COPY_MIN_ROWS and len({row[:width] for row in rows}) == len(rows):
            self._copy(table, rows)
            return
        with self._live.cursor() as cursor:
            cursor.executemany(_psycopg_sql(insert_sql(table)), rows)

    def _copy(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        """Write many rows with distinct keys: one statement can merge a row only once."""
        target, columns = f"new_{table.name}", ", ".join(table.columns)
        if table is SAMPLE_TABLE and self._time_range_is_empty(rows):
            target = table.name
        else:
            self._run(f"CREATE TEMPORARY TABLE IF NOT EXISTS {target} (LIKE {table.name}) ON COMMIT DELETE ROWS")
        binary, types = (" (FORMAT BINARY)", _SAMPLE_TYPES) if table is SAMPLE_TABLE else ("", None)
        with self._live.cursor() as cursor, cursor.copy(f"COPY {target} ({columns}) FROM STDIN{binary}") as copy:
            if types:
                copy.set_types(types)
            for row in rows:
                copy.write_row(row)
        if target == table.name:
            return
        self._run(table.insert(f"SELECT {columns} FROM {target} ORDER BY {', '.join(table.key)}"))  # noqa: S608 - constants

    def _time_range_is_empty(self, samples: list[tuple[Any, ...]]) -> bool:
        """Return whether the time range of these samples is empty, as in a first backfill."""
        series, moments = {row[0] for row in samples}, [row[1] for row in samples]
        there = "SELECT EXISTS (SELECT FROM sample WHERE series = ANY(?) AND measured_at BETWEEN ? AND ?)"
        return not self._run(there, (list(series), min(moments), max(moments)))[0][0]

    def _schema_version(self) -> int:
        if self._run("SELECT to_regclass('heliograph.version') IS NULL")[0][0]:
            return 0
        return int(self._run("SELECT number FROM version")[0][0])

    def _set_schema_version(self, number: int) -> None:
        self._run("CREATE TABLE IF NOT EXISTS version (number INTEGER NOT NULL)")
        self._run("DELETE FROM version")
        self._run("INSERT INTO version VALUES (?)", (number,))

    def _column_names(self, table: str) -> list[str]:
        rows = self._run(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'heliograph' AND table_name = ?",
            (table,),
        )
        return [name for (name,) in rows]

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        if self._database is not None:
            self._database.close()

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Convert database errors to `StoreError`, with the name of the database and without secrets."""
        try:
            yield
        except StoreError as error:
            raise type(error)(f"{self._name()}: {error}") from None
        except LockNotAvailable as error:
            advice = "another program holds the lock for too long; nothing was stored, try again"
            raise StoreError(f"{self._name()}: {first_line(error)} ({advice})") from None
        except psycopg.Error as error:
            raise StoreError(f"{self._name()}: {self._secrets.mask(first_line(error))}") from None
        except (OverflowError, UnicodeError, ValueError) as error:
            raise StoreError(f"{self._name()}: a value that cannot be stored: {error}") from None

    def _name(self) -> str:
        given = self._parameters
        return f"PostgreSQL {given.get('dbname', '')} at {given.get('host', 'localhost')}"


def connection_parameters(url: str) -> dict[str, Any]:
    """Parse a URL; an invalid one is not quoted in the error, since it may contain a password."""
    try:
        given = conninfo_to_dict(url)
    except (psycopg.Error, ValueError):
        given = {}
    if not given:
        raise ConfigError(
            "the URL of the database is invalid; the format is postgresql://user:password@host:port/database"
        )
    return {"connect_timeout": _CONNECT_SECONDS, "fallback_application_name": "heliograph", **given}


def _psycopg_sql(statement: str) -> str:
    """Convert placeholders to psycopg's; no statement contains either for another purpose."""
    return statement.replace("?", "%s")


def first_line(error: psycopg.Error) -> str:
    """Return the first line of a database error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
