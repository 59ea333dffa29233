"""What Home Assistant is told so that it makes entities by itself: pure, derived from `metrics.py`.

One message for each entity, which every version understands, or one for each device, for those of 2024.11 and later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.collect.freshness import Freshness
from heliograph.metrics import METRICS
from heliograph.model import Status
from heliograph.outputs.mqtt.topics import display_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.metrics import Metric, MetricKind, Unit
    from heliograph.outputs.mqtt.topics import Topics

DiscoveryFormat = Literal["entities", "devices"]

MIGRATE = '{"migrate_discovery":true}'
"""Sent to a topic of the other form: entities keep their settings while another message takes them over."""

ONLINE, OFFLINE = "online", "offline"

_CLASSES: Mapping[Unit, tuple[str, int]] = {
    "W": ("power", 0),
    "kWh": ("energy", 2),
    "%": ("battery", 0),
    "V": ("voltage", 1),
    "A": ("current", 2),
    "Hz": ("frequency", 2),
    "°C": ("temperature", 1),
}
"""The device class of a unit, and the decimals worth showing."""

# Home Assistant reads a fall of `total_increasing` as the start of a new cycle, which is what midnight is for a day's
# counter; `total` would need the moment of each reset, and a plant's clock tells that only to the minute.
_STATE_CLASSES: Mapping[MetricKind, str] = {
    "gauge": "measurement",
    "today": "total_increasing",
    "total": "total_increasing",
}
_CAPITALS = {"pv": "PV", "ac": "AC", "soc": "state of charge"}


class HaEntity(NamedTuple):
    """One entity, by the key of the state it shows."""

    key: str
    name: str
    config: Mapping[str, Any]
    platform: str = "sensor"
    """The kind of entity; all but `binary_sensor` are sensors."""
    needs_live_plant: bool = False
    """Whether it is only available while its plant is heard when it should be."""


class HaDevice(NamedTuple):
    """One device of Home Assistant's registry: a plant, a box of it, or an account."""

    node_id: str
    state_topic: str
    device_info: Mapping[str, Any]
    entities: tuple[HaEntity, ...]
    availability_topic: str | None = None


def describe_plant(topics: Topics, plant: PlantState, metrics: Iterable[str]) -> HaDevice:
    """Return a plant with the entities of these metrics."""
    return HaDevice(
        node_id=topics.node_id(plant.series),
        state_topic=topics.state(plant.series),
        device_info=_about(topics.node_id(plant.series), plant.title, plant.series.vendor, "Plant"),
        entities=(*metric_entities(metrics), _STATUS, _FRESHNESS, _MEASURED_AT),
        availability_topic=topics.availability(plant.series),
    )


def describe_device(topics: Topics, plant: PlantState, device: DeviceState, metrics: Iterable[str]) -> HaDevice:
    """Return a box of a plant with the entities of these metrics."""
    about = _about(topics.node_id(device.series), device.title, device.series.vendor, device.family)
    return HaDevice(
        node_id=topics.node_id(device.series),
        state_topic=topics.state(device.series),
        device_info={**about, "via_device": topics.node_id(plant.series)},
        entities=(*metric_entities(metrics), _STATUS, _MEASURED_AT),
        availability_topic=topics.availability(plant.series),
    )


def describe_account(topics: Topics, account: AccountStatus) -> HaDevice:
    """Return an account with what is used of its budget, and whether it is in trouble."""
    node = topics.account_node_id(account.name)
    about = _about(node, f"{account.name} account", account.vendor, "Account")
    return HaDevice(node, topics.account(account.name), about, _ACCOUNT)


def discovery_messages(
    topics: Topics, prefix: str, form: DiscoveryFormat, thing: HaDevice, version: str
) -> dict[str, str]:
    """Return what to keep at the broker for a thing, by topic."""
    shared = {
        "device": thing.device_info,
        "origin": {"name": "Heliograph", "sw_version": version},
        "state_topic": thing.state_topic,
        "qos": 1,
    }
    entities = {one.key: (one.platform, _config(topics, thing, one)) for one in thing.entities}
    if form == "devices":
        components = {key: {"platform": platform, **config} for key, (platform, config) in entities.items()}
        return {f"{prefix}/device/{thing.node_id}/config": _text({**shared, "components": components})}
    return {
        f"{prefix}/{platform}/{thing.node_id}/{key}/config": _text({**config, **shared})
        for key, (platform, config) in entities.items()
    }


