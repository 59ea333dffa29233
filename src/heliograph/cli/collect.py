"""`heliograph collect`: ask every account when there is something new, and keep it, until told to stop."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.options import add_command, add_store_option, load_config, store_location
from heliograph.cli.status import shown_store

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.collect.poller import AccountPoller
    from heliograph.config import Account, Config

_EXAMPLES = """\
  heliograph collect
  heliograph collect --once                 one look at every account, for a timer
  heliograph collect --store postgresql://solar@db.example.com/solar
"""

_log = logging.getLogger(__name__)


def add_collect(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "collect", _EXAMPLES, collect)
    parser.add_argument("--once", action="store_true", help="ask every account once, then end")
    parser.add_argument(
        "--no-heal", action="store_false", dest="heal", help="do not ask for what is missing of the past"
    )
    parser.add_argument(
        "--log", metavar="FORM", default="text", choices=("text", "json"), help="one event a line: text (usual) or json"
    )
    add_store_option(parser)


def collect(options: Namespace) -> int:
    """Collect until SIGTERM or Ctrl-C; then everything that was fetched is written."""
    import asyncio  # noqa: PLC0415 - help needs no event loop

    from heliograph.cli.logs import log_to_stderr  # noqa: PLC0415 - nor events

    config = load_config(options)
    accounts = config.select_accounts(options.account, options.server)
    log_to_stderr(options.log)
    where = store_location(options)
    kept = asyncio.run(_collected(config, accounts, where, once=options.once, heal=options.heal))
    return 0 if kept else 1


async def _collected(config: Config, accounts: Sequence[Account], where: str, *, once: bool, heal: bool) -> bool:
    import asyncio  # noqa: PLC0415 - as above

    from heliograph.cli.clients import account_key, create_client  # noqa: PLC0415 - as above
    from heliograph.cli.supervisor import background_tasks, check_installed, drain_outputs, run_background  # noqa: PLC0415 - as above
    from heliograph.collect.service import collect as run  # noqa: PLC0415
    from heliograph.collect.service import collect_once  # noqa: PLC0415
    from heliograph.eventlog import LogEvent  # noqa: PLC0415
    from heliograph.local_time import Clock  # noqa: PLC0415
    from heliograph.outputs.factory import make_delivery_loops  # noqa: PLC0415
    from heliograph.store import open_store  # noqa: PLC0415
    from heliograph.store.threaded import BufferedWriter, StoreThread  # noqa: PLC0415

    # An account, an output or a store that cannot be used at the start is a mistake to be mended, not something to
    # wait for.
    for account in accounts:
        create_client(account)
    check_installed(config)
    clock, stop = Clock(), asyncio.Event()
    writer, aside = BufferedWriter(partial(open_store, where)), StoreThread(partial(open_store, where))
    sent = make_delivery_loops(config, aside, clock)
    await writer.run(lambda store: store.claim([account_key(account) for account in accounts]))
    workers = [_worker(account, writer, clock, heal=heal) for account in accounts]
    stop_on_signals(stop)
    _log.info(LogEvent("collecting", accounts=len(workers), store=shown_store(where)))
    try:
        for one in sent:
            # Before the first poll: what is written for no reader is told to none.
            await one.feed.start()
        if once:
            kept = await collect_once(workers, writer, stop)
            if any(account.writes for account in accounts):
                from heliograph.cli.settings.recover import restore_once  # noqa: PLC0415 - only who may write curtails

                await restore_once(accounts)
            await drain_outputs(sent, stop)
            return kept
        async with run_background(background_tasks(config, accounts, workers, sent, aside, where, clock), clock, stop):
            return await run(workers, writer, clock, stop)
    finally:
        await aside.close()


def _worker(account: Account, writer: Any, clock: Any, *, heal: bool) -> AccountPoller:
    from heliograph.cli.clients import create_client  # noqa: PLC0415 - help needs no clouds
    from heliograph.collect.gapfill import GapFiller  # noqa: PLC0415
    from heliograph.collect.poller import AccountPoller  # noqa: PLC0415
    from heliograph.collect.schedule import PollPolicy  # noqa: PLC0415
    from heliograph.vendors import VENDORS  # noqa: PLC0415

    connect = partial(create_client, account, asynchronous=True)
    wanted = account.interval.total_seconds() if account.interval else None
    pace = PollPolicy(VENDORS[account.vendor].min_interval.total_seconds(), wanted)
    healer = GapFiller(writer, clock) if heal else None
    return AccountPoller(account.name, connect, writer, clock, pace, plants=account.plants, gap_filler=healer)
