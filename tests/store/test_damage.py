"""A damaged SQLite store: found, left as it is, continued in a recovery file, and repaired."""

import hashlib
import logging
import os
import random
import signal
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from heliograph.errors import StoreError, StoreMissing
from heliograph.model import Quality
from heliograph.store import open_store
from heliograph.store.base import Batch, QueryRecord
from heliograph.store.recovery import numbers_of_files, recovery_file
from heliograph.store.repair import repair_store
from heliograph.store.salvage import Salvage
from heliograph.store.sqlite import SqliteStore, unclean_marker
from heliograph.store.sqlite_pages import PageReader
from support.damaged_store import CAR, ROWS, STEP, damage_samples, fill, overwrite, sample
from support.store_rows import NOON, ROOF, everything

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "solar ö" / "samples.sqlite"
    fill(path)
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def times(path, series=ROOF):
    with open_store(path, create=False) as store:
        return list(store.sample_times(series, 0, 1 << 40))


def test_page_reader_reads_what_sqlite_reads(path):
    with SqliteStore(path, follow=False) as copy, closing(PageReader(path)) as pages:
        expected = everything(copy)
        rows = Salvage(pages)
        new = path.with_name("new.sqlite")
        with SqliteStore(new) as target:
            for batch in rows.batches():
                target.write(batch)
            assert everything(target) == expected
    assert (pages.unreadable, rows.unknown) == (0, 0)


def test_page_reader_reads_committed_pages_of_the_log(path):
    with SqliteStore(path) as store:
        store._run("PRAGMA wal_autocheckpoint = 0")
        store.write(Batch(samples=[sample(ROWS + n) for n in range(500)]))
        store._database.execute("BEGIN")
        store._database.execute("DELETE FROM sample")
        with closing(PageReader(path)) as pages:
            found = [row for batch in Salvage(pages).batches() for row in batch.samples if row.series == ROOF]
        store._database.execute("ROLLBACK")
    assert {row.measured_at for row in found} == {NOON + STEP * n for n in range(ROWS + 500)}


def test_page_reader_survives_any_bytes(tmp_path):
    fill(path := tmp_path / "samples.sqlite", 500)
    chance, whole = random.Random(11), path.read_bytes()
    for turn in range(9):
        data = bytearray(whole)
        for _ in range(200):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        hurt = tmp_path / f"{turn}.sqlite"
        hurt.write_bytes(bytes(data[: chance.randrange(len(data))] if turn % 3 == 0 else data))
        with closing(PageReader(hurt)) as pages, SqliteStore(tmp_path / f"{turn}.new") as target:
            for batch in Salvage(pages).batches():
                target.write(batch)
            assert all(one.values["battery_soc"] is None or one.values["battery_soc"] <= 100 for one in target.latest())


def test_write_to_damaged_file_goes_to_recovery_file(path, caplog):
    damage_samples(path)
    before = digest(path)
    with open_store(path) as store:
        store.claim(["me"])
        store.write(Batch(samples=[sample(ROWS)]))
        assert store.damaged_file == path
        assert [one.measured_at for one in store.latest(ROOF)] == [NOON + STEP * ROWS]
        # What the collector needs is there: counters, days, and which periods were queried.
        assert store.counters(ROOF) == {"today": {"pv": [1.5, "x" * 3000]}}
        assert len(store.queries(ROOF, "curve")) == 28
        assert len(store.days(ROOF, date.min, date.max)) == 28
        assert store.reader_position("influx") == 5
    assert digest(path) == before
    (record,) = [one.msg.facts for one in caplog.records if one.msg.facts["event"] == "store.damaged"]
    assert record["path"] == path
    assert "malformed" in record["why"]
    assert record["advice"] == f"stop the collector, then run: heliograph doctor --repair --store '{path}'"
    with open_store(path) as again:
        assert again.damaged_file == path


def test_readers_follow_the_writer_to_the_recovery_file(path):
    with open_store(path, create=False) as reader:
        assert reader.damaged_file is None
        damage_samples(path)
        with open_store(path) as store:
            store.claim(["me"])
            store.write(Batch(samples=[sample(ROWS)]))
        assert [one.measured_at for one in reader.latest(ROOF)] == [NOON + STEP * ROWS]
        assert reader.damaged_file == path


def test_reader_of_damaged_file_starts_no_recovery(path):
    with SqliteStore(path) as store:
        store.claim(["me"])
    damage_samples(path)
    with open_store(path, create=False) as reader, pytest.raises(StoreError, match="run: heliograph doctor --repair"):
        reader.latest(ROOF)
    assert numbers_of_files(path) == [0]


