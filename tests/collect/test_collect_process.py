"""The collector as a program: configured by a file, stopped by signals, killed and restarted."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from heliograph.cli.main import build_parser
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.store import open_store
from heliograph.store.base import Batch, Series

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

NOON = "2025-06-21T12:00:00+02:00"
FOREVER = 1 << 40


class Clouds:
    """Both clouds at a noon that stands still, and the files of their owners."""

    def __init__(self, emulator, ready, folder):
        self.emulator = emulator
        self.url = ready["url"]
        self.accounts = ready["accounts"]
        self.config = folder / "heliograph.toml"
        self.store = folder / "samples.sqlite"
        self.programs = []
        self.configure(*self.accounts)

    def configure(self, *accounts, more=""):
        self.config.write_text(
            "\n".join(
                f"[[account]]\nvendor = {one['vendor']!r}\nusername = {one['username']!r}\n"
                f"password = {one['password']!r}\nserver = {self.url!r}\nrequests_per_day = 5000\n{more}"
                for one in accounts
            )
        )
        self.config.chmod(0o600)

    def command(self, *words, store=None):
        where = ["--config", str(self.config), "--store", str(store or self.store)]
        return [sys.executable, "-m", "heliograph", "collect", *where, *words]

    def run(self, *words, store=None, code=0):
        done = subprocess.run(
            self.command(*words, store=store), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        return done.stderr

    def start(self, *words, store=None):
        self.programs.append(subprocess.Popen(self.command(*words, store=store), stderr=subprocess.PIPE, text=True))
        return self.programs[-1]

    def make_due(self, store=None):
        """Make the next poll of all plants due, as if the interval since the last one were over."""
        with open_store(store or self.store) as opened:
            polls = [one._replace(next_at=one.polled_at) for one in opened.poll_statuses().values()]
            opened.write(Batch(polls=polls))

    def end(self):
        for program in self.programs:
            program.kill()
            program.wait()
            program.stderr.close()

    @property
    def requests(self):
        return sum(cloud["requests"] for cloud in self.emulator.log.as_dict(0)["clouds"].values())

    def wait_for(self, requests, program=None):
        """Wait wait_for_line the clouds were asked so often."""
        end = time.monotonic() + 60
        while self.requests < requests:
            assert time.monotonic() < end
            assert program is None or program.poll() is None, program.stderr.read()
            time.sleep(0.005)

    def moments(self, account, store=None):
        with open_store(store or self.store) as opened:
            series = [Series(account["vendor"], plant) for plant in account["plants"]]
            return [list(opened.sample_times(one, 0, FOREVER)) for one in series]


@pytest.fixture
def clouds(tmp_path):
    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat(NOON), speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        clouds = Clouds(emulator, ready, tmp_path)
        yield clouds
        clouds.end()


def wait_for_line(program, *words):
    """Read what a program says wait_for_line it said all these words in one line."""
    for line in program.stderr:
        if all(word in line for word in words):
            return line
    raise AssertionError(program.wait())


def stop_program(program, signum, seconds=20.0):
    """Tell a program to stop, and return its exit code and the rest of what it says; the machine may be busy."""
    begun = time.monotonic()
    program.send_signal(signum)
    _, rest = program.communicate(timeout=60)
    assert time.monotonic() - begun < seconds
    return program.returncode, rest


def test_collect_once_saves_and_logs_every_account(clouds):
    said = clouds.run("--once").splitlines()
    assert [line.split(" ", 2)[1:] for line in said[:1]] == [
        ["info", f"event=collector.started accounts=2 store={clouds.store}"]
    ]
    polled = [line for line in said if "event=poll.done" in line]
    assert len(polled) == 2
    assert all("saved=true" in line for line in polled)
    for account in clouds.accounts:
        assert [len(found) >= 1 for found in clouds.moments(account)] == [True] * len(account["plants"])


def test_collect_logs_events_as_json(clouds):
    events = [json.loads(line) for line in clouds.run("--once", "--no-backfill", "--log", "json").splitlines()]
    assert {one["event"] for one in events} == {"collector.started", "timezone.missing", "poll.done", "fault_log.done"}
    assert all(datetime.fromisoformat(one["at"]).utcoffset() == timedelta() for one in events)
    (growatt,) = (one for one in events if one["event"] == "poll.done" and one["account"] == "growatt")
    assert growatt["saved"] is True
    assert growatt["plants"] == len(clouds.accounts[0]["plants"])


def test_collect_once_exits_1_if_an_account_fails_and_saves_the_others(clouds):
    growatt, goodwe = clouds.accounts
    clouds.configure(growatt | {"password": "not-this-one"}, goodwe)
    said = clouds.run("--once", "--no-backfill", code=1)
    (line,) = (line for line in said.splitlines() if "event=poll.failed" in line)
    assert "account=growatt error=InvalidCredentials" in line
    assert "not-this-one" not in said
    assert all(clouds.moments(goodwe))
    assert not any(clouds.moments(growatt))


def test_collect_that_is_started_again_sends_nothing_before_the_next_planned_poll(clouds):
    clouds.run("--once", "--no-backfill")
    before = clouds.requests
    program = clouds.start("--no-backfill")
    wait_for_line(program, "event=poll.resumed", "seconds=")
    wait_for_line(program, "event=poll.resumed", "seconds=")
    assert stop_program(program, signal.SIGTERM)[0] == 0
    assert clouds.requests == before


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_collect_saves_everything_on_sigterm(clouds, signum):
    program = clouds.start()
    wait_for_line(program, "event=poll.done")
    wait_for_line(program, "event=poll.done")
    assert stop_program(program, signum)[0] == 0
    for account in clouds.accounts:
        assert all(clouds.moments(account))


@pytest.mark.parametrize("words", [(), ("--once",)])
def test_collect_waits_for_fast_response_on_sigterm(clouds, words):
    clouds.configure(clouds.accounts[0])
    clouds.run("--once", "--no-backfill")
    before = clouds.moments(clouds.accounts[0])
    clouds.emulator.world.clock.set(datetime.fromisoformat(NOON) + timedelta(hours=1))
    clouds.emulator.faults.set({"slow": 0.05})
    clouds.make_due()
    program = clouds.start("--no-backfill", *words)
    clouds.wait_for(clouds.requests + 1, program)
    code, said = stop_program(program, signal.SIGTERM)
    assert code == 0
    assert "event=poll.done" in said
    assert [len(after) for after in clouds.moments(clouds.accounts[0])] == [len(found) + 1 for found in before]


@pytest.mark.parametrize("words", [(), ("--once",)])
def test_collect_does_not_wait_for_slow_response_on_sigterm(clouds, words):
    growatt, goodwe = clouds.accounts
    clouds.run("--once", "--no-backfill")
    clouds.emulator.faults.set({"slow": 60})
    clouds.make_due()
    program = clouds.start("--no-backfill", *words)
    clouds.wait_for(clouds.requests + 2, program)
    code, _ = stop_program(program, signal.SIGTERM)
    assert code == (1 if words else 0)
    clouds.emulator.faults.set({"slow": None})
    clouds.run("--once", "--no-backfill")
    assert clouds.emulator.log.as_dict(0)["logins"] == {growatt["username"]: 1, goodwe["username"]: 1}


def test_collect_survives_kills_without_data_loss_or_new_login(clouds):
    growatt = clouds.accounts[0]
    clouds.configure(growatt)
    clouds.run("--once", "--no-backfill")
    before = clouds.requests
    clouds.run("--once", "--no-backfill")
    each, chance = clouds.requests - before, random.Random(7)
    known, acknowledged, dead_before = clouds.moments(growatt), 0, 0
    for turn in range(24):
        clouds.emulator.world.clock.set(clouds.emulator.world.clock.now() + timedelta(seconds=300))
        # Half are killed while responses are written to the store, a quarter between two slow responses, and a quarter
        # after the poll.
        during_requests, after_poll = turn % 4 == 0, turn % 4 == 1
        clouds.emulator.faults.set({"slow": 0.2 if during_requests else None})
        clouds.make_due()
        program = clouds.start("--no-backfill")
        clouds.wait_for(clouds.requests + (chance.randrange(1, each) if during_requests else each), program)
        said = wait_for_line(program, "event=poll.done") if after_poll else ""
        time.sleep(0.0 if during_requests else chance.uniform(0.0, 0.15))
        program.send_signal(signal.SIGKILL)
        kept = "saved=true" in said + program.communicate()[1]
        found = clouds.moments(growatt)
        assert all(set(old) <= set(new) for old, new in zip(known, found, strict=True))
        fresh = [len(new) - len(old) for old, new in zip(known, found, strict=True)]
        assert len(set(fresh)) == 1  # a poll is kept whole or not at all
        assert not kept or fresh[0]
        acknowledged, dead_before = acknowledged + kept, dead_before + (not fresh[0])
        known = found
    assert acknowledged > 2
    assert dead_before > 2
    clouds.emulator.faults.set({"slow": None})
    clouds.run("--once", "--no-backfill")
    assert clouds.emulator.log.as_dict(0)["logins"] == {growatt["username"]: 1}
    for plant in growatt["plants"]:
        ours, truth = counted_today(clouds, growatt, plant)
        # Devices report tenths, and a list's counter is rounded down to tenths.
        assert ours == pytest.approx(truth, abs=0.2)


def counted_today(clouds, account, plant):
    """Return the solar energy of the day so far, as it was counted and as it was."""
    (holder,) = (one for one in clouds.emulator.accounts if one.username == account["username"])
    (site,) = (one for one in holder.plants if one.id == plant)
    with open_store(clouds.store) as store:
        series = Series(account["vendor"], plant)
        # Not every poll fetches the counters of every plant.
        counted = [one for one in store.samples(series, 0, 1 << 40) if one.values.get("pv_energy_total") is not None]
        today = datetime.fromisoformat(NOON).date()
        (day,) = store.days(series, today, today)
    # A sample without a data time has that of its response, and is of the upload before.
    uploaded_at = counted[-1].measured_at // 300 * 300
    moment = datetime.fromtimestamp(uploaded_at, UTC)
    return day.values["pv_energy"], sum(home.values(moment)["pv_energy_today"] for home in site.truth)


def test_collect_rejects_second_collector_of_a_store(clouds, place):
    first = clouds.start("--no-backfill", store=place.where)
    # The emulated clock stands in the past, so that a fault log of GoodWe is due after the first poll.
    for _ in range(3):
        wait_for_line(first, ".done account=")
    before = clouds.requests
    (line,) = clouds.run("--once", store=place.where, code=1).splitlines()
    assert "another collector is already using it" in line
    assert line.startswith("heliograph: ")
    assert clouds.requests == before
    first.kill()
    first.wait()
    clouds.run("--once", "--no-backfill", store=place.where)  # whoever is killed has nothing any more


def test_collect_shares_session_between_two_stores(clouds, tmp_path):
    stores = [tmp_path / name for name in ("one.sqlite", "other.sqlite")]
    began = time.monotonic()
    both = [clouds.start("--once", "--no-backfill", store=store) for store in stores]
    assert [program.communicate(timeout=60) and program.returncode for program in both] == [0, 0]
    seconds = time.monotonic() - began
    assert set(clouds.emulator.log.as_dict(0)["logins"].values()) == {1}
    for account in clouds.accounts:
        for one, other in zip(*(clouds.moments(account, store) for store in stores), strict=True):
            assert len(one) == len(other) == 1
            # Some plants report no time; theirs is that of the cloud's last answer, and of the machine since then.
            assert abs(one[0] - other[0]) <= seconds


@pytest.mark.parametrize(
    ("store", "code", "says"),
    [
        ("folder", 1, "unable to open"),
        ("letter.txt", 1, "not a store of heliograph"),
        ("mysql://db/solar", 2, "mysql:// is not a supported store"),
        ("postgresql://ada:s3cret@127.0.0.1:1/solar", 1, "refused"),
    ],
)
def test_collect_reports_unusable_store_before_any_request(clouds, tmp_path, store, code, says):
    (tmp_path / "folder").mkdir()
    (tmp_path / "letter.txt").write_text("Dear Ada, " * 1000)
    (line,) = clouds.run(store=store if "://" in store else tmp_path / store, code=code).splitlines()
    assert says in line
    assert "s3cret" not in line
    assert clouds.requests == 0


def test_collect_reports_configuration_error_before_any_request(clouds):
    clouds.configure(*clouds.accounts, more="intervall = '5 min'\n")
    (line,) = clouds.run(code=2).splitlines()
    assert "intervall" in line
    clouds.configure(clouds.accounts[1])
    clouds.config.write_text(clouds.config.read_text().replace("http://", "htp://"))
    (line,) = clouds.run(code=2).splitlines()
    assert "account goodwe" in line
    assert "is not a valid server" in line
    assert clouds.requests == 0


def test_collect_shows_no_secret_in_log_or_process_list(clouds):
    program = clouds.start("--log", "json")
    said = wait_for_line(program, "poll.done") + wait_for_line(program, "poll.done")
    listed = subprocess.run(["ps", "-o", "args=", str(program.pid)], capture_output=True, text=True, check=True).stdout
    said += stop_program(program, signal.SIGTERM)[1]
    assert all(one["password"] not in said + listed for one in clouds.accounts)


def test_collect_saves_complete_poll_across_database_restart(clouds, server):
    from support.store_fixtures import DatabasePlace

    place = DatabasePlace(server.url)
    clouds.configure(clouds.accounts[0])
    clouds.run("--once", "--no-backfill", store=place.where)
    before = clouds.moments(clouds.accounts[0], place.where)
    clouds.emulator.world.clock.set(datetime.fromisoformat(NOON) + timedelta(hours=1))
    clouds.emulator.faults.set({"slow": 0.1})
    clouds.make_due(place.where)
    program = clouds.start("--no-backfill", store=place.where)
    clouds.wait_for(clouds.requests + 1, program)
    server.stop(signal.SIGQUIT)
    server.start()
    assert "saved=true" in wait_for_line(program, "event=poll.done")
    assert stop_program(program, signal.SIGTERM)[0] == 0
    found = clouds.moments(clouds.accounts[0], place.where)
    assert [len(after) for after in found] == [len(known) + 1 for known in before]
    place.empty()


def test_collect_accepts_hidden_old_flag_no_heal(capsys):
    parser = build_parser("collect")
    assert parser.parse_args(["collect", "--no-heal"]).backfill is False
    assert parser.parse_args(["collect", "--no-backfill"]).backfill is False
    assert parser.parse_args(["collect"]).backfill is True
    with pytest.raises(SystemExit):
        parser.parse_args(["collect", "--help"])
    assert "--no-heal" not in capsys.readouterr().out
