"""Benchmark of the store beside the bare database, with the same rows. usage: store.py sqlite|postgres ROUNDS

Prints seconds as JSON, by operation: writing new rows in batches; reading ten years of days, a week, and the buckets of
a year. `bare` is the database alone, in the same file or database and with the same durability: it inserts prepared
tuples, in one transaction per batch, into a table of the same columns and key, and does not convert results. The store
merges rows by key instead of inserting them, and looks for readers of the change feed. Store and database take turns in
changing order. SQLite is measured in CPU time, because it works in this process; PostgreSQL in wall time.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from heliograph.metrics import METRICS
from heliograph.model import Quality, Status
from heliograph.store import open_store, schema
from heliograph.store.base import Batch, Day, Series, StoredSample

BATCHES = (1, 12, 100, 10_000)
SERIES = Series("growatt", "11", "TLX1")
START, STEP = 1_700_000_100, 300
WEEK, YEAR = 7 * 86_400, 365 * 86_400
YEARS_OF_DAYS = 10
COLUMN_COUNT = len(schema.SAMPLE_TABLE.columns)


def samples(first, count, series=SERIES):
    """Return rows with a value for every metric."""
    rng = random.Random(first)
    names = list(METRICS)
    return [
        StoredSample(
            series,
            START + number * STEP,
            START + number * STEP + 70,
            Quality.LIVE,
            Status.ONLINE,
            {name: round(rng.random() * 4000, 1) for name in names},
        )
        for number in range(first, first + count)
    ]


def flatten(rows):
    return [(0, row.measured_at, row.fetched_at, "live", "online", *row.values.values()) for row in rows]


class BareDatabase:
    """The database without the store: a table of the same columns, in the same database as the store."""

    def __init__(self, execute, inserts, query, table_options, checkpoint):
        self.inserts, self.query, self.checkpoint = inserts, query, checkpoint
        columns = ", ".join(f"{name} DOUBLE PRECISION" for name in METRICS)
        execute(
            "CREATE TABLE bare (series INTEGER NOT NULL, measured_at BIGINT NOT NULL, fetched_at BIGINT NOT NULL, "
            f"quality TEXT NOT NULL, status TEXT, {columns}, PRIMARY KEY (series, measured_at)) {table_options}"
        )

    @classmethod
    def sqlite(cls, path):
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA synchronous = NORMAL")

        def insert(rows):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(f"INSERT INTO bare VALUES ({', '.join('?' * COLUMN_COUNT)})", rows)
            database.execute("COMMIT")

        def query(*arguments):
            return database.execute(*arguments).fetchall()

        checkpoint = partial(query, "PRAGMA wal_checkpoint")
        return cls(database.execute, {"executemany": insert}, query, "WITHOUT ROWID", checkpoint)

    @classmethod
    def postgres(cls, url):
        import psycopg

        database = psycopg.connect(url, autocommit=True)

        def insert(rows, binary=False):
            options = " (FORMAT BINARY)" if binary else ""
            with database.cursor() as cursor, cursor.copy(f"COPY bare FROM STDIN{options}") as copy:
                if binary:
                    copy.set_types(["int4", "int8", "int8", "text", "text", *["float8"] * len(METRICS)])
                for row in rows:
                    copy.write_row(row)

        def query(statement, values):
            return database.execute(statement.replace("?", "%s"), values).fetchall()

        inserts = {"COPY": insert, "binary COPY": partial(insert, binary=True)}
        return cls(database.execute, inserts, query, "", partial(database.execute, "CHECKPOINT"))


def take_turns(clock, operations, first, prepare=None):
    """Return the seconds of each operation; begin with another one each time, which finds the caches cold.

    `prepare` is called before each with its place.
    """
    times = [0.0] * len(operations)
    for number in range(first, first + len(operations)):
        place = number % len(operations)
        if prepare is not None:
            prepare(place)
        start = clock()
        operations[place]()
        times[place] = clock() - start
    return times


def measure_writes(store, bare, clock, rounds):
    """Measure inserts of new rows."""
    results, first = {}, 0
    for size in BATCHES:
        count = size * max(1, 200 // size)
        turns = [
            write_turn(store, bare, clock, turn, size, range(first + turn * count, first + (turn + 1) * count))
            for turn in range(rounds)
        ]
        results[str(size)] = compare(turns)
        first += rounds * count
    return results


def write_turn(store, bare, clock, turn, size, numbers):
    """Return the seconds per row of each, for new rows with these numbers in batches of this size."""
    writes = [store.write, *bare.inserts.values()]
    inputs = [[] for _ in writes]

    def prepare(place):
        # Otherwise one of them writes the pages of all to the database file, at random.
        bare.checkpoint()
        # Made now, as a poll makes them: rows that were made earlier may have left the processor's caches.
        rows = samples(numbers.start, len(numbers))
        table = [(place, *row[1:]) for row in flatten(rows)]
        parts = [slice(start, start + size) for start in range(0, len(rows), size)]
        inputs[place][:] = [Batch(samples=rows[part]) if place == 0 else table[part] for part in parts]

    operations = [partial(for_each, write, items) for write, items in zip(writes, inputs, strict=True)]
    return [seconds / len(numbers) for seconds in take_turns(clock, operations, turn, prepare)]


def for_each(function, items):
    for item in items:
        function(item)


def measure_reads(store, bare, clock, rounds):
    """Measure queries over a year of samples and ten years of days, in a separate series."""
    series = SERIES._replace(device="YEAR")
    rows = samples(0, YEAR // STEP, series)
    kwh = dict.fromkeys(schema.ENERGIES, 12.5)
    dates = [date(2016, 1, 1) + timedelta(days) for days in range(YEARS_OF_DAYS * 365)]
    days = [Day(series, day, kwh, Quality.LIVE, final=True, written_at=1) for day in dates]
    store.write(Batch(samples=rows, days=days))
    week = (START + YEAR // 2, START + YEAR // 2 + WEEK)
    year = (START, START + YEAR)
    insert = next(iter(bare.inserts.values()))
    insert([(9, *row[1:]) for row in flatten(rows)])
    no_battery = SERIES._replace(device="NO BATTERY")
    gaps = {name: None for name in METRICS if name.startswith("battery")}
    rows = [
        row._replace(series=no_battery, values=row.values | gaps)
        for row in rows
        if week[0] <= row.measured_at < week[1]
    ]
    store.write(Batch(samples=rows))
    insert([(10, *row[1:]) for row in flatten(rows)])
    operations = {}
    for names in (schema.ENERGIES, schema.ENERGIES[:1]):
        operations[f"ten years of days, {metric_count(names)}"] = (
            partial(store.days, series, dates[0], dates[-1], names),
            partial(
                bare.query,
                f"SELECT CAST(day AS TEXT), written_at, quality, final, {', '.join(names)} FROM day "
                "WHERE series = (SELECT id FROM series WHERE vendor = ? AND plant = ? AND device = ?) "
                "AND day >= ? AND day <= ? ORDER BY day",
                (*series, dates[0].isoformat(), dates[-1].isoformat()),
            ),
        )
    for label, one, number, names in (
        ("week", series, 9, [*METRICS]),
        ("week without battery", no_battery, 10, [*METRICS]),
        ("week", series, 9, [*METRICS][:4]),
        ("week", series, 9, [*METRICS][:1]),
    ):
        columns = ", ".join(names)
        operations[f"{label}, {metric_count(names)}"] = (
            partial(lambda *arguments: list(store.samples(*arguments)), one, *week, names),
            partial(
                bare.query,
                f"SELECT measured_at, fetched_at, quality, status, {columns} FROM bare "
                "WHERE series = ? AND measured_at >= ? AND measured_at < ? ORDER BY measured_at",
                (number, *week),
            ),
        )
    for name, metrics, length in (("year by day", 1, 86_400), ("year by day", 6, 86_400), ("year by hour", 6, 3600)):
        names = [*METRICS][:metrics]
        operations[f"{name}, {metric_count(names)}"] = (
            partial(lambda *arguments: list(store.buckets(*arguments)), series, names, *year, length),
            partial(bare.query, schema.select_buckets(names), (year[0], length, *series, *year)),
        )
    return {
        name: compare([take_turns(clock, pair, turn) for turn in range(rounds)]) for name, pair in operations.items()
    }


def metric_count(names):
    return f"{len(names)} metric{'s' if len(names) > 1 else ''}"


def compare(turns):
    """Return the medians of `turns`, the store's time first in each, and the store's speed relative to the others."""
    store, *others = zip(*turns, strict=True)
    ratios = [statistics.median(bare / own for bare, own in zip(other, store, strict=True)) for other in others]
    return {"store": statistics.median(store), "bare": [statistics.median(other) for other in others], "ratios": ratios}


@contextlib.contextmanager
def open_database(engine):
    """Yield the path or URL of an empty database, a function that connects to it directly, and the clock to use."""
    if engine == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.sqlite"
            yield path, lambda: BareDatabase.sqlite(path), time.process_time
        return
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from support.postgres_server import Server, programs

    folder = Path(tempfile.mkdtemp(prefix="heliograph-pg-"))
    try:
        server = Server(programs(), folder)
        server.start()
        yield server.url, lambda: BareDatabase.postgres(server.url), time.perf_counter
        server.stop()
    finally:
        shutil.rmtree(folder)


def tables(run, rounds):
    """Return the lines of the tables; `run` runs a script of this folder and returns the JSON it prints."""
    lines = []
    for engine, inserts in (("sqlite", ["executemany"]), ("postgres", ["COPY", "binary COPY"])):
        results = run("store.py", engine, str(rounds))
        head = "".join(f" {name}, rows/s | of it |" for name in inserts)
        lines += ["", f"| {engine}: new rows in batches of | rows/s |{head}", "|---|---|" + "---|---|" * len(inserts)]
        for size, result in results["writing"].items():
            pairs = zip(result["bare"], result["ratios"], strict=True)
            cells = "".join(f" {1 / bare:,.0f} | {ratio:.2f} |" for bare, ratio in pairs)
            lines.append(f"| {int(size):,} | {1 / result['store']:,.0f} |{cells}")
        lines += ["", f"| {engine}: reading | ms | bare rows, ms | times bare |", "|---|---|---|---|"]
        for name, result in results["reading"].items():
            milliseconds = f"{result['store'] * 1e3:.1f} | {result['bare'][0] * 1e3:.1f}"
            lines.append(f"| {name} | {milliseconds} | {1 / result['ratios'][0]:.2f} |")
    return lines


if __name__ == "__main__":
    with open_database(sys.argv[1]) as (location, connect, clock), open_store(location) as store:
        arguments = store, connect(), clock, int(sys.argv[2])
        print(json.dumps({"writing": measure_writes(*arguments), "reading": measure_reads(*arguments)}))
