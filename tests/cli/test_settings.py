"""`heliograph settings` against an emulated cloud over real HTTP: requests, output and exit codes."""

from __future__ import annotations

import asyncio
import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from heliograph.cli.main import run
from heliograph.cli.plain_tables import PlainConsole, PlainTable, PlainText
from heliograph.cli.settings import change, common, show, table
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


class EmulatedClock(Clock):
    """The clock of the emulated world; sleeping advances it."""

    def __init__(self, box):
        self.box = box

    def now(self):
        return self.box.emulator.world.clock.now().timestamp()

    def sleep(self, seconds):
        self.box.wait(seconds=seconds)

    async def async_sleep(self, seconds):
        self.sleep(seconds)


class SettingsCli:
    """A configuration with one account, and `heliograph settings` run with it."""

    def __init__(self, box, server, home, capsys):
        self.box, self.server, self.home, self.capsys = box, server, home, capsys
        self.device = box.device("tlx-battery")
        self.configure("writes = true")

    def configure(self, more):
        account = self.box.holder
        path = self.home / "config.toml"
        path.write_text(
            TABLE.format(username=account.username, password=account.password, server=self.server, more=more)
        )
        path.chmod(0o600)

    def run(self, *arguments):
        code = run(["settings", *arguments])
        out, err = self.capsys.readouterr()
        assert self.box.holder.password not in out + err
        return code, out, err

    def run_json(self, *arguments):
        code, out, _ = self.run(*arguments, "--json")
        return code, json.loads(out)

    def set(self, *values):
        return self.run_json("set", self.device, *values, "--yes")

    @property
    def written(self):
        return self.box.plants["tlx-battery"].settings.get("tlx", {})


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    box = EmulatedCloud(NOON)
    with serve_in_thread(box.emulator) as ready:
        monkeypatch.setattr(common, "CLOCK", EmulatedClock(box))
        yield SettingsCli(box, ready["growatt"], tmp_path, capsys)


def test_set_shows_sends_and_reads_back(cli):
    code, out, _ = cli.run("set", cli.device, "charge_stop_soc=90", "--yes")
    assert code == 0
    assert "charge_stop_soc: " in out
    assert "-> 90 %" in out
    assert "applied: charge_stop_soc 90 %" in out
    assert cli.written["charge_stop_soc"] == "90"
    assert cli.set("charge_stop_soc=90")[1]["order"] is None
    code, out, _ = cli.run("undo", cli.device, "--yes")
    assert code == 0
    assert cli.written["charge_stop_soc"] != "90"
    code, out, _ = cli.run("log")
    assert [line.split()[-2] for line in out.splitlines() if not line.startswith(" ")]
    assert "undo of" in out


def test_show_lists_values_and_permissions(cli):
    cli.configure('writes = ["charge_stop_soc"]')
    cli.set("charge_stop_soc=88")
    code, out, _ = cli.run("show", cli.device)
    assert code == 0
    line = next(line for line in out.splitlines() if line.split()[:1] == ["charge_stop_soc"])
    assert "88 %" in line
    assert "[writable; applied by change" in " ".join(out.split())
    code, result = cli.run_json("show", cli.device)
    rows = {row["name"]: row for row in result["settings"]}
    assert (rows["charge_stop_soc"]["values"], rows["charge_stop_soc"]["writable"]) == ({"value": 88.0}, True)
    assert rows["ac_charge"]["writable"] is False
    assert "grid code" in out


