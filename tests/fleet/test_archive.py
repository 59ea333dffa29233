"""Old days become hours and Parquet files; a run that is cut off at any moment loses nothing."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import psycopg
import pyarrow.parquet as pq
import pytest

from heliograph.errors import ConfigError, StoreError
from heliograph.fleet import archive
from heliograph.fleet.archive import archive_old_days
from heliograph.fleet.database import Database
from heliograph.fleet.partitions import add_partitions, day_start
from heliograph.fleet.schema import init
from heliograph.model import Quality, Status
from heliograph.store.base import Batch, Series, SeriesInfo, StoredMeasurements, StoredSample
from heliograph.store.postgres import PostgresStore
from support.fleet_database import Fleet
from support.fleet_run import environment

FIRST = date(2026, 6, 20)
DAY = 86_400
ROOF, INDIA = Series("growatt", "1"), Series("growatt", "2")
INVERTER = Series("growatt", "1", "SN1")
BEFORE = day_start(FIRST + timedelta(days=3))
OLD = ["sample_20260621", "sample_20260622", "sample_older"]
"""The tables of samples that end before `BEFORE`; those of measurements have the same names."""


@pytest.fixture
def store(own_database):
    """A store with partitions from 21 June on and a sample of each quarter of an hour from 20 to 24 June."""
    asyncio.run(_init(own_database))
    with PostgresStore(own_database) as opened:
        opened.write(Batch(series_info=[SeriesInfo(INDIA, zone="Asia/Kolkata")]))
        for day in range(5):
            times = [day_start(FIRST) + day * DAY + at for at in range(0, DAY, 900)]
            samples = [
                StoredSample(
                    one, at, at + 5, Quality.LIVE, Status.ONLINE, {"pv_power": at % 7000.0, "pv_energy_today": 1.5}
                )
                for at in times
                for one in (ROOF, INDIA)
            ]
            measured = [StoredMeasurements(INVERTER, at, at + 5, {"temperature": 41.5}) for at in times]
            opened.write(Batch(samples=samples, measurements=measured))
        yield opened


async def _init(url):
    database = Database(url)
    await init(database, 4)
    await add_partitions(database, FIRST, 6)
    await database.close()


def run_archive(url, folder):
    async def run():
        database = Database(url)
        try:
            return await archive_old_days(database, BEFORE, folder)
        finally:
            await database.close()

    return asyncio.run(run())


def tables(url):
    found = Fleet(url).run("SELECT relname FROM pg_class WHERE relname ~ '^sample_(older|2026)' AND relkind = 'r'")
    return {name for (name,) in found}


def hours_of(store, series, metrics=("pv_power", "pv_energy_today")):
    since = day_start(FIRST) - (1800 if series == INDIA else 3600)
    found = store.buckets(series, metrics, since, day_start(FIRST) + 5 * DAY, 3600)
    # Of the hour in which the first day begins that is still there, only a part is.
    return [one for one in found if not 0 < BEFORE - one.starts_at < 3600]


def test_old_days_are_in_files_and_gone(store, own_database, tmp_path):
    before = list(store.samples(ROOF, 0, 2**40))
    archived = run_archive(own_database, tmp_path)
    assert [one.table for one in archived] == [*OLD, *(name.replace("sample", "measurement") for name in OLD)]
    assert [one.rows for one in archived] == [192, 192, 192, 96, 96, 96]
    assert not tables(own_database) & set(OLD)
    rows = [row for name in OLD for row in pq.read_table(tmp_path / f"{name}.parquet").to_pylist()]
    ours = sorted((row for row in rows if row["plant"] == "1"), key=lambda row: row["measured_at"])
    assert [(int(row["measured_at"].timestamp()), row["pv_power"], row["status"]) for row in ours] == [
        (one.measured_at, one.values["pv_power"], str(one.status)) for one in before if one.measured_at < BEFORE
    ]
    measured = pq.read_table(tmp_path / "measurement_20260621.parquet").to_pylist()
    assert measured[0] == {
        "vendor": "growatt",
        "plant": "1",
        "device": "SN1",
        "series": measured[0]["series"],
        "measured_at": datetime(2026, 6, 21, tzinfo=UTC),
        "fetched_at": datetime(2026, 6, 21, 0, 0, 5, tzinfo=UTC),
        "names": "temperature",
        "contents": "[41.5]",
    }
    assert list(store.samples(ROOF, 0, 2**40)) == [one for one in before if one.measured_at >= BEFORE]
    assert run_archive(own_database, tmp_path) == ()


@pytest.mark.parametrize("series", [ROOF, INDIA])
def test_hours_of_archived_days_stay_readable(store, own_database, tmp_path, series):
    """Also where hours begin half an hour earlier than those of UTC, and so belong to two days."""
    before = hours_of(store, series)
    run_archive(own_database, tmp_path)
    after = hours_of(store, series)
    assert [one.starts_at for one in after] == [one.starts_at for one in before]
    assert [(one.size, one.high) for one in after] == [(one.size, one.high) for one in before]
    assert [one.low[0] for one in after] == [one.low[0] for one in before]
    assert [one.mean[0] for one in after] == pytest.approx([one.mean[0] for one in before], rel=1e-6)


def test_new_samples_of_an_archived_day_are_stored(store, own_database, tmp_path):
    run_archive(own_database, tmp_path)
    late = StoredSample(ROOF, day_start(FIRST) + 300, BEFORE, Quality.LIVE, None, {"pv_power": 1.0})
    store.write(Batch(samples=[late]))
    assert len(list(store.samples(ROOF, 0, BEFORE))) == 1
    assert hours_of(store, ROOF)[0].size == 4  # the fuller hour


@pytest.mark.parametrize("step", ["_write", "_compare"])
def test_run_that_is_killed_is_continued(store, own_database, tmp_path, step):
    program = f"""
