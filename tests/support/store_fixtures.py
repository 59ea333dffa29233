"""Where the tests' stores are: a file or a database, each empty for every test, and what an outsider does to them."""

import sqlite3
from contextlib import closing, contextmanager

import pytest

from heliograph.store import open_store


class FilePlace:
    """A file that is not there yet."""

    kind = "sqlite"

    def __init__(self, path):
        self.where = path

    def open(self, **options):
        from heliograph.store.sqlite import SqliteStore

        return SqliteStore(self.where, **options) if options else open_store(self.where)

    def run(self, statement):
        with closing(sqlite3.connect(self.where)) as outsider:
            rows = outsider.execute(statement).fetchall()
            outsider.commit()
            return rows

    def empty(self):
        for path in self.where.parent.glob(f"{self.where.name}*"):
            path.unlink()

    def set_version(self, number):
        self.run(f"PRAGMA user_version = {number}")

    @contextmanager
    def locked(self):
        with closing(sqlite3.connect(self.where)) as outsider:
            outsider.execute("BEGIN IMMEDIATE")
            yield


class DatabasePlace:
    """A database that holds nothing of ours yet."""

    kind = "postgres"

    def __init__(self, url):
        self.where = url
        self.empty()

    def open(self, **options):
        from heliograph.store.postgres import PostgresStore

        return PostgresStore(self.where, **options) if options else open_store(self.where)

    @contextmanager
    def outsider(self, **options):
        import psycopg

        with psycopg.connect(self.where, **options) as outsider:
            yield outsider

    def run(self, statement):
        with self.outsider() as outsider:
            outsider.execute("SET search_path TO heliograph")
            cursor = outsider.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def empty(self):
        with self.outsider() as outsider:
            outsider.execute("SET client_min_messages TO warning")
            outsider.execute("DROP SCHEMA IF EXISTS heliograph CASCADE")

    def set_version(self, number):
        self.run(f"UPDATE version SET number = {number}")

    @contextmanager
    def locked(self):
        with self.outsider() as outsider:
            outsider.execute("LOCK TABLE heliograph.sample IN EXCLUSIVE MODE")
            yield


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """A place for a store, of each engine in turn."""
    if request.param == "sqlite":
        return FilePlace(tmp_path / "deep" / "samples.sqlite")
    return DatabasePlace(request.getfixturevalue("postgres"))


@pytest.fixture
def store(place):
    """An empty store."""
    with place.open() as opened:
        yield opened
