"""`heliograph settings` against an emulated cloud over real HTTP: what is sent, what is told, and how it ends."""

from __future__ import annotations

import asyncio
import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from heliograph.cli.main import run
from heliograph.cli.settings import change, common, show
from heliograph.cli.settings.recover import restore_until_stopped
from heliograph.config import load
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError
from heliograph.settings import Clock
from support.growatt_emulator import NOON, EmulatedCloud

TABLE = """\
[[account]]
vendor = "growatt"
username = "{username}"
password = "{password}"
server = "{server}"
{more}
"""


class Moving(Clock):
    """The emulated world's clock; who waits moves it."""

    def __init__(self, box):
        self.box = box

    def now(self):
        return self.box.emulator.world.clock.now().timestamp()

    def sleep(self, seconds):
        self.box.wait(seconds=seconds)

    async def pause(self, seconds):
        self.sleep(seconds)


class House:
    """One account in a configuration, and the command line of its owner."""

    def __init__(self, box, server, home, capsys):
        self.box, self.server, self.home, self.capsys = box, server, home, capsys
        self.device = box.device("tlx-battery")
        self.allows("writes = true")

    def allow(self, more):
        who = self.box.holder
        path = self.home / "config.toml"
        path.write_text(TABLE.format(username=who.username, password=who.password, server=self.server, more=more))
        path.chmod(0o600)

    def say(self, *words):
        code = run(["settings", *words])
        out, err = self.capsys.readouterr()
        assert self.box.holder.password not in out + err
        return code, out, err

    def asked(self, *words):
        code, out, _ = self.say(*words, "--json")
        return code, json.loads(out)

    def set(self, *values):
        return self.asked("set", self.device, *values, "--yes")

    @property
    def has(self):
        return self.box.plants["tlx-battery"].settings.get("tlx", {})


