"""The web portal in the configuration, `heliograph now`, `call` and `doctor`."""

from __future__ import annotations

import json

import pytest

from heliograph.cli.clients import create_client
from heliograph.config import load
from heliograph.errors import ConfigError
from heliograph.vendors.growatt import AsyncGrowatt
from heliograph.vendors.growatt.portal import AsyncGrowattPortal


@pytest.fixture
def account(home):
    """Write the configuration of an account with a password, and perhaps more."""

    def write(*lines):
        growatt = home["growatt"]
        text = f'[[account]]\nvendor = "growatt"\nserver = "{home.url}"\nusername = "{growatt["username"]}"\n'
        home.config.write_text(text + f'password = "{growatt["password"]}"\n' + "\n".join(lines) + "\n")
        home.config.chmod(0o600)

    return write


@pytest.fixture
def spa(home):
    """Id and serial number of the SPA."""
    plants = next(one for one in home.emulator.accounts if one.vendor == "growatt").plants
    plant = next(plant for plant in plants if plant.family == "spa")
    return plant.id, plant.devices[0]


def parse(folder, *lines):
    path = folder / "config.toml"
    path.write_text("\n".join(["[[account]]", *lines]) + "\n")
    path.chmod(0o600)
    return load(path, {}).accounts[0]


PASSWORD = ('vendor = "growatt"', 'username = "me"', 'password = "secret"')


def test_portal_is_off_by_default_and_on_by_true_or_an_address(tmp_path):
    assert parse(tmp_path, *PASSWORD).portal is False
    assert create_client(parse(tmp_path, *PASSWORD)).portal_api is None
    assert create_client(parse(tmp_path, *PASSWORD, "portal = false")).portal_api is None
    on = create_client(parse(tmp_path, *PASSWORD, "portal = true"))
    assert on.portal_api.session.base == "https://server.growatt.com/"
    other = create_client(parse(tmp_path, *PASSWORD, 'portal = "https://portal.example"'), asynchronous=True)
    assert type(other) is AsyncGrowatt
    assert type(other.portal_api) is AsyncGrowattPortal
    assert other.portal_api.session.base == "https://portal.example/"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (('vendor = "goodwe"', 'username = "me"', 'password = "secret"', "portal = true"), "not possible for goodwe"),
        (('vendor = "growatt"', 'token = "0123456789abcdef"', "portal = true"), "needs username and password"),
        ((*PASSWORD, "portal = 3"), "portal"),
        ((*PASSWORD, 'portal = "no address"'), "not a valid server|not a Growatt region"),
        ((*PASSWORD, 'server = "cn"', "portal = true"), "no web portal is known"),
    ],
)
def test_invalid_portal_is_refused_with_the_reason(tmp_path, lines, message):
    with pytest.raises(ConfigError, match=message):
        create_client(parse(tmp_path, *lines))


def test_now_shows_what_only_the_portal_reports(home, account, spa):
    account("portal = true")
    code, out, _ = home.run_checked("now", "--json")
    assert code == 0
    found = next(row for row in json.loads(out) if row["plant"] == spa[0])
    assert found["battery_power"] is not None
    assert found["load_power"] is not None


def test_call_of_the_portal_needs_the_key_and_prints_the_response(home, account, spa):
    account()
    code, _, err = home.run_checked("call", "growatt", "portal_spa_status", *spa)
    assert code != 0
    assert "add portal = true to account growatt" in err
    account("portal = true")
    code, out, err = home.run_checked("call", "growatt", "portal_spa_status", *spa)
    assert (code, err) == (0, "")
    assert json.loads(out)["lost"] == "spa.status.normal"
    code, out, _ = home.run_checked("call", "growatt", "--list")
    assert "portal_spa_status(plant_id, serial)" in out


def test_doctor_says_what_the_portal_answers(home, account, spa):
    account("portal = true")
    home.run_checked("now")
    code, out, _ = home.run_checked("doctor", "growatt")
    text = " ".join(out.split())
    assert code == 0
    assert "web portal logged in; it shares locks and budget of this account" in text
    assert f"plant {spa[0]} live values by the web portal (spa)" in text
    assert "spa devices power of battery, grid and load" in text
    account()
    assert "which API answers" not in home.run_checked("doctor", "growatt")[1]


def test_logout_forgets_the_session_of_a_portal_that_is_no_longer_configured(home, account, spa):
    account("portal = true")
    assert home.run_checked("call", "growatt", "portal_spa_status", *spa)[0] == 0
    growatt = next(one for one in home.emulator.accounts if one.vendor == "growatt")
    (cookie,) = growatt.state["portal_sessions"]
    states = list((home.folder / "accounts").glob("growatt-*.json"))
    assert any(cookie in path.read_text() for path in states)
    account()
    assert home.run_checked("logout", "growatt")[0] == 0
    assert not any(cookie in path.read_text() for path in states)
