"""`heliograph fleet status`, `doctor`, `drain`, `move` and `egress`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from heliograph.cli.drawing import HEAD_RULE, Console, Table
from heliograph.cli.fleet.connection import with_database
from heliograph.cli.terminal import paint, print_json, print_wrapped, printable
from heliograph.errors import ConfigError
from heliograph.fleet.egress import limit_egress, pause_egress, resume_egress
from heliograph.fleet.procrastinate_engine import ProcrastinateEngine
from heliograph.fleet.registry import move_account
from heliograph.fleet.status import findings, read_status
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable, Sequence

    from heliograph.fleet.database import Database
    from heliograph.fleet.status import FleetStatus

_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_ROWS = 40


def show_status(options: Namespace) -> int:
    """Print the status of the fleet."""
    status = _with_engine(options, read_status)
    if options.json:
        print_json(status.as_dict())
        return 0
    accounts = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in status.accounts.items()) or "none"
    assigned = len(status.shards) - len(status.unowned)
    print_wrapped(f"accounts  {accounts}; {status.overdue} late by more than a minute (99 %: {status.lag:.0f} s)")
    print_wrapped(f"shards    {assigned} of {len(status.shards)} assigned; database timeline {status.timeline}")
    console = Console()
    if status.workers:
        console.print(_workers_table(status))
    if status.egresses:
        console.print(_egresses_table(status))
    for one in status.needs_person:
        print_wrapped(f"account {one.id} ({one.name}) needs a person: {one.reason}")
    return 0


def doctor(options: Namespace) -> int:
    """Print what is wrong; exit code 1 if there is a problem."""
    found = findings(_with_engine(options, read_status))
    if options.json:
        print_json({"findings": [one._asdict() for one in found]})
    else:
        width = max(len(one.subject) for one in found)
        for one in found:
            verdict = paint(f"{one.verdict:7}", one.verdict)
            print_wrapped(f"{verdict}  {one.subject:{width}}  {one.message}")
    return int(any(one.verdict == "problem" for one in found))


def drain(options: Namespace) -> int:
    """Have a worker hand over its shards and take no others."""
    number = _with_engine(options, lambda _, engine: engine.drain(options.worker, drain=not options.undo))
    if not number:
        raise ConfigError(f"there is no worker {options.worker!r}; heliograph fleet status lists them")
    if options.json:
        print_json({"worker": options.worker, "draining": not options.undo, "workers": number})
    elif options.undo:
        print_wrapped(f"{options.worker} takes shards again")
    else:
        print_wrapped(f"{options.worker} hands over its shards; it may be stopped when fleet status shows none")
    return 0


def move(options: Namespace) -> int:
    """Move an account to another shard."""
    _with_engine(options, lambda database, _: move_account(database, options.account, options.shard))
    if options.json:
        print_json({"account": options.account, "shard": options.shard})
    else:
        print_wrapped(f"account {options.account} is in shard {options.shard} now")
    return 0


def egress(options: Namespace) -> int:
    """Pause, resume or limit an egress."""
    if options.action == "set":
        return _set_limit(options)
    if options.action == "pause":
        seconds = _seconds(options.duration)
        vendors = _with_engine(
            options, lambda database, _: pause_egress(database, options.egress, seconds, "paused by an operator")
        )
    else:
        vendors = _with_engine(options, lambda database, _: resume_egress(database, options.egress))
    if not vendors:
        raise ConfigError(f"there is no egress {options.egress!r} yet; heliograph fleet status lists them")
    if options.json:
        print_json({"egress": options.egress, "action": options.action, "vendors": vendors})
    else:
        print_wrapped(f"{options.egress}: {options.action}d for {', '.join(vendors)}")
    return 0


def _set_limit(options: Namespace) -> int:
    if options.vendor not in VENDORS:
        raise ConfigError(f"--vendor must be one of {', '.join(VENDORS)}")
    rates = [rate for rate in (options.rate, options.login_rate) if rate is not None]
    if not rates or not all(0 < rate <= 1000 for rate in rates):
        raise ConfigError("give --rate or --login-rate, above 0 and at most 1000 per second")
    limits = options.egress, options.vendor, options.rate, options.login_rate
    found = _with_engine(options, lambda database, _: limit_egress(database, *limits))
    if options.json:
        print_json(found._asdict())
    else:
        print_wrapped(
            f"{found.egress}: {found.rate:g} requests and {found.login_rate:g} logins per second for {found.vendor}"
        )
    return 0


def _with_engine(options: Namespace, function: Callable[[Database, ProcrastinateEngine], Awaitable[Any]]) -> Any:
    return with_database(options, lambda database: function(database, ProcrastinateEngine(database.url)))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text)
    if found is None:
        raise ConfigError(f"--for must be a time like 30m, 4h or 1d, got {text!r}")
    return float(found[1]) * _SECONDS[found[2]]


def _workers_table(status: FleetStatus) -> Table:
    rows = [
        (
            one.name,
            "draining" if one.is_draining else "running" if one.is_alive else f"silent for {one.seen_seconds:.0f} s",
            ", ".join(one.egresses),
            str(len(one.shards)),
            *(str(one.figures.get(name, "")) for name in ("accounts", "polls", "failed_polls", "refused")),
        )
        for one in status.workers
    ]
    return _table(("worker", "state", "egress", "shards", "accounts", "polls", "failed", "refused"), rows)


def _egresses_table(status: FleetStatus) -> Table:
    rows = [
        (
            one.egress,
            one.vendor,
            f"{one.rate:g}",
            f"{one.login_rate:g}",
            f"paused for {one.paused_seconds / 60:.0f} min: {one.reason}" if one.paused_seconds else "",
        )
        for one in status.egresses
    ]
    return _table(("egress", "vendor", "requests/s", "logins/s", "pause"), rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=HEAD_RULE, show_edge=False, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading)
    for row in rows[:_MAX_ROWS]:
        table.add_row(*(printable(cell) for cell in row))
    return table