def test_show_without_rich_has_the_same_rows(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    styled = cli.run("show", cli.device)[1]
    monkeypatch.setattr(table, "Table", PlainTable)
    monkeypatch.setattr(table, "Text", PlainText)
    monkeypatch.setattr(show, "Console", PlainConsole)
    plain = cli.run("show", cli.device)[1]
    assert max(map(len, plain.splitlines()[1:])) <= 80
    assert plain.split() == styled.split()


def test_show_groups_settings_and_folds_what_is_empty(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    cli.configure('writes = ["time_window_2"]')
    cli.set("time_window_2.start=01:00", "time_window_2.end=05:00", "time_window_2.enabled=on")
    lines = [line.rstrip() for line in cli.run("show", cli.device)[1].splitlines()]
    assert lines[1].split() == ["Setting", "Now", "Allowed"]
    groups = [line for line in lines if line in ("Battery", "Export", "Inverter", "Grid code")]
    assert groups == ["Battery", "Export", "Inverter", "Grid code"]
    text = " ".join(" ".join(lines).split())
    assert ".start 01:00 00:00 to 23:59 .end 05:00" in text
    assert "time_window_1 … 8 time windows, none of them on; --all shows them" in text
    assert "21 grid code settings; --all shows them" in text
    assert len(lines) < 45
    assert max(map(len, lines)) <= 80
    full = cli.run("show", cli.device, "--all")[1]
    assert "time_window_9" in full
    assert "grid_voltage_low" in full
    assert "Charge stop state of charge: whole 0 to 100 %" in " ".join(full.split())
    assert max(len(line.rstrip()) for line in full.splitlines()) <= 80


def test_log_shows_units(cli):
    cli.set("charge_stop_soc=90")
    assert "charge_stop_soc: 100 % -> 90 %, applied" in cli.run("log")[1]


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
def test_set_state_and_exit_code_for_each_failure(fault, code, state, cli):
    cli.run_json("show", cli.device)
    cli.box.fault(**fault)
    result_code, result = cli.set("charge_stop_soc=91")
    assert (result_code, result["state"]) == (code, state)
    cli.box.fault(**dict.fromkeys(fault))
    cli.box.wait(hours=1)
    assert cli.run("check")[0] == (4 if state == "unknown" else 0)
    final = cli.run_json("log")[1][0]["state"]
    assert final == {"deaf": "refused"}.get(next(iter(fault)), "applied" if state == "pending" else state)


def test_set_is_refused_if_the_device_cannot_be_read(cli):
    cli.run_json("show", cli.device)
    cli.box.fault(unread=True)
    code, _, err = cli.run("set", cli.device, "charge_stop_soc=91", "--yes")
    assert (code, cli.written) == (1, {}), err


def test_set_of_two_settings_reports_a_partial_change(cli):
    cli.run_json("show", cli.device)
    cli.box.fault(halfway="1")
    code, result = cli.set("charge_stop_soc=91", "discharge_power_limit=77")
    assert (code, result["order"]["partial"]) == (3, True)
    assert [one["state"] for one in result["order"]["changes"]] == ["pending", "unsent"]
    assert cli.run_json("log")[1][0]["state"] == "pending"


def test_show_without_connection_exits_with_1(cli):
    cli.run_json("show", cli.device)
    code, _, err = cli.run("show", cli.device, "--server", "http://127.0.0.1:9")
    assert code == 1
    assert "no connection" in err


def test_set_is_refused_without_write_permission(cli):
    cli.configure("")
    code, _, err = cli.run("set", cli.device, "charge_stop_soc=90", "--yes")
    assert code == 2
    assert 'writes = ["charge_stop_soc"]' in err
    assert str(cli.home / "config.toml") in err
    cli.configure("writes = true")
    code, _, err = cli.run("set", cli.device, "grid_voltage_high=250", "--yes")
    assert (code, cli.written) == (2, {})
    assert "grid_code = true" in err


def test_set_dry_run_shows_difference_and_requests_and_sends_nothing(cli):
    cli.configure("")
    code, out, _ = cli.run("set", cli.device, "charge_stop_soc=90", "--dry-run")
    assert code == 0
    assert "would send: POST newTcpsetAPI.do op=tlxSet" in out
    assert "param1=90" in out
    assert "would be refused: account growatt may not write charge_stop_soc; to allow it, set in" in out
    assert cli.written == {}
    _, result = cli.run_json("set", cli.device, "charge_stop_soc=90", "--dry-run")
    assert result["requests"][0]["fields"]["type"] == "charge_stop_soc"
    assert result["allowed"] is False
    assert "may not write charge_stop_soc; to allow it" in result["why"]
    cli.configure('writes = ["charge_stop_soc", "grid_voltage_high"]')
    assert "would be refused" not in cli.run("set", cli.device, "charge_stop_soc=90", "--dry-run")[1]
    _, result = cli.run_json("set", cli.device, "charge_stop_soc=90", "--dry-run")
    assert (result["allowed"], result["why"]) == (True, None)
    _, result = cli.run_json("set", cli.device, "charge_stop_soc=90", "grid_voltage_high=250", "--dry-run")
    assert (result["allowed"], "grid_code = true" in result["why"]) == (False, True)


def test_set_sends_nothing_without_confirmation(cli, monkeypatch):
    assert cli.run("set", cli.device, "charge_stop_soc=90")[0] == 2
    typed = io.StringIO("no\n")
    typed.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", typed)
    code, _, err = cli.run("set", cli.device, "charge_stop_soc=90")
    assert (code, cli.written) == (1, {})
    assert "nothing was sent" in err
    typed = io.StringIO("y\n")
    typed.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", typed)
    assert cli.run("set", cli.device, "charge_stop_soc=90")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set", "{device}", "charge_stop_soc=101", "--yes"], "0 to 100"),
        (["set", "{device}", "charge_stop_soc", "--yes"], "not NAME=VALUE"),
        (["set", "{device}", "ac_charge=on", "ac_charge=off", "--yes"], "given twice"),
        (["set", "charge_stop_soc=90", "ac_charge=on"], "put the device before NAME=VALUE"),
        (["set", "NOSUCH", "ac_charge=on"], "{device}"),
        (["curtail", "{device}", "--to", "much", "--until", "15:00"], "is not a limit"),
        (["curtail", "{device}", "--to", "50%", "--until", "teatime"], "is not a time"),
        (["curtail", "{device}", "--until", "15:00"], "--to LIMIT"),
        (["undo", "{device}", "--yes"], "no change to undo"),
    ],
)
def test_settings_reports_usage_errors_before_sending(arguments, message, cli):
    code, _, err = cli.run(*(argument.format(device=cli.device) for argument in arguments))
    assert code == 2
    assert message.format(device=cli.device) in err
    assert cli.written == {}


