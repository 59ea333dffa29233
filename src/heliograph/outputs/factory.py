"""Create the delivery loops of all configured sinks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.outputs.changefeed import PriorityFeed
from heliograph.outputs.delivery import DeliveryLoop
from heliograph.outputs.influx import InfluxSink
from heliograph.outputs.pvoutput import PvOutputKey, PvOutputSink
from heliograph.outputs.webhook import WebhookSink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.config import Config
    from heliograph.local_time import Clock
    from heliograph.outputs.sink import Sink
    from heliograph.store.threaded import StoreThread
    from heliograph.tariffs.reader import MoneyReader


def make_delivery_loops(
    config: Config, store: StoreThread, clock: Clock, money: MoneyReader | None = None
) -> tuple[DeliveryLoop, ...]:
    """Return one delivery loop per sink; raises `ConfigError` if a sink is invalid or configured twice.

    `money` is used on the thread of `store`, for InfluxDB.
    """
    sinks = tuple(_make_sinks(config, clock))
    for name, times in Counter(sink.name for sink in sinks).items():
        if times > 1:
            raise ConfigError(f"the output {name} is configured {times} times; remove the duplicates")
    return tuple(
        DeliveryLoop(sink, PriorityFeed(store, sink, clock, money if isinstance(sink, InfluxSink) else None), clock)
        for sink in sinks
    )


def _make_sinks(config: Config, clock: Clock) -> Iterator[Sink]:
    # Each key is revealed only once, because that may run a command.
    systems = [(system, system.key.reveal()) for system in config.pvoutput]
    keys = {secret: PvOutputKey(count) for secret, count in Counter(secret for _, secret in systems).items()}
    for system, secret in systems:
        yield PvOutputSink(system, Secret(secret), keys[secret], clock)
    for database in config.influx:
        yield InfluxSink(database, clock)
    for webhook in config.webhooks:
        yield WebhookSink(webhook, clock)
