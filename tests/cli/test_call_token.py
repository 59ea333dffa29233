"""`heliograph call` of the token API."""

import json

import pytest

from heliograph.vendors.growatt.openapi import limits


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)


@pytest.fixture
def account(home):
    """Write the configuration of an account with a token, and perhaps more."""

    def write(*lines):
        text = f'[[account]]\nvendor = "growatt"\nserver = "{home.url}"\n'
        home.config.write_text(text + "\n".join(lines) + "\n")
        home.config.chmod(0o600)

    return write


def token_line(home):
    return f'token = "{home["growatt"]["token"]}"'


def password_lines(home):
    return f'username = "{home["growatt"]["username"]}"', f'password = "{home["growatt"]["password"]}"'


def test_call_of_the_token_api_needs_a_token_only(home, account):
    account(token_line(home))
    code, out, err = home.run_checked("call", "growatt", "v1_plant_details", home["growatt"]["plants"][0])
    assert (code, err) == (0, "")
    assert json.loads(out)["name"] == "Tlx 1"
    code, out, err = home.run_checked("call", "growatt", "plants")
    assert (code, len(json.loads(out))) == (0, 7)


def test_settings_of_an_account_with_a_token_alone_are_written_by_token(home, account):
    account(token_line(home))
    serial = next(plant.devices[0] for plant in home.emulator.accounts[0].plants if plant.family == "tlx-battery")
    code, out, _ = home.run_checked("settings", "set", serial, "charge_stop_soc=90", "--dry-run")
    assert code == 0
    assert "POST v1/tlxSet tlx_sn=" in " ".join(out.split())


def test_call_of_the_other_api_says_what_is_missing(home, account):
    account(token_line(home))
    code, _, err = home.run_checked("call", "growatt", "plant_list")
    assert (code, err.count("\n")) == (2, 1)
    assert "plant_list is a call of the password API; account growatt has a token only" in err
    account(*password_lines(home))
    code, _, err = home.run_checked("call", "growatt", "v1_plants")
    assert code == 2
    assert "v1_plants is a call of the token API; run: heliograph login growatt --token" in err


def test_account_with_both_calls_both_apis(home, account):
    account(token_line(home), *password_lines(home))
    assert home.run_checked("call", "growatt", "plant_list")[0] == 0
    assert home.run_checked("call", "growatt", "v1_plant_details", home["growatt"]["plants"][0])[0] == 0


def test_list_has_the_calls_of_both_apis(home):
    _, out, _ = home.run_checked("call", "growatt", "--list")
    assert "plant_list" in out
    assert "v4_last_data" in out
