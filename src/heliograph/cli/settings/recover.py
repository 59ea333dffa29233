"""Ending curtailments and reading back open changes: by `settings check`, by other commands, and by the collector."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import common
from heliograph.cli.settings import format as fmt
from heliograph.cli.settings.change import final_state
from heliograph.cli.terminal import print_error, print_json, print_wrapped, report_failure
from heliograph.config import load
from heliograph.errors import HeliographError
from heliograph.settings.api import journal_folder
from heliograph.settings.models import ChangeState, open_curtailments

if TYPE_CHECKING:
    import asyncio
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.config import Account
    from heliograph.local_time import Clock
    from heliograph.settings.api import Orders
    from heliograph.settings.models import Order

CHECK_INTERVAL = 30.0
"""Seconds between the collector's checks for curtailments that are due; a check reads one small file."""

_log = logging.getLogger(__name__)


def run_check(options: Namespace) -> int:
    """Read back every device with open changes, end curtailments that are due, and print the results."""
    code = 0
    checked: list[Order] = []
    accounts = load_accounts(options)
    for account in accounts:
        orders = common.orders_of(account)
        unsettled = orders.unsettled()
        ids = {order.id for order in unsettled}
        for device in {order.device: order.target() for order in unsettled}.values():
            try:
                run_in_thread(partial(orders.look, device))
            except HeliographError as error:
                code = max(code, report_failure(error))
        code = max(code, _restore(orders, skip_retry_delay=True))
        checked += [order for order in orders.log() if order.id in ids]
    if options.json:
        print_json([fmt.order_as_dict(order) for order in checked])
    else:
        for order in checked:
            print_wrapped(*fmt.format_log_entry(order, common.now(), common.settings_of(order, accounts)))
        if not checked:
            print("no changes pending")
    return max([code, *(fmt.EXIT_CODES[one.state] for one in checked if one.state is not ChangeState.REFUSED)])


def restore_due(options: Namespace) -> None:
    """End curtailments that are due before another command runs; a failure is printed and does not stop the command."""
    if not any(journal_folder().glob("*.open")):
        return
    with suppress(HeliographError):  # the command itself reports configuration errors
        for account in load(options.config, os.environ).select_accounts(options.account, options.server):
            if common.journal_of(account).marker.exists():
                _restore(common.orders_of(account, program="heliograph"), skip_retry_delay=False)


def _restore(orders: Orders, *, skip_retry_delay: bool) -> int:
    """End the curtailments of one account that are due; return the exit code."""
    now, code = common.CLOCK.now(), 0
    over = [order for order in orders.curtailments() if order.until is not None and order.until <= now]
    for order in over if skip_retry_delay else orders.due():
        try:
            state = final_state(run_in_thread(partial(orders.restore, order)))
        except HeliographError as error:
            code = max(code, report_failure(error, f"curtailment {order.id} could not be ended: "))
        else:
            print_error(f"curtailment {order.id} of {order.device} has ended: {state}")
            code = max(code, fmt.EXIT_CODES[state])
    return code


async def restore_until_stopped(accounts: Sequence[Account], clock: Clock, stop: asyncio.Event) -> None:
    """End curtailments when they are due, until `stop` is set."""
    while not stop.is_set():
        await restore_once(accounts)
        await clock.wait(clock.now() + CHECK_INTERVAL, stop)


async def restore_once(accounts: Sequence[Account]) -> None:
    """End the curtailments of all accounts that are due now; failures are retried later."""
    from heliograph.eventlog import LogEvent  # noqa: PLC0415 - only needed by the collector

    for account in accounts:
        if not common.journal_of(account).marker.exists():
            continue
        orders = common.async_orders_of(account)
        for order in orders.due():
            try:
                state = final_state(await orders.restore(order))
            except HeliographError as error:
                _log.error(LogEvent("curtailment.restore_failed", account=account.name, order=order.id, why=str(error)))
            else:
                _log.info(LogEvent("curtailment.restored", account=account.name, order=order.id, state=state))


def open_order_lines(account: Account) -> list[str]:
    """Return a line for each change with an open outcome and each open curtailment; nothing is sent."""
    journal = common.journal_of(account)
    contents = journal.read()
    orders = tuple(contents.orders.values())
    curtailments = open_curtailments(orders)
    lines = [
        f"the details of change {lost} are lost because {journal.path} is damaged; check its device: heliograph "
        "settings show"
        for lost in sorted(contents.incomplete)
    ]
    lines += [
        f"{order.device} is curtailed until {fmt.format_time(order.until, common.now())} by change {order.id}"
        for order in curtailments
    ]
    lines += [
        f"change {order.id} of {order.device} is {order.state}; run: heliograph settings check"
        for order in orders
        if order.open and order not in curtailments
    ]
    return lines