import asyncio, os, signal
from heliograph.fleet import archive
from heliograph.fleet.database import Database
from pathlib import Path
work = archive.{step}
async def killed(*values):
    if {step!r} == "_compare":
        os.kill(os.getpid(), signal.SIGKILL)
    partial = Path({str(tmp_path)!r}) / ".sample_20260621.parquet.1.part"
    partial.write_bytes(b"PAR1")
    os.kill(os.getpid(), signal.SIGKILL)
archive.{step} = killed
asyncio.run(archive.archive_old_days(Database({own_database!r}), {BEFORE}, Path({str(tmp_path)!r})))
"""
    before = hours_of(store, ROOF)
    ended = subprocess.run([sys.executable, "-c", program], env=environment(), timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert "sample_20260621" in tables(own_database)
    assert len(hours_of(store, ROOF)) == len(before)
    archived = run_archive(own_database, tmp_path)
    assert [one.rows for one in archived] == [192, 192, 192, 96, 96, 96]
    assert pq.read_metadata(tmp_path / "sample_20260621.parquet").num_rows == 192


def test_file_with_other_rows_is_not_replaced_and_the_table_is_kept(store, own_database, tmp_path):
    run_archive_of = tmp_path / "sample_20260621.parquet"
    run_archive_of.write_bytes(b"another fleet's")
    with pytest.raises(StoreError, match="has not the rows of the table sample_20260621, which is kept"):
        run_archive(own_database, tmp_path)
    assert run_archive_of.read_bytes() == b"another fleet's"
    assert "sample_20260621" in tables(own_database)
    run_archive_of.unlink()
    assert len(run_archive(own_database, tmp_path)) == 6


def test_file_that_the_disk_returns_wrongly_keeps_the_table(store, own_database, tmp_path, monkeypatch):
    write = archive._write

    async def flipped(path, *values):
        await write(path, *values)
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(data)

    monkeypatch.setattr(archive, "_write", flipped)
    with pytest.raises(StoreError, match="is kept"):
        run_archive(own_database, tmp_path)
    assert "sample_20260621" in tables(own_database)


def test_folder_that_cannot_be_written_changes_nothing(store, own_database, tmp_path):
    with pytest.raises(ConfigError, match=r"--archive .*missing cannot be written: No such file"):
        run_archive(own_database, tmp_path / "missing")
    assert set(OLD) <= tables(own_database)


def test_partition_that_a_reader_holds_is_archived_later(store, own_database, tmp_path, monkeypatch):
    monkeypatch.setattr("heliograph.fleet.partitions._LOCK_SECONDS", 0.05)
    with psycopg.connect(own_database) as reader:
        reader.execute("SELECT FROM heliograph.sample LIMIT 1")
        with pytest.raises(StoreError, match="lock timeout"):
            run_archive(own_database, tmp_path)
    assert len(run_archive(own_database, tmp_path)) == 6


def test_jobs_command_archives_days(store, own_database, tmp_path):
    command = [sys.executable, "-m", "heliograph", "fleet", "jobs", "--once", "--archive", str(tmp_path)]
    env = environment() | {"HELIOGRAPH_FLEET": own_database}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert f"192 rows of sample_20260621 in {tmp_path}" in " ".join(done.stdout.split())
    refused = subprocess.run(
        [*command, "--keep", "7"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert "--keep must be at least 56 days, got 7" in refused.stderr