@pytest.fixture
def house(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    box = EmulatedCloud(NOON)
    with serve_in_thread(box.emulator) as ready:
        monkeypatch.setattr(common, "CLOCK", Moving(box))
        yield House(box, ready["growatt"], tmp_path, capsys)


def test_an_order_is_shown_sent_and_read_back(house):
    code, out, _ = house.say("set", house.device, "charge_stop_soc=90", "--yes")
    assert code == 0
    assert "charge_stop_soc: " in out
    assert "-> 90 %" in out
    assert "applied: charge_stop_soc 90 %" in out
    assert house.has["charge_stop_soc"] == "90"
    assert house.set("charge_stop_soc=90")[1]["order"] is None
    code, out, _ = house.say("undo", house.device, "--yes")
    assert code == 0
    assert house.has["charge_stop_soc"] != "90"
    code, out, _ = house.say("log")
    assert [line.split()[-2] for line in out.splitlines() if not line.startswith(" ")]
    assert "undo of" in out


def test_what_a_device_has_and_may_be_told_is_shown(house):
    house.allows('writes = ["charge_stop_soc"]')
    house.set("charge_stop_soc=88")
    code, out, _ = house.say("show", house.device)
    assert code == 0
    line = next(line for line in out.splitlines() if line.split()[:1] == ["charge_stop_soc"])
    assert "88 %" in line
    assert "may be written; applied by order" in line
    code, told = house.asked("show", house.device)
    rows = {row["name"]: row for row in told["settings"]}
    assert (rows["charge_stop_soc"]["values"], rows["charge_stop_soc"]["writable"]) == ({"value": 88.0}, True)
    assert rows["ac_charge"]["writable"] is False
    assert "grid code" in out


@pytest.mark.parametrize(
    ("fault", "code", "state"),
    [
        ({"unwilling": True}, 1, "refused"),
        ({"deaf": True}, 3, "pending"),
        ({"sluggish": "60"}, 0, "applied"),
        ({"sluggish": "900"}, 3, "pending"),
        ({"clamp": "10/50"}, 4, "unknown"),
    ],
)
def test_each_failure_ends_in_its_state_and_exit_code(fault, code, state, house):
    house.asked("show", house.device)
    house.box.fault(**fault)
    told_code, told = house.set("charge_stop_soc=91")
    assert (told_code, told["state"]) == (code, state)
    house.box.fault(**dict.fromkeys(fault))
    house.box.wait(hours=1)
    assert house.say("recover")[0] == (4 if state == "unknown" else 0)
    final = house.asked("log")[1][0]["state"]
    assert final == {"deaf": "refused"}.get(next(iter(fault)), "applied" if state == "pending" else state)


def test_what_cannot_be_read_is_not_ordered(house):
    house.asked("show", house.device)
    house.box.fault(unread=True)
    code, _, err = house.say("set", house.device, "charge_stop_soc=91", "--yes")
    assert (code, house.has) == (1, {}), err


def test_a_sequence_that_ends_half_way_names_both_halves(house):
    house.asked("show", house.device)
    house.box.fault(halfway="1")
    code, told = house.set("charge_stop_soc=91", "discharge_power_limit=77")
    assert (code, told["order"]["partial"]) == (3, True)
    assert [one["state"] for one in told["order"]["changes"]] == ["pending", "unsent"]
    assert house.asked("log")[1][0]["state"] == "pending"


def test_no_answer_is_unreachable_where_nothing_was_sent_and_unknown_where_it_was(house):
    house.asked("show", house.device)
    code, _, err = house.say("show", house.device, "--server", "http://127.0.0.1:9")
    assert code == 1
    assert "no connection" in err


def test_an_account_is_read_only_until_its_table_says_otherwise(house):
    house.allows("")
    code, _, err = house.say("set", house.device, "charge_stop_soc=90", "--yes")
    assert code == 2
    assert 'writes = ["charge_stop_soc"]' in err
    assert str(house.home / "config.toml") in err
    house.allows("writes = true")
    code, _, err = house.say("set", house.device, "grid_voltage_high=250", "--yes")
    assert (code, house.has) == (2, {})
    assert "grid_code = true" in err


def test_a_dry_run_shows_the_difference_and_the_requests_and_sends_nothing(house):
    house.allows("")
    code, out, _ = house.say("set", house.device, "charge_stop_soc=90", "--dry-run")
    assert code == 0
    assert "would send: POST newTcpsetAPI.do op=tlxSet" in out
    assert "param1=90" in out
    assert "it would be refused: account growatt may not write charge_stop_soc; to allow it, say in" in out
    assert house.has == {}
    _, told = house.asked("set", house.device, "charge_stop_soc=90", "--dry-run")
    assert told["requests"][0]["fields"]["type"] == "charge_stop_soc"
    assert told["allowed"] is False
    assert "may not write charge_stop_soc; to allow it" in told["why"]
    house.allows('writes = ["charge_stop_soc", "grid_voltage_high"]')
    assert "would be refused" not in house.say("set", house.device, "charge_stop_soc=90", "--dry-run")[1]
    _, told = house.asked("set", house.device, "charge_stop_soc=90", "--dry-run")
    assert (told["allowed"], told["why"]) == (True, None)
    _, told = house.asked("set", house.device, "charge_stop_soc=90", "grid_voltage_high=250", "--dry-run")
    assert (told["allowed"], "grid_code = true" in told["why"]) == (False, True)


def test_nothing_is_sent_without_a_yes(house, monkeypatch):
    assert house.say("set", house.device, "charge_stop_soc=90")[0] == 2
    typed = io.StringIO("no\n")
    typed.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", typed)
    code, _, err = house.say("set", house.device, "charge_stop_soc=90")
    assert (code, house.has) == (1, {})
    assert "nothing was sent" in err
    typed = io.StringIO("y\n")
    typed.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", typed)
    assert house.say("set", house.device, "charge_stop_soc=90")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set", "{device}", "charge_stop_soc=101", "--yes"], "0 to 100"),
        (["set", "{device}", "charge_stop_soc", "--yes"], "no NAME=VALUE"),
        (["set", "{device}", "ac_charge=on", "ac_charge=off", "--yes"], "given twice"),
        (["set", "charge_stop_soc=90", "ac_charge=on"], "name the device first"),
        (["set", "NOSUCH", "ac_charge=on"], "{device}"),
        (["curtail", "{device}", "--to", "much", "--until", "15:00"], "is no limit"),
        (["curtail", "{device}", "--to", "50%", "--until", "teatime"], "is no time"),
        (["curtail", "{device}", "--until", "15:00"], "--to LIMIT"),
        (["undo", "{device}", "--yes"], "no order to take back"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(words, told, house):
    code, _, err = house.say(*(word.format(device=house.device) for word in words))
    assert code == 2
    assert told.format(device=house.device) in err
    assert house.has == {}


def test_a_schedule_goes_out_and_comes_back_as_it_was(house, tmp_path):
    code, text, _ = house.say("schedule", house.device)
    assert code == 0
    day = tmp_path / "day.toml"
    day.write_text(text)
    assert house.asked("schedule", house.device, str(day), "--yes")[1]["order"] is None
    day.write_text(
        'charge_stop_soc = 95\n[[windows]]\nstart = "23:00"\nend = "04:00"\nmode = "battery-first"\n'
        '[[windows]]\nstart = "17:00"\nend = "21:00"\nmode = "grid-first"\n'
    )
    code, out, err = house.say("schedule", house.device, str(day), "--yes")
    assert (code, "time_window_1.start" in out) == (0, True), out + err
    _, told = house.asked("schedule", house.device)
    assert [(one["start"], one["end"]) for one in told["windows"]] == [
        ("23:00", "23:59"),
        ("00:00", "04:00"),
        ("17:00", "21:00"),
    ]
    assert told["charge_stop_soc"] == 95
    code, out, err = house.say("undo", house.device, "--yes")
    assert code == 0, out + err
    assert house.say("schedule", house.device)[1] == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("windows = 5", "list of tables"),
        ("windows = []\ncolour = 1", "colour"),
        ('[[windows]]\nstart = "1"\nend = "02:00"\nmode = "load-first"', "00:00 to 23:59"),
        ('[[windows]]\nend = "02:00"\nmode = "load-first"', "start has to be a text"),
        ("{", "neither TOML nor JSON"),
        ('windows = []\ncharge_power = "much"', "is a number"),
    ],
)
def test_a_schedule_that_is_none_is_told_with_its_place(text, told, house, tmp_path):
    day = tmp_path / "day"
    day.write_text(text)
    code, _, err = house.say("schedule", house.device, str(day), "--yes")
    assert (code, told in err, str(day) in err) == (2, True, True), err


