"""Tests of commands by MQTT with a real broker: what is sent, what is read back, and what is refused or ignored."""

import asyncio
import json
import logging
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.config import MqttConfig
from heliograph.errors import Unreachable
from heliograph.outputs.mqtt import commands, publisher, settings_control
from heliograph.outputs.mqtt.topics import Topics
from heliograph.settings.models import ChangeState
from heliograph.store.sqlite import SqliteStore
from support.mqtt_broker import DEADLINE, publish, retained_messages, watch_broker
from support.mqtt_settings import BASE, RESULT, SETTINGS, ToyAccount, fill, payload, publishing
from support.settings_fakes import NOW

SOC = f"{BASE}/set/charge_stop_soc/value"
NUMBER = "homeassistant/number/heliograph_toy_1_DEV1/set_charge_stop_soc/config"


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "s.sqlite") as store:
        fill(store)
        yield store


@pytest.fixture
def toy(tmp_path):
    return ToyAccount(tmp_path)


def results(watcher):
    return [json.loads(text) for topic, text in watcher.received if topic == RESULT]


def run_commands(store, broker, toy, *sent, expected=None, **options):
    """Publish commands together once the settings are known; return their results and the last settings."""

    async def scenario():
        async with publishing(store, broker, toy, **options), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)
            await watcher.wait_for_payload("heliograph/status", "online")
            await toy.send(broker.port, *sent)
            wanted = len(sent) if expected is None else expected
            await watcher.wait_until(lambda one: len(results(one)) >= wanted)
            return results(watcher), json.loads(watcher.current[SETTINGS])

    return asyncio.run(scenario())


def test_command_is_sent_once_and_its_state_is_unknown_until_read_back(store, broker, toy):
    async def scenario():
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0, read_at="2026-05-28T20:26:40+00:00")
            config = json.loads(watcher.current[NUMBER])
            toy.client.gate.clear()
            await publish(broker.port, config["command_topic"], payload(90, id="mine"))
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=None, charge_power_limit=80.0)
            toy.client.gate.set()
            result = await watcher.wait_for_json(RESULT, outcome="applied")
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=90.0)
            return result, list(watcher.received)

    result, received = asyncio.run(scenario())
    assert toy.fake.written == [("charge_stop_soc", {"value": 90.0})]
    assert (result["id"], result["setting"], result["value"], result["reason"]) == ("mine", "charge_stop_soc", 90, None)
    (order,) = toy.journal.read().orders.values()
    assert (result["order"], order.program, order.account) == (order.id, "heliograph mqtt", "home")
    states = [json.loads(text)["charge_stop_soc"] for topic, text in received if topic == SETTINGS]
    changes = [state for place, state in enumerate(states) if place and states[place - 1] != state]
    assert changes[-3:] == [100.0, None, 90.0] or (states[0], changes) == (100.0, [None, 90.0])


@pytest.mark.parametrize("text", ["90", "90.0", '"90"', '{"value": "90"}', '{"value": 90, "at": null}'])
def test_plain_values_are_commands_as_well(text, store, broker, toy):
    ((result,), settings) = run_commands(store, broker, toy, (SOC, text))
    assert (result["outcome"], settings["charge_stop_soc"]) == ("applied", 90.0)
    assert len(result["id"]) == 8


def test_commands_of_one_moment_are_one_change(store, broker, toy):
    window = f"{BASE}/set/time_window_2"
    found, settings = run_commands(
        store,
        broker,
        toy,
        (f"{window}/start", payload("20:00:00")),
        (f"{window}/end", payload("22:30:00")),
        (f"{window}/enabled", payload("on")),
    )
    assert [one["outcome"] for one in found] == ["applied"] * 3
    assert len({one["order"] for one in found}) == 1
    assert toy.fake.written == [
        ("time_window_2", {"mode": "load-first", "start": "20:00", "end": "22:30", "enabled": True})
    ]
    assert (settings["time_window_2_start"], settings["time_window_2_enabled"]) == ("20:00", True)


