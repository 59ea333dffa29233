"""`heliograph settings set` and `undo`, and what all that changes something has in common: show, ask, send, tell."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import is_interactive
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import format  # noqa: A004 - always used as a module
from heliograph.cli.settings.common import journal_of, now, orders_of, planned_requests, resolve_device
from heliograph.cli.terminal import print_error, print_json, printable
from heliograph.errors import ConfigError
from heliograph.settings import ChangeState

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.settings import Order, Orders, Plan
    from heliograph.settings.definition import Value


def run_set(options: Namespace) -> int:
    """Change settings of one device."""
    wanted = parse_assignments(options.values)
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    plan = run_in_thread(lambda: orders.plan(found.device, wanted))
    return confirm_and_execute(options, orders, plan)[0]


def run_undo(options: Namespace) -> int:
    """Take back an order that is named, or the last one of a device."""
    accounts = load_accounts(options)
    for account in accounts:
        if options.device in journal_of(account).read().orders:
            orders = orders_of(account)
            job = partial(orders.plan_undo, order=options.device)
            break
    else:
        found = resolve_device(accounts, options.device, now().timestamp())
        orders = orders_of(found.account)
        job = partial(orders.plan_undo, found.device)
    return confirm_and_execute(options, orders, run_in_thread(job))[0]


def parse_assignments(texts: Sequence[str]) -> dict[str, Value | dict[str, Value]]:
    """Read NAME=VALUE and NAME.PARAMETER=VALUE.

    >>> typed(["ac_charge=on", "time_window_1.start=01:00", "time_window_1.end=05:00"])
    {'ac_charge': 'on', 'time_window_1': {'start': '01:00', 'end': '05:00'}}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{text[:60]!r} is no NAME=VALUE; write a setting like charge_stop_soc=90")
        name, dot, part = name.partition(".")
        there = found.setdefault(name, {} if dot else value)
        if isinstance(there, dict) is not bool(dot) or (dot and part in there):
            raise ConfigError(f"{name} is given twice")
        if dot:
            there[part] = value
        elif there is not value:
            raise ConfigError(f"{name} is given twice")
    return found


def confirm_and_execute(options: Namespace, orders: Orders, plan: Plan) -> tuple[int, Order | None]:
    """Show a difference, ask, send it and tell what became of it; return the exit code and the order."""
    if not options.json:
        print(*map(printable, format.format_plan(plan)), sep="\n")
    if options.dry_run:
        return _dry(options, orders, plan), None
    orders.executor.permissions.check(step.setting for step in plan.steps)
    if plan.steps and not options.yes and not _agreed():
        print_error("nothing was sent")
        return 1, None
    try:
        order = run_in_thread(lambda: orders.carry(plan))
    except KeyboardInterrupt:
        for one in orders.unsettled(plan.device.id):
            print_error(format.OPEN_ORDER.format(one.id))
        raise
    if options.json:
        print_json(
            {**format.plan_as_dict(plan), "state": final_state(order), "order": order and format.order_as_dict(order)}
        )
    elif order:
        print(*format.format_outcome(order, plan.snapshot.settings, now()), sep="\n")
    return format.EXIT_CODES[final_state(order)], order


def final_state(order: Order | None) -> ChangeState:
    """Return what became of an order; where nothing had to be sent, the device has it."""
    return order.state if order else ChangeState.APPLIED


def _dry(options: Namespace, orders: Orders, plan: Plan) -> int:
    """Tell what would be sent."""
    told = [one for step in plan.steps for one in planned_requests(orders.client, plan.device, step)]
    refusal = _refusal(orders, plan)
    if options.json:
        allowed = {"allowed": not refusal, "why": refusal or None}
        print_json({**format.plan_as_dict(plan), "state": None, "order": None, "requests": told, **allowed})
        return 0
    for one in told:
        fields = " ".join(f"{name}={value}" for name, value in one["fields"].items())
        print(printable(f"would send: {one['verb']} {one['path']} {fields}"))
    if refusal:
        print(printable(f"it would be refused: {refusal}"))
    print("nothing was sent")
    return 0


def _refusal(orders: Orders, plan: Plan) -> str:
    try:
        orders.executor.permissions.check(step.setting for step in plan.steps)
    except ConfigError as error:
        return str(error)
    return ""


def _agreed() -> bool:
    if not is_interactive():
        raise ConfigError("there is no terminal to ask at; say --yes to send it, or --dry-run to see it only")
    print("Send this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
