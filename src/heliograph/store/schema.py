"""The schema: tables, migrations and statements, in the SQL that both engines support.

Where they differ, a migration contains a placeholder: `{identity}` for an auto-increment key, `{clustered}` for a table
stored in the order of its key.
"""

# ruff: noqa: S608 - every name in a statement is a constant of this module or of `metrics`
from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from heliograph.errors import StoreError
from heliograph.metrics import ENERGIES, METRICS
from heliograph.store.base import MAX_AHEAD, UnreadableRow
from heliograph.store.event_schema import EVENT_MIGRATION, EVENT_TABLES
from heliograph.store.recovery import ROW_ADVICE
from heliograph.store.sql_table import SqlTable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# The metrics when the migrations below were written: a migration never changes.
_METRICS_1 = (
    "pv_power",
    "grid_power",
    "battery_power",
    "load_power",
    "ac_power",
    "battery_soc",
    "pv_energy_today",
    "grid_import_energy_today",
    "grid_export_energy_today",
    "battery_charge_energy_today",
    "battery_discharge_energy_today",
    "load_energy_today",
    "pv_energy_total",
    "grid_import_energy_total",
    "grid_export_energy_total",
    "battery_charge_energy_total",
    "battery_discharge_energy_total",
    "load_energy_total",
)
_COLUMNS_1 = ", ".join(f"{name} DOUBLE PRECISION" for name in _METRICS_1)
_NAMES_1 = ", ".join(_METRICS_1)

MIGRATIONS = (
    (
        f"""CREATE TABLE reading (
            vendor TEXT NOT NULL, plant TEXT NOT NULL, measured_at BIGINT NOT NULL, fetched_at BIGINT NOT NULL,
            status TEXT, {_COLUMNS_1}, PRIMARY KEY (vendor, plant, measured_at)
        ) {{clustered}}""",
    ),
    (
        """CREATE TABLE series (
            id {identity}, vendor TEXT NOT NULL, plant TEXT NOT NULL, device TEXT NOT NULL,
            name TEXT, family TEXT, zone TEXT, UNIQUE (vendor, plant, device)
        )""",
        f"""CREATE TABLE sample (
            series INTEGER NOT NULL, measured_at BIGINT NOT NULL, fetched_at BIGINT NOT NULL,
            quality TEXT NOT NULL, status TEXT, {_COLUMNS_1}, PRIMARY KEY (series, measured_at)
        ) {{clustered}}""",
        """CREATE TABLE day (
            series INTEGER NOT NULL, day DATE NOT NULL, written_at BIGINT NOT NULL,
            quality TEXT NOT NULL, final INTEGER NOT NULL, PRIMARY KEY (series, day)
        ) {clustered}""",
        """CREATE TABLE repair (
            series INTEGER NOT NULL, measured_at BIGINT NOT NULL, metric TEXT NOT NULL,
            raw DOUBLE PRECISION, kept DOUBLE PRECISION, reason TEXT NOT NULL,
            PRIMARY KEY (series, measured_at, metric)
        ) {clustered}""",
        "CREATE TABLE counter (series INTEGER NOT NULL PRIMARY KEY, state TEXT NOT NULL) {clustered}",
        """CREATE TABLE asked (
            series INTEGER NOT NULL, span TEXT NOT NULL, period TEXT NOT NULL,
            outcome TEXT NOT NULL, asked_at BIGINT NOT NULL, PRIMARY KEY (series, span, period)
        ) {clustered}""",
        "INSERT INTO series (vendor, plant, device) SELECT DISTINCT vendor, plant, '' FROM reading",
        f"""INSERT INTO sample (series, measured_at, fetched_at, quality, status, {_NAMES_1})
            SELECT id, measured_at, fetched_at, 'live', status, {_NAMES_1} FROM reading
            JOIN series ON series.vendor = reading.vendor AND series.plant = reading.plant AND device = ''""",
        "DROP TABLE reading",
    ),
    (
        """CREATE TABLE change (
            number BIGINT NOT NULL PRIMARY KEY, series INTEGER NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL
        ) {clustered}""",
        """CREATE TABLE reader (
            name TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, moved_at BIGINT NOT NULL
        ) {clustered}""",
    ),
    (
        """CREATE TABLE poll (
            series INTEGER NOT NULL PRIMARY KEY, polled_at BIGINT NOT NULL, seconds BIGINT NOT NULL,
            next_at BIGINT NOT NULL, reason TEXT NOT NULL, unconfirmed INTEGER NOT NULL
        ) {clustered}""",
    ),
    (
        "ALTER TABLE series ADD COLUMN account TEXT",
        "ALTER TABLE series ADD COLUMN peak_power DOUBLE PRECISION",
    ),
    (
        "CREATE TABLE layout (id {identity}, names TEXT NOT NULL UNIQUE)",
        """CREATE TABLE measurement (
            series INTEGER NOT NULL, measured_at BIGINT NOT NULL, fetched_at BIGINT NOT NULL,
            layout INTEGER NOT NULL, contents TEXT NOT NULL, PRIMARY KEY (series, measured_at)
        ) {clustered}""",
    ),
    (
        """CREATE TABLE import_batch (
            series INTEGER NOT NULL, id TEXT NOT NULL, imported_at BIGINT NOT NULL, source TEXT NOT NULL,
            undone_at BIGINT, PRIMARY KEY (series, id)
        ) {clustered}""",
        """CREATE TABLE imported_energy (
            series INTEGER NOT NULL, day DATE NOT NULL, energy TEXT NOT NULL, kwh DOUBLE PRECISION NOT NULL,
            import_id TEXT NOT NULL, PRIMARY KEY (series, day, energy)
        ) {clustered}""",
    ),
    (
        """CREATE TABLE alarm (
            name TEXT NOT NULL PRIMARY KEY, written_at BIGINT NOT NULL, contents TEXT, response TEXT
        ) {clustered}""",
    ),
    EVENT_MIGRATION,
)
"""The migrations from an empty store to the current schema; the schema version is their number.

Columns of new metrics are added by `add_missing_columns`.
"""


