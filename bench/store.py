"""The store beside the bare database on the very same rows. usage: store.py sqlite|postgres ROUNDS

Prints, as JSON, seconds by what was done: writing new rows in batches, reading ten years of days, a week, a year's
stretches; `raw` is the engine alone, with rows already flat and nothing made of what comes back. Times are of the CPU
of this process for SQLite, which does all its work here, and of the wall for a server.
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
MARKS = len(schema.SAMPLE_TABLE.columns)


def samples(first, count, series=SERIES):
    """Rows with every metric known."""
    chance = random.Random(first)
    names = list(METRICS)
    return [
        StoredSample(
            series,
            START + number * STEP,
            START + number * STEP + 70,
            Quality.LIVE,
            Status.ONLINE,
            {name: round(chance.random() * 4000, 1) for name in names},
        )
        for number in range(first, first + count)
    ]


def flat(rows):
    return [(0, row.measured_at, row.fetched_at, "live", "online", *row.values.values()) for row in rows]


class Bare:
    """The engine alone, beside the store in the same database: a table of the same columns."""

    def __init__(self, run, puts, ask, make):
        self.puts, self.ask = puts, ask
        columns = ", ".join(f"{name} DOUBLE PRECISION" for name in METRICS)
        run(
            "CREATE TABLE bare (series INTEGER NOT NULL, measured_at BIGINT NOT NULL, fetched_at BIGINT NOT NULL, "
            f"quality TEXT NOT NULL, status TEXT, {columns}, PRIMARY KEY (series, measured_at)) {make}"
        )

    @classmethod
    def sqlite(cls, path):
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA synchronous = NORMAL")

        def put(rows):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(f"INSERT INTO bare VALUES ({', '.join('?' * MARKS)})", rows)
            database.execute("COMMIT")

        def ask(*what):
            return database.execute(*what).fetchall()

        return cls(database.execute, {"executemany": put}, ask, "WITHOUT ROWID")

    @classmethod
    def postgres(cls, url):
        import psycopg

        database = psycopg.connect(url, autocommit=True)

        def put(rows, binary=False):
            kind = " (FORMAT BINARY)" if binary else ""
            with database.cursor() as cursor, cursor.copy(f"COPY bare FROM STDIN{kind}") as copy:
                if binary:
                    copy.set_types(["int4", "int8", "int8", "text", "text", *["float8"] * len(METRICS)])
                for row in rows:
                    copy.write_row(row)

        def ask(statement, values):
            return database.execute(statement.replace("?", "%s"), values).fetchall()

        return cls(database.execute, {"COPY": put, "binary COPY": partial(put, binary=True)}, ask, "")


def seconds(clock, work):
    start = clock()
    work()
    return clock() - start


def writing(store, bare, clock, rounds):
    """In turn, so that a busy machine disturbs all alike; each turn writes rows that are new."""
    found, first = {}, 0
    for size in BATCHES:
        count = size * max(1, 200 // size)
        turns = []
        for _ in range(rounds):
            rows = samples(first, count)
            parts = [slice(at, at + size) for at in range(0, count, size)]
            batches = [Batch(samples=rows[part]) for part in parts]
            turn = [seconds(clock, partial(each, store.write, batches))]
            for number, put in enumerate(bare.puts.values()):
                raw = [(number, *row[1:]) for row in flat(rows)]
                turn.append(seconds(clock, partial(each, put, [raw[part] for part in parts])))
            turns.append([one / count for one in turn])
            first += count
        found[str(size)] = compared(turns)
    return found


def each(work, things):
    for thing in things:
        work(thing)


def reading(store, bare, clock, rounds):
    """A year of samples and ten of days, of a series of its own."""
    series = SERIES._replace(device="YEAR")
    rows = samples(0, YEAR // STEP, series)
    kwh = dict.fromkeys(schema.ENERGIES, 12.5)
    many = [date(2016, 1, 1) + timedelta(days) for days in range(YEARS_OF_DAYS * 365)]
    days = [Day(series, day, kwh, Quality.LIVE, final=True, written_at=1) for day in many]
    store.write(Batch(samples=rows, days=days))
    week = (START + YEAR // 2, START + YEAR // 2 + WEEK)
    year = (START, START + YEAR)
    next(iter(bare.puts.values()))([(9, *row[1:]) for row in flat(rows)])
    asked = {}
    for names in (schema.ENERGIES, schema.ENERGIES[:1]):
        asked[f"ten years of days, {counted(names)}"] = (
            partial(store.days, series, many[0], many[-1], names),
            partial(bare.ask, schema.select_days(names), (*series, many[0].isoformat(), many[-1].isoformat())),
        )
    for names in ([*METRICS], [*METRICS][:4], [*METRICS][:1]):
        columns = ", ".join(names)
        asked[f"week, {counted(names)}"] = (
            partial(lambda names: list(store.samples(series, *week, names)), names),
            partial(
                bare.ask,
                f"SELECT measured_at, fetched_at, quality, status, {columns} FROM bare "
                "WHERE series = ? AND measured_at >= ? AND measured_at < ? ORDER BY measured_at",
                (9, *week),
            ),
        )
    for name, metrics, length in (("year by day", 1, 86_400), ("year by day", 6, 86_400), ("year by hour", 6, 3600)):
        chosen = [*METRICS][:metrics]
        asked[f"{name}, {counted(chosen)}"] = (
            partial(lambda *what: list(store.buckets(*what)), series, chosen, *year, length),
            partial(bare.ask, schema.select_buckets(chosen), (year[0], length, *series, *year)),
        )
    return {
        name: compared([(seconds(clock, own), seconds(clock, raw)) for _ in range(rounds)])
        for name, (own, raw) in asked.items()
    }


def counted(names):
    return f"{len(names)} metric{'s' if len(names) > 1 else ''}"


def compared(turns):
    """Medians of what was measured in turns, ours first, and how fast ours is beside each of the others."""
    own = [turn[0] for turn in turns]
    others = list(zip(*(turn[1:] for turn in turns), strict=True))
    ratios = [statistics.median(raw / mine for raw, mine in zip(other, own, strict=True)) for other in others]
    return {"own": statistics.median(own), "raw": [statistics.median(other) for other in others], "ratios": ratios}


@contextlib.contextmanager
def place(engine):
    """Give where a store may be made, and the bare engine's way in."""
    if engine == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.sqlite"
            yield path, lambda: Bare.sqlite(path), time.process_time
        return
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from support.postgres_server import Server, programs

    folder = Path(tempfile.mkdtemp(prefix="heliograph-pg-"))
    try:
        server = Server(programs(), folder)
        server.start()
        yield server.url, lambda: Bare.postgres(server.url), time.perf_counter
        server.stop()
    finally:
        shutil.rmtree(folder)


