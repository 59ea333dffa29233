"""Tests of the MQTT publisher with a real broker: retained messages, changes and recovery after failures."""

import asyncio
import gc
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiomqtt import Client

from heliograph.collect.counters.repair import repair_counters
from heliograph.config import MqttConfig
from heliograph.core.redact import Secret
from heliograph.current import AccountStatus
from heliograph.errors import ConfigError, StoreError
from heliograph.keeper import Backoff, Budget
from heliograph.local_time import Clock, zone_from_name
from heliograph.model import Quality, Status
from heliograph.outputs.mqtt import publisher
from heliograph.outputs.sink import SinkProgress
from heliograph.store.base import Batch, PollStatus, Series, SeriesInfo, StoredSample
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import StoreThread
from support.mqtt_broker import DEADLINE, Broker, program, publish, retained_messages, watch_broker

NOON = int(datetime(2026, 6, 21, 10, 0, tzinfo=UTC).timestamp())  # at noon in Berlin
ROOF, BOX, BARN = Series("acme", "11"), Series("acme", "11", "INV1"), Series("acme", "22")
VALUES = {"pv_power": 3000.0, "pv_energy_today": 9.5, "pv_energy_total": 812.5}
STATE, STATUS = "heliograph/acme/11/state", "heliograph/status"
PV_POWER = "homeassistant/sensor/heliograph_acme_11/pv_power/config"
WHOLE = "homeassistant/device/heliograph_acme_11/config"


class FastClock(Clock):
    """Clock with a time set by tests, whose waits take at most 20 ms."""

    def __init__(self, moment=NOON + 120):
        self.moment = moment

    def now(self):
        return self.moment

    async def wait(self, until, stop):
        try:
            await asyncio.wait_for(stop.wait(), 0.02)
        except TimeoutError:
            return


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "s.sqlite") as store:
        yield store


def make_sample(series=ROOF, at=NOON, **values):
    return StoredSample(series, at, at + 60, Quality.LIVE, Status.ONLINE, values or VALUES)


def write_samples(store, *samples, names=()):
    store.write(
        Batch(samples=samples, series_info=[SeriesInfo(one.series, "Home", "tlx", "Europe/Berlin") for one in samples])
    )
    if names:
        store.write(Batch(series_info=names))


@asynccontextmanager
async def running_publisher(store, broker, clock=None, accounts=(), progress=None, **options):
    """Run the publisher in the background and stop it at the end of the block."""
    stop, reader = asyncio.Event(), StoreThread(lambda: SqliteStore(store.path))
    config = MqttConfig(host="127.0.0.1", port=broker.port, **options)
    progress = progress or SinkProgress("mqtt")
    running = asyncio.create_task(publisher.run(config, reader, lambda: accounts, clock or FastClock(), progress, stop))
    try:
        yield running
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)
        await reader.close()


def test_publisher_retains_state_and_discovery_of_plant(store, broker):
    write_samples(store, make_sample(), make_sample(BOX, pv_power=2990.0))

    async def scenario():
        async with running_publisher(store, broker), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload(STATUS, "online")
            return await retained_messages(broker.port)

    retained = asyncio.run(scenario())
    state = json.loads(retained[STATE])
    assert (state["pv_power"], state["pv_energy_total"], state["freshness"]) == (3000.0, 812.5, "live")
    assert state["measured_at"] == "2026-06-21T10:00:00+00:00"
    assert state["battery_soc"] is None
    assert json.loads(retained["heliograph/acme/11/INV1/state"])["pv_power"] == 2990.0
    assert retained["heliograph/acme/11/availability"] == "online"
    assert json.loads(retained[PV_POWER])["state_topic"] == STATE
    assert "homeassistant/sensor/heliograph_acme_11_INV1/pv_power/config" in retained
    assert not [topic for topic in retained if "battery" in topic]


