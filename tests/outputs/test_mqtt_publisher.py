"""MQTT over a real broker: what is kept there, what changes, and what comes back after trouble."""

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
from heliograph.keeper.limits import Backoff, Budget
from heliograph.local_time import Clock, zone_from_name
from heliograph.model import Quality, Status
from heliograph.outputs.mqtt import publisher
from heliograph.outputs.sink import SinkProgress
from heliograph.store.base import Batch, Series, SeriesInfo, StoredSample
from heliograph.store.sqlite import SqliteStore
from heliograph.store.threaded import StoreThread
from support.mqtt_broker import DEADLINE, Broker, kept, program, publish, watched

NOON = int(datetime(2026, 6, 21, 10, 0, tzinfo=UTC).timestamp())  # at noon in Berlin
ROOF, BOX, BARN = Series("acme", "11"), Series("acme", "11", "INV1"), Series("acme", "22")
VALUES = {"pv_power": 3000.0, "pv_energy_today": 9.5, "pv_energy_total": 812.5}
STATE, STATUS = "heliograph/acme/11/state", "heliograph/status"
PV_POWER = "homeassistant/sensor/heliograph_acme_11/pv_power/config"
WHOLE = "homeassistant/device/heliograph_acme_11/config"


class Hasty(Clock):
    """Stands at a moment that tests set, and never waits longer than it takes to hear a stop."""

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


def sample(series=ROOF, at=NOON, **values):
    return StoredSample(series, at, at + 60, Quality.LIVE, Status.ONLINE, values or VALUES)


def tell(store, *samples, names=()):
    store.write(
        Batch(samples=samples, series_info=[SeriesInfo(one.series, "Home", "tlx", "Europe/Berlin") for one in samples])
    )
    if names:
        store.write(Batch(series_info=names))


@asynccontextmanager
async def telling(store, broker, clock=None, accounts=(), progress=None, **options):
    """Run the output beside a test, and stop it in order."""
    stop, aside = asyncio.Event(), StoreThread(lambda: SqliteStore(store.path))
    config = MqttConfig(host="127.0.0.1", port=broker.port, **options)
    told = progress or SinkProgress("mqtt")
    running = asyncio.create_task(publisher.run(config, aside, lambda: accounts, clock or Hasty(), told, stop))
    try:
        yield running
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)
        await aside.close()


def test_publisher_retains_state_and_discovery_of_plant(store, broker):
    tell(store, sample(), sample(BOX, pv_power=2990.0))

    async def story():
        async with telling(store, broker), watched(broker.port) as watcher:
            await watcher.says(STATUS, "online")
            return await kept(broker.port)

    held = asyncio.run(story())
    state = json.loads(held[STATE])
    assert (state["pv_power"], state["pv_energy_total"], state["freshness"]) == (3000.0, 812.5, "live")
    assert state["measured_at"] == "2026-06-21T10:00:00+00:00"
    assert state["battery_soc"] is None
    assert json.loads(held["heliograph/acme/11/INV1/state"])["pv_power"] == 2990.0
    assert held["heliograph/acme/11/availability"] == "online"
    assert json.loads(held[PV_POWER])["state_topic"] == STATE
    assert "homeassistant/sensor/heliograph_acme_11_INV1/pv_power/config" in held
    assert not [topic for topic in held if "battery" in topic]


def test_publisher_sends_only_changes_and_null_for_missing_values(store, broker):
    tell(store, sample())

    async def story():
        clock = Hasty()
        async with telling(store, broker, clock), watched(broker.port) as watcher:
            await watcher.says(STATUS, "online")
            before = len(watcher.seen)
            tell(store, sample(at=NOON + 300, **{**VALUES, "pv_power": 2000.0}))
            clock.moment += 300
            await watcher.tells(STATE, pv_power=2000.0)
            clock.moment += 4 * 3600
            await watcher.tells(STATE, pv_power=None, pv_energy_total=812.5)
            await watcher.says("heliograph/acme/11/availability", "offline")
            return {topic for topic, _ in watcher.seen[before:]}

    assert asyncio.run(story()) == {STATE, "heliograph/acme/11/availability"}


