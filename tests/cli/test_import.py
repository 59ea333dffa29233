"""The command `import`: files of other programs, what was understood of them, and files that cannot be right."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliograph.cli.main import run
from heliograph.history import read_history
from heliograph.model import Quality
from heliograph.store import open_store
from heliograph.store.base import Batch, Day, Series, SeriesInfo

ROOF = Series("growatt", "11")
BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2024, 6, 1)


@pytest.fixture
def where(tmp_path):
    """A store with a plant of 9.8 kWp, and ten measured days."""
    days = [
        Day(ROOF, date(2025, 6, 1 + n), {"pv_energy": 30.0 + n}, Quality.LIVE, final=True, written_at=1)
        for n in range(10)
    ]
    with open_store(tmp_path / "store.sqlite") as store:
        info = SeriesInfo(ROOF, "Roof", None, "Europe/Berlin", "home", 9.8)
        store.write(Batch(series_info=[info], days=days))
    return tmp_path / "store.sqlite"


@pytest.fixture
def run_import(where, tmp_path, capsys):
    """Run the command, with the text of a file if one is given; return exit code, stdout and stderr."""

    def run_and_capture(text, *words):
        file = []
        if text is not None:
            path = tmp_path / "data.csv"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            file = [str(path)]
        code = run(["import", *file, *words, "--store", str(where)])
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    return run_and_capture


def shown(where, metric="pv_energy", first=FIRST, last=date(2025, 12, 31)):
    table = read_history(since=first, until=last, store=where, metrics=[metric])
    return {f"{day}": value for day, value in zip(table["day"], table[metric], strict=True) if day < date(2025, 6, 1)}


@pytest.mark.parametrize(
    "text",
    [
        "day,pv_energy\n2024-06-01,12.5\n2024-06-02,\n2024-06-03,0\n",
        "Datum;Erzeugung (Wh)\n01.06.2024;12.500,0\n02.06.2024;\n03.06.2024;0\n",
        "Date\tYield [kWh]\n06/01/2024\t12.5\n06/02/2024\tn/a\n06/13/2024\t1\n06/03/2024\t0\n",
        "\ufeffTime,Produced MWh\r\n2024-06-01T00:00:00+02:00,0.0125\r\n2024-06-03T00:00:00+02:00,0\r\n",
        b"\xff\xfe" + 'Day;"Solar production"\n1.6.24;"12,5"\n3.6.24;"0"\n'.encode("utf-16-le"),
        "when;Solar für heute\n20240601;12,50\n20240603;0,0\n".encode("cp1252"),
    ],
)
def test_import_reads_days_of_common_csv_files(run_import, where, text):
    code, out, err = run_import(text)
    assert (code, err) == (0, ""), err
    assert {day: kwh for day, kwh in shown(where).items() if day < "2024-06-04"} == {
        "2024-06-01": 12.5,
        "2024-06-03": 0.0,
    }
    assert "To undo this: heliograph import --undo 20" in out


def test_dry_run_shows_what_was_understood_and_stores_nothing(run_import, where):
    text = "Datum;Ertrag (Wh);Temperatur\n01.06.2025;12.500,5;20\n31.05.2025;8.000,25;21\n"
    code, out, _ = run_import(text, "--dry-run")
    assert code == 0
    assert "pv_energy from 'Ertrag (Wh)': energies in Wh, decimal comma, dates dmy" in out
    assert "2 days, 2025-05-31 to 2025-06-01; 20.5 kWh in total" in out
    assert "days that were measured: 1;" in out
    assert "not imported: Temperatur" in out
    assert "Dry run: nothing was stored." in out
    assert shown(where) == {}
    found = json.loads(run_import(text, "--dry-run", "--json")[1])
    assert found["import"] is None
    (energy,) = found["energies"]
    assert (energy["unit"], energy["unit_assumed"], energy["already_measured"], energy["sum"]) == (
        "Wh",
        False,
        1,
        20.501,
    )


def test_import_never_replaces_measured_energies(run_import, where):
    assert run_import("day,pv_energy\n2025-05-31,11\n2025-06-01,11\n")[0] == 0
    table = read_history(since="2025-05-30", until="2025-06-02", store=where, metrics=["pv_energy"])
    assert table["pv_energy"] == [11.0, 30.0, 31.0]


def test_undo_and_list(run_import, where):
    assert run_import("day,pv_energy\n2024-06-01,12.5\n")[0] == 0
    (listed,) = json.loads(run_import(None, "--list", "--json")[1])
    assert (listed["source"], listed["first"], listed["values"], listed["undone_at"]) == (
        "data.csv",
        "2024-06-01",
        1,
        None,
    )
    code, out, _ = run_import(None, "--undo", listed["import"])
    assert (code, "values deleted: 1." in out) == (0, True)
    assert shown(where) == {}
    assert "undone" in run_import(None, "--list")[1]
    code, _, err = run_import(None, "--undo", listed["import"])
    assert (code, "already undone" in err) == (1, True)


def test_import_of_pvoutput(run_import, where):
    row = "20240601,12500,1.275,4000,9000,3210,12:05,Fine,11.5,23.9,1500,500,NaN,NaN"
    code, out, err = run_import(f"{row};20240602,0,0.000,0,8000,NaN,NaN,Not Sure,NaN,NaN,NaN,NaN,NaN,NaN")
    assert (code, err) == (0, "")
    assert shown(where) == {"2024-06-01": 12.5, "2024-06-02": 0.0}
    assert shown(where, "grid_import_energy")["2024-06-01"] == 2.0
    assert shown(where, "load_energy")["2024-06-02"] == 8.0
    assert out.startswith("pvoutput, days of Roof in Europe/Berlin")


def test_import_of_pvoutput_leaves_columns_of_zeros_unknown(run_import, where):
    assert run_import("20240601,12500,1.3,0,0,3210,12:05,Fine\n20240602,1500,1.3,0,0,NaN,NaN,Fine\n")[0] == 0
    assert shown(where, "grid_export_energy") == {}


def hours(first, count, kwh=0.5):
    start = datetime(first.year, first.month, first.day, tzinfo=BERLIN).astimezone(UTC)
    return [(start + timedelta(hours=n), kwh) for n in range(count)]


def test_import_of_home_assistant_statistics_json(run_import, where):
    # The end of summer time: a day of 25 hours, and a part of the next.
    rows = [
        {"start": moment.isoformat(), "end": None, "change": kwh, "sum": 1.0}
        for moment, kwh in hours(date(2024, 10, 27), 30)
    ]
    text = json.dumps(
        {"statistics": {"sensor.pv": rows, "sensor.power": [{"start": "2024-10-27T00:00:00Z", "mean": 3}]}}
    )
    code, _, err = run_import(text)
    assert (code, "--map pv_energy='sensor.pv'" in err) == (2, True)
    code, out, err = run_import(text, "--map", "pv_energy=sensor.pv")
    assert (code, err) == (0, "")
    assert shown(where) == {"2024-10-27": 12.5}
    assert "incomplete days, left out: 1, the first 2024-10-28" in out


@pytest.mark.parametrize("of", ["csv", "websocket", "epoch"])
def test_import_of_home_assistant_sums(run_import, where, of):
    rows = [(moment, 100.0 + 500.0 * n) for n, (moment, _) in enumerate(hours(date(2024, 6, 1), 25))]
    if of == "csv":
        lines = [f"sensor.pv\tWh\t{moment.astimezone(BERLIN):%d.%m.%Y %H:%M}\t{kwh}\t{kwh}" for moment, kwh in rows]
        text = "\n".join(["statistic_id\tunit\tstart\tstate\tsum", *lines])
    elif of == "websocket":
        stats = [{"start": moment.isoformat(), "sum": kwh} for moment, kwh in rows]
        text = json.dumps([{"metadata": {"statistic_id": "sensor.pv", "unit_of_measurement": "Wh"}, "stats": stats}])
    else:
        text = json.dumps(
            {"sensor.pv": [{"start": int(moment.timestamp() * 1000), "sum": kwh / 1000} for moment, kwh in rows]}
        )
    code, _, err = run_import(text, "--map", "pv_energy=sensor.pv")
    assert (code, err) == (0, "")
    # The first sum is the reading at 01:00: 23 hours of that day are known, and one of the next.
    assert shown(where) == {"2024-06-01": 11.5}


def test_import_of_counter_readings(run_import, where):
    rows = "".join(f"2024-06-{n:02} 00:00,{4000 + 12 * n}\n" for n in range(1, 18))
    code, _, err = run_import(f"time,meter production\n{rows}")
    assert (code, "never falls in 17 lines" in err, "--values counter" in err) == (2, True, True)
    assert run_import(f"time,meter production\n{rows}", "--values", "counter")[0] == 0
    assert (len(shown(where)), set(shown(where).values())) == (16, {12.0})


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (
            "day,pv_energy\n2024-06-01,12500\n",
            (),
            "line 2: 12500 kWh of solar energy on 2024-06-01 is more than a plant of 9.8",
        ),
        (
            "day,pv_energy\n2024-06-01,1,234\n",
            (),
            "line 2 has 3 cells, and the first line has 2; numbers with a decimal comma",
        ),
        ('day,pv_energy\n2024-06-01,"1,234"\n', (), "line 2: '1,234' in 'pv_energy' may have a decimal comma or"),
        (
            "day;pv_energy\n2024-06-01;1,5\n2024-06-02;1.5\n",
            (),
            "decimal comma in line 2 ('1,5') and a decimal point in",
        ),
        ("day,pv_energy\n01/02/2024,1\n", (), "may be day and month or month and day; say which with --dates"),
        ("day,pv_energy\n2024-06-01,1\n2024-06-01,1\n", (), "line 3: 2024-06-01 is in line 2 already"),
        ("day,pv_energy\n2024-06-01,-1\n", (), "line 2: -1 kWh in 'pv_energy' is negative"),
        ("day,pv_energy\n2024-06-01,many\n", (), "line 2: 'many' in 'pv_energy' is no number"),
        ("day,pv_energy\n2024-06-31,1\n", (), "line 2: '2024-06-31' in 'the time' is no day or time"),
        ("day,pv_energy\n2124-06-01,1\n", (), "line 2: 2124-06-01 is in the future"),
        ("day,pv_energy\n1924-06-01,1\n", (), "line 2: 1924-06-01 is before 2005"),
        ("day,pv_energy\nSum,1\n", (), "line 2: 'Sum' in 'the time' is no day and no time"),
        ("day,pv_energy\n,1\n", (), "line 2: '1' in 'pv_energy' has no day"),
        (
            "time,pv_energy\n2024-06-01T00:00Z,1\n2024-06-02T00:00Z,1\n",
            (),
            "line 2: '2024-06-01T00:00Z' is 02:00 in the plant's time zone",
        ),
        ("day,kWh\n2024-06-01,1\n", (), "no column is known; name them like --map pv_energy='kWh'"),
        (
            "day,kWh\n2024-06-01,1\n",
            ("--map", "pv_energy=kwh"),
            "there is no column 'kwh' for pv_energy; the columns are: kWh",
        ),
        ("day,a\n2024-06-01,1\n", ("--map", "sun=a"), "there is no energy 'sun'"),
        ("day,PV east,PV west\n2024-06-01,1,2\n", (), "'PV east' and 'PV west' may be pv_energy; say which"),
        ("day,day\n2024-06-01,1\n", (), "two columns have the same name"),
        ("day,pv_energy\n", (), "one line only"),
        (" \n", (), "is empty"),
        (b"PK\x03\x04\0\0", (), "is no text file; save it as CSV"),
        ("{", (), "this is no JSON"),
        ('{"a": 1}', (), "this JSON has no statistics"),
        ('{"sensor.a": [{"start": "2024-06-01", "mean": 1}]}', (), "no statistic of this file has energies"),
        ("day,pv_energy\n2024-06-01,1\n", ("--plant", "12"), "there is no plant '12'"),
        ("day,pv_energy\n2024-06-01,1\n", ("--zone", "Berlin"), "--zone 'Berlin' is not a zone"),
    ],
)
def test_import_rejects_a_file_that_cannot_be_right(run_import, where, text, words, expected):
    code, out, err = run_import(text, *words)
    assert (code, out) == (2, "")
    assert expected in err
    assert shown(where) == {}
    assert run_import(None, "--list", "--json")[1].strip() == "[]"


def test_import_rejects_a_unit_unlike_that_of_the_measured_days(run_import):
    text = "day,pv_energy\n" + "".join(f"2024-06-0{n},0.03\n" for n in range(1, 8))
    code, _, err = run_import(text)
    assert (code, "if it is in MWh, add --unit MWh" in err) == (2, True)


def test_import_rejects_days_that_were_imported_before(run_import, where):
    assert run_import("day,pv_energy\n2024-06-01,1\n2024-06-02,2\n")[0] == 0
    code, _, err = run_import("day,pv_energy\n2024-06-02,5\n2024-06-03,5\n")
    assert (code, "pv_energy of 2024-06-02, by import 20" in err, "nothing was imported" in err) == (1, True, True)
    assert shown(where) == {"2024-06-01": 1.0, "2024-06-02": 2.0}


def test_import_uses_the_zone_of_the_option(run_import, where):
    text = "time,pv_energy\n2024-06-01 08:00,1\n2024-06-02 08:00,1\n"
    assert run_import(text, "--zone", "Australia/Perth")[0] == 2
    assert run_import(text.replace("08:00", "06:00"), "--zone", "Australia/Perth")[0] == 0
    assert set(shown(where)) == {"2024-06-01", "2024-06-02"}


def test_import_needs_a_file_or_an_action(run_import):
    assert "give the FILE to import, or --list, or --undo ID" in run_import(None)[2]


def test_import_without_a_readable_file(run_import, tmp_path):
    code, _, err = run_import(None, str(tmp_path / "absent.csv"))
    assert (code, "absent.csv cannot be read: No such file" in err) == (2, True)


CELL = st.sampled_from(
    [
        "2024-06-01",
        "20240602",
        "03.06.2024",
        "2024-06-04T00:00+02:00",
        "2024-13-45",
        "1717200000",
        "24:00",
        "12,5",
        "1.5",
        "-1",
        "1e999",
        "NaN",
        "",
        '"',
        "pv_energy",
        "start",
        "statistic_id",
        "sum",
        "{",
        "[",
        "\x00",
        "\u2028",
        "=1+1",
        "٣",
    ]
)
TEXT = st.lists(st.lists(CELL, max_size=4).map(",".join) | st.lists(CELL, max_size=3).map(";".join), max_size=6)
JSON = st.recursive(
    CELL | st.none() | st.booleans() | st.floats(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["statistics", "sensor.a", "start", "sum", "stats", "metadata"]), children)
    ),
    max_leaves=8,
)


@given(text=TEXT.map("\n".join) | JSON.map(json.dumps))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_import_of_any_text_imports_it_or_says_why_not(run_import, where, text):
    code, _, err = run_import(text, "--map", "pv_energy=sensor.a", "--dry-run")
    assert code in (0, 2), err
    code, _, err = run_import(text, "--dry-run")
    assert code in (0, 2), err
    assert shown(where) == {}
