"""`heliograph doctor` of accounts with an API token: region, permission, intervals; with a password too."""

import json
from datetime import timedelta

import pytest

from heliograph.vendors.growatt.openapi import limits
from support.cli_home import NOON


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)


@pytest.fixture
def account(home):
    """Write the configuration of an account with a token, and perhaps more."""

    def write(*lines):
        text = f'[[account]]\nvendor = "growatt"\nserver = "{home.url}"\ntoken = "{home["growatt"]["token"]}"\n'
        home.config.write_text(text + "\n".join(lines) + "\n")
        home.config.chmod(0o600)

    write()
    return write


def doctor(home, *words):
    """Run doctor and return exit code and lines; the token must not be printed."""
    code, out, err = home.run_checked("doctor", "growatt", *words)
    assert home["growatt"]["token"] not in out + err
    return code, " ".join(out.split())


def test_doctor_says_that_the_region_of_a_new_token_is_not_known_yet(home, account):
    code, out = doctor(home)
    assert code == 0
    assert "token from token" in out
    assert "region not known yet; the next request asks each regional server once" in out


def test_doctor_reports_region_intervals_and_permission_of_a_token(home, account):
    home.run_checked("now")
    home.emulator.world.clock.set(NOON + timedelta(seconds=10))
    code, out = doctor(home, "--online")
    assert code == 0
    assert f"region {home.url}/, as configured" in out
    assert "plants 7" in out
    assert "an equal call every 300 s, newest data of inverter every 300 s" in out
    assert "mix every 10 s" in out
    assert "permission the devices of all plants asked for are readable" in out
    assert "live check the stored session is valid" in out


def test_doctor_names_each_plant_whose_devices_the_token_may_not_read(home, account):
    home.emulator.faults.set({"no_permission": True})
    home.run_checked("now")
    _, out = doctor(home)
    plant = home["growatt"]["plants"][0]
    assert f"plant {plant} the token may not read the devices, or they have no data" in out


def test_doctor_gives_the_remedy_of_a_refused_token(home, account):
    home.emulator.faults.set({"token_replaced": True})
    home.run_checked("now")
    code, out = doctor(home)
    assert code == 1
    assert "the cloud refused the token at" in out
    assert "create a new one in the app, then run: heliograph login growatt --token" in out


def test_doctor_checks_token_and_password_of_one_account(home, account):
    account(f'username = "{home["growatt"]["username"]}"', f'password = "{home["growatt"]["password"]}"')
    code, out = doctor(home)
    assert code == 0
    assert "growatt, by token" in out
    assert "growatt, by password" in out
    assert "token from token" in out
    assert "password from password" in out
    assert "growatt, which API answers" in out
    assert "live values by token" in out
    assert "energies of periods by password" in out


def test_doctor_shows_the_plants_that_the_password_api_reads_instead(home, account):
    account(f'username = "{home["growatt"]["username"]}"', f'password = "{home["growatt"]["password"]}"')
    home.emulator.faults.set({"no_permission": True})
    code, _, err = home.run_checked("now")
    assert (code, err) == (0, "")
    _, out = doctor(home)
    plant = home["growatt"]["plants"][0]
    assert f"plant {plant} live values by password: the token may not read the devices" in out


def test_bundle_masks_the_token(home, account, tmp_path):
    home.run_checked("now")
    doctor(home, "--bundle", str(tmp_path / "report"))
    report = (tmp_path / "report").read_text()
    assert home["growatt"]["token"] not in report
    assert "token = ***" in report
    assert "--token" in report or "token " in report, "the word itself is not masked"


def test_status_shows_the_limits_of_token_and_password(home, account):
    account(f'username = "{home["growatt"]["username"]}"', f'password = "{home["growatt"]["password"]}"')
    _, out, _ = home.run_checked("status")
    assert "growatt: 0 of 2000 requests" in out
    assert "growatt, by password (growatt): 0 of 180 requests" in out
    (row,) = json.loads(home.run_checked("status", "--json")[1])["accounts"]
    limits_shown = row["requests"]["limit"], row["password_api"]["requests"]["limit"]
    assert (row["account"], *limits_shown) == ("growatt", 2000, 180)


def test_status_gives_the_remedy_of_a_refused_token(home, account):
    home.emulator.faults.set({"token_replaced": True})
    home.run_checked("now")
    _, out, _ = home.run_checked("status")
    assert "token refused " in out
    assert "not retried; run: heliograph login growatt --token" in out


def test_now_and_status_say_why_values_are_missing_and_the_remedy(home, account):
    home.emulator.faults.set({"no_permission": True})
    _, _, err = home.run_checked("now")
    lines = " ".join(err.split())
    assert "values of Tlx 1 are missing: the token may not read the devices, or they have no data. Only" in lines
    _, out, _ = home.run_checked("status")
    assert "are missing: the token may not read the devices" in " ".join(out.split())
    _, out, _ = home.run_checked("status", "--json")
    (row,) = json.loads(out)["accounts"]
    assert len(row["missing_values"]) == 7