def test_publisher_sends_only_changes_and_null_for_missing_values(store, broker):
    write_samples(store, make_sample())

    async def scenario():
        clock = FastClock()
        async with running_publisher(store, broker, clock), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload(STATUS, "online")
            before = len(watcher.received)
            write_samples(store, make_sample(at=NOON + 300, **{**VALUES, "pv_power": 2000.0}))
            clock.moment += 300
            await watcher.wait_for_json(STATE, pv_power=2000.0)
            clock.moment += 3 * 3600
            await watcher.wait_for_json(STATE, pv_power=None, pv_energy_total=812.5, freshness="not-polled")
            polled = int(clock.moment)
            store.write(Batch(polls=[PollStatus(ROOF, polled, 720, polled + 720)]))
            await watcher.wait_for_payload("heliograph/acme/11/availability", "offline")
            return {topic for topic, _ in watcher.received[before:]}

    assert asyncio.run(scenario()) == {STATE, "heliograph/acme/11/availability"}


def test_publisher_names_provisional_values(store, broker):
    write_samples(store, make_sample(pv_power=3000.0, pv_energy_today=9.5), make_sample(at=NOON + 720, pv_power=3000.0))

    async def scenario():
        async with running_publisher(store, broker, FastClock(NOON + 800)), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(STATE, pv_energy_today=10.1, provisional=["pv_energy_today"])
            write_samples(store, make_sample(at=NOON + 760, pv_power=3000.0, pv_energy_today=10.0))
            await watcher.wait_for_json(STATE, pv_energy_today=10.0, provisional=[])

    asyncio.run(scenario())


def test_publisher_keeps_plant_available_while_it_is_not_polled(store, broker):
    locked = PollStatus(ROOF, NOON + 60, 720, NOON + 24 * 3600, "locked until 12:00")
    write_samples(store, make_sample())
    store.write(Batch(polls=[locked]))

    async def scenario():
        clock = FastClock()
        async with running_publisher(store, broker, clock), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload(STATUS, "online")
            clock.moment += 4 * 3600
            await watcher.wait_for_json(STATE, freshness="not-polled")
            return await retained_messages(broker.port)

    retained = asyncio.run(scenario())
    assert retained["heliograph/acme/11/availability"] == "online"
    state = json.loads(retained[STATE])
    assert (state["pv_power"], state["pv_energy_total"]) == (None, 812.5)
    assert (state["poll_reason"], state["poll_interval"]) == ("locked until 12:00", 720)
    assert state["next_poll_at"] == "2026-06-22T10:00:00+00:00"


def test_publisher_last_will_is_offline_when_killed(store, broker):
    write_samples(store, make_sample())
    running = (
        "import asyncio, sys; sys.path.insert(0, 'tests')\n"
        "from pathlib import Path\n"
        "from outputs.test_mqtt_publisher import FastClock, MqttConfig, SinkProgress\n"
        "from outputs.test_mqtt_publisher import SqliteStore, StoreThread, publisher\n"
        "async def main():\n"
        f"    aside = StoreThread(lambda: SqliteStore(Path({str(store.path)!r})))\n"
        f"    config = MqttConfig(host='127.0.0.1', port={broker.port})\n"
        "    await publisher.run(config, aside, tuple, FastClock(), SinkProgress('mqtt'), asyncio.Event())\n"
        "asyncio.run(main())"
    )

    async def scenario():
        async with watch_broker(broker.port) as watcher:
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", running)
            await watcher.wait_for_payload(STATUS, "online")
            child.kill()
            await child.wait()
            await watcher.wait_for_payload(STATUS, "offline")
        return await retained_messages(broker.port)

    retained = asyncio.run(scenario())
    assert retained[STATUS] == "offline"
    assert STATE in retained


def test_publisher_stop_publishes_offline_and_retains_other_topics(store, broker):
    write_samples(store, make_sample())

    async def scenario():
        async with watch_broker(broker.port) as watcher:
            async with running_publisher(store, broker):
                await watcher.wait_for_payload(STATUS, "online")
            await watcher.wait_for_payload(STATUS, "offline")
        return await retained_messages(broker.port)

    assert {STATE, PV_POWER} <= asyncio.run(scenario()).keys()


def test_publisher_republishes_everything_after_broker_restart(store, broker):
    write_samples(store, make_sample(), make_sample(BOX, pv_power=2990.0))

    async def scenario():
        async with running_publisher(store, broker):
            async with watch_broker(broker.port) as watcher:
                await watcher.wait_for_payload(STATUS, "online")
            before = await retained_messages(broker.port)
            broker.stop()
            broker.start()
            async with watch_broker(broker.port) as watcher:
                await watcher.wait_for_payload(STATUS, "online")
            return before, await retained_messages(broker.port)

    before, after = asyncio.run(scenario())
    assert after == before
    assert PV_POWER in after


