"""The configuration: what a file and the environment come to, and how a mistake is told."""

import json
import os
import re
import shlex
import subprocess
import sys
from ast import literal_eval
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from heliograph.cli.clients import client_class
from heliograph.config import Config, load, passwords
from heliograph.config.passwords import PasswordStore
from heliograph.core.files import config_path, data_folder
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS
from support.paths import DOCS

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
ROOF = '[[account]]\nvendor = "goodwe"\nusername = "me"\n'


def command(written_as):
    return f"{ROOF}password_command = {written_as}\n"


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


def test_config_load_returns_the_accounts_of_the_file(tmp_path):
    home, roof = load(written(tmp_path, WHOLE), ENVIRON).accounts
    assert (home.name, home.vendor, home.username, home.server) == ("home", "growatt", "me", "us")
    assert home.password.reveal() == "hunter2"
    assert home.zone == ZoneInfo("Europe/Amsterdam")
    assert home.plants == ("11", "22")
    assert (roof.name, roof.server, roof.zone, roof.plants) == ("goodwe", None, None, ())
    assert roof.password.reveal() == "hunter3"


def test_config_repr_contains_no_password(tmp_path):
    config = load(written(tmp_path, WHOLE), ENVIRON)
    assert "hunter" not in repr(config)
    assert all(isinstance(one.password, Secret) for one in config.accounts)


def test_password_file_is_relative_to_the_configuration(tmp_path):
    (tmp_path / "secret").write_text("hunter4\n")
    (tmp_path / "secret").chmod(0o600)
    text = '[[account]]\nvendor = "goodwe"\nusername = "me"\npassword_file = "secret"\n'
    config = load(written(tmp_path, text), {})
    assert config.accounts[0].password.reveal() == "hunter4"
    assert config.warnings == ()


@pytest.mark.parametrize("form", ["list", "text"])
def test_password_command_returns_the_first_line(tmp_path, form):
    script = "print('hunter4 '); print('second line')"
    form = json.dumps([sys.executable, "-c", script] if form == "list" else shlex.join([sys.executable, "-c", script]))
    (account,) = load(written(tmp_path, command(form)), {}).accounts
    assert account.password_key == "password_command"
    assert account.password.reveal() == "hunter4 "


def test_password_command_runs_only_when_the_password_is_revealed(tmp_path):
    script = f"open({str(tmp_path / 'ran')!r}, 'a').write('x'); print('a')"
    (account,) = load(written(tmp_path, command(json.dumps([sys.executable, "-c", script]))), {}).accounts
    assert "Secret(***)" in repr(account)
    assert not (tmp_path / "ran").exists()
    account.password.reveal()
    assert (tmp_path / "ran").read_text() == "x"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("print('hunter2'); sys.exit('gpg: no\\x1bsecret key')", "failed with exit code 1: gpg: no secret key"),
        ("print('hunter2'); sys.exit(3)", "failed with exit code 3"),
        ("print(); print('hunter2')", "printed an empty first line, which is not a password"),
        ("sys.stdout.buffer.write(b'\\xffhunter2')", "printed text that is not UTF-8"),
    ],
)
def test_password_command_failure_names_line_and_key_without_output(tmp_path, script, told):
    form = json.dumps([sys.executable, "-c", f"import sys; {script}"])
    (account,) = load(written(tmp_path, command(form)), {}).accounts
    with pytest.raises(ConfigError) as caught:
        account.password.reveal()
    assert str(caught.value) == f"{tmp_path / 'config.toml'}, line 4: password_command {told}"


@pytest.mark.parametrize("form", ['"hunter2"', '["."]', '"a\\u0000b"'])
def test_password_command_error_does_not_quote_the_command(tmp_path, form):
    (account,) = load(written(tmp_path, command(form)), {}).accounts
    with pytest.raises(ConfigError, match="line 4: password_command cannot be run: ") as caught:
        account.password.reveal()
    assert "hunter2" not in str(caught.value)


def test_password_command_times_out(tmp_path, monkeypatch):
    monkeypatch.setattr(passwords, "COMMAND_SECONDS", 0.2)
    form = json.dumps([sys.executable, "-c", "import time; time.sleep(60)"])
    (account,) = load(written(tmp_path, command(form)), {}).accounts
    with pytest.raises(ConfigError, match=r"line 4: password_command did not end within 0\.2 s"):
        account.password.reveal()