def test_setting_can_be_written_as_a_whole(store, broker, toy):
    values = {"mode": "battery-first", "start": "02:00", "end": "04:00", "enabled": True}
    ((result,), _) = run_commands(store, broker, toy, (f"{BASE}/set/time_window_3", payload(values)))
    assert (result["outcome"], result["setting"], result["parameter"]) == ("refused", "time_window_3", None)
    assert "overlaps time_window_1" in result["reason"]
    values |= {"start": "10:00", "end": "12:00"}
    ((result,), _) = run_commands(store, broker, toy, (f"{BASE}/set/time_window_3", payload(values)))
    assert result["outcome"] == "applied"
    assert toy.fake.written == [("time_window_3", values)]


def test_impossible_command_does_not_stop_the_others_of_its_moment(store, broker, toy):
    found, settings = run_commands(
        store,
        broker,
        toy,
        (f"{BASE}/set/time_window_2/end", payload("05:00")),
        (f"{BASE}/set/charge_power_limit/value", payload(70)),
        (SOC, payload(50)),
        (SOC, payload(60)),
    )
    by_outcome = {(one["setting"], one["value"]): one["outcome"] for one in found}
    assert by_outcome == {
        ("time_window_2", "05:00"): "refused",
        ("charge_power_limit", 70): "applied",
        ("charge_stop_soc", 50): "refused",
        ("charge_stop_soc", 60): "applied",
    }
    assert (settings["charge_power_limit"], settings["charge_stop_soc"]) == (70.0, 60.0)
    assert sorted(toy.fake.written) == [("charge_power_limit", {"value": 70.0}), ("charge_stop_soc", {"value": 60.0})]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (101, "must be whole 0 to 100 %"),
        ("abc", "must be whole"),
        (None, "is missing"),
        ([90], "must be whole"),
        ({"value": 90, "more": 1}, "has no 'more'"),
        ("9" * 3000, "too long"),
    ],
)
def test_value_that_is_not_allowed_is_refused(value, why, store, broker, toy):
    ((result,), settings) = run_commands(store, broker, toy, (SOC, payload(value)))
    assert result["outcome"] == "refused"
    assert why in result["reason"]
    assert (toy.fake.written, settings["charge_stop_soc"]) == ([], 100.0)


@pytest.mark.parametrize(
    "path", ["charge_power_limit/value", "nothing/value", "reset/value", "clock/value", "x/y/z/%00"]
)
def test_setting_that_may_not_be_written_is_refused_without_a_request(path, store, broker, tmp_path):
    toy = ToyAccount(tmp_path, writes=["charge_stop_soc", "reset", "clock"])
    ((result,), settings) = run_commands(store, broker, toy, (f"{BASE}/set/{path}", payload(70)))
    assert result["outcome"] == "refused"
    assert "writes of the account" in result["reason"]
    assert set(settings) == {"charge_stop_soc", "read_at"}
    assert (toy.fake.written, toy.fake.reads) == ([], 1)


@pytest.mark.parametrize(
    ("behaviour", "outcome", "shown"),
    [
        ("refused", "refused", 100.0),
        ("refused but applied", "applied", 90.0),
        ("no response, applied", "applied", 90.0),
        ("no response", "unknown", None),
        ("not connected", "refused", 100.0),
        ("throttled", "refused", 100.0),
        ("clamped", "unknown", None),
        ("late 600", "pending", None),
    ],
)
def test_outcome_of_the_cloud_is_reported(behaviour, outcome, shown, store, broker, toy):
    toy.fake.behaviours = [behaviour]
    ((result,), settings) = run_commands(store, broker, toy, (SOC, payload(90)))
    assert (result["outcome"], settings["charge_stop_soc"]) == (outcome, shown)
    assert bool(result["reason"]) == (behaviour != "no response, applied")
    assert len(toy.fake.written) <= 1


def test_late_change_is_reported_once_it_is_final(store, broker, toy):
    toy.fake.behaviours = ["late 900"]

    async def scenario():
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)
            await publish(broker.port, SOC, payload(90, id="slow"))
            await watcher.wait_for_json(RESULT, outcome="pending", id="slow")
            toy.clock.moment += 1000
            await watcher.wait_for_json(RESULT, outcome="applied", id="slow")
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=90.0)

    asyncio.run(scenario())
    assert len(toy.fake.written) == 1