def test_publisher_last_will_is_offline_when_killed(store, broker):
    tell(store, sample())
    running = (
        "import asyncio, sys; sys.path.insert(0, 'tests')\n"
        "from pathlib import Path\n"
        "from outputs.test_mqtt_publisher import Hasty, MqttConfig, SinkProgress, SqliteStore, StoreThread, publisher\n"
        "async def main():\n"
        f"    aside = StoreThread(lambda: SqliteStore(Path({str(store.path)!r})))\n"
        f"    config = MqttConfig(host='127.0.0.1', port={broker.port})\n"
        "    await publisher.run(config, aside, tuple, Hasty(), SinkProgress('mqtt'), asyncio.Event())\n"
        "asyncio.run(main())"
    )

    async def story():
        async with watched(broker.port) as watcher:
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", running)
            await watcher.says(STATUS, "online")
            child.kill()
            await child.wait()
            await watcher.says(STATUS, "offline")
        return await kept(broker.port)

    held = asyncio.run(story())
    assert held[STATUS] == "offline"
    assert STATE in held


def test_publisher_stop_publishes_offline_and_retains_other_topics(store, broker):
    tell(store, sample())

    async def story():
        async with watched(broker.port) as watcher:
            async with telling(store, broker):
                await watcher.says(STATUS, "online")
            await watcher.says(STATUS, "offline")
        return await kept(broker.port)

    assert {STATE, PV_POWER} <= asyncio.run(story()).keys()


def test_publisher_republishes_everything_after_broker_restart(store, broker):
    tell(store, sample(), sample(BOX, pv_power=2990.0))

    async def story():
        async with telling(store, broker):
            async with watched(broker.port) as watcher:
                await watcher.says(STATUS, "online")
            before = await kept(broker.port)
            broker.stop()
            broker.start()
            async with watched(broker.port) as watcher:
                await watcher.says(STATUS, "online")
            return before, await kept(broker.port)

    before, after = asyncio.run(story())
    assert after == before
    assert PV_POWER in after


def test_publisher_waits_for_broker_at_start(store, broker):
    tell(store, sample())
    broker.stop()

    async def story():
        async with telling(store, broker) as running:
            await asyncio.wait((running,), timeout=0.1)
            broker.start()
            async with watched(broker.port) as watcher:
                await watcher.says(STATUS, "online")

    asyncio.run(story())


async def until(true):
    async with asyncio.timeout(DEADLINE):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


def test_publisher_reports_problem_until_all_is_republished(store, broker):
    tell(store, sample())
    progress = SinkProgress("mqtt")

    async def story():
        async with telling(store, broker, progress=progress):
            await until(lambda: progress.newest == NOON)
            assert (progress.sent, progress.problem) == (len(await kept(broker.port)), None)
            broker.stop()
            await until(lambda: progress.problem)
            before = progress.sent
            broker.start()
            await until(lambda: progress.problem is None)
            assert progress.sent == 2 * before

    asyncio.run(story())


def test_publisher_reports_unavailable_password_as_problem(store, broker):
    def fetched():
        raise ConfigError("the keyring is locked")

    progress = SinkProgress("mqtt")

    async def story():
        with pytest.raises(ConfigError):
            async with telling(store, broker, progress=progress, password=SimpleNamespace(reveal=fetched)) as running:
                await asyncio.wait((running,), timeout=DEADLINE)

    asyncio.run(story())
    assert progress.problem == "the keyring is locked"


class Interrupted(Hasty):
    """Tells when somebody waits, as whoever was interrupted does before the next connection."""

    def __init__(self):
        super().__init__()
        self.waited = asyncio.Event()

    async def wait(self, until, stop):
        self.waited.set()
        await super().wait(until, stop)


@contextmanager
def breaking_off():
    """Listen as a broker that lets a client in and cuts the line at its next word; gives the port."""

    def serve(listener):
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                with line:
                    line.recv(4096)
                    line.sendall(b"\x20\x02\x00\x00")
                    line.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield SimpleNamespace(port=listener.getsockname()[1])