def lines(run, rounds):
    """Return the page's tables; `run` runs a script of this folder and returns what it printed."""
    found = []
    for engine, floors in (("sqlite", ["executemany"]), ("postgres", ["COPY", "binary COPY"])):
        told = run("store.py", engine, str(rounds))
        head = "".join(f" {name}, rows/s | of it |" for name in floors)
        found += ["", f"| {engine}: new rows in batches of | rows/s |{head}", "|---|---|" + "---|---|" * len(floors)]
        for size, one in told["writing"].items():
            beside = "".join(f" {1 / raw:,.0f} | {of:.2f} |" for raw, of in zip(one["raw"], one["ratios"], strict=True))
            found.append(f"| {int(size):,} | {1 / one['own']:,.0f} |{beside}")
        found += ["", f"| {engine}: reading | ms | bare rows, ms |", "|---|---|---|"]
        for name, one in told["reading"].items():
            found.append(f"| {name} | {one['own'] * 1e3:.1f} | {one['raw'][0] * 1e3:.1f} |")
    return found


if __name__ == "__main__":
    with place(sys.argv[1]) as (where, way_in, clock), open_store(where) as store:
        bare = way_in()
        rounds = int(sys.argv[2])
        print(
            json.dumps({"writing": writing(store, bare, clock, rounds), "reading": reading(store, bare, clock, rounds)})
        )
