"""`heliograph doctor`: offline checks, online checks, and the support bundle; it never logs in."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from heliograph.cli.doctor import bundle as bundles
from heliograph.cli.doctor.account import clock_check
from heliograph.cli.doctor.environment import check_disk
from heliograph.cli.doctor.store import oddity_checks
from heliograph.cli.main import run
from heliograph.collect.events import UNDATED
from heliograph.core.redact import MASK
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.keeper import Keeper
from heliograph.store import open_store
from heliograph.store.base import AlarmRow, Batch, Oddity, Series
from heliograph.vendors import goodwe, growatt
from support.keeper_state import save_state as save_state_file
from support.keeper_state import write_format

NOW = 0.0
"""The start time of each test; the commands use the clock of the machine."""


@pytest.fixture(autouse=True)
def _now():
    global NOW  # noqa: PLW0603 - used by tests that write a state file
    NOW = time.time()


VENDORS = {"growatt": growatt.Growatt, "goodwe": goodwe.GoodWe}
BOTH = pytest.mark.parametrize("vendor", VENDORS)


@contextmanager
def serving():
    emulator = build_emulator(EmulatorOptions(start=datetime(2026, 6, 21, 10, 0, tzinfo=UTC), speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        emulator.url = ready["url"]
        emulator.account_of = {one.vendor: one for one in emulator.accounts}
        yield emulator


@pytest.fixture
def box(monkeypatch):
    with serving() as emulator:
        for vendor, account in emulator.account_of.items():
            monkeypatch.setenv(f"HELIOGRAPH_{vendor.upper()}_USERNAME", account.username)
            monkeypatch.setenv(f"HELIOGRAPH_{vendor.upper()}_PASSWORD", account.password)
        monkeypatch.setenv("HELIOGRAPH_NO_KEYRING", "1")
        monkeypatch.delenv("HELIOGRAPH_DEBUG", raising=False)
        yield emulator


@pytest.fixture
def alone(monkeypatch):
    """An environment without any account."""
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_") and name != "HELIOGRAPH_HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HELIOGRAPH_NO_KEYRING", "1")


@pytest.fixture
def run_doctor(box, capsys):
    def run_and_capture(*words, server=None):
        code = run(["doctor", *words, "--server", server or box.url])
        return code, capsys.readouterr().out

    return run_and_capture


@pytest.fixture
def configured(alone, tmp_path, capsys):
    """Run doctor with a configuration file of these lines."""

    def run_and_capture(*lines, words=()):
        file = tmp_path / "config.toml"
        file.write_text("\n".join(["[[account]]", *lines]))
        file.chmod(0o600)
        code = run(["doctor", "--config", str(file), *words])
        return code, capsys.readouterr().out

    return run_and_capture


def guard_of(box, vendor):
    kind = VENDORS[vendor]
    return Keeper().guard(vendor, kind.resolve_server(box.url), box.account_of[vendor].username, kind.default_limits)


def save_state(box, vendor, **members):
    guard = guard_of(box, vendor)
    book = guard.load(NOW)
    for name, value in members.items():
        setattr(book, name, value)
    return save_state_file(guard.store, book)


def read(box, vendor):
    """Log in, so that a session is stored."""
    account = box.account_of[vendor]
    VENDORS[vendor](account.username, account.password, server=box.url).plants()


def logins(box):
    return sum(box.log.as_dict()["logins"].values())


def checks(out, label):
    """Return verdict and message of every check with this label."""
    return re.findall(rf"^  (ok|warning|problem) +{re.escape(label)}  +(.*)$", out, re.MULTILINE)


# Offline checks


def test_doctor_sends_nothing_by_default(box, run_doctor):
    code, out = run_doctor("goodwe")
    assert code == 0
    assert f"{box.url}/web/sems/" in out
    assert "unknown" in out
    assert "Nothing was sent" in out
    assert box.log.as_dict()["requests"] == []


def test_doctor_checks_all_accounts_or_those_of_a_vendor(run_doctor):
    assert [line for line in run_doctor()[1].splitlines() if not line.startswith((" ", "Nothing"))] == [
        "This machine",
        "growatt",
        "goodwe",
    ]
    assert "\ngrowatt\n" not in run_doctor("goodwe")[1]


def test_doctor_without_account_of_the_vendor_fails(alone, monkeypatch, capsys):
    for part in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"HELIOGRAPH_GROWATT_{part}", "x")
    assert run(["doctor", "goodwe"]) == 2
    assert "no goodwe account is configured" in capsys.readouterr().err


def test_doctor_without_account_names_setup_command(alone, capsys):
    assert run(["doctor"]) == 1
    ((verdict, sentence),) = checks(capsys.readouterr().out, "configuration")
    assert verdict == "problem"
    assert "run: heliograph setup" in sentence


def test_doctor_names_commands_as_they_are_typed_in_this_installation(alone, capsys, tmp_path, monkeypatch):
    (tmp_path / "heliograph").touch()
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "heliograph"), "doctor"])
    assert run(["doctor"]) == 1
    assert f"run: {tmp_path}/heliograph setup" in capsys.readouterr().out


def test_doctor_reports_configuration_error_with_line(configured):
    code, out = configured('vendor = "growat"', 'username = "ada"')
    ((verdict, sentence),) = checks(out, "configuration")
    assert (code, verdict) == (1, "problem")
    assert "line 2: vendor must be one of" in sentence


def test_doctor_warns_of_readable_password_file(alone, tmp_path, capsys):
    file = tmp_path / "config.toml"
    file.write_text('[[account]]\nvendor = "growatt"\nusername = "ada"\npassword = "hunter2"\n')
    file.chmod(0o644)
    assert run(["doctor", "--config", str(file)]) == 0
    assert "chmod 600" in dict(checks(capsys.readouterr().out, "configuration"))["warning"]


def test_doctor_reports_missing_password_with_login_command(configured):
    code, out = configured('vendor = "growatt"', 'username = "ada"')
    ((verdict, sentence),) = checks(out, "password")
    assert (code, verdict) == (1, "problem")
    assert "heliograph login growatt" in sentence


def test_doctor_runs_password_command_only_online(configured, tmp_path, box):
    ran = tmp_path / "ran"
    lines = ('vendor = "growatt"', 'username = "ada"', f"password_command = ['touch', '{ran}']")
    _, out = configured(*lines, words=["growatt"])
    assert checks(out, "password") == [("ok", "from password_command, which runs only with --online")]
    assert not ran.exists()
    _, out = configured(*lines, words=["growatt", "--online", "--server", box.url])
    assert ran.exists()
    assert checks(out, "password")[0][0] == "problem"


@pytest.mark.parametrize(
    ("server", "verdict", "expected"),
    [
        ("https://openapi-us.growatt.com/", "ok", "one region only"),
        ("http://openapi.growatt.com/", "warning", "not encrypted"),
        ("https://growatt.example.com/", "warning", "not a known growatt server"),
        ("mars", "problem", "is not a Growatt region"),
        ("https://me:hunter2@openapi.growatt.com/", "problem", "must not contain a user name"),
        ("https://me:hunter2@open api/", "problem", ""),
    ],
)
def test_doctor_reports_unknown_or_invalid_server(configured, server, verdict, expected):
    _, out = configured('vendor = "growatt"', 'username = "ada"', 'password = "x"', f'server = "{server}"')
    ((result, sentence),) = checks(out, "server")
    assert result == verdict
    assert expected in sentence
    assert "hunter2" not in out


@pytest.mark.parametrize(
    ("kind", "verdict", "advice"),
    [
        ("locked", "problem", "may extend it"),
        ("blocked", "problem", "send fewer requests"),
        ("throttled", "warning", "ends automatically"),
        ("unreachable", "warning", "network"),
    ],
)
def test_doctor_reports_backoff_with_advice(box, run_doctor, kind, verdict, advice):
    save_state(box, "growatt", pause=kind, pause_until=NOW + 7200, pause_why="so it result")
    code, out = run_doctor("growatt")
    ((result, sentence),) = checks(out, "back-off")
    assert (result, code) == (verdict, int(verdict == "problem"))
    assert "so it result" in sentence
    assert advice in sentence


@BOTH
def test_doctor_reports_refused_password_with_login_command(box, run_doctor, vendor):
    save_state(box, vendor, refused_passwords=["f" * 64], refused_at=NOW)
    code, out = run_doctor(vendor)
    ((verdict, sentence),) = checks(out, "login")
    assert (code, verdict) == (1, "problem")
    assert sentence.endswith(f"heliograph login {vendor}")
    assert "f" * 64 not in out


def test_doctor_reports_terms_not_accepted(box, run_doctor):
    box.faults.set({"agreement": ""})
    with pytest.raises(Exception, match="returned no session"):
        read(box, "goodwe")
    code, out = run_doctor("goodwe")
    ((verdict, sentence),) = checks(out, "login")
    assert (code, verdict) == (1, "problem")
    assert "the login succeeded but returned no session" in sentence
    assert "accept what it asks" in sentence
    assert "login at SEMS+ failed" in out


def test_doctor_warns_of_failed_login(box, run_doctor):
    save_state(box, "growatt", failures=2, failed_at=NOW, failed_why="the cloud failed inside (500)")
    code, out = run_doctor("growatt")
    ((verdict, sentence),) = checks(out, "login")
    assert (code, verdict) == (0, "warning")
    assert "the cloud failed inside (500)" in sentence


def test_doctor_warns_of_other_client(box, run_doctor):
    save_state(box, "goodwe", deaths=[NOW - 60, NOW])
    assert "separate (visitor) account" in dict(checks(run_doctor("goodwe")[1], "other client"))["warning"]


def test_doctor_reports_a_spread_budget_as_ok(box, run_doctor):
    save_state(box, "growatt", spent=[[NOW - 60, 100]])
    ((verdict, sentence),) = checks(run_doctor("growatt")[1], "budget")
    assert verdict == "ok"
    assert "100 of 180 requests" in sentence
    assert "; scripts wait until " in sentence


def test_doctor_warns_of_used_up_budget(box, run_doctor):
    save_state(box, "growatt", spent=[[NOW - 60, 175]])
    ((verdict, sentence),) = checks(run_doctor("growatt")[1], "budget")
    assert verdict == "warning"
    assert "175 of 180 requests" in sentence
    assert "20 requests are reserved for interactive use" in sentence


def test_doctor_reports_state_file_of_another_version_for_one_account(box, run_doctor):
    write_format(guard_of(box, "growatt").store.path, 99, {})
    code, out = run_doctor()
    assert code == 1
    assert "another version" in dict(checks(out, "state file"))["problem"]
    assert "\ngoodwe\n" in out


def test_doctor_reports_broken_state_file(box, run_doctor):
    save_state(box, "growatt").write_text("{")
    assert "will be renamed" in run_doctor("growatt")[1]
    read(box, "growatt")
    assert "renamed" in run_doctor("growatt")[1]
    assert "its content is lost" in dict(checks(run_doctor("growatt")[1], "files"))["warning"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_doctor_reports_readable_state_file(box, run_doctor):
    save_state(box, "growatt").chmod(0o644)
    code, out = run_doctor()
    assert code == 1
    assert "chmod -R go-rwx" in dict(checks(out, "files"))["problem"]


def test_check_disk_reports_unwritable_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    (check,) = check_disk(file)
    assert check.verdict == "problem"
    assert "HELIOGRAPH_HOME" in check.message


def test_clock_check_reports_difference_and_direction():
    assert clock_check(30.0).verdict == "ok"
    assert clock_check(7200.0).message.startswith("this machine's clock is 2 h behind the cloud's")
    assert clock_check(-300.0).message.startswith("this machine's clock is 5 min ahead of the cloud's")


# Online checks


@BOTH
def test_doctor_online_without_session_sends_no_login(box, run_doctor, vendor):
    code, out = run_doctor(vendor, "--online")
    ((verdict, sentence),) = checks(out, "live check")
    assert (code, verdict) == (0, "warning")
    assert sentence.endswith(f"heliograph login {vendor}")
    assert logins(box) == 0


@BOTH
def test_doctor_online_uses_stored_session(box, run_doctor, vendor):
    read(box, vendor)
    before = guard_of(box, vendor).budget().requests_used
    code, out = run_doctor(vendor, "--online")
    assert (code, checks(out, "live check")) == (0, [("ok", "the stored session is valid")])
    assert logins(box) == 1
    assert guard_of(box, vendor).budget().requests_used == before + 1


@BOTH
def test_doctor_online_may_use_the_reserve(box, run_doctor, vendor):
    read(box, vendor)
    budget = guard_of(box, vendor).budget()
    save_state(box, vendor, spent=[[time.time() - 60, budget.daily]])
    _, out = run_doctor(vendor, "--online")
    assert checks(out, "live check") == [("ok", "the stored session is valid")]


@BOTH
def test_doctor_online_stays_in_legacy_dialect(box, run_doctor, vendor):
    box.faults.set({"classic": ""})
    read(box, vendor)
    spent = logins(box)
    assert checks(run_doctor(vendor, "--online")[1], "live check")[0][0] == "ok"
    assert logins(box) == spent


@BOTH
def test_doctor_online_with_expired_session_sends_no_login(box, run_doctor, vendor):
    read(box, vendor)
    box.faults.set({"expire": ""})
    code, out = run_doctor(vendor, "--online")
    ((verdict, sentence),) = checks(out, "live check")
    assert (code, verdict) == (0, "warning")
    assert "has expired" in sentence
    assert logins(box) == 1
    assert not guard_of(box, vendor).load(NOW).session["alive"]


@BOTH
@pytest.mark.parametrize("fault", ["html", "block", "rate=1", "truncated", "reset", "http500"])
def test_doctor_online_survives_any_response_without_login(box, run_doctor, vendor, fault):
    read(box, vendor)
    name, _, value = fault.partition("=")
    box.faults.set({name: value})
    _, out = run_doctor(vendor, "--online")
    assert checks(out, "live check") or checks(out, "network")
    assert logins(box) == 1
    assert box.account_of[vendor].password not in out


@BOTH
@pytest.mark.parametrize("kind", ["locked", "blocked", "throttled"])
def test_doctor_online_sends_nothing_during_backoff(box, run_doctor, vendor, kind):
    save_state(box, vendor, pause=kind, pause_until=NOW + 7200, pause_why="so it result")
    assert "nothing was sent" in run_doctor(vendor, "--online")[1]
    assert box.log.as_dict()["requests"] == []


def test_doctor_online_reports_refused_connection(box, run_doctor):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code, out = run_doctor("growatt", "--online", server=f"http://127.0.0.1:{taken.getsockname()[1]}")
    ((verdict, sentence),) = checks(out, "network")
    assert (code, verdict) == (1, "problem")
    assert "no connection to" in sentence
    assert "firewall" in sentence


def test_doctor_online_reports_unresolvable_name(box, run_doctor):
    code, out = run_doctor("growatt", "--online", server="http://unknown.invalid")
    assert code == 1
    assert "its name cannot be resolved" in dict(checks(out, "network"))["problem"]


def test_doctor_online_reports_clock_difference_once(box, run_doctor):
    read(box, "goodwe")
    ((verdict, sentence),) = checks(run_doctor("goodwe", "--online")[1], "clock")
    assert verdict == "warning"
    assert "the cloud's" in sentence


def test_doctor_accepts_former_option_try(box, run_doctor):
    read(box, "growatt")
    assert checks(run_doctor("growatt", "--try")[1], "live check") == [("ok", "the stored session is valid")]


# The bundle


def bundle(tmp_path):
    return (tmp_path / "bundle.txt").read_text("utf-8")


@BOTH
def test_bundle_contains_problem_but_no_personal_data(box, run_doctor, vendor, tmp_path):
    read(box, vendor)
    box.faults.set({"html": ""})
    code, out = run_doctor(vendor, "--online", "--bundle", str(tmp_path / "bundle.txt"))
    text = bundle(tmp_path)
    account, session = box.account_of[vendor], guard_of(box, vendor).load(NOW).session
    assert "read it before you post it" in out
    assert ("live check" in text, "Packages" in text, f"State of account 1 ({vendor})" in text) == (True, True, True)
    assert code in (0, 1)
    for secret in (
        account.username,
        account.password,
        *(site.id for site in account.plants),
        os.environ["HELIOGRAPH_HOME"],
    ):
        assert secret not in text
    for jar in session["cookies"].values():
        assert not any(value in text for value in jar.values())
    assert not any(str(session["token"].get(key) or "?!") in text for key in ("token", "uid"))


def test_bundle_shows_only_harmless_configuration_values(configured, tmp_path):
    configured(
        "# my sister Anna's",
        'name = "Anna home"',
        'vendor = "growatt"',
        'username = "anna.b"',
        'password = "hunter2"',
        'server = "https://anna.example.net/solar"',
        'timezone = "Europe/Amsterdam"',
        'plants = ["1234567"]',
        "interval = 10",
        words=["--bundle", str(tmp_path / "bundle.txt")],
    )
    text = bundle(tmp_path)
    shown = ('vendor = "growatt"', 'timezone = "Europe/Amsterdam"', "interval = 10", f"password = {MASK}")
    assert all(line in text for line in shown)
    for private in ("Anna", "anna", "hunter2", "1234567", "sister", str(tmp_path)):
        assert private not in text


def test_bundle_does_not_quote_broken_configuration(configured, tmp_path):
    code, _ = configured(
        'vendor = "goodwe"',
        "hunter2 = hunter3",
        'usrname = "anna.b"',
        "hunter4",
        words=["--bundle", str(tmp_path / "bundle.txt")],
    )
    text = bundle(tmp_path)
    assert code == 1
    assert "line 3" in text
    assert not re.search("hunter|anna", text)


def test_bundle_masks_mistyped_value_quoted_by_error(configured, tmp_path):
    words = ["--bundle", str(tmp_path / "bundle.txt")]
    _, out = configured('vendor = "anna.b@home"', 'username = "x"', words=words)
    assert "anna.b" in out
    assert "anna.b" not in bundle(tmp_path)


def test_bundle_does_not_replace_file(box, run_doctor, tmp_path, capsys):
    (tmp_path / "bundle.txt").write_text("mine")
    assert run_doctor("--bundle", str(tmp_path / "bundle.txt"))[0] == 2
    assert bundle(tmp_path) == "mine"


def test_bundle_with_root_as_home_keeps_slashes(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setenv("HELIOGRAPH_HOME", ".")
    assert "a/b." in bundles._without_paths("a/b.", tmp_path)


def test_doctor_counts_what_could_not_be_used(box, run_doctor, tmp_path):
    series = [Series("growatt", "7", name) for name in ("A", "B")]
    with open_store(tmp_path / "store.sqlite") as store:
        odd = [Oddity(one, "text for the number vpv1", "m\x1b[2Juch", 1200, 1_750_500_000) for one in series]
        store.write(
            Batch(oddities=[*odd, Oddity(series[0]._replace(device=""), UNDATED, "fault 302", 1, 1_750_600_000)])
        )
    _code, out = run_doctor("--store", str(tmp_path / "store.sqlite"))
    rows = checks(out, "answers")
    assert [verdict for verdict, _ in rows] == ["warning", "warning", "ok"]
    assert rows[0][1].startswith(f"{UNDATED}: once in the answers, last on 2025-06-22, as 'fault 302'")
    assert "2,400 times in the answers of 2 devices, last on 2025-06-21" in rows[1][1]
    assert "\x1b" not in out
    assert "heliograph record" in rows[2][1]


def test_doctor_names_services_that_accept_no_messages(box, run_doctor, tmp_path):
    with open_store(tmp_path / "store.sqlite") as store:
        rows = [["service 2 (ntfy)", 3, 1_750_500_000, "the service did not answer"]]
        store.write(Batch(alarms=[AlarmRow("failed notifications", 1, json.dumps(rows), None)]))
    _code, out = run_doctor("--store", str(tmp_path / "store.sqlite"))
    ((verdict, text),) = checks(out, "messages")
    assert verdict == "warning"
    assert text.startswith("service 2 (ntfy) did not accept the last 3 messages about alarms, last on 2025-06-21: the")
    assert text.endswith("then run: heliograph alarms test")


def test_doctor_limits_the_kinds_that_it_lists():
    series = Series("growatt", "7", "A")
    found = list(oddity_checks([Oddity(series, f"text for the number {n}", "x", 1, n) for n in range(30)]))
    assert len(found) == 10
    assert list(oddity_checks([])) == []