def test_publisher_retrieves_all_exceptions_of_lost_connection(store, monkeypatch):
    monkeypatch.setattr(publisher, "_TIMEOUT", 0.1)
    tell(store, sample())
    complaints = []

    async def story(broker):
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what["message"]))
        clock = Interrupted()
        async with telling(store, broker, clock), asyncio.timeout(DEADLINE):
            await clock.waited.wait()
        gc.collect()

    with breaking_off() as broker:
        asyncio.run(story(broker))
    assert complaints == []


def test_publisher_republishes_discovery_on_home_assistant_start(store, broker):
    tell(store, sample())

    async def story():
        async with telling(store, broker), watched(broker.port) as watcher:
            await watcher.says(STATUS, "online")
            before = len(watcher.seen)
            await publish(broker.port, "homeassistant/status", "online")
            await watcher.until(lambda one: PV_POWER in {topic for topic, _ in one.seen[before:]})

    asyncio.run(story())


def test_publisher_corrects_foreign_offline_status(store, broker):
    tell(store, sample())

    async def story():
        async with telling(store, broker), watched(broker.port) as watcher:
            await watcher.says(STATUS, "online")
            await publish(broker.port, STATUS, "offline", retain=True)
            await watcher.until(
                lambda one: [said for topic, said in one.seen if topic == STATUS][-2:] == ["offline", "online"]
            )

    asyncio.run(story())


def test_publisher_keeps_discovery_of_offline_plant_after_restart(store, broker):
    tell(store, sample())

    async def story():
        clock = Hasty()
        async with watched(broker.port) as watcher:
            async with telling(store, broker, clock):
                await watcher.says(STATUS, "online")
            clock.moment += 9 * 3600
            async with telling(store, broker, clock):
                await watcher.says(STATUS, "online")
                await watcher.tells(STATE, pv_power=None)
        return await kept(broker.port)

    assert PV_POWER in asyncio.run(story())


def test_publisher_removes_topics_of_removed_plants_and_devices_only(store, broker, tmp_path):
    tell(store, sample(), sample(BOX, pv_power=1.0), sample(BARN))
    with SqliteStore(tmp_path / "other.sqlite") as fewer:
        tell(fewer, sample())

        async def story():
            async with watched(broker.port) as watcher:
                async with telling(store, broker):
                    await watcher.says(STATUS, "online")
                before = await kept(broker.port)
                await publish(broker.port, "homeassistant/sensor/elsewhere_acme_22/pv_power/config", "{}", retain=True)
                await publish(broker.port, "heliograph2/acme/22/state", "{}", retain=True)
                async with telling(fewer, broker):
                    await watcher.until(lambda one: "heliograph/acme/22/state" not in one.now)
                    await watcher.says(STATUS, "online")
            return before, await kept(broker.port)

        before, after = asyncio.run(story())
    assert [topic for topic in before if "22" in topic]
    assert [topic for topic in before if "INV1" in topic]
    assert not [topic for topic in after if "INV1" in topic]
    left = {"homeassistant/sensor/elsewhere_acme_22/pv_power/config", "heliograph2/acme/22/state"}
    assert {topic for topic in after if "22" in topic} == left


def test_publisher_removes_no_topics_when_store_is_empty(store, broker, tmp_path):
    tell(store, sample())

    async def story():
        async with watched(broker.port) as watcher:
            async with telling(store, broker):
                await watcher.says(STATUS, "online")
            before = await kept(broker.port)
            with SqliteStore(tmp_path / "new.sqlite") as empty:
                async with telling(empty, broker) as running:
                    await asyncio.wait((running,), timeout=0.3)
        return before, await kept(broker.port)

    before, after = asyncio.run(story())
    assert before.keys() == after.keys()


