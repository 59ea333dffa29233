"""`heliograph now`, the store and the collector: one state of an account for all of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from heliograph import Growatt
from heliograph.cli.main import run
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import AccountLocked
from heliograph.store.base import Batch, PollStatus, Series
from heliograph.store.sqlite import SqliteStore
from support.damaged_store import overwrite, root_page

ACCOUNT = """
[[account]]
name = "home"
vendor = "growatt"
server = "{url}"
username = "{username}"
password = "{password}"
plants = ["{plant}"]
timezone = "Europe/Berlin"
"""


@pytest.fixture
def home(monkeypatch, tmp_path, capsys):
    """An emulated account of one plant, its configuration, its store, and the commands as a program runs them."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    start = datetime.now(UTC).replace(microsecond=0)
    emulator = build_emulator(EmulatorOptions(start=start, speed=0, accounts=1, zone=UTC))
    with serve_in_thread(emulator) as ready:
        account = ready["accounts"][0]
        # A hybrid uploads at night as well, whenever this runs.
        plant = next(plant.id for plant in emulator.accounts[0].plants if plant.family == "mix")

        def configure(more=""):
            text = ACCOUNT.format(url=ready["url"], plant=plant, **{n: account[n] for n in ("username", "password")})
            (tmp_path / "config.toml").write_text(text + more)
            (tmp_path / "config.toml").chmod(0o600)

        def command(*words):
            code = run([*words])
            out, err = capsys.readouterr()
            return code, out, err

        def requests():
            return emulator.log.cloud_counters("growatt").requests

        def wait(**duration):
            emulator.world.clock.set(emulator.world.clock.now() + timedelta(**duration))

        def samples():
            with SqliteStore(tmp_path / "heliograph.sqlite") as store:
                return list(store.samples(Series("growatt", plant), 0, 1 << 40))

        def client(**options):
            names = account["username"], account["password"]
            return Growatt(*names, server=ready["url"], zone="Europe/Berlin", **options)

        configure()
        yield SimpleNamespace(
            command=command, configure=configure, requests=requests, wait=wait, samples=samples, client=client,
            plant=plant, store=tmp_path / "heliograph.sqlite", emulator=emulator,
        )  # fmt: skip


def test_now_without_collector_stores_what_it_fetched_and_sends_nothing_again(home):
    code, out, err = home.command("now", "--json")
    assert (code, err) == (0, "")
    (shown,) = json.loads(out)
    (sample,) = home.samples()
    assert datetime.fromtimestamp(sample.measured_at, UTC).isoformat() == shown["measured_at"]
    assert sample.values["battery_soc"] == shown["battery_soc"]
    sent = home.requests()
    code, out, err = home.command("now", "--json")
    assert (code, err, home.requests()) == (0, "", sent)
    assert json.loads(out)[0]["fetched_at"] == shown["fetched_at"]
    assert home.command("now", "--max-age", "0")[0] == 0
    assert home.requests() > sent


def test_collector_stores_what_now_fetched_while_it_held_the_claim(home):
    with SqliteStore(home.store) as store:
        store.claim(["the collector"])
        code, _, err = home.command("now")
        assert (code, err, store.latest()) == (0, "", ())
    home.wait(minutes=5)
    code, _, err = home.command("collect", "--once", "--no-backfill")
    assert code == 0, err
    first, second = home.samples()
    assert second.measured_at - first.measured_at == 300
    assert home.client().guard.snapshot_file.queued() == ()


def test_now_shows_what_the_collector_has_just_stored_without_a_request(home):
    assert home.command("collect", "--once", "--no-backfill")[0] == 0
    sent = home.requests()
    code, out, err = home.command("now", "--json")
    assert (code, err, home.requests()) == (0, "", sent)
    (sample,) = home.samples()
    assert json.loads(out)[0]["battery_soc"] == sample.values["battery_soc"]


def test_now_marks_stored_counters_that_no_second_reading_has_confirmed(home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    assert home.command("collect", "--once", "--no-backfill")[0] == 0
    code, out, _ = home.command("now")
    assert code == 0
    assert re.search(r"~\d+\.\d MWh", out)
    assert "~ not confirmed by a second reading, or calculated from the power since" in out
    with SqliteStore(home.store) as store:
        plant = Series("growatt", home.plant)
        store.write(Batch(counters={plant: {**store.counters(plant), "provisional": []}}))
    assert "~" not in home.command("now")[1]


def test_client_of_a_configured_account_is_stored_by_the_next_command(home):
    home.client().snapshot(home.plant)
    home.wait(minutes=5)
    home.client().snapshot(home.plant, max_age=0)
    assert home.command("now")[0] == 0
    assert len(home.samples()) == 2


def test_now_without_budget_shows_stored_values_with_their_age(home):
    home.command("now")
    used = home.client().budget.requests_used
    home.configure(f"requests_per_day = {used}\nreserve = 0\n")
    code, out, err = home.command("now", "--json", "--max-age", "0")
    assert code == 0
    assert json.loads(out)[0]["battery_soc"] == home.samples()[0].values["battery_soc"]
    assert "requests of 24 hours are used" in err
    assert "Nothing was sent; next attempt at" in err
    assert re.search(r"the values shown were stored .* ago", err)


def test_now_of_locked_account_shows_stored_values_and_fails(home):
    home.command("now")
    home.emulator.faults.set({"lock": 1})
    with pytest.raises(AccountLocked):
        home.client().log_in()
    code, out, err = home.command("now", "--json", "--max-age", "0")
    assert code == 1
    assert len(json.loads(out)) == 1
    assert "the account is locked" in err
    assert re.search(r"the values shown were stored .* ago", err)


def test_now_with_a_damaged_store_shows_values_and_says_that_nothing_was_stored(home):
    home.store.write_text("no store, but long enough to be taken for one" * 30)
    code, out, err = home.command("now", "--json")
    assert code == 0
    assert len(json.loads(out)) == 1
    assert err.startswith("heliograph: the values were not stored: ")
    assert "not a store of heliograph" in err
    assert len(home.client().guard.snapshot_file.queued()) == 1


def test_now_with_damaged_counters_in_the_store_shows_values(home):
    assert home.command("now")[0] == 0
    overwrite(home.store, root_page(home.store, "counter"))
    code, out, _ = home.command("now", "--json")
    assert (code, len(json.loads(out))) == (0, 1)


def test_call_of_a_snapshot_is_sent_and_not_stored(home):
    for _ in range(2):
        sent = home.requests()
        assert home.command("call", "growatt", "snapshot", home.plant)[0] == 0
        assert home.requests() > sent
    assert home.client().guard.snapshot_file.queued() == ()
    home.command("now")
    sent = home.requests()
    assert home.command("call", "growatt", "snapshot", home.plant, "max_age=300")[0] == 0
    assert home.requests() == sent


def test_now_names_the_next_reading_of_a_collector_that_waits(home):
    home.command("now")
    polled_at = int(datetime.now(UTC).timestamp())
    poll = PollStatus(Series("growatt", home.plant), polled_at, 300, polled_at + 7200, "the daily quota is spread")
    with SqliteStore(home.store) as store:
        store.write(Batch(polls=[poll]))
    code, _, err = home.command("now", "--json")
    assert code == 0
    assert re.fullmatch(r"heliograph: the next reading of the collector is at .*: the daily quota is spread\n", err)
