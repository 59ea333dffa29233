"""Tests of settings as Home Assistant entities: platforms, limits, topics and keys, from the settings catalogues."""

import json
import re

import pytest

from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.outputs.mqtt import discovery as ha
from heliograph.outputs.mqtt.controls import (
    control_entities,
    controls_of,
    parse_settings_message,
    settings_message,
)
from heliograph.outputs.mqtt.topics import Topics
from heliograph.settings import Permissions
from heliograph.settings.definition import Parameter, Setting
from heliograph.store.base import Series
from heliograph.vendors.goodwe.settings.catalogue import FAMILIES as GOODWE
from heliograph.vendors.growatt.settings.registry import FAMILIES as GROWATT
from support.settings_fakes import SETTINGS

TOPICS = Topics("heliograph")
BOX = Series("toy", "1", "DEV1")
ALL = Permissions(writes=True, grid_code=True)


def entities(writes=True, series=BOX):
    """Return the entities of all toy settings by the key of their value."""
    permissions = Permissions(writes=writes)
    found = control_entities(TOPICS, series, controls_of(SETTINGS, permissions), permissions)
    return {one.key.removeprefix("set_"): one for one in found}


def test_kinds_of_parameters_become_platforms_with_their_limits():
    found = entities()
    soc, mode, start = found["charge_stop_soc"], found["time_window_1_mode"], found["time_window_1_start"]
    assert (soc.platform, soc.config["min"], soc.config["max"], soc.config["step"]) == ("number", 0, 100, 1)
    assert (soc.config["unit_of_measurement"], soc.config["mode"]) == ("%", "box")
    assert (mode.platform, mode.config["options"]) == ("select", ["load-first", "battery-first"])
    assert start.platform == "time"
    assert found["time_window_1_enabled"].platform == "switch"
    assert (soc.name, start.name) == ("Charge until", "time_window_1 start")


def test_entity_has_topics_of_its_own_and_is_a_configuration():
    config = entities()["time_window_1_start"].config
    assert config["state_topic"] == "heliograph/toy/1/DEV1/settings"
    assert config["command_topic"] == "heliograph/toy/1/DEV1/set/time_window_1/start"
    assert config["entity_category"] == "config"


def test_clocks_one_time_actions_and_forbidden_settings_have_no_entity():
    names = set(entities())
    assert not names & {"clock", "restart", "reset", "grid_voltage_high"}
    permitted = controls_of(SETTINGS, ALL)
    assert "grid_voltage_high" in {one.key for one in permitted}
    assert "reset" not in {one.key for one in permitted}


def test_only_named_settings_have_entities_and_these_are_enabled():
    named = entities(["charge_stop_soc"])
    assert list(named) == ["charge_stop_soc"]
    assert "enabled_by_default" not in named["charge_stop_soc"].config
    assert entities()["charge_stop_soc"].config["enabled_by_default"] is False
    assert entities([]) == {}


def described(form, series=BOX):
    device = ha.HaDevice(
        node_id=TOPICS.node_id(series),
        state_topic=TOPICS.state(series),
        device_info={"identifiers": [TOPICS.node_id(series)]},
        entities=(*ha.metric_entities(["pv_power"]), *entities(series=series).values()),
    )
    return {
        topic: json.loads(text)
        for topic, text in ha.discovery_messages(TOPICS, "homeassistant", form, device, "1.0").items()
    }


def test_discovery_of_both_formats_keeps_the_state_topic_of_settings():
    single = described("entities")
    assert single["homeassistant/number/heliograph_toy_1_DEV1/set_charge_stop_soc/config"]["state_topic"].endswith(
        "settings"
    )
    assert single["homeassistant/sensor/heliograph_toy_1_DEV1/pv_power/config"]["state_topic"].endswith("/state")
    (whole,) = described("devices").values()
    components = whole["components"]
    assert components["set_charge_stop_soc"]["state_topic"].endswith("settings")
    assert components["set_charge_stop_soc"]["unique_id"] == "heliograph_toy_1_DEV1_set_charge_stop_soc"
    assert "state_topic" not in components["pv_power"]


def test_topics_of_a_hostile_device_stay_below_their_root():
    series = Series("toy", "a/+#", "\ud800$SYS/..")
    for one in entities(series=series).values():
        topic = one.config["command_topic"]
        assert re.fullmatch(r"heliograph/toy/[A-Za-z0-9-]+/[A-Za-z0-9-]+/set/[a-z0-9_]+/[a-z0-9_]+", topic)
        assert TOPICS.result(topic) == topic.partition("/set/")[0] + "/result"


def test_discovery_topics_of_settings_are_recognised():
    for topic in described("entities"):
        assert ha.DiscoveryTopic.parse("homeassistant", topic).node_id == "heliograph_toy_1_DEV1"
    assert ha.DiscoveryTopic.parse("homeassistant", "homeassistant/lock/heliograph_toy_1_DEV1/x/config") is None


def catalogues():
    yield from ((f"growatt {family}", tuple(one.settings)) for family, one in GROWATT.items())
    yield from ((f"goodwe {family}", tuple(entry.setting for entry in one)) for family, one in GOODWE.items())


@pytest.mark.parametrize(("family", "settings"), list(catalogues()))
def test_keys_of_every_catalogue_are_unique_and_safe(family, settings):
    found = controls_of(settings, ALL)
    keys = [one.key for one in found]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z0-9_]{1,60}", key) for key in keys)
    assert "read_at" not in keys
    for entity in control_entities(TOPICS, BOX, found, ALL):
        assert entity.key not in {*METRICS, *DEVICE_METRICS}
        assert entity.config["value_template"] == f"{{{{ value_json.{entity.key.removeprefix('set_')} }}}}"
        if entity.platform == "number":
            assert entity.config["min"] < entity.config["max"]
            assert entity.config["step"] >= 0.001  # the smallest that Home Assistant accepts


def test_settings_message_survives_a_restart_unless_something_is_missing():
    number = Parameter(name="value", kind="number", low=0, high=100)
    hidden = Parameter(name="remember", kind="switch", readable=False)
    controls = controls_of([Setting(name="rate", title="Rate", parameters=(number, hidden))], ALL)
    message = settings_message(controls, {"rate": {"value": 90.0, "remember": True}}, 1_780_000_000.0)
    assert message == {"rate": 90.0, "rate_remember": None, "read_at": "2026-05-28T20:26:40+00:00"}
    assert parse_settings_message(controls, json.dumps(message)) == (
        1_780_000_000.0,
        {"rate": {"value": 90.0, "remember": None}},
    )
    for damaged in (
        {**message, "rate": None},
        {**message, "rate": []},
        {"rate": 90.0},
        {**message, "read_at": "x"},
        [],
    ):
        assert parse_settings_message(controls, json.dumps(damaged)) is None
    assert parse_settings_message(controls, "[" * 100_000) is None
    assert settings_message(controls, {}, None) == {"rate": None, "rate_remember": None, "read_at": None}
