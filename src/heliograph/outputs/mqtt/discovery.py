"""Home Assistant MQTT discovery messages, derived from `metrics`.

One message per entity, for every version of Home Assistant, or one per device, for version 2024.11 and later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.collect.freshness import Freshness
from heliograph.metrics import METRICS, display_name
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import Status
from heliograph.outputs.mqtt.topics import display_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.metrics import Metric, MetricKind, Unit
    from heliograph.metrics.device import DeviceMetric
    from heliograph.outputs.mqtt.topics import Topics

DiscoveryFormat = Literal["entities", "devices"]

MIGRATE = '{"migrate_discovery":true}'
"""Payload for a topic of the other format: entities keep their settings while the new message takes them over."""

ONLINE, OFFLINE = "online", "offline"

PLATFORMS = ("sensor", "binary_sensor", "number", "select", "switch", "time")
"""The entity types of the messages."""

_CLASSES: Mapping[Unit, tuple[str, int]] = {
    "W": ("power", 0),
    "kWh": ("energy", 2),
    "%": ("battery", 0),
    "V": ("voltage", 1),
    "A": ("current", 2),
    "Hz": ("frequency", 2),
    "°C": ("temperature", 1),
}
"""Device class and displayed decimals of each unit."""

# Home Assistant treats a decrease of `total_increasing` as a reset, as at midnight; `total` would need the exact time
# of each reset, which is known only to the minute.
_STATE_CLASSES: Mapping[MetricKind, str] = {
    "gauge": "measurement",
    "today": "total_increasing",
    "total": "total_increasing",
}
_WORDS = {"pv": "PV", "ac": "AC", "soc": "state of charge"}


_DEVICE_CLASSES: dict[str, tuple[str, int]] = {
    **{unit: known for unit, known in _CLASSES.items() if unit != "%"},
    "mA": ("current", 0),
    "VA": ("apparent_power", 0),
    "var": ("reactive_power", 0),
    "h": ("duration", 0),
}
_REMEMBERED = {*METRICS, *DEVICE_METRICS}
"""The keys of entities that stay announced once their value has been reported."""
_DIAGNOSTIC = {"entity_category": "diagnostic"}


class HaEntity(NamedTuple):
    """One entity; `key` is the key of its value in the state message."""

    key: str
    name: str
    config: Mapping[str, Any]
    platform: str = "sensor"
    """Entity type, one of `PLATFORMS`."""
    needs_live_plant: bool = False
    """True if the entity becomes unavailable while its plant is unexpectedly offline."""


class HaDevice(NamedTuple):
    """One device in Home Assistant's registry: a plant, a device of a plant, or an account."""

    node_id: str
    state_topic: str
    device_info: Mapping[str, Any]
    entities: tuple[HaEntity, ...]
    availability_topic: str | None = None


def describe_plant(
    topics: Topics,
    plant: PlantState,
    metrics: Iterable[str],
    currency: str | None = None,
    controls: Iterable[HaEntity] = (),
) -> HaDevice:
    """Return the Home Assistant device of a plant with entities for these metrics, and for money if it has a tariff.

    `controls` are the entities that change its settings.
    """
    own = (_STATUS, _FRESHNESS, _MEASURED_AT, _ALARM, _LAST_EVENT)
    return HaDevice(
        node_id=topics.node_id(plant.series),
        state_topic=topics.state(plant.series),
        device_info=_device_info(topics.node_id(plant.series), plant.title, plant.series.vendor, "Plant"),
        entities=(*metric_entities(metrics), *money_entities(currency), *own, *controls),
        availability_topic=topics.availability(plant.series),
    )


def describe_device(
    topics: Topics, plant: PlantState, device: DeviceState, metrics: Iterable[str], controls: Iterable[HaEntity] = ()
) -> HaDevice:
    """Return the Home Assistant device of a plant's device with entities for these metrics and its settings."""
    own = (_STATUS, _MEASURED_AT)
    info = _device_info(topics.node_id(device.series), device.title, device.series.vendor, device.family)
    return HaDevice(
        node_id=topics.node_id(device.series),
        state_topic=topics.state(device.series),
        device_info={**info, "via_device": topics.node_id(plant.series)},
        entities=(*metric_entities(metrics), *device_metric_entities(metrics), *own, *controls),
        availability_topic=topics.availability(plant.series),
    )