def until(house, **ahead):
    return (house.box.emulator.world.clock.now() + timedelta(**ahead)).astimezone(UTC).isoformat()


def test_a_curtailment_ends_by_the_command_that_began_it(house):
    before = house.asked("show", house.device)[1]
    code, out, err = house.say("curtail", house.device, "--to", "50%", "--until", until(house, hours=2), "--yes")
    assert code == 0, err
    assert "active_power_rate.value: 100 % -> 50 %" in out
    assert "is over: applied" in err
    assert house.has["activeRate"] == "100"
    after = house.asked("show", house.device)[1]
    differ = [
        one["name"]
        for one, two in zip(before["settings"], after["settings"], strict=True)
        if one["values"] != two["values"]
    ]
    assert differ == ["clock"]


def test_when_a_curtailment_ends_is_told_before_anything_is_sent(house):
    words = "curtail", house.device, "--to", "50%", "--until"
    ends = datetime.fromisoformat(NOON) + timedelta(days=1)
    code, out, _ = house.say(*words, ends.isoformat(), "--dry-run")
    assert code == 0
    assert f"until {ends.astimezone():%a %H:%M}; then it gets back what it has now" in out
    _, told = house.asked(*words, "2026-12-24T18:00:00+01:00", "--dry-run")
    assert told["until"] == "2026-12-24T17:00:00+00:00"
    assert house.asked("set", house.device, "charge_stop_soc=90", "--dry-run")[1]["until"] is None


