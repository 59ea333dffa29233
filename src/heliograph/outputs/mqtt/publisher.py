"""MQTT: what is true now, kept at a broker for everybody to read, and announced to Home Assistant.

What the broker should hold is compared with what it does hold, and the difference is sent. So a start, a change, a
broker that lost everything and a plant that is gone are one and the same to this file.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError, HeliographError, StoreError
from heliograph.eventlog import LogEvent
from heliograph.outputs.mqtt import discovery as ha
from heliograph.outputs.mqtt.state import DesiredState
from heliograph.outputs.mqtt.topics import Topics, topic_level

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from aiomqtt import Client, Message

    from heliograph.config import MqttConfig
    from heliograph.current import AccountStatus
    from heliograph.local_time import Clock
    from heliograph.outputs.sink import SinkProgress
    from heliograph.store.threaded import StoreThread

_EVERY = 5.0
"""Seconds between two looks at the store."""
_PATIENCE = 300.0
"""Seconds without a look at the store after which what stands at the broker is not called current any more."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_STEADY = 60.0
"""Seconds a connection has to last for the next one to be tried at once."""
_ANSWER = 10.0
_QUIET = 2.0
"""Seconds without a message after which the broker is taken to have told all it wants to."""
_LAST = 0.1
"""Seconds in which a connection that ended says so."""
_SETTLES = 1.0
"""Seconds Home Assistant has to let go of entities before another message announces them."""
_AT_ONCE = 100
"""Messages under way at a time."""

_log = logging.getLogger(__name__)


class MqttMessage(NamedTuple):
    """One message to send; an empty one takes a topic off the broker."""

    topic: str
    payload: str
    retain: bool = True


async def run(
    config: MqttConfig,
    aside: StoreThread,
    accounts: Callable[[], Iterable[AccountStatus]],
    clock: Clock,
    progress: SinkProgress,
    stop: asyncio.Event,
) -> None:
    """Keep the broker told until stopped, connecting again whenever it is away; `accounts` may wait for a disk."""
    try:
        from aiomqtt import MqttError  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("[mqtt] needs the extra: pip install 'heliograph[mqtt]'") from None

    teller, pause, trouble = MqttPublisher(config, aside, accounts, clock, progress), _SHORTEST_PAUSE, ""
    while not stop.is_set():
        began = clock.now()
        try:
            async with await _client(config) as client:
                _log.info(LogEvent("output connected", output="mqtt", host=config.host))
                trouble = ""
                try:
                    await teller.publish(client, stop)
                finally:
                    await _heard_out(client)
        except MqttError as error:
            progress.problem = why = str(error)
            if why != trouble:
                trouble = why
                _log.warning(LogEvent("output away", output="mqtt", host=config.host, why=why))
            pause = _SHORTEST_PAUSE if clock.now() - began >= _STEADY else min(2 * pause, _LONGEST_PAUSE)
            await clock.wait(clock.now() + pause, stop)
        except HeliographError as error:
            progress.problem = str(error)
            raise


async def _client(config: MqttConfig) -> Client:
    import ssl  # noqa: PLC0415 - heavy, and only where it is asked for

    from aiomqtt import Client, Will  # noqa: PLC0415 - an extra

    topics = Topics(config.topic)
    client = Client(
        config.host,
        config.port,
        # The same at every start: a broker then ends a connection of ours that it has not missed yet, last will and
        # all, before we say "online", not minutes after it.
        identifier=f"heliograph-{topic_level(config.topic)}",
        username=config.username,
        # On a thread, since a keyring or a command may have to be asked for it.
        password=await asyncio.to_thread(config.password.reveal) if config.password else None,
        tls_context=ssl.create_default_context() if config.tls else None,
        will=Will(topics.status, ha.OFFLINE, qos=1, retain=True),
        timeout=_ANSWER,
    )
    client.pending_calls_threshold = _AT_ONCE
    return client