def test_publisher_waits_for_broker_at_start(store, broker):
    write_samples(store, make_sample())
    broker.stop()

    async def scenario():
        async with running_publisher(store, broker) as running:
            await asyncio.wait((running,), timeout=0.1)
            broker.start()
            async with watch_broker(broker.port) as watcher:
                await watcher.wait_for_payload(STATUS, "online")

    asyncio.run(scenario())


async def wait_until(condition):
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


def test_publisher_reports_problem_until_all_is_republished(store, broker):
    write_samples(store, make_sample())
    progress = SinkProgress("mqtt")

    async def scenario():
        async with running_publisher(store, broker, progress=progress):
            await wait_until(lambda: progress.newest == NOON)
            assert (progress.sent, progress.problem) == (len(await retained_messages(broker.port)), None)
            broker.stop()
            await wait_until(lambda: progress.problem)
            before = progress.sent
            broker.start()
            await wait_until(lambda: progress.problem is None)
            assert progress.sent == 2 * before

    asyncio.run(scenario())


def test_publisher_reports_unavailable_password_as_problem(store, broker):
    def reveal():
        raise ConfigError("the keyring is locked")

    progress = SinkProgress("mqtt")

    async def scenario():
        with pytest.raises(ConfigError):
            async with running_publisher(
                store, broker, progress=progress, password=SimpleNamespace(reveal=reveal)
            ) as running:
                await asyncio.wait((running,), timeout=DEADLINE)

    asyncio.run(scenario())
    assert progress.problem == "the keyring is locked"


class WaitRecorder(FastClock):
    """Sets `waited` when the publisher waits, which it does before it reconnects."""

    def __init__(self):
        super().__init__()
        self.waited = asyncio.Event()

    async def wait(self, until, stop):
        self.waited.set()
        await super().wait(until, stop)


@contextmanager
def disconnecting_broker():
    """Run a broker that accepts a client and disconnects at its next packet; yield the port."""

    def serve(listener):
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"\x20\x02\x00\x00")
                    connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield SimpleNamespace(port=listener.getsockname()[1])


def test_publisher_retrieves_all_exceptions_of_lost_connection(store, monkeypatch):
    monkeypatch.setattr(publisher, "_TIMEOUT", 0.1)
    write_samples(store, make_sample())
    unhandled = []

    async def scenario(broker):
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context["message"]))
        clock = WaitRecorder()
        async with running_publisher(store, broker, clock), asyncio.timeout(DEADLINE):
            await clock.waited.wait()
        gc.collect()

    with disconnecting_broker() as broker:
        asyncio.run(scenario(broker))
    assert unhandled == []


def test_publisher_disconnects_from_broker_that_announces_a_huge_packet(store):
    sent = []

    def serve(listener):
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(4096)
            connection.sendall(b"\x20\x02\x00\x00")
            connection.sendall(b"\x30\xff\xff\xff\x7f")  # a message of 256 MB
            for _ in range(64):
                connection.sendall(bytes(1 << 20))
                sent.append(1 << 20)

    async def scenario(listener):
        clock = WaitRecorder()
        async with running_publisher(store, SimpleNamespace(port=listener.getsockname()[1]), clock):
            async with asyncio.timeout(DEADLINE):
                await clock.waited.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        asyncio.run(scenario(listener))
        thread.join(DEADLINE)
    assert sum(sent) < 16 << 20  # what the buffers of the system hold


def test_publisher_republishes_discovery_on_home_assistant_start(store, broker):
    write_samples(store, make_sample())

    async def scenario():
        async with running_publisher(store, broker), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload(STATUS, "online")
            before = len(watcher.received)
            await publish(broker.port, "homeassistant/status", "online")
            await watcher.wait_until(lambda one: PV_POWER in {topic for topic, _ in one.received[before:]})

    asyncio.run(scenario())