def test_schedule_output_is_accepted_as_file(cli, tmp_path):
    code, text, _ = cli.run("schedule", cli.device)
    assert code == 0
    day = tmp_path / "day.toml"
    day.write_text(text)
    assert cli.run_json("schedule", cli.device, str(day), "--yes")[1]["order"] is None
    day.write_text(
        'charge_stop_soc = 95\n[[windows]]\nstart = "23:00"\nend = "04:00"\nmode = "battery-first"\n'
        '[[windows]]\nstart = "17:00"\nend = "21:00"\nmode = "grid-first"\n'
    )
    code, out, err = cli.run("schedule", cli.device, str(day), "--yes")
    assert (code, "time_window_1.start" in out) == (0, True), out + err
    _, result = cli.run_json("schedule", cli.device)
    assert [(one["start"], one["end"]) for one in result["windows"]] == [
        ("23:00", "23:59"),
        ("00:00", "04:00"),
        ("17:00", "21:00"),
    ]
    assert result["charge_stop_soc"] == 95
    code, out, err = cli.run("undo", cli.device, "--yes")
    assert code == 0, out + err
    assert cli.run("schedule", cli.device)[1] == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("windows = 5", "list of tables"),
        ("windows = []\ncolour = 1", "colour"),
        ('[[windows]]\nstart = "1"\nend = "02:00"\nmode = "load-first"', "00:00 to 23:59"),
        ('[[windows]]\nend = "02:00"\nmode = "load-first"', "start must be a text"),
        ("{", "neither TOML nor JSON"),
        ('windows = []\ncharge_power = "much"', "must be a number"),
    ],
)
def test_schedule_file_errors_name_the_file(text, message, cli, tmp_path):
    day = tmp_path / "day"
    day.write_text(text)
    code, _, err = cli.run("schedule", cli.device, str(day), "--yes")
    assert (code, message in err, str(day) in err) == (2, True, True), err


def until(cli, **ahead):
    return (cli.box.emulator.world.clock.now() + timedelta(**ahead)).astimezone(UTC).isoformat()


def test_curtail_waits_and_restores(cli):
    before = cli.run_json("show", cli.device)[1]
    code, out, err = cli.run("curtail", cli.device, "--to", "50%", "--until", until(cli, hours=2), "--yes")
    assert code == 0, err
    assert "active_power_rate.value: 100 % -> 50 %" in out
    assert "has ended: applied" in err
    assert cli.written["activeRate"] == "100"
    after = cli.run_json("show", cli.device)[1]
    differ = [
        one["name"]
        for one, two in zip(before["settings"], after["settings"], strict=True)
        if one["values"] != two["values"]
    ]
    assert differ == ["clock"]


