"""`heliograph settings curtail`: a limit with an end, which this command keeps, or whoever runs then."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import common, format  # noqa: A004 - always used as a module
from heliograph.cli.settings.change import confirm_and_execute, final_state, parse_assignments
from heliograph.cli.settings.common import now, orders_of, resolve_device
from heliograph.cli.terminal import print_error
from heliograph.cli.timefmt import format_local_time
from heliograph.errors import ConfigError, HeliographError
from heliograph.settings import ChangeState

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping

    from heliograph.settings import Order, Orders, Plan
    from heliograph.settings.definition import Setting, Value

LIMITS = ("active_power_rate", "default_power")
"""The settings that limit what a device gives, the plainest first."""
SWITCH = "power_switch"
"""What brings a device to nothing at all where no limit can be read back."""
_TRY = 60.0


def run_curtail(options: Namespace) -> int:
    """Limit a device, wait for the end unless told otherwise, and restore what was."""
    until = moment(options.until, now())
    if bool(options.to) == bool(options.values):
        raise ConfigError("say either --to LIMIT or settings as NAME=VALUE")
    wanted: Mapping[str, Value | Mapping[str, Value]] = parse_assignments(options.values)
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    if options.to:
        wanted = limit(orders.client.settings_of(found.device), options.to)
    plan = run_in_thread(lambda: orders.plan_curtail(found.device, wanted, until))
    if options.to:
        _never_more(plan)
    code, order = confirm_and_execute(options, orders, plan)
    if order is None or order.state is ChangeState.REFUSED or options.leave:
        return code
    print_error(
        f"it is restored at {format_local_time(until, now())}; Ctrl-C leaves that to `heliograph collect` or the next command"
    )
    return max(code, _ended(orders, order))


def _never_more(plan: Plan) -> None:
    """Raise where a limit would let a device give more than it may now."""
    for step in plan.steps:
        for name, old, new in step.changed_parameters():
            if isinstance(old, float) and isinstance(new, float) and new > old:
                there = format.format_value(step.setting, name, old)
                raise ConfigError(f"{step.setting.name} is {there} already, which is less than that; nothing was sent")


def _ended(orders: Orders, order: Order) -> int:
    """Wait for the end, or for somebody else to bring it, and restore."""
    done: Order | None = None
    while any(one.id == order.id for one in orders.curtailments()):
        left = (order.until or 0.0) - common.CLOCK.now()
        if left > 0 or not any(one.id == order.id for one in orders.due()):
            common.CLOCK.sleep(min(left, _TRY) if left > 0 else _TRY)
            continue
        try:
            done = run_in_thread(lambda: orders.restore(order))
        except HeliographError as error:
            print_error(f"order {order.id} is not restored yet: {error}")
            common.CLOCK.sleep(_TRY)
    print_error(f"order {order.id} is over: {final_state(done)}")
    return format.EXIT_CODES[final_state(done)]


def limit(settings: Iterable[Setting], text: str) -> dict[str, dict[str, Value]]:
    """Return the setting that limits a device, and the value that is meant by "50%" or "600W"."""
    parts = re.fullmatch(r"(\d+(?:\.\d+)?) ?(%|W|kW)?", text.strip())
    if not parts:
        raise ConfigError(f"{text[:40]!r} is no limit; write one like 50% or 600W")
    number, unit = float(parts[1]), parts[2] or "%"
    if unit == "kW":
        number, unit = number * 1000, "W"
    # What cannot be read back could not be restored.
    known = {one.name: one for one in settings if one.readable}
    for name in LIMITS:
        for one in known[name].parameters if name in known else ():
            if one.kind == "number" and one.unit == unit:
                # A limit that is to end should not outlive a restart of the device either.
                forget = {part.name: False for part in known[name].parameters if part.name == "remember"}
                return {name: {one.name: number, **forget}}
    if not number and SWITCH in known:
        return {SWITCH: {known[SWITCH].parameters[0].name: False}}
    raise ConfigError(f"this device takes no limit in {unit}; heliograph settings show lists what it takes")


def moment(text: str, now: datetime) -> datetime:
    """Return the next such time on this machine's clock, or the moment of a date and time.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 6, 21, 12, tzinfo=UTC)
    >>> moment("2026-06-21T15:00+00:00", noon).isoformat()
    '2026-06-21T15:00:00+00:00'
    """
    here = now.astimezone()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text.strip()):
            hour, minute = map(int, text.split(":"))
            # Naive on purpose: a wall clock knows which offset its own day has.
            wall = here.replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None)
            found = wall.astimezone()
            return found if found > now else (wall + timedelta(days=1)).astimezone()
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigError(f'{text[:40]!r} is no time; write one like 15:00 or "2026-06-21 15:00"') from None
    return found.astimezone() if found.tzinfo is None else found