def test_publisher_corrects_foreign_offline_status(store, broker):
    write_samples(store, make_sample())

    async def scenario():
        async with running_publisher(store, broker), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload(STATUS, "online")
            await publish(broker.port, STATUS, "offline", retain=True)
            await watcher.wait_until(
                lambda one: (
                    [payload for topic, payload in one.received if topic == STATUS][-2:] == ["offline", "online"]
                )
            )

    asyncio.run(scenario())


def test_publisher_keeps_discovery_of_offline_plant_after_restart(store, broker):
    write_samples(store, make_sample())

    async def scenario():
        clock = FastClock()
        async with watch_broker(broker.port) as watcher:
            async with running_publisher(store, broker, clock):
                await watcher.wait_for_payload(STATUS, "online")
            clock.moment += 9 * 3600
            async with running_publisher(store, broker, clock):
                await watcher.wait_for_payload(STATUS, "online")
                await watcher.wait_for_json(STATE, pv_power=None)
        return await retained_messages(broker.port)

    assert PV_POWER in asyncio.run(scenario())


def test_publisher_removes_topics_of_removed_plants_and_devices_only(store, broker, tmp_path):
    write_samples(store, make_sample(), make_sample(BOX, pv_power=1.0), make_sample(BARN))
    with SqliteStore(tmp_path / "other.sqlite") as other_store:
        write_samples(other_store, make_sample())

        async def scenario():
            async with watch_broker(broker.port) as watcher:
                async with running_publisher(store, broker):
                    await watcher.wait_for_payload(STATUS, "online")
                before = await retained_messages(broker.port)
                await publish(broker.port, "homeassistant/sensor/elsewhere_acme_22/pv_power/config", "{}", retain=True)
                await publish(broker.port, "heliograph2/acme/22/state", "{}", retain=True)
                async with running_publisher(other_store, broker):
                    await watcher.wait_until(lambda one: "heliograph/acme/22/state" not in one.current)
                    await watcher.wait_for_payload(STATUS, "online")
            return before, await retained_messages(broker.port)

        before, after = asyncio.run(scenario())
    assert [topic for topic in before if "22" in topic]
    assert [topic for topic in before if "INV1" in topic]
    assert not [topic for topic in after if "INV1" in topic]
    foreign = {"homeassistant/sensor/elsewhere_acme_22/pv_power/config", "heliograph2/acme/22/state"}
    assert {topic for topic in after if "22" in topic} == foreign


def test_publisher_removes_no_topics_when_store_is_empty(store, broker, tmp_path):
    write_samples(store, make_sample())

    async def scenario():
        async with watch_broker(broker.port) as watcher:
            async with running_publisher(store, broker):
                await watcher.wait_for_payload(STATUS, "online")
            before = await retained_messages(broker.port)
            with SqliteStore(tmp_path / "new.sqlite") as empty:
                async with running_publisher(empty, broker) as running:
                    await asyncio.wait((running,), timeout=0.3)
        return before, await retained_messages(broker.port)

    before, after = asyncio.run(scenario())
    assert before.keys() == after.keys()


@pytest.mark.parametrize(("first", "then"), [("entities", "devices"), ("devices", "entities"), ("devices", "none")])
def test_publisher_removes_discovery_messages_of_former_format(store, broker, first, then):
    write_samples(store, make_sample())

    async def scenario():
        async with watch_broker(broker.port) as watcher:
            async with running_publisher(store, broker, discovery=first):
                await watcher.wait_for_payload(STATUS, "online")
            before = await retained_messages(broker.port)
            async with running_publisher(store, broker, discovery=then):
                await watcher.wait_for_payload(STATUS, "online")
            return before, await retained_messages(broker.port), watcher.received

    before, after, received = asyncio.run(scenario())
    topics = {"entities": {PV_POWER}, "devices": {WHOLE}, "none": set()}
    assert before.keys() & {PV_POWER, WHOLE} == topics[first]
    assert after.keys() & {PV_POWER, WHOLE} == topics[then]
    (old,) = topics[first]
    payloads = [payload for topic, payload in received if topic == old]
    assert payloads[-2:] == (['{"migrate_discovery":true}', ""] if then != "none" else [before[old], ""])


HOSTILE = [
    "a/b",
    "+",
    "#",
    "nul\x00",
    "$SYS/x",
    "",
    "🌞" * 40_000,
    "{{ 7 * 7 }}",
    "\ud800",
    'x"},"y":{"',
    "../..",
    "a\nb",
]


