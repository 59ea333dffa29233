"""The Home Assistant add-on: its configuration against the documented keys, and its start with a Supervisor."""

import asyncio
import http.client
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import heliograph
from heliograph.config import load
from heliograph.emulator.server import serve_in_thread
from support.growatt_emulator import EmulatedCloud
from support.http_service import Service, response
from support.mqtt_broker import DEADLINE, watch_broker
from support.paths import ROOT

ADDON = ROOT / "addon/heliograph"
CONFIG = yaml.safe_load((ADDON / "config.yaml").read_text("utf-8"))
SCRIPT = runpy.run_path(str(ADDON / "run.py"))
LANGUAGES = ("en", "de", "nl", "pl", "pt", "es")

# Keys, types and values as of developers.home-assistant.io, "App configuration", 2026.
DOCUMENTED = {
    "name": str,
    "version": str,
    "slug": re.compile(r"[-_.A-Za-z0-9]+"),
    "description": str,
    "arch": ["aarch64", "amd64"],
    "url": re.compile(r"https://\S+"),
    "startup": re.compile("initialize|system|services|application|once"),
    "boot": re.compile("auto|manual|manual_only"),
    "stage": re.compile("stable|experimental|deprecated"),
    "timeout": int,
    "services": ["mqtt:want", "mqtt:need", "mysql:want", "mysql:need"],
    "ingress": bool,
    "ingress_port": int,
    "ingress_stream": bool,
    "ingress_entry": str,
    "panel_icon": re.compile(r"mdi:[a-z-]+"),
    "panel_title": str,
    "panel_admin": bool,
    "watchdog": re.compile(r"(?:https?|\[PROTO:\w+\]|tcp)://\[HOST\]:(\[PORT:\d+\]|\d+).*"),
    "ports": dict,
    "ports_description": dict,
    "backup": re.compile("hot|cold"),
    "tmpfs": bool,
    "init": bool,
    "map": list,
    "options": dict,
    "schema": dict,
    "image": str,
    "homeassistant": str,
    "apparmor": bool,
}
ELEMENT = re.compile(
    r"(?:bool|email|url|port|str(?:\(\d*,\d*\))?|password(?:\(\d*,\d*\))?|int(?:\(\d*,\d*\))?|float(?:\(\d*,\d*\))?"
    r"|match\(.*\)|list\([^)]+\))\??"
)


def test_configuration_has_documented_keys_and_values_only():
    assert {"name", "version", "slug", "description", "arch"} <= set(CONFIG) <= set(DOCUMENTED)
    for key, value in CONFIG.items():
        allowed = DOCUMENTED[key]
        if isinstance(allowed, re.Pattern):
            assert allowed.fullmatch(value), key
        elif isinstance(allowed, list):
            assert set(value) <= set(allowed), key
        else:
            assert isinstance(value, allowed), key
    assert 10 <= CONFIG["timeout"] <= 300
    assert [set(one) for one in CONFIG["map"]] == [{"type", "read_only"}]


def elements(schema, depth=1):
    """Yield the elements of a schema; nesting is limited to two levels."""
    assert depth <= 2
    for value in schema.values():
        if isinstance(value, list):
            yield from elements(value[0], depth + 1)
        else:
            yield value


def test_schema_of_options_is_documented_and_every_default_fits_it():
    schema, options = CONFIG["schema"], CONFIG["options"]
    assert [one for one in elements(schema) if not ELEMENT.fullmatch(one)] == []
    for name, kind in schema.items():
        # An option with a default is required, one with a question mark has none.
        assert (name in options) != (isinstance(kind, str) and kind.endswith("?")), name
    assert set(options) <= set(schema)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_is_translated(language):
    texts = yaml.safe_load((ADDON / f"translations/{language}.yaml").read_text("utf-8"))
    assert set(texts) == {"configuration", "network"}
    assert set(texts["configuration"]) == set(CONFIG["schema"])
    assert set(texts["configuration"]["accounts"]["fields"]) == set(CONFIG["schema"]["accounts"][0])
    assert set(texts["network"]) == set(CONFIG["ports"])
    rows = [*texts["configuration"].values(), *texts["configuration"]["accounts"]["fields"].values()]
    assert all(one["name"].strip() and one["description"].strip() for one in rows)


