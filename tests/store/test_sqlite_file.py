"""The store in a file: its permissions, its past, its corruption, its disk."""

import resource
import sqlite3
import sys
import textwrap
from datetime import UTC, datetime

import pytest

from heliograph.errors import StoreError
from heliograph.metrics import METRICS
from heliograph.model import Quality, Status
from heliograph.store.base import Batch, StoredMeasurements
from heliograph.store.sqlite import SqliteStore
from support.paths import FIXTURES
from support.store_rows import NOON, ROOF, SAMPLE, gaps
from support.subprocesses import python

# As the first version wrote it.
SCHEMA_1 = (FIXTURES / "store/schema-1.sql").read_text("utf-8")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "samples.sqlite"


@pytest.fixture
def store(path):
    with SqliteStore(path) as opened:
        yield opened


def test_migration_keeps_the_samples_of_the_first_version(tmp_path):
    path = tmp_path / "readings.sqlite"
    old = sqlite3.connect(path)
    old.executescript(SCHEMA_1)
    old.close()
    for _ in range(2):
        with SqliteStore(path) as store:
            assert [(*one.series, one.measured_at) for one in store.latest()] == [
                ("goodwe", "11", "", 100),
                ("growatt", "11", "", 400),
            ]
            first, second = store.samples(ROOF, 0, 1000)
    assert (first.fetched_at, first.status, first.quality) == (170, Status.ONLINE, Quality.LIVE)
    assert first.values == gaps(METRICS) | {"pv_power": 3424.5, "load_energy_total": 9.0}
    assert (second.status, second.values) == (None, gaps(METRICS))