def test_publisher_topics_are_unique_for_hostile_names(store, broker):
    plants = [Series("acme", name or "0") for name in HOSTILE if "\ud800" not in name]
    write_samples(
        store, *(make_sample(one) for one in plants), names=[SeriesInfo(one, one.plant, None, "UTC") for one in plants]
    )
    box = Series("acme", plants[0].plant, "SN/#")
    write_samples(store, make_sample(box))

    async def scenario():
        async with running_publisher(store, broker), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload(STATUS, "online")
            return await retained_messages(broker.port)

    retained = asyncio.run(scenario())
    states = [topic for topic in retained if topic.startswith("heliograph/") and topic.endswith("/state")]
    assert len(states) == len(plants) + 1
    assert all(len(topic) < 200 for topic in retained)
    assert {len(topic.split("/")) for topic in states} == {4, 5}
    announced = [json.loads(text) for topic, text in retained.items() if topic.startswith("homeassistant/")]
    assert len({one["unique_id"] for one in announced}) == len(announced)
    assert {one["state_topic"] for one in announced} == set(states)
    assert not any("7 * 7" in one["value_template"] for one in announced)


def test_publisher_messages_contain_no_secret(store, tmp_path):
    ours = Broker(program(), tmp_path, "allow_anonymous false", f"password_file {tmp_path / 'users'}")
    (tmp_path / "users").write_text("me:hunter2-hunter2\n")
    (tmp_path / "users").chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(tmp_path / "users")], check=True)
    ours.start()
    write_samples(store, make_sample())
    credentials = {"username": "me", "password": Secret("hunter2-hunter2")}

    async def scenario():
        async with watch_broker(ours.port, username="me", password="hunter2-hunter2") as watcher:
            async with running_publisher(store, ours, accounts=[LOCKED], **credentials):
                await watcher.wait_for_payload(STATUS, "online")
            return watcher.received

    try:
        received = asyncio.run(scenario())
    finally:
        ours.stop()
    assert any(topic == "heliograph/accounts/home/state" for topic, _ in received)
    assert "hunter2" not in repr(received)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")
def test_publisher_verifies_tls_certificate(store, tmp_path, monkeypatch, caplog, trusted):
    key, cert = str(tmp_path / "key"), str(tmp_path / "cert")
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run([*command, "-keyout", key, "-out", cert, *subject], check=True, capture_output=True)
    ours = Broker(program(), tmp_path, "allow_anonymous true", f"certfile {cert}", f"keyfile {key}")
    ours.start()
    write_samples(store, make_sample())
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", cert)

    async def scenario():
        async with running_publisher(store, ours, tls=True) as running:
            if not trusted:
                await asyncio.wait((running,), timeout=0.3)
                return
            async with watch_broker(ours.port, tls_context=ssl.create_default_context()) as watcher:
                await watcher.wait_for_payload(STATUS, "online")

    try:
        asyncio.run(scenario())
    finally:
        ours.stop()
    gc.collect()  # paho leaves the socket of a failed handshake to it
    assert ("CERTIFICATE_VERIFY_FAILED" in caplog.text) is not trusted


def test_publisher_goes_online_when_broker_drops_queued_messages(store, tmp_path):
    ours = Broker(program(), tmp_path, "allow_anonymous true", "max_queued_messages 5", "max_inflight_messages 1")
    ours.start()
    plants = [Series("acme", str(number)) for number in range(20)]
    write_samples(store, *(make_sample(one) for one in plants))

    async def scenario():
        for _ in range(2):
            async with running_publisher(store, ours):
                status = ""
                while status != "online":
                    async with Client("127.0.0.1", ours.port) as client:
                        await client.subscribe(STATUS)
                        status = (await anext(client.messages)).payload.decode()

    try:
        asyncio.run(asyncio.wait_for(scenario(), 60))
    finally:
        ours.stop()


def test_publisher_logs_wrong_password_once_without_secret(store, tmp_path, caplog):
    ours = Broker(program(), tmp_path, "allow_anonymous false")
    ours.start()

    async def scenario():
        async with running_publisher(store, ours, username="me", password=Secret("hunter2-hunter2")) as running:
            await asyncio.wait((running,), timeout=0.3)

    try:
        asyncio.run(scenario())
    finally:
        ours.stop()
    (message,) = [record.getMessage() for record in caplog.records if "disconnected" in record.getMessage()]
    assert "uthori" in message
    assert "hunter2" not in caplog.text


