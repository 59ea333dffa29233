"""The commands `now`, `call` and `demo` against both emulated clouds, the table, and error handling."""

import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console

from heliograph.cli.demo import add_demo  # noqa: F401 - the command is added without its optional packages
from heliograph.cli.demo import run as demo_run
from heliograph.cli.main import run, run_guarded
from heliograph.cli.options import COMMANDS
from heliograph.cli.table import snapshot_table
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import Blocked
from heliograph.metrics import METRICS
from heliograph.model import Plant, Snapshot, Status
from heliograph.store.sqlite import SqliteStore
from heliograph.vendors.growatt import hash_password

NOON = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)


class EmulatedAccounts:
    """Both emulated clouds, with the clock stopped at noon in summer."""

    def __init__(self, emulator, ready):
        self.emulator = emulator
        self.url = ready["url"]
        self.growatt, self.goodwe = ready["accounts"]


@pytest.fixture(scope="module")
def serving():
    emulator = build_emulator(EmulatorOptions(start=NOON.astimezone(), speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        yield EmulatedAccounts(emulator, ready)


@pytest.fixture
def box(serving, monkeypatch, tmp_path):
    """Both emulated clouds without faults, with their accounts in the environment."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    for account in (serving.growatt, serving.goodwe):
        for part in ("username", "password"):
            monkeypatch.setenv(f"HELIOGRAPH_{account['vendor']}_{part}".upper(), account[part])
    yield serving
    serving.emulator.faults.set(dict.fromkeys(serving.emulator.faults.as_dict()))


@pytest.fixture
def run_command(box, capsys):
    """Run a command against the emulator; return exit code, stdout and stderr."""

    def run_and_capture(*words, server=box.url):
        code = run([*words, "--server", server])
        out, err = capsys.readouterr()
        return code, out, err

    return run_and_capture


def one_line(text, *secrets):
    assert text.count("\n") == 1
    assert text.startswith("heliograph: ")
    assert "Traceback" not in text
    for secret in secrets:
        assert secret not in text
    return text


# now


def test_now_json_has_one_object_per_plant_of_all_accounts(box, run_command):
    code, out, err = run_command("now", "--json")
    plants = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["plant"] for row in plants] == box.growatt["plants"] + box.goodwe["plants"]
    assert all(set(METRICS) < set(row) for row in plants)
    assert {row["measured_at"] for row in plants} == {"2026-06-21T10:00:00+00:00"}


def test_now_json_has_true_values_and_null_for_unknown(box, run_command):
    _, out, _ = run_command("now", "--json")
    by_name = {row["name"]: row for row in json.loads(out)}
    assert by_name["Tlx 1"]["load_power"] is None
    assert by_name["Tlx 1"]["pv_power"] > 500
    assert by_name["Hybrid 2"]["pv_power"] > 500


def test_now_table_shows_dot_for_unknown_values(run_command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = run_command("now")
    row = next(line for line in out.splitlines() if line.startswith("Tlx 1 "))
    assert code == 0
    assert row.split()[:5] == ["Tlx", "1", "growatt", "online", row.split()[4]]
    assert row.count("·") == 4
    assert " 0 W" not in row


def test_now_shows_other_account_if_one_fails(box, run_command, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_GROWATT_PASSWORD", "not-it")
    code, out, err = run_command("now", "--json")
    assert code == 1
    assert [row["vendor"] for row in json.loads(out)] == ["goodwe"] * len(box.goodwe["plants"])
    assert one_line(err, "not-it").startswith("heliograph: growatt login: the cloud refused the user name")


def test_now_account_option_selects_account(run_command):
    _, out, _ = run_command("now", "--json", "--account", "goodwe")
    assert {row["vendor"] for row in json.loads(out)} == {"goodwe"}


def test_now_uses_plants_and_server_of_configuration(box, capsys, tmp_path):
    wanted = box.growatt["plants"][1]
    path = tmp_path / "config.toml"
    path.write_text(
        f'[[account]]\nname = "home"\nvendor = "growatt"\nserver = "{box.url}"\nplants = ["{wanted}"]\n'
        f'username = "{box.growatt["username"]}"\npassword = "{box.growatt["password"]}"\n'
        'timezone = "Asia/Tokyo"\n'
    )
    path.chmod(0o604)
    assert run(["now", "--config", str(path), "--account", "home"]) == 0
    out, err = capsys.readouterr()
    assert "19:00" in out
    assert box.growatt["password"] not in one_line(err)
    assert "others can read it" in err


# call


def test_call_prints_raw_response(box, run_command):
    code, out, _ = run_command("call", "growatt", "plant_list")
    assert code == 0
    assert [row["plantId"] for row in json.loads(out)["data"]] == box.growatt["plants"]


def test_call_prints_list_as_array(box, run_command):
    _, out, _ = run_command("call", "growatt", "device_list", box.growatt["plants"][1])
    assert json.loads(out)[0]["deviceSn"]


def test_call_accepts_vendor_names_in_any_case(box, run_command):
    plant = box.goodwe["plants"][0]
    _, ours, _ = run_command("call", "goodwe", "monitor_detail", plant)
    for name in ("getmonitordetailbypowerstationid", "get_monitor_detail_by_powerstation_id"):
        code, theirs, _ = run_command("call", "goodwe", name, plant)
        assert code == 0
        assert json.loads(ours) == json.loads(theirs)


def test_call_accepts_named_arguments_and_enum_names(box, run_command):
    plant = box.growatt["plants"][0]
    _, by_place, _ = run_command("call", "growatt", "plant_detail", plant, "1", "2026-06-21")
    code, by_name, _ = run_command(
        "call", "growatt", "plant_detail", "date=2026-06-21", "timespan=day", f"plant_id={plant}"
    )
    assert code == 0
    assert json.loads(by_place) == json.loads(by_name)


def test_call_prints_history_as_objects(box, run_command):
    plant = box.goodwe["plants"][1]
    code, days, _ = run_command("call", "goodwe", "period_energies", plant, "2026-06")
    _, curve, _ = run_command("call", "goodwe", "day_curve", plant, "2026-06-20")
    assert code == 0
    assert json.loads(days)[0]["period"] == "2026-06-01"
    assert json.loads(days)[0]["pv_energy"] > 0
    assert json.loads(curve)[0]["moment"].startswith("2026-06-")


def test_call_prints_snapshot(box, run_command):
    _, out, _ = run_command("call", "goodwe", "snapshot", box.goodwe["plants"][0])
    assert json.loads(out)["pv_power"] > 0


@pytest.mark.parametrize(("vendor", "method"), [("growatt", "login"), ("goodwe", "cross_login")])
def test_call_login_uses_own_account_and_masks_secrets(box, run_command, vendor, method):
    account = getattr(box, vendor)
    code, hidden, _ = run_command("call", vendor, method)
    assert code == 0
    assert json.loads(hidden)
    assert account["password"] not in hidden
    assert account["username"] not in hidden
    assert hash_password(account["password"]) not in hidden
    _, shown, _ = run_command("call", vendor, method, "--show-secrets")
    assert json.loads(shown) != json.loads(hidden)


def test_call_login_with_other_user_name(run_command):
    code, _, err = run_command("call", "growatt", "login", "unknown", "hunter2")
    assert code == 1
    assert "refused" in one_line(err, "hunter2")


def test_call_unknown_method_suggests_similar_names(run_command):
    code, _, err = run_command("call", "growatt", "plant_lst")
    assert code == 2
    assert "did you mean plant_list" in one_line(err)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["plant_detail"], "missing a required argument: 'plant_id'"),
        (["plant_detail", "1", "hours"], "timespan must be one of hour, day, month; got 'hours'"),
        (["plant_detail", "1", "day", "yesterday"], "not 'yesterday'"),
        (["plant_detail", "1", "day", "2026-06-21", "more"], "too many positional arguments"),
    ],
)
def test_call_wrong_arguments_prints_usage(run_command, words, expected):
    code, _, err = run_command("call", "growatt", *words)
    assert code == 2
    assert expected in one_line(err)
    assert err.endswith("Usage: plant_detail(plant_id, timespan, date=None)\n")


def test_call_list_prints_methods_with_descriptions(capsys):
    assert run(["call", "goodwe", "--list"]) == 0
    out = capsys.readouterr().out
    assert "monitor_detail(plant_id, version='v3')\n    PowerStation/GetMonitorDetailByPowerstationId: " in out


@pytest.mark.parametrize(
    "words",
    [
        ["update_tlx_inverter_setting", "TLX0001", "charge_power", "90"],
        ["update_plant_settings", "1", '{"plantName": "New"}'],
    ],
)
def test_call_command_requires_allow_commands(box, run_command, words):
    before = len(box.emulator.log.as_dict()["requests"])
    code, _, err = run_command("call", "growatt", *words)
    assert code == 2
    assert "--allow-commands" in one_line(err)
    assert len(box.emulator.log.as_dict()["requests"]) == before


def test_call_allowed_command_takes_json(box, run_command):
    plant = box.growatt["plants"][0]
    words = ["update_plant_settings", plant, '{"plantName": "Barn"}', "--allow-commands"]
    code, out, err = run_command("call", "growatt", *words)
    assert (code, err) == (0, "")
    assert json.loads(out)
    assert json.loads(run_command("call", "growatt", "plant_settings", plant)[1])["plantName"] == "Barn"
    assert run_command("call", "growatt", *[word.replace("Barn", "Tlx 1") for word in words])[0] == 0


# demo


def test_demo_once_json_summarises_both_clouds(box, capsys, tmp_path):
    assert run(["demo", "--once", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert {row["vendor"] for row in summary["plants"]} == {"growatt", "goodwe"}
    assert list(summary["logins"].values()) == [1, 1]
    assert summary["store"] == str(tmp_path / "demo.sqlite")
    with SqliteStore(tmp_path / "demo.sqlite") as store:
        assert len(store.latest()) == summary["stored"] > len(summary["plants"])  # each device has its own row
        stored = {row.series.plant: row.values["pv_power"] for row in store.latest() if not row.series.device}
    assert stored == {row["plant"]: row["pv_power"] for row in summary["plants"]}


def test_demo_once_table_names_store(box, capsys, tmp_path):
    assert run(["demo", "--once"]) == 0
    out = capsys.readouterr().out
    assert str(tmp_path / "demo.sqlite") in out.replace("\n", "")
    assert "\x1b" not in out


def test_demo_without_emulator_extra_names_package(box, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("heliograph.emulator.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "h11", None)
    assert run(["demo", "--once"]) == 2
    assert "pip install 'heliograph[emulator]'" in one_line(capsys.readouterr().err)


def test_demo_polls_are_counted_and_paced_by_the_quota(tmp_path, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    monkeypatch.setattr(demo_run, "REQUESTS_PER_DAY", 80)
    with demo_run.open_demo(speed=0, seed=7) as run:
        clock, polls = run.emulator.world.clock, []
        for _ in range(30):
            polls.append(run.fetch())
            clock.set(clock.now() + timedelta(minutes=6))
        stored, statuses = run.stored, run.store.poll_statuses()
        budgets = {account.name: account.status().budget for account in run.accounts}
        # Spent at this rate, the quota is used up before the 30 polls: the plants are shown as last polled.
        assert {len(poll) for poll in polls} == {11}
    assert 0 < stored < 30 * 11
    assert {one.reason for one in statuses.values()} == {demo_run.PACED}
    assert all(one.next_at > one.polled_at for one in statuses.values())
    for budget in budgets.values():
        assert 0 < budget.requests_used <= 80
        assert budget.next_free is not None
        assert budget.logins_used == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "demo.sqlite"]


def test_demo_begins_with_an_empty_store(tmp_path, monkeypatch):
    """Its clock begins at noon again, and samples of an afternoon before would be newer than all that follow."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    newest = []
    for minutes in (90, 0):
        with demo_run.open_demo(speed=0, seed=7) as run:
            clock = run.emulator.world.clock
            clock.set(clock.now() + timedelta(minutes=minutes))
            run.fetch()
            newest.append(max(one.measured_at for one in run.store.latest()))
    assert newest[1] < newest[0]


def test_demo_in_pipe_runs_until_stopped_with_exit_code_0(tmp_path):
    environ = os.environ | {"HELIOGRAPH_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "heliograph", "demo", "--speed", "600"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        first = next(line for line in program.stdout if "samples stored" in line)
        line = next(line for line in program.stdout if line.startswith("Web page: "))
        address = line.removeprefix("Web page: ").strip()
        page, status, accounts = (
            urllib.request.urlopen(f"{address}{path}", timeout=20).read().decode()
            for path in ("", "status", "api/v1/accounts")
        )
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=20)
    assert (program.returncode, err) == (0, "")
    assert "samples stored" in first
    assert "Tlx Battery 1" in page
    assert "11 plants" in page
    # Accounts are listed by name; user names are private.
    assert {one["account"] for one in json.loads(accounts)["accounts"]} == {"growatt", "goodwe"}
    assert "@" not in status


def test_demo_without_web_extra_runs_and_names_package(tmp_path):
    environ = os.environ | {"HELIOGRAPH_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    program = "import sys; sys.modules['htpy'] = None; from heliograph.cli.main import run; sys.exit(run(['demo']))"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        notice = next(line for line in running.stdout if "the page needs" in line)
        while "[web]" not in notice:  # wrapped
            notice += next(running.stdout)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (0, "")
    assert "pip install 'heliograph[web]'" in " ".join(notice.split())


# Untrusted text from servers


HOSTILE = "[red]Rosa[/] \x1b[2J\x9b\u202eend\n2"


def hostile_snapshot(**values):
    plant = Plant(vendor="growatt", id="11", name=HOSTILE, zone=UTC)
    moment = NOON - timedelta(days=3)
    return Snapshot(plant=plant, status=Status.FAULT, measured_at=moment, fetched_at=NOON, values=values)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_table_shows_markup_and_control_characters_safely(width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(snapshot_table([hostile_snapshot()], width))
    text = console.export_text()
    assert "[red]Ro" in text
    assert not any(sign in text for sign in "\x1b\x9b\u202e")


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_table_fits_terminal_and_truncates_no_number(width):
    most = dict.fromkeys(METRICS, -99_900.0) | {"pv_energy_total": 999_900.0, "battery_soc": 100.0}
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(snapshot_table([hostile_snapshot(**most)] * 3, width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    row = next(line for line in lines if "99.9 kW" in line)
    assert "…" not in row[20:]


@pytest.mark.parametrize(("encoding", "gap"), [("ascii", "."), ("cp1252", "·"), ("utf-8", "·")])
def test_table_shows_battery_direction_in_every_encoding(encoding, gap):
    shown = """
import sys
from datetime import UTC, datetime
from rich.console import Console
from heliograph.cli.terminal import set_encoding_fallback
from heliograph.cli.table import snapshot_table
from heliograph.model import Plant, Snapshot
set_encoding_fallback()
now = datetime(2026, 6, 21, 10, 0, tzinfo=UTC)
plants = [
    Snapshot(plant=Plant(vendor="growatt", id=name, name=name, zone=UTC), measured_at=now, fetched_at=now,
             status=None, values={"battery_power": power})
    for name, power in (("Gives", 420.0), ("Takes", -420.0), ("Rests", None))
]
Console(width=140).print(snapshot_table(plants, 140))
print("Größe ☀")
"""
    environ = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", shown], env=environ, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    lines = {line.split()[0]: line for line in done.stdout.decode(encoding).splitlines() if line.strip()}
    gives, takes = ("▼", "▲") if encoding == "utf-8" else ("v", "^")
    assert f"{gives} 420 W" in lines["Gives"]
    assert f"{takes} 420 W" in lines["Takes"]
    assert gap in lines["Rests"]
    assert {"ascii": "Gr??e ?", "cp1252": "Größe ?", "utf-8": "Größe ☀"}[encoding] in lines.values()


def test_print_json_escapes_control_characters(capsys):
    from heliograph.cli.terminal import print_json

    print_json({"name": HOSTILE, "lone": "\ud800", "plant": "太阳"})
    out = capsys.readouterr().out
    assert json.loads(out)["name"] == HOSTILE
    assert not any(sign in out for sign in "\x1b\x9b\u202e")
    assert "太阳" in out


def test_table_of_no_snapshots_is_empty():
    assert snapshot_table([], 80).row_count == 0


# Errors: one line, an exit code, no traceback, no secret


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.page
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def no_cloud():
    """A server that is not a cloud: every path returns the same page."""
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def answering(page):
            server.page = page
            return f"http://127.0.0.1:{server.server_port}"

        yield answering
        server.shutdown()
        thread.join()


BOTH = pytest.mark.parametrize("vendor", ["growatt", "goodwe"])


@BOTH
def test_now_wrong_password_prints_one_line(run_command, monkeypatch, vendor):
    monkeypatch.setenv(f"HELIOGRAPH_{vendor.upper()}_PASSWORD", "hunter2")
    code, out, err = run_command("now", "--account", vendor)
    assert (code, out) == (1, "")
    assert "password" in one_line(err, "hunter2")


@BOTH
def test_call_unknown_plant_prints_one_line(box, run_command, vendor):
    code, out, err = run_command("call", vendor, "plant_info" if vendor == "growatt" else "monitor_detail", "999")
    assert (code, out) == (1, "")
    one_line(err, getattr(box, vendor)["password"])
    code, out, err = run_command("call", vendor, "snapshot", "999")
    assert (code, out) == (1, "")
    one_line(err, getattr(box, vendor)["password"])


@BOTH
@pytest.mark.parametrize(
    "page", [b"<html><h1>It works!</h1></html>", b"", b"[]", b'"yes"', b"{}", b'{"back": ', b"\xff\xfe"]
)
def test_now_server_that_is_no_cloud_prints_one_line(box, run_command, no_cloud, vendor, page):
    code, out, err = run_command("now", "--account", vendor, server=no_cloud(page))
    assert (code, out) == (1, "")
    one_line(err, getattr(box, vendor)["password"])


@BOTH
def test_now_without_network_prints_one_line(box, run_command, vendor):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    code, _, err = run_command("now", "--account", vendor, server=f"http://127.0.0.1:{port}")
    assert code == 1
    assert "Check the network" in one_line(err, getattr(box, vendor)["password"])


@BOTH
@pytest.mark.parametrize("fault", ["truncated", "html", "empty", "block", "reset", "http500", "rate"])
def test_now_cloud_fault_prints_one_line(box, run_command, vendor, fault):
    box.emulator.faults.set({fault: True})
    code, out, err = run_command("now", "--account", vendor)
    assert (code, out) == (1, "")
    one_line(err, getattr(box, vendor)["password"])
    assert "<" not in err
    status = 405 if vendor == "growatt" else 403
    assert fault != "block" or f"a block page (HTTP {status}). Send nothing for some hours, then poll less often" in err


@BOTH
@pytest.mark.parametrize("server", ["mars", "http://", "ftp://127.0.0.1/", "http://[", "http://a b/"])
def test_now_invalid_server_prints_one_line(box, run_command, vendor, server):
    code, _, err = run_command("now", "--account", vendor, server=server)
    assert code == 2
    one_line(err, getattr(box, vendor)["password"])


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_run_with_closed_stream_does_not_crash(closed, tmp_path):
    command = f"{sys.executable} -m heliograph doctor {closed}"
    environment = {**os.environ, "HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_NO_KEYRING": "1"}
    done = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert "should not have happened" not in done.stderr
    assert done.returncode in {0, 1}


def test_now_unknown_account_prints_one_line(run_command):
    code, _, err = run_command("now", "--account", "work")
    assert code == 2
    assert "the accounts are: growatt, goodwe" in one_line(err)


def test_call_requires_account_of_its_vendor(run_command, monkeypatch):
    monkeypatch.delenv("HELIOGRAPH_GOODWE_USERNAME")
    monkeypatch.delenv("HELIOGRAPH_GOODWE_PASSWORD")
    assert "HELIOGRAPH_GOODWE_USERNAME" in one_line(run_command("call", "goodwe", "plant_list")[2])
    assert "belongs to growatt" in one_line(run_command("call", "goodwe", "plant_list", "--account", "growatt")[2])


def test_program_with_wrong_password_prints_no_traceback(box):
    environ = os.environ | {"HELIOGRAPH_GROWATT_PASSWORD": "hunter2"}
    command = [sys.executable, "-m", "heliograph", "now", "--server", box.url, "--account", "growatt"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    one_line(done.stderr, "hunter2")


# Exit codes and exceptions


def failing(error):
    def command():
        raise error

    return command


def test_run_guarded_hides_text_of_internal_error(capsys, monkeypatch):
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    assert run_guarded(failing(KeyError("hunter2"))) == 1
    assert "KeyError" in one_line(capsys.readouterr().err, "hunter2")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.EMFILE, "Too many open files", "hunter2"), "Too many open files; raise the limit"),
        (OSError(errno.ENOSPC, "No space left on device", "hunter2"), "No space left on device; free disk space"),
        (MemoryError("hunter2"), "no memory; free memory"),
        (RuntimeError("can't start new thread"), "no thread could be started; free memory"),
    ],
)
def test_run_guarded_names_the_remedy_of_a_limit(error, advice, capsys, monkeypatch):
    monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
    assert run_guarded(failing(error)) == 1
    assert advice in " ".join(one_line(capsys.readouterr().err, "hunter2").split())


def test_run_guarded_raises_with_debug(monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_DEBUG", "1")
    with pytest.raises(KeyError):
        run_guarded(failing(KeyError("x")))


def test_run_guarded_shows_the_page_of_a_block_with_debug(monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_DEBUG", "1")
    with pytest.raises(Blocked) as caught:
        run_guarded(failing(Blocked("a block page (HTTP 405)", excerpt="<title>405</title>")))
    assert caught.value.__notes__ == ["answer: <title>405</title>"]


def test_run_guarded_returns_130_on_ctrl_c():
    assert run_guarded(failing(KeyboardInterrupt())) == 130


def _as_at_a_terminal() -> None:
    # Children of a test suite in the background inherit an ignored SIGINT, which would disable Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_does_not_wait_for_unresponsive_cloud(box):
    silent = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-m", "heliograph", "now", "--server", f"http://127.0.0.1:{silent.getsockname()[1]}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    program = subprocess.Popen(command, **pipes, preexec_fn=_as_at_a_terminal)  # noqa: PLW1509 - one C call
    with silent, program, silent.accept()[0]:
        program.send_signal(signal.SIGINT)
        started = time.monotonic()
        out, err = program.communicate(timeout=20)
    assert (program.returncode, out, err) == (130, b"", b"")
    assert time.monotonic() - started < 5


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_run_ignores_closed_pipe():
    command = f"{sys.executable} -m heliograph call growatt --list; echo $? >&2"
    done = subprocess.run(f"({command}) | true", shell=True, capture_output=True, text=True, check=False)
    assert done.stderr in {"141\n", "0\n"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_examples_and_shared_options(command, capsys):
    with pytest.raises(SystemExit) as left:
        run([command, "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert f"  heliograph {command}" in out
    known = {one for one in ("--config FILE", "--store WHERE", "--server URL", "--account NAME") if one in out}
    if command in ("emulate", "demo", "completion", "service", "fleet"):  # they read none, or only in a subcommand
        assert known == set()
    elif command in (
        "history",
        "export",
        "import",
        "recipe",
        "serve",
        "backup",
        "restore",
        "alarms",
    ):  # they contact no vendor and take no account
        assert known == {"--config FILE", "--store WHERE"}
    else:
        assert known >= {"--config FILE", "--server URL", "--account NAME"}


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom heliograph.cli.main import run\ntry: run(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'asyncio', 'h11', 'rich', 'sqlite3', 'pyreqwest', 'inspect', 'email', 'json'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_version_option_prints_version(capsys):
    with pytest.raises(SystemExit):
        run(["--version"])
    assert capsys.readouterr().out.startswith("heliograph 0.")
