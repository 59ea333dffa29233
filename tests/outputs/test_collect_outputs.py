"""Outputs beside the collector: as a program with a configuration, and whatever befalls a companion."""

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

from collect.test_collect_process import FOREVER, NOON, Clouds
from collect.test_collect_process import stop_program as told
from heliograph.cli import supervisor
from heliograph.cli.supervisor import BackgroundTask, run_background
from heliograph.config import Config, MqttConfig, ServeConfig, load
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError
from heliograph.outputs.factory import make_delivery_loops
from heliograph.store import open_store
from heliograph.store.base import Series
from heliograph.store.threaded import StoreThread
from support.http_service import Hand, Service, answer, configured
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


def passing_on(clouds, service, more=""):
    with clouds.config.open("a") as file:
        file.write(f'\n[[webhook]]\nurl = "{service.url}/in"\nsecret = "hunter2"\n{more}')


def kept(clouds):
    with open_store(clouds.store) as store:
        series = [one.series for one in store.series()]
        return {(one.series, one.measured_at) for row in series for one in store.samples(row, 0, FOREVER)}


def arrived(service, taken=lambda asked: True):
    return {
        (
            Series(one["vendor"], one["plant"], one["device"] or ""),
            int(datetime.fromisoformat(one["measured_at"]).timestamp()),
        )
        for asked in service.asked
        if asked.path == "/in" and taken(asked)
        for one in json.loads(asked.body)["samples"]
    }


def wait_until(true, program=None):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        assert program is None or program.poll() is None, program.stderr.read()
        time.sleep(0.02)


def caught_up(clouds, service):
    return lambda: bool(kept(clouds)) and arrived(service) >= kept(clouds)


def test_collect_once_sends_samples_to_every_output_before_exit(clouds, service):
    more = f'[[influx]]\nurl = "{service.url}"\ndatabase = "solar"\n'
    plant = clouds.accounts[0]["plants"][0]
    more += f'[[pvoutput]]\nplant = "{plant}"\nsystem = "4711"\nkey = "k3y"\nurl = "{service.url}"\n'
    passing_on(clouds, service, more)
    said = clouds.run("--once", "--no-heal")
    assert arrived(service) == kept(clouds) != set()
    (lines,) = (asked.body.decode() for asked in service.asked if asked.path == "/write")
    assert len(lines.splitlines()) == len(kept(clouds))
    # The clouds' noon is long ago.
    assert 'event=output.skipped output="pvoutput 4711"' in said
    assert {asked.path for asked in service.asked} == {"/in", "/write"}


def test_collect_unavailable_output_does_not_block_and_is_caught_up_later(clouds, service):
    passing_on(clouds, service)
    service.reply = lambda asked: answer(503)
    said = clouds.run("--once", "--no-heal")
    assert "event=output.disconnected" in said
    assert "hunter2" not in said
    first = kept(clouds)
    service.reply = lambda asked: answer()
    service.asked.clear()
    clouds.run("--once", "--no-heal")
    assert arrived(service) >= first != set()


@posix
def test_collect_killed_while_sending_loses_no_sample(clouds, service):
    passing_on(clouds, service)
    held = threading.Event()

    def reply(asked):
        held.wait(60)
        return answer()

    service.reply = reply
    program = clouds.start()
    wait_until(lambda: service.asked, program)
    program.kill()
    program.communicate()
    held.set()
    service.asked.clear()
    program = clouds.start("--no-heal")
    wait_until(caught_up(clouds, service), program)
    assert told(program, signal.SIGTERM)[0] == 0


