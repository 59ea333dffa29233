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
from heliograph.cli.status import shown_store
from heliograph.cli.supervisor import background_tasks, check_installed, drain_outputs, run_background, warn_unencrypted
from heliograph.collect import service
from heliograph.collect.gapfill import GapFiller
from heliograph.collect.poller import AccountPoller
from heliograph.collect.schedule import PollPolicy
from heliograph.eventlog import LogEvent
from heliograph.local_time import Clock
from heliograph.outputs.factory import make_delivery_loops
from heliograph.store import open_store
from heliograph.store.threaded import BufferedWriter, StoreThread
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

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
    parser.add_argument("--no-backfill", action="store_false", dest="backfill", help="do not fill gaps in past data")
    parser.add_argument("--no-heal", action="store_false", dest="backfill", help=SUPPRESS)  # the old name
    parser.add_argument(
        "--log", metavar="FORMAT", default="text", choices=("text", "json"), help="log format: text (default) or json"
    )
    add_store_option(parser)


def collect(options: Namespace) -> int:
    """Collect until SIGTERM or Ctrl-C, then write everything that was fetched."""
    config = load_config(options)
    accounts = config.select_accounts(options.account, options.server)
    log_to_stderr(options.log)
    return 0 if asyncio.run(_collect(config, accounts, store_location(options), options)) else 1


async def _collect(config: Config, accounts: Sequence[Account], where: str, options: Namespace) -> bool:
    # An account, an output or a store that cannot be used at the start is a configuration error and ends the command.
    for account in accounts:
        create_client(account)
    check_installed(config)
    warn_unencrypted(config)
    clock, stop = Clock(), asyncio.Event()
    writer, reader = BufferedWriter(partial(open_store, where)), StoreThread(partial(open_store, where))
    deliveries = make_delivery_loops(config, reader, clock)
    await writer.run(lambda store: store.claim([account_key(account) for account in accounts]))
    pollers = [_create_poller(account, writer, clock, fill_gaps=options.backfill) for account in accounts]
    stop_on_signals(stop)
    _log.info(LogEvent("collector.started", accounts=len(pollers), store=shown_store(where)))
    try:
        for delivery in deliveries:
            # Before the first poll: changes are recorded only for registered readers.
            await delivery.feed.start()
        if options.once:
            saved = await service.collect_once(pollers, writer, stop)
            if any(account.writes for account in accounts):
                from heliograph.cli.settings.recover import restore_once  # noqa: PLC0415 - for accounts that may write

                await restore_once(accounts)
            await drain_outputs(deliveries, stop)
            return saved
        tasks = background_tasks(config, accounts, pollers, deliveries, reader, where, clock)
        async with run_background(tasks, clock, stop):
            return await service.collect(pollers, writer, clock, stop)
    finally:
        await reader.close()


def _create_poller(account: Account, writer: BufferedWriter, clock: Clock, *, fill_gaps: bool) -> AccountPoller:
    def connect() -> AsyncSolarClient:
        return create_client(account, asynchronous=True)

    interval = account.interval.total_seconds() if account.interval else None
    vendor = VENDORS[account.vendor]
    policy = PollPolicy(vendor.min_interval.total_seconds(), interval, vendor.usual_interval.total_seconds())
    gap_filler = GapFiller(writer, clock) if fill_gaps else None
    return AccountPoller(account.name, connect, writer, clock, policy, plants=account.plants, gap_filler=gap_filler)
