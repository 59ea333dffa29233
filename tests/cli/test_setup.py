"""`heliograph setup` in a pseudo-terminal and without one, against both emulated clouds."""

import re
import signal
import socket
import sys
import urllib.request

import pytest

from heliograph.cli.accounts import add_to_config
from heliograph.cli.setup import _broker
from heliograph.config import Account, load
from heliograph.config.edit import append_tables
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from support.cli_home import stored_password
from support.terminal import terminal

at_terminal = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
ENVIRONMENT = {"TZ": "Europe/Berlin", "NO_COLOR": "1"}


def run_setup(home, vendor, *words):
    """Run setup without a terminal."""
    one = home[vendor]
    options = ("--username", one["username"], "--password-stdin", "--server", home.url)
    return home.pipe(f"{one['password']}\n", "setup", vendor, *options, *words)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@at_terminal
def test_setup_interrupted_at_the_second_account_keeps_the_first(home):
    growatt = home["growatt"]
    with terminal("setup", "--no-service", env=ENVIRONMENT) as (program, until, type_in):
        for question, text in (
            ("Cloud (growatt or goodwe): ", "growwatt"),
            ("'growwatt' is not one of growatt, goodwe", "Growatt"),
            ("Use an API token? [Y/n]: ", "n"),
            ("User name: ", growatt["username"]),
            ("Region (eu, us, ", home.url),
            ("Time zone of the plants, like Europe/Berlin [Europe/Berlin]: ", ""),
            ("Password: ", growatt["password"]),
            ("Found 7 plants: ", None),
            ("Add another account? [y/N]: ", "y"),
            ("Cloud (growatt or goodwe): ", "goodwe"),
            ("User name: ", home["goodwe"]["username"]),
        ):
            until(question)
            type_in("" if text is None else f"{text}\n")
        until("Password: ")
        type_in("\x03")
        shown = until("text that never appears")
        assert program.wait(60) == 130
    assert "Traceback" not in shown
    (account,) = load(home.config, {}).accounts
    assert (account.name, account.server, str(account.zone)) == ("growatt", home.url, "Europe/Berlin")


@at_terminal
def test_setup_at_terminal_ends_in_a_running_page(home):
    """A second account, a broker that does not answer, and a page; everything is typed."""
    home.log_in("growatt", "--server", home.url)
    page, broker = free_port(), free_port()
    goodwe = home["goodwe"]
    with terminal("setup", "goodwe", "--server", home.url, "--no-service", env=ENVIRONMENT) as (
        program,
        until,
        type_in,
    ):
        until("Account growatt is configured: Growatt, growatt1")
        for question, text in (
            ("User name: ", goodwe["username"]),
            ("Password: ", goodwe["password"]),
            ("Add another account? [y/N]: ", "perhaps"),
            ("answer y or n", "n"),
            ("Enter for none: ", "a host with spaces"),
            ("a broker is written HOST or HOST:PORT", f"127.0.0.1:{broker}"),
            ("MQTT user name; Enter for none: ", "ha"),
            ("MQTT password; Enter for none: ", "secret of mqtt"),
            ("Port of the page [8765]: ", str(page)),
            ("May other devices in your network open the page, with a token? [y/N]: ", ""),
            ("Start collecting now? Ctrl-C stops it. [Y/n]: ", ""),
        ):
            until(question)
            type_in(f"{text}\n")
        until(f"Page: http://127.0.0.1:{page}/")
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/", timeout=60) as response:
            assert response.status == 200
        program.send_signal(signal.SIGINT)
        shown = until("text that never appears")
        assert program.wait(60) == 0
    assert "no connection to 127.0.0.1 port " in shown
    assert goodwe["password"] not in shown
    assert "secret of mqtt" not in shown
    config = load(home.config, {})
    assert [one.name for one in config.accounts] == ["growatt", "goodwe"]
    assert (config.mqtt.port, config.mqtt.username, config.mqtt.password.reveal()) == (broker, "ha", "secret of mqtt")
    assert (config.serve.port, config.serve.host, config.serve.token) == (page, "127.0.0.1", None)
    assert home.config.stat().st_mode & 0o777 == 0o600
    assert stored_password(home, "goodwe") == goodwe["password"]


@at_terminal
def test_setup_with_a_broker_user_without_password_writes_a_valid_configuration(home):
    home.log_in("goodwe", "--server", home.url)
    with terminal("setup", "--no-service", "--no-start", env=ENVIRONMENT) as (program, until, type_in):
        for question, text in (
            ("Add another account? [y/N]: ", ""),
            ("Enter for none: ", "127.0.0.1:1"),
            ("MQTT user name; Enter for none: ", "ha"),
            ("MQTT password; Enter for none: ", ""),
            ("Port of the page [8765]: ", ""),
            ("May other devices in your network open the page, with a token? [y/N]: ", ""),
        ):
            until(question)
            type_in(f"{text}\n")
        until("Everything is saved.")
        assert program.wait(60) == 0
    mqtt = load(home.config, {}).mqtt
    assert (mqtt.username, mqtt.password) == ("ha", None)