def discovery_filters(prefix: str) -> tuple[str, ...]:
    """Return what to subscribe to for all that is announced below a prefix."""
    return (f"{prefix}/sensor/+/+/config", f"{prefix}/binary_sensor/+/+/config", f"{prefix}/device/+/config")


class DiscoveryTopic(NamedTuple):
    """Whose message a topic of discovery holds; a message of the form "devices" has no key."""

    node_id: str
    key: str | None

    @classmethod
    def parse(cls, prefix: str, topic: str) -> DiscoveryTopic | None:
        """Read a topic, if it is one of discovery."""
        match topic.removeprefix(f"{prefix}/").split("/"):
            case ["device", node, "config"]:
                return cls(node, None)
            case ["sensor" | "binary_sensor", node, key, "config"]:
                return cls(node, key)
        return None

    @property
    def format(self) -> DiscoveryFormat:
        """The form of the message."""
        return "devices" if self.key is None else "entities"

    def metrics(self, payload: str) -> set[str]:
        """Return the metrics a message announces."""
        if self.key is not None:
            return {self.key} & METRICS.keys()
        try:
            components = json.loads(payload)["components"]
        except (ValueError, LookupError, TypeError):
            return set()
        return set(components) & METRICS.keys() if isinstance(components, dict) else set()


def metric_entities(metrics: Iterable[str]) -> tuple[HaEntity, ...]:
    """Return the entities of these metrics, in the order of the table."""
    wanted = set(metrics)
    return tuple(_entity(metric) for name, metric in METRICS.items() if name in wanted)


def _entity(metric: Metric) -> HaEntity:
    device_class, decimals = _CLASSES[metric.unit]
    more = {
        "device_class": device_class,
        "state_class": _STATE_CLASSES[metric.kind],
        "unit_of_measurement": metric.unit,
        "suggested_display_precision": decimals,
    }
    return HaEntity(metric.name, _words(metric.name), more, needs_live_plant=True)


def _words(name: str) -> str:
    """Return a metric's name for a person.

    >>> _words("grid_import_energy_today"), _words("pv_power"), _words("battery_soc")
    ('Grid import energy today', 'PV power', 'Battery state of charge')
    """
    text = " ".join(_CAPITALS.get(word, word) for word in name.split("_"))
    return text[0].upper() + text[1:]


def _about(node: str, title: str, vendor: str, model: str | None) -> dict[str, Any]:
    about = {
        "identifiers": [node],
        "name": display_text(title) or node,
        "manufacturer": display_text(vendor).capitalize(),
    }
    return about if not model else {**about, "model": display_text(model)}


def _config(topics: Topics, thing: HaDevice, entity: HaEntity) -> dict[str, Any]:
    available = [topics.status]
    if entity.needs_live_plant and thing.availability_topic:
        available.append(thing.availability_topic)
    return {
        "name": entity.name,
        "unique_id": f"{thing.node_id}_{entity.key}",
        # Every key is in every state, unknown ones null, which Home Assistant shows as unknown; no word of a cloud
        # ever stands in a template.
        "value_template": f"{{{{ value_json.{entity.key} }}}}",
        "availability": [{"topic": topic} for topic in available],
        "availability_mode": "all",
        **entity.config,
        **({"json_attributes_topic": thing.state_topic} if "json_attributes_template" in entity.config else {}),
    }


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


_DIAGNOSTIC = {"entity_category": "diagnostic"}
_STATUS = HaEntity("status", "Status", {"device_class": "enum", "options": [one.value for one in Status]})
_FRESHNESS = HaEntity(
    "freshness", "Freshness", {**_DIAGNOSTIC, "device_class": "enum", "options": [one.value for one in Freshness]}
)
_MEASURED_AT = HaEntity("measured_at", "Last sample", {**_DIAGNOSTIC, "device_class": "timestamp"})

_COUNT = {**_DIAGNOSTIC, "state_class": "measurement", "unit_of_measurement": "requests"}
_TROUBLE = {
    **_DIAGNOSTIC,
    "device_class": "problem",
    "payload_on": "True",
    "payload_off": "False",
    "json_attributes_template": "{{ value_json.details | tojson }}",
}
_ACCOUNT = (
    HaEntity("requests_used", "Requests used", _COUNT),
    HaEntity("requests_limit", "Requests allowed", _COUNT),
    HaEntity("locked", "Locked", _TROUBLE, "binary_sensor"),
    HaEntity("failing", "Trouble", _TROUBLE, "binary_sensor"),
)