def test_account_without_password_uses_the_stored_one(tmp_path):
    environ = {"HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_NO_KEYRING": "1"}
    (account,) = load(written(tmp_path, ROOF), environ).accounts
    assert account.password_key == ""
    PasswordStore.for_user(environ).save("goodwe", "me", Secret("hunter4"))
    assert account.password.reveal() == "hunter4"
    PasswordStore.for_user(environ).save("goodwe", "me", Secret("hunter5"))
    assert account.password.reveal() == "hunter5"


@pytest.mark.parametrize(("name", "login"), [("", "goodwe"), ('name = "roof"\n', "goodwe --account roof")])
def test_missing_password_is_an_error_when_revealed(tmp_path, name, login):
    environ = {"HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_NO_KEYRING": "1"}
    (account,) = load(written(tmp_path, ROOF + name), environ).accounts
    (tmp_path / "passwords.json").write_text("{")
    with pytest.raises(ConfigError) as caught:
        account.password.reveal()
    told = f"{tmp_path / 'config.toml'}, line 1: password is missing from this account, and none is stored; run: "
    assert str(caught.value).startswith(f"{told}heliograph login {login}; ")
    assert "passwords.json was damaged and is now" in str(caught.value)


def test_interval_is_minutes_or_text_with_unit(tmp_path):
    forms = {"10": 10, "1.5": 1.5, '"10min"': 10, '"90 s"': 1.5, '"2h"': 120, '"1440m"': 1440, "1": 1}
    for form, minutes in forms.items():
        (account,) = load(written(tmp_path, f"{ROOF}interval = {form}"), {}).accounts
        assert account.interval == timedelta(minutes=minutes)
    assert load(written(tmp_path, ROOF), {}).accounts[0].interval is None


def test_account_limits_are_whole_numbers(tmp_path):
    text = f"{ROOF}requests_per_day = 150\nlogins_per_day = 3\nreserve = 0\n"
    (account,) = load(written(tmp_path, text), {}).accounts
    assert (account.requests_per_day, account.logins_per_day, account.reserve) == (150, 3, 0)
    (account,) = load(written(tmp_path, ROOF), {}).accounts
    assert (account.requests_per_day, account.logins_per_day, account.reserve) == (None, None, None)


def test_environment_account_without_password_uses_the_stored_one(tmp_path):
    environ = {"HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_NO_KEYRING": "1", "HELIOGRAPH_GOODWE_USERNAME": "me"}
    (account,) = load(None, environ).accounts
    with pytest.raises(ConfigError, match="HELIOGRAPH_GOODWE_PASSWORD is not, and no password is stored; run: helio"):
        account.password.reveal()
    PasswordStore.for_user(environ).save("goodwe", "me", Secret("hunter4"))
    assert account.password.reveal() == "hunter4"


def test_environment_accounts_need_no_file(tmp_path):
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


def test_environment_accounts_are_added_for_vendors_not_in_the_file(tmp_path):
    written(tmp_path, '[[account]]\nname = "home"\nvendor = "growatt"\nusername = "me"\npassword = "a"\n')
    environ = {
        "HELIOGRAPH_HOME": str(tmp_path),
        "HELIOGRAPH_GROWATT_USERNAME": "other",
        "HELIOGRAPH_GROWATT_PASSWORD": "b",
        "HELIOGRAPH_GOODWE_USERNAME": "you",
        "HELIOGRAPH_GOODWE_PASSWORD": "c",
    }
    assert [one.name for one in load(None, environ).accounts] == ["home", "goodwe"]


def test_environment_account_without_username_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="HELIOGRAPH_GOODWE_USERNAME is not"):
        load(None, {"HELIOGRAPH_HOME": str(tmp_path), "HELIOGRAPH_GOODWE_PASSWORD": "b"})


def test_folders_are_below_heliograph_home(tmp_path):
    environ = {"HELIOGRAPH_HOME": str(tmp_path)}
    assert config_path(environ) == tmp_path / "config.toml"
    assert data_folder(environ) == tmp_path
    assert "heliograph" in str(config_path({}))
    assert "heliograph" in str(data_folder({}))


