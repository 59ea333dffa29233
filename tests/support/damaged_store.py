"""A store with every kind of row, and ways to damage its file."""

import sqlite3
from contextlib import closing
from datetime import date

from heliograph.model import Quality
from heliograph.store.base import Batch, Day, ImportBatch, ImportedEnergy, QueryRecord, Repair, Series, SeriesInfo
from heliograph.store.sqlite import SqliteStore
from support.store_rows import NOON, ROOF, SAMPLE

STEP = 300
ROWS = 3000
CAR = Series("goodwe", "car", "ß-7")


def sample(number, series=ROOF):
    at = NOON + STEP * number
    return SAMPLE._replace(
        series=series, measured_at=at, fetched_at=at + 60, values={**SAMPLE.values, "pv_power": float(number)}
    )


def fill(path, rows=ROWS):
    """Write a store of two series with every kind of row."""
    with SqliteStore(path) as store:
        store.write(
            Batch(
                series_info=[SeriesInfo(ROOF, "Roof", None, "Europe/Berlin"), SeriesInfo(CAR, "Car", "ET", None)],
                counters={ROOF: {"today": {"pv": [1.5, "x" * 3000]}}, CAR: {}},
                days=[
                    Day(ROOF, date(2026, 1, 1 + n), {"pv_energy": n + 0.5}, Quality.LIVE, True, n) for n in range(28)
                ],
                queries=[QueryRecord(ROOF, "curve", f"2026-01-{n:02}", "data", n) for n in range(1, 29)],
                imports=[ImportBatch(ROOF, "20260101-000000", NOON, "years.csv")],
                imported=[
                    ImportedEnergy(ROOF, date(2025, 1, 1 + n), "pv_energy", n + 0.25, "20260101-000000")
                    for n in range(28)
                ],
                repairs=[Repair(ROOF, NOON + n, "pv_power", 1e9, None, "implausible") for n in range(9)],
            )
        )
        store.save_reader_position("influx", 0, NOON)
        for start in range(0, rows, 500):
            store.write(Batch(samples=[sample(n, s) for n in range(start, start + 500) for s in (ROOF, CAR)]))
        store.save_reader_position("influx", 5, NOON)


def root_page(path, table):
    with closing(sqlite3.connect(path)) as database:
        ((page,),) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,))
        return page


def overwrite(path, page, data=None, offset=0):
    """Damage one page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + offset)
        file.write(data or b"\xee" * 4096)


def damage_samples(path):
    """Damage the root of the samples: SQLite reads and writes none any more, but each is still there."""
    root = root_page(path, "sample")
    page = path.read_bytes()[(root - 1) * 4096 : root * 4096]
    assert page[0] == 2  # an interior page
    pointers = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(int.from_bytes(page[3:5], "big"))]
    for place in (8, *pointers):
        overwrite(path, root, b"\xff" * 4, place)