def test_without_a_device_the_only_one_is_shown_or_all_are_listed(house):
    code, _, err = house.say("show")
    assert code == 2
    assert "say which device. There are:\n" in err
    assert house.device in err
    house.allows(f'plants = ["{house.box.plants["tlx-battery"].id}"]')
    assert house.say("show")[1].startswith(house.device)


def test_a_log_of_a_device_without_orders_says_so(house):
    house.set("charge_stop_soc=90")
    code, out, err = house.say("log", "My roof")
    assert (code, out) == (0, "")
    assert "no order to 'My roof' was given here; a name is known here once `heliograph settings show`" in err
    other = next(house.box.device(family) for family in house.box.plants if family != "tlx-battery")
    assert house.say("log", other) == (0, "", f"heliograph: no order to {other!r} was given here\n")
    assert house.say("log", house.device)[2] == ""


def test_a_log_takes_names_as_the_other_commands_do_and_asks_no_cloud(house, monkeypatch):
    house.set("charge_stop_soc=90")
    (order,) = house.asked("log")[1]
    site = house.box.plants["tlx-battery"]
    later = house.box.emulator.world.clock.now() + timedelta(days=40)
    monkeypatch.setattr(show, "now", lambda: later)
    before = house.box.emulator.log.tally(house.box.holder.username).requests
    for text in (house.device, house.device.lower(), site.name, site.name.upper(), site.id, house.device[:-1]):
        assert house.asked("log", text) == (0, [order]), text
    assert house.asked("log", next(one.name for one in house.box.plants.values() if one is not site)) == (0, [])
    assert house.box.emulator.log.tally(house.box.holder.username).requests == before
    for path in house.home.rglob("*.devices.json"):
        path.unlink()
    assert house.asked("log", house.device) == (0, [order])
    assert house.asked("log", site.name) == (0, [])
    assert house.box.emulator.log.tally(house.box.holder.username).requests == before


def test_a_limit_never_lets_a_device_give_more_than_it_may_now(house):
    house.set("active_power_rate.value=30")
    code, _, err = house.say("curtail", house.device, "--to", "50%", "--until", until(house, hours=2), "--yes")
    assert (code, house.has["activeRate"]) == (2, "30")
    assert "active_power_rate is 30 % already, which is less than that; nothing was sent" in err
    assert len(house.asked("log")[1]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["curtail", "{device}", "--until", "{until}", "charge_power_limit=40", "--yes", "--leave"],
        ["curtail", "--yes", "--until", "{until}", "{device}", "--leave", "charge_power_limit=40"],
        ["set", "{device}", "ac_charge=on", "--yes", "charge_power_limit=40"],
        ["set", "--yes", "{device}", "charge_power_limit=40"],
        ["schedule", "{device}", "--yes", "{file}"],
    ],
)
def test_values_may_stand_before_or_after_any_option(words, house, tmp_path):
    (tmp_path / "day.toml").write_text("windows = []\ncharge_power = 40")
    said = {"device": house.device, "until": until(house, hours=2), "file": str(tmp_path / "day.toml")}
    code, out, err = house.say(*(word.format(**said) for word in words))
    assert (code, "charge_power_limit: 100 % -> 40 %" in out) == (0, True), out + err
    assert house.has["charge_power"] == "40"


def test_the_raw_call_takes_its_words_after_its_options_as_its_help_shows(house):
    words = ["--allow-commands", "update_tlx_inverter_setting", house.device, "charge_power", "--account", "growatt"]
    assert run(["call", "growatt", *words, "40"]) == 0
    assert house.has["charge_power"] == "40"


@pytest.mark.parametrize(
    "words", [["set", "D", "a=1", "--yse", "b=2"], ["log", "D", "--json", "E"], ["schedule", "D", "f", "--yes", "g"]]
)
def test_a_word_that_has_no_place_is_refused_wherever_it_stands(words, house):
    with pytest.raises(SystemExit) as left:
        run(["settings", *words])
    assert left.value.code == 2
    assert "unrecognized arguments" in house.capsys.readouterr().err