def test_curtail_shows_its_end_before_sending(cli):
    arguments = "curtail", cli.device, "--to", "50%", "--until"
    ends = datetime.fromisoformat(NOON) + timedelta(days=1)
    code, out, _ = cli.run(*arguments, ends.isoformat(), "--dry-run")
    assert code == 0
    assert f"until {ends.astimezone():%a %H:%M}, then restored to the current value" in out
    _, result = cli.run_json(*arguments, "2026-12-24T18:00:00+01:00", "--dry-run")
    assert result["until"] == "2026-12-24T17:00:00+00:00"
    assert cli.run_json("set", cli.device, "charge_stop_soc=90", "--dry-run")[1]["until"] is None


def test_show_without_device_selects_the_only_one_or_lists_all(cli):
    code, _, err = cli.run("show")
    assert code == 2
    assert "specify a device:\n" in err
    assert cli.device in err
    cli.configure(f'plants = ["{cli.box.plants["tlx-battery"].id}"]')
    assert cli.run("show")[1].startswith(cli.device)


def test_log_of_device_without_changes_is_empty_with_notice(cli):
    assert cli.run("log") == (0, "", "heliograph: no changes of settings are recorded\n")
    cli.set("charge_stop_soc=90")
    code, out, err = cli.run("log", "My roof")
    assert (code, out) == (0, "")
    assert "no changes of 'My roof' are recorded; names are known after `heliograph settings show`" in err
    other = next(cli.box.device(family) for family in cli.box.plants if family != "tlx-battery")
    assert cli.run("log", other) == (0, "", f"heliograph: no changes of {other!r} are recorded\n")
    assert cli.run("log", cli.device)[2] == ""


def test_log_resolves_names_without_requests(cli, monkeypatch):
    cli.set("charge_stop_soc=90")
    (order,) = cli.run_json("log")[1]
    plant = cli.box.plants["tlx-battery"]
    later = cli.box.emulator.world.clock.now() + timedelta(days=40)
    monkeypatch.setattr(show, "now", lambda: later)
    before = cli.box.emulator.log.account_counters(cli.box.holder.username).requests
    for text in (cli.device, cli.device.lower(), plant.name, plant.name.upper(), plant.id, cli.device[:-1]):
        assert cli.run_json("log", text) == (0, [order]), text
    assert cli.run_json("log", next(one.name for one in cli.box.plants.values() if one is not plant)) == (0, [])
    assert cli.box.emulator.log.account_counters(cli.box.holder.username).requests == before
    for path in cli.home.rglob("*.devices.json"):
        path.unlink()
    assert cli.run_json("log", cli.device) == (0, [order])
    assert cli.run_json("log", plant.name) == (0, [])
    assert cli.box.emulator.log.account_counters(cli.box.holder.username).requests == before


def test_curtail_never_raises_a_limit(cli):
    cli.set("active_power_rate.value=30")
    code, _, err = cli.run("curtail", cli.device, "--to", "50%", "--until", until(cli, hours=2), "--yes")
    assert (code, cli.written["activeRate"]) == (2, "30")
    assert "active_power_rate is already lower, at 30 %; nothing was sent" in err
    assert len(cli.run_json("log")[1]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["curtail", "{device}", "--until", "{until}", "charge_power_limit=40", "--yes", "--detach"],
        ["curtail", "--yes", "--until", "{until}", "{device}", "--detach", "charge_power_limit=40"],
        ["set", "{device}", "ac_charge=on", "--yes", "charge_power_limit=40"],
        ["set", "--yes", "{device}", "charge_power_limit=40"],
        ["schedule", "{device}", "--yes", "{file}"],
    ],
)
def test_settings_accepts_values_before_and_after_options(arguments, cli, tmp_path):
    (tmp_path / "day.toml").write_text("windows = []\ncharge_power = 40")
    values = {"device": cli.device, "until": until(cli, hours=2), "file": str(tmp_path / "day.toml")}
    code, out, err = cli.run(*(argument.format(**values) for argument in arguments))
    assert (code, "charge_power_limit: 100 % -> 40 %" in out) == (0, True), out + err
    assert cli.written["charge_power"] == "40"


def test_call_accepts_arguments_after_options(cli):
    arguments = ["--allow-commands", "update_tlx_inverter_setting", cli.device, "charge_power", "--account", "growatt"]
    assert run(["call", "growatt", *arguments, "40"]) == 0
    assert cli.written["charge_power"] == "40"


@pytest.mark.parametrize(
    "arguments",
    [["set", "D", "a=1", "--yse", "b=2"], ["log", "D", "--json", "E"], ["schedule", "D", "f", "--yes", "g"]],
)
def test_settings_rejects_unrecognized_arguments(arguments, cli):
    with pytest.raises(SystemExit) as exit_info:
        run(["settings", *arguments])
    assert exit_info.value.code == 2
    assert "unrecognized arguments" in cli.capsys.readouterr().err