def test_config_load_fails_for_a_named_file_that_is_missing(tmp_path):
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
        (
            WHOLE.replace('server = "us"', 'password_env = "SEMS_PASSWORD"'),
            ", line 7: password_env is given together: password and password_env; keep one",
        ),
        (
            WHOLE.replace("Europe/Amsterdam", "Europe/Amsterdm"),
            ", line 8: timezone must be a time zone like \"Europe/Amsterdam\", not 'Europe/Amsterdm'",
        ),
        (WHOLE.replace("Europe/Amsterdam", "../etc"), "not '../etc'"),
        (WHOLE.replace("22", "2.5"), ', line 9: plants must be a list of plant ids, like ["1234567"]'),
        (
            WHOLE + "interval = 0.5",
            ", line 15: interval is below 1 min, the minimum for goodwe: inverters",
        ),
        (WHOLE.replace("plants", 'interval = "179s"\nplants'), "the minimum for growatt: its"),
        (WHOLE + "interval = -5", "line 15: interval is below 1 min"),
        (WHOLE + "interval = true", ', line 15: interval must be minutes, or a text like "10min", "600s" or "1h"'),
        (WHOLE + "interval = inf", "interval must be minutes"),
        (WHOLE + "interval = nan", "interval must be minutes"),
        (WHOLE + 'interval = "10 parsecs"', "interval must be minutes"),
        (WHOLE + 'interval = "25h"', "line 15: interval is longer than a day"),
        (WHOLE + "requests_per_day = 0", "line 15: requests_per_day must be a whole number of at least 1"),
        (WHOLE + "logins_per_day = 1.5", "line 15: logins_per_day must be a whole number of at least 1"),
        (WHOLE + "reserve = true", "line 15: reserve must be a whole number of at least 0"),
        (WHOLE + "requests_per_day = 9\nreserve = 9", "line 16: reserve leaves no requests_per_day"),
        (
            WHOLE + 'password_command = "pass"',
            ", line 15: password_command is given together: password_env and password_command; keep one",
        ),
        (command("''"), ", line 4: password_command must be a command like"),
        (command("[]"), "must be a command like"),
        (command('["", "x"]'), "must be a command like"),
        (command('["pass", 1]'), "must be a command like"),
        (command('"\'pass"'), ", line 4: password_command cannot be split into words (No closing quotation)"),
        ("acount = 1\n" + WHOLE, "Did you mean account?"),
        (
            WHOLE + 'writes = ["immediate_charge", "power-swich"]',
            ", line 15: writes contains 'power-swich', which is not a setting of goodwe. Did you mean power_switch?",
        ),
        ('[account]\nvendor = "growatt"\n', ", line 1: account is a list of tables; write [[account]]"),
    ],
)
def test_config_error_names_file_line_and_key(tmp_path, text, told):
    assert told in complaint(tmp_path, text)


def test_unknown_key_error_suggests_the_closest_key(tmp_path):
    told = complaint(tmp_path, WHOLE.replace("timezone", "time_zone"))
    assert told.startswith(", line 8: time_zone is an unknown key")
    assert told.endswith("Did you mean timezone?")


def test_writes_accepts_every_setting_of_a_vendor(tmp_path):
    for vendor in VENDORS:
        names = VENDORS[vendor].setting_names()
        text = f'[[account]]\nvendor = "{vendor}"\nusername = "me"\npassword = "x"\nwrites = {json.dumps(names)}\n'
        assert load(written(tmp_path, text), {}).accounts[0].writes == names