SAMPLE_TABLE = SqlTable(
    "sample", ("series", "measured_at"), ("fetched_at", "quality", "status", *METRICS), ("fetched_at",)
)
MEASUREMENT_TABLE = SqlTable(
    "measurement", ("series", "measured_at"), ("fetched_at", "layout", "contents"), ("fetched_at",)
)
DAY_TABLE = SqlTable("day", ("series", "day"), ("written_at", "quality", "final", *ENERGIES), ("written_at",))
REPAIR_TABLE = SqlTable("repair", ("series", "measured_at", "metric"), ("raw", "kept", "reason"))
COUNTER_TABLE = SqlTable("counter", ("series",), ("state",))
QUERY_TABLE = SqlTable("asked", ("series", "span", "period"), ("outcome", "asked_at"), ("asked_at",))
POLL_TABLE = SqlTable("poll", ("series",), ("polled_at", "seconds", "next_at", "reason", "unconfirmed"))
ALARM_TABLE = SqlTable("alarm", ("name",), ("written_at", "contents", "response"), ("written_at",))

IMPORT_TABLE = SqlTable("import_batch", ("series", "id"), ("imported_at", "source", "undone_at"))
IMPORTED_TABLE = SqlTable("imported_energy", ("series", "day", "energy"), ("kwh", "import_id"))

TABLES = {"series", "change", "reader", "layout"} | {
    table.name
    for table in (
        SAMPLE_TABLE,
        MEASUREMENT_TABLE,
        DAY_TABLE,
        REPAIR_TABLE,
        COUNTER_TABLE,
        QUERY_TABLE,
        POLL_TABLE,
        IMPORT_TABLE,
        IMPORTED_TABLE,
        ALARM_TABLE,
        *EVENT_TABLES,
    )
}
"""All tables of a store."""


@cache
def insert_sql(table: SqlTable, rows: int = 1) -> str:
    """Return the upsert of this number of rows."""
    row = f"({', '.join('?' * len(table.columns))})"
    return table.insert(f"VALUES {', '.join([row] * rows)}")


def add_missing_columns(table: SqlTable, present: Sequence[str]) -> list[str]:
    """Return statements that add the columns of metrics that are newer than the table.

    Raises `UnreadableRow` if a column has another name: no version removes one, so its name was damaged.
    """
    names = [name for name in table.value_columns if name not in present]
    if names and (unknown := sorted(set(present) - set(table.columns))):
        missing = ", ".join(names)
        raise UnreadableRow(f"the table {table.name} has a column {unknown[0]}, and none named {missing}; {ROW_ADVICE}")
    return [f"ALTER TABLE {table.name} ADD COLUMN {name} DOUBLE PRECISION" for name in names]