def describe_account(topics: Topics, account: AccountStatus) -> HaDevice:
    """Return the Home Assistant device of an account: request quota, lock and problem."""
    node_id = topics.account_node_id(account.name)
    info = _device_info(node_id, f"{account.name} account", account.vendor, "Account")
    return HaDevice(node_id, topics.account(account.name), info, _ACCOUNT)


def discovery_messages(
    topics: Topics, prefix: str, discovery_format: DiscoveryFormat, device: HaDevice, version: str
) -> dict[str, str]:
    """Return the retained discovery messages of a device by topic."""
    shared = {
        "device": device.device_info,
        "origin": {"name": "Heliograph", "sw_version": version},
        "state_topic": device.state_topic,
        "qos": 1,
    }
    entities = {entity.key: (entity.platform, _config(topics, device, entity)) for entity in device.entities}
    if discovery_format == "devices":
        components = {key: {"platform": platform, **config} for key, (platform, config) in entities.items()}
        return {f"{prefix}/device/{device.node_id}/config": _json({**shared, "components": components})}
    return {
        f"{prefix}/{platform}/{device.node_id}/{key}/config": _json(
            {**config, **{name: value for name, value in shared.items() if name not in config}}
        )
        for key, (platform, config) in entities.items()
    }


def discovery_filters(prefix: str) -> tuple[str, ...]:
    """Return the topic filters of all discovery messages below a prefix."""
    return (*(f"{prefix}/{platform}/+/+/config" for platform in PLATFORMS), f"{prefix}/device/+/config")


class DiscoveryTopic(NamedTuple):
    """A parsed discovery topic; `key` is None in the format "devices"."""

    node_id: str
    key: str | None

    @classmethod
    def parse(cls, prefix: str, topic: str) -> DiscoveryTopic | None:
        """Parse a topic; None if it is not a discovery topic."""
        match topic.removeprefix(f"{prefix}/").split("/"):
            case ["device", node_id, "config"]:
                return cls(node_id, None)
            case [platform, node_id, key, "config"] if platform in PLATFORMS:
                return cls(node_id, key)
        return None

    @property
    def format(self) -> DiscoveryFormat:
        """Format of the message."""
        return "devices" if self.key is None else "entities"

    def metrics(self, payload: str) -> set[str]:
        """Return the metrics that a message contains."""
        if self.key is not None:
            return {self.key} & _REMEMBERED
        try:
            components = json.loads(payload)["components"]
        except (ValueError, LookupError, TypeError):
            return set()
        return set(components) & _REMEMBERED if isinstance(components, dict) else set()


def metric_entities(metrics: Iterable[str]) -> tuple[HaEntity, ...]:
    """Return the entities of these metrics, in the order of `METRICS`."""
    selected = set(metrics)
    return tuple(_entity(metric) for name, metric in METRICS.items() if name in selected)


def money_entities(currency: str | None) -> tuple[HaEntity, ...]:
    """Return the entities of the money of today; none without a tariff.

    Home Assistant allows only the state class `total` for money, and needs the time of the reset at midnight: a price
    may be negative, so that a decrease is no reset.
    """
    if currency is None:
        return ()
    shared = {"state_class": "total", "last_reset_value_template": "{{ value_json.money_since }}"}
    amount = {**shared, "device_class": "monetary", "unit_of_measurement": currency, "suggested_display_precision": 2}
    avoided = {**shared, "device_class": "weight", "unit_of_measurement": "kg", "suggested_display_precision": 1}
    return (
        HaEntity("cost_today", "Cost today", amount, needs_live_plant=True),
        HaEntity("income_today", "Income today", amount, needs_live_plant=True),
        HaEntity("savings_today", "Savings today", amount, needs_live_plant=True),
        HaEntity("co2_today", "CO2 avoided today", avoided, needs_live_plant=True),
    )


