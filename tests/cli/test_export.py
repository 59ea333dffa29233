"""The command `export`: same rows in every format, complete files, and no formulas for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from heliograph.cli import export as exporting
from heliograph.cli.formats import escape_formulas
from heliograph.cli.main import run
from heliograph.history import read_history
from heliograph.metrics import METRICS
from heliograph.model import Quality
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, Series, SeriesInfo, StoredMeasurements, StoredSample

BERLIN = ZoneInfo("Europe/Berlin")
ROOF, BARN = Series("growatt", "11"), Series("goodwe", "b-1")
EVIL = '=HYPERLINK("http://example.com","roof")'


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp())


@pytest.fixture
def home(place):
    """A store with a plant whose name is a formula: samples at the end of summer time, and three days."""
    start = at("2026-10-25T01:00")
    rows = [
        StoredSample(
            ROOF, start + n * 300 + 5, start, Quality.LIVE, None, {"pv_power": -float(n), "pv_energy_total": 7000.25}
        )
        for n in range(36)
    ]
    days = [Day(ROOF, date(2026, 10, n), {"pv_energy": float(n)}, Quality.LIVE, n < 26, 1) for n in (24, 25, 26)]
    with place.open() as store:
        store.write(Batch(series_info=[SeriesInfo(ROOF, EVIL, None, "Europe/Berlin")], samples=rows, days=days))
    return place


@pytest.fixture
def run_export(home, capfdbinary):
    """Run the command on the store and return its exit code, stdout and stderr."""

    def run_and_capture(*words):
        code = run(["export", *words, "--store", str(home.where)])
        out, err = capfdbinary.readouterr()
        return code, out, err.decode()

    return run_and_capture


def table(out):
    return list(csv.DictReader(io.StringIO(out.decode())))


def test_export_csv_has_one_row_per_interval_and_empty_gaps(run_export):
    code, out, err = run_export("--from", "2026-10-25", "--to", "2026-10-25")
    assert (code, err) == (0, "")
    rows = table(out)
    assert len(rows) == 36
    assert list(rows[0]) == ["time_utc", "vendor", "plant", "name", *METRICS]
    assert rows[0]["time_utc"] == "2026-10-24T23:00:00Z"
    assert (rows[1]["pv_power"], rows[1]["load_power"], rows[1]["pv_energy_total"]) == ("-1.0", "", "7000.25")


def test_export_local_time_has_offset_in_repeated_hour(run_export):
    _, out, _ = run_export("--resolution", "hour", "--time", "local", "--metrics", "pv_power")
    assert [row["time_local"] for row in table(out)] == [
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
    ]


def test_export_days_are_energies_with_final_flag(run_export):
    _, out, _ = run_export("--resolution", "day", "--metrics", "pv_energy,load_energy")
    assert [list(row.values())[0:1] + list(row.values())[4:] for row in table(out)] == [
        ["2026-10-24", "24.0", "", "true"],
        ["2026-10-25", "25.0", "", "true"],
        ["2026-10-26", "26.0", "", "false"],
    ]


def test_export_jsonl_has_null_for_gaps(run_export):
    _, out, _ = run_export("--format", "jsonl", "--metrics", "pv_power,load_power")
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows[2] == {
        "time_utc": "2026-10-24T23:10:00Z",
        "vendor": "growatt",
        "plant": "11",
        "name": EVIL,
        "pv_power": -2.0,
        "load_power": None,
    }


@pytest.mark.parametrize("export_format", ["csv", "jsonl"])
def test_export_has_at_most_three_decimals(export_format, run_export, home):
    third = StoredSample(ROOF, at("2026-10-25T03:30"), 1, Quality.LIVE, None, {"pv_power": 1000 / 3})
    with home.open() as store:
        store.write(Batch(samples=[third]))
    _, out, _ = run_export("--format", export_format, "--resolution", "hour", "--metrics", "pv_power")
    decimals = [len(digits) for digits in re.findall(rb"\.(\d+)", out)]
    assert max(decimals) == 3


@pytest.mark.parametrize("words", [[], ["--resolution", "hour"], ["--resolution", "day"], ["--time", "local"]])
def test_export_formats_have_the_same_rows(words, run_export):
    plain = table(run_export("--format", "csv", *words)[1])
    lines = [json.loads(line) for line in run_export("--format", "jsonl", *words)[1].splitlines()]
    parquet = pq.read_table(io.BytesIO(run_export("--format", "parquet", *words)[1])).to_pylist()
    assert len(plain) == len(lines) == len(parquet) > 2
    for cells, line, row in zip(plain, lines, parquet, strict=True):
        assert list(cells) == list(line) == list(row)
        starts, *names = line
        timestamp = row[starts].isoformat().replace("+00:00", "Z")
        assert cells[starts] == line[starts] == timestamp
        for name in names[3:]:
            assert line[name] == row[name]
            assert cells[name] == ("" if line[name] is None else str(line[name]).replace("T", "t").replace("F", "f"))


def test_export_parquet_has_types_units_and_time_zone(run_export, tmp_path):
    file = tmp_path / "out.parquet"
    code, out, err = run_export("--output", str(file), "--time", "local")
    assert (code, out) == (0, b"")
    assert err == f"heliograph: 36 rows in {file}\n"
    schema = pq.read_schema(file)
    assert str(schema.field("time_local").type) == "timestamp[ms, tz=Europe/Berlin]"
    assert schema.field("pv_power").metadata[b"unit"] == b"W"
    assert str(schema.field("pv_power").type) == "double"
    assert str(schema.field("battery_soc").type) == "double"


def test_export_parquet_rejects_different_time_zones(home, run_export):
    with home.open() as store:
        store.write(Batch(series_info=[SeriesInfo(BARN, "Barn", None, "UTC+05:30")]))
    code, _, err = run_export("--format", "parquet", "--time", "local")
    assert code == 2
    assert "these plants have different time zones (Europe/Berlin, UTC+05:30)" in err
    assert run_export("--format", "parquet", "--time", "utc")[0] == 0
    code, out, _ = run_export("--format", "parquet", "--time", "local", "--plant", "Barn")
    assert (code, pq.read_table(io.BytesIO(out)).num_rows) == (0, 0)
    assert str(pq.read_schema(io.BytesIO(out)).field("time_local").type) == "timestamp[ms, tz=+05:30]"


def test_export_parquet_without_pyarrow_names_install_command(run_export, monkeypatch, tmp_path):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, _, err = run_export("--output", str(tmp_path / "x.parquet"))
    assert code == 2
    assert err.startswith("heliograph: Parquet needs pyarrow, which is not installed: ")
    assert err.endswith(" 'heliograph[parquet]'\n")
    assert not (tmp_path / "x.parquet").exists()


# Spreadsheets


def test_export_escapes_formula_in_name(run_export):
    _, out, _ = run_export("--resolution", "day")
    assert {row["name"] for row in table(out)} == {"'" + EVIL}


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "roof;", "roof, ", "a|"])
def test_escape_formulas_covers_all_cell_separators(sign, before):
    import re

    for cell in re.split(r"[;,|\t\r\n]", escape_formulas(f"{before}{sign}1+1")):
        assert not cell.strip().strip("\ufffd").startswith(sign)


def test_escape_formulas_keeps_ordinary_names():
    for name in ("Home", "South-East", "Müller & Sons", "a=b", "1+1", "me@example.com", "Dach, links"):
        assert escape_formulas(name) == name


# Files


def test_export_file_is_complete_or_missing(run_export, tmp_path, monkeypatch):
    file = tmp_path / "out.csv"
    file.write_text("what was there before")

    def breaks(*_):
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr("heliograph.history.rows", breaks)
    assert run_export("--output", str(file))[0] == 130
    assert file.read_text() == "what was there before"
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["out.csv"]


def test_export_keeps_symlink(run_export, tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.csv"
    link.symlink_to(tmp_path / "real" / "data.csv")
    assert run_export("--output", str(link))[0] == 0
    assert link.is_symlink()
    assert len(link.read_text().splitlines()) == 37


def test_export_writes_to_device_without_replacing_it(run_export):
    before = Path("/dev/null").stat()
    code, _, err = run_export("--output", "/dev/null", "--format", "parquet")
    assert (code, err) == (0, "heliograph: 36 rows in /dev/null\n")
    assert stat.S_ISCHR(before.st_mode)
    assert Path("/dev/null").stat().st_ino == before.st_ino


def test_export_format_follows_file_name(run_export, tmp_path):
    run_export("--output", str(tmp_path / "a.jsonl"))
    assert (tmp_path / "a.jsonl").read_text().startswith('{"time_utc"')
    run_export("--output", str(tmp_path / "a"))
    assert (tmp_path / "a").read_text().startswith("time_utc,")


def test_export_to_closed_pipe_is_no_error(home):
    words = [sys.executable, "-m", "heliograph", "export", "--store", str(home.where)]
    with open_store(home.where) as store:
        rows = [
            StoredSample(ROOF, n * 300, n * 300, Quality.LIVE, None, {"pv_power": 1.0})
            for n in range(4_000_000, 4_010_000)
        ]
        store.write(Batch(samples=rows))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"time_utc,")
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


# Mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "2026-10-26", "--to", "2026-10-25"], "--from 2026-10-26 is after --to 2026-10-25"),
        (["--to", "tomorrow"], "--to: a day must be written like 2026-06-21, got 'tomorrow'"),
        (["--plant", "77"], "there is no plant '77'; the plants are: 11 ("),
        (["--metrics", "sun"], "there is no metric 'sun' at the resolution 5min; there are pv_power"),
        (["--output", "nowhere/at/all.csv"], "nowhere/at/all.csv cannot be written: No such file"),
        (["--output", "."], ". cannot be written: Is a directory"),
    ],
)
def test_export_rejects_wrong_options_in_one_line(words, message, run_export):
    code, out, err = run_export(*words)
    assert (code, out) == (2, b"")
    assert err.startswith("heliograph: ")
    assert err.count("\n") == 1
    assert message in err


def test_export_without_data_writes_header_and_notice(run_export):
    code, out, err = run_export("--from", "2020-01-01", "--to", "2020-01-31")
    assert code == 0
    assert table(out) == []
    assert out.startswith(b"time_utc,")
    assert err == "heliograph: no data for these days\n"


def test_export_rejects_parquet_on_terminal(run_export, monkeypatch):
    monkeypatch.setattr(exporting.sys.stdout, "isatty", lambda: True, raising=False)
    code, out, err = run_export("--format", "parquet")
    assert (code, out) == (2, b"")
    assert "Parquet cannot be written to a terminal" in err


def test_export_memory_is_independent_of_rows(tmp_path):
    """Peak memory of Python is the same for half a year and for a year, as rows are read in pages."""
    import tracemalloc

    from heliograph.history import HistorySelection, rows, stored_plants

    peaks = []
    for months in (6, 12):
        with open_store(tmp_path / f"{months}.sqlite") as store:
            start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
            for month in range(months):
                first = start + month * 30 * 86400
                batch = [
                    StoredSample(ROOF, first + n * 3600, first + n * 3600, Quality.LIVE, None, {"pv_power": 1.0})
                    for n in range(720)
                ]
                store.write(Batch(samples=batch))
            wanted = HistorySelection(stored_plants(store), date(2026, 1, 1), date(2026, 12, 31), "5min", ("pv_power",))
            tracemalloc.start()
            assert sum(1 for _ in rows(store, wanted)) == months * 720
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_export_ha_statistics_has_sums_of_finished_days(run_export):
    code, out, err = run_export("--format", "ha-statistics", "--metrics", "pv_energy")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out.decode()), delimiter="\t"))
    assert {row["statistic_id"] for row in rows} == {"heliograph:growatt_11_pv_energy"}
    assert [(row["start"], float(row["sum"])) for row in rows] == [
        ("23.10.2026 23:00", 0.0),
        ("24.10.2026 23:00", 24.0),
        ("25.10.2026 23:00", 49.0),
        ("26.10.2026 23:00", 75.0),
    ]


def test_export_ha_statistics_is_read_by_import(run_export, home, tmp_path):
    file = tmp_path / "statistics.tsv"
    assert run_export("--format", "ha-statistics", "--output", str(file))[0] == 0
    with open_store(tmp_path / "other.sqlite") as store:
        store.write(Batch(series_info=[SeriesInfo(BARN, "Barn", None, "Europe/Berlin")]))
    words = ("--map", "pv_energy=heliograph:growatt_11_pv_energy", "--store", str(tmp_path / "other.sqlite"))
    assert run(["import", str(file), *words]) == 0
    with open_store(tmp_path / "other.sqlite") as store:
        days = store.known_days(BARN, date(2026, 1, 1), date(2026, 12, 31))
    # The day on which summer time ended had 25 hours.
    assert [(day.day.day, day.values["pv_energy"]) for day in days] == [(24, 24.0), (25, 25.0), (26, 26.0)]


def test_export_ha_statistics_rejects_another_resolution(run_export):
    code, _, err = run_export("--format", "ha-statistics", "--resolution", "hour")
    assert (code, "leave out --resolution hour" in err) == (2, True)


@pytest.fixture
def measured(home):
    """A device of the plant with texts that are formulas, in three intervals of five minutes."""
    box, start = ROOF._replace(device="BOX"), at("2026-10-25T12:00")
    with home.open() as store:
        rows = [
            StoredMeasurements(
                box, start + 100 * n, start, {"pv1_voltage": 380.0 + n, "ac_energy_today": float(n), "work_mode": "=1"}
            )
            for n in range(8)
        ]
        sample = StoredSample(box, start, start, Quality.LIVE, None, {"pv_power": 1.0})
        store.write(
            Batch(samples=[sample], measurements=rows, series_info=[SeriesInfo(box, "Box", "tlx", "Europe/Berlin")])
        )


def test_export_of_devices_has_means_and_last_values(run_export, measured):
    code, out, err = run_export("--devices")
    rows = table(out)
    assert (code, err, len(rows)) == (0, "", 3)
    assert list(rows[0]) == [
        "time_utc",
        "vendor",
        "plant",
        "device",
        "name",
        "pv1_voltage",
        "ac_energy_today",
        "work_mode",
    ]
    assert [(row["device"], row["pv1_voltage"], row["ac_energy_today"]) for row in rows] == [
        ("BOX", "381.0", "2.0"),
        ("BOX", "384.0", "5.0"),
        ("BOX", "386.5", "7.0"),
    ]
    assert rows[0]["work_mode"] == "'=1"


def test_export_of_devices_to_parquet_has_units_and_texts(run_export, measured, tmp_path):
    path = tmp_path / "devices.parquet"
    assert run_export("--devices", "--resolution", "hour", "--output", str(path))[0] == 0
    found = pq.read_table(path)
    assert found.column("work_mode").to_pylist() == ["=1"]
    assert found.schema.field("pv1_voltage").metadata == {b"unit": b"V"}
    assert found.column("pv1_voltage").to_pylist() == [383.5]


def test_export_of_devices_has_the_named_metrics_and_no_days(run_export, measured):
    assert "pv1_voltage" in run_export("--devices", "--metrics", "pv1_voltage,temperature")[1].decode()
    assert "there is no metric 'pv_power'" in run_export("--devices", "--metrics", "pv_power")[2]
    assert "there are no days of them" in run_export("--devices", "--resolution", "day")[2]


def test_read_history_of_devices_has_a_column_of_serials(home, measured):
    found = read_history(since="2026-10-25", until="2026-10-25", resolution="hour", store=home.where, devices=True)
    assert (found["device"], found["pv1_voltage"], found["work_mode"]) == (["BOX"], [383.5], ["=1"])