LATER = datetime(2026, 6, 21, 22, 0, tzinfo=UTC)
BUDGET = Budget(40, 100, 20, 1, 4, None, None, None, Backoff("locked", LATER, "507"), ())
LOCKED = AccountStatus(name="home", vendor="acme", budget=BUDGET, problem="the account is locked\x1b[2J")


def test_publisher_publishes_account_budget_and_lock(store, broker):
    write_samples(store, make_sample())

    async def scenario():
        unknown = AccountStatus(name="a/b", vendor="acme", problem="no book")
        async with running_publisher(store, broker, accounts=[LOCKED, unknown]), watch_broker(broker.port) as watcher:
            state = await watcher.wait_for_json("heliograph/accounts/home/state", locked=True)
            await watcher.wait_for_payload(STATUS, "online")
            (other,) = [topic for topic in watcher.current if topic.startswith("heliograph/accounts/a-b")]
            return state, await watcher.wait_for_json(other, locked=None), await retained_messages(broker.port)

    state, other, retained = asyncio.run(scenario())
    assert (state["requests_used"], state["requests_limit"], state["failing"]) == (40, 80, True)
    assert state["details"] == {
        "problem": "the account is locked [2J",
        "pause": "locked",
        "until": "2026-06-21T22:00:00+00:00",
    }
    assert (other["requests_used"], other["failing"]) == (None, True)
    assert "homeassistant/binary_sensor/heliograph_accounts_home/locked/config" in retained


def test_publisher_totals_never_decrease(store, broker):
    """A total is 0 at night and too low in the morning; it is repaired before it is published."""
    raw = [812.5, 812.6, 0.0, 812.8, 300.0, 813.0, 813.1]

    async def scenario():
        clock, memory = FastClock(NOON), {}
        async with running_publisher(store, broker, clock), watch_broker(broker.port) as watcher:
            for step, total in enumerate(raw):
                at = NOON + 300 * step
                values = {"pv_power": 3000.0 + step, "pv_energy_total": total}
                repaired = repair_counters(memory, make_sample(at=at, **values), zone_from_name("Europe/Berlin"))
                memory = repaired.state
                write_samples(store, repaired.sample)
                clock.moment = at + 60
                await watcher.wait_for_json(STATE, pv_power=3000.0 + step)
            return [json.loads(payload)["pv_energy_total"] for topic, payload in watcher.received if topic == STATE]

    totals = [one for one in asyncio.run(scenario()) if one is not None]
    assert totals == sorted(totals)
    assert totals[-1] == 813.1
    assert min(totals) > 800


def test_publisher_goes_offline_after_store_is_unreadable_for_minutes(store, broker):
    write_samples(store, make_sample())
    unavailable = False

    def open_or_fail():
        if unavailable:
            raise StoreError("the disk is gone")
        return SqliteStore(store.path)

    class FailingStoreReader(StoreThread):
        async def run(self, job):
            if unavailable:
                raise StoreError("the disk is gone")
            return await super().run(job)

    async def scenario():
        nonlocal unavailable
        stop, clock, reader = asyncio.Event(), FastClock(), FailingStoreReader(open_or_fail)
        config, progress = MqttConfig(host="127.0.0.1", port=broker.port), SinkProgress("mqtt")
        running = asyncio.create_task(publisher.run(config, reader, tuple, clock, progress, stop))
        async with watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload(STATUS, "online")
            unavailable = True
            clock.moment += 299
            await asyncio.wait((running,), timeout=0.2)
            before_limit = watcher.current[STATUS], progress.problem
            clock.moment += timedelta(minutes=5).total_seconds()
            await watcher.wait_for_payload(STATUS, "offline")
            unavailable = False
            await watcher.wait_for_payload(STATUS, "online")
            await wait_until(lambda: progress.problem is None)
        stop.set()
        await running
        await reader.close()
        return before_limit

    assert asyncio.run(scenario()) == ("online", "the disk is gone")