INSERT_SERIES = "INSERT INTO series (vendor, plant, device) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
SELECT_SERIES_ID = "SELECT id FROM series WHERE vendor = ? AND plant = ? AND device = ?"
_SERIES_INFO = ("name", "family", "zone", "account", "peak_power")
UPDATE_SERIES = f"UPDATE series SET {', '.join(f'{name} = coalesce(?, {name})' for name in _SERIES_INFO)} WHERE id = ?"
SELECT_SERIES = f"SELECT vendor, plant, device, {', '.join(_SERIES_INFO)} FROM series"

INSERT_LAYOUT = "INSERT INTO layout (names) VALUES (?) ON CONFLICT DO NOTHING"
SELECT_LAYOUT_ID = "SELECT id FROM layout WHERE names = ?"

_OF_SERIES = f"WHERE series = ({SELECT_SERIES_ID})"
_BETWEEN = f"{_OF_SERIES} AND measured_at >= ? AND measured_at < ?"
_IN_TURN = f"{_BETWEEN} ORDER BY measured_at LIMIT ?"
SAMPLE_STATE = (
    "CASE WHEN quality = 'live' AND status = 'online' THEN NULL "
    "ELSE coalesce(quality, '') || ' ' || coalesce(status, '') END"
)
"""Quality and status as one column, NULL for the usual ones: a driver makes an object of every text it returns."""
DAY = (
    "CASE WHEN quality = 'live' AND final = 1 THEN CAST(day AS TEXT) "
    "ELSE CAST(day AS TEXT) || ' ' || coalesce(quality, '') || CASE final WHEN 1 THEN ' final' ELSE '' END END"
)
"""A day, followed by its quality and whether it is final if these are not the usual ones."""
_SAMPLE = ", ".join(("measured_at", "fetched_at", SAMPLE_STATE, *METRICS))

_MEASUREMENT = "measurement.measured_at, measurement.fetched_at, layout.names, measurement.contents"
_WITH_LAYOUT = "measurement JOIN layout ON layout.id = measurement.layout"
SELECT_MEASUREMENTS = f"SELECT {_MEASUREMENT} FROM {_WITH_LAYOUT} {_IN_TURN}"
SELECT_LATEST_MEASUREMENTS = f"SELECT {_MEASUREMENT} FROM {_WITH_LAYOUT} {_OF_SERIES} ORDER BY measured_at DESC LIMIT 1"
SELECT_LATEST_MEASUREMENTS_OF_ALL = f"""SELECT vendor, plant, device, {_MEASUREMENT}
    FROM series CROSS JOIN {_WITH_LAYOUT} WHERE measurement.series = series.id
    AND measured_at = (SELECT max(measured_at) FROM measurement WHERE measurement.series = series.id)"""
SELECT_SAMPLE_TIMES = f"SELECT measured_at FROM sample {_IN_TURN}"
COUNT_SAMPLES = f"SELECT count(*) FROM sample {_OF_SERIES}"
SELECT_BOUNDS = f"SELECT min(measured_at), max(measured_at) FROM sample {_BETWEEN}"
# Samples from the future, which earlier versions stored, must not hide later ones.
_NEWEST = f"AND measured_at <= fetched_at + {MAX_AHEAD} ORDER BY measured_at DESC LIMIT 1"
SELECT_LATEST = f"SELECT {_SAMPLE} FROM sample {_OF_SERIES} {_NEWEST}"
# CROSS, so that SQLite begins with the few series and not with the many samples.
SELECT_LATEST_OF_ALL = f"""SELECT vendor, plant, device, {_SAMPLE} FROM series CROSS JOIN sample
    WHERE sample.series = series.id
    AND sample.measured_at = (SELECT measured_at FROM sample WHERE sample.series = series.id {_NEWEST})"""
