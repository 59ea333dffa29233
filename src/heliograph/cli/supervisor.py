"""Background tasks of the collector: web server, MQTT and sinks. Their failures never affect the collector."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from heliograph.cli.clients import unencrypted_server
from heliograph.cli.serve import AccountStatusProvider, money_reader, serve_store
from heliograph.cli.settings.recover import restore_until_stopped
from heliograph.collect.service import watch_queues
from heliograph.core.files import data_folder
from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError, HeliographError
from heliograph.eventlog import LogEvent
from heliograph.outputs.http import is_local_host
from heliograph.outputs.sink import SinkProgress
from heliograph.store import open_store
from heliograph.store.base import series_of
from heliograph.store.threaded import StoreThread
from heliograph.tariffs.price_files import keep_prices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    from heliograph.collect.poller import AccountPoller
    from heliograph.config import Account, Config, MqttConfig
    from heliograph.local_time import Clock
    from heliograph.outputs.delivery import DeliveryLoop
    from heliograph.outputs.mqtt.settings_control import WritableAccount
    from heliograph.store.base import Series

GRACE = 2.0
"""Seconds to wait at the end for deliveries in progress; unacknowledged ones are sent again at the next start."""
_FIRST_PAUSE, _MAX_PAUSE = 5.0, 900.0
_DRAIN_SECONDS = 60.0

_log = logging.getLogger(__name__)


class BackgroundTask(NamedTuple):
    """A task that runs until `stop` is set."""

    name: str
    run: Callable[[asyncio.Event], Awaitable[None]]


def check_installed(config: Config) -> None:
    """Raise `ConfigError` if the configuration needs an extra that is not installed."""
    extras: dict[str, tuple[object, tuple[str, ...]]] = {
        "mqtt": (config.mqtt, ("aiomqtt",)),
        "web": (config.serve, ("starlette", "uvicorn", "htpy")),
        "alerts": (config.alarms.services, ("apprise",)),
    }
    sections = {"mqtt": "[mqtt]", "web": "[serve]", "alerts": "notify under [alarms]"}
    for extra, (table, modules) in extras.items():
        missing = [name for name in modules if find_spec(name) is None] if table else []
        if missing:
            raise ConfigError(f"{sections[extra]} needs {missing[0]}, which is not installed: {extra_command(extra)}")


def warn_unencrypted(config: Config) -> None:
    """Log a warning about each password that would be sent unencrypted to a public host; sinks check their own URL."""
    for account in config.accounts:
        if server := unencrypted_server(account):
            advice = "the server has no encryption; use a password for this account that you use nowhere else"
            _log.warning(LogEvent("account.unencrypted", account=account.name, server=server, advice=advice))
    mqtt = config.mqtt
    if mqtt is not None and mqtt.password is not None and not mqtt.tls and not is_local_host(mqtt.host):
        advice = "set tls = true under [mqtt], or use the IP address of a broker in your network"
        _log.warning(LogEvent("output.unencrypted", output="mqtt", host=mqtt.host, advice=advice))


def background_tasks(
    config: Config,
    accounts: Sequence[Account],
    pollers: Sequence[AccountPoller],
    deliveries: Sequence[DeliveryLoop],
    store: StoreThread,
    location: str,
    clock: Clock,
) -> list[BackgroundTask]:
    """Return the background tasks that the configuration requires."""
    tasks = [BackgroundTask(delivery.progress.name, delivery.run) for delivery in deliveries]
    tasks.append(BackgroundTask("queues", partial(watch_queues, pollers, clock)))
    progress = [delivery.progress for delivery in deliveries]
    notified = SinkProgress("alarm messages") if config.alarms.services is not None else None
    progress += [] if notified is None else [notified]
    tasks.append(BackgroundTask("alarms", _alarms_task(config, accounts, location, clock, notified)))
    if any(account.writes for account in accounts):
        tasks.append(BackgroundTask("curtailments", partial(restore_until_stopped, accounts, clock)))
    if any(one.source is not None and one.source.is_url for one in config.tariffs):
        folder = data_folder(os.environ)
        tasks.append(BackgroundTask("prices", partial(keep_prices, config.tariffs, folder, clock)))
    if config.serve is None and config.mqtt is None:
        return tasks

    def problems() -> dict[str, Exception]:
        polled = ((poller.progress.name, poller.progress.problem) for poller in pollers)
        return {name: problem for name, problem in polled if problem is not None}

    def on_load(shown: Collection[Series]) -> None:
        for poller in pollers:
            if any(series_of(plant) in shown for plant in poller.progress.plants):
                poller.boost()

    statuses = AccountStatusProvider(accounts, problems)
    if config.mqtt is not None:
        from heliograph.outputs.mqtt import publisher  # noqa: PLC0415 - an extra

        progress.append(SinkProgress(f"mqtt {config.mqtt.host}"))
        arguments = config.mqtt, store, statuses, clock, progress[-1]
        writable = _writable_accounts(config.mqtt, accounts)
        publish = partial(publisher.run, *arguments, money=money_reader(config), writable=writable)
        tasks.append(BackgroundTask("mqtt", publish))
    if config.serve is not None:
        options = {"sinks": lambda: progress, "on_load": on_load, "clock": clock, "money": money_reader(config)}
        tasks.append(BackgroundTask("page", partial(serve_store, config.serve, location, statuses, **options)))
    return tasks


def _writable_accounts(mqtt: MqttConfig, accounts: Sequence[Account]) -> list[WritableAccount]:
    """Return the accounts whose settings may be changed by MQTT."""
    if not mqtt.commands:
        return []
    from heliograph.cli.settings.common import async_orders_of  # noqa: PLC0415 - for accounts that may write
    from heliograph.outputs.mqtt.settings_control import WritableAccount  # noqa: PLC0415 - the same

    found = [
        WritableAccount(
            account.name,
            account.vendor,
            async_orders_of(account, program="heliograph mqtt", interactive=True),
            account.plants,
        )
        for account in accounts
        if account.writes
    ]
    if not found:
        advice = 'add writes to an account, like writes = ["charge_stop_soc"]'
        _log.warning(LogEvent("settings.commands.without_account", advice=advice))
    return found


def _alarms_task(
    config: Config, accounts: Sequence[Account], location: str, clock: Clock, progress: SinkProgress | None
) -> Callable[[asyncio.Event], Awaitable[None]]:
    from heliograph.alarms import monitor, notify  # noqa: PLC0415 - `collect --once` needs neither

    watching = monitor.AlarmMonitor(frozenset(config.alarms.ignore))
    notifier = notify.AlarmNotifier(config.alarms, progress=progress)

    async def run(stop: asyncio.Event) -> None:
        # A thread of its own: the weeks of many plants take seconds to read.
        store = StoreThread(partial(open_store, location))
        try:
            await monitor.run(watching, store, AccountStatusProvider(accounts), notifier.announce, clock, stop)
        finally:
            await store.close()

    return run


@asynccontextmanager
async def run_background(tasks: Sequence[BackgroundTask], clock: Clock, stop: asyncio.Event) -> AsyncIterator[None]:
    """Run background tasks during the `with` block; at its end each may finish its work in progress."""
    running = [asyncio.create_task(_run_supervised(task, clock, stop)) for task in tasks]
    try:
        yield
    finally:
        stop.set()
        await _finish(running, GRACE)


async def drain_outputs(deliveries: Sequence[DeliveryLoop], stop: asyncio.Event) -> None:
    """Deliver pending data for up to a minute; the rest is sent at the next start."""
    await _finish([asyncio.create_task(_drain(delivery, stop)) for delivery in deliveries], _DRAIN_SECONDS)


async def _finish(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _run_supervised(task: BackgroundTask, clock: Clock, stop: asyncio.Event) -> None:
    """Run one task, and restart it with back-off when it fails."""
    pause, last_reason = _FIRST_PAUSE, ""
    while not stop.is_set():
        started = clock.now()
        try:
            await task.run(stop)
        except HeliographError as error:
            if (reason := str(error)) != last_reason:
                last_reason = reason
                _log.error(LogEvent("service.failed", service=task.name, reason=reason))
        except Exception:  # noqa: BLE001 - a task's failure must not affect the others
            _log_internal_error(task.name)
        if clock.now() - started > _MAX_PAUSE:
            pause = _FIRST_PAUSE
        await clock.wait(clock.now() + pause, stop)
        pause = min(2 * pause, _MAX_PAUSE)


async def _drain(delivery: DeliveryLoop, stop: asyncio.Event) -> None:
    try:
        await delivery.drain(stop)
    except Exception:  # noqa: BLE001 - as above
        _log_internal_error(delivery.progress.name)


def _log_internal_error(name: str) -> None:
    _log.exception(LogEvent("internal.error", service=name))