def test_versions_are_those_of_the_program():
    dockerfile = (ADDON / "Dockerfile").read_text("utf-8")
    assert CONFIG["version"] == heliograph.__version__
    assert re.findall(r'io.hass.version="([^"]+)"', dockerfile) == [heliograph.__version__]
    assert re.findall(r"BUILD_FROM=\S+:(\S+)", dockerfile) == [heliograph.__version__]
    assert f"## {heliograph.__version__}" in (ADDON / "CHANGELOG.md").read_text("utf-8")


def test_repository_has_its_file_where_the_supervisor_looks():
    own = (ROOT / "addon/repository.yaml").read_text("utf-8")
    assert (ROOT / "repository.yaml").read_text("utf-8") == own
    assert set(yaml.safe_load(own)) == {"name", "url", "maintainer"}
    # It searches the whole repository for files of this name.
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    found = {one for one in listing if re.fullmatch(r"(?:.*/)?config\.(?:ya?ml|json)", one)}
    assert found <= {"addon/heliograph/config.yaml"}


@pytest.mark.parametrize(("name", "size"), [("icon", (128, 128)), ("logo", (250, 100))])
def test_pictures_have_the_recommended_size(name, size):
    head = (ADDON / f"{name}.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == size


def test_apparmor_profile_is_accepted_by_the_parser():
    text = (ADDON / "apparmor.txt").read_text("utf-8")
    assert f"profile {CONFIG['slug']} " in text
    parser = shutil.which("apparmor_parser", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if parser is None:
        pytest.skip("no AppArmor parser: install apparmor")
    done = subprocess.run([parser, "-QTK", ADDON / "apparmor.txt"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.dictionaries(st.sampled_from(["username", "password", "server", "name"]), values), values)
def test_any_text_of_an_option_is_written_as_toml(account, secret):
    broker = {"host": secret, "port": 1883, "username": secret, "password": secret, "ssl": True}
    options = {"accounts": [{"vendor": "growatt", **account}], "page_token": secret, "mqtt_commands": True}
    found = tomllib.loads(SCRIPT["configuration"](options, broker))
    assert found["account"] == [{"vendor": "growatt", **account}]
    assert found["serve"]["token"] == secret
    assert found["mqtt"] == {
        "host": secret,
        "port": 1883,
        "username": secret,
        "password": secret,
        "tls": True,
        "commands": True,
    }


@pytest.mark.parametrize(
    ("writes", "expected"),
    [("", ()), ("all", True), ("charge_stop_soc, ac_charge ,", ("charge_stop_soc", "ac_charge"))],
)
def test_written_configuration_is_valid(writes, expected, tmp_path):
    account = {"vendor": "growatt", "username": "me", "password": "secret", "interval": 15, "writes": writes}
    path = tmp_path / "addon.toml"
    SCRIPT["write_private"](path, SCRIPT["configuration"]({"accounts": [account]}, None))
    assert path.stat().st_mode & 0o777 == 0o600
    found = load(path, {})
    assert found.accounts[0].writes == expected
    assert found.serve
    assert (found.serve.host, found.serve.ingress, found.mqtt) == ("0.0.0.0", "172.30.32.2", None)


@pytest.fixture
def supervisor():
    """Run the part of the Supervisor's API that lists the MQTT service."""
    service = Service()
    yield service
    service.close()


def environment(tmp_path, supervisor, port, options):
    (tmp_path / "options.json").write_text(json.dumps(options))
    return os.environ | {
        "HELIOGRAPH_HOME": str(tmp_path),
        "HELIOGRAPH_NO_KEYRING": "1",
        "ADDON_CONFIG": str(tmp_path / "config"),
        "SUPERVISOR_URL": supervisor.url,
        "SUPERVISOR_TOKEN": "of-the-supervisor",
        "INGRESS_PEER": "127.0.0.1",
        "PAGE_PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ask(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_start_script_finds_the_broker_and_runs_collector_and_page(tmp_path, supervisor, broker):
    mqtt = {"host": "127.0.0.1", "port": broker.port, "ssl": False, "username": "addons", "password": "secret"}
    supervisor.reply = lambda request: response(200, json.dumps({"result": "ok", "data": mqtt}))
    cloud, port = EmulatedCloud(), free_port()
    (tmp_path / "config").mkdir()
    (tmp_path / "config/heliograph.toml").write_text('[alarms]\nignore = ["quota"]\n')

    async def seen():
        async with watch_broker(broker.port) as watcher:
            plant = cloud.plant("tlx-battery")
            await watcher.wait_for_json(f"heliograph/growatt/{plant}/state", vendor="growatt")
            return plant

    with serve_in_thread(cloud.emulator) as ready:
        holder = cloud.holder
        account = {"vendor": "growatt", "username": holder.username, "password": holder.password}
        options = {"accounts": [{**account, "server": ready["growatt"]}], "mqtt": True, "log": "text"}
        settings = environment(tmp_path, supervisor, port, options)
        with (tmp_path / "log").open("wb") as log:
            program = subprocess.Popen([sys.executable, ADDON / "run.py"], env=settings, stdout=log, stderr=log)
        try:
            plant = asyncio.run(seen())
            status, page = ask(port, "/", X_Ingress_Path="/api/hassio_ingress/x", Accept="text/html", Host="my.home")
            assert ask(port, "/healthz", Host=f"172.30.33.1:{port}")[0] == 200
        finally:
            program.send_signal(signal.SIGTERM)
            code = program.wait(DEADLINE)
    assert (status, code) == (200, 0), (tmp_path / "log").read_text()
    assert f'href="/api/hassio_ingress/x/plant/growatt/{plant}"' in page
    (request,) = supervisor.requests
    assert (request.path, request.headers["authorization"]) == ("/services/mqtt", "Bearer of-the-supervisor")
    text = (tmp_path / "addon.toml").read_text()
    assert tomllib.loads(text)["mqtt"] == {
        "host": "127.0.0.1",
        "port": broker.port,
        "username": "addons",
        "password": "secret",
    }
    assert tomllib.loads(text)["alarms"] == {"ignore": ["quota"]}
    assert "secret" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "reply",
    [
        response(400, json.dumps({"result": "error", "message": "Service not enabled"})),
        response(200, "[]"),
        response(200, "not json"),
        response(200, json.dumps({"result": "ok", "data": None})),
    ],
)
def test_without_a_broker_the_advice_is_printed(reply, supervisor, monkeypatch, capsys):
    supervisor.reply = lambda request: reply
    monkeypatch.setenv("SUPERVISOR_URL", supervisor.url)
    assert SCRIPT["find_broker"]({"mqtt": True}) is None
    assert "install the Mosquitto broker add-on" in capsys.readouterr().out


def test_broker_of_the_options_is_preferred(supervisor, monkeypatch):
    monkeypatch.setenv("SUPERVISOR_URL", supervisor.url)
    options = {"mqtt": True, "mqtt_host": "broker.lan", "mqtt_port": 8883, "mqtt_username": "me", "mqtt_password": "x"}
    broker = {"host": "broker.lan", "port": 8883, "username": "me", "password": "x", "ssl": True}
    assert SCRIPT["find_broker"](options) == broker
    assert SCRIPT["find_broker"]({**options, "mqtt": False}) is None
    assert supervisor.requests == []


def test_options_that_cannot_be_read_end_the_script_with_one_line(tmp_path, supervisor):
    settings = environment(tmp_path, supervisor, 0, {})
    (tmp_path / "options.json").write_text("{")
    command = [sys.executable, ADDON / "run.py"]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"heliograph add-on: the options cannot be read: .*\n", done.stderr)