def test_what_is_not_known_yet_says_how_to_look_again(house):
    house.box.fault(deaf=True)
    out = house.say("set", house.device, "charge_stop_soc=90", "--yes")[1]
    order = house.asked("log")[1][0]["id"]
    hint = f"it is not known yet what became of order {order}; to look again: heliograph settings recover"
    assert hint in out
    house.box.fault(deaf=None, clamp="10/50")
    assert "nor what it was told; it has 50 %)" in house.say("set", house.device, "charge_stop_soc=80", "--yes")[1]
    assert hint not in house.say("set", house.device, "charge_stop_soc=40", "--yes")[1]


def test_who_leaves_while_an_order_is_under_way_is_told_which(house, monkeypatch):
    def left(clock, seconds):
        raise KeyboardInterrupt

    house.say("show", house.device)
    monkeypatch.setattr(change, "apart", lambda job: job())
    monkeypatch.setattr(Moving, "sleep", left)
    code, _, err = house.say("set", house.device, "charge_stop_soc=90", "--yes")
    order = house.asked("log")[1][0]["id"]
    assert code == 130
    assert f"what became of order {order}; to look again: heliograph settings recover" in err


def test_a_folder_that_is_none_is_told_by_its_name_and_nothing_is_sent(house):
    before = dict(house.has)
    (house.home / "orders").write_text("not a folder")
    code, _, err = house.say("set", house.device, "charge_stop_soc=90", "--yes")
    assert (code, house.has) == (1, before)
    assert str(house.home / "orders") in err


def test_orders_wait_as_long_as_a_cloud_may_wait_for_its_device(house):
    accounts = load(None, os.environ).select_accounts(None, None)
    assert common.orders_of(accounts[0]).client._timeout == common.async_orders_of(accounts[0]).client._timeout == 90.0


def test_a_curtailment_that_was_left_is_ended_by_the_next_command(house):
    ends = until(house, hours=2)
    assert house.say("curtail", house.device, "--to", "50%", "--until", ends, "--leave", "--yes")[0] == 0
    assert house.has["activeRate"] == "50"
    assert house.say("show", house.device)[0] == 0
    assert house.has["activeRate"] == "50"
    house.box.wait(hours=3)
    code, _, err = house.say("show", house.device)
    assert (code, house.has["activeRate"]) == (0, "100")
    assert "is over: applied" in err


def test_who_changes_what_is_curtailed_is_told_that_it_will_not_be_restored(house):
    house.say("curtail", house.device, "--to", "50%", "--until", until(house, hours=2), "--leave", "--yes")
    limit = house.asked("log")[1][0]["id"]
    told = f"active_power_rate is curtailed by order {limit}; after this it is not restored"
    assert f"note: {told}" in house.say("set", house.device, "active_power_rate.value=70", "--dry-run")[1]
    assert house.set("active_power_rate.value=70")[1]["notes"][0].startswith(told)
    house.box.wait(hours=3)
    house.say("show", house.device)
    assert house.has["activeRate"] == "70"


def status(house, *words):
    code = run(["status", *words])
    return code, house.capsys.readouterr().out


def test_status_and_doctor_name_what_is_open(house):
    house.box.fault(deaf=True)
    order = house.set("charge_stop_soc=90")[1]["order"]["id"]
    house.box.fault(deaf=None)
    house.say("curtail", house.device, "--to", "50%", "--until", until(house, hours=2), "--leave", "--yes")
    _, out = status(house)
    assert f"order {order} to {house.device} is pending; run: heliograph settings recover" in out
    assert f"{house.device} is curtailed until" in out
    assert len(json.loads(status(house, "--json")[1])["accounts"][0]["orders"]) == 2
    run(["doctor"])
    assert "is curtailed until" in house.capsys.readouterr().out


