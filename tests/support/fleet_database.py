"""A fleet in a real database, empty for each test, and its parts."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from heliograph.core.redact import Secret
from heliograph.fleet.database import Database
from heliograph.fleet.fence import ShardToken, raise_token
from heliograph.fleet.permits import PermitWriter
from heliograph.fleet.registry import secret_context
from heliograph.fleet.schema import init
from heliograph.fleet.secrets import SecretBox
from heliograph.fleet.state_store import AccountStateStore
from support.keeper_store import MemoryStore

SHARDS = 4
KEY = bytes(range(32))


def with_database(url, work):
    """Run a coroutine function with a connection pool, and return its result."""

    async def run():
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


class Fleet:
    """A fleet with four shards and no account."""

    def __init__(self, url):
        self.url = url
        self.box = SecretBox({1: KEY})

    def run(self, statement, values=()):
        """Run a statement as an outsider."""
        with psycopg.connect(self.url, autocommit=True) as outsider:
            outsider.execute("SET search_path TO heliograph")
            cursor = outsider.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def empty(self):
        tables = self.run("SELECT tablename FROM pg_tables WHERE schemaname = 'heliograph' AND tablename <> 'version'")
        names = [name for (name,) in tables if name not in {"fence", "fleet_version"}]
        self.run(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(map(sql.Identifier, sorted(names)))))
        self.run("UPDATE fence SET token = 0, owner = ''")

    def add_account(self, name="roof", shard=1):
        """Add an account without a password."""
        self.run("INSERT INTO tenant (name) VALUES ('acme') ON CONFLICT DO NOTHING")
        ((number,),) = self.run("SELECT nextval(pg_get_serial_sequence('account', 'id'))")
        user = self.box.seal(Secret("ada"), secret_context("username", "growatt", number)).data
        self.run(
            """INSERT INTO account (id, tenant, name, vendor, username, username_index, key_number, shard, egress)
            SELECT %s, id, %s, 'growatt', %s, %s, 1, %s, 'default' FROM tenant WHERE name = 'acme'""",
            (number, name, user, os.urandom(8), shard),
        )
        return number


class Owner:
    """One worker's parts: its connection, its permits and the stores of its accounts."""

    def __init__(self, fleet, name, token, shard=1, **options):
        self.fleet, self.name = fleet, name
        self.held = ShardToken(shard, token)
        self.database = Database(fleet.url)
        self.permits = PermitWriter(self.database, seconds=0.0, **options)

    def store(self, account):
        return AccountStateStore("account", account, self.held, self.database, self.permits, self.fleet.box)

    async def take(self):
        return await raise_token(self.database, self.held, self.name)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.permits.finish()
        await self.database.close()


class FleetStoreInLine(MemoryStore):
    """The state of one account in the database, for the blocking tests of the keeper."""

    def __init__(self, fleet):
        super().__init__("account")
        self._runner = asyncio.Runner()
        self._owner = Owner(fleet, "a", 1)
        self._account = fleet.add_account()
        self._runner.run(self._owner.take())
        self._store = self._owner.store(self._account)
        self._held = None

    def load(self, now):
        self.done.append("load")
        return self._runner.run((self._held or self._store).load(now))

    def hold(self):
        if (found := super().hold()) is not None:
            self._held = self._runner.run(self._store.hold())
        return found

    def save(self, state, *, durable):
        super().save(state, durable=durable)
        self._runner.run(self._held.save(state, durable=durable))
        self.states[self.name] = self._runner.run(self._owner.store(self._account).load(0.0))

    def release(self):
        super().release()
        self._runner.run(self._held.release())
        self._held = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._runner.run(self._owner.__aexit__())
        self._runner.close()


async def until_waiting(fleet, connections=1):
    """Wait until that many statements wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while fleet.run(waiting)[0][0] < connections:  # noqa: ASYNC110 - the state of another process
        await asyncio.sleep(0.01)


@contextmanager
def new_fleet(postgres):
    """Create a database with the tables of a fleet, apart from that of the stores, whose tests drop everything."""
    parts = urlsplit(postgres)
    name = f"{parts.path[1:]}_fleet"
    url = urlunsplit(parts._replace(path=f"/{name}"))

    async def create():
        database = Database(url)
        await init(database, SHARDS)
        await database.close()

    with psycopg.connect(postgres, autocommit=True) as outsider:
        outsider.execute(f"CREATE DATABASE {name}")
    asyncio.run(create())
    yield Fleet(url)
    with psycopg.connect(postgres, autocommit=True) as outsider:
        outsider.execute(f"DROP DATABASE {name} WITH (FORCE)")
