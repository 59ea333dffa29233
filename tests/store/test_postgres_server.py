"""The store on a server: its URL and its secrets, its coming and going, its manners in somebody's database."""

import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from heliograph.errors import ConfigError, StoreError
from heliograph.store import open_store
from heliograph.store.base import Batch, StoredMeasurements
from heliograph.store.postgres import PostgresStore
from heliograph.store.sqlite import SqliteStore
from support.store_fixtures import DatabasePlace
from support.store_rows import NOON, ROOF, SAMPLE, everything

SECRETS = ("hunter22", "p@ss:w/rd?", "ünï cödé", "a%b%20c'\"\\")


@pytest.fixture
def place(postgres):
    return DatabasePlace(postgres)


@pytest.mark.parametrize(
    "where", ["{}", "sqlite:///{}", pytest.param("~/samples.sqlite", id="home"), pytest.param(Path, id="path")]
)
def test_open_store_of_a_path_is_a_file(where, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = tmp_path / "samples.sqlite"
    with open_store(path if where is Path else where.format(path)) as store:
        assert isinstance(store, SqliteStore)
        assert store.path == path


def test_open_store_accepts_both_postgres_schemes(place):
    with open_store(place.where.replace("postgresql:", "postgres:")) as store:
        assert isinstance(store, PostgresStore)


def test_open_store_rejects_other_databases():
    with pytest.raises(ConfigError, match=r"mysql:// is not a supported store") as caught:
        open_store("mysql://solar:hunter22@localhost/solar")
    assert "hunter22" not in str(caught.value)


def test_postgres_store_without_the_extra_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "heliograph.store.postgres")
    with pytest.raises(ConfigError, match=r"pip install 'heliograph\[postgres\]'"):
        open_store("postgresql://localhost/solar")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://solar:{}@127.0.0.1:1/solar",
        "postgresql://solar@127.0.0.1:1/solar?password={}",
        "postgresql://solar:{}@[127.0.0.1:1/solar",
        "postgresql://solar:{}@127.0.0.1:port/solar",
        "postgresql://solar:{}@127.0.0.1:1/solar?nonsense=1",
    ],
)
def test_postgres_errors_contain_no_password(url, secret):
    for written in {secret, quote(secret, safe="")}:
        with pytest.raises((StoreError, ConfigError)) as caught:
            open_store(url.format(written))
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert secret not in said
        assert written not in said


def test_postgres_error_names_database_and_host():
    with pytest.raises(StoreError, match=r"PostgreSQL solar at 127\.0\.0\.1: .*refused"):
        open_store("postgresql://127.0.0.1:1/solar?connect_timeout=2")


def test_postgres_write_reconnects(place):
    with place.open() as store:
        for number in range(3):
            with place.outsider(autocommit=True) as outsider:
                outsider.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'heliograph'"
                )
            store.write(Batch(samples=[SAMPLE._replace(measured_at=number)]))
        assert list(store.sample_times(ROOF, 0, NOON)) == [0, 1, 2]


def test_measurements_are_written_with_the_layouts_of_a_database_that_was_restored(place):
    measured = StoredMeasurements(ROOF, NOON, NOON + 70, {"pv1_voltage": 380.5})
    with place.open() as store:
        store.write(Batch(measurements=[measured]))
        with place.outsider(autocommit=True) as outsider:
            outsider.execute("UPDATE heliograph.layout SET names = 'temperature'")
            outsider.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'heliograph'"
            )
        store.write(Batch(measurements=[measured]))
        assert list(store.measurements(ROOF, NOON, NOON + 1)) == [measured]


def test_postgres_write_replaces_a_connection_that_was_left_in_a_batch(place):
    """A server that is restarted during a batch leaves a connection that is neither closed nor usable."""
    with place.open() as store:
        store._live.pgconn.enter_pipeline_mode()
        store.write(Batch(samples=[SAMPLE]))
        assert list(store.sample_times(ROOF, 0, 1 << 40)) == [SAMPLE.measured_at]