def device_metric_entities(names: Iterable[str]) -> tuple[HaEntity, ...]:
    """Return the entities of these device metrics: diagnostic, and disabled until a person enables them."""
    selected = set(names)
    return tuple(_device_entity(metric) for name, metric in DEVICE_METRICS.items() if name in selected)


def _device_entity(metric: DeviceMetric) -> HaEntity:
    config: dict[str, Any] = {**_DIAGNOSTIC, "enabled_by_default": False}
    if metric.kind != "text":
        config["state_class"] = _STATE_CLASSES[metric.kind]
    if metric.unit:
        config["unit_of_measurement"] = metric.unit
    if (known := _DEVICE_CLASSES.get(metric.unit)) is not None:
        config["device_class"], config["suggested_display_precision"] = known
    return HaEntity(metric.name, display_name(metric.name, _WORDS), config, needs_live_plant=True)


def _entity(metric: Metric) -> HaEntity:
    device_class, decimals = _CLASSES[metric.unit]
    config = {
        "device_class": device_class,
        "state_class": _STATE_CLASSES[metric.kind],
        "unit_of_measurement": metric.unit,
        "suggested_display_precision": decimals,
    }
    return HaEntity(metric.name, display_name(metric.name, _WORDS), config, needs_live_plant=True)


def _device_info(node_id: str, title: str, vendor: str, model: str | None) -> dict[str, Any]:
    info = {
        "identifiers": [node_id],
        "name": display_text(title) or node_id,
        "manufacturer": display_text(vendor).capitalize(),
    }
    return info if not model else {**info, "model": display_text(model)}


def _config(topics: Topics, device: HaDevice, entity: HaEntity) -> dict[str, Any]:
    topic_list = [topics.status]
    if entity.needs_live_plant and device.availability_topic:
        topic_list.append(device.availability_topic)
    return {
        "name": entity.name,
        "unique_id": f"{device.node_id}_{entity.key}",
        # Every state contains every key; null is shown as unknown. Templates contain no text from a cloud.
        "value_template": f"{{{{ value_json.{entity.key} }}}}",
        "availability": [{"topic": topic} for topic in topic_list],
        "availability_mode": "all",
        **entity.config,
        **({"json_attributes_topic": device.state_topic} if "json_attributes_template" in entity.config else {}),
    }


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


_STATUS = HaEntity("status", "Status", {"device_class": "enum", "options": [status.value for status in Status]})
_FRESHNESS = HaEntity(
    "freshness",
    "Freshness",
    {**_DIAGNOSTIC, "device_class": "enum", "options": [freshness.value for freshness in Freshness]},
)
_MEASURED_AT = HaEntity("measured_at", "Last update", {**_DIAGNOSTIC, "device_class": "timestamp"})

_ALARM = HaEntity(
    "alarm",
    "Alarm",
    {
        "device_class": "problem",
        "payload_on": "True",
        "payload_off": "False",
        "json_attributes_template": "{{ {'alarms': value_json.alarms} | tojson }}",
    },
    "binary_sensor",
)

_LAST_EVENT = HaEntity(
    "last_event",
    "Last event",
    {**_DIAGNOSTIC, "json_attributes_template": "{{ value_json.event | tojson if value_json.event else '{}' }}"},
)

_COUNT = {**_DIAGNOSTIC, "state_class": "measurement", "unit_of_measurement": "requests"}
_PROBLEM = {
    **_DIAGNOSTIC,
    "device_class": "problem",
    "payload_on": "True",
    "payload_off": "False",
    "json_attributes_template": "{{ value_json.details | tojson }}",
}
_ACCOUNT = (
    HaEntity("requests_used", "Requests used", _COUNT),
    HaEntity("requests_limit", "Request limit", _COUNT),
    HaEntity("locked", "Locked", _PROBLEM, "binary_sensor"),
    HaEntity("failing", "Problem", _PROBLEM, "binary_sensor"),
)
