"""Accounts with an API token instead of user name and password."""

from __future__ import annotations

import pytest

from heliograph import AsyncGrowattToken, GrowattToken
from heliograph.cli.clients import account_key, create_client
from heliograph.config import load
from heliograph.config.passwords import PasswordStore
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError

TOKEN = "0123456789abcdef0123456789abcdef"  # an invented one


def config(folder, text, environ=None):
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return load(path, environ or {})


@pytest.mark.parametrize("form", ["token", "token_file", "token_env", "token_command"])
def test_token_has_the_four_forms_of_a_password(tmp_path, form):
    (tmp_path / "secret").write_text(f"{TOKEN}\n")
    value = {"token": TOKEN, "token_file": "secret", "token_env": "MINE", "token_command": f"echo {TOKEN}"}[form]
    text = f'[[account]]\nvendor = "growatt"\n{form} = "{value}"\n'
    (account,) = config(tmp_path, text, {"MINE": TOKEN}).accounts
    assert not account.has_password
    assert account.token.reveal() == TOKEN
    assert TOKEN not in repr(account)


def test_token_account_has_a_client_of_the_token_api(tmp_path):
    (account,) = config(tmp_path, f'[[account]]\nvendor = "growatt"\ntoken = "{TOKEN}"\n').accounts
    client = create_client(account)
    assert type(client) is GrowattToken
    assert type(create_client(account, asynchronous=True)) is AsyncGrowattToken
    assert TOKEN not in repr(client) + account_key(account)
    assert account_key(account) != account_key(
        config(tmp_path, f'[[account]]\nvendor = "growatt"\ntoken = "{TOKEN[::-1]}"\n').accounts[0]
    )


def test_token_of_the_environment_needs_no_user_name(tmp_path):
    (account,) = load(None, {"HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_GROWATT_TOKEN": TOKEN}).accounts
    assert not account.has_password
    assert account.token.reveal() == TOKEN


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (f'vendor = "goodwe"\ntoken = "{TOKEN}"', "is not possible for goodwe; configure username and password"),
        (f'vendor = "growatt"\npassword = "x"\ntoken = "{TOKEN}"', "username is missing"),
        (f'vendor = "growatt"\ntoken = "{TOKEN}"\ntoken_env = "X"', "is given together: token and token_env; keep one"),
    ],
)
def test_invalid_token_keys_are_an_error(tmp_path, lines, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config(tmp_path, f"[[account]]\n{lines}\n")
    assert TOKEN not in str(caught.value)


def test_account_may_have_token_and_password(tmp_path):
    text = f'[[account]]\nvendor = "growatt"\nusername = "me"\npassword = "x"\ntoken = "{TOKEN}"\n'
    (account,) = config(tmp_path, text).accounts
    assert account.has_password
    assert (account.password.reveal(), account.token.reveal()) == ("x", TOKEN)
    assert (account.password_key, account.token_key) == ("password", "token")


def test_stored_token_is_read_when_it_is_needed(tmp_path):
    environ = {"HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_NO_KEYRING": "1"}
    (account,) = config(tmp_path, '[[account]]\nvendor = "growatt"\ntoken = true\n', environ).accounts
    assert not account.has_password
    assert account.token_key == ""
    with pytest.raises(ConfigError, match="token is not stored; run: heliograph login growatt --token"):
        account.token.reveal()
    PasswordStore.for_user(environ).save("growatt token", "growatt", Secret(TOKEN))
    assert account.token.reveal() == TOKEN


def test_environment_may_have_token_and_password(tmp_path):
    names = {"HELIOGRAPH_GROWATT_TOKEN": TOKEN, "HELIOGRAPH_GROWATT_USERNAME": "me", "HELIOGRAPH_GROWATT_PASSWORD": "x"}
    (account,) = load(None, {"HELIOGRAPH_HOME": str(tmp_path), **names}).accounts
    assert (account.username, account.password.reveal(), account.token.reveal()) == ("me", "x", TOKEN)
