"""The configuration: what a file and the environment come to, and how a mistake is told."""

import os
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from heliograph.cli.vendors import CLIENTS
from heliograph.config import EXAMPLE, VENDORS, Config, config_path, data_folder, load
from heliograph.errors import ConfigError
from heliograph.redact import Secret

WHOLE = """\
# My roof
[[account]]
name = "home"
vendor = "growatt"
username = "me"
password = "hunter2"
server = "us"
timezone = "Europe/Amsterdam"
plants = ["11", 22]

[[account]]
vendor = "goodwe"
username = "you"
password_env = "SEMS_PASSWORD"
"""
ENVIRON = {"SEMS_PASSWORD": "hunter3"}


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), ENVIRON)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    return str(caught.value).removeprefix(str(folder / "config.toml"))


def test_a_file_becomes_accounts(tmp_path):
    home, roof = load(written(tmp_path, WHOLE), ENVIRON).accounts
    assert (home.name, home.vendor, home.username, home.server) == ("home", "growatt", "me", "us")
    assert home.password.reveal() == "hunter2"
    assert home.zone == ZoneInfo("Europe/Amsterdam")
    assert home.plants == ("11", "22")
    assert (roof.name, roof.server, roof.zone, roof.plants) == ("goodwe", None, None, ())
    assert roof.password.reveal() == "hunter3"


def test_a_password_never_shows_in_what_is_printed_of_a_configuration(tmp_path):
    config = load(written(tmp_path, WHOLE), ENVIRON)
    assert "hunter" not in repr(config)
    assert all(isinstance(one.password, Secret) for one in config.accounts)


def test_a_password_may_stand_in_a_file_beside_the_configuration(tmp_path):
    (tmp_path / "secret").write_text("hunter4\n")
    (tmp_path / "secret").chmod(0o600)
    text = '[[account]]\nvendor = "goodwe"\nusername = "me"\npassword_file = "secret"\n'
    config = load(written(tmp_path, text), {})
    assert config.accounts[0].password.reveal() == "hunter4"
    assert config.warnings == ()


def test_the_environment_alone_is_enough(tmp_path):
    environ = {
        "HELIOGRAPH_HOME": str(tmp_path),
        "HELIOGRAPH_GROWATT_USERNAME": "me",
        "HELIOGRAPH_GROWATT_PASSWORD": "a",
        "HELIOGRAPH_GOODWE_USERNAME": "you",
        "HELIOGRAPH_GOODWE_PASSWORD": "b",
    }
    found = load(None, environ).accounts
    assert [(one.name, one.vendor, one.username, one.password.reveal()) for one in found] == [
        ("growatt", "growatt", "me", "a"),
        ("goodwe", "goodwe", "you", "b"),
    ]


def test_the_environment_adds_only_the_vendors_the_file_does_not_name(tmp_path):
    written(tmp_path, '[[account]]\nname = "home"\nvendor = "growatt"\nusername = "me"\npassword = "a"\n')
    environ = {
        "HELIOGRAPH_HOME": str(tmp_path),
        "HELIOGRAPH_GROWATT_USERNAME": "other",
        "HELIOGRAPH_GROWATT_PASSWORD": "b",
        "HELIOGRAPH_GOODWE_USERNAME": "you",
        "HELIOGRAPH_GOODWE_PASSWORD": "c",
    }
    assert [one.name for one in load(None, environ).accounts] == ["home", "goodwe"]


def test_half_an_account_in_the_environment_is_an_error_that_names_the_other_half(tmp_path):
    with pytest.raises(ConfigError, match="HELIOGRAPH_GOODWE_USERNAME is not"):
        load(None, {"HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_GOODWE_PASSWORD": "b"})


def test_everything_lives_under_heliograph_home_when_it_is_set(tmp_path):
    environ = {"HELIOGRAPH_HOME": str(tmp_path)}
    assert config_path(environ) == tmp_path / "config.toml"
    assert data_folder(environ) == tmp_path
    assert "heliograph" in str(config_path({}))
    assert "heliograph" in str(data_folder({}))