@at_terminal
def test_setup_opens_the_page_to_the_network_with_a_token(home):
    home.log_in("goodwe", "--server", home.url)
    with terminal("setup", "--no-service", env=ENVIRONMENT) as (program, until, type_in):
        for question, text in (
            ("Add another account? [y/N]: ", ""),
            ("Enter for none: ", ""),
            ("Port of the page [8765]: ", ""),
            ("with a token? [y/N]: ", "y"),
            ("Start collecting now? Ctrl-C stops it. [Y/n]: ", "n"),
        ):
            until(question)
            type_in(f"{text}\n")
        shown = until("text that never appears")
        assert program.wait(60) == 0
    serve = load(home.config, {}).serve
    assert serve.host == "0.0.0.0"
    assert f": {serve.token.reveal()}" in shown
    assert "Start with: heliograph run" in shown


def test_setup_without_terminal_takes_options_and_defaults(home):
    code, out, err = run_setup(home, "growatt", "--timezone", "Europe/Berlin")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == (
        "Everything is saved. Start with: heliograph run; the page is then at http://127.0.0.1:8765/"
    )
    config = load(home.config, {})
    assert (config.mqtt, config.serve.port, str(config.accounts[0].zone)) == (None, 8765, "Europe/Berlin")
    assert home.logins() == 1


def test_setup_again_changes_nothing_and_adds_what_is_missing(home):
    home.config.write_text('# mine\n[mqtt]\nhost = "broker.lan"\n')
    assert run_setup(home, "growatt", "--port", "8000")[0] == 0
    before = home.config.read_text()
    assert before.startswith('# mine\n[mqtt]\nhost = "broker.lan"\n\n[[account]]\n')
    code, out, err = run_setup(home, "growatt", "--port", "9000", "--mqtt", "elsewhere")
    assert (code, err) == (0, "")
    assert "Account growatt is configured: Growatt, growatt1" in out
    assert "MQTT is configured: broker.lan" in out
    assert "The page is configured: port 8000" in out
    assert home.config.read_text() == before
    assert home.logins() == 1
    assert run_setup(home, "goodwe")[0] == 0
    assert home.config.read_text().startswith(before)
    assert [one.name for one in load(home.config, {}).accounts] == ["growatt", "goodwe"]


def test_setup_with_wrong_password_saves_nothing(home):
    words = ("--username", home["growatt"]["username"], "--password-stdin", "--server", home.url)
    code, _, err = home.pipe("hunter2\n", "setup", "growatt", *words)
    assert code == 1
    assert "hunter2" not in err
    assert "(502)" in err
    assert not home.config.exists()


def test_setup_without_terminal_names_the_option_of_a_missing_answer(home):
    code, _, err = home.pipe("", "setup")
    assert (code, err) == (2, "heliograph: no cloud (growatt or goodwe) given; use heliograph setup VENDOR\n")
    code, _, err = home.pipe("", "setup", "growatt")
    assert (code, err) == (2, "heliograph: no user name given; use --username NAME\n")


@pytest.mark.parametrize("words", [["--mqtt", "a b"], ["--mqtt", "host:0"], ["--mqtt", "8766"], ["--port", "70000"]])
def test_setup_rejects_invalid_options(home, words):
    code, _, err = run_setup(home, "growatt", *words)
    assert code == 2
    assert re.search(r"broker|port", err)


def test_setup_writes_broker_password_file(home):
    secret = home.folder / "broker.secret"
    secret.write_text("of mqtt\n")
    secret.chmod(0o600)
    words = ("--mqtt", "127.0.0.1:1", "--mqtt-username", "ha", "--mqtt-password-file", str(secret))
    assert run_setup(home, "goodwe", *words)[0] == 0
    assert load(home.config, {}).mqtt.password.reveal() == "of mqtt"


@pytest.mark.parametrize(
    ("text", "broker"),
    [("", ""), ("broker.lan", "broker.lan:1883"), (" 10.0.0.2:8883 ", "10.0.0.2:8883")],
)
def test_broker_address(text, broker):
    assert _broker(text) == broker


def test_append_tables_to_invalid_file_shows_no_secret(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("mqtt = 1\n")
    with pytest.raises(ConfigError, match="cannot add MQTT to ") as caught:
        append_tables(path, '[mqtt]\nhost = "a"\npassword = "hunter2"\n', "MQTT")
    assert "hunter2" not in str(caught.value)
    assert path.read_text() == "mqtt = 1\n"


def test_add_to_config_creates_private_file(tmp_path):
    account = Account(name="growatt", vendor="growatt", username="me", password=Secret(""), password_key="")
    add_to_config(tmp_path / "new" / "config.toml", account)
    assert (tmp_path / "new" / "config.toml").stat().st_mode & 0o777 == 0o600
