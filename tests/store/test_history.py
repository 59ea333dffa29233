"""`read_history` and the command `history`: units, time zones and gaps, on both engines."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

import heliograph
from heliograph.cli.chart import HistoryPeriod, history_table
from heliograph.cli.main import run
from heliograph.errors import ConfigError, StoreError
from heliograph.model import Quality
from heliograph.store.base import Batch, Day, Series, SeriesInfo, StoredSample

BERLIN = ZoneInfo("Europe/Berlin")
HOME, BARN = Series("growatt", "11"), Series("goodwe", "b-1")
DEVICE = Series("growatt", "11", "TLX1")
TODAY = date(2026, 7, 1)


class FrozenTime(datetime):
    """A `datetime` whose `now` is always noon of `TODAY`."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 7, 1, 10, tzinfo=UTC).astimezone(tz)


def at(text, zone=BERLIN):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def sample(moment, series=HOME, **values):
    return StoredSample(series, moment, moment + 60, Quality.LIVE, None, values)


def day(of, series=HOME, final=True, **values):
    return Day(series, of, values, Quality.LIVE, final=final, written_at=1)


def series_info(series, name, zone="Europe/Berlin"):
    return SeriesInfo(series, name, None, zone)


@pytest.fixture
def home(place):
    """Create a store with two plants, a device, three days and two hours of samples."""
    noon = at("2026-06-21T12:00")
    curve = [
        sample(noon + 300 * n + 17, pv_power=1000.0 + n, pv_energy_today=5 + n / 10, load_power=None) for n in range(24)
    ]
    with place.open() as store:
        store.write(
            Batch(
                series_info=[
                    series_info(HOME, "Home"),
                    series_info(BARN, "Barn", "UTC+05:30"),
                    series_info(DEVICE, "Box"),
                ],
                samples=[*curve, sample(noon, DEVICE, pv_power=1.0), sample(noon, BARN, pv_power=7.0)],
                days=[
                    day(date(2026, 6, 19), pv_energy=10.0, load_energy=4.0),
                    day(date(2026, 6, 21), pv_energy=30.0, final=False),
                    day(date(2026, 6, 20), BARN, pv_energy=1.5),
                    day(date(2026, 6, 20), DEVICE, pv_energy=99.0),
                ],
            )
        )
    return place


def read(home, plant=None, since="2026-06-19", until="2026-06-21", **options):
    return heliograph.read_history(plant, since=since, until=until, store=home.where, **options)


# read_history


def test_read_history_returns_days_as_columns(home):
    assert read(home, "11") == {
        "day": [date(2026, 6, 19), date(2026, 6, 21)],
        "plant": ["11", "11"],
        "pv_energy": [10.0, 30.0],
        "load_energy": [4.0, None],
    }


def test_read_history_returns_all_plants_without_devices(home):
    table = read(home)
    assert table["plant"] == ["b-1", "11", "11"]
    assert table["pv_energy"] == [1.5, 10.0, 30.0]
    assert {len(column) for column in table.values()} == {3}


def test_read_history_of_a_plant_with_an_unknown_zone_uses_utc(place):
    noon = at("2026-06-20T12:00", UTC)
    with place.open() as store:
        store.write(
            Batch(samples=[sample(noon, pv_power=7.0)], series_info=[series_info(HOME, "Home", "UTC+03:19:58.800000")])
        )
    assert read(place, since="2026-06-20", until="2026-06-20", resolution="hour")["pv_power"]


def test_read_history_accepts_plant_name(home):
    assert read(home, "Barn") == read(home, "b-1")


def test_read_history_averages_powers_and_takes_last_counters(home):
    table = read(home, "11", resolution="hour")
    assert table["time"] == [datetime(2026, 6, 21, 10, tzinfo=UTC), datetime(2026, 6, 21, 11, tzinfo=UTC)]
    assert table["pv_power"] == [pytest.approx(1005.5), pytest.approx(1017.5)]
    assert table["pv_energy_today"] == [pytest.approx(6.1), pytest.approx(7.3)]
    assert "load_power" not in table
    assert all(moment.tzinfo is UTC for moment in table["time"])


def test_read_history_returns_stored_five_minute_values(home):
    table = read(home, "11", resolution="5min", metrics=["pv_power", "load_power"])
    assert list(table) == ["time", "plant", "pv_power", "load_power"]
    assert table["pv_power"] == [1000.0 + n for n in range(24)]
    assert table["load_power"] == [None] * 24
    assert table["time"][1] - table["time"][0] == timedelta(minutes=5)


def test_read_history_ignores_times_beyond_the_calendar(home):
    noon = at("2026-06-21T12:00")
    with home.open() as store:
        store.write(Batch(samples=[sample(noon)._replace(measured_at=1 << power) for power in (39, 50)]))
    assert read(home, "11", since="2026-06-24", until="2026-06-25", resolution="hour")["time"] == []
    assert len(read(home, "11", resolution="hour")["time"]) == 2


def test_read_history_hours_begin_on_the_hour_in_local_time(home):
    table = read(home, "b-1", resolution="hour")
    # 12:00 in Berlin is 15:30 in India, whose hours are half past ours.
    assert table["time"] == [datetime(2026, 6, 21, 9, 30, tzinfo=UTC)]


def test_read_history_bounds_are_local_days(place):
    first, last = at("2026-06-20T00:00"), at("2026-06-21T23:59:59")
    with place.open() as store:
        rows = [sample(moment, pv_power=1.0) for moment in (first - 1, first, last, last + 1)]
        store.write(Batch(series_info=[series_info(HOME, "Home")], samples=rows))
    table = read(place, since=date(2026, 6, 20), until=date(2026, 6, 21), resolution="5min")
    assert [moment.isoformat() for moment in table["time"]] == [
        "2026-06-19T22:00:00+00:00",
        "2026-06-21T21:55:00+00:00",
    ]


@pytest.mark.parametrize(("turned", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_read_history_of_dst_day_has_23_or_25_hours(turned, hours, place):
    start = at(f"{turned}T00:00")
    with place.open() as store:
        rows = [sample(start + 300 * n, pv_power=float(n // 12)) for n in range(26 * 12)]
        store.write(Batch(series_info=[series_info(HOME, "Home")], samples=rows))
    table = read(place, since=turned, until=turned, resolution="hour")
    assert table["pv_power"] == [float(n) for n in range(hours)]


def test_read_history_hours_after_half_hour_dst_begin_on_the_hour(place):
    zone = ZoneInfo("Australia/Lord_Howe")
    noons = [at(f"2026-10-{n:02}T12:00", zone) for n in (2, 3, 4, 5, 6)]
    with place.open() as store:
        rows = [sample(noon, pv_power=1.0) for noon in noons]
        store.write(Batch(series_info=[series_info(HOME, "Home", "Australia/Lord_Howe")], samples=rows))
    table = read(place, since="2026-10-01", until="2026-10-31", resolution="hour")
    minutes = [moment.astimezone(zone).minute for moment in table["time"]]
    assert (minutes[:2], minutes[3:]) == ([0, 0], [0, 0])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"plant": "77"}, "there is no plant '77'; the plants are: b-1 (Barn), 11 (Home)"),
        ({"since": "2026-06-22"}, "since 2026-06-22 comes after until 2026-06-21"),
        ({"since": "June"}, "a day must be written like 2026-06-21, got 'June'"),
        ({"resolution": "week"}, "a resolution is one of 5min, hour and day, not 'week'"),
        ({"metrics": ["pv_power"]}, "there is no metric 'pv_power' at the resolution day; there are pv_energy"),
    ],
)
def test_read_history_error_lists_valid_values(options, expected, home):
    with pytest.raises(ConfigError) as raised:
        read(home, **options)
    assert expected in str(raised.value)


def test_read_history_of_empty_store_names_commands(place):
    place.open().close()
    with pytest.raises(ConfigError, match="the store contains no plant yet; run: heliograph collect"):
        read(place)


def test_read_history_does_not_create_store(tmp_path):
    with pytest.raises(StoreError, match="there is no store at"):
        heliograph.read_history(since="2026-01-01", until="2026-01-02", store=tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_read_history_uses_default_store(home, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_STORE", str(home.where))
    table = heliograph.read_history(since="2026-06-20", until="2026-06-20")
    assert table == {"day": [date(2026, 6, 20)], "plant": ["b-1"], "pv_energy": [1.5]}


# The command


@pytest.fixture(autouse=True)
def _frozen_time(monkeypatch):
    monkeypatch.setattr("heliograph.cli.history.datetime", FrozenTime)


@pytest.fixture
def run_history(home, capsys):
    """Return a function that runs the command on a store and returns exit code, stdout and stderr."""

    def said(*words):
        code = run(["history", *words, "--store", str(home.where)])
        return code, *capsys.readouterr()

    return said


def test_history_command_shows_month_by_day_with_gaps_and_total(run_history, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run_history("--plant", "Home", "--month", "2026-06")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("Home   kWh (bars: solar)")
    assert sum(line.startswith("2026-06-") for line in lines) == 30
    assert next(line for line in lines if "06-20" in line).split() == ["2026-06-20", "·", "·"]
    nineteenth, unfinished = (next(line for line in lines if name in line) for name in ("06-19", "06-21"))
    assert unfinished.split()[:3] == ["2026-06-21", "~", "30.0"]
    assert unfinished.count("█") == 40
    assert nineteenth.count("█") == 13
    assert next(line for line in lines if line.startswith("Total")).split() == ["Total", "40.0", "4.0"]
    assert lines[-1].strip() == "~ provisional"


def test_history_command_marks_energies_that_are_not_confirmed(run_history, home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with home.open() as store:
        unsure = {"pv_energy": [date(2026, 6, 19).toordinal(), date(2026, 6, 21).toordinal()]}
        store.write(Batch(counters={HOME: {"provisional_days": unsure}}))
    _, out, _ = run_history("--plant", "Home", "--month", "2026-06")
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith("2026")}
    assert lines["2026-06-21"][:2] == ["~", "~30.0"]
    assert "~" not in "".join(lines["2026-06-19"]), "the day is final"
    _, out, _ = run_history("--plant", "Home", "--month", "2026-06", "--json")
    assert {row["period"]: row["provisional"] for row in json.loads(out) if row["provisional"]} == {
        "2026-06-21": ["pv_energy"]
    }


def test_history_command_without_data_prints_one_line(run_history):
    _, out, _ = run_history("--plant", "Home", "--month", "2025-02")
    assert out == "Home: no data for 2025-02-01 to 2025-02-28; run: heliograph backfill\n"


def test_history_command_on_first_day_mentions_stored_samples(place, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    noon = int(FrozenTime.now(UTC).timestamp()) - 3600
    with place.open() as store:
        later = sample(noon + 300, pv_power=2.0)
        store.write(Batch(series_info=[series_info(HOME, "Home")], samples=[sample(noon, pv_power=1.0), later]))
    assert run(["history", "--store", str(place.where)]) == 0
    said, clock = capsys.readouterr().out, datetime.fromtimestamp(noon, UTC).astimezone()
    assert said.startswith("Home: samples are stored since ")
    assert f"{clock:%H:%M}, but no day of {TODAY - timedelta(days=13)} to {TODAY} has energies yet; " in said
    assert "heliograph export" in said
    assert run(["history", "--month", "2025-02", "--store", str(place.where)]) == 0
    assert "no data for 2025-02-01 to 2025-02-28" in capsys.readouterr().out


def test_history_command_shows_year_by_month_with_known_days(run_history):
    code, out, _ = run_history("--plant", "11", "--year", "2026", "--json")
    rows = json.loads(out)
    assert code == 0
    june = next(row for row in rows if row["period"] == "2026-06")
    assert (june["pv_energy"], june["load_energy"], june["grid_import_energy"]) == (40.0, 4.0, None)
    assert (june["days"], june["days_known"], june["final"]) == (30, 2, False)
    assert next(row for row in rows if row["period"] == "2026-05")["pv_energy"] is None


def test_history_command_defaults_to_fourteen_days_of_all_plants(run_history):
    code, out, _ = run_history("--json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 28
    assert [row["plant"] for row in rows] == ["b-1"] * 14 + ["11"] * 14
    assert rows[-1]["period"] == f"{TODAY}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--plant", "77"], "there is no plant '77'; the plants are: b-1 (Barn), 11 (Home)"),
        (["--month", "2026"], "a month is written like 2026-06, not '2026'"),
        (["--month", "2026-13"], "a period is a month (2026-06)"),
        (["--year", "26"], "a year is written like 2026, not '26'"),
        (["--year", "2999"], "2999 is in the future"),
        (["--days", "0"], "--days is a number from 1 to 36600, not 0"),
        (["--metric", "pv_power"], "there is no metric 'pv_power' at the resolution day; there are pv_energy"),
    ],
)
def test_history_command_rejects_wrong_options_in_one_line(words, expected, run_history):
    code, out, err = run_history(*words)
    assert (code, out) == (2, "")
    assert err.startswith("heliograph: ")
    assert err.count("\n") == 1
    assert expected in err


# The table


def drawn(rows, width, metric="pv_energy", encoding="utf-8", name="Home"):
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(history_table(name, rows, metric, width, encoding))
    return console.file.getvalue()


ALL = ("pv_energy", "load_energy", "grid_import_energy", "grid_export_energy", "battery_charge_energy")
BUSY = [
    HistoryPeriod(f"2026-06-{n:02}", dict.fromkeys((*ALL, "battery_discharge_energy"), 1234.5 + n), 1, 1, True)
    for n in range(1, 4)
]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("metric", ["pv_energy", "battery_discharge_energy"])
def test_history_table_fits_terminal_and_always_shows_metric(width, metric):
    lines = drawn(BUSY, width, metric).splitlines()
    assert max(map(len, lines)) <= width
    assert any("█" in line for line in lines)
    assert {"pv_energy": "Solar", "battery_discharge_energy": "Discharged"}[metric] in lines[1]


def test_history_table_shows_all_metrics_at_80_columns():
    rows = [
        HistoryPeriod(f"2026-06-{n:02}", dict.fromkeys((*ALL, "battery_discharge_energy"), 12.3), 1, 1, True)
        for n in (1, 2)
    ]
    head = drawn(rows, 80).splitlines()[1]
    assert head.split() == ["Day", "Solar", "House", "Imported", "Exported", "Charged", "Discharged"]


@pytest.mark.parametrize("width", [40, 80])
def test_history_table_marks_energy_that_is_not_confirmed(width):
    today = HistoryPeriod("2026-06-04", {"pv_energy": 9999.4}, 1, 1, False, frozenset({"pv_energy"}))
    lines = drawn([*BUSY, today], width).splitlines()
    assert any("2026-06-04 ~" in line and "~9999.4" in line for line in lines)
    assert max(map(len, lines)) <= width
    assert lines[-1] == "~ provisional"


def test_history_table_uses_ascii_bars_without_unicode():
    out = drawn(BUSY, 80, encoding="ascii")
    assert "█" not in out
    assert "#" in out


def test_history_table_escapes_plant_name():
    assert "\x1b" not in drawn(BUSY, 80, name="Sun\x1b[2J[red]")
