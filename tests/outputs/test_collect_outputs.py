"""Tests of outputs in the collector process, and of background tasks that fail."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from collect.test_collect_process import FOREVER, NOON, Clouds, stop_program
from heliograph.cli import supervisor
from heliograph.cli.supervisor import BackgroundTask, run_background
from heliograph.config import Account, Config, MqttConfig, ServeConfig, load
from heliograph.core.redact import Secret
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError
from heliograph.outputs.factory import make_delivery_loops
from heliograph.store import open_store
from heliograph.store.base import Series
from heliograph.store.threaded import StoreThread
from support.http_service import ManualClock, Service, make_config, response
from support.mqtt_broker import Broker
from support.mqtt_broker import program as mosquitto
from support.paths import DOCS

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def clouds(tmp_path):
    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat(NOON), speed=0, accounts=1))
    with serve_in_thread(emulator) as ready:
        clouds = Clouds(emulator, ready, tmp_path)
        yield clouds
        clouds.end()


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


def configure_webhook(clouds, service, tables=""):
    with clouds.config.open("a") as file:
        file.write(f'\n[[webhook]]\nurl = "{service.url}/in"\nsecret = "hunter2"\n{tables}')


def stored_samples(clouds):
    with open_store(clouds.store) as store:
        series = [one.series for one in store.series()]
        return {(one.series, one.measured_at) for row in series for one in store.samples(row, 0, FOREVER)}


def received_samples(service, accepts=lambda request: True):
    return {
        (
            Series(one["vendor"], one["plant"], one["device"] or ""),
            int(datetime.fromisoformat(one["measured_at"]).timestamp()),
        )
        for request in service.requests
        if request.path == "/in" and accepts(request)
        for one in json.loads(request.body)["samples"]
    }


def wait_until(condition, program=None):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        assert program is None or program.poll() is None, program.stderr.read()
        time.sleep(0.02)


def caught_up(clouds, service):
    return lambda: bool(stored_samples(clouds)) and received_samples(service) >= stored_samples(clouds)


def test_collect_once_sends_samples_to_every_output_before_exit(clouds, service):
    tables = f'[[influx]]\nurl = "{service.url}"\ndatabase = "solar"\n'
    plant = clouds.accounts[0]["plants"][0]
    tables += f'[[pvoutput]]\nplant = "{plant}"\nsystem = "4711"\nkey = "k3y"\nurl = "{service.url}"\n'
    configure_webhook(clouds, service, tables)
    output = clouds.run("--once", "--no-heal")
    assert received_samples(service) == stored_samples(clouds) != set()
    (lines,) = (request.body.decode() for request in service.requests if request.path == "/write")
    assert len(lines.splitlines()) == len(stored_samples(clouds))
    # The simulated date is more than 14 days ago, so PVOutput skips every sample.
    assert 'event=output.skipped output="pvoutput 4711"' in output
    assert {request.path for request in service.requests} == {"/in", "/write"}


def test_collect_unavailable_output_does_not_block_and_is_caught_up_later(clouds, service):
    configure_webhook(clouds, service)
    service.reply = lambda request: response(503)
    output = clouds.run("--once", "--no-heal")
    assert "event=output.disconnected" in output
    assert "hunter2" not in output
    first = stored_samples(clouds)
    service.reply = lambda request: response()
    service.requests.clear()
    clouds.run("--once", "--no-heal")
    assert received_samples(service) >= first != set()


@posix
def test_collect_killed_while_sending_loses_no_sample(clouds, service):
    configure_webhook(clouds, service)
    release = threading.Event()

    def reply(request):
        release.wait(60)
        return response()

    service.reply = reply
    program = clouds.start()
    wait_until(lambda: service.requests, program)
    program.kill()
    program.communicate()
    release.set()
    service.requests.clear()
    program = clouds.start("--no-heal")
    wait_until(caught_up(clouds, service), program)
    assert stop_program(program, signal.SIGTERM)[0] == 0


@posix
def test_collect_stop_waits_for_pending_request_and_does_not_resend(clouds, service):
    configure_webhook(clouds, service)
    sending, stopped = threading.Event(), threading.Event()

    def reply(request):
        sending.set()
        stopped.wait(60)
        return response()

    service.reply = reply
    program = clouds.start("--no-heal")
    wait_until(sending.is_set, program)
    program.send_signal(signal.SIGTERM)
    stopped.set()
    _, output = program.communicate(timeout=60)
    assert program.returncode == 0, output
    before = received_samples(service)
    assert before == stored_samples(clouds) != set()

    async def pending_samples():
        reader = StoreThread(lambda: open_store(clouds.store))
        (delivery,) = make_delivery_loops(load(clouds.config, {}), reader, ManualClock())
        batch = await delivery.feed.next_batch(1000)
        await reader.close()
        return tuple(batch.samples)

    assert asyncio.run(pending_samples()) == ()


@posix
def test_collect_stops_although_output_does_not_respond(clouds, service):
    configure_webhook(clouds, service)
    release = threading.Event()
    service.reply = lambda request: release.wait(60) and response()
    program = clouds.start("--no-heal")
    wait_until(lambda: service.requests, program)
    code, output = stop_program(program, signal.SIGTERM, seconds=10)
    release.set()
    assert code == 0, output


@posix
def test_status_page_and_metrics_report_unavailable_broker(clouds, service, tmp_path):
    broker = Broker(mosquitto(), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        page = f"http://127.0.0.1:{free.getsockname()[1]}"
    port = page.rpartition(":")[2]
    configure_webhook(clouds, service, f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n[serve]\nport = {port}\n')

    def read(path):
        try:
            with urlopen(page + path, timeout=20) as response:
                return response.read().decode()
        except OSError:
            return ""  # not yet

    problem = 'heliograph_sink_problem{sink="mqtt 127.0.0.1"}'
    program = clouds.start("--no-heal")
    wait_until(lambda: f"{problem} 1.0" in read("/metrics"), program)
    status = read("/status")
    assert "Connection refused" in status
    assert "Sent since start" in status
    assert "webhook 127.0.0.1" in status
    broker.start()
    try:
        wait_until(lambda: f"{problem} 0.0" in read("/metrics"), program)
        assert "Connection refused" not in read("/status")
    finally:
        broker.stop()
    assert stop_program(program, signal.SIGTERM)[0] == 0


@pytest.mark.parametrize(
    "table",
    [
        '[[webhook]]\nurl = "http://example.com/in"\nsecret = "hunter2"\n',
        '[[influx]]\nurl = "https://db.example.com"\ndatabase = "solar"\nmeasurement = "_own"\n',
        '[[pvoutput]]\nplant = "1"\nsystem = "me"\nkey = "hunter2"\n',
        '[[webhook]]\nurl = "https://example.com/in"\n' * 2,
    ],
)
def test_collect_rejects_invalid_output_config_before_any_vendor_request(clouds, table):
    with clouds.config.open("a") as file:
        file.write("\n" + table)
    output = clouds.run("--once", code=2)
    assert clouds.requests == 0
    assert len(output.splitlines()) == 1
    assert "hunter2" not in output


@pytest.mark.parametrize(
    ("host", "tls", "accepted"),
    [
        ("broker.example.com", False, False),
        ("BROKER.EXAMPLE.COM.", False, False),
        ("203.0.113.9.example", False, False),
        ("8.8.8.8", False, False),
        ("2001:4860:4860::8888", False, False),
        ("broker.example.com", True, True),
        ("8.8.8.8", True, True),
        ("homeassistant.local", False, True),
        ("HomeAssistant.LAN", False, True),
        ("mosquitto", False, True),
        ("192.168.1.2", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
    ],
)
def test_mqtt_password_without_tls_to_a_public_broker_is_a_warning(host, tls, accepted, caplog):
    mqtt = MqttConfig(host=host, port=1, tls=tls, username="ada", password=Secret("hunter2"))
    supervisor.warn_unencrypted(Config(path=Path("config.toml"), accounts=(), mqtt=mqtt))
    assert ("output.unencrypted" in caplog.text) == (not accepted)
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("server", "accepted"),
    [("smten", False), ("atess", False), ("http://solar.example.com", False), ("eu", True), ("http://127.0.0.1", True)],
)
def test_account_whose_server_has_no_encryption_is_a_warning(server, accepted, caplog):
    account = Account(
        name="home", vendor="growatt", username="ada", password=Secret("hunter2"), password_key="", server=server
    )
    supervisor.warn_unencrypted(Config(path=Path("config.toml"), accounts=(account,)))
    assert ("account.unencrypted" in caplog.text) == (not accepted)
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("commands", "writes", "controlled"),
    [(False, True, []), (True, (), []), (True, ("charge_stop_soc",), ["home"])],
)
def test_mqtt_changes_settings_only_where_both_keys_allow_it(commands, writes, controlled, tmp_path, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    account = Account(name="home", vendor="growatt", username="ada", password=Secret("hunter2"), writes=writes)
    found = supervisor._writable_accounts(MqttConfig(host="b", port=1, commands=commands), [account])
    assert [one.name for one in found] == controlled


@pytest.mark.parametrize(("table", "extra", "module"), [("mqtt", "mqtt", "aiomqtt"), ("serve", "web", "uvicorn")])
def test_check_installed_reports_missing_extra(monkeypatch, table, extra, module):
    monkeypatch.setattr(supervisor, "find_spec", lambda name: None if name == module else name)
    config = Config(
        path=Path("config.toml"),
        accounts=(),
        **{table: MqttConfig(host="b", port=1) if extra == "mqtt" else ServeConfig()},
    )
    with pytest.raises(ConfigError, match=rf"needs {module}, .* pip install 'heliograph\[{extra}\]'"):
        supervisor.check_installed(config)
    supervisor.check_installed(Config(path=Path("config.toml"), accounts=()))


def test_run_background_logs_and_restarts_failed_task_without_affecting_others(caplog):
    clock, stop, runs = ManualClock(), asyncio.Event(), []

    async def failing(stop):
        runs.append(len(runs))
        raise ConfigError("a port in use") if len(runs) % 2 else ZeroDivisionError("hunter2")

    async def lasting(stop):
        await stop.wait()
        runs.append("in order")

    async def scenario():
        wanted = [BackgroundTask("page", failing), BackgroundTask("webhook", lasting)]
        async with run_background(wanted, clock, stop):
            while len(runs) < 8:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0)
        assert stop.is_set()

    asyncio.run(scenario())
    assert "in order" in runs
    assert clock.waits[:8] == [5, 10, 20, 40, 80, 160, 320, 640]
    messages = [str(one.msg) for one in caplog.records]
    assert messages[:3] == [
        'event=service.failed service=page reason="a port in use"',
        "event=internal.error service=page",
        "event=internal.error service=page",
    ]
    assert messages.count(messages[0]) == 1


def test_run_background_propagates_error_of_body_and_stops_tasks():
    ended = []

    async def lasting(stop):
        await stop.wait()
        ended.append(True)

    async def scenario():
        async with run_background([BackgroundTask("one", lasting)], ManualClock(), asyncio.Event()):
            await asyncio.sleep(0)
            raise KeyError("the collector's own")

    with pytest.raises(KeyError):
        asyncio.run(scenario())
    assert ended == [True]


@contextmanager
def counting_secret():
    """Return a secret and the list of its reveals."""
    fetched = []

    class CountingSecret:
        def reveal(self):
            fetched.append(1)
            return "k3y"

    yield CountingSecret(), fetched


def test_make_delivery_loops_shares_request_limit_of_key_and_fetches_key_once_per_system():
    with counting_secret() as (key, fetched):
        systems = [make_config(plant="1", system=str(number), url="https://pvoutput.org") for number in range(3)]
        for one in systems:
            one.key = key
        found = make_delivery_loops(make_config(pvoutput=systems, influx=(), webhooks=()), None, ManualClock())
    assert [one.sink.pause for one in found] == [180.0] * 3
    assert len(fetched) == 3


def test_make_delivery_loops_accepts_documented_configuration(tmp_path):
    page = (DOCS / "outputs.md").read_text("utf-8")
    text = page.split("```toml\n")[1].split("```")[0].replace("pass solar/webhook", "echo hunter2")
    for name in ("pvoutput.key", "influx.password"):
        (tmp_path / name).write_text("k3y")
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "heliograph.toml"
    path.write_text(text.replace("\n# ", "\n"))
    found = make_delivery_loops(load(path, {"INFLUX_TOKEN": "t0ken"}), None, ManualClock())
    assert [one.progress.name for one in found[:3]] == [
        "pvoutput 98765",
        "influx influxdb:8086/solar/solar",
        "influx 127.0.0.1:8086/solar/solar",
    ]
    assert found[3].progress.name.startswith("webhook example.com ")
