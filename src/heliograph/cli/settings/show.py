"""`heliograph settings show` and `log`: the settings of a device, and the recorded changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.drawing import Console
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import format as fmt
from heliograph.cli.settings.common import (
    PLANT_FAMILY,
    cached_devices,
    journal_of,
    now,
    orders_of,
    resolve_device,
    settings_of,
)
from heliograph.cli.settings.table import settings_table
from heliograph.cli.terminal import print_error, print_json, print_wrapped, printable
from heliograph.settings.models import latest_changes

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.cli.settings.table import LatestChanges
    from heliograph.config import Account
    from heliograph.settings.models import Order
    from heliograph.settings.permissions import Permissions
    from heliograph.settings.plan import SettingsSnapshot


def run_show(options: Namespace) -> int:
    """Show every setting of a device with its value, its allowed values and its latest change."""
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    snapshot = run_in_thread(lambda: orders.look(found.device))
    latest = latest_changes(orders.log(found.device.id), found.device.id)
    if options.json:
        print_json(_as_dict(snapshot, latest, orders.executor.permissions))
        return 0
    print(printable(found.title))
    Console().print(settings_table(snapshot, latest, orders.executor.permissions, show_all=options.all))
    for order in snapshot.open_orders:
        print_wrapped(f"the outcome of change {order.id} of {fmt.format_time(order.at, now())} is not known yet")
    return 0


def _as_dict(snapshot: SettingsSnapshot, latest: LatestChanges, permissions: Permissions) -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "title": setting.title,
            "values": snapshot.reported.get(name),
            "allowed": {one.name: one.allowed for one in setting.parameters},
            "risk": setting.risk,
            "readable": setting.readable,
            "writable": permissions.allows(setting),
            "order": latest[name][0].id if name in latest else None,
        }
        for name, setting in snapshot.settings.items()
    ]
    opened = [fmt.order_as_dict(order) for order in snapshot.open_orders]
    foreign = fmt.external_changes_as_dict(snapshot)
    return {"device": snapshot.device.id, "settings": rows, "foreign": foreign, "open": opened}


def run_log(options: Namespace) -> int:
    """List the changes of the selected accounts, oldest first."""
    accounts = load_accounts(options)
    orders: list[Order] = []
    for account in accounts:
        journal = journal_of(account)
        contents = journal.read()
        if contents.unreadable_lines:
            print_error(
                f"{contents.unreadable_lines} lines of {journal.path} are unreadable; a program may have died while "
                "writing one"
            )
        orders += contents.orders.values()
    if options.device is not None:
        orders = _orders_of_device(orders, options.device, accounts)
    orders.sort(key=lambda order: order.at)
    if options.json:
        print_json([fmt.order_as_dict(order) for order in orders])
        return 0
    if not orders and options.device is None:
        print_error("no changes of settings are recorded")
    for order in orders:
        print_wrapped(*fmt.format_log_entry(order, now(), settings_of(order, accounts)))
    return 0


def _orders_of_device(orders: Sequence[Order], text: str, accounts: Sequence[Account]) -> list[Order]:
    """Return the orders of all matching devices; a serial number also matches a device that no longer exists."""
    exact = [order for order in orders if order.device == text]
    if any(order.family != PLANT_FAMILY for order in exact):
        return exact
    matching = {
        (one.account.vendor, one.device.id, one.device.family)
        for one in cached_devices(accounts, text, now().timestamp())
    }
    found = [order for order in orders if order in exact or (order.vendor, order.device, order.family) in matching]
    if not found:
        hint = "" if matching else "; names are known after `heliograph settings show` has fetched the devices"
        print_error(f"no changes of {text[:60]!r} are recorded{hint}")
    return found