def test_writes_per_day_are_limited_without_a_request(store, broker, tmp_path):
    toy = ToyAccount(tmp_path, writes_per_day=1)
    ((first,), _) = run_commands(store, broker, toy, (SOC, payload(90)))
    reads = toy.fake.reads
    toy.clock.moment += 60
    fill(store)

    async def scenario():
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload("heliograph/status", "online")
            await publish(broker.port, SOC, payload(80, at=toy.clock.moment))
            return await watcher.wait_for_json(RESULT, outcome="refused")

    second = asyncio.run(scenario())
    assert first["outcome"] == "applied"
    assert "memory wears out, so 1 are allowed" in second["reason"]
    assert second["reason"].startswith("nothing was sent")
    assert (toy.fake.written, toy.fake.reads) == ([("charge_stop_soc", {"value": 90.0})], reads)


def test_repeated_value_costs_no_request(store, broker, toy):
    async def scenario():
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)
            for number in range(3):
                await publish(broker.port, SOC, payload(100, id=f"n{number}"))
                await watcher.wait_for_json(RESULT, id=f"n{number}", outcome="applied")
            return json.loads(watcher.current[RESULT])["reason"]

    assert asyncio.run(scenario()) == "the device already has this value"
    assert (toy.fake.written, toy.fake.reads) == ([], 1)


def test_restart_reads_nothing_and_keeps_the_settings(store, broker, toy):
    async def settings_after_start(since):
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload("heliograph/status", "online")
            read_at = f'"read_at":"{since}'
            await watcher.wait_until(lambda one: read_at in one.current.get(SETTINGS, ""))
            return watcher.current[SETTINGS]

    run_commands(store, broker, toy, (SOC, payload(90)))
    reads, before = toy.fake.reads, asyncio.run(retained_messages(broker.port))[SETTINGS]
    toy.clock.moment += 3600
    assert asyncio.run(settings_after_start("2026-05-28")) == before
    assert toy.fake.reads == reads
    toy.clock.moment += 6 * 3600
    assert json.loads(asyncio.run(settings_after_start("2026-05-29")))["charge_stop_soc"] == 90.0
    assert toy.fake.reads == reads + 1


def test_failed_read_is_repeated_later(store, broker, toy, monkeypatch):
    toy.fake.read_errors = [Unreachable("no answer in time")]

    async def scenario():
        logged = asyncio.Event()
        monkeypatch.setattr(settings_control._log, "warning", lambda event: (events.append(str(event)), logged.set()))
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(SETTINGS, read_at=None)
            await asyncio.wait_for(logged.wait(), DEADLINE)
            toy.clock.moment += 901
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)

    events = []
    asyncio.run(scenario())
    assert events == ['event=settings.read.failed device=DEV1 why="no answer in time"']


def test_retained_and_stale_commands_are_ignored_and_logged(store, broker, toy, caplog):
    caplog.set_level(logging.WARNING)

    async def scenario():
        await publish(broker.port, SOC, payload(10), retain=True)
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)
            await publish(broker.port, SOC, payload(20, at=NOW - 61))
            await watcher.wait_for_json(RESULT, outcome="ignored")
            await publish(broker.port, SOC, payload(30, at="2026-05-28T20:28:00Z"))
            await publish(broker.port, SOC, payload(40, at="yesterday"))
            await publish(broker.port, SOC, payload(90, id="last"))
            await watcher.wait_for_json(RESULT, id="last")
            return results(watcher)

    found = asyncio.run(scenario())
    assert [(one["value"], one["outcome"]) for one in found] == [
        (20, "ignored"),
        (30, "ignored"),
        (None, "refused"),
        (90, "applied"),
    ]
    assert "61 s ago" in found[0]["reason"]
    assert "80 s in the future; check the clocks" in found[1]["reason"]
    assert "neither seconds since 1970 nor an ISO time" in found[2]["reason"]
    assert "it is retained, so it may be old" in caplog.text
    assert toy.fake.written == [("charge_stop_soc", {"value": 90.0})]


def test_command_that_waited_at_the_broker_is_ignored():
    """Everything that arrives before our own message on the probe topic was sent before we listened."""
    received = []
    control = SimpleNamespace(changed=None, receive=lambda topic, text, why: received.append((text, why)))
    one = publisher.MqttPublisher(MqttConfig(host="x", port=1), None, tuple, ToyClock(), None, None, control)

    def message(topic, text):
        return SimpleNamespace(topic=SimpleNamespace(value=topic), payload=text, retain=False)

    async def arriving():
        yield message(SOC, b"1")
        yield message("heliograph/probe", b"heliograph/+/+/state")
        yield message(SOC, b"2")
        yield message("heliograph/probe", b"settled")
        yield message(SOC, b"3")

    asyncio.run(one._listen(SimpleNamespace(messages=arriving())))
    assert received == [(b"1", "it was waiting at the broker"), (b"2", "it was waiting at the broker"), (b"3", "")]


