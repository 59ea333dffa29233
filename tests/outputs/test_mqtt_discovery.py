"""Tests of Home Assistant discovery: classes, units, names and ids, from the table of metrics."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.alarms.model import AlarmState
from heliograph.collect.freshness import Freshness
from heliograph.current import AccountStatus, DeviceState, PlantState
from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import EventKind, Quality, Status
from heliograph.outputs.mqtt import discovery as ha
from heliograph.outputs.mqtt.state import device_state, plant_state
from heliograph.outputs.mqtt.topics import Topics, display_text, topic_level
from heliograph.store.base import Series, StoredEvent
from support.alarm_rows import raised

TOPICS = Topics("heliograph")
ROOF, BOX = Series("growatt", "1234567"), Series("growatt", "1234567", "TLX7A")


def device(series=BOX, name=None, family="tlx"):
    return DeviceState(
        series=series,
        name=name,
        family=family,
        status=Status.ONLINE,
        measured_at=1,
        freshness=Freshness.LIVE,
        values={},
    )


def plant(series=ROOF, name="Home"):
    return PlantState(
        series=series,
        name=name,
        zone=UTC,
        status=Status.ONLINE,
        quality=Quality.LIVE,
        measured_at=int(datetime(2026, 6, 21, tzinfo=UTC).timestamp()),
        fetched_at=None,
        freshness=Freshness.LIVE,
        sample_interval=300.0,
        values={},
        devices=(device(),),
    )


def discovery_configs(description, form="entities"):
    return {
        topic: json.loads(text)
        for topic, text in ha.discovery_messages(TOPICS, "homeassistant", form, description, "1.0").items()
    }


def entity(key, description=None):
    return discovery_configs(description or ha.describe_plant(TOPICS, plant(), METRICS))[
        f"homeassistant/sensor/heliograph_growatt_1234567/{key}/config"
    ]


@pytest.mark.parametrize(
    ("key", "device_class", "state_class", "unit"),
    [
        ("pv_power", "power", "measurement", "W"),
        ("grid_power", "power", "measurement", "W"),
        ("battery_soc", "battery", "measurement", "%"),
        ("pv_energy_today", "energy", "total_increasing", "kWh"),
        ("grid_import_energy_total", "energy", "total_increasing", "kWh"),
        ("battery_discharge_energy_total", "energy", "total_increasing", "kWh"),
    ],
)
def test_discovery_metric_has_class_and_unit_required_by_energy_dashboard(key, device_class, state_class, unit):
    one = entity(key)
    assert (one["device_class"], one["state_class"], one["unit_of_measurement"]) == (device_class, state_class, unit)
    assert one["value_template"] == f"{{{{ value_json.{key} }}}}"
    assert one["unique_id"] == f"heliograph_growatt_1234567_{key}"


def test_describe_plant_has_an_entity_for_every_metric():
    keys = {topic.split("/")[-2] for topic in discovery_configs(ha.describe_plant(TOPICS, plant(), METRICS))}
    assert keys == METRICS.keys() | {"status", "freshness", "measured_at", "alarm", "last_event"}


def test_describe_plant_has_entities_only_for_given_metrics():
    keys = {topic.split("/")[-2] for topic in discovery_configs(ha.describe_plant(TOPICS, plant(), {"pv_power"}))}
    assert keys == {"pv_power", "status", "freshness", "measured_at", "alarm", "last_event"}


def test_describe_device_refers_to_plant_via_device():
    roof = entity("pv_power")["device"]
    assert roof == {
        "identifiers": ["heliograph_growatt_1234567"],
        "name": "Home",
        "manufacturer": "Growatt",
        "model": "Plant",
    }
    (box, *_) = discovery_configs(ha.describe_device(TOPICS, plant(), device(), {"pv_power"})).values()
    assert (box["device"]["name"], box["device"]["model"]) == ("TLX7A", "tlx")
    assert box["device"]["via_device"] == "heliograph_growatt_1234567"
    assert box["origin"] == {"name": "Heliograph", "sw_version": "1.0"}


def test_last_event_of_a_plant_is_an_entity_with_details():
    event = StoredEvent(
        BOX, 1_750_500_000, EventKind.FAULT, "302", 1_750_500_900, None, "no AC\nconnection", "", "poll"
    )
    state = plant_state(plant(), event=event)
    assert state["last_event"] == "fault 302: no AC connection"
    assert (state["event"]["device"], state["event"]["ended_at"]) == ("TLX7A", None)
    assert state["event"]["started_at"] == "2025-06-21T10:00:00+00:00"
    nothing = plant_state(plant())
    assert (nothing["last_event"], nothing["event"]) == (None, None)
    assert entity("last_event")["entity_category"] == "diagnostic"


def test_discovery_availability_of_diagnostic_entities_ignores_plant_availability():
    availability = [{"topic": "heliograph/status"}, {"topic": "heliograph/growatt/1234567/availability"}]
    assert entity("pv_power")["availability"] == availability
    assert entity("pv_power")["availability_mode"] == "all"
    assert [entity(key)["availability"] for key in ("freshness", "measured_at", "status")] == [availability[:1]] * 3


def test_discovery_freshness_and_measured_at_are_diagnostic():
    assert {key for key in (*METRICS, "status") if "entity_category" in entity(key)} == set()
    assert {entity(key)["entity_category"] for key in ("freshness", "measured_at")} == {"diagnostic"}
    assert entity("measured_at")["device_class"] == "timestamp"
    assert set(entity("freshness")["options"]) == {one.value for one in Freshness}


def test_describe_account_has_budget_lock_and_problem_entities():
    account = discovery_configs(ha.describe_account(TOPICS, AccountStatus(name="home", vendor="growatt")))
    locked = account["homeassistant/binary_sensor/heliograph_accounts_home/locked/config"]
    assert (locked["device_class"], locked["entity_category"]) == ("problem", "diagnostic")
    assert locked["json_attributes_topic"] == locked["state_topic"] == "heliograph/accounts/home/state"
    assert {topic.split("/")[-2] for topic in account} == {"requests_used", "requests_limit", "locked", "failing"}


def test_discovery_messages_device_format_equals_entity_format():
    description = ha.describe_plant(TOPICS, plant(), METRICS)
    ((topic, config),) = discovery_configs(description, "devices").items()
    assert topic == "homeassistant/device/heliograph_growatt_1234567/config"
    shared = {key: value for key, value in config.items() if key != "components"}
    for entity_topic, one in discovery_configs(description).items():
        _, platform, _, key, _ = entity_topic.split("/")
        assert {**config["components"][key], **shared} == {**one, "platform": platform}


def test_discovery_topic_parse_returns_announced_node_and_metrics():
    description = ha.describe_plant(TOPICS, plant(), {"pv_power", "battery_soc"})
    for form in ("entities", "devices"):
        found = set()
        for topic, text in ha.discovery_messages(TOPICS, "a/b", form, description, "1.0").items():
            announced = ha.DiscoveryTopic.parse("a/b", topic)
            assert (announced.node_id, announced.format) == (description.node_id, form)
            assert TOPICS.owns(announced.node_id)
            found |= announced.metrics(text)
        assert found == {"pv_power", "battery_soc"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"components": 3}', '{"components": ["pv_power"]}', "\x00"])
def test_discovery_topic_metrics_of_foreign_message_is_empty(text):
    assert ha.DiscoveryTopic("heliograph_a_b", None).metrics(text) == set()


def test_topics_owns_rejects_node_ids_of_other_prefixes():
    other_prefixes = Topics("heliograph_growatt"), Topics("heliograph/2"), Topics("heliograph2")
    assert not any(TOPICS.owns(other.node_id(ROOF)) for other in other_prefixes)


@given(st.text(), st.text(), st.text())
def test_discovery_topics_and_names_are_valid_for_any_id(plant_id, device_id, name):
    series = Series("growatt", plant_id, device_id or "0")
    box = ha.describe_device(TOPICS, plant(series._replace(device=""), name), device(series, name), METRICS)
    for form in ("entities", "devices"):
        for topic, config in discovery_configs(box, form).items():
            assert re.fullmatch(r"homeassistant/[a-z_]+/[A-Za-z0-9_-]{1,300}(/[a-z_]+)?/config", topic)
            assert re.fullmatch(r"heliograph/growatt/[A-Za-z0-9-]+/[A-Za-z0-9-]+/state", config["state_topic"])
            assert config["device"]["name"].isprintable()
            assert config["device"]["name"]


@given(st.text(), st.text())
def test_topic_level_is_unique_per_id(one, other):
    assert (topic_level(one) == topic_level(other)) == (one == other)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,64}", topic_level(one))


def test_display_text_is_one_short_printable_line():
    assert display_text("a\nb\x1b[2J\u202ec\x00" + "x" * 1000) == "a b [2J c " + "x" * 90


def test_device_metrics_are_diagnostic_entities_that_a_person_enables():
    names = {"pv1_voltage", "status_text", "battery_state_of_health", "leakage_current", "pv_power"}
    found = discovery_configs(ha.describe_device(TOPICS, plant(), device(), names))
    configs = {topic.split("/")[3]: config for topic, config in found.items()}
    voltage = configs["pv1_voltage"]
    assert (voltage["name"], voltage["device_class"], voltage["unit_of_measurement"]) == (
        "PV 1 voltage",
        "voltage",
        "V",
    )
    assert (voltage["entity_category"], voltage["enabled_by_default"]) == ("diagnostic", False)
    assert "state_class" not in configs["status_text"]
    assert "device_class" not in configs["battery_state_of_health"]
    assert "enabled_by_default" not in configs["pv_power"]


def test_every_device_metric_has_a_unit_that_its_device_class_allows():
    allowed = {"voltage": "V", "energy": "kWh", "frequency": "Hz", "temperature": "°C", "duration": "h"}
    allowed |= {"apparent_power": "VA", "reactive_power": "var", "power": "W"}
    for one in ha.device_metric_entities(DEVICE_METRICS):
        known = one.config.get("device_class")
        unit = one.config.get("unit_of_measurement")
        assert known is None or (unit in ("A", "mA") if known == "current" else unit == allowed[known]), one


def test_device_state_message_has_the_announced_device_metrics():
    one = replace(device(), measurements={"pv1_voltage": 401.51234, "status_text": "No\nrmal"})
    found = device_state(one, ("pv1_voltage", "pv2_voltage", "status_text"))
    assert (found["pv1_voltage"], found["pv2_voltage"], found["status_text"]) == (401.512, None, "No rmal")


def test_discovery_money_has_class_currency_and_reset_at_midnight():
    described = ha.describe_plant(TOPICS, plant(), ["pv_power"], "EUR")
    cost = entity("cost_today", described)
    assert (cost["device_class"], cost["state_class"], cost["unit_of_measurement"]) == ("monetary", "total", "EUR")
    assert cost["value_template"] == "{{ value_json.cost_today }}"
    assert cost["last_reset_value_template"] == "{{ value_json.money_since }}"
    assert entity("co2_today", described)["device_class"] == "weight"
    assert {"income_today", "savings_today"} <= {one.key for one in described.entities}


def test_discovery_of_a_plant_without_a_tariff_has_no_money():
    keys = {one.key for one in ha.describe_plant(TOPICS, plant(), METRICS).entities}
    assert not keys & {"cost_today", "income_today", "savings_today", "co2_today"}


def test_alarm_of_a_plant_is_a_binary_sensor_with_attributes():
    topic = "homeassistant/binary_sensor/heliograph_growatt_1234567/alarm/config"
    config = discovery_configs(ha.describe_plant(TOPICS, plant(), METRICS))[topic]
    assert (config["device_class"], config["payload_on"]) == ("problem", "True")
    assert config["json_attributes_topic"] == config["state_topic"]
    state = plant_state(plant(), alarms=[(raised(seen="0 W\n"), AlarmState.RAISED)])
    assert state["alarm"] is True
    assert [(one["rule"], one["state"], one["seen"]) for one in state["alarms"]] == [("no_yield", "raised", "0 W")]
    assert plant_state(plant())["alarm"] is False
    assert plant_state(plant(), alarms=[(raised(), AlarmState.SNOOZED)])["alarm"] is False
