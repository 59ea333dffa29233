"""`heliograph collect`: poll all accounts into the store until stopped."""

from __future__ import annotations

import asyncio
import logging
from argparse import SUPPRESS
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import account_key, create_client
from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.logs import log_to_stderr
from heliograph.cli.options import add_command, add_store_option, load_config, store_location
from heliograph.cli.serve import money_reader
from heliograph.cli.status import shown_store
from heliograph.cli.supervisor import background_tasks, check_installed, drain_outputs, run_background, warn_unencrypted
from heliograph.collect import service
from heliograph.collect.gapfill import GapFiller
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.core.limits import check_address_space
from heliograph.eventlog import LogEvent
from heliograph.local_time import Clock
from heliograph.outputs.factory import make_delivery_loops
from heliograph.store import open_store
from heliograph.store.threaded import BufferedWriter, StoreThread
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

    from heliograph.cli.supervisor import BackgroundTask
    from heliograph.config import Account, Config
    from heliograph.vendors.base import AsyncSolarClient

_EXAMPLES = """\
  heliograph collect
  heliograph collect --once                 poll every account once, for a timer
  heliograph collect --store postgresql://solar@db.example.com/solar
"""

_log = logging.getLogger(__name__)


def add_collect(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "collect", _EXAMPLES, collect)
    parser.add_argument("--once", action="store_true", help="poll every account once, then end")
    add_collector_options(parser, ("text", "json"))


def add_collector_options(parser: ArgumentParser, log_formats: Sequence[str]) -> None:
    """Add the options of all commands that run the collector; the first log format is the default."""
    parser.add_argument("--no-backfill", action="store_false", dest="backfill", help="do not fill gaps in past data")
    parser.add_argument("--no-heal", action="store_false", dest="backfill", help=SUPPRESS)  # the old name
    parser.add_argument(
        "--log",
        metavar="FORMAT",
        default=log_formats[0],
        choices=log_formats,
        help=f"log format: {log_formats[0]} (default){''.join(f', {name}' for name in log_formats[1:])}",
    )
    add_store_option(parser)


def collect(options: Namespace) -> int:
    """Collect until SIGTERM or Ctrl-C, then write everything that was fetched."""
    config = load_config(options)
    accounts = config.select_accounts(options.account, options.server)
    log_to_stderr(options.log)
    where = store_location(options)
    service.collect_garbage_rarely()
    saved = asyncio.run(collect_accounts(config, accounts, where, fill_gaps=options.backfill, once=options.once))
    return 0 if saved else 1


async def collect_accounts(
    config: Config,
    accounts: Sequence[Account],
    where: str,
    *,
    fill_gaps: bool,
    once: bool = False,
    more_tasks: Callable[[Sequence[AccountPoller], StoreThread], Sequence[BackgroundTask]] = lambda *_: (),
) -> bool:
    """Poll accounts until stopped, or `once`, beside the configured outputs; return True if everything was saved.

    `more_tasks` returns further background tasks, which may read the pollers' progress and the store.
    """
    # An account, an output or a store that cannot be used at the start is a configuration error and ends the command.
    check_address_space()
    for account in accounts:
        create_client(account)
    check_installed(config)
    warn_unencrypted(config)
    clock, stop = Clock(), asyncio.Event()
    writer, reader = BufferedWriter(partial(open_store, where)), StoreThread(partial(open_store, where))
    money = money_reader(config) if config.tariffs else None
    deliveries = make_delivery_loops(config, reader, clock, money)
    await writer.run(lambda store: store.claim([account_key(account) for account in accounts]))
    pollers = [_create_poller(account, writer, clock, fill_gaps=fill_gaps) for account in accounts]
    stop_on_signals(stop)
    _log.info(LogEvent("collector.started", accounts=len(pollers), store=shown_store(where)))
    try:
        for delivery in deliveries:
            # Before the first poll: changes are recorded only for registered readers.
            await delivery.feed.start()
        if once:
            saved = await service.collect_once(pollers, writer, stop)
            if any(account.writes for account in accounts):
                from heliograph.cli.settings.recover import restore_once  # noqa: PLC0415 - for accounts that may write

                await restore_once(accounts)
            await drain_outputs(deliveries, stop)
            return saved
        tasks = background_tasks(config, accounts, pollers, deliveries, reader, where, clock)
        tasks += more_tasks(pollers, reader)
        async with run_background(tasks, clock, stop):
            return await service.collect(pollers, writer, clock, stop)
    finally:
        await reader.close()


def _create_poller(account: Account, writer: BufferedWriter, clock: Clock, *, fill_gaps: bool) -> AccountPoller:
    def connect() -> AsyncSolarClient:
        return create_client(account, asynchronous=True)

    interval = account.interval.total_seconds() if account.interval else None
    minimum, usual = VENDORS[account.vendor].intervals(by_token=account.token is not None)
    policy = PollPolicy(minimum.total_seconds(), interval, usual.total_seconds())
    gap_filler = GapFiller(writer, clock) if fill_gaps else None
    return AccountPoller(account.name, connect, writer, clock, policy, plants=account.plants, gap_filler=gap_filler)
