"""The retained MQTT messages of plants, devices and accounts that the broker should currently have."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph import __version__
from heliograph.alarms.model import RULES, AlarmState
from heliograph.alarms.monitor import stored_alarms
from heliograph.collect.freshness import Freshness
from heliograph.current import CurrentState
from heliograph.metrics import METRICS, published_value
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import EventKind
from heliograph.outputs.mqtt import discovery as ha
from heliograph.outputs.mqtt.topics import Topics, display_text
from heliograph.tariffs.money import MONEY
from heliograph.tariffs.reader import MoneyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from heliograph.alarms.model import Alarm
    from heliograph.config import MqttConfig
    from heliograph.current import AccountStatus, DeviceState, PlantState
    from heliograph.outputs.mqtt.discovery import HaEntity
    from heliograph.outputs.mqtt.settings_control import SettingsControl
    from heliograph.store.base import PollStatus, Series, Store, StoredEvent
    from heliograph.tariffs.reader import MoneyToday


EVENT_DAYS = 30
"""Days for which the last event of a plant is published."""
_MAX_EVENTS = 10_000
_LOCKED = {"locked", "blocked"}


class DesiredState:
    """Computes the desired retained messages; remembers which metrics each plant has ever reported."""

    def __init__(
        self,
        config: MqttConfig,
        accounts: Callable[[], Iterable[AccountStatus]],
        money: MoneyReader | None = None,
        control: SettingsControl | None = None,
    ) -> None:
        self.newest: int | None = None
        """Time of the newest sample in the messages."""
        self._config = config
        self._accounts = accounts
        self._money = money or MoneyReader()
        self._control = control
        self._topics = Topics(config.topic)
        self._current: CurrentState | None = None
        self._reported: dict[str, set[str]] = {}
        self._discovery: dict[str, tuple[ha.HaDevice, dict[str, str]]] = {}

    def restore_metrics(self, retained: Mapping[str, str]) -> None:
        """Restore the reported metrics from discovery messages: at night a plant reports no powers."""
        for topic, payload in retained.items():
            if parsed := ha.DiscoveryTopic.parse(self._config.prefix, topic):
                self._reported.setdefault(parsed.node_id, set()).update(parsed.metrics(payload))

    def messages(self, store: Store, now: int) -> dict[str, str]:
        """Return all desired messages by topic, in the order of sending; none while there is no plant."""
        if self._current is None or self._current.store is not store:
            self._current = CurrentState(store)
        plants = self._current.plants(now)
        self.newest = max((plant.measured_at for plant in plants if plant.measured_at is not None), default=None)
        if not plants:
            return {}
        accounts = tuple(self._accounts())
        money = {
            one.series: today
            for one in plants
            if (today := self._money.today(store, one.series, one.zone, one.values, one.measured_at, now))
        }
        controls = {} if self._control is None else self._control.update(plants)
        events = _newest_events(store, now)
        alarms = [(one, state) for one in stored_alarms(store) if one.is_active and (state := one.state(now))]
        discovery: dict[str, str] = {}
        if self._config.discovery != "none":
            for device in self._ha_devices(accounts, plants, money, controls):
                discovery.update(self._discovery_messages(device, self._config.discovery))
        states = dict(self._states(accounts, plants, money, alarms, events))
        if self._control is not None:
            states |= {topic: _json(settings) for topic, settings in self._control.states()}
        return discovery | states | {self._topics.status: ha.ONLINE}

    def _ha_devices(
        self,
        accounts: Iterable[AccountStatus],
        plants: Iterable[PlantState],
        money: Mapping[Series, MoneyToday],
        controls: Mapping[Series, Sequence[HaEntity]],
    ) -> Iterator[ha.HaDevice]:
        for account in accounts:
            yield ha.describe_account(self._topics, account)
        for plant in plants:
            metrics = self._reported_metrics(plant.series, plant.values)
            today = money.get(plant.series)
            own = controls.get(plant.series, ())
            yield ha.describe_plant(self._topics, plant, metrics, today and today.currency, own)
            for device in plant.devices:
                metrics = self._reported_metrics(device.series, {**device.values, **device.measurements})
                yield ha.describe_device(self._topics, plant, device, metrics, controls.get(device.series, ()))

    def _reported_metrics(self, series: Series, values: Mapping[str, float | str | None]) -> set[str]:
        reported = self._reported.setdefault(self._topics.node_id(series), set())
        reported.update(name for name, value in values.items() if value is not None)
        return reported

    def _discovery_messages(self, device: ha.HaDevice, discovery_format: ha.DiscoveryFormat) -> dict[str, str]:
        cached = self._discovery.get(device.node_id)
        if cached is None or cached[0] != device:
            messages = ha.discovery_messages(self._topics, self._config.prefix, discovery_format, device, __version__)
            cached = self._discovery[device.node_id] = device, messages
        return cached[1]

    def _states(
        self,
        accounts: Iterable[AccountStatus],
        plants: Iterable[PlantState],
        money: Mapping[Series, MoneyToday],
        alarms: Sequence[tuple[Alarm, AlarmState]],
        events: Mapping[Series, StoredEvent],
    ) -> Iterator[tuple[str, str]]:
        for account in accounts:
            yield self._topics.account(account.name), _json(account_state(account))
        for plant in plants:
            own = [one for one in alarms if one[0].subject[:2] == plant.series[:2]]
            event = events.get(plant.series)
            yield self._topics.state(plant.series), _json(plant_state(plant, money.get(plant.series), own, event))
            yield self._topics.availability(plant.series), availability(plant)
            for device in plant.devices:
                known = self._reported_metrics(device.series, device.measurements) & DEVICE_METRICS.keys()
                yield self._topics.state(device.series), _json(device_state(device, sorted(known)))


def plant_state(
    plant: PlantState,
    money: MoneyToday | None = None,
    alarms: Sequence[tuple[Alarm, AlarmState]] = (),
    event: StoredEvent | None = None,
) -> dict[str, Any]:
    """Return the state message of a plant: flat, with every metric (None if unknown), and money.

    `alarm` is true while the plant has an alarm that is neither over nor snoozed.
    """
    identity = {
        "vendor": plant.series.vendor,
        "plant": display_text(plant.series.plant),
        "name": plant.name and display_text(plant.name),
    }
    return {
        **identity,
        "freshness": plant.freshness.value,
        **_poll(plant.poll),
        **_measured(plant),
        "provisional": sorted(plant.provisional),
        "alarm": any(state is not AlarmState.SNOOZED for _, state in alarms),
        "alarms": [_alarm(*one) for one in alarms],
        "last_event": event and event_title(event),
        "event": event and event_details(event),
        **(money_state(money) if money else {}),
    }


def _newest_events(store: Store, now: int) -> dict[Series, StoredEvent]:
    """Return the newest event of each plant in the last weeks."""
    found: dict[Series, StoredEvent] = {}
    for event in store.events(now - EVENT_DAYS * 24 * 3600, now + 24 * 3600, limit=_MAX_EVENTS):
        found.setdefault(event.series._replace(device=""), event)
    return found


def event_title(event: StoredEvent) -> str:
    """Return an event in a few words, as the state of an entity.

    >>> from heliograph.store.base import Series, StoredEvent
    >>> event_title(StoredEvent(Series("growatt", "1"), 0, EventKind.FAULT, "302", 0, text="no AC connection"))
    'fault 302: no AC connection'
    """
    code = f" {event.code}" if event.kind in {EventKind.FAULT, EventKind.WARNING} and event.code else ""
    return display_text(f"{event.kind}{code}" + (f": {event.text}" if event.text else ""), 200)


def event_details(event: StoredEvent) -> dict[str, Any]:
    """Return an event as attributes of an entity."""
    return {
        "device": display_text(event.series.device) or None,
        "kind": event.kind.value,
        "code": display_text(event.code),
        "text": display_text(event.text, 300),
        "advice": display_text(event.advice, 300),
        "started_at": _iso(event.started_at),
        "ended_at": None if event.ended_at is None else _iso(event.ended_at),
        "source": display_text(event.source),
    }


def money_state(money: MoneyToday) -> dict[str, Any]:
    """Return the money of today, and since when it is counted; avoided CO2 is in kg."""
    values = {f"{name}_today": None if (value := money.values[name]) is None else round(value, 4) for name in MONEY}
    return {**values, "currency": money.currency, "money_since": _iso(money.since)}


def _alarm(alarm: Alarm, state: AlarmState) -> dict[str, Any]:
    rule = RULES[alarm.rule]
    return {
        "id": alarm.id,
        "rule": alarm.rule,
        "severity": rule.severity,
        "state": state.value,
        "title": rule.title,
        "seen": display_text(alarm.seen, 300),
        "advice": rule.advice,
        "raised_at": _iso(alarm.raised_at or 0),
    }


def device_state(device: DeviceState, device_metrics: Iterable[str] = ()) -> dict[str, Any]:
    """Return the state message of a device, with these device metrics."""
    series = device.series
    identity = {"vendor": series.vendor, "plant": display_text(series.plant), "device": display_text(series.device)}
    return {
        **identity,
        "name": device.name and display_text(device.name),
        "family": device.family and display_text(device.family),
        **_measured(device),
        **{name: _measurement(device.measurements.get(name)) for name in device_metrics},
    }


def _measurement(value: float | str | None) -> float | str | None:
    return display_text(value, 200) if isinstance(value, str) else published_value(value)


def account_state(account: AccountStatus) -> dict[str, Any]:
    """Return the state message of an account; None for values that depend on an unknown budget."""
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
    """Return the availability of a plant: offline only if it is unexpectedly offline."""
    return ha.OFFLINE if plant.freshness is Freshness.OFFLINE_UNEXPECTED else ha.ONLINE


def _poll(poll: PollStatus | None) -> dict[str, Any]:
    """Return how often the plant is polled, and why and until when it is not; this changes rarely, unlike the times."""
    return {
        "poll_interval": poll and poll.interval,
        "poll_reason": display_text(poll.reason, 300) if poll and poll.reason else None,
        "next_poll_at": _iso(poll.next_at) if poll and poll.reason else None,
    }


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _measured(source: PlantState | DeviceState) -> dict[str, Any]:
    at = source.measured_at
    return {
        "status": source.status.value if source.status else None,
        "measured_at": None if at is None else _iso(at),
        **{name: published_value(source.values.get(name)) for name in METRICS},
    }


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
