"""The store: what was kept is there again, once, and only for its owner."""

import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from heliograph.errors import StoreError
from heliograph.metrics import METRICS
from heliograph.model import Plant, Snapshot, Status
from heliograph.store.sqlite import SqliteStore

NOON = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
SAMPLE = Snapshot(
    plant=Plant(vendor="growatt", id="11", name="Roof"),
    status=Status.ONLINE,
    measured_at=NOON,
    fetched_at=NOON + timedelta(seconds=70),
    values={"pv_power": 3424.0, "grid_power": -1200.5, "battery_soc": None, "pv_energy_total": 0.0},
)


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "deep" / "readings.sqlite") as opened:
        yield opened


def test_a_sample_is_read_as_it_was_written_and_a_gap_stays_a_gap(store):
    assert store.append([SAMPLE]) == 1
    (found,) = store.latest()
    assert (found.plant.vendor, found.plant.id, found.status) == ("growatt", "11", Status.ONLINE)
    assert (found.measured_at, found.fetched_at) == (SAMPLE.measured_at, SAMPLE.fetched_at)
    assert found.values == dict.fromkeys(METRICS) | dict(SAMPLE.values)


def test_the_same_sample_twice_is_one_row(store):
    store.append([SAMPLE, SAMPLE])
    store.append([SAMPLE])
    assert store.count() == 1


def test_the_newer_answer_wins_in_whatever_order_they_arrive(store):
    newer = replace(SAMPLE, fetched_at=NOON + timedelta(minutes=9), values={"pv_power": 5.0})
    store.append([newer])
    store.append([SAMPLE])
    (found,) = store.latest()
    assert found.values["pv_power"] == 5.0


def test_a_sample_without_a_moment_is_known_by_when_it_was_fetched(store):
    store.append([replace(SAMPLE, measured_at=None), replace(SAMPLE, status=None)])
    assert [row.measured_at for row in store.rows("growatt", "11", NOON)] == [NOON, SAMPLE.fetched_at]


def test_latest_is_the_newest_sample_of_every_plant(store):
    later = replace(SAMPLE, measured_at=NOON + timedelta(minutes=5))
    other = replace(SAMPLE, plant=Plant(vendor="goodwe", id="11"))
    store.append([later, SAMPLE, other])
    assert [(row.plant.vendor, row.measured_at) for row in store.latest()] == [
        ("goodwe", NOON),
        ("growatt", later.measured_at),
    ]


def test_rows_are_one_plants_from_a_moment_on(store):
    store.append([replace(SAMPLE, measured_at=NOON + timedelta(minutes=5 * step)) for step in (2, 0, 1)])
    found = store.rows("growatt", "11", NOON + timedelta(minutes=5))
    assert [(row.measured_at - NOON).seconds // 60 for row in found] == [5, 10]
    assert store.rows("growatt", "12", NOON) == ()


def test_all_samples_of_one_append_are_kept_or_none(store):
    bad = replace(SAMPLE, plant=Plant(vendor="growatt", id=None))
    with pytest.raises(StoreError, match="NOT NULL"):
        store.append([SAMPLE, bad])
    assert store.count() == 0


def test_what_was_kept_is_there_after_a_restart(tmp_path):
    for expected in (0, 1):
        with SqliteStore(tmp_path / "readings.sqlite") as store:
            assert store.count() == expected
            store.append([SAMPLE])


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_file_and_folder_are_their_owners_only(store):
    store.append([SAMPLE])
    assert store.path.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()} == {0o600}


def test_a_metric_that_came_later_gets_its_column(tmp_path):
    path = tmp_path / "readings.sqlite"
    with SqliteStore(path):
        pass
    older = sqlite3.connect(path)
    older.execute("ALTER TABLE reading DROP COLUMN load_power")
    older.close()
    with SqliteStore(path) as store:
        store.append([replace(SAMPLE, values={"load_power": 300.0})])
        assert store.latest()[0].values["load_power"] == 300.0


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "readings.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="newer version"):
        SqliteStore(path)


def test_a_file_that_is_no_store_is_told_in_one_line(tmp_path):
    path = tmp_path / "readings.sqlite"
    path.write_bytes(b"this is a text, and long enough to be read as the head of a file " * 20)
    with pytest.raises(StoreError) as caught:
        SqliteStore(path)
    assert str(caught.value) == f"{path}: file is not a database"


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"readings\.sqlite: (Not a directory|File exists)"):
        SqliteStore(tmp_path / "file" / "readings.sqlite")


def test_two_programs_share_one_store(tmp_path):
    with SqliteStore(tmp_path / "one.sqlite") as first, SqliteStore(tmp_path / "one.sqlite") as second:
        first.append([SAMPLE])
        second.append([replace(SAMPLE, measured_at=NOON + timedelta(minutes=5))])
        assert first.count() == second.count() == 2