def test_set_with_unknown_outcome_names_the_check_command(cli):
    cli.box.fault(deaf=True)
    out = cli.run("set", cli.device, "charge_stop_soc=90", "--yes")[1]
    order = cli.run_json("log")[1][0]["id"]
    hint = f"the outcome of change {order} is not known yet; to check it: heliograph settings check"
    assert hint in out
    cli.box.fault(deaf=None, clamp="10/50")
    assert "nor the new value; it has 50 %)" in cli.run("set", cli.device, "charge_stop_soc=80", "--yes")[1]
    assert hint not in cli.run("set", cli.device, "charge_stop_soc=40", "--yes")[1]


def test_set_interrupted_names_the_open_change(cli, monkeypatch):
    def interrupt(clock, seconds):
        raise KeyboardInterrupt

    cli.run("show", cli.device)
    monkeypatch.setattr(change, "run_in_thread", lambda job: job())
    monkeypatch.setattr(EmulatedClock, "sleep", interrupt)
    code, _, err = cli.run("set", cli.device, "charge_stop_soc=90", "--yes")
    order = cli.run_json("log")[1][0]["id"]
    assert code == 130
    assert f"the outcome of change {order} is not known yet; to check it: heliograph settings check" in err


def test_set_with_unusable_journal_folder_names_it_and_sends_nothing(cli):
    before = dict(cli.written)
    (cli.home / "orders").write_text("not a folder")
    code, _, err = cli.run("set", cli.device, "charge_stop_soc=90", "--yes")
    assert (code, cli.written) == (1, before)
    assert str(cli.home / "orders") in err


def test_settings_clients_use_the_long_timeout(cli):
    accounts = load(None, os.environ).select_accounts(None, None)
    assert common.orders_of(accounts[0]).client._timeout == common.async_orders_of(accounts[0]).client._timeout == 90.0


def test_curtail_detached_is_restored_by_the_next_command(cli):
    ends = until(cli, hours=2)
    assert cli.run("curtail", cli.device, "--to", "50%", "--until", ends, "--detach", "--yes")[0] == 0
    assert cli.written["activeRate"] == "50"
    assert cli.run("show", cli.device)[0] == 0
    assert cli.written["activeRate"] == "50"
    cli.box.wait(hours=3)
    code, _, err = cli.run("show", cli.device)
    assert (code, cli.written["activeRate"]) == (0, "100")
    assert "has ended: applied" in err


def test_set_notes_that_a_curtailed_setting_will_not_be_restored(cli):
    cli.run("curtail", cli.device, "--to", "50%", "--until", until(cli, hours=2), "--detach", "--yes")
    limit = cli.run_json("log")[1][0]["id"]
    note = f"active_power_rate is curtailed by change {limit} and will not be restored after this"
    assert f"note: {note}" in cli.run("set", cli.device, "active_power_rate.value=70", "--dry-run")[1]
    assert cli.set("active_power_rate.value=70")[1]["notes"][0].startswith(note)
    cli.box.wait(hours=3)
    cli.run("show", cli.device)
    assert cli.written["activeRate"] == "70"


def status(cli, *arguments):
    code = run(["status", *arguments])
    return code, cli.capsys.readouterr().out


def test_status_and_doctor_list_open_changes(cli):
    cli.box.fault(deaf=True)
    order = cli.set("charge_stop_soc=90")[1]["order"]["id"]
    cli.box.fault(deaf=None)
    cli.run("curtail", cli.device, "--to", "50%", "--until", until(cli, hours=2), "--detach", "--yes")
    _, out = status(cli)
    assert f"change {order} of {cli.device} is pending; run: heliograph settings check" in out
    assert f"{cli.device} is curtailed until" in out
    assert len(json.loads(status(cli, "--json")[1])["accounts"][0]["orders"]) == 2
    run(["doctor"])
    assert "is curtailed until" in cli.capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["collect", "--once"], ["now"]])
def test_curtail_detached_is_restored_by_other_commands(arguments, cli):
    cli.run("curtail", cli.device, "--to", "50%", "--until", until(cli, hours=2), "--detach", "--yes")
    cli.box.wait(hours=3)
    run([*arguments, *(["--store", str(cli.home / "samples.sqlite")] if arguments[0] == "collect" else [])])
    assert cli.written["activeRate"] == "100"
    assert "is curtailed" not in status(cli)[1]