def test_config_load_imports_a_vendor_only_to_check_writes(tmp_path):
    script = (
        "import sys; from pathlib import Path; from heliograph.config import load; load(Path(sys.argv[1]), {}); "
        "print(sorted(name for name in sys.modules if name.startswith('heliograph.vendors.')))"
    )
    text = '[[account]]\nvendor = "goodwe"\nusername = "me"\npassword = "x"\n'
    for more, clouds in (("writes = true", set()), ('writes = ["restart"]', {"goodwe"})):
        place = written(tmp_path, text + more)
        done = subprocess.run([sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=True)
        assert {name.split(".")[2] for name in literal_eval(done.stdout)} == {"base", "registry", *clouds}


def test_password_file_missing_is_an_error(tmp_path):
    text = '[[account]]\nvendor = "goodwe"\nusername = "me"\npassword_file = "gone"\n'
    assert "cannot be read: No such file" in complaint(tmp_path, text)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_config_file_readable_by_others_causes_a_warning(tmp_path, mode):
    path = written(tmp_path, WHOLE.replace('password_env = "SEMS_PASSWORD"', 'password = "hunter3"'))
    path.chmod(mode)
    warning = f"{path} contains a password and others can read it; run: chmod 600 {path}"
    assert load(path, ENVIRON).warnings == (warning,)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_config_file_without_password_causes_no_permission_warning(tmp_path):
    path = written(tmp_path, '[[account]]\nvendor = "goodwe"\nusername = "me"\npassword_env = "SEMS_PASSWORD"\n')
    path.chmod(0o644)
    assert load(path, ENVIRON).warnings == ()


def test_config_file_may_start_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert len(load(path, ENVIRON).accounts) == 2


def test_select_accounts_replaces_the_server(tmp_path):
    config = load(written(tmp_path, WHOLE), ENVIRON)
    assert [one.server for one in config.select_accounts(server="http://127.0.0.1:1/")] == ["http://127.0.0.1:1/"] * 2
    assert [one.name for one in config.select_accounts("home")] == ["home"]


def test_select_accounts_error_lists_the_names(tmp_path):
    with pytest.raises(ConfigError, match="no account 'work'; the accounts are: home, goodwe"):
        load(written(tmp_path, WHOLE), ENVIRON).select_accounts("work")


def test_select_accounts_error_names_file_and_next_step(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(None, {"HELIOGRAPH_HOME": str(tmp_path)}).select_accounts()
    assert str(caught.value) == f"no account is configured in {tmp_path / 'config.toml'}; run: heliograph setup"


def test_config_load_accepts_an_empty_file(tmp_path):
    config = load(written(tmp_path, ""), {})
    assert isinstance(config, Config)
    assert config.accounts == ()
    assert os.fspath(config.path) == str(tmp_path / "config.toml")


def page():
    return (DOCS / "configuration.md").read_text("utf-8")


def test_docs_configuration_lists_every_key_with_valid_examples(tmp_path):
    keys = complaint(tmp_path, ROOF + "nothing = 1").partition("known are ")[2].split(". ")[0].split(", ")
    assert len(keys) > 10
    assert [key for key in keys if f"`{key}`" not in page()] == []
    for name in ("growatt.secret", "growatt"):
        (tmp_path / name).write_text("a")
    for name in ("mqtt.secret", "pvoutput.key", "influx.token", "webhook.secret"):
        (tmp_path / name).write_text("a")
    (tmp_path / "alarms.urls").write_text("mailto://me:secret@example.com")
    whole, passed_on, *single = re.findall(r"```toml\n(.*?)```", page(), re.DOTALL)
    found = load(written(tmp_path, passed_on), {})
    assert all((found.serve, found.mqtt, found.pvoutput, found.influx, found.webhooks))
    assert [one.name for one in load(written(tmp_path, whole), {}).accounts] == ["home", "goodwe"]
    (tariffs,), single = [one for one in single if "[[" in one], [one for one in single if "[[" not in one]
    assert load(written(tmp_path, ROOF + tariffs), {}).tariffs
    for line in single:
        load(written(tmp_path, ROOF + line.replace("/run/credentials/heliograph.service/", "")), {})
    assert len(single) == 2


def test_docs_configuration_lists_the_default_limits():
    for key, limit in (("requests_per_day", "requests"), ("logins_per_day", "logins"), ("reserve", "reserve")):
        usual = [getattr(client_class(vendor).default_limits, limit) for vendor in VENDORS]
        row = next(line for line in page().splitlines() if line.startswith(f"| `{key}`"))
        assert [int(number) for number in re.findall(r"(?:Growatt|GoodWe) (\d+)", row)] == usual


OUTPUTS = """\
[serve]
host = "0.0.0.0"
token_env = "TOKEN"
hosts = ["solar.lan"]
trusted_proxies = ["127.0.0.1", "10.0.0.0/24", "::1"]
[mqtt]
host = "broker.lan"
username = "helio"
password = "hunter2"
tls = true
topic = "roof/"
discovery = "devices"
[[pvoutput]]
plant = "11"
system = "900"
key_file = "pv.key"
[[influx]]
url = "https://db.example.com/"
org = "home"
bucket = "solar"
token = "hunter2"
[[influx]]
url = "http://10.0.0.2:8086"
database = "solar"
[[webhook]]
url = "https://example.com/hook"
secret = "hunter2"
plants = [11]
"""


def test_outputs_are_parsed_from_their_tables(tmp_path):
    (tmp_path / "pv.key").write_text("hunter4\n")
    found = load(written(tmp_path, OUTPUTS), {"TOKEN": "0123456789abcdef"})
    assert found.serve
    assert (found.serve.host, found.serve.port, found.serve.hosts) == ("0.0.0.0", 8765, ("solar.lan",))
    assert found.serve.trusted_proxies == ("127.0.0.1", "10.0.0.0/24", "::1")
    assert found.serve.token
    assert found.serve.token.reveal() == "0123456789abcdef"
    assert found.mqtt
    assert (found.mqtt.port, found.mqtt.topic, found.mqtt.discovery) == (8883, "roof", "devices")
    assert found.mqtt.commands is False
    assert (found.serve.prefix, found.serve.ingress) == ("", None)
    assert [(one.plant, one.key.reveal(), one.url) for one in found.pvoutput] == [
        ("11", "hunter4", "https://pvoutput.org")
    ]
    assert [(one.url, one.org, one.database) for one in found.influx] == [
        ("https://db.example.com", "home", None),
        ("http://10.0.0.2:8086", None, "solar"),
    ]
    assert [(one.url, one.plants) for one in found.webhooks] == [("https://example.com/hook", ("11",))]
    assert "hunter" not in repr(found)


def test_outputs_are_empty_without_tables(tmp_path):
    found = load(written(tmp_path, ROOF), {})
    assert (found.serve, found.mqtt, found.pvoutput, found.influx, found.webhooks) == (None, None, (), (), ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[serve]\nhost = "0.0.0.0"', ", line 2: host is reachable from other machines and needs a token"),
        ('[serve]\nhost = "0.0.0.0"\ntoken = "short"', ", line 3: token is too short"),
        ("[serve]\nport = 70000", ", line 2: port must be a whole number of at least 0 and at most 65535"),
        ('[serve]\ntrusted_proxies = ["*"]', ", line 2: trusted_proxies must be a list of IP addresses or networks"),
        ('[serve]\ntrusted_proxies = ["10.0.0.1/8"]', ", line 2: trusted_proxies must be a list of IP addresses"),
        ('[serve]\ntrusted_proxies = "127.0.0.1"', ", line 2: trusted_proxies must be a list of IP addresses"),
        ('[serve]\nprefix = "/a b"', ', line 2: prefix must be a path like "/solar"'),
        ('[serve]\nprefix = "/a/../b"', ', line 2: prefix must be a path like "/solar"'),
        ('[serve]\nprefix = "/"', ', line 2: prefix must be a path like "/solar"'),
        ('[serve]\nprefix = "/plant/x"', ", line 2: prefix must not begin with /plant, which is a path of the page"),
        ('[serve]\ningress = "172.30.32.0/23"', ", line 2: ingress must be one IP address"),
        ("[[serve]]\nport = 1", ", line 1: serve is one table; write [serve] with one bracket"),
        ("[mqtt]\nport = 1883", ", line 1: host is missing from this mqtt"),
        ('[mqtt]\nhost = "b"\ntopic = "a/#"', ", line 3: topic must be a topic"),
        ('[mqtt]\nhost = "b"\ndiscovery = "all"', ", line 3: discovery must be one of entities, devices, none"),
        ('[mqtt]\nhost = "b"\ntls = "yes"', ", line 3: tls must be true or false"),
        ('[mqtt]\nhost = "b"\ncommands = "yes"', ", line 3: commands must be true or false"),
        ('[mqtt]\nhost = "b"\npasword = "hunter2"', ", line 3: pasword is an unknown key"),
        ('[[pvoutput]]\nplant = "1"\nsystem = "2"', ", line 1: key is missing from this pvoutput"),
        ('[[influx]]\nurl = "https://a.example"', ", line 2: url needs org, bucket and token"),
        ('[[influx]]\nurl = "https://a.example"\norg = "a"\nbucket = "b"', ", line 1: token is missing"),
        ('[[webhook]]\nurl = "https://a"\n[[webhook]]\nurl = "ftp://a"', ", line 4: url must be an address"),
        ('[[webhook]]\nurl = "https://me:hunter2@a"', ", line 2: url must not contain a password"),
        ('[webhook]\nurl = "https://a"', ", line 1: webhook is a list of tables; write [[webhook]]"),
    ],
)
def test_output_table_error_names_its_line(tmp_path, text, told):
    assert complaint(tmp_path, text).startswith(told)


def test_page_below_a_prefix_and_commands_by_mqtt_are_configured(tmp_path):
    text = (
        '[serve]\nprefix = "solar/"\nhost = "0.0.0.0"\ningress = "172.30.32.2"\n[mqtt]\nhost = "b"\ncommands = true\n'
    )
    found = load(written(tmp_path, text), ENVIRON)
    assert found.serve
    assert (found.serve.prefix, found.serve.ingress, found.serve.token) == ("/solar", "172.30.32.2", None)
    assert found.mqtt
    assert found.mqtt.commands is True
