"""`heliograph settings show` and `log`: what is set, and what was ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import apart
from heliograph.cli.options import chosen_accounts
from heliograph.cli.settings import format  # noqa: A004 - always used as a module
from heliograph.cli.settings.common import PLANT, desk, find, journal, now, remembered
from heliograph.cli.terminal import complain, print_json, printable
from heliograph.settings.models import last_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from heliograph.config import Account
    from heliograph.settings import Change, Order, Rights, Sight
    from heliograph.settings.definition import Setting

    Last = Mapping[str, tuple[Order, Change]]


def run_show(options: Namespace) -> int:
    """Show every setting of a device: its value, what it may be, and who ordered it last."""
    found = find(chosen_accounts(options), options.device, now().timestamp())
    orders = desk(found.account)
    sight = apart(lambda: orders.look(found.device))
    last = last_of(orders.log(found.device.id), found.device.id)
    if options.json:
        print_json(_as_dict(sight, last, orders.road.rights))
        return 0
    print(printable(found.title))
    for line in _lines(sight, last, orders.road.rights):
        print(line)
    return 0


def _lines(sight: Sight, last: Last, rights: Rights) -> Iterator[str]:
    width = max((len(name) for name in sight.settings), default=0)
    foreign = {one.setting: one for one in sight.foreign}
    for name, setting in sight.settings.items():
        marks = [*_marks(setting, rights)]
        if name in foreign:
            one = foreign[name]
            marks.append(
                f"changed by somebody else since order {one.order}, which made it {format.values(setting, one.told)}"
            )
        elif name in last:
            order, change = last[name]
            marks.append(f"{change.state} by order {order.id}")
        about = f"  [{'; '.join(marks)}]" if marks else ""
        yield f"  {name:{width}}  {format.values(setting, sight.present[name])}{about}"
        yield f"  {'':{width}}    {setting.title}: {_allowed(setting)}"
    for order in sight.open:
        yield f"  it is not known yet what became of order {order.id} of {format.moment(order.at, now())}"


def _allowed(setting: Setting) -> str:
    if len(setting.parameters) == 1:
        return setting.parameters[0].allowed
    return "; ".join(f"{one.name} {one.allowed}" for one in setting.parameters)


def _marks(setting: Setting, rights: Rights) -> Iterator[str]:
    if not setting.readable:
        yield "cannot be read back"
    if setting.risk == "grid-code":
        yield "grid code"
    if rights.allow(setting):
        yield "may be written"


def _as_dict(sight: Sight, last: Last, rights: Rights) -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "title": setting.title,
            "values": sight.read.get(name),
            "allowed": {one.name: one.allowed for one in setting.parameters},
            "risk": setting.risk,
            "readable": setting.readable,
            "writable": rights.allow(setting),
            "order": last[name][0].id if name in last else None,
        }
        for name, setting in sight.settings.items()
    ]
    opened = [format.as_dict(order) for order in sight.open]
    return {"device": sight.device.id, "settings": rows, "foreign": format.foreign(sight), "open": opened}


def run_log(options: Namespace) -> int:
    """List the orders of the chosen accounts, the first one first."""
    accounts = chosen_accounts(options)
    rows: list[Order] = []
    for account in accounts:
        rest = journal(account)
        book = rest.read()
        if book.broken:
            complain(f"{book.broken} lines of {rest.path} cannot be read; a program may have died while writing one")
        rows += book.orders.values()
    if options.device is not None:
        rows = _of(rows, options.device, accounts)
    rows.sort(key=lambda order: order.at)
    if options.json:
        print_json([format.as_dict(order) for order in rows])
        return 0
    for order in rows:
        print(*format.logged(order, now()), sep="\n")
    return 0


def _of(orders: Sequence[Order], text: str, accounts: Sequence[Account]) -> list[Order]:
    """Return the orders to all that a text means; a serial number does so though the device is long gone."""
    exact = [order for order in orders if order.device == text]
    if any(order.family != PLANT for order in exact):
        return exact
    meant = {
        (one.account.vendor, one.device.id, one.device.family) for one in remembered(accounts, text, now().timestamp())
    }
    found = [order for order in orders if order in exact or (order.vendor, order.device, order.family) in meant]
    if not found:
        hint = "" if meant else "; a name is known here once `heliograph settings show` has asked for the devices"
        complain(f"no order to {text[:60]!r} was given here{hint}")
    return found
