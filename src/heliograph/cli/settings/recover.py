"""Ending what is over and judging what is open: by `settings recover`, by other commands, and by the collector."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import common, format  # noqa: A004 - always used as a module
from heliograph.cli.terminal import print_error, print_json, report_failure
from heliograph.config import load
from heliograph.errors import HeliographError
from heliograph.settings import ChangeState
from heliograph.settings.api import journal_folder

if TYPE_CHECKING:
    import asyncio
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.config import Account
    from heliograph.local_time import Clock
    from heliograph.settings import AsyncOrders, Order, Orders

LOOK = 30.0
"""Seconds between two looks of the collector for a curtailment that is over; a look reads one small file."""

_log = logging.getLogger(__name__)


def run_recover(options: Namespace) -> int:
    """Read back every device with an open order, end what is over, and tell what is known now."""
    code = 0
    told: list[Order] = []
    for account in load_accounts(options):
        orders = common.orders_of(account)
        before = {order.id for order in orders.unsettled()}
        for device in {order.device: order.target() for order in orders.unsettled()}.values():
            try:
                run_in_thread(partial(orders.look, device))
            except HeliographError as error:
                code = max(code, report_failure(error))
        code = max(code, _restored(orders, at_once=True))
        told += [order for order in orders.log() if order.id in before]
    if options.json:
        print_json([format.order_as_dict(order) for order in told])
    else:
        for order in told:
            print(*format.format_log_entry(order, common.now()), sep="\n")
        if not told:
            print("no order is open")
    return max([code, *(format.EXIT_CODES[order.state] for order in told if order.state is not ChangeState.REFUSED)])


def restore_due(options: Namespace) -> None:
    """End curtailments that are over; whatever goes wrong is told, and the command goes on."""
    if not any(journal_folder().glob("*.open")):
        return
    with suppress(HeliographError):  # the command itself will tell what is wrong with the configuration
        for account in load(options.config, os.environ).select_accounts(options.account, options.server):
            if common.journal_of(account).marker.exists():
                _restored(common.orders_of(account, program="heliograph"), at_once=False)


def _restored(orders: Orders, *, at_once: bool) -> int:
    """End the curtailments of one account that are over; return the exit code."""
    now, code = common.CLOCK.now(), 0
    over = [one for one in orders.curtailments() if one.until is not None and one.until <= now]
    for order in over if at_once else orders.due():
        try:
            done = run_in_thread(partial(orders.restore, order))
        except HeliographError as error:
            code = max(code, report_failure(error, f"order {order.id} could not be ended: "))
        else:
            state = done.state if done else ChangeState.APPLIED
            print_error(f"the curtailment of {order.device} by order {order.id} is over: {state}")
            code = max(code, format.EXIT_CODES[state])
    return code


async def restore_until_stopped(accounts: Sequence[Account], clock: Clock, stop: asyncio.Event) -> None:
    """End curtailments when their time is over, until told to stop."""
    while not stop.is_set():
        await restore_once(accounts)
        await clock.wait(clock.now() + LOOK, stop)


async def restore_once(accounts: Sequence[Account]) -> None:
    """End what is over now, account by account; what fails is tried again later."""
    from heliograph.eventlog import LogEvent  # noqa: PLC0415 - only the collector has events

    for account in accounts:
        if not common.journal_of(account).marker.exists():
            continue
        orders: AsyncOrders = common.async_orders_of(account)
        for order in orders.due():
            try:
                done = await orders.restore(order)
            except HeliographError as error:
                _log.error(LogEvent("not restored", account=account.name, order=order.id, why=str(error)))
            else:
                state = done.state if done else ChangeState.APPLIED
                _log.info(LogEvent("restored", account=account.name, order=order.id, state=state))


def open_order_lines(account: Account) -> list[str]:
    """Return a line for each order that is open and each curtailment that is not over; nothing is sent."""
    from heliograph.settings.models import open_curtailments  # noqa: PLC0415

    journal = common.journal_of(account)
    book = journal.read()
    orders = tuple(book.orders.values())
    lines = [
        f"what order {lost} was is lost, since {journal.path} is damaged; look at its device: heliograph settings show"
        for lost in sorted(book.incomplete)
    ]
    for order in open_curtailments(orders):
        when = format.format_time(order.until, common.now())
        lines.append(f"{order.device} is curtailed until {when} by order {order.id}")
    limited = {order.id for order in open_curtailments(orders)}
    lines += [
        f"order {order.id} to {order.device} is {order.state}; run: heliograph settings recover"
        for order in orders
        if order.open and order.id not in limited
    ]
    return lines
