"""`heliograph settings curtail`: a limit with an end, restored by this command or by a later Heliograph program."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import load_accounts
from heliograph.cli.settings import common
from heliograph.cli.settings import format as fmt
from heliograph.cli.settings.change import confirm_and_execute, final_state, parse_assignments
from heliograph.cli.settings.common import now, orders_of, resolve_device
from heliograph.cli.terminal import print_error
from heliograph.cli.timefmt import format_local_time
from heliograph.errors import ConfigError, HeliographError
from heliograph.settings.models import ChangeState
from heliograph.settings.output_limit import parse_limit

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from heliograph.settings.api import Orders
    from heliograph.settings.definition import Value
    from heliograph.settings.models import Order
    from heliograph.settings.plan import Plan

_RETRY_SECONDS = 60.0


def run_curtail(options: Namespace) -> int:
    """Limit a device, wait for the end except with --detach, and restore the old values."""
    until = parse_end(options.until, now())
    if bool(options.to) == bool(options.values):
        raise ConfigError("specify either --to LIMIT or settings as NAME=VALUE")
    wanted: Mapping[str, Value | Mapping[str, Value]] = parse_assignments(options.values)
    found = resolve_device(load_accounts(options), options.device, now().timestamp())
    orders = orders_of(found.account)
    if options.to:
        wanted = parse_limit(orders.client.settings_of(found.device), options.to)
    plan = run_in_thread(lambda: orders.plan_curtail(found.device, wanted, until))
    if options.to:
        _check_not_higher(plan)
    code, order = confirm_and_execute(options, orders, plan)
    if order is None or order.state is ChangeState.REFUSED or options.detach:
        return code
    end = format_local_time(until, now())
    print_error(f"restored at {end}; after Ctrl-C by `heliograph collect` or the next command that sends requests")
    return max(code, _restore_at_end(orders, order))


def _check_not_higher(plan: Plan) -> None:
    """Raise `ConfigError` if a limit is higher than the current one."""
    for step in plan.steps:
        for name, old, new in step.changed_parameters():
            if isinstance(old, float) and isinstance(new, float) and new > old:
                current = fmt.format_value(step.setting, name, old)
                raise ConfigError(f"{step.setting.name} is already lower, at {current}; nothing was sent")


def _restore_at_end(orders: Orders, order: Order) -> int:
    """Wait for the end and restore the old values, unless another program did."""
    restored: Order | None = None
    while any(one.id == order.id for one in orders.curtailments()):
        left = (order.until or 0.0) - common.CLOCK.now()
        if left > 0 or not any(one.id == order.id for one in orders.due()):
            common.CLOCK.sleep(min(left, _RETRY_SECONDS) if left > 0 else _RETRY_SECONDS)
            continue
        try:
            restored = run_in_thread(lambda: orders.restore(order))
        except HeliographError as error:
            print_error(f"curtailment {order.id} could not be restored yet: {error}")
            common.CLOCK.sleep(_RETRY_SECONDS)
    print_error(f"curtailment {order.id} has ended: {final_state(restored)}")
    return fmt.EXIT_CODES[final_state(restored)]


def parse_end(text: str, now: datetime) -> datetime:
    """Return the next occurrence of a local time of day, or the moment of a date and time.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 6, 21, 12, tzinfo=UTC)
    >>> parse_end("2026-06-21T15:00+00:00", noon).isoformat()
    '2026-06-21T15:00:00+00:00'
    """
    here = now.astimezone()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text.strip()):
            hour, minute = map(int, text.split(":"))
            # Naive on purpose: `astimezone` then applies the UTC offset of that day.
            local = here.replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None)
            found = local.astimezone()
            return found if found > now else (local + timedelta(days=1)).astimezone()
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigError(f'{text[:40]!r} is not a time; write one like 15:00 or "2026-06-21 15:00"') from None
    return found.astimezone() if found.tzinfo is None else found