@pytest.mark.parametrize(("first", "then"), [("entities", "devices"), ("devices", "entities"), ("devices", "none")])
def test_publisher_removes_discovery_messages_of_former_format(store, broker, first, then):
    tell(store, sample())

    async def story():
        async with watched(broker.port) as watcher:
            async with telling(store, broker, discovery=first):
                await watcher.says(STATUS, "online")
            before = await kept(broker.port)
            async with telling(store, broker, discovery=then):
                await watcher.says(STATUS, "online")
            return before, await kept(broker.port), watcher.seen

    before, after, seen = asyncio.run(story())
    topics = {"entities": {PV_POWER}, "devices": {WHOLE}, "none": set()}
    assert before.keys() & {PV_POWER, WHOLE} == topics[first]
    assert after.keys() & {PV_POWER, WHOLE} == topics[then]
    (old,) = topics[first]
    moved = [said for topic, said in seen if topic == old]
    assert moved[-2:] == (['{"migrate_discovery":true}', ""] if then != "none" else [before[old], ""])


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
    tell(store, *(sample(one) for one in plants), names=[SeriesInfo(one, one.plant, None, "UTC") for one in plants])
    box = Series("acme", plants[0].plant, "SN/#")
    tell(store, sample(box))

    async def story():
        async with telling(store, broker), watched(broker.port) as watcher:
            await watcher.says(STATUS, "online")
            return await kept(broker.port)

    held = asyncio.run(story())
    states = [topic for topic in held if topic.startswith("heliograph/") and topic.endswith("/state")]
    assert len(states) == len(plants) + 1
    assert all(len(topic) < 200 for topic in held)
    assert {len(topic.split("/")) for topic in states} == {4, 5}
    announced = [json.loads(text) for topic, text in held.items() if topic.startswith("homeassistant/")]
    assert len({one["unique_id"] for one in announced}) == len(announced)
    assert {one["state_topic"] for one in announced} == set(states)
    assert not any("7 * 7" in one["value_template"] for one in announced)


def test_publisher_messages_contain_no_secret(store, tmp_path):
    ours = Broker(program(), tmp_path, "allow_anonymous false", f"password_file {tmp_path / 'users'}")
    (tmp_path / "users").write_text("me:hunter2-hunter2\n")
    (tmp_path / "users").chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(tmp_path / "users")], check=True)
    ours.start()
    tell(store, sample())
    who = {"username": "me", "password": Secret("hunter2-hunter2")}

    async def story():
        async with watched(ours.port, username="me", password="hunter2-hunter2") as watcher:
            async with telling(store, ours, accounts=[LOCKED], **who):
                await watcher.says(STATUS, "online")
            return watcher.seen

    try:
        seen = asyncio.run(story())
    finally:
        ours.stop()
    assert any(topic == "heliograph/accounts/home/state" for topic, _ in seen)
    assert "hunter2" not in repr(seen)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")
def test_publisher_verifies_tls_certificate(store, tmp_path, monkeypatch, caplog, trusted):
    key, cert = str(tmp_path / "key"), str(tmp_path / "cert")
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run([*make, "-keyout", key, "-out", cert, *subject], check=True, capture_output=True)
    ours = Broker(program(), tmp_path, "allow_anonymous true", f"certfile {cert}", f"keyfile {key}")
    ours.start()
    tell(store, sample())
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", cert)

    async def story():
        async with telling(store, ours, tls=True) as running:
            if not trusted:
                await asyncio.wait((running,), timeout=0.3)
                return
            async with watched(ours.port, tls_context=ssl.create_default_context()) as watcher:
                await watcher.says(STATUS, "online")

    try:
        asyncio.run(story())
    finally:
        ours.stop()
    gc.collect()  # paho leaves the socket of a failed handshake to it
    assert ("CERTIFICATE_VERIFY_FAILED" in caplog.text) is not trusted


def test_publisher_goes_online_when_broker_drops_queued_messages(store, tmp_path):
    ours = Broker(program(), tmp_path, "allow_anonymous true", "max_queued_messages 5", "max_inflight_messages 1")
    ours.start()
    plants = [Series("acme", str(number)) for number in range(20)]
    tell(store, *(sample(one) for one in plants))

    async def story():
        for _ in range(2):
            async with telling(store, ours):
                status = ""
                while status != "online":
                    async with Client("127.0.0.1", ours.port) as client:
                        await client.subscribe(STATUS)
                        status = (await anext(client.messages)).payload.decode()

    try:
        asyncio.run(asyncio.wait_for(story(), 60))
    finally:
        ours.stop()


