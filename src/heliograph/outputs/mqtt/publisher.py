"""MQTT publisher: current values as retained messages, with Home Assistant discovery.

The broker's retained messages are compared with the desired ones, and the difference is sent. This one comparison
handles startup, changes, removed plants, and a broker that lost its messages.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError, HeliographError, StoreError
from heliograph.eventlog import LogEvent
from heliograph.outputs.mqtt import discovery as ha
from heliograph.outputs.mqtt.settings_control import SettingsControl
from heliograph.outputs.mqtt.state import DesiredState
from heliograph.outputs.mqtt.topics import Topics, topic_level

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from aiomqtt import Client, Message

    from heliograph.config import MqttConfig
    from heliograph.current import AccountStatus
    from heliograph.local_time import Clock
    from heliograph.outputs.mqtt.settings_control import WritableAccount
    from heliograph.outputs.sink import SinkProgress
    from heliograph.store.threaded import StoreThread
    from heliograph.tariffs.reader import MoneyReader

_POLL_SECONDS = 5.0
"""Seconds between two queries of the store."""
_STALE_SECONDS = 300.0
"""Seconds without a successful query after which the published values are marked offline."""
_SHORTEST_BACKOFF, _LONGEST_BACKOFF = 1.0, 60.0
_STABLE_SECONDS = 60.0
"""Seconds a connection has to last for the backoff to be reset."""
_TIMEOUT = 10.0
_RETAINED_TIMEOUT = 2.0
"""Seconds without a message after which the broker has no further retained messages."""
_DRAIN_TIMEOUT = 0.1
"""Seconds to wait for the reason why a connection ended."""
_MIGRATION_SECONDS = 1.0
"""Seconds Home Assistant needs to release entities before another message announces them."""
_MAX_IN_FLIGHT = 100
"""Messages sent without waiting for their acknowledgement."""

_SETTLED = "settled"
"""Our own message on the probe topic, after which commands are new."""

_MAX_PACKET = 8 << 20
"""Bytes of the largest packet received; our own largest message, the discovery of a plant, is far smaller."""

_log = logging.getLogger(__name__)


class MqttMessage(NamedTuple):
    """One message to send; an empty retained one removes the topic from the broker."""

    topic: str
    payload: str
    retain: bool = True


async def run(
    config: MqttConfig,
    store: StoreThread,
    accounts: Callable[[], Iterable[AccountStatus]],
    clock: Clock,
    progress: SinkProgress,
    stop: asyncio.Event,
    *,
    money: MoneyReader | None = None,
    writable: Sequence[WritableAccount] = (),
) -> None:
    """Publish until stopped and reconnect with backoff; `accounts` may block on disk access.

    Commands change the settings of the `writable` accounts; without any, none are subscribed to.
    """
    try:
        import aiomqtt  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ConfigError(f"[mqtt] needs aiomqtt, which is not installed: {extra_command('mqtt')}") from None

    control = SettingsControl(Topics(config.topic), writable, clock, stop) if writable else None
    publisher = MqttPublisher(config, store, accounts, clock, progress, money, control)
    try:
        await _publish_until_stopped(publisher, config, clock, progress, stop)
    finally:
        if control is not None:
            await control.close()


async def _publish_until_stopped(
    publisher: MqttPublisher, config: MqttConfig, clock: Clock, progress: SinkProgress, stop: asyncio.Event
) -> None:
    from aiomqtt import MqttError  # noqa: PLC0415 - an extra

    backoff, problem = _SHORTEST_BACKOFF, ""
    while not stop.is_set():
        started_at = clock.now()
        try:
            async with await _make_client(config) as client:
                _log.info(LogEvent("output.connected", output="mqtt", host=config.host))
                problem = ""
                try:
                    await publisher.publish(client, stop)
                finally:
                    await _drain(client)
        except MqttError as error:
            progress.problem = why = str(error)
            if why != problem:
                problem = why
                _log.warning(LogEvent("output.disconnected", output="mqtt", host=config.host, why=why))
            stable = clock.now() - started_at >= _STABLE_SECONDS
            backoff = _SHORTEST_BACKOFF if stable else min(2 * backoff, _LONGEST_BACKOFF)
            await clock.wait(clock.now() + backoff, stop)
        except HeliographError as error:
            progress.problem = str(error)
            raise


async def _make_client(config: MqttConfig) -> Client:
    import ssl  # noqa: PLC0415 - slow to import

    from aiomqtt import Client, Will  # noqa: PLC0415 - an extra

    topics = Topics(config.topic)
    client = Client(
        config.host,
        config.port,
        # The same ID at every start: the broker then ends a stale connection, with its last will, before this one
        # publishes "online", and not minutes later.
        identifier=f"heliograph-{topic_level(config.topic)}",
        username=config.username,
        # On a thread, because revealing it may query a keyring or run a command.
        password=await asyncio.to_thread(config.password.reveal) if config.password else None,
        tls_context=ssl.create_default_context() if config.tls else None,
        will=Will(topics.status, ha.OFFLINE, qos=1, retain=True),
        timeout=_TIMEOUT,
    )
    client.pending_calls_threshold = _MAX_IN_FLIGHT
    _limit_packets(client)
    return client


def _limit_packets(client: Client) -> None:
    """Disconnect from a broker that announces a packet of more than `_MAX_PACKET` bytes.

    Quirk: paho-mqtt 2.2 stores up to 256 MB, as much as the protocol allows, and has no option for less. It asks its
    method `_sock_recv` for the rest of the packet, and an OSError of it ends the connection.
    """
    paho = client._client  # noqa: SLF001 - aiomqtt creates it without a hook
    receive = paho._sock_recv  # noqa: SLF001 - see the quirk

    def receive_limited(bufsize: int) -> bytes:
        if bufsize > _MAX_PACKET:
            raise OSError(f"the broker announced a packet of {bufsize} bytes")
        return receive(bufsize)

    paho._sock_recv = receive_limited  # type: ignore[method-assign]  # noqa: SLF001 - see the quirk


class MqttPublisher:
    """Compares the retained messages of the broker with the desired ones and sends the difference."""

    def __init__(
        self,
        config: MqttConfig,
        store: StoreThread,
        accounts: Callable[[], Iterable[AccountStatus]],
        clock: Clock,
        progress: SinkProgress,
        money: MoneyReader | None = None,
        control: SettingsControl | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._progress = progress
        self._control = control
        self._desired = DesiredState(config, accounts, money, control)
        self._topics = Topics(config.topic)
        self._retained: dict[str, str] = {}
        self._queried_at = clock.now()
        self._store_failed = False
        self._wake = asyncio.Event()
        self._accepts_commands = False
        """Whether the subscription of commands is settled: what the broker had waiting has been received."""
        if control is not None:
            control.changed = self._wake.set

    async def publish(self, client: Client, stop: asyncio.Event) -> None:
        """Send changes until stopped; raises `MqttError` when the connection ends."""
        from aiomqtt import MqttError  # noqa: PLC0415 - an extra

        self._retained = await self._read_retained(client)
        self._desired.restore_metrics(self._retained)
        self._accepts_commands = False
        if self._control is not None:
            self._control.restore(dict(self._retained))
        listener = asyncio.create_task(self._listen(client))
        try:
            if self._control is not None:
                # Before the first update, so that a program that waits for "online" can send commands.
                await self._subscribe_to_commands(client)
            while not stop.is_set():
                await self._update(client)
                await self._wait(listener, stop)
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            with suppress(MqttError):  # without a connection the last will reports it
                await client.publish(self._topics.status, ha.OFFLINE, qos=1, retain=True)

    async def _read_retained(self, client: Client) -> dict[str, str]:
        """Return this program's retained messages, and subscribe to the status topics."""
        retained: dict[str, str] = {}
        await client.subscribe(self._topics.probe)
        # One filter at a time: see the quirk below.
        for topic_filter in (*self._topics.filters, *ha.discovery_filters(self._config.prefix)):
            await client.subscribe(topic_filter)
            # The broker sends retained messages before later ones.
            await client.publish(self._topics.probe, topic_filter)
            async for message in _read_available(client):
                if message.topic.value == self._topics.probe:
                    break
                if message.retain and self._owns(message.topic.value):
                    retained[message.topic.value] = _payload(message)
            else:
                why = "the broker did not send all retained messages"
                _log.warning(LogEvent("output.retained.incomplete", output="mqtt", why=why))
            await client.unsubscribe(topic_filter)
        await client.unsubscribe(self._topics.probe)
        await client.subscribe([(self._topics.status, 1), (f"{self._config.prefix}/status", 1)])
        return retained

    async def _subscribe_to_commands(self, client: Client) -> None:
        """Subscribe to commands; those that arrive before a message of our own on the probe topic are old."""
        await client.subscribe([(one, 1) for one in (*self._topics.command_filters, self._topics.probe)])
        await client.publish(self._topics.probe, _SETTLED, qos=1)

    def _owns(self, topic: str) -> bool:
        parsed = ha.DiscoveryTopic.parse(self._config.prefix, topic)
        return self._topics.owns(parsed.node_id) if parsed else topic.startswith(f"{self._config.topic}/")

    async def _listen(self, client: Client) -> None:
        """Resend discovery when Home Assistant starts, and the status when another client overwrites it."""
        async for message in client.messages:
            topic, payload = message.topic.value, _payload(message)
            if topic == self._topics.probe:
                self._accepts_commands = self._accepts_commands or payload == _SETTLED
            elif self._control is not None and self._topics.is_command(topic):
                self._receive_command(self._control, message)
            elif topic == self._topics.status and payload != ha.ONLINE:
                self._resend([topic])
            elif topic == f"{self._config.prefix}/status" and payload == ha.ONLINE and not message.retain:
                self._resend([one for one in self._retained if ha.DiscoveryTopic.parse(self._config.prefix, one)])

    def _receive_command(self, control: SettingsControl, message: Message) -> None:
        ignore = ""
        if message.retain:
            ignore = "it is retained, so it may be old; publish commands without the retain flag"
        elif not self._accepts_commands:
            ignore = "it was waiting at the broker"
        payload = bytes(message.payload) if isinstance(message.payload, bytes | bytearray) else b""
        control.receive(message.topic.value, payload, ignore)

    def _resend(self, topics: Sequence[str]) -> None:
        for topic in topics:
            self._retained.pop(topic, None)
        self._wake.set()

    async def _wait(self, listener: asyncio.Task[None], stop: asyncio.Event) -> None:
        """Wait until the next update is due; raises the error that ended the connection."""
        timer = asyncio.create_task(self._clock.wait(self._clock.now() + _POLL_SECONDS, stop))
        woken = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait((timer, woken, listener), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            woken.cancel()
        if listener.done():
            listener.result()
        self._wake.clear()

    async def _update(self, client: Client) -> None:
        now = self._clock.now()
        results = 0 if self._control is None else len(self._control.results)
        try:
            desired = await self._store.run(lambda store: self._desired.messages(store, int(now)))
        except StoreError as error:
            await self._on_store_error(client, now, str(error))
            return
        self._queried_at, self._store_failed = now, False
        if migration := list(_migration(self._retained, desired, self._config.prefix)):
            await self._send(client, migration)
            # Home Assistant reports a conflict for messages that arrive sooner, and ignores them.
            await asyncio.sleep(_MIGRATION_SECONDS)
        changes = list(_changes(self._retained, desired))
        for first in range(0, len(changes), _MAX_IN_FLIGHT):
            await self._send(client, changes[first : first + _MAX_IN_FLIGHT])
        if self._control is not None:
            await self._send_results(client, self._control, results)
            self._control.start_due()
        self._progress.newest, self._progress.problem = self._desired.newest, None

    async def _send_results(self, client: Client, control: SettingsControl, count: int) -> None:
        """Send the first results of commands, whose states have been sent."""
        for _ in range(count):
            topic, payload = control.results[0]
            await self._send(client, [MqttMessage(topic, payload, retain=False)])
            control.results.popleft()

    async def _on_store_error(self, client: Client, now: float, why: str) -> None:
        self._progress.problem = why
        if not self._store_failed:
            self._store_failed = True
            _log.warning(LogEvent("output.store.unavailable", output="mqtt", why=why))
        if now - self._queried_at >= _STALE_SECONDS and self._retained.get(self._topics.status) == ha.ONLINE:
            await self._send(client, [MqttMessage(self._topics.status, ha.OFFLINE)])

    async def _send(self, client: Client, messages: Sequence[MqttMessage]) -> None:
        # Recorded before sending, because the listener may request a resend in between. If sending fails, the
        # connection is over and the next one reads the retained messages from the broker.
        for message in messages:
            if message.retain and message.payload:
                self._retained[message.topic] = message.payload
            elif message.retain:
                self._retained.pop(message.topic, None)
        sent = (client.publish(one.topic, one.payload, qos=1, retain=one.retain) for one in messages)
        results = await asyncio.gather(*sent, return_exceptions=True)
        self._progress.sent += results.count(None)
        for result in results:
            if result is not None:
                raise result


def _migration(retained: Mapping[str, str], desired: Mapping[str, str], prefix: str) -> Iterator[MqttMessage]:
    """Yield messages that make Home Assistant release the entities of the other discovery format."""
    formats = {one.node_id: one.format for topic in desired if (one := ha.DiscoveryTopic.parse(prefix, topic))}
    for topic in tuple(retained):
        old = ha.DiscoveryTopic.parse(prefix, topic)
        if old and formats.get(old.node_id, old.format) != old.format:
            yield MqttMessage(topic, ha.MIGRATE, retain=False)
            yield MqttMessage(topic, "")


def _changes(retained: Mapping[str, str], desired: Mapping[str, str]) -> Iterator[MqttMessage]:
    """Yield the messages that turn the retained ones into the desired ones."""
    yield from (MqttMessage(topic, payload) for topic, payload in desired.items() if retained.get(topic) != payload)
    if desired:  # while the store has no plant, nothing is removed from the broker
        yield from (MqttMessage(topic, "") for topic in retained if topic not in desired)


async def _read_available(client: Client) -> AsyncIterator[Message]:
    """Yield messages until none arrives for a while.

    Quirk: Mosquitto drops retained messages of a subscription, and what follows them, when they are more than it
    queues for a client: 1,000 by default (mosquitto #2196, #2887). Dropped messages are published again.
    """
    while True:
        try:
            yield await asyncio.wait_for(anext(client.messages), _RETAINED_TIMEOUT)
        except TimeoutError:
            return


async def _drain(client: Client) -> None:
    """Retrieve the error that ended a connection, if there is one.

    Quirk: aiomqtt 2.5.1 stores that error in a future for the reader of messages (`MessagesIterator`); without a reader
    its `__aexit__` drops the future, and Python logs "Future exception was never retrieved".
    """
    from aiomqtt import MqttError  # noqa: PLC0415 - an extra

    with suppress(MqttError, TimeoutError):
        async with asyncio.timeout(_DRAIN_TIMEOUT):
            async for _ in client.messages:
                pass


def _payload(message: Message) -> str:
    return bytes(message.payload).decode("utf-8", "replace") if isinstance(message.payload, bytes | bytearray) else ""