@posix
def test_collect_stop_waits_for_pending_request_and_does_not_resend(clouds, service):
    passing_on(clouds, service)
    sending, stopped = threading.Event(), threading.Event()

    def reply(asked):
        sending.set()
        stopped.wait(60)
        return answer()

    service.reply = reply
    program = clouds.start("--no-heal")
    wait_until(sending.is_set, program)
    program.send_signal(signal.SIGTERM)
    stopped.set()
    _, said = program.communicate(timeout=60)
    assert program.returncode == 0, said
    before = arrived(service)
    assert before == kept(clouds) != set()

    async def still_to_send():
        aside = StoreThread(lambda: open_store(clouds.store))
        (delivery,) = make_delivery_loops(load(clouds.config, {}), aside, Hand())
        news = await delivery.feed.next_batch(1000)
        await aside.close()
        return tuple(news.samples)

    assert asyncio.run(still_to_send()) == ()


@posix
def test_collect_stops_although_output_does_not_respond(clouds, service):
    passing_on(clouds, service)
    over = threading.Event()
    service.reply = lambda asked: over.wait(60) and answer()
    program = clouds.start("--no-heal")
    wait_until(lambda: service.asked, program)
    code, said = told(program, signal.SIGTERM, seconds=10)
    over.set()
    assert code == 0, said


@posix
def test_status_page_and_metrics_report_unavailable_broker(clouds, service, tmp_path):
    broker = Broker(mosquitto(), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        page = f"http://127.0.0.1:{free.getsockname()[1]}"
    port = page.rpartition(":")[2]
    passing_on(clouds, service, f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n[serve]\nport = {port}\n')

    def read(path):
        try:
            with urlopen(page + path, timeout=20) as answer:
                return answer.read().decode()
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
    assert told(program, signal.SIGTERM)[0] == 0


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
    said = clouds.run("--once", code=2)
    assert clouds.requests == 0
    assert len(said.splitlines()) == 1
    assert "hunter2" not in said


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
    clock, stop, ends = Hand(), asyncio.Event(), []

    async def failing(stop):
        ends.append(len(ends))
        raise ConfigError("a port in use") if len(ends) % 2 else ZeroDivisionError("hunter2")

    async def lasting(stop):
        await stop.wait()
        ends.append("in order")

    async def story():
        wanted = [BackgroundTask("page", failing), BackgroundTask("webhook", lasting)]
        async with run_background(wanted, clock, stop):
            while len(ends) < 8:  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0)
        assert stop.is_set()

    asyncio.run(story())
    assert "in order" in ends
    assert clock.waits[:8] == [5, 10, 20, 40, 80, 160, 320, 640]
    said = [str(one.msg) for one in caplog.records]
    assert said[:3] == [
        'event=service.failed service=page reason="a port in use"',
        "event=internal.error service=page",
        "event=internal.error service=page",
    ]
    assert said.count(said[0]) == 1


def test_run_background_propagates_error_of_body_and_stops_tasks():
    ended = []

    async def lasting(stop):
        await stop.wait()
        ended.append(True)

    async def story():
        async with run_background([BackgroundTask("one", lasting)], Hand(), asyncio.Event()):
            await asyncio.sleep(0)
            raise KeyError("the collector's own")

    with pytest.raises(KeyError):
        asyncio.run(story())
    assert ended == [True]


@contextmanager
def counted():
    """Count how often a secret has to be fetched."""
    fetched = []

    class Fetching:
        def reveal(self):
            fetched.append(1)
            return "k3y"

    yield Fetching(), fetched


def test_make_delivery_loops_shares_request_limit_of_key_and_fetches_key_once_per_system():
    with counted() as (key, fetched):
        systems = [configured(plant="1", system=str(number), url="https://pvoutput.org") for number in range(3)]
        for one in systems:
            one.key = key
        found = make_delivery_loops(configured(pvoutput=systems, influx=(), webhooks=()), None, Hand())
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
    found = make_delivery_loops(load(path, {"INFLUX_TOKEN": "t0ken"}), None, Hand())
    assert [one.progress.name for one in found[:3]] == [
        "pvoutput 98765",
        "influx influxdb:8086/solar/solar",
        "influx 127.0.0.1:8086/solar/solar",
    ]
    assert found[3].progress.name.startswith("webhook example.com ")
