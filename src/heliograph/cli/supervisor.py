"""What runs beside the collector: the page, the broker and every sink. None of them can hold it up or end it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from heliograph.errors import ConfigError, HeliographError
from heliograph.eventlog import LogEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from heliograph.collect.poller import AccountPoller
    from heliograph.config import Account, Config
    from heliograph.local_time import Clock
    from heliograph.outputs.delivery import DeliveryLoop
    from heliograph.store.threaded import StoreThread

GRACE = 2.0
"""Seconds what is being sent may take to be acknowledged, once the collector is done; else it is sent again."""
_FIRST, _LONGEST = 5.0, 900.0
_DRAINING = 60.0

_log = logging.getLogger(__name__)


class BackgroundTask(NamedTuple):
    """Something that runs until it is told to stop."""

    name: str
    run: Callable[[asyncio.Event], Awaitable[None]]


def check_installed(config: Config) -> None:
    """Raise `ConfigError` where the configuration wants an extra that is not installed."""
    wanted = {"mqtt": (config.mqtt, ("aiomqtt",)), "web": (config.serve, ("starlette", "uvicorn", "htpy"))}
    for extra, (table, modules) in wanted.items():
        missing = [name for name in modules if find_spec(name) is None] if table else []
        if missing:
            what = "[mqtt]" if extra == "mqtt" else "[serve]"
            raise ConfigError(f"{what} needs {missing[0]}, which is not installed: pip install 'heliograph[{extra}]'")


def background_tasks(
    config: Config,
    accounts: Sequence[Account],
    workers: Sequence[AccountPoller],
    sent: Sequence[DeliveryLoop],
    aside: StoreThread,
    location: str,
    clock: Clock,
) -> list[BackgroundTask]:
    """Return everything the configuration wants beside the collector."""
    found = [BackgroundTask(one.progress.name, one.run) for one in sent]
    if any(account.writes for account in accounts):
        from heliograph.cli.settings.recover import restore_until_stopped  # noqa: PLC0415 - only who may write curtails

        found.append(BackgroundTask("curtailments", partial(restore_until_stopped, accounts, clock)))
    if config.serve is None and config.mqtt is None:
        return found
    from heliograph.cli.serve import AccountStatusProvider, serve_store  # noqa: PLC0415 - only they need it

    def problems() -> dict[str, Exception]:
        polled = ((one.progress.name, one.progress.problem) for one in workers)
        return {name: problem for name, problem in polled if problem is not None}

    watched, told = AccountStatusProvider(accounts, problems), [one.progress for one in sent]
    if config.mqtt is not None:
        from heliograph.outputs.mqtt import publisher  # noqa: PLC0415 - as above
        from heliograph.outputs.sink import SinkProgress  # noqa: PLC0415 - as above

        told.append(SinkProgress(f"mqtt {config.mqtt.host}"))
        found.append(BackgroundTask("mqtt", partial(publisher.run, config.mqtt, aside, watched, clock, told[-1])))
    if config.serve is not None:
        found.append(BackgroundTask("page", partial(serve_store, config.serve, location, watched, sinks=lambda: told)))
    return found


@asynccontextmanager
async def run_background(wanted: Sequence[BackgroundTask], clock: Clock, stop: asyncio.Event) -> AsyncIterator[None]:
    """Run companions while what stands inside runs; then each may finish what it is doing."""
    tasks = [asyncio.create_task(_apart(one, clock, stop)) for one in wanted]
    try:
        yield
    finally:
        stop.set()
        await _over(tasks, GRACE)


async def drain_outputs(sent: Sequence[DeliveryLoop], stop: asyncio.Event) -> None:
    """Send what there is for a minute at most; the rest comes at the next start."""
    await _over([asyncio.create_task(_drain(one, stop)) for one in sent], _DRAINING)


async def _over(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _apart(one: BackgroundTask, clock: Clock, stop: asyncio.Event) -> None:
    """Run one companion, and again when it fails; whatever it is, nobody else hears of it."""
    pause, said = _FIRST, ""
    while not stop.is_set():
        began = clock.now()
        try:
            await one.run(stop)
        except HeliographError as error:
            if (why := str(error)) != said:
                said = why
                _log.error(LogEvent("companion failed", companion=one.name, why=why))
        except Exception:  # noqa: BLE001 - the edge of a companion: collector and others go on
            _mistaken(one.name)
        if clock.now() - began > _LONGEST:
            pause = _FIRST
        await clock.wait(clock.now() + pause, stop)
        pause = min(2 * pause, _LONGEST)


async def _drain(one: DeliveryLoop, stop: asyncio.Event) -> None:
    try:
        await one.drain(stop)
    except Exception:  # noqa: BLE001 - likewise
        _mistaken(one.progress.name)


def _mistaken(name: str) -> None:
    _log.exception(LogEvent("mistake", companion=name))
