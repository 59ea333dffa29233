"""The store on a server: its URL and its secrets, its coming and going, its manners in somebody's database."""

import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from heliograph.errors import ConfigError, StoreError
from heliograph.store import open_store
from heliograph.store.contract import Batch
from heliograph.store.postgres import PostgresStore
from heliograph.store.sqlite import SqliteStore
from places import DatabasePlace
from stored import NOON, ROOF, SAMPLE, everything

SECRETS = ("hunter22", "p@ss:w/rd?", "ünï cödé", "a%b%20c'\"\\")


@pytest.fixture
def place(postgres):
    return DatabasePlace(postgres)


@pytest.mark.parametrize(
    "where", ["{}", "sqlite:///{}", pytest.param("~/samples.sqlite", id="home"), pytest.param(Path, id="path")]
)
def test_a_path_is_a_file(where, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = tmp_path / "samples.sqlite"
    with open_store(path if where is Path else where.format(path)) as store:
        assert isinstance(store, SqliteStore)
        assert store.path == path


def test_both_spellings_of_the_url_are_the_server(place):
    with open_store(place.where.replace("postgresql:", "postgres:")) as store:
        assert isinstance(store, PostgresStore)


def test_another_kind_of_database_is_a_mistake_of_the_configuration():
    with pytest.raises(ConfigError, match=r"no store of the kind mysql://") as caught:
        open_store("mysql://solar:hunter22@localhost/solar")
    assert "hunter22" not in str(caught.value)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
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
def test_no_error_holds_the_password(url, secret):
    for written in {secret, quote(secret, safe="")}:
        with pytest.raises((StoreError, ConfigError)) as caught:
            open_store(url.format(written))
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert secret not in said
        assert written not in said


def test_an_error_names_database_and_host():
    with pytest.raises(StoreError, match=r"PostgreSQL solar at 127\.0\.0\.1: .*refused"):
        open_store("postgresql://127.0.0.1:1/solar?connect_timeout=2")


def test_a_connection_that_was_cut_is_made_anew_and_the_write_is_kept(place):
    with place.open() as store:
        for number in range(3):
            with place.outsider(autocommit=True) as outsider:
                outsider.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'heliograph'"
                )
            store.write(Batch(samples=[SAMPLE._replace(measured_at=number)]))
        assert list(store.moments(ROOF, 0, NOON)) == [0, 1, 2]


def test_a_connection_that_is_cut_inside_a_write_leaves_all_of_it_or_nothing(place):
    with place.open() as store:
        put = store._put

        def cut(table, rows):
            put(table, rows)
            store._put = put
            with place.outsider(autocommit=True) as outsider:
                outsider.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'heliograph'"
                )

        store._put = cut
        store.write(Batch(samples=[SAMPLE], counters={ROOF: {"n": 1}}))
        assert len(store.latest()) == 1
        assert store.counters(ROOF) == {"n": 1}


def test_of_two_writers_that_wait_for_each_other_both_are_kept(place):
    with place.open(patience=30) as store, place.outsider() as other:
        store.write(Batch(samples=[SAMPLE, SAMPLE._replace(measured_at=1)]))
        other.execute("SET deadlock_timeout = '60s'")  # so that it is ours that is undone
        other.execute("UPDATE heliograph.sample SET pv_power = 7 WHERE measured_at = 1")
        put, turns = store._put, []

        def meet(table, rows):
            put(table, rows[:1])
            turns.append(place.run("SELECT 1"))
            if len(turns) == 1:
                from threading import Thread

                waiting = Thread(target=finish)
                waiting.start()
                while not place.run("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid'"):
                    pass
            put(table, rows[1:])

        def finish():
            other.execute("UPDATE heliograph.sample SET load_power = 7 WHERE measured_at = %s", (NOON,))
            other.commit()

        store._put = meet
        later = SAMPLE._replace(fetched_at=NOON + 99, values={"grid_power": 1.0})
        store.write(Batch(samples=[later, later._replace(measured_at=1)]))
        assert len(turns) == 2
        assert [(one.values["load_power"], one.values["grid_power"]) for one in store.samples(ROOF, 0, NOON + 1)] == [
            (None, 1.0),
            (7.0, 1.0),
        ]


def test_while_the_server_is_away_each_write_says_so_and_then_it_goes_on(server):
    place = DatabasePlace(server.url)
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE]))
        server.stop()
        for _ in range(2):
            with pytest.raises(StoreError, match=r"^PostgreSQL postgres at "):
                store.write(Batch(samples=[SAMPLE._replace(measured_at=1)]))
        server.start()
        store.write(Batch(samples=[SAMPLE._replace(measured_at=2)]))
        assert list(store.moments(ROOF, 0, NOON + 1)) == [2, NOON]
    place.empty()


def test_programs_that_open_a_new_database_at_once_all_find_their_tables(place):
    from concurrent.futures import ThreadPoolExecutor

    def work(_):
        with place.open() as store:
            store.write(Batch(samples=[SAMPLE]))
            return everything(store)

    with ThreadPoolExecutor(6) as pool:
        first, *others = pool.map(work, range(6))
    assert others == [first] * 5


def test_nothing_is_made_outside_its_own_schema(place):
    with place.open() as store:
        store.write(Batch(samples=[SAMPLE._replace(measured_at=step) for step in range(500)]))
    made = place.run(
        "SELECT DISTINCT table_schema FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_schema NOT LIKE 'pg_temp%'"
    )
    assert made == [("heliograph",)]


def test_whoever_may_only_read_may_open_it(place):
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
