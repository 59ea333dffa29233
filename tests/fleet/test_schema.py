"""The fleet's tables: creation, more shards, and programs of other versions."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.errors import StoreError, StoreMissing
from heliograph.fleet import schema
from heliograph.fleet.database import Database
from heliograph.fleet.schema import Migration, SchemaVersions, check_schema, check_versions, init, migrate
from support.fleet_database import SHARDS, with_database


def test_init_is_repeatable_and_keeps_the_number_of_shards(fleet):
    with_database(fleet.url, lambda database: init(database, SHARDS))
    assert fleet.run("SELECT count(*), min(shard), max(shard) FROM fence") == [(SHARDS, 0, SHARDS - 1)]
    with pytest.raises(StoreError, match="egress default has 4 shards, and their number cannot be changed to 5"):
        with_database(fleet.url, lambda database: init(database, 5))
    for shards in (0, 5000):
        with pytest.raises(StoreError, match="has 1 to 4096 shards"):
            with_database(fleet.url, lambda database, shards=shards: init(database, shards))


def test_init_with_another_egress_adds_shards(fleet):
    with_database(fleet.url, lambda database: init(database, 2, "fra2"))
    try:
        assert fleet.run("SELECT shard FROM fence WHERE egress = 'fra2' ORDER BY 1") == [(4,), (5,)]
    finally:
        fleet.run("DELETE FROM fence WHERE egress = 'fra2'")


def test_two_inits_at_once_make_one_fleet(fleet):
    async def both():
        databases = [Database(fleet.url) for _ in range(2)]
        await asyncio.gather(*(init(database, 3, "twice") for database in databases))
        for database in databases:
            await database.close()

    asyncio.run(both())
    try:
        assert fleet.run("SELECT count(*) FROM fence WHERE egress = 'twice'") == [(3,)]
    finally:
        fleet.run("DELETE FROM fence WHERE egress = 'twice'")


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (SchemaVersions(0, 0), "no fleet in this database; run: heliograph fleet init"),
        (SchemaVersions(1, 1), "version 1, this program 2; run: heliograph fleet migrate"),
        (SchemaVersions(3, 3), "version 3, this program 2: update heliograph"),
        (SchemaVersions(2, 2), None),
        (SchemaVersions(2, 1), None),
        (SchemaVersions(3, 2), None),
        (SchemaVersions(3, 1), None),
    ],
)
def test_program_runs_on_tables_that_are_expanded_for_it_and_not_contracted_beyond(found, error):
    if error is None:
        check_versions(found, 2)
    else:
        with pytest.raises(StoreError, match=error):
            check_versions(found, 2)


def test_migration_expands_before_it_contracts(fleet, monkeypatch):
    table = "CREATE TABLE {} (id integer)".format
    migrations = (*schema.MIGRATIONS, Migration((table("added"),), (table("contracted"),)))
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    monkeypatch.setattr(schema, "VERSION", len(migrations))
    version = len(migrations)
    tables = "SELECT to_regclass('added')::text, to_regclass('contracted')::text"
    try:
        with pytest.raises(StoreError, match="run: heliograph fleet migrate"):
            with_database(fleet.url, check_schema)
        assert with_database(fleet.url, migrate) == (version, version - 1)
        assert with_database(fleet.url, migrate) == (version, version - 1)
        assert fleet.run(tables) == [("added", None)]
        assert with_database(fleet.url, lambda database: migrate(database, contract=True)) == (version, version)
        assert with_database(fleet.url, lambda database: migrate(database, contract=True)) == (version, version)
        assert fleet.run(tables) == [("added", "contracted")]
        monkeypatch.undo()
        for work in (check_schema, migrate, init):
            with pytest.raises(
                StoreError, match=f"has version {version}, this program {version - 1}: update heliograph"
            ):
                with_database(fleet.url, lambda database, work=work: work(database))
    finally:
        fleet.run("DROP TABLE IF EXISTS added, contracted")
        fleet.run("UPDATE fleet_version SET expanded = %s, contracted = %s", (version - 1, version - 1))


def test_database_without_a_fleet_is_reported(fleet):
    name = fleet.url.rpartition("?")[0].rpartition("/")[2] or "postgres"
    other = fleet.url.replace(name, "postgres")
    for work in (check_schema, migrate):
        with pytest.raises(StoreMissing, match="run: heliograph fleet init"):
            with_database(other, work)
