"""The tables of events, facts and oddities, in the SQL that both engines support."""

# ruff: noqa: S608 - every name in a statement is a constant
from __future__ import annotations

from heliograph.store.sql_table import SqlTable

EVENT_MIGRATION = (
    """CREATE TABLE event (
        series INTEGER NOT NULL, started_at BIGINT NOT NULL, kind TEXT NOT NULL, code TEXT NOT NULL,
        seen_at BIGINT NOT NULL, ended_at BIGINT, message TEXT, advice TEXT, source TEXT NOT NULL,
        PRIMARY KEY (series, started_at, kind, code)
    ) {clustered}""",
    "CREATE INDEX event_started ON event (started_at)",
    """CREATE TABLE fact (
        series INTEGER NOT NULL, name TEXT NOT NULL, contents TEXT NOT NULL, since BIGINT NOT NULL,
        PRIMARY KEY (series, name)
    ) {clustered}""",
    """CREATE TABLE oddity (
        series INTEGER NOT NULL, what TEXT NOT NULL, example TEXT NOT NULL, times BIGINT NOT NULL,
        seen_at BIGINT NOT NULL, PRIMARY KEY (series, what)
    ) {clustered}""",
)

EVENT_TABLE = SqlTable(
    "event",
    ("series", "started_at", "kind", "code"),
    ("seen_at", "ended_at", "message", "advice", "source"),
    ("seen_at",),
)
FACT_TABLE = SqlTable("fact", ("series", "name"), ("contents", "since"))
ODDITY_TABLE = SqlTable(
    "oddity", ("series", "what"), ("example", "times", "seen_at"), ("seen_at",), summed_columns=("times",)
)
EVENT_TABLES = (EVENT_TABLE, FACT_TABLE, ODDITY_TABLE)

_SERIES = "series.vendor, series.plant, series.device"
_EVENT = ", ".join(f"event.{name}" for name in EVENT_TABLE.columns[1:])
_OF_PLANT = "AND series.vendor = ? AND series.plant = ?"
SELECT_EVENTS = f"""SELECT {_SERIES}, {_EVENT} FROM event JOIN series ON series.id = event.series
    WHERE event.started_at >= ? AND event.started_at < ? ORDER BY event.started_at DESC, event.code LIMIT ?"""
SELECT_EVENTS_OF_PLANT = f"""SELECT {_SERIES}, {_EVENT} FROM series JOIN event ON event.series = series.id
    WHERE event.started_at >= ? AND event.started_at < ? {_OF_PLANT}
    ORDER BY event.started_at DESC, event.code LIMIT ?"""
SELECT_FACTS = f"""SELECT {_SERIES}, fact.name, fact.contents, fact.since
    FROM series JOIN fact ON fact.series = series.id ORDER BY 1, 2, 3, 4"""
SELECT_FACTS_OF_PLANT = f"""SELECT {_SERIES}, fact.name, fact.contents, fact.since
    FROM series JOIN fact ON fact.series = series.id {_OF_PLANT} ORDER BY 1, 2, 3, 4"""
SELECT_ODDITIES = f"""SELECT {_SERIES}, oddity.what, oddity.example, oddity.times, oddity.seen_at
    FROM oddity JOIN series ON series.id = oddity.series ORDER BY oddity.seen_at DESC, 1, 2, 3, 4"""
