"""What Home Assistant is told so that it makes entities by itself: pure, derived from `metrics.py`.

One message for each entity, which every version understands, or one for each device, for those of 2024.11 and later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.collect.freshness import Freshness
from heliograph.metrics import METRICS
from heliograph.model import Status
from heliograph.outputs.mqtt.topics import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.current import AccountNow, DeviceNow, PlantNow
    from heliograph.metrics import Kind, Metric, Unit
    from heliograph.outputs.mqtt.topics import Topics

Form = Literal["entities", "devices"]

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
_STATE_CLASSES: Mapping[Kind, str] = {
    "gauge": "measurement",
    "today": "total_increasing",
    "total": "total_increasing",
}
_CAPITALS = {"pv": "PV", "ac": "AC", "soc": "state of charge"}


class Entity(NamedTuple):
    """One entity, by the key of the state it shows."""

    key: str
    name: str
    more: Mapping[str, Any]
    platform: str = "sensor"
    """The kind of entity; all but `binary_sensor` are sensors."""
    heard: bool = False
    """Whether it is only available while its plant is heard when it should be."""


class Thing(NamedTuple):
    """One device of Home Assistant's registry: a plant, a box of it, or an account."""

    node: str
    state: str
    about: Mapping[str, Any]
    entities: tuple[Entity, ...]
    availability: str | None = None


def plant_thing(topics: Topics, plant: PlantNow, metrics: Iterable[str]) -> Thing:
    """Return a plant with the entities of these metrics."""
    return Thing(
        node=topics.node(plant.series),
        state=topics.state(plant.series),
        about=_about(topics.node(plant.series), plant.title, plant.series.vendor, "Plant"),
        entities=(*measured(metrics), _STATUS, _FRESHNESS, _MEASURED_AT),
        availability=topics.availability(plant.series),
    )


def device_thing(topics: Topics, plant: PlantNow, device: DeviceNow, metrics: Iterable[str]) -> Thing:
    """Return a box of a plant with the entities of these metrics."""
    about = _about(topics.node(device.series), device.title, device.series.vendor, device.family)
    return Thing(
        node=topics.node(device.series),
        state=topics.state(device.series),
        about={**about, "via_device": topics.node(plant.series)},
        entities=(*measured(metrics), _STATUS, _MEASURED_AT),
        availability=topics.availability(plant.series),
    )


def account_thing(topics: Topics, account: AccountNow) -> Thing:
    """Return an account with what is used of its budget, and whether it is in trouble."""
    node = topics.account_node(account.name)
    about = _about(node, f"{account.name} account", account.vendor, "Account")
    return Thing(node, topics.account(account.name), about, _ACCOUNT)


def discovery(topics: Topics, prefix: str, form: Form, thing: Thing, version: str) -> dict[str, str]:
    """Return what to keep at the broker for a thing, by topic."""
    shared = {
        "device": thing.about,
        "origin": {"name": "Heliograph", "sw_version": version},
        "state_topic": thing.state,
        "qos": 1,
    }
    entities = {one.key: (one.platform, _config(topics, thing, one)) for one in thing.entities}
    if form == "devices":
        components = {key: {"platform": platform, **config} for key, (platform, config) in entities.items()}
        return {f"{prefix}/device/{thing.node}/config": _text({**shared, "components": components})}
    return {
        f"{prefix}/{platform}/{thing.node}/{key}/config": _text({**config, **shared})
        for key, (platform, config) in entities.items()
    }


def filters(prefix: str) -> tuple[str, ...]:
    """Return what to subscribe to for all that is announced below a prefix."""
    return (f"{prefix}/sensor/+/+/config", f"{prefix}/binary_sensor/+/+/config", f"{prefix}/device/+/config")


class Announced(NamedTuple):
    """Whose message a topic of discovery holds; a message of the form "devices" has no key."""

    node: str
    key: str | None

    @classmethod
    def at(cls, prefix: str, topic: str) -> Announced | None:
        """Read a topic, if it is one of discovery."""
        match topic.removeprefix(f"{prefix}/").split("/"):
            case ["device", node, "config"]:
                return cls(node, None)
            case ["sensor" | "binary_sensor", node, key, "config"]:
                return cls(node, key)
        return None

    @property
    def form(self) -> Form:
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


def measured(metrics: Iterable[str]) -> tuple[Entity, ...]:
    """Return the entities of these metrics, in the order of the table."""
    wanted = set(metrics)
    return tuple(_entity(metric) for name, metric in METRICS.items() if name in wanted)


def _entity(metric: Metric) -> Entity:
    device_class, decimals = _CLASSES[metric.unit]
    more = {
        "device_class": device_class,
        "state_class": _STATE_CLASSES[metric.kind],
        "unit_of_measurement": metric.unit,
        "suggested_display_precision": decimals,
    }
    return Entity(metric.name, _words(metric.name), more, heard=True)


def _words(name: str) -> str:
    """Return a metric's name for a person.

    >>> _words("grid_import_energy_today"), _words("pv_power"), _words("battery_soc")
    ('Grid import energy today', 'PV power', 'Battery state of charge')
    """
    text = " ".join(_CAPITALS.get(word, word) for word in name.split("_"))
    return text[0].upper() + text[1:]


def _about(node: str, title: str, vendor: str, model: str | None) -> dict[str, Any]:
    about = {"identifiers": [node], "name": shown(title) or node, "manufacturer": shown(vendor).capitalize()}
    return about if not model else {**about, "model": shown(model)}


def _config(topics: Topics, thing: Thing, entity: Entity) -> dict[str, Any]:
    available = [topics.status]
    if entity.heard and thing.availability:
        available.append(thing.availability)
    return {
        "name": entity.name,
        "unique_id": f"{thing.node}_{entity.key}",
        # Every key is in every state, unknown ones null, which Home Assistant shows as unknown; no word of a cloud
        # ever stands in a template.
        "value_template": f"{{{{ value_json.{entity.key} }}}}",
        "availability": [{"topic": topic} for topic in available],
        "availability_mode": "all",
        **entity.more,
        **({"json_attributes_topic": thing.state} if "json_attributes_template" in entity.more else {}),
    }


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


_DIAGNOSTIC = {"entity_category": "diagnostic"}
_STATUS = Entity("status", "Status", {"device_class": "enum", "options": [one.value for one in Status]})
_FRESHNESS = Entity(
    "freshness", "Freshness", {**_DIAGNOSTIC, "device_class": "enum", "options": [one.value for one in Freshness]}
)
_MEASURED_AT = Entity("measured_at", "Last sample", {**_DIAGNOSTIC, "device_class": "timestamp"})

_COUNT = {**_DIAGNOSTIC, "state_class": "measurement", "unit_of_measurement": "requests"}
_TROUBLE = {
    **_DIAGNOSTIC,
    "device_class": "problem",
    "payload_on": "True",
    "payload_off": "False",
    "json_attributes_template": "{{ value_json.details | tojson }}",
}
_ACCOUNT = (
    Entity("requests_used", "Requests used", _COUNT),
    Entity("requests_limit", "Requests allowed", _COUNT),
    Entity("locked", "Locked", _TROUBLE, "binary_sensor"),
    Entity("failing", "Trouble", _TROUBLE, "binary_sensor"),
)
