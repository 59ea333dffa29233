"""Every sink of the configuration, ready to run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.outputs.changefeed import PriorityFeed
from heliograph.outputs.influx import InfluxSink
from heliograph.outputs.pvoutput import PvOutputKey, PvOutputSink
from heliograph.outputs.sink import DeliveryLoop
from heliograph.outputs.webhook import WebhookSink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heliograph.config import Config
    from heliograph.local_time import Clock
    from heliograph.outputs.sink import Sink
    from heliograph.store.threaded import StoreThread


def make_delivery_loops(config: Config, aside: StoreThread, clock: Clock) -> tuple[DeliveryLoop, ...]:
    """Return one delivery for each sink; a mistake in one raises `ConfigError`."""
    sinks = tuple(_sinks(config, clock))
    for name, times in Counter(sink.name for sink in sinks).items():
        if times > 1:
            raise ConfigError(f"the output {name} is written {times} times; keep one")
    return tuple(DeliveryLoop(sink, PriorityFeed(aside, sink, clock), clock) for sink in sinks)


def _sinks(config: Config, clock: Clock) -> Iterator[Sink]:
    # Revealed once: a command may have to be asked for it.
    systems = [(one, one.key.reveal()) for one in config.pvoutput]
    keys = {secret: PvOutputKey(many) for secret, many in Counter(secret for _, secret in systems).items()}
    for system, secret in systems:
        yield PvOutputSink(system, Secret(secret), keys[secret], clock)
    for database in config.influx:
        yield InfluxSink(database, clock)
    for address in config.webhooks:
        yield WebhookSink(address, clock)