SELECT_REPAIRS = f"SELECT {', '.join(REPAIR_TABLE.columns[1:])} FROM repair {_BETWEEN} ORDER BY measured_at, metric"
SELECT_COUNTER_STATE = f"SELECT state FROM counter {_OF_SERIES}"
# Numbers continue above the readers' positions after all changes were deleted.
_NUMBERS = "SELECT max(number) AS number FROM change UNION ALL SELECT max(number) FROM reader"
SELECT_NEWEST_CHANGE = f"SELECT coalesce(max(number), 0) FROM ({_NUMBERS}) AS numbers"
SELECT_ANY_READER = "SELECT 1 FROM reader LIMIT 1"
INSERT_CHANGE = f"INSERT INTO change (number, series, since, until) VALUES (({SELECT_NEWEST_CHANGE}) + 1, ?, ?, ?)"
SELECT_CHANGES = """SELECT number, vendor, plant, device, since, until
    FROM change JOIN series ON series.id = change.series WHERE number > ? ORDER BY number LIMIT ?"""
SELECT_READER = "SELECT number FROM reader WHERE name = ?"
UPSERT_READER = """INSERT INTO reader (name, number, moved_at) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET number = excluded.number, moved_at = excluded.moved_at"""
DELETE_STALE_READERS = "DELETE FROM reader WHERE moved_at < ?"
DELETE_CONSUMED_CHANGES = "DELETE FROM change WHERE number <= (SELECT min(number) FROM reader)"
SELECT_POLLS = f"""SELECT vendor, plant, device, {", ".join(POLL_TABLE.value_columns)}
    FROM poll JOIN series ON series.id = poll.series"""
SELECT_POLL = f"{SELECT_POLLS} WHERE vendor = ? AND plant = ? AND device = ?"
# The energies of an undone import are deleted; the repair of a damaged file may bring them back.
_ACTIVE = """imported_energy JOIN import_batch ON import_batch.series = imported_energy.series
    AND import_batch.id = import_id AND undone_at IS NULL"""
SELECT_IMPORTED = f"""SELECT CAST(day AS TEXT), energy, kwh, import_id FROM {_ACTIVE}
    WHERE imported_energy.series = ({SELECT_SERIES_ID}) AND day >= ? AND day <= ? ORDER BY day, energy"""
SELECT_IMPORTS = """SELECT vendor, plant, device, import_batch.id, imported_at, source, undone_at,
    CAST(min(day) AS TEXT), CAST(max(day) AS TEXT), count(day)
    FROM import_batch JOIN series ON series.id = import_batch.series LEFT JOIN imported_energy
    ON imported_energy.series = import_batch.series AND import_id = import_batch.id AND undone_at IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY imported_at, 4"""
DELETE_IMPORTED = "DELETE FROM imported_energy WHERE import_id = ?"
UNDO_IMPORT = "UPDATE import_batch SET undone_at = ? WHERE id = ?"
SELECT_ALARMS = f"SELECT {', '.join(ALARM_TABLE.columns)} FROM alarm ORDER BY name"
SELECT_QUERIES = f"SELECT period, outcome, asked_at FROM asked {_OF_SERIES} AND span = ?"


def select_samples(metrics: Sequence[str]) -> str:
    """Return a query of samples: times, state, and each of these metrics."""
    columns = ", ".join(("measured_at", "fetched_at", SAMPLE_STATE, *_known(metrics, METRICS)))
    return f"SELECT {columns} FROM sample {_IN_TURN}"


def select_days(energies: Sequence[str]) -> str:
    """Return a query of days: `DAY`, time written, and each of these energies."""
    columns = ", ".join((DAY, "written_at", *_known(energies, ENERGIES)))
    return f"SELECT {columns} FROM day {_OF_SERIES} AND day >= ? AND day <= ? ORDER BY day"


def _known(names: Sequence[str], there: Collection[str]) -> Sequence[str]:
    """Return the names, which become part of a statement; raises `StoreError` for an unknown one."""
    for name in names:
        if name not in there:
            raise StoreError(f"there is no metric {name!r}")
    return names


def select_buckets(metrics: Sequence[str]) -> str:
    """Return a query of aggregates: index of the interval, count, and mean, minimum and maximum of each metric."""
    of_each = "".join(f", avg({name}), min({name}), max({name})" for name in _known(metrics, METRICS))
    return f"SELECT (measured_at - ?) / ?, count(*){of_each} FROM sample {_BETWEEN} GROUP BY 1 ORDER BY 1"
