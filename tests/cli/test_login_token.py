"""`heliograph login`, `setup` and `logout` with an API token, against the emulated cloud."""

import json
import sys

import pytest

from heliograph.cli.main import run
from heliograph.config import load
from heliograph.config.passwords import PasswordStore
from heliograph.vendors.growatt.openapi import limits
from support.terminal import terminal

at_terminal = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
WRONG = "0" * 32
SAVED = "  token = true  # saved by heliograph login"


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)


def stored(home):
    found = PasswordStore(home.folder, keyring=False).load("growatt token", "growatt")
    return found and found.reveal()


def log_in(home, token, *words):
    """Log in with a token from standard input; it must not be printed."""
    code, out, err = home.pipe(f"{token}\n", "login", "growatt", "--token-stdin", "--server", home.url, *words)
    assert token not in out + err
    return code, out, err


def test_login_verifies_and_saves_token(home):
    code, out, err = log_in(home, home["growatt"]["token"])
    assert (code, err) == (0, "")
    assert out.startswith("Growatt accepted the token.\nFound 7 plants: ")
    assert f"Token saved in {home.folder / 'passwords.json'}" in out
    assert SAVED in out.splitlines()
    assert stored(home) == home["growatt"]["token"]
    assert "username" not in home.config.read_text()
    assert home.logins() == 0, "the password API is not asked"
    code, out, err = home.run_checked("now", "--json")
    assert (code, err) == (0, "")
    assert [row["plant"] for row in json.loads(out)] == home["growatt"]["plants"]


@pytest.mark.parametrize(("fault", "token"), [(None, WRONG), ("token_replaced", None)])
def test_wrong_or_replaced_token_saves_nothing_and_gives_the_remedy(home, fault, token):
    if fault:
        home.emulator.faults.set({fault: True})
    code, out, err = log_in(home, token or home["growatt"]["token"])
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "refused the token" in err
    assert "Create the token in the ShinePhone app: Me, account name, API Token" in err
    assert "remove `server`: all regions are asked then" in err
    assert "Nothing was saved" in err
    assert stored(home) is None
    assert not home.config.exists()


def test_token_without_device_permission_is_saved_with_a_warning(home):
    home.emulator.faults.set({"no_permission": True})
    code, out, err = log_in(home, home["growatt"]["token"])
    assert (code, err.count("\n")) == (0, 1)
    assert "this token may not read its devices: " in err
    assert "only Growatt can grant that; ask its regional service" in err
    assert "Found 7 plants" in out


def test_token_made_on_the_web_page_is_saved_with_a_warning(home):
    growatt = next(account for account in home.emulator.accounts if account.vendor == "growatt")
    growatt.plants = ()
    code, out, err = log_in(home, home["growatt"]["token"])
    assert (code, err.count("\n")) == (0, 1)
    assert "this token finds no plants. Create the token in the ShinePhone app" in err
    assert "This account has no plants" not in out


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("", ["growatt", "--token-stdin"], "no token given; nothing was saved"),
        ("two words", ["growatt", "--token-stdin"], "this is not an API token"),
        ("x", ["growatt", "--token"], "no terminal to ask for the token; use --token-stdin"),
        ("x", ["goodwe", "--token"], "GoodWe has no API tokens; log in with user name and password"),
        ("x", ["growatt", "--token-stdin", "--password-stdin"], "choose one"),
        ("x", ["growatt", "--token-stdin", "--username", "me"], "no growatt account has this user name"),
    ],
)
def test_invalid_token_input_prints_one_line(home, text, words, message):
    code, out, err = home.pipe(f"{text}\n", "login", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("words", [["login", "growatt", "--token", WRONG], ["setup", f"--token={WRONG}"]])
def test_token_as_an_argument_is_rejected_and_not_repeated(home, words):
    with pytest.raises(SystemExit) as caught:
        run(words)
    assert caught.value.code == 2
    out, err = home.capsys.readouterr()
    assert WRONG not in out + err
    assert "--token takes no value" in err


def test_token_is_added_to_an_account_with_a_password(home):
    home.log_in("growatt", "--server", home.url)
    code, out, _ = log_in(home, home["growatt"]["token"])
    assert code == 0
    assert f"Add this line to the [[account]] table of growatt in {home.config}: {SAVED.strip()}" in out
    home.config.write_text(f"{home.config.read_text()}{SAVED.strip()}\n")
    (account,) = load(home.config, {"HELIOGRAPH_HOME": str(home.folder), "HELIOGRAPH_NO_KEYRING": "1"}).accounts
    assert account.has_password
    assert account.token.reveal() == home["growatt"]["token"]


def test_token_of_the_configuration_is_verified_and_not_saved(home):
    home.config.write_text(
        f'[[account]]\nvendor = "growatt"\nserver = "{home.url}"\ntoken = "{home["growatt"]["token"]}"\n'
    )
    home.config.chmod(0o600)
    code, out, err = home.run_checked("login", "growatt")
    assert (code, err) == (0, "")
    assert "Nothing was saved: the token comes from" in out
    assert stored(home) is None


def test_logout_deletes_token_and_session(home):
    log_in(home, home["growatt"]["token"])
    code, out, err = home.run_checked("logout", "growatt")
    assert (code, err) == (0, "")
    assert "Token deleted; it stays valid until it is replaced in the app" in out
    assert "password" not in out.lower()
    assert stored(home) is None


def test_setup_without_terminal_takes_a_token(home):
    words = ("setup", "growatt", "--token-stdin", "--server", home.url, "--timezone", "Europe/Berlin", "--no-start")
    code, out, err = home.pipe(f"{home['growatt']['token']}\n", *words)
    assert (code, err) == (0, "")
    assert "Found 7 plants" in out
    assert stored(home) == home["growatt"]["token"]
    _, out, _ = home.run_checked("setup", "--no-start", "--yes")
    assert "Account growatt is configured: Growatt, API token" in out


@at_terminal
def test_setup_at_terminal_offers_the_token_first_and_then_the_password(home):
    growatt = home["growatt"]
    with terminal(
        "setup", "growatt", "--server", home.url, "--no-service", env={"TZ": "Europe/Berlin", "NO_COLOR": "1"}
    ) as (program, until, type_in):
        for question, text in (
            ("needs no password and cannot be locked", None),
            ("Use an API token? [Y/n]: ", ""),
            ("Time zone of the plants", ""),
            ("API token: ", growatt["token"]),
            ("Found 7 plants", None),
            ("User name; Enter for none: ", growatt["username"]),
            ("Password: ", growatt["password"]),
            ("Logged in to Growatt as", None),
            ("Token saved in", None),
            ("Password saved in", None),
            ("Add another account? [y/N]: ", "\x03"),
        ):
            shown = until(question)
            if text is not None:
                type_in(f"{text}\n")
        program.wait(60)
    assert growatt["token"] not in shown
    assert growatt["password"] not in shown
    (account,) = load(home.config, {"HELIOGRAPH_HOME": str(home.folder), "HELIOGRAPH_NO_KEYRING": "1"}).accounts
    assert (account.username, account.password.reveal(), account.token.reveal()) == (
        growatt["username"],
        growatt["password"],
        growatt["token"],
    )