def test_a_file_that_was_asked_for_has_to_be_there(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read: No such file"):
        load(tmp_path / "absent.toml", {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[account]\n", ", line 1: this is not TOML: Expected ']]' at the end of an array declaration"),
        (WHOLE.replace('"us"', "3"), ', line 7: server must be a text in quotes, like "…"'),
        (WHOLE.replace('"home"', '"goodwe"'), ", line 11: name 'goodwe' is used twice; give each account its own name"),
        (WHOLE.replace('"goodwe"', '"huawei"'), ", line 12: vendor must be one of growatt, goodwe, not 'huawei'"),
        (WHOLE.replace('username = "you"', ""), ", line 11: username is missing from this account"),
        (WHOLE.replace("SEMS_PASSWORD", "NONE"), ", line 14: password_env names NONE, which is not set"),
        (WHOLE.replace('password = "hunter2"', ""), ", line 2: password is missing from this account"),
        (
            WHOLE.replace('server = "us"', 'password_env = "SEMS_PASSWORD"'),
            ", line 7: password_env is given together: password and password_env; keep one",
        ),
        (
            WHOLE.replace("Europe/Amsterdam", "Europe/Amsterdm"),
            ", line 8: timezone must be a zone's name like \"Europe/Amsterdam\", not 'Europe/Amsterdm'",
        ),
        (WHOLE.replace("Europe/Amsterdam", "../etc"), "not '../etc'"),
        (WHOLE.replace("22", "2.5"), ', line 9: plants must be a list of plant ids, like ["1234567"]'),
        ("acount = 1\n" + WHOLE, "Did you mean account?"),
        ('[account]\nvendor = "growatt"\n', ", line 1: account is a list of tables; write [[account]]"),
    ],
)
def test_a_mistake_is_told_by_file_line_and_key(tmp_path, text, told):
    assert told in complaint(tmp_path, text)


def test_an_unknown_key_is_told_with_the_one_that_was_meant(tmp_path):
    told = complaint(tmp_path, WHOLE.replace("timezone", "time_zone"))
    assert told.startswith(", line 8: time_zone is not known here")
    assert told.endswith("Did you mean timezone?")


def test_a_password_file_that_is_not_there_is_told(tmp_path):
    text = '[[account]]\nvendor = "goodwe"\nusername = "me"\npassword_file = "gone"\n'
    assert "cannot be read: No such file" in complaint(tmp_path, text)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_password_others_can_read_is_warned_about(tmp_path, mode):
    path = written(tmp_path, WHOLE.replace('password_env = "SEMS_PASSWORD"', 'password = "hunter3"'))
    path.chmod(mode)
    assert load(path, ENVIRON).warnings == (f"{path} holds a password and others can read it; run: chmod 600 {path}",)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_file_without_a_password_may_be_read_by_anyone(tmp_path):
    path = written(tmp_path, '[[account]]\nvendor = "goodwe"\nusername = "me"\npassword_env = "SEMS_PASSWORD"\n')
    path.chmod(0o644)
    assert load(path, ENVIRON).warnings == ()


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert len(load(path, ENVIRON).accounts) == 2


def test_a_server_of_the_command_line_wins_for_the_accounts_chosen(tmp_path):
    config = load(written(tmp_path, WHOLE), ENVIRON)
    assert [one.server for one in config.chosen(server="http://127.0.0.1:1/")] == ["http://127.0.0.1:1/"] * 2
    assert [one.name for one in config.chosen("home")] == ["home"]


def test_an_unknown_account_is_told_with_the_names_there_are(tmp_path):
    with pytest.raises(ConfigError, match="no account 'work'; the accounts are: home, goodwe"):
        load(written(tmp_path, WHOLE), ENVIRON).chosen("work")


def test_no_account_at_all_shows_both_ways_to_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(None, {"HELIOGRAPH_HOME": str(tmp_path)}).chosen()
    told = str(caught.value)
    assert "HELIOGRAPH_GROWATT_USERNAME" in told
    assert str(tmp_path / "config.toml") in told
    assert "[[account]]" in told


def test_the_example_of_the_error_is_a_configuration_that_works(tmp_path):
    text = "\n".join(line.strip().removeprefix("# ") for line in EXAMPLE.splitlines())
    (account,) = load(written(tmp_path, text), {}).accounts
    assert (account.name, account.server, account.plants) == ("home", "us", ("1234567",))


def test_every_vendor_of_the_configuration_has_a_client():
    assert tuple(CLIENTS) == VENDORS


def test_an_empty_configuration_is_no_crash(tmp_path):
    config = load(written(tmp_path, ""), {})
    assert isinstance(config, Config)
    assert config.accounts == ()
    assert os.fspath(config.path) == str(tmp_path / "config.toml")