def test_migration_failure_leaves_the_store_unchanged(tmp_path):
    path = tmp_path / "readings.sqlite"
    old = sqlite3.connect(path)
    old.executescript(SCHEMA_1 + "CREATE TABLE asked (in_the_way TEXT)")
    with pytest.raises(StoreError, match="asked already exists"):
        SqliteStore(path)
    assert old.execute("SELECT count(*) FROM reading").fetchone() == (3,)
    assert old.execute("PRAGMA user_version").fetchone() == (1,)
    old.close()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_sqlite_file_and_folder_are_private(store):
    store.write(Batch(samples=[SAMPLE]))
    assert store.path.parent.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()}
    assert modes == {f"samples.sqlite{suffix}": 0o600 for suffix in ("", "-wal", "-shm")}


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_sqlite_existing_file_that_others_can_read_is_made_private(store, caplog):
    store.write(Batch(samples=[SAMPLE]))
    files = [store.path.with_name(f"samples.sqlite{suffix}") for suffix in ("", "-wal", "-shm")]
    for file in files:
        file.chmod(0o644)
    SqliteStore(store.path).close()
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    assert [str(record.msg).split()[0] for record in caplog.records] == ["event=store.permissions_changed"] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("why", ["denied", "symlink"])
def test_sqlite_file_that_stays_readable_by_others_is_used_with_a_warning(path, caplog, monkeypatch, why):
    SqliteStore(path).close()
    path.chmod(0o640)
    if why == "symlink":
        path = path.with_name("link.sqlite")
        path.symlink_to("samples.sqlite")
    else:

        def denied(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("heliograph.store.sqlite.os.chmod", denied)
    SqliteStore(path).close()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [record.msg.facts["advice"] for record in caplog.records][:1] == [f"run: chmod 600 {path}"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_sqlite_permissions_of_a_file_that_is_not_a_store_are_not_changed(tmp_path):
    (path := tmp_path / "notes.txt").write_text("no database " * 100)
    path.chmod(0o644)
    with pytest.raises(StoreError):
        SqliteStore(path)
    assert path.stat().st_mode & 0o777 == 0o644


def test_sqlite_file_that_is_not_a_store_error_has_advice(tmp_path):
    path = tmp_path / "samples.sqlite"
    path.write_bytes(b"this is a text, and long enough to be read as the head of a file " * 20)
    with pytest.raises(StoreError) as caught:
        SqliteStore(path)
    assert str(caught.value).startswith(f"{path}: file is not a database (")
    assert "move this one away" in str(caught.value)
    assert path.read_bytes().startswith(b"this is a text")


def test_sqlite_damaged_file_error_has_advice(path):
    with SqliteStore(path) as store:
        store.write(Batch(samples=[SAMPLE._replace(measured_at=step) for step in range(5000)]))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xee" * (size - 8192))
    with (
        pytest.raises(StoreError, match=r"malformed \(the file is damaged.*heliograph doctor --repair") as caught,
        SqliteStore(path) as store,
    ):
        list(store.samples(ROOF, 0, 5000))
    assert str(path) in str(caught.value)


def test_sqlite_access_error_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"samples\.sqlite: (Not a directory|File exists)"):
        SqliteStore(tmp_path / "file" / "samples.sqlite")


def test_sqlite_second_store_keeps_the_locks_of_the_first(path):
    # Closing any descriptor of a file drops the locks a process holds on it: opening must not do that.
    other = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
    with SqliteStore(path) as first:
        first._run("PRAGMA journal_mode = DELETE")  # its locks are on the file itself
        first._run("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            SqliteStore(path, patience=0)
        assert b"locked" in python(other).communicate()[1]


def test_sqlite_full_database_continues_when_there_is_space(store):
    store.write(Batch(samples=[SAMPLE]))
    (pages,) = store._run("PRAGMA page_count")[0]
    store._run(f"PRAGMA max_page_count = {pages + 3}")
    big = Batch(samples=[SAMPLE._replace(measured_at=step) for step in range(2000)])
    with pytest.raises(StoreError, match=r"full \(.*free disk space"):
        store.write(big)
    assert list(store.sample_times(ROOF, 0, NOON + 1)) == [NOON]
    store._run("PRAGMA max_page_count = 1000000")
    store.write(big)
    assert len(list(store.sample_times(ROOF, 0, NOON + 1))) == 2001


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_sqlite_full_disk_loses_no_commit(path):
    program = f"""
        import resource
        from pathlib import Path
        from support.store_rows import ROOF, SAMPLE
        from heliograph.errors import StoreError
        from heliograph.store.base import Batch, StoredMeasurements
        from heliograph.store.sqlite import SqliteStore

        with SqliteStore(Path({str(path)!r})) as store:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
            taken, refused = 0, 0
            while refused < 3:
                try:
                    store.write(Batch(samples=[SAMPLE._replace(measured_at=taken + step) for step in range(100)]))
                    taken += 100
                except StoreError as failure:
                    error, refused = failure, refused + 1
            assert taken, error
            assert "free disk space" in str(error), error
            assert list(store.sample_times(ROOF, 0, 10**9)) == list(range(taken))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            store.write(Batch(samples=[SAMPLE._replace(measured_at=taken)]))
        with SqliteStore(Path({str(path)!r})) as store:
            assert list(store.sample_times(ROOF, 0, 10**9)) == list(range(taken + 1))
            print("well")
    """
    out, err = python(textwrap.dedent(program)).communicate(timeout=60)
    assert (out, err) == (b"well\n", b"")


def test_sqlite_file_is_created_by_concurrent_programs(path):
    program = f"""
        from pathlib import Path
        from support.store_rows import SAMPLE
        from heliograph.store.base import Batch, Series
        from heliograph.store.sqlite import SqliteStore
        import sys

        sys.stdin.read(1)
        with SqliteStore(Path({str(path)!r})) as store:
            store.write(Batch(samples=[SAMPLE._replace(series=Series("growatt", sys.argv[1]))]))
    """
    programs = [python(textwrap.dedent(program), str(number)) for number in range(4)]
    for one in programs:
        one.stdin.write(b"!")
        one.stdin.flush()
    assert [one.communicate(timeout=60)[1] for one in programs] == [b""] * 4
    with SqliteStore(path) as store:
        assert len(store.series()) == 4


def test_sqlite_times_are_epoch_seconds(store):
    store.write(Batch(samples=[SAMPLE]))
    ((shown,),) = store._run("SELECT datetime(measured_at, 'unixepoch') FROM sample")
    assert shown == datetime.fromtimestamp(NOON, UTC).strftime("%Y-%m-%d %H:%M:%S")


def moved(path, to):
    """Move a store that is open, with what is not in its file yet."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).rename(to.with_name(to.name + end))


def test_sqlite_deleted_file_is_an_error_until_replaced(path):
    aside = path.with_name("aside.sqlite")
    other = ROOF._replace(plant="other")
    with SqliteStore(aside) as store:
        store.write(Batch(samples=[SAMPLE._replace(series=other)]))
    with SqliteStore(path) as store:
        store.claim(["me"])
        store.write(Batch(samples=[SAMPLE]))
        moved(path, path.with_name("away.sqlite"))
        for question in (store.series, store.size_bytes, lambda: store.write(Batch(samples=[SAMPLE]))):
            with pytest.raises(StoreError, match="was deleted: restore it"):
                question()
        assert not path.exists()
        aside.rename(path)
        assert [one.series for one in store.latest()] == [other]
        store.write(Batch(samples=[SAMPLE]))
        assert {one.series for one in store.latest()} == {other, ROOF}
        with SqliteStore(path) as second, pytest.raises(StoreError, match="another collector is already using it"):
            second.claim(["me"], timeout=0)


def test_measurements_are_written_with_the_layouts_of_a_file_that_replaced_the_first(path):
    aside = path.with_name("aside.sqlite")
    measured = StoredMeasurements(ROOF, NOON, NOON + 70, {"pv1_voltage": 380.5})
    with SqliteStore(aside) as store:
        store.write(Batch(measurements=[measured._replace(values={"temperature": 41.0})]))
    with SqliteStore(path) as store:
        store.write(Batch(measurements=[measured]))
        moved(path, path.with_name("away.sqlite"))
        aside.rename(path)
        store.write(Batch(measurements=[measured._replace(measured_at=NOON + 300)]))
        assert [one.values for one in store.measurements(ROOF, NOON, NOON + 301)] == [
            {"temperature": 41.0},
            measured.values,
        ]


def test_sqlite_file_replaced_by_another_kind_is_an_error(path):
    with SqliteStore(path) as store:
        store.write(Batch(samples=[SAMPLE]))
        moved(path, path.with_name("away.sqlite"))
        path.write_text("no store, but long enough to be taken for one" * 30)
        for _ in range(2):
            with pytest.raises(StoreError, match="not a store of heliograph"):
                store.latest()
        path.unlink()
        moved(path.with_name("away.sqlite"), path)
        assert [one.series for one in store.latest()] == [ROOF]


def test_sqlite_error_without_file_descriptors_names_their_limit(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(StoreError, match="ulimit -n"):
            SqliteStore(tmp_path / "x.sqlite", writes=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