@pytest.mark.parametrize("collected", [True, False])
def test_damaged_header_starts_recovery_only_of_a_collected_store(path, collected):
    if collected:
        with SqliteStore(path) as store:
            store.claim(["me"])
    overwrite(path, 1, b"\0" * 40)
    if not collected:
        with pytest.raises(StoreError, match="not a store"):
            open_store(path)
        assert numbers_of_files(path) == [0]
        return
    with open_store(path) as store:
        store.claim(["me"])
        store.write(Batch(samples=[sample(ROWS)]))
    assert numbers_of_files(path) == [0, 1]
    assert repair_store(path, NOW).samples == 2 * ROWS + 1


def test_damaged_recovery_file_gets_a_successor_and_repair_merges_all(path):
    damage_samples(path)
    for number in range(2):
        with open_store(path) as store:
            store.claim(["me"])
            store.write(
                Batch(samples=[sample(ROWS + number), *(sample(ROWS, CAR._replace(device=str(n))) for n in range(99))])
            )
        if number == 0:
            damage_samples(recovery_file(path, 1))
    assert numbers_of_files(path) == [0, 1, 2]
    report = repair_store(path, NOW)
    assert numbers_of_files(path) == [0]
    assert times(path) == [NOON + STEP * number for number in range(ROWS + 2)]
    assert report.samples == 2 * ROWS + 2 + 99
    assert [one.damage is None for one in report.files] == [False, False, True]


@pytest.mark.parametrize("clean", [True, False])
def test_claim_checks_the_file_only_after_an_unclean_end(path, caplog, clean):
    caplog.set_level(logging.INFO)
    with SqliteStore(path) as store:
        store.claim(["me"])
        assert unclean_marker(path).exists()
    assert not unclean_marker(path).exists()
    if not clean:
        unclean_marker(path).touch()
    overwrite(path, path.stat().st_size // 4096 - 3)
    with SqliteStore(path) as store:
        store.claim(["me"])
        if not clean:
            store._check._thread.join(60)
        store.series()
        assert (store.damaged_file is None) is clean
    assert not unclean_marker(path).exists()


def test_interrupted_check_is_repeated_by_the_next_collector(path, monkeypatch):
    unclean_marker(path).touch()

    def interrupted(_):
        raise sqlite3.OperationalError("interrupted")

    monkeypatch.setattr("heliograph.store.recovery.integrity_check", interrupted)
    with SqliteStore(path) as store:
        store.claim(["me"])
    assert unclean_marker(path).exists()


def test_repair_of_sound_store_changes_nothing(path):
    before = sorted(file.name for file in path.parent.iterdir()), digest(path)
    report = repair_store(path, NOW)
    assert report.files == ()
    assert (sorted(file.name for file in path.parent.iterdir()), digest(path)) == (
        sorted({*before[0], "samples.sqlite.collector"}),
        before[1],
    )
    with pytest.raises(StoreMissing):
        repair_store(path.with_name("other.sqlite"), NOW)


def test_repair_merges_and_keeps_the_original(path):
    damage_samples(path)
    before = digest(path)
    with open_store(path) as store:
        store.claim(["me"])
        store.write(Batch(samples=[sample(n) for n in range(ROWS, ROWS + 10)]))
        with pytest.raises(StoreError, match="a collector is using it; stop it"):
            repair_store(path, NOW)
    report = repair_store(path, NOW)
    assert times(path) == [NOON + STEP * number for number in range(ROWS + 10)]
    assert report.samples == 2 * ROWS + 10
    (aside,) = [name for name in report.set_aside if "recovery" not in name]
    assert aside == "samples.sqlite.damaged-20261128-120000"
    assert digest(path.with_name(aside)) == before
    with open_store(path) as store:
        assert store.damaged_file is None
        assert store.reader_position("influx") == 5
        store.claim(["me"])
        store.write(Batch(samples=[sample(ROWS + 10)]))
    assert repair_store(path, NOW).files == ()


def test_repair_restores_a_column_whose_name_is_damaged(path):
    with SqliteStore(path, follow=False) as store:
        expected = everything(store)
    with closing(sqlite3.connect(path)) as outsider, outsider:
        outsider.execute("PRAGMA writable_schema = ON")
        outsider.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'grid_power', 'grid_qower') WHERE name = 'sample'"
        )
    with pytest.raises(StoreError, match="heliograph doctor --repair"), open_store(path) as store:
        store.latest()
    repair_store(path, NOW)
    with SqliteStore(path, follow=False) as store:
        assert everything(store) == expected


