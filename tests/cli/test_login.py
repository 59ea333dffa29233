"""`heliograph login` and `logout` against both emulated clouds, in a pseudo-terminal too."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import keyring
import pytest

from heliograph.cli.accounts import machine_zone
from heliograph.cli.clients import create_client
from heliograph.config import load
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS
from support.cli_home import NOON, stored_password
from support.fake_keyring import Ring
from support.terminal import PROGRAM, terminal

NEXT = "Next: heliograph run (collects the data and serves the page), or heliograph now"

at_terminal = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
both = pytest.mark.parametrize("vendor", ["growatt", "goodwe"])


# login


@both
def test_login_saves_password_and_adds_account(home, vendor):
    code, out, err = home.log_in(vendor, "--server", home.url)
    assert (code, err) == (0, "")
    hint = ['  # timezone = "Europe/Amsterdam"  # set your time zone; Growatt ignores daylight saving']
    if vendor == "goodwe":
        hint = []
    lines = out.splitlines()
    plants = home[vendor]["plants"]
    assert lines.pop(1).startswith(f"Found {len(plants)} plants: ")
    assert all(f"({plant})" in out for plant in plants)
    assert lines == [
        f"Logged in to {VENDORS[vendor].title} as {home[vendor]['username']}.",
        f"Password saved in {home.folder / 'passwords.json'}",
        f"Account added to {home.config}:",
        "  [[account]]",
        f'  vendor = "{vendor}"',
        f'  username = "{home[vendor]["username"]}"',
        f'  server = "{home.url}"',
        *hint,
        NEXT,
    ]
    assert stored_password(home, vendor) == home[vendor]["password"]
    assert home[vendor]["password"] not in home.config.read_text()
    assert home.logins() == 1
    code, out, err = home.run_checked("now", "--json")
    assert (code, err) == (0, "")
    assert [row["plant"] for row in json.loads(out)] == home[vendor]["plants"]
    assert home.logins() == 1, "the session of the verification is reused"


@pytest.mark.parametrize("region", ["smten", "atess"])
def test_login_to_region_without_encryption_says_so(home, region):
    code, _, err = home.log_in("growatt", "--server", region, "--no-verify")
    assert code == 0
    assert "is not encrypted: others on the network can read the password or its hash" in err


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_login_writes_files_readable_by_owner_only(home):
    before = os.umask(0)
    try:
        home.log_in("growatt", "--server", home.url)
    finally:
        os.umask(before)
    written = [path for path in home.folder.rglob("*") if path.is_file() and path.name != "stdin"]
    assert {"config.toml", "passwords.json"} < {path.name for path in written}
    assert [path.name for path in written if path.suffix != ".lock" and path.stat().st_mode & 0o077] == []


@both
def test_login_with_wrong_password_saves_nothing_and_gives_advice(home, vendor):
    words = ("--server", home.url, "--password-stdin", "--username", home[vendor]["username"])
    code, out, err = home.pipe("hunter2\n", "login", vendor, *words)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "hunter2" not in err
    assert "Nothing was saved; use --no-verify to save without checking" in err
    regions = ", ".join(VENDORS[vendor].regions)
    assert err.endswith(f". For another region: heliograph login {vendor} --server REGION ({regions})\n")
    assert not home.config.exists()
    assert not (home.folder / "passwords.json").exists()
    assert home.logins() == 1


def test_login_with_corrected_password_is_not_delayed(home):
    words = ("--server", home.url, "--password-stdin", "--username", home["growatt"]["username"])
    assert home.pipe("hunter2\n", "login", "growatt", *words)[0] == 1
    assert home.log_in("growatt", "--server", home.url)[0] == 0
    assert home.logins() == 2


def test_login_to_locked_account_saves_only_with_no_verify(home):
    home.emulator.faults.set({"lock": "0"})
    code, _, err = home.log_in("growatt", "--server", home.url)
    assert code == 1
    assert "locked" in err
    assert "Nothing was saved; use --no-verify to save without checking" in err
    assert "region" not in err
    assert stored_password(home, "growatt") is None
    asked = home.logins()
    code, out, err = home.log_in("growatt", "--server", home.url, "--no-verify")
    assert (code, err) == (0, "")
    assert "Logged in" not in out
    assert stored_password(home, "growatt") == home["growatt"]["password"]
    assert home.logins() == asked


def test_login_accepts_former_option_no_try(home):
    assert home.pipe("better\n", "login", "growatt", "--no-try", "--password-stdin", "--username", "me")[0] == 0
    assert stored_password(home, "growatt", "me") == "better"
    assert home.logins() == 0


def test_login_appends_to_existing_configuration(home):
    written = '# My roof\n[[account]]\nvendor = "goodwe"\nusername = "roof@example.com"\npassword = "a"  # ünicode'
    home.config.write_text(written)
    home.config.chmod(0o600)
    code, _, _ = home.log_in("growatt", "--server", home.url, "--account", 'the "barn"')
    assert code == 0
    text = home.config.read_text()
    assert text.startswith(f"{written}\n\n[[account]]\n")
    _, barn = load(home.config, {}).accounts
    assert (barn.name, barn.vendor, barn.server) == ('the "barn"', "growatt", home.url)
    assert tomllib.loads(text)["account"][1]["name"] == 'the "barn"'


def test_login_to_known_account_leaves_configuration_unchanged(home):
    home.log_in("growatt", "--server", home.url)
    before = home.config.read_text()
    code, out, _ = home.pipe("better\n", "login", "growatt", "--no-verify", "--password-stdin")
    assert code == 0
    assert out == f"Password saved in {home.folder / 'passwords.json'}\n{NEXT}\n"
    assert home.config.read_text() == before
    assert stored_password(home, "growatt") == "better"


def test_login_with_other_server_prints_configuration_line(home):
    home.config.write_text(f'[[account]]\nvendor = "growatt"\nusername = "{home["growatt"]["username"]}"\n')
    code, out, _ = home.log_in("growatt", "--server", home.url)
    assert code == 0
    expected = f'Account growatt is configured with another server; set in {home.config}: server = "{home.url}"'
    assert out.splitlines()[-2:] == [expected, NEXT]
    home.config.write_text(f'{home.config.read_text()}server = "{home.url}"\n')
    assert home.run_checked("now", "--json")[0] == 0
    assert home.logins() == 1


def test_login_creates_configuration_given_by_option(home):
    path = home.folder / "elsewhere" / "mine.toml"
    code, _, _ = home.log_in("growatt", "--server", home.url, "--config", path)
    assert code == 0
    assert not home.config.exists()
    assert home.run_checked("now", "--json", "--config", path)[0] == 0


def test_login_prints_account_table_if_file_cannot_be_extended(home):
    home.config.write_text("account = []\n")
    code, out, err = home.log_in("growatt", "--server", home.url)
    assert code == 2
    assert "Password saved in" in out
    assert f"cannot add the account to {home.config} (the result would not be valid TOML); add it yourself" in err
    assert f'vendor = "growatt"\nusername = "{home["growatt"]["username"]}"' in err
    assert home.config.read_text() == "account = []\n"


def test_login_verifies_configured_password_without_saving(home):
    one = home["growatt"]
    command = json.dumps([sys.executable, "-c", f"print({one['password']!r})"])
    home.config.write_text(
        f'[[account]]\nvendor = "growatt"\nusername = "{one["username"]}"\nserver = "{home.url}"\n'
        f"password_command = {command}\n"
    )
    code, out, err = home.pipe("", "login", "growatt")
    assert (code, err) == (0, "")
    first, found, last = out.splitlines()
    assert found.startswith("Found 7 plants: ")
    assert [first, last] == [
        f"Logged in to Growatt as {one['username']}.",
        f"Nothing was saved: the password comes from {home.config}: password_command",
    ]
    assert not (home.folder / "passwords.json").exists()
    code, _, err = home.log_in("growatt")
    assert code == 2
    assert "password_command; remove it there to save one here" in err


def test_login_uses_user_name_from_environment(home, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_GROWATT_USERNAME", home["growatt"]["username"])
    code, _, _ = home.pipe("better\n", "login", "growatt", "--no-verify", "--password-stdin")
    assert code == 0
    assert not home.config.exists()
    assert stored_password(home, "growatt") == "better"
    assert "HELIOGRAPH_GROWATT_USERNAME" in home.log_in("growatt", "--username", "other", "--account", "b")[2]


TWO = "".join(f'[[account]]\nname = "{name}"\nvendor = "growatt"\nusername = "{name} user"\n' for name in "ab")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["growatt"], "several growatt accounts are configured; choose one with --account: a, b"),
        (["goodwe", "--account", "a"], "account a belongs to growatt, not goodwe"),
        (["growatt", "--account", "a", "--username", "b user"], "account a has another user name in the configuration"),
        (["growatt", "--account", "c", "--username", "b user"], "this user name already belongs to account b"),
        (["goodwe"], "no user name given; use --username NAME"),
        (["goodwe", "--username", "a\x1bb"], "must not be empty or contain control characters"),
        (["goodwe", "--username", "me"], "no terminal to ask for the password; use --password-stdin"),
        (["goodwe", "--username", "me", "--password-stdin"], "no password given; nothing was saved"),
        (["growatt", "--account", "a", "--password-stdin", "--server", "mars"], "no password given"),
    ],
)
def test_login_with_missing_or_ambiguous_input_prints_one_line(home, words, message):
    home.config.write_text(TWO)
    code, out, err = home.pipe("", "login", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert home.config.read_text() == TWO


def test_login_rejects_password_in_wrong_encoding(home):
    words = ("login", "goodwe", "--username", "me", "--password-stdin", "--no-verify")
    code, _, err = home.pipe(b"\xffhunter2\n", *words)
    assert code == 2
    assert "not text in this system's encoding" in err


def test_login_saves_password_in_keyring(home, monkeypatch):
    monkeypatch.delenv("HELIOGRAPH_NO_KEYRING")
    before, ring = keyring.get_keyring(), Ring()
    keyring.set_keyring(ring)
    try:
        _, out, _ = home.log_in("growatt", "--server", home.url)
        assert "Password saved in the keyring" in out
        assert list(ring.kept.values()) == [home["growatt"]["password"]]
        assert not (home.folder / "passwords.json").exists()
        ring.locked, ring.asked = True, 0
        assert home.run_checked("now", "--json")[0] == 0
        assert ring.asked == 0, "a stored session needs no password"
        ring.locked = False
        _, out, _ = home.run_checked("logout", "growatt")
        assert "Password deleted" in out
        assert ring.kept == {}
    finally:
        keyring.set_keyring(before)


# logout


@both
def test_logout_deletes_only_password_and_session(home, vendor):
    home.log_in(vendor, "--server", home.url)
    before = home.config.read_text()
    used = create_client(load(None, os.environ).accounts[0]).budget
    code, out, err = home.run_checked("logout", vendor)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "Password deleted",
        "Session deleted; the used budget and any lock stay recorded, to protect the account",
        f"The account is still configured in {home.config}",
    ]
    assert stored_password(home, vendor) is None
    assert home.config.read_text() == before
    left = create_client(load(None, os.environ).accounts[0]).budget
    assert left.opened_at is None is not used.opened_at
    assert (left.logins_used, left.requests_used) == (used.logins_used, used.requests_used)
    code, _, err = home.run_checked("now")
    assert code == 2
    assert f"password is missing from this account, and none is stored; run: heliograph login {vendor}" in err
    assert home.logins() == 1


def test_logout_reports_configured_password(home, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_GROWATT_USERNAME", "me")
    monkeypatch.setenv("HELIOGRAPH_GROWATT_PASSWORD", "hunter2")
    code, out, _ = home.run_checked("logout", "growatt")
    assert code == 0
    assert "No password was saved" in out
    assert out.endswith("The account is still configured in the environment, with its HELIOGRAPH_GROWATT_PASSWORD\n")


def test_logout_by_user_name_of_removed_account(home):
    home.log_in("growatt", "--server", home.url)
    home.config.unlink()
    code, _, err = home.run_checked("logout", "growatt")
    assert code == 2
    assert "no such growatt account is configured; for a removed one, pass --username NAME" in err
    code, out, _ = home.run_checked(
        "logout", "growatt", "--username", home["growatt"]["username"], "--server", home.url
    )
    assert code == 0
    assert "Password deleted" in out
    assert "still configured" not in out
    assert stored_password(home, "growatt") is None


def test_login_reports_broken_password_file(home):
    home.log_in("growatt", "--server", home.url)
    (home.folder / "passwords.json").write_text('{"growatt"')
    code, _, err = home.pipe("better\n", "login", "growatt", "--no-verify", "--password-stdin")
    assert code == 0
    assert "passwords.json was damaged and is now passwords.broken-1.json" in err
    assert stored_password(home, "growatt") == "better"


# The program in a pseudo-terminal


@at_terminal
def test_login_at_terminal_asks_name_and_hides_password(home):
    one = home["growatt"]
    with terminal("login", "growatt", "--server", home.url, env={"TZ": "UTC"}) as (program, until, type_in):
        until("Use an API token? [Y/n]: ")
        type_in("n\n")
        until("User name: ")
        type_in(f"{one['username']}\n")
        until("Time zone of the plants, like Europe/Berlin; Enter for none: ")
        type_in("Europe/Amsterdm\n")
        until("'Europe/Amsterdm' is not a zone")
        until("Time zone of the plants")
        type_in("Europe/Amsterdam\n")
        until("Password: ")
        cmdline = Path(f"/proc/{program.pid}/cmdline")
        type_in(f"{one['password']}\n")
        shown = until("Logged in")
        if cmdline.exists():
            assert one["password"].encode() not in cmdline.read_bytes()
        shown = until('timezone = "Europe/Amsterdam"')
        assert program.wait(60) == 0
    assert one["username"] in shown, "the user name is echoed"
    assert one["password"] not in shown
    assert stored_password(home, "growatt") == one["password"]


@at_terminal
def test_login_at_terminal_hides_wrong_password(home):
    with terminal("login", "goodwe", "--server", home.url, "--username", home["goodwe"]["username"]) as (
        program,
        until,
        type_in,
    ):
        until("Password: ")
        type_in("hunter2\n")
        until("Enter stops: ")
        type_in("\n")
        shown = until("--server REGION")
        assert program.wait(60) == 1
    assert "hunter2" not in shown
    assert stored_password(home, "goodwe") is None


@at_terminal
def test_login_with_wrong_password_at_terminal_asks_once_more(home):
    with terminal("login", "goodwe", "--server", home.url, "--username", home["goodwe"]["username"]) as (
        program,
        until,
        type_in,
    ):
        until("Password: ")
        type_in("hunter2\n")
        until("Enter stops: ")
        type_in("password\n")
        until("Password: ")
        type_in(f"{home['goodwe']['password']}\n")
        until("Logged in")
        assert program.wait(60) == 0
    assert stored_password(home, "goodwe") == home["goodwe"]["password"]


@at_terminal
def test_login_to_wrong_region_tries_another_one_as_a_second_login(home):
    """The account exists at one of two servers; the other one answers 502 to a right password."""
    one = home["growatt"]
    elsewhere = build_emulator(EmulatorOptions(start=NOON.astimezone(), speed=0, accounts=2, seed=8))
    with (
        serve_in_thread(elsewhere) as other,
        terminal("login", "growatt", "--username", one["username"], env={"TZ": "America/Chicago"}) as (
            program,
            until,
            type_in,
        ),
    ):
        until("Region (eu, us, cn, au, ")
        until("[us]: ")
        type_in("mars\n")
        until("'mars' is not a Growatt region")
        until("[us]: ")
        type_in(f"{other['url']}\n")
        until("[America/Chicago]: ")
        type_in("\n")
        until("Password: ")
        type_in(f"{one['password']}\n")
        until("(502)")
        until("Regions: eu, us, ")
        until("Enter stops: ")
        type_in(f"{home.url}\n")
        shown = until('timezone = "America/Chicago"')
        assert program.wait(60) == 0
        rejected = elsewhere.log.as_dict()["accounts"]
    assert sum(account["rejected_logins"] for account in rejected.values()) == 1
    assert home.logins() == 1
    assert f'server = "{home.url}"' in shown
    assert one["password"] not in shown


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("Europe/Berlin", "eu"),
        ("America/New_York", "us"),
        ("America/Sao_Paulo", "eu"),
        ("Asia/Shanghai", "cn"),
        ("Australia/Perth", "au"),
        ("", "eu"),
    ],
)
def test_suggested_region_of_time_zone(zone, region):
    assert VENDORS["growatt"].suggested_region(zone) == region
    assert VENDORS["goodwe"].suggested_region(zone) == "global"


@pytest.mark.parametrize(
    ("name", "zone"),
    [("Europe/Berlin", "Europe/Berlin"), (":Asia/Tokyo", "Asia/Tokyo"), ("UTC", ""), ("CET-1CEST", "")],
)
def test_machine_zone(monkeypatch, name, zone):
    monkeypatch.setenv("TZ", name)
    assert machine_zone() == zone


def test_login_saves_time_zone_of_option(home):
    words = ("--server", home.url, "--timezone")
    code, _, err = home.log_in("growatt", *words, "Berlin")
    assert (code, home.logins()) == (2, 0)
    assert "time zone 'Berlin' is not a zone of the time zone database, like Europe/Berlin" in err
    assert home.log_in("growatt", *words, "Europe/Berlin")[0] == 0
    assert str(load(home.config, {}).accounts[0].zone) == "Europe/Berlin"


@at_terminal
def test_login_interrupted_at_prompt_leaves_nothing(home):
    with terminal("login", "goodwe", "--username", "me") as (program, until, type_in):
        until("Password: ")
        type_in("\x03")
        shown = until("nothing that ever comes")
        assert program.wait(60) == 130
    assert "Traceback" not in shown
    assert not home.config.exists()


@at_terminal
def test_login_password_is_not_in_process_list(home):
    """The command lines of the program and its children are read continuously during a slow login."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("no /proc to read the list of processes from")
    one = home["growatt"]
    home.emulator.faults.set({"slow": "1"})
    command = [*PROGRAM, "login", "growatt", "--server", home.url, "--username", one["username"], "--password-stdin"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    lists = set()
    with subprocess.Popen(command, text=True, **pipes) as program:
        program.stdin.write(f"{one['password']}\n")
        program.stdin.flush()
        while program.poll() is None:
            lists.update(command_lines(program.pid))
            time.sleep(0.02)
        out, err = program.stdout.read(), program.stderr.read()
    assert program.returncode == 0, err
    assert any(b"--password-stdin" in line for line in lists)
    assert not [line for line in lists if one["password"].encode() in line]
    assert one["password"] not in out + err
    assert re.search(r"Password saved in .*passwords\.json", out)


def command_lines(pid):
    """Yield the command lines of a process and its descendants, not of unrelated processes of this machine."""
    try:
        yield Path(f"/proc/{pid}/cmdline").read_bytes()
        children = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended meanwhile
        return
    for child in " ".join(children).split():
        yield from command_lines(child)


# Limits of an account


def test_create_client_applies_account_limits(home):
    text = '[[account]]\nvendor = "growatt"\nusername = "me"\npassword = "a"\n'
    home.config.write_text(text)
    (account,) = load(home.config, {}).accounts
    usual = create_client(account).budget
    home.config.write_text(f"{text}requests_per_day = 100\nlogins_per_day = 1\nreserve = 5\n")
    (account,) = load(home.config, {}).accounts
    budget = create_client(account).budget
    assert (budget.requests_limit, budget.logins_limit, budget.reserve) == (100, 1, 5)
    assert usual.requests_limit != 100
    home.config.write_text(f"{text}requests_per_day = {usual.reserve}\n")
    (account,) = load(home.config, {}).accounts
    with pytest.raises(ConfigError, match=r"account growatt: reserve = \d+ uses up all \d+ requests a day"):
        create_client(account)
