"""`heliograph collect`: ask every account when there is something new, and keep it, until told to stop."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.options import add_command, add_store, chosen_config, chosen_store
from heliograph.cli.status import shown_store

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.collect.poller import Worker
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
    add_store(parser)


def collect(options: Namespace) -> int:
    """Collect until SIGTERM or Ctrl-C; then everything that was fetched is written."""
    import asyncio  # noqa: PLC0415 - help needs no event loop

    from heliograph.cli.logs import log_to_stderr  # noqa: PLC0415 - nor events

    config = chosen_config(options)
    accounts = config.chosen(options.account, options.server)
    log_to_stderr(options.log)
    where = chosen_store(options)
    kept = asyncio.run(_collected(config, accounts, where, once=options.once, heal=options.heal))
    return 0 if kept else 1


async def _collected(config: Config, accounts: Sequence[Account], where: str, *, once: bool, heal: bool) -> bool:
    import asyncio  # noqa: PLC0415 - as above

    from heliograph.cli.clients import client, identity  # noqa: PLC0415 - as above
    from heliograph.cli.supervisor import beside, check_installed, companions, drained  # noqa: PLC0415 - as above
    from heliograph.collect.service import collect as run  # noqa: PLC0415
    from heliograph.collect.service import collect_once  # noqa: PLC0415
    from heliograph.eventlog import Event  # noqa: PLC0415
    from heliograph.local_time import Clock  # noqa: PLC0415
    from heliograph.outputs.factory import deliveries  # noqa: PLC0415
    from heliograph.store import open_store  # noqa: PLC0415
    from heliograph.store.threaded import Aside, Writer  # noqa: PLC0415

    # An account, an output or a store that cannot be used at the start is a mistake to be mended, not something to
    # wait for.
    for account in accounts:
        client(account)
    check_installed(config)
    clock, stop = Clock(), asyncio.Event()
    writer, aside = Writer(partial(open_store, where)), Aside(partial(open_store, where))
    sent = deliveries(config, aside, clock)
    await writer.ask(lambda store: store.claim([identity(account) for account in accounts]))
    workers = [_worker(account, writer, clock, heal=heal) for account in accounts]
    stop_on_signals(stop)
    _log.info(Event("collecting", accounts=len(workers), store=shown_store(where)))
    try:
        for one in sent:
            # Before the first poll: what is written for no reader is told to none.
            await one.feed.begin()
        if once:
            kept = await collect_once(workers, writer, stop)
            if any(account.writes for account in accounts):
                from heliograph.cli.settings.recover import restore_once  # noqa: PLC0415 - only who may write curtails

                await restore_once(accounts)
            await drained(sent, stop)
            return kept
        async with beside(companions(config, accounts, workers, sent, aside, where, clock), clock, stop):
            return await run(workers, writer, clock, stop)
    finally:
        await aside.close()


def _worker(account: Account, writer: Any, clock: Any, *, heal: bool) -> Worker:
    from heliograph.cli.clients import client  # noqa: PLC0415 - help needs no clouds
    from heliograph.collect.gapfill import Healer  # noqa: PLC0415
    from heliograph.collect.poller import Worker  # noqa: PLC0415
    from heliograph.collect.schedule import Pace  # noqa: PLC0415
    from heliograph.config import FLOORS  # noqa: PLC0415

    connect = partial(client, account, concurrent=True)
    wanted = account.interval.total_seconds() if account.interval else None
    pace = Pace(FLOORS[account.vendor][0].total_seconds(), wanted)
    healer = Healer(writer, clock) if heal else None
    return Worker(account.name, connect, writer, clock, pace, plants=account.plants, healer=healer)