def test_repair_finds_rows_that_no_version_wrote(path):
    with closing(sqlite3.connect(path)) as outsider, outsider:
        outsider.execute("UPDATE sample SET quality = 'l1ve' WHERE measured_at = ?", (NOON + STEP,))
        outsider.execute("UPDATE day SET day = 'tomorrow' WHERE day = '2026-01-03'")
    with open_store(path) as store, pytest.raises(StoreError, match="heliograph doctor --repair"):
        list(store.samples(ROOF, 0, 1 << 40))
    report = repair_store(path, NOW)
    assert "l1ve" in report.files[0].damage
    assert report.samples == 2 * ROWS
    with open_store(path) as store:
        assert len(store.days(ROOF, date.min, date.max)) == 27
        # The sample with the damaged word is kept, and never shown as live.
        found = [one.quality for one in store.samples(ROOF, NOON, NOON + 2 * STEP)]
        assert found == [Quality.LIVE, Quality.BACKFILLED]


def test_repair_removes_history_queries_that_no_version_wrote(tmp_path):
    path = tmp_path / "samples.sqlite"
    records = [QueryRecord(ROOF, "curve", f"2026-01-0{day}", "data", NOON) for day in (1, 2, 3)]
    with SqliteStore(path) as store:
        store.write(Batch(queries=records))
    with closing(sqlite3.connect(path)) as outsider, outsider:
        outsider.execute("UPDATE asked SET outcome = 'maybe' WHERE period = '2026-01-01'")
        outsider.execute("UPDATE asked SET asked_at = 'once' WHERE period = '2026-01-02'")
    with open_store(path) as store, pytest.raises(StoreError, match="heliograph doctor --repair"):
        store.queries(ROOF, "curve")
    repair_store(path, NOW)
    with open_store(path) as store:
        assert store.queries(ROOF, "curve") == {"2026-01-03": records[2]}


def test_repair_of_anything_else_changes_nothing(tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Ada, " * 1000)
    with pytest.raises(StoreError, match="nothing was changed"):
        repair_store(letter, NOW)
    assert letter.read_text() == "Dear Ada, " * 1000
    assert {file.name for file in tmp_path.iterdir()} == {"letter.txt", "letter.txt.collector"}


def test_open_store_follows_the_repair(path):
    damage_samples(path)
    with open_store(path) as store:
        store.claim(["me"])
        store.write(Batch(samples=[sample(ROWS)]))
    with open_store(path, create=False) as reader, open_store(path) as backfill:
        assert reader.damaged_file == backfill.damaged_file == path
        repair_store(path, NOW)
        assert len(list(reader.sample_times(ROOF, 0, 1 << 40))) == ROWS + 1
        backfill.write(Batch(samples=[sample(ROWS + 1)]))
        assert len(list(reader.sample_times(ROOF, 0, 1 << 40))) == ROWS + 2
        assert reader.damaged_file is None
    assert len(times(path)) == ROWS + 2


def repair_until_killed(path, steps):
    """Repair in a process that is killed before this step; return whether it finished."""
    child = os.fork()
    if child == 0:
        left = [steps]

        def counted(work):
            def step(file, *arguments, **options):
                left[0] -= not isinstance(file, Path) or file.exists()
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return work(file, *arguments, **options)

            return step

        Path.rename, Path.unlink = counted(Path.rename), counted(Path.unlink)
        SqliteStore.write = counted(SqliteStore.write)
        repair_store(path, NOW)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_repair_killed_at_every_step_loses_nothing(tmp_path):
    path = tmp_path / "samples.sqlite"
    fill(path, rows := 500)
    damage_samples(path)
    with open_store(path) as store:
        store.claim(["me"])
        store.write(Batch(samples=[sample(rows)]))
    whole, steps, done = {file.name: file.read_bytes() for file in path.parent.iterdir()}, 0, False
    while not done:
        folder = tmp_path / str(steps)
        folder.mkdir()
        for name, data in whole.items():
            (folder / name).write_bytes(data)
        copy = folder / path.name
        done = repair_until_killed(copy, steps)
        # A collector may start in between; it continues with what is there.
        with open_store(copy) as store:
            store.claim(["me"])
            store.write(Batch(samples=[sample(rows + 1)]))
            assert NOON + STEP * rows in set(store.sample_times(ROOF, 0, 1 << 40))
        repair_store(copy, NOW)
        assert times(copy) == [NOON + STEP * number for number in range(rows + 2)]
        assert numbers_of_files(copy) == [0]
        steps += 1
    assert steps > 12