def test_collector_restores_a_detached_curtailment(cli):
    cli.run("curtail", cli.device, "--to", "50%", "--until", until(cli, hours=2), "--detach", "--yes")

    class TwoChecks:
        """A clock that stops after two checks: one before the end, one after it."""

        checks = 0

        def now(self):
            return 0.0

        async def wait(self, moment, stop):
            self.checks += 1
            cli.box.wait(hours=3)
            if self.checks == 2:
                stop.set()

    async def restore():
        await restore_until_stopped(load(cli.home / "config.toml", {}).accounts, TwoChecks(), asyncio.Event())

    asyncio.run(restore())
    assert cli.written["activeRate"] == "100"


def test_set_notes_external_changes(cli):
    cli.set("charge_stop_soc=90")
    cli.box.log_in()
    cli.box.post("newTcpsetAPI.do", op="tlxSet", serialNum=cli.device, type="charge_stop_soc", param1="42")
    code, out, _ = cli.run("set", cli.device, "charge_stop_soc=80", "--yes")
    assert code == 0
    assert "charge_stop_soc was changed by another program" in out
    assert "42 %" in out


def test_set_respects_writes_per_day_of_account(cli):
    cli.configure("writes = true\nwrites_per_day = 1")
    assert cli.set("charge_stop_soc=90")[0] == 0
    code, _, err = cli.run("set", cli.device, "charge_stop_soc=80", "--yes")
    assert code == 1
    assert "1 are allowed" in err


def test_settings_prints_no_control_characters_of_stored_names(cli):
    cli.run_json("show", cli.device)
    path = next((cli.home / "orders").glob("*.devices.json"))
    path.write_text(path.read_text().replace('"plant_name": "', '"plant_name": "\\u001b[2J'))
    _, out, err = cli.run("set", "NOSUCH", "a=1")
    assert "\x1b" not in out + err
    _, out, err = cli.run("show", cli.device)
    assert "\x1b" not in out + err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('writes = "all"', "line 6: writes must be a list of settings"),
        (
            'writes = ["ac_charge", "chrage_stop_soc"]',
            "writes contains 'chrage_stop_soc', which is not a setting of growatt. Did you mean charge_stop_soc",
        ),
        ('writes = ["Export-Limit"]', "Did you mean export_limit, "),
        ('writes = ["immediate_charge", "colour"]', "writes contains 'immediate_charge', which is"),
        ('writes = ["colour"]', "is not a setting of growatt. Remove it; heliograph settings show lists the settings"),
        ('grid_code = "yes"', "line 6: grid_code must be true or false"),
        ("writes_per_day = 0", "line 6: writes_per_day must be a whole number of at least 1"),
    ],
)
def test_load_error_in_write_permissions_names_the_line(more, message, cli):
    cli.configure(more)
    with pytest.raises(ConfigError, match="line 6") as caught:
        load(cli.home / "config.toml", {})
    assert message in str(caught.value)


def test_journal_contains_no_secrets(cli):
    cli.set("charge_stop_soc=90")
    (path,) = (cli.home / "orders").glob("*.jsonl")
    text = path.read_text() + "".join(str(one) for one in (cli.home / "orders").iterdir())
    assert cli.box.holder.password not in text
    assert cli.box.holder.username not in text
    assert datetime.fromisoformat(json.loads(text.splitlines()[0])["at"])


def test_settings_accepts_account_options_before_and_after_subcommand(cli):
    assert cli.run("--account", "growatt", "log")[0] == 0
    for arguments in (["--account", "nobody", "log"], ["log", "--account", "nobody"]):
        code, _, err = cli.run(*arguments)
        assert (code, "there is no account 'nobody'" in err) == (2, True)


def test_settings_accepts_old_spellings_hidden_from_help(cli):
    arguments = ["curtail", cli.device, "--to", "50%", "--until", until(cli, hours=2), "--leave", "--yes"]
    assert cli.run(*arguments)[0] == 0
    assert cli.written["activeRate"] == "50"
    cli.box.wait(hours=3)
    code, out, err = cli.run("recover")
    assert (code, out) == (0, "no changes pending\n")
    assert "has ended: applied" in err
    for old, command in (("--leave", ["curtail"]), ("recover", [])):
        with pytest.raises(SystemExit):
            run(["settings", *command, "--help"])
        assert old not in cli.capsys.readouterr().out
