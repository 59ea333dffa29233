"""`heliograph settings show` and `log`: what is set, and what was ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import format  # noqa: A004 - always used as a module
from heliograph.cli.settings.common import PLANT_FAMILY, cached_devices, journal_of, now, orders_of, resolve_device
from heliograph.cli.terminal import print_error, print_json, printable
from heliograph.settings.models import latest_changes

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from heliograph.config import Account
    from heliograph.settings import Change, Order, Permissions, SettingsSnapshot
    from heliograph.settings.definition import Setting

    Last = Mapping[str, tuple[Order, Change]]


def run_show(options: Namespace) -> int:
    """Show every setting of a device: its value, what it may be, and who ordered it last."""
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    sight = run_in_thread(lambda: orders.look(found.device))
    last = latest_changes(orders.log(found.device.id), found.device.id)
    if options.json:
        print_json(_as_dict(sight, last, orders.executor.permissions))
        return 0
    print(printable(found.title))
    for line in _lines(sight, last, orders.executor.permissions):
        print(line)
    return 0


def _lines(sight: SettingsSnapshot, last: Last, rights: Permissions) -> Iterator[str]:
    width = max((len(name) for name in sight.settings), default=0)
    foreign = {one.setting: one for one in sight.external_changes}
    for name, setting in sight.settings.items():
        marks = [*_marks(setting, rights)]
        if name in foreign:
            one = foreign[name]
            marks.append(
                f"changed by somebody else since order {one.order}, which made it {format.format_values(setting, one.expected)}"
            )
        elif name in last:
            order, change = last[name]
            marks.append(f"{change.state} by order {order.id}")
        about = f"  [{'; '.join(marks)}]" if marks else ""
        yield f"  {name:{width}}  {format.format_values(setting, sight.current[name])}{about}"
        yield f"  {'':{width}}    {setting.title}: {_allowed(setting)}"
    for order in sight.open_orders:
        yield f"  it is not known yet what became of order {order.id} of {format.format_time(order.at, now())}"


def _allowed(setting: Setting) -> str:
    if len(setting.parameters) == 1:
        return setting.parameters[0].allowed
    return "; ".join(f"{one.name} {one.allowed}" for one in setting.parameters)


def _marks(setting: Setting, rights: Permissions) -> Iterator[str]:
    if not setting.readable:
        yield "cannot be read back"
    if setting.risk == "grid-code":
        yield "grid code"
    if rights.allows(setting):
        yield "may be written"


def _as_dict(sight: SettingsSnapshot, last: Last, rights: Permissions) -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "title": setting.title,
            "values": sight.reported.get(name),
            "allowed": {one.name: one.allowed for one in setting.parameters},
            "risk": setting.risk,
            "readable": setting.readable,
            "writable": rights.allows(setting),
            "order": last[name][0].id if name in last else None,
        }
        for name, setting in sight.settings.items()
    ]
    opened = [format.order_as_dict(order) for order in sight.open_orders]
    return {
        "device": sight.device.id,
        "settings": rows,
        "foreign": format.external_changes_as_dict(sight),
        "open": opened,
    }


def run_log(options: Namespace) -> int:
    """List the orders of the chosen accounts, the first one first."""
    accounts = load_accounts(options)
    rows: list[Order] = []
    for account in accounts:
        rest = journal_of(account)
        book = rest.read()
        if book.unreadable_lines:
            print_error(
                f"{book.unreadable_lines} lines of {rest.path} cannot be read; a program may have died while writing one"
            )
        rows += book.orders.values()
    if options.device is not None:
        rows = _of(rows, options.device, accounts)
    rows.sort(key=lambda order: order.at)
    if options.json:
        print_json([format.order_as_dict(order) for order in rows])
        return 0
    for order in rows:
        print(*format.format_log_entry(order, now()), sep="\n")
    return 0


def _of(orders: Sequence[Order], text: str, accounts: Sequence[Account]) -> list[Order]:
    """Return the orders to all that a text means; a serial number does so though the device is long gone."""
    exact = [order for order in orders if order.device == text]
    if any(order.family != PLANT_FAMILY for order in exact):
        return exact
    meant = {
        (one.account.vendor, one.device.id, one.device.family)
        for one in cached_devices(accounts, text, now().timestamp())
    }
    found = [order for order in orders if order in exact or (order.vendor, order.device, order.family) in meant]
    if not found:
        hint = "" if meant else "; a name is known here once `heliograph settings show` has asked for the devices"
        print_error(f"no order to {text[:60]!r} was given here{hint}")
    return found