class ToyClock:
    def now(self):
        return NOW


def test_result_is_delivered_after_the_broker_was_away(store, broker, toy):
    async def scenario():
        async with publishing(store, broker, toy):
            async with watch_broker(broker.port) as watcher:
                await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)
                toy.client.gate.clear()
                await publish(broker.port, SOC, payload(90, id="across"))
                await asyncio.wait_for(toy.client.started.wait(), DEADLINE)
            broker.stop()
            toy.client.gate.set()
            broker.start()
            async with watch_broker(broker.port) as watcher:
                await watcher.wait_for_json(RESULT, id="across", outcome="applied")
                await watcher.wait_for_json(SETTINGS, charge_stop_soc=90.0)

    asyncio.run(scenario())
    assert len(toy.fake.written) == 1


def test_without_writes_nothing_is_announced_and_earlier_entities_are_removed(store, broker, tmp_path):
    async def announced(**permissions):
        toy = ToyAccount(tmp_path, **permissions)
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload("heliograph/status", "online")
            if permissions["writes"]:
                await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)
            return set(await retained_messages(broker.port))

    assert NUMBER in asyncio.run(announced(writes=["charge_stop_soc"]))
    after = asyncio.run(announced(writes=[]))
    assert not {NUMBER, SETTINGS} & after
    assert "homeassistant/sensor/heliograph_toy_1/pv_power/config" in after


def test_device_of_another_account_is_not_controlled(store, broker, toy):
    fill(store, account="other")

    async def scenario():
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_payload("heliograph/status", "online")
            await publish(broker.port, SOC, payload(90))
            result = await watcher.wait_for_json(RESULT)
            return result["outcome"], SETTINGS in watcher.current

    assert asyncio.run(scenario()) == ("refused", False)
    assert toy.fake.reads == 0


def test_commands_beyond_the_limit_of_waiting_ones_are_refused(store, broker, toy):
    async def scenario():
        async with publishing(store, broker, toy), watch_broker(broker.port) as watcher:
            await watcher.wait_for_json(SETTINGS, charge_stop_soc=100.0)
            toy.client.gate.clear()
            await publish(broker.port, SOC, payload(90))
            await asyncio.wait_for(toy.client.started.wait(), DEADLINE)
            for number in range(52):
                await publish(broker.port, SOC, payload(number, id=f"n{number}"))
            await watcher.wait_until(lambda one: len(results(one)) == 2)
            refused = [(one["id"], one["reason"]) for one in results(watcher)]
            toy.client.gate.set()
            await watcher.wait_until(lambda one: len(results(one)) == 53)
            return refused, results(watcher)

    refused, every = asyncio.run(scenario())
    assert refused == [(f"n{number}", "50 commands for this device are waiting already") for number in (50, 51)]
    assert [one["value"] for one in every if one["outcome"] == "applied"] == [90, 49]
    assert len(toy.fake.written) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


payloads = st.text(max_size=300) | json_values.map(json.dumps)
payloads |= json_values.map(lambda one: json.dumps({"value": one, "at": one, "id": one}))


@settings(max_examples=60)
@given(payloads)
def test_any_payload_is_a_command_or_refused_and_its_result_is_json(text):
    topic = Topics("heliograph").result("heliograph/a/b/set/c")
    try:
        command = commands.parse_command(topic, text, "rate", "value")
    except ValueError:
        command = commands.Command(topic=topic)
    result = json.loads(commands.result_message(command, "refused", text, NOW), parse_constant=pytest.fail)
    assert len(json.dumps(result, ensure_ascii=False)) < 4000
    assert commands.outcome_of_change(None)[0] == "applied"


def test_every_state_of_a_change_has_an_outcome():
    outcomes = {state: commands.outcome_of_change(SimpleNamespace(state=state, why=""))[0] for state in ChangeState}
    assert {state for state, outcome in outcomes.items() if outcome == "applied"} == {ChangeState.APPLIED}
    assert outcomes[ChangeState.SENT] == outcomes[ChangeState.UNKNOWN] == "unknown"
