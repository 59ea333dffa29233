"""The store in PostgreSQL, for many plants and many writers; `heliograph` is its schema in the database."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from operator import itemgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import LockNotAvailable, UniqueViolation

from heliograph.core.redact import SecretMasker
from heliograph.errors import ConfigError, StoreError, StoreMissing
from heliograph.metrics import METRICS
from heliograph.store.schema import SAMPLE_TABLE, insert_row_sql
from heliograph.store.sql import ALREADY_COLLECTING, LOCK_TIMEOUT, SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from heliograph.store.schema import SqlTable

_T = TypeVar("_T")

_BULK = 20
"""From so many rows on, COPY into a table beside is faster than one statement a row."""
_SAMPLE_TYPES = ["int4", "int8", "int8", "text", "text", *["float8"] * len(METRICS)]
_PREPARING = 0x48656C696F
"""The lock of whoever looks at the tables and makes what is missing."""
_NUMBERING = 0x4E756D626572
"""The lock of whoever numbers changes: their numbers rise in the order in which they can be seen."""
_CONNECT_SECONDS = 10


class PostgresStore(SqlStore):
    """All samples of all series in one database, which any number of programs may write at once."""

    def __init__(self, url: str, *, patience: float = LOCK_TIMEOUT, create: bool = True) -> None:
        """Connect, and make what is missing; `patience` is how many seconds to wait for another program's lock.

        Where nothing of ours is there yet, `make` may say that nothing is made.
        """
        super().__init__()
        self._parameters = _parameters(url)
        self._secrets = SecretMasker(str(value) for name, value in self._parameters.items() if "password" in name)
        self._patience = patience
        self._lock = RLock()
        self._database: psycopg.Connection[tuple[Any, ...]] | None = None
        self._closed = False
        self._make = create
        self._claimed: list[int] = []
        self._run_locked(lambda: None)

    def _run_locked(self, work: Callable[[], _T]) -> _T:
        with self._lock, self._one_line():
            self._connect()
            try:
                return work()
            except UniqueViolation:
                pass  # another writer was a moment earlier with the same sample; it is there to be merged with by now
            except psycopg.OperationalError:
                if not self._live.closed:
                    raise
            # The server has gone, and whether it kept a write is not known: writing the same again changes nothing.
            self._connect()
            return work()

    @property
    def _live(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._database is None:
            raise StoreError("the store is closed")
        return self._database

    def _connect(self) -> None:
        """Connect where there is no connection, or the last one broke."""
        if self._closed:
            raise StoreError("the store is closed")
        if self._database is not None and not self._database.closed:
            return
        self._ids = {}  # it may be a server with yesterday's backup by now
        self._database = psycopg.connect(autocommit=True, **self._parameters)
        try:
            self._run("SELECT set_config('lock_timeout', ?, false)", (f"{round(self._patience * 1000)}ms",))
            self._run("SET search_path TO heliograph")
            self._run("SET datestyle TO iso")
            self._run("SELECT pg_advisory_lock(?)", (_PREPARING,))
            if self._run("SELECT to_regnamespace('heliograph') IS NULL")[0][0]:
                if not self._make:
                    raise StoreMissing("nothing is kept there yet; run: heliograph collect, or heliograph backfill")  # noqa: TRY301 - the connection is let go of below
                self._run("CREATE SCHEMA heliograph")
            self._migrate(identity="INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY", clustered="")
            self._run("SELECT pg_advisory_unlock(?)", (_PREPARING,))
            self._take()
        except BaseException:
            self._database.close()
            raise

    def size_bytes(self) -> int:
        """Return how many bytes the tables take, with their indexes."""
        tables = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'heliograph'::regnamespace"
        return int(self._read(f"SELECT sum(pg_total_relation_size(oid)) FROM ({tables}) AS ours")[0][0])  # noqa: S608

    def claim(self, accounts: Sequence[str]) -> None:
        """Be the only collector of these accounts until closed; a connection that is made anew claims them anew."""
        self._claimed = [int.from_bytes(sha256(one.encode()).digest()[:8], signed=True) for one in accounts]
        self._run_locked(self._take)

    def _take(self) -> None:
        if not self._claimed:
            return
        # A collector whose machine lost its power would hold on for hours else.
        self._run("SET tcp_keepalives_idle TO 60; SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 6")
        taken = "SELECT bool_and(pg_try_advisory_lock(one)) FROM unnest(?::bigint[]) AS one"
        if not self._run(taken, (self._claimed,))[0][0]:
            self._run("SELECT pg_advisory_unlock_all()")
            raise StoreError(ALREADY_COLLECTING)

    def _transaction(self) -> AbstractContextManager[Any]:
        return self._live.transaction()

    def _lock_change_numbers(self) -> None:
        self._run("SELECT pg_advisory_xact_lock(?)", (_NUMBERING,))

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = self._live.execute(_marked(statement), values)
        return cursor.fetchall() if cursor.description else []

    def _upsert_rows(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        width = len(table.key)
        rows.sort(key=itemgetter(*range(width)))  # two writers that go the same way never lock each other out
        if len(rows) >= _BULK and len({row[:width] for row in rows}) == len(rows):
            self._copy(table, rows)
            return
        with self._live.cursor() as cursor:
            cursor.executemany(_marked(insert_row_sql(table)), rows)

    def _copy(self, table: SqlTable, rows: list[tuple[Any, ...]]) -> None:
        """Write many rows, each of another key: one statement may merge a row only once."""
        fresh, columns = f"fresh_{table.name}", ", ".join(table.columns)
        if table is SAMPLE_TABLE and self._are_new(rows):
            fresh = table.name
        else:
            self._run(f"CREATE TEMPORARY TABLE IF NOT EXISTS {fresh} (LIKE {table.name}) ON COMMIT DELETE ROWS")
        binary, types = (" (FORMAT BINARY)", _SAMPLE_TYPES) if table is SAMPLE_TABLE else ("", None)
        with self._live.cursor() as cursor, cursor.copy(f"COPY {fresh} ({columns}) FROM STDIN{binary}") as copy:
            if types:
                copy.set_types(types)
            for row in rows:
                copy.write_row(row)
        if fresh == table.name:
            return
        self._run(table.insert(f"SELECT {columns} FROM {fresh} ORDER BY {', '.join(table.key)}"))  # noqa: S608 - constants

    def _are_new(self, samples: list[tuple[Any, ...]]) -> bool:
        """Tell whether there is nothing yet in the time of these samples, as when a past is read first."""
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
        """Let go of the connection."""
        self._closed = True
        if self._database is not None:
            self._database.close()

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Turn what the database says into our own error, which names the database and no secret."""
        try:
            yield
        except StoreError as error:
            raise type(error)(f"{self._name()}: {error}") from None
        except LockNotAvailable as error:
            said = f"{_first_line(error)} (another program holds it for too long; nothing was kept, so try again)"
            raise StoreError(f"{self._name()}: {said}") from None
        except psycopg.Error as error:
            raise StoreError(f"{self._name()}: {self._secrets.mask(_first_line(error))}") from None
        except (OverflowError, UnicodeError, ValueError) as error:
            raise StoreError(f"{self._name()}: a value that no database takes: {error}") from None

    def _name(self) -> str:
        given = self._parameters
        return f"PostgreSQL {given.get('dbname', '')} at {given.get('host', 'localhost')}"


def _parameters(url: str) -> dict[str, Any]:
    """Take a URL apart; what cannot be read is not repeated, since it may hold a password."""
    try:
        given = conninfo_to_dict(url)
    except (psycopg.Error, ValueError):
        given = {}
    if not given:
        raise ConfigError("the URL of the database cannot be read; it is postgresql://user:password@host:port/database")
    return {"connect_timeout": _CONNECT_SECONDS, "fallback_application_name": "heliograph", **given}


def _marked(statement: str) -> str:
    """Mark places as psycopg does; no statement of a store holds either mark for anything else."""
    return statement.replace("?", "%s")


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
