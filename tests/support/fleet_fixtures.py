"""Fixtures of fleet tests: a database of its own for each test, without and with an engine."""

from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

pytest.importorskip("procrastinate", reason="procrastinate is not installed (the extra fleet)")


@pytest.fixture
def own_database(postgres):
    """The URL of an empty database of this test, on the server of the run."""
    name = f"heliograph_fleet_{uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run_sql(url, statement, values=()):
    """Run a statement in the engine's schema and return its rows."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=procrastinate,heliograph") as connection:
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []
