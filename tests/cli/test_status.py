"""The command `status`: budgets, back-offs and the store, as text and JSON; no requests are sent."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from heliograph.cli.main import run
from heliograph.cli.timefmt import format_local_time
from heliograph.current import CurrentState
from heliograph.keeper import Keeper
from heliograph.store import open_store
from heliograph.store.base import Batch, PollStatus, SeriesInfo
from heliograph.vendors.growatt import Growatt, resolve_server
from support.keeper_state import save_state as save_state_file
from support.keeper_state import write_format
from support.store_rows import ROOF, SAMPLE

NOW = 0.0
"""The start time of each test; the commands use the clock of the machine."""


@pytest.fixture(autouse=True)
def _now():
    global NOW  # noqa: PLW0603 - used by tests that write a state file
    NOW = time.time()


@pytest.fixture(autouse=True)
def owner(monkeypatch):
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    for part in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"HELIOGRAPH_GOODWE_{part}", raising=False)
        monkeypatch.setenv(f"HELIOGRAPH_GROWATT_{part}", "ada")


def save_state(**members):
    """Write a state file with these members."""
    guard = Keeper().guard("growatt", resolve_server(""), "ada", Growatt.default_limits)
    state = guard.load(NOW)
    for name, value in members.items():
        setattr(state, name, value)
    return save_state_file(guard.store, state)


def local_time(moment):
    return format_local_time(datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(NOW, UTC))


def run_status(capsys, *words):
    code = run(["status", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_status_of_unused_account_shows_full_budget(capsys):
    assert run_status(capsys) == (0, "growatt: 0 of 180 requests and 0 of 8 logins used in 24 h, no session\n", "")


def test_status_shows_usage_and_session_in_one_line(capsys):
    opened = NOW - 6 * 3600
    save_state(spent=[[NOW - 23 * 3600, 143]], logins=[opened], opened_at=opened, last_login=opened)
    _, out, _ = run_status(capsys)
    assert out == (
        "growatt: 143 of 180 requests and 1 of 8 logins used in 24 h, logged in 6 h ago, "
        f"last login {local_time(opened)}\n"
    )


def test_status_shows_next_request_when_budget_is_used(capsys):
    save_state(spent=[[NOW - 3600, 100], [NOW - 60, 70]])
    _, out, _ = run_status(capsys)
    free = local_time(NOW - 3600 + 300 + 86_400)
    assert f"170 of 180 requests and 0 of 8 logins used in 24 h, next request at {free}," in out


def test_status_shows_until_when_scripts_wait_while_the_collector_polls(capsys):
    save_state(spent=[[NOW - 60, 90]])
    assert "90 of 180 requests and 0 of 8 logins used in 24 h, scripts wait until " in run_status(capsys)[1]


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("locked", "locked until"),
        ("blocked", "blocked until"),
        ("throttled", "no requests until"),
        ("unreachable", "next attempt at"),
    ],
)
def test_status_shows_reason_and_end_of_backoff(capsys, kind, begins):
    save_state(pause=kind, pause_until=NOW + 7200, pause_why="reason of the cloud")
    _, out, _ = run_status(capsys)
    assert out.splitlines()[1] == f"  {begins} {local_time(NOW + 7200)}: reason of the cloud"


def test_status_shows_next_login_after_failure(capsys):
    save_state(failures=3, failed_at=NOW, failed_why="no luck")
    _, out, _ = run_status(capsys)
    assert f"  no login before {local_time(NOW + 240)}: the last login failed (no luck)" in out


def test_status_of_refused_password_names_login_command(capsys):
    save_state(refused_at=NOW - 60)
    code, out, _ = run_status(capsys)
    assert code == 0
    expected = f"  password refused {local_time(NOW - 60)}, not retried; run: heliograph login growatt"
    assert out.splitlines()[1:] == [expected]
    (row,) = json.loads(run_status(capsys, "--json")[1])["accounts"]
    assert datetime.fromisoformat(row["refused_at"]).timestamp() == int(NOW - 60)


def test_status_json_contains_account_state(capsys):
    save_state(
        spent=[[NOW - 23 * 3600, 143]],
        opened_at=NOW - 60,
        pause="locked",
        pause_until=NOW + 60,
        pause_why="507",
        notes=[[NOW, "a note"]],
    )
    code, out, _ = run_status(capsys, "--json")
    (row,) = json.loads(out)["accounts"]
    assert json.loads(out)["store"] is None
    assert code == 0
    assert row["requests"] == {"used": 143, "limit": 180, "reserve": 20, "next_free": None}
    assert row["logins"] == {"used": 0, "limit": 8, "last": None}
    assert (row["account"], row["vendor"]) == ("growatt", "growatt")
    assert (row["pause"]["kind"], row["pause"]["why"]) == ("locked", "507")
    moments = (row["pause"]["until"], row["session"]["opened_at"], row["notes"][0]["at"])
    assert all(datetime.fromisoformat(moment).utcoffset() == timedelta() for moment in moments)
    assert row["notes"][0]["note"] == "a note"


def test_status_shows_other_accounts_if_a_state_file_is_unreadable(capsys, monkeypatch):
    for part in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"HELIOGRAPH_GOODWE_{part}", "ada")
    write_format(save_state(), 99, {})
    code, out, err = run_status(capsys)
    assert (code, out.count("\n"), err.count("\n")) == (1, 1, 1)
    assert out.startswith("goodwe: ")
    assert "another version" in err


def test_status_escapes_text_of_clouds(capsys):
    save_state(pause="locked", pause_until=NOW + 60, pause_why="\x1b[2J\u202e")
    _, out, _ = run_status(capsys)
    assert "\x1b" not in out
    assert "\u202e" not in out


def fill_store(where, age, polls=(), **values):
    """Fill a store with a plant whose newest sample is `age` seconds old."""
    moments = (int(NOW - age) - 300 * back for back in range(12))
    samples = [SAMPLE._replace(measured_at=at, fetched_at=at, values={"pv_power": 1.0, **values}) for at in moments]
    with open_store(where) as store:
        store.write(Batch(samples=samples, series_info=[SeriesInfo(ROOF, "Sun House", None, "UTC")], polls=polls))


@pytest.mark.parametrize(
    ("age", "values", "expected"),
    [
        (240, {}, "live, last sample 4 min old"),
        (1500, {"battery_soc": 50.0}, "stale, last sample 25 min old"),
        (9 * 3600, {"battery_soc": 50.0}, "offline (unexpected), last sample 9 h old"),
    ],
)
def test_status_shows_freshness_of_each_plant(capsys, tmp_path, age, values, expected):
    where = tmp_path / "samples.sqlite"
    fill_store(where, age, [PollStatus(ROOF, int(NOW), 720, int(NOW) + 720)], **values)
    code, out, _ = run_status(capsys, "--store", str(where))
    store, plant, poll = out.splitlines()[1:]
    assert code == 0
    assert poll == f"    polled every 12 min, next {local_time(int(NOW) + 720)}"
    assert store.startswith(f"store {where}: 12 samples, 0.")
    assert plant == f"  Sun House (growatt 11): {expected}, 12 samples"


def test_status_shows_why_a_plant_is_not_polled(capsys, tmp_path):
    where, last, until = tmp_path / "samples.sqlite", int(NOW) - 9 * 3600, int(NOW) + 3600
    fill_store(where, 9 * 3600, [PollStatus(ROOF, last, 720, until, "locked until 14:05")])
    plant, poll = run_status(capsys, "--store", str(where))[1].splitlines()[2:]
    assert plant == "  Sun House (growatt 11): not polled, last sample 9 h old, 12 samples"
    assert poll == f"    last polled {local_time(last)}, next {local_time(until)}: locked until 14:05"
    (row,) = json.loads(run_status(capsys, "--json", "--store", str(where))[1])["store"]["plants"]
    assert (row["freshness"], row["poll"]["reason"]) == ("not-polled", "locked until 14:05")


def test_status_shows_that_the_collector_is_not_running(capsys, tmp_path):
    where, last = tmp_path / "samples.sqlite", int(NOW) - 9 * 3600
    fill_store(where, 9 * 3600, [PollStatus(ROOF, last, 720, last + 720)])
    poll = run_status(capsys, "--store", str(where))[1].splitlines()[3]
    missed = f"the poll at {local_time(last + 720)} did not happen: is the collector (heliograph run) running?"
    assert poll == f"    last polled {local_time(last)}; {missed}"


def test_status_and_page_report_same_freshness_after_interval_change(capsys, tmp_path):
    """A datalogger changed from 5 to 15 minutes a day ago; its last sample is 30 minutes old."""
    where, day, newest = tmp_path / "samples.sqlite", 24 * 3600, int(NOW) - 1800
    times = [*range(newest - 10 * day, newest - day, 300), *range(newest - day, newest + 1, 900)]
    samples = [SAMPLE._replace(measured_at=at, fetched_at=at, values={"battery_soc": 50.0}) for at in times]
    with open_store(where) as store:
        store.write(Batch(samples=samples, series_info=[SeriesInfo(ROOF, "Sun House", None, "UTC")]))
        (plant,) = CurrentState(store).plants(int(NOW))
    (row,) = json.loads(run_status(capsys, "--json", "--store", str(where))[1])["store"]["plants"]
    assert (row["freshness"], row["samples"]) == (plant.freshness, len(times)) == ("live", len(times))


def test_status_json_contains_store_of_both_engines(capsys, place):
    fill_store(place.where, 0)
    code, out, _ = run_status(capsys, "--json", "--store", str(place.where))
    store = json.loads(out)["store"]
    (plant,) = store["plants"]
    assert code == 0
    assert store["bytes"] > 10_000
    assert plant.pop("last_sample").endswith("+00:00")
    assert plant == {
        "vendor": "growatt",
        "plant": "11",
        "delay_seconds": 0.0,
        "name": "Sun House",
        "samples": 12,
        "freshness": "live",
        "poll": None,
    }


def test_status_does_not_create_store(capsys, place):
    code, out, err = run_status(capsys, "--store", str(place.where))
    assert (code, out.count("\n"), err) == (0, 1, "")
    if place.kind == "sqlite":
        assert not place.where.parent.exists()
    else:
        with place.outsider() as outsider:
            assert outsider.execute("SELECT to_regnamespace('heliograph')").fetchone() == (None,)


def test_status_shows_accounts_without_secrets_if_store_is_unreadable(capsys, tmp_path):
    code, out, err = run_status(capsys, "--store", "postgresql://ada:s3cret@127.0.0.1:1/solar")
    assert (code, out.count("\n"), err.count("\n")) == (1, 1, 1)
    assert "refused" in err
    assert "s3cret" not in out + err


def test_status_escapes_plant_name(capsys, tmp_path):
    with open_store(tmp_path / "samples.sqlite") as store:
        store.write(Batch(samples=[SAMPLE], series_info=[SeriesInfo(ROOF, "\x1b[2J\u202eSun", None, "UTC")]))
    _, out, _ = run_status(capsys, "--store", str(tmp_path / "samples.sqlite"))
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_status_reports_broken_state_file(capsys):
    save_state(opened_at=NOW).write_text("{")
    _, out, _ = run_status(capsys)
    assert "the state file is damaged and will be renamed before the next request" in out


# Summary


ACCOUNT = '[[account]]\nname = "roof {0}"\nvendor = "growatt"\nusername = "ada{0}"\npassword = "a"\n'


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """Forty accounts, of which one is locked, and a store with thirty plants, of which one has been silent."""
    for part in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"HELIOGRAPH_GROWATT_{part}")
    (tmp_path / "config.toml").write_text("".join(ACCOUNT.format(number) for number in range(40)))
    (tmp_path / "config.toml").chmod(0o600)
    guard = Keeper().guard("growatt", resolve_server(""), "ada7", Growatt.default_limits)
    state = guard.load(NOW)
    state.pause, state.pause_until, state.pause_why, state.spent = "locked", NOW + 3600, "507", [[NOW - 60, 9]]
    save_state_file(guard.store, state)
    with open_store(str(tmp_path / "solar.sqlite")) as store:
        for number in range(30):
            series = ROOF._replace(plant=f"{number}")
            at = int(NOW) - (86_400 * 3 if number == 4 else 60)
            values = {**SAMPLE.values, "battery_soc": 50.0}
            sample = SAMPLE._replace(series=series, measured_at=at, fetched_at=at, values=values)
            info = SeriesInfo(series=series, name=f"Roof {number}", zone="UTC")
            poll = PollStatus(series, int(NOW) - 60, 660, int(NOW) + 600, "")
            store.write(Batch(samples=[sample], series_info=[info], polls=[poll]))
    return ["--config", str(tmp_path / "config.toml"), "--store", str(tmp_path / "solar.sqlite")]


def test_status_of_many_accounts_is_a_summary_with_the_problems(capsys, fleet):
    code, out, err = run_status(capsys, *fleet)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert len(lines) < 10
    assert lines[0] == "40 accounts, 1 with problems; 9 of 7200 requests used in 24 h"
    assert lines[1].startswith("roof 7 (growatt): 9 of 180 requests")
    assert lines[2] == f"  locked until {local_time(NOW + 3600)}: 507"
    assert ": 30 samples, " in lines[3]
    assert lines[4] == "30 plants: 29 live, 1 offline (unexpected)"
    assert lines[5].startswith("  Roof 4 (growatt 4): offline (unexpected), last sample ")
    assert lines[-1] == "Only problems are listed; --all lists everything"


def test_status_all_lists_every_account_and_plant(capsys, fleet):
    out = run_status(capsys, *fleet, "--all")[1]
    assert sum(line.startswith("roof ") for line in out.splitlines()) == 40
    assert sum(line.startswith("  Roof ") for line in out.splitlines()) == 30
    assert "accounts, " not in out


def test_status_problems_of_a_healthy_account(capsys):
    assert run_status(capsys, "--problems")[1] == "1 account, no problems; 0 of 180 requests used in 24 h\n"


def test_status_of_a_named_account_is_never_a_summary(capsys, fleet):
    out = run_status(capsys, *fleet, "--account", "roof 3")[1]
    assert out.startswith("roof 3 (growatt): 0 of 180 requests")
    assert sum(line.startswith("  Roof ") for line in out.splitlines()) == 30


def test_status_says_how_late_the_data_of_a_plant_arrives(capsys, tmp_path):
    newest = int(NOW) - 900
    samples = [SAMPLE._replace(measured_at=at, fetched_at=at + 900) for at in range(newest - 7200, newest + 1, 720)]
    poll = PollStatus(ROOF, int(NOW), 720, int(NOW) + 720)
    with open_store(tmp_path / "s.sqlite") as store:
        store.write(Batch(samples=samples, polls=[poll], series_info=[SeriesInfo(ROOF, "Sun House", None, "UTC")]))
    out = run_status(capsys, "--store", str(tmp_path / "s.sqlite"))[1]
    assert "polled every 12 min, data arrives 15 min late, next" in out