def test_publisher_logs_wrong_password_once_without_secret(store, tmp_path, caplog):
    ours = Broker(program(), tmp_path, "allow_anonymous false")
    ours.start()

    async def story():
        async with telling(store, ours, username="me", password=Secret("hunter2-hunter2")) as running:
            await asyncio.wait((running,), timeout=0.3)

    try:
        asyncio.run(story())
    finally:
        ours.stop()
    (said,) = [record.getMessage() for record in caplog.records if "disconnected" in record.getMessage()]
    assert "uthori" in said
    assert "hunter2" not in caplog.text


LATER = datetime(2026, 6, 21, 22, 0, tzinfo=UTC)
BUDGET = Budget(40, 100, 20, 1, 4, None, None, None, Backoff("locked", LATER, "507"), ())
LOCKED = AccountStatus(name="home", vendor="acme", budget=BUDGET, problem="the account is locked\x1b[2J")


def test_publisher_publishes_account_budget_and_lock(store, broker):
    tell(store, sample())

    async def story():
        unknown = AccountStatus(name="a/b", vendor="acme", problem="no book")
        async with telling(store, broker, accounts=[LOCKED, unknown]), watched(broker.port) as watcher:
            state = await watcher.tells("heliograph/accounts/home/state", locked=True)
            await watcher.says(STATUS, "online")
            (other,) = [topic for topic in watcher.now if topic.startswith("heliograph/accounts/a-b")]
            return state, await watcher.tells(other, locked=None), await kept(broker.port)

    state, other, held = asyncio.run(story())
    assert (state["requests_used"], state["requests_limit"], state["failing"]) == (40, 80, True)
    assert state["details"] == {
        "problem": "the account is locked [2J",
        "pause": "locked",
        "until": "2026-06-21T22:00:00+00:00",
    }
    assert (other["requests_used"], other["failing"]) == (None, True)
    assert "homeassistant/binary_sensor/heliograph_accounts_home/locked/config" in held


def test_publisher_totals_never_decrease(store, broker):
    """A total is 0 at night and too low in the morning; it is repaired before anybody is told."""
    raw = [812.5, 812.6, 0.0, 812.8, 300.0, 813.0, 813.1]

    async def story():
        clock, memory = Hasty(NOON), {}
        async with telling(store, broker, clock), watched(broker.port) as watcher:
            for step, total in enumerate(raw):
                at = NOON + 300 * step
                values = {"pv_power": 3000.0 + step, "pv_energy_total": total}
                counted = repair_counters(memory, sample(at=at, **values), zone_from_name("Europe/Berlin"))
                memory = counted.state
                tell(store, counted.sample)
                clock.moment = at + 60
                await watcher.tells(STATE, pv_power=3000.0 + step)
            return [json.loads(said)["pv_energy_total"] for topic, said in watcher.seen if topic == STATE]

    told = [one for one in asyncio.run(story()) if one is not None]
    assert told == sorted(told)
    assert told[-1] == 813.1
    assert min(told) > 800


def test_publisher_goes_offline_after_store_is_unreadable_for_minutes(store, broker):
    tell(store, sample())
    away = False

    def opened():
        if away:
            raise StoreError("the disk is gone")
        return SqliteStore(store.path)

    class Fickle(StoreThread):
        async def run(self, job):
            if away:
                raise StoreError("the disk is gone")
            return await super().run(job)

    async def story():
        nonlocal away
        stop, clock, aside = asyncio.Event(), Hasty(), Fickle(opened)
        config, progress = MqttConfig(host="127.0.0.1", port=broker.port), SinkProgress("mqtt")
        running = asyncio.create_task(publisher.run(config, aside, tuple, clock, progress, stop))
        async with watched(broker.port) as watcher:
            await watcher.says(STATUS, "online")
            away = True
            clock.moment += 299
            await asyncio.wait((running,), timeout=0.2)
            patient = watcher.now[STATUS], progress.problem
            clock.moment += timedelta(minutes=5).total_seconds()
            await watcher.says(STATUS, "offline")
            away = False
            await watcher.says(STATUS, "online")
            await until(lambda: progress.problem is None)
        stop.set()
        await running
        await aside.close()
        return patient

    assert asyncio.run(story()) == ("online", "the disk is gone")