@pytest.mark.parametrize("words", [["collect", "--once"], ["now"]])
def test_a_curtailment_that_was_left_is_ended_by_whoever_talks_to_the_cloud(words, house):
    house.say("curtail", house.device, "--to", "50%", "--until", until(house, hours=2), "--leave", "--yes")
    house.box.wait(hours=3)
    run([*words, *(["--store", str(house.home / "samples.sqlite")] if words[0] == "collect" else [])])
    assert house.has["activeRate"] == "100"
    assert "is curtailed" not in status(house)[1]


def test_a_collector_ends_a_curtailment_while_it_runs(house):
    house.say("curtail", house.device, "--to", "50%", "--until", until(house, hours=2), "--leave", "--yes")

    class Looks:
        """Two looks: one before the end, one after it."""

        looks = 0

        def now(self):
            return 0.0

        async def wait(self, moment, stop):
            self.looks += 1
            house.box.wait(hours=3)
            if self.looks == 2:
                stop.set()

    async def kept():
        await restore_until_stopped(load(house.home / "config.toml", {}).accounts, Looks(), asyncio.Event())

    asyncio.run(kept())
    assert house.has["activeRate"] == "100"


def test_who_else_has_written_is_told(house):
    house.set("charge_stop_soc=90")
    house.box.log_in()
    house.box.post("newTcpsetAPI.do", op="tlxSet", serialNum=house.device, type="charge_stop_soc", param1="42")
    code, out, _ = house.say("set", house.device, "charge_stop_soc=80", "--yes")
    assert code == 0
    assert "somebody else has changed charge_stop_soc" in out
    assert "42 %" in out


def test_the_writes_of_a_day_are_counted(house):
    house.allows("writes = true\nwrites_per_day = 1")
    assert house.set("charge_stop_soc=90")[0] == 0
    code, _, err = house.say("set", house.device, "charge_stop_soc=80", "--yes")
    assert code == 1
    assert "1 are allowed" in err


def test_names_of_servers_do_no_harm(house):
    house.asked("show", house.device)
    path = next((house.home / "orders").glob("*.devices.json"))
    path.write_text(path.read_text().replace('"plant_name": "', '"plant_name": "\\u001b[2J'))
    _, out, err = house.say("set", "NOSUCH", "a=1")
    assert "\x1b" not in out + err
    _, out, err = house.say("show", house.device)
    assert "\x1b" not in out + err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('writes = "all"', "line 6: writes must be a list of settings"),
        (
            'writes = ["ac_charge", "chrage_stop_soc"]',
            "writes names 'chrage_stop_soc', which no setting of growatt is called. Did you mean charge_stop_soc",
        ),
        ('writes = ["Export-Limit"]', "Did you mean export_limit, "),
        ('writes = ["immediate_charge", "colour"]', "writes names 'immediate_charge', which no setting of growatt"),
        ('writes = ["colour"]', "is called. Take it out, and heliograph settings show lists what a device has"),
        ('grid_code = "yes"', "line 6: grid_code must be true or false"),
        ("writes_per_day = 0", "line 6: writes_per_day must be a whole number of at least 1"),
    ],
)
def test_a_mistake_in_what_may_be_written_is_told_with_its_line(more, told, house):
    house.allows(more)
    with pytest.raises(ConfigError, match="line 6") as caught:
        load(house.home / "config.toml", {})
    assert told in str(caught.value)


def test_no_secret_is_in_the_journal(house):
    house.set("charge_stop_soc=90")
    (path,) = (house.home / "orders").glob("*.jsonl")
    text = path.read_text() + "".join(str(one) for one in (house.home / "orders").iterdir())
    assert house.box.holder.password not in text
    assert house.box.holder.username not in text
    assert datetime.fromisoformat(json.loads(text.splitlines()[0])["at"])


def test_the_common_options_may_stand_before_or_after_what_to_do(house):
    assert house.say("--account", "growatt", "log")[0] == 0
    for words in (["--account", "nobody", "log"], ["log", "--account", "nobody"]):
        code, _, err = house.say(*words)
        assert (code, "there is no account 'nobody'" in err) == (2, True)
