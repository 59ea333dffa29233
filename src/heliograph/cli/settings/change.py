"""`heliograph settings set` and `undo`, and the steps all writing commands share: show, confirm, send, report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import is_interactive
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import format as fmt
from heliograph.cli.settings.common import journal_of, now, orders_of, planned_requests, resolve_device
from heliograph.cli.terminal import print_error, print_json, printable
from heliograph.errors import ConfigError
from heliograph.settings.models import ChangeState

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.settings.api import Orders
    from heliograph.settings.definition import Value
    from heliograph.settings.models import Order
    from heliograph.settings.plan import Plan


def run_set(options: Namespace) -> int:
    """Change settings of one device."""
    wanted = parse_assignments(options.values)
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    plan = run_in_thread(lambda: orders.plan(found.device, wanted))
    return confirm_and_execute(options, orders, plan)[0]


def run_undo(options: Namespace) -> int:
    """Undo a change by id, or the latest one of a device."""
    accounts = load_accounts(options)
    account = next((one for one in accounts if options.device in journal_of(one).read().orders), None)
    if account is not None:
        orders = orders_of(account)
        plan = run_in_thread(lambda: orders.plan_undo(order=options.device))
    else:
        found = resolve_device(accounts, options.device, now().timestamp())
        orders = orders_of(found.account)
        plan = run_in_thread(lambda: orders.plan_undo(found.device))
    return confirm_and_execute(options, orders, plan)[0]


def parse_assignments(texts: Sequence[str]) -> dict[str, Value | dict[str, Value]]:
    """Parse NAME=VALUE and NAME.PARAMETER=VALUE.

    >>> parse_assignments(["ac_charge=on", "time_window_1.start=01:00", "time_window_1.end=05:00"])
    {'ac_charge': 'on', 'time_window_1': {'start': '01:00', 'end': '05:00'}}
    """
    wanted: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{text[:60]!r} is not NAME=VALUE; write a setting like charge_stop_soc=90")
        name, dot, parameter = name.partition(".")
        if name in wanted and not (dot and isinstance(wanted[name], dict) and parameter not in wanted[name]):
            raise ConfigError(f"{name} is given twice")
        if dot:
            wanted.setdefault(name, {})[parameter] = value
        else:
            wanted[name] = value
    return wanted


def confirm_and_execute(options: Namespace, orders: Orders, plan: Plan) -> tuple[int, Order | None]:
    """Show a plan, ask for confirmation, execute it and print the result; return the exit code and the order."""
    if not options.json:
        print(*map(printable, fmt.format_plan(plan)), sep="\n")
    if options.dry_run:
        return _dry_run(options, orders, plan), None
    orders.executor.permissions.check(step.setting for step in plan.steps)
    if plan.steps and not options.yes and not _confirmed():
        print_error("nothing was sent")
        return 1, None
    try:
        order = run_in_thread(lambda: orders.carry(plan))
    except KeyboardInterrupt:
        for one in orders.unsettled(plan.device.id):
            print_error(fmt.OPEN_ORDER.format(one.id))
        raise
    state = final_state(order)
    if options.json:
        print_json({**fmt.plan_as_dict(plan), "state": state, "order": order and fmt.order_as_dict(order)})
    elif order:
        print(*fmt.format_outcome(order, plan.snapshot.settings, now()), sep="\n")
    return fmt.EXIT_CODES[state], order


def final_state(order: Order | None) -> ChangeState:
    """Return the state of an order; None means that the device already had the values."""
    return order.state if order else ChangeState.APPLIED


def _dry_run(options: Namespace, orders: Orders, plan: Plan) -> int:
    """Print the requests that would be sent, and whether the account allows them."""
    requests = [one for step in plan.steps for one in planned_requests(orders.client, plan.device, step)]
    refusal = ""
    try:
        orders.executor.permissions.check(step.setting for step in plan.steps)
    except ConfigError as error:
        refusal = str(error)
    if options.json:
        allowed = {"allowed": not refusal, "why": refusal or None}
        print_json({**fmt.plan_as_dict(plan), "state": None, "order": None, "requests": requests, **allowed})
        return 0
    for one in requests:
        fields = " ".join(f"{name}={value}" for name, value in one["fields"].items())
        print(printable(f"would send: {one['verb']} {one['path']} {fields}"))
    if refusal:
        print(printable(f"would be refused: {refusal}"))
    print("nothing was sent")
    return 0


def _confirmed() -> bool:
    if not is_interactive():
        raise ConfigError("no terminal to ask for confirmation; use --yes to send, or --dry-run to see the requests")
    print("Send this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
