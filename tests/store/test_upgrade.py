"""Upgrade and downgrade: stores and account states of every version since the first are read, newer ones refused."""

import json
import sqlite3
from contextlib import closing
from datetime import date

import pytest

from heliograph.errors import StoreError
from heliograph.keeper import state_format
from heliograph.keeper.state import AccountState
from heliograph.keeper.state_file import StateFile
from heliograph.store.backup import check_copy, copy_store
from heliograph.store.base import Batch, Series, StoredSample
from heliograph.store.schema import MIGRATIONS
from heliograph.store.sqlite import SqliteStore
from support.paths import FIXTURES

ROOF = Series("growatt", "11")
SCHEMA_1 = (FIXTURES / "store/schema-1.sql").read_text("utf-8")
SINCE_2 = """
INSERT INTO day (series, day, written_at, quality, final, pv_energy)
SELECT id, '2026-06-21', 500, 'live', 1, 12.5 FROM series WHERE vendor = 'growatt';
INSERT INTO repair SELECT id, 100, 'pv_power', 99999, NULL, 'spike' FROM series WHERE vendor = 'growatt';
INSERT INTO asked SELECT id, 'curve', '2026-06-21', 'data', 500 FROM series WHERE vendor = 'growatt';
"""
"""Rows of the tables that came with the second schema."""


def store_of_schema(path, version):
    """Create a store as the program with this schema left it, with data of the first."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA_1)
        for number, step in enumerate(MIGRATIONS[1:version], 2):
            for statement in step:
                database.execute(statement.format(identity="INTEGER PRIMARY KEY", clustered="WITHOUT ROWID"))
            if number == 2:
                energies = [name for (name,) in database.execute("SELECT name FROM pragma_table_info('day')")]
                if "pv_energy" not in energies:
                    database.execute("ALTER TABLE day ADD COLUMN pv_energy DOUBLE PRECISION")
                database.executescript(SINCE_2)
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_store_of_every_schema_is_upgraded_with_all_its_data(tmp_path, version):
    path = tmp_path / "samples.sqlite"
    store_of_schema(path, version)
    for _ in range(2):  # the second time it is current
        with SqliteStore(path) as store:
            first, second = store.samples(ROOF, 0, 600)
            assert (first.values["pv_power"], first.values["load_energy_total"]) == (3424.5, 9.0)
            assert second.values["pv_power"] is None
            if version > 1:
                (day,) = store.days(ROOF, date(2026, 1, 1), date(2026, 12, 31))
                assert (day.values["pv_energy"], day.final) == (12.5, True)
                assert [one.raw for one in store.repairs(ROOF, 0, 1000)] == [99999]
                assert list(store.queries(ROOF, "curve")) == ["2026-06-21"]
            store.write(Batch(samples=[StoredSample(ROOF, 700, 700, "live", None, {"pv_power": 5.0})]))
            assert store.count(ROOF) == 3
    assert check_copy(path) == len(MIGRATIONS)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_copy_of_a_store_has_the_schema_of_the_store(tmp_path, version):
    store_of_schema(tmp_path / "samples.sqlite", version)
    copy_store(tmp_path / "samples.sqlite", tmp_path / "copy")
    assert check_copy(tmp_path / "copy") == version


@pytest.mark.parametrize("writes", [False, True])
def test_downgrade_refuses_the_store_of_a_newer_schema_and_leaves_it_as_it_is(tmp_path, writes):
    path = tmp_path / "samples.sqlite"
    store_of_schema(path, len(MIGRATIONS))
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreError, match=r"a newer heliograph wrote it .*: update heliograph") as caught:
        SqliteStore(path, writes=writes)
    assert "\n" not in str(caught.value)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
        assert database.execute("SELECT count(*) FROM sample").fetchone() == (3,)


def state_files():
    """Yield a state with 17 requests and one login in each format of a state file."""
    state = AccountState()
    state.at, state.logins, state.spent = 1e9, [1e9 - 60.0], [[1e9 - 300, 17]]
    data = state.to_dict()
    flat = {name: value for name, value in data.items() if name not in ("refused_passwords", "behind")}
    yield "before checksums", json.dumps({**flat, "refused_password": "", "failed_by_person": False}).encode()
    book = json.dumps(data, separators=(",", ":"))
    yield "1", json.dumps({"format": 1, "sum": state_format.checksum(1, book), "book": data}).encode()
    yield "2", state_format.new_file(state_format.write_copy(1, True, book)[0])


@pytest.mark.parametrize(("name", "data"), list(state_files()))
def test_account_state_of_every_format_is_read_and_continued(tmp_path, name, data):
    (tmp_path / "a.json").write_bytes(data)
    file = StateFile(tmp_path, "a")
    for _ in range(2):
        held = file.hold()
        state = held.load(1e9)
        assert (state.spent, state.logins) == ([[1e9 - 300, 17]], [1e9 - 60.0]), name
        assert state.notes == []
        held.save(state, durable=True)
        held.release()


def test_downgrade_refuses_the_account_state_of_a_newer_format_and_leaves_it(tmp_path):
    data = {"format": 3, "sum": state_format.checksum(3, "null"), "book": None, "more": 1}
    (tmp_path / "a.json").write_text(json.dumps(data))
    file = StateFile(tmp_path, "a")
    with pytest.raises(StoreError, match="another version of heliograph"):
        file.load(1e9)
    held = file.hold()
    with pytest.raises(StoreError, match="another version of heliograph"):
        held.load(1e9)
    held.release()
    assert json.loads((tmp_path / "a.json").read_text()) == data