def test_postgres_write_is_atomic_if_the_connection_is_lost(place):
    with place.open() as store:
        put = store._upsert_rows

        def cut(table, rows):
            put(table, rows)
            store._upsert_rows = put
            with place.outsider(autocommit=True) as outsider:
                outsider.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'heliograph'"
                )

        store._upsert_rows = cut
        store.write(Batch(samples=[SAMPLE], counters={ROOF: {"n": 1}}))
        assert len(store.latest()) == 1
        assert store.counters(ROOF) == {"n": 1}


@pytest.mark.parametrize("size", [2, 60], ids=["one by one", "by COPY"])
def test_postgres_writes_rows_in_key_order_without_deadlock(place, size):
    from concurrent.futures import ThreadPoolExecutor

    rows = [SAMPLE._replace(measured_at=at) for at in range(size)]
    with place.open(patience=30) as store, place.outsider() as other, ThreadPoolExecutor(1) as pool:
        store.write(Batch(samples=rows))
        other.execute("SELECT 1 FROM heliograph.sample WHERE measured_at = 1 FOR UPDATE")
        written = pool.submit(store.write, Batch(samples=rows[::-1]))
        while not place.run("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid'"):
            assert not written.done()
        free = "SELECT measured_at FROM heliograph.sample FOR UPDATE SKIP LOCKED"
        assert [at for (at,) in place.run(free)] == list(range(2, size))
        other.commit()
        written.result()


def test_postgres_write_merges_with_a_concurrent_insert(place):
    from concurrent.futures import ThreadPoolExecutor

    many = [SAMPLE._replace(measured_at=step, values={"pv_power": 1.0}) for step in range(500)]
    with place.open(patience=30) as store, place.outsider() as other, ThreadPoolExecutor(1) as pool:
        store.write(Batch(samples=[SAMPLE]))
        other.execute(
            "INSERT INTO heliograph.sample (series, measured_at, fetched_at, quality, load_power) "
            "SELECT series, 250, 0, 'live', 7 FROM heliograph.sample"
        )
        written = pool.submit(store.write, Batch(samples=many))
        while not place.run("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid'"):
            pass
        other.commit()
        written.result()
        (found,) = store.samples(ROOF, 250, 251)
        assert (found.values["pv_power"], found.values["load_power"]) == (1.0, 7.0)
        assert len(list(store.sample_times(ROOF, 0, 500))) == 500


def test_postgres_write_fails_while_the_server_is_down(server):
    place = DatabasePlace(server.url)
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE]))
        server.stop()
        for _ in range(2):
            with pytest.raises(StoreError, match=r"^PostgreSQL postgres at "):
                store.write(Batch(samples=[SAMPLE._replace(measured_at=1)]))
        server.start()
        store.write(Batch(samples=[SAMPLE._replace(measured_at=2)]))
        assert list(store.sample_times(ROOF, 0, NOON + 1)) == [2, NOON]
    place.empty()


def test_postgres_schema_is_created_once_by_concurrent_programs(place):
    from concurrent.futures import ThreadPoolExecutor

    def work(_):
        with place.open() as store:
            store.write(Batch(samples=[SAMPLE]))
            return everything(store)

    with ThreadPoolExecutor(6) as pool:
        first, *others = pool.map(work, range(6))
    assert others == [first] * 5


def test_postgres_store_uses_its_own_schema_only(place):
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE._replace(measured_at=step) for step in range(500)]))
    made = place.run(
        "SELECT DISTINCT table_schema FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_schema NOT LIKE 'pg_temp%'"
    )
    assert made == [("heliograph",)]


def test_postgres_store_opens_with_a_read_only_role(place):
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE]))
    with place.outsider(autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS heliograph_reader")
        admin.execute("CREATE ROLE heliograph_reader LOGIN")
        admin.execute("GRANT USAGE ON SCHEMA heliograph TO heliograph_reader")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA heliograph TO heliograph_reader")
        try:
            with open_store(f"{place.where}&options=-crole%3Dheliograph_reader") as store:
                assert len(store.latest()) == 1
                with pytest.raises(StoreError, match="permission denied"):
                    store.write(Batch(samples=[SAMPLE]))
        finally:
            admin.execute("DROP OWNED BY heliograph_reader")
            admin.execute("DROP ROLE heliograph_reader")
