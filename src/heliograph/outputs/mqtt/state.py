"""What an MQTT broker should hold of plants, devices and accounts at this moment, as topics and texts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph import __version__
from heliograph.collect.freshness import Freshness
from heliograph.current import CurrentState
from heliograph.metrics import METRICS, published_value
from heliograph.outputs.mqtt import discovery as ha
from heliograph.outputs.mqtt.topics import Topics, display_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from heliograph.config import MqttConfig
    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.store.base import Series, Store

_LOCKED = {"locked", "blocked"}


class DesiredState:
    """What the broker should hold, as the store knows it; remembers which metrics a plant ever told."""

    def __init__(self, config: MqttConfig, accounts: Callable[[], Iterable[AccountStatus]]) -> None:
        self.newest: int | None = None
        """The moment of the newest sample in the messages."""
        self._config = config
        self._accounts = accounts
        self._topics = Topics(config.topic)
        self._overview: CurrentState | None = None
        self._told: dict[str, set[str]] = {}
        self._announcements: dict[str, tuple[ha.HaDevice, dict[str, str]]] = {}

    def restore_metrics(self, held: Mapping[str, str]) -> None:
        """Learn from what was announced which metrics a plant tells: at night it tells none of its powers."""
        for topic, payload in held.items():
            if announced := ha.DiscoveryTopic.parse(self._config.prefix, topic):
                self._told.setdefault(announced.node_id, set()).update(announced.metrics(payload))

    def messages(self, store: Store, now: int) -> dict[str, str]:
        """Return everything to be held, by topic, in the order it is to be sent; nothing while there is no plant."""
        if self._overview is None or self._overview.store is not store:
            self._overview = CurrentState(store)
        plants = self._overview.plants(now)
        self.newest = max((one.measured_at for one in plants if one.measured_at is not None), default=None)
        if not plants:
            return {}
        accounts = tuple(self._accounts())
        announced: dict[str, str] = {}
        if self._config.discovery != "none":
            for thing in self._things(accounts, plants):
                announced.update(self._announcement(thing, self._config.discovery))
        return announced | dict(self._states(accounts, plants)) | {self._topics.status: ha.ONLINE}

    def _things(self, accounts: Iterable[AccountStatus], plants: Iterable[PlantState]) -> Iterator[ha.HaDevice]:
        for account in accounts:
            yield ha.describe_account(self._topics, account)
        for plant in plants:
            yield ha.describe_plant(self._topics, plant, self._ever_told(plant.series, plant.values))
            for one in plant.devices:
                yield ha.describe_device(self._topics, plant, one, self._ever_told(one.series, one.values))

    def _ever_told(self, series: Series, values: Mapping[str, float | None]) -> set[str]:
        told = self._told.setdefault(self._topics.node_id(series), set())
        told.update(name for name, value in values.items() if value is not None)
        return told

    def _announcement(self, thing: ha.HaDevice, form: ha.DiscoveryFormat) -> dict[str, str]:
        known = self._announcements.get(thing.node_id)
        if known is None or known[0] != thing:
            written = ha.discovery_messages(self._topics, self._config.prefix, form, thing, __version__)
            known = self._announcements[thing.node_id] = thing, written
        return known[1]

    def _states(self, accounts: Iterable[AccountStatus], plants: Iterable[PlantState]) -> Iterator[tuple[str, str]]:
        for account in accounts:
            yield self._topics.account(account.name), _json(account_state(account))
        for plant in plants:
            yield self._topics.state(plant.series), _json(plant_state(plant))
            yield self._topics.availability(plant.series), availability(plant)
            for device in plant.devices:
                yield self._topics.state(device.series), _json(device_state(device))


def plant_state(plant: PlantState) -> dict[str, Any]:
    """Return a plant as its topic tells it: flat, with every metric, unknown ones None."""
    about = {
        "vendor": plant.series.vendor,
        "plant": display_text(plant.series.plant),
        "name": plant.name and display_text(plant.name),
    }
    return {**about, "freshness": plant.freshness.value, **_measured(plant)}


def device_state(device: DeviceState) -> dict[str, Any]:
    """Return a device as its topic tells it."""
    series = device.series
    about = {"vendor": series.vendor, "plant": display_text(series.plant), "device": display_text(series.device)}
    return {
        **about,
        "name": device.name and display_text(device.name),
        "family": device.family and display_text(device.family),
        **_measured(device),
    }


def account_state(account: AccountStatus) -> dict[str, Any]:
    """Return an account as its topic tells it; what its budget is unknown for is None."""
    budget = account.budget
    pause = budget.pause if budget else None
    return {
        "account": display_text(account.name),
        "vendor": account.vendor,
        "requests_used": budget.requests_used if budget else None,
        "requests_limit": budget.daily if budget else None,
        "locked": (pause is not None and pause.kind in _LOCKED) if budget else None,
        "failing": account.problem is not None,
        "details": {
            "problem": account.problem and display_text(account.problem, 300),
            "pause": pause.kind if pause else None,
            "until": pause.until.astimezone(UTC).isoformat(timespec="seconds") if pause else None,
        },
    }


def availability(plant: PlantState) -> str:
    """Return whether a plant is heard; one that sleeps as expected is."""
    return ha.OFFLINE if plant.freshness is Freshness.OFFLINE_UNEXPECTED else ha.ONLINE


def _measured(source: PlantState | DeviceState) -> dict[str, Any]:
    at = source.measured_at
    return {
        "status": source.status.value if source.status else None,
        "measured_at": None if at is None else datetime.fromtimestamp(at, UTC).isoformat(),
        **{name: published_value(source.values.get(name)) for name in METRICS},
    }


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