class MqttPublisher:
    """Knows what the broker should hold and what it holds."""

    def __init__(
        self,
        config: MqttConfig,
        aside: StoreThread,
        accounts: Callable[[], Iterable[AccountStatus]],
        clock: Clock,
        progress: SinkProgress,
    ) -> None:
        self._config = config
        self._aside = aside
        self._clock = clock
        self._progress = progress
        self._truth = DesiredState(config, accounts)
        self._topics = Topics(config.topic)
        self._held: dict[str, str] = {}
        self._looked_at = clock.now()
        self._blind = False
        self._woken = asyncio.Event()

    async def publish(self, client: Client, stop: asyncio.Event) -> None:
        """Send what changes until stopped; raises `MqttError` when the connection ends."""
        from aiomqtt import MqttError  # noqa: PLC0415 - an extra

        self._held = await self._swept(client)
        self._truth.restore_metrics(self._held)
        listening = asyncio.create_task(self._listen(client))
        try:
            while not stop.is_set():
                await self._bring_up_to_date(client)
                await self._pause(listening, stop)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            with suppress(MqttError):  # the broker says it, where there is no connection to say it over
                await client.publish(self._topics.status, ha.OFFLINE, qos=1, retain=True)

    async def _swept(self, client: Client) -> dict[str, str]:
        """Return what the broker holds of ours, and stay subscribed to what it may have to say later."""
        held: dict[str, str] = {}
        await client.subscribe(self._topics.probe)
        # One after the other: see the quirk below.
        for one in (*self._topics.filters, *ha.discovery_filters(self._config.prefix)):
            await client.subscribe(one)
            # The broker sends what it holds before what comes later.
            await client.publish(self._topics.probe, one)
            async for message in _soon(client):
                if message.topic.value == self._topics.probe:
                    break
                if message.retain and self._is_ours(message.topic.value):
                    held[message.topic.value] = _payload(message)
            else:
                _log.warning(
                    LogEvent("output unread", output="mqtt", why="the broker did not tell all it holds of ours")
                )
            await client.unsubscribe(one)
        await client.unsubscribe(self._topics.probe)
        await client.subscribe([(self._topics.status, 1), (f"{self._config.prefix}/status", 1)])
        return held

    def _is_ours(self, topic: str) -> bool:
        announced = ha.DiscoveryTopic.parse(self._config.prefix, topic)
        return self._topics.owns(announced.node_id) if announced else topic.startswith(f"{self._config.topic}/")

    async def _listen(self, client: Client) -> None:
        """Hear Home Assistant start, and somebody say that we are gone, until the connection ends."""
        async for message in client.messages:
            topic, said = message.topic.value, _payload(message)
            if topic == self._topics.status and said != ha.ONLINE:
                self._forget([topic])
            elif topic == f"{self._config.prefix}/status" and said == ha.ONLINE and not message.retain:
                self._forget([one for one in self._held if ha.DiscoveryTopic.parse(self._config.prefix, one)])

    def _forget(self, topics: Sequence[str]) -> None:
        for topic in topics:
            self._held.pop(topic, None)
        self._woken.set()

    async def _pause(self, listening: asyncio.Task[None], stop: asyncio.Event) -> None:
        """Wait for the next look; raises what ended the connection."""
        waiting = asyncio.create_task(self._clock.wait(self._clock.now() + _EVERY, stop))
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait((waiting, woken, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            woken.cancel()
        if listening.done():
            listening.result()
        self._woken.clear()

    async def _bring_up_to_date(self, client: Client) -> None:
        now = self._clock.now()
        try:
            wanted = await self._aside.run(lambda store: self._truth.messages(store, int(now)))
        except StoreError as error:
            await self._blinded(client, now, str(error))
            return
        self._looked_at, self._blind = now, False
        if moves := list(_moves(self._held, wanted, self._config.prefix)):
            await self._send(client, moves)
            # What comes sooner it calls a conflict, and ignores.
            await asyncio.sleep(_SETTLES)
        steps = list(_steps(self._held, wanted))
        for first in range(0, len(steps), _AT_ONCE):
            await self._send(client, steps[first : first + _AT_ONCE])
        self._progress.newest, self._progress.problem = self._truth.newest, None

    async def _blinded(self, client: Client, now: float, why: str) -> None:
        self._progress.problem = why
        if not self._blind:
            self._blind = True
            _log.warning(LogEvent("output blind", output="mqtt", why=why))
        if now - self._looked_at >= _PATIENCE and self._held.get(self._topics.status) == ha.ONLINE:
            await self._send(client, [MqttMessage(self._topics.status, ha.OFFLINE)])

    async def _send(self, client: Client, steps: Sequence[MqttMessage]) -> None:
        # Noted before it is sent, since what is heard meanwhile may say to send it once more; where it is not sent, the
        # connection is over, and the next one asks the broker.
        for one in steps:
            self._note(one)
        sent = (client.publish(one.topic, one.payload, qos=1, retain=one.retain) for one in steps)
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        self._progress.sent += outcomes.count(None)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    def _note(self, step: MqttMessage) -> None:
        if step.retain and step.payload:
            self._held[step.topic] = step.payload
        elif step.retain:
            self._held.pop(step.topic, None)


def _moves(held: Mapping[str, str], wanted: Mapping[str, str], prefix: str) -> Iterator[MqttMessage]:
    """Yield what makes Home Assistant let go of entities that a message of the other form is about to announce."""
    forms = {one.node_id: one.format for topic in wanted if (one := ha.DiscoveryTopic.parse(prefix, topic))}
    for topic in tuple(held):
        old = ha.DiscoveryTopic.parse(prefix, topic)
        if old and forms.get(old.node_id, old.format) != old.format:
            yield MqttMessage(topic, ha.MIGRATE, retain=False)
            yield MqttMessage(topic, "")


def _steps(held: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[MqttMessage]:
    """Yield what makes a broker that holds one hold the other."""
    yield from (MqttMessage(topic, payload) for topic, payload in wanted.items() if held.get(topic) != payload)
    if wanted:  # a store that has no plant yet is no reason to take everything off the broker
        yield from (MqttMessage(topic, "") for topic in held if topic not in wanted)


async def _soon(client: Client) -> AsyncIterator[Message]:
    """Yield messages until none comes for a while.

    Quirk: Mosquitto drops retained messages of a subscription, and what follows them, when they are more than it
    queues for a client: 1,000 unless set (mosquitto #2196, #2887). What is missed so is sent once more.
    """
    while True:
        try:
            yield await asyncio.wait_for(anext(client.messages), _QUIET)
        except TimeoutError:
            return


async def _heard_out(client: Client) -> None:
    """Hear why a connection ended, if it did.

    Quirk: aiomqtt 2.5.1 keeps that for whoever reads messages (`MessagesIterator`); where nobody did at that moment,
    its `__aexit__` lets it go unheard, and Python complains of a "Future exception was never retrieved".
    """
    from aiomqtt import MqttError  # noqa: PLC0415 - an extra

    with suppress(MqttError, TimeoutError):
        async with asyncio.timeout(_LAST):
            async for _ in client.messages:
                pass


def _payload(message: Message) -> str:
    return bytes(message.payload).decode("utf-8", "replace") if isinstance(message.payload, bytes | bytearray) else ""
