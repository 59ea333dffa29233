"""From a configured account to the desk its orders are given at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.cli.show import complain
from heliograph.cli.vendors import client
from heliograph.config import ENVIRONMENT
from heliograph.orders import AsyncOrders, Clock, Orders, Rights
from heliograph.orders.desk import folder
from heliograph.orders.journal import Journal
from heliograph.orders.rights import WRITES_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.config import Account

TIMEOUT = 90.0
"""Seconds to wait for an answer: a cloud may wait for the device before it gives one (docs/settings.md)."""
CLOCK = Clock()
"""The machine's; tests bring another one."""


def now() -> datetime:
    """Return the moment."""
    return datetime.fromtimestamp(CLOCK.now(), UTC)


def rights(account: Account) -> Rights:
    """Return what the account's table allows."""
    where = account.origin if account.origin != ENVIRONMENT else "an [[account]] table of the configuration"
    return Rights(
        writes=account.writes,
        grid_code=account.grid_code,
        writes_per_day=account.writes_per_day or WRITES_PER_DAY,
        whose=f"account {account.name}",
        where=f"its table in {account.origin}" if where == account.origin else where,
    )


def desk(account: Account, *, program: str = "heliograph settings") -> Orders:
    """Return the desk of an account, which says on stderr what it waits for."""
    # Whoever runs this command wants it now; a sequence that waits for the day's even flow would stop half-way.
    speaker = client(account, allow_commands=True, interactive=True, timeout=TIMEOUT)
    return Orders(speaker, **_about(account, program), progress=_said_once())


def async_desk(account: Account) -> AsyncOrders:
    """Return the desk of an account for the collector."""
    speaker = client(account, allow_commands=True, concurrent=True, timeout=TIMEOUT)
    return AsyncOrders(speaker, **_about(account, "heliograph collect"))


def journal(account: Account) -> Journal:
    """Return the journal of an account; nothing is sent."""
    return Journal(folder(), client(account).gate.shelf.name)


def _about(account: Account, program: str) -> dict[str, Any]:
    return {"rights": rights(account), "account": account.name, "program": program, "clock": CLOCK}


def _said_once() -> Callable[[str], None]:
    said: set[str] = set()

    def progress(text: str) -> None:
        if text not in said:
            said.add(text)
            complain(text)

    return progress
