"""How far a backfill is: bars where a person watches, plain lines where nobody does."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from heliograph.cli.terminal import print_error, printable
from heliograph.cli.timefmt import format_local_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heliograph.collect.backfill import BackfillProgress

MUCH = 4
"""What takes more than one part of so many of a day's requests is felt by whoever reads the account meanwhile."""


@contextmanager
def show_progress() -> Iterator[Callable[[BackfillProgress], None]]:
    """Yield what takes news of accounts, and shows them on standard error."""
    if not sys.stderr.isatty():
        yield progress_lines()
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and lines need none
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[done]}", markup=False),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True), expand=True) as bars:
        tasks: dict[str, object] = {}
        warned: set[str] = set()

        def tell(news: BackfillProgress) -> None:
            if news.name not in tasks:
                tasks[news.name] = bars.add_task(printable(news.name), total=None, done="", state="")
            bars.update(
                tasks[news.name],  # type: ignore[arg-type]
                total=news.days,
                completed=news.days - news.days_left,
                done=f"{news.days - news.days_left}/{news.days} days",
                state=state(news, why=False),
            )
            # Above the bars, which have no room for it.
            for text in warnings(news, warned):
                bars.console.print(Text(printable(text)))
            if news.until is not None:
                bars.console.print(Text(printable(f"{news.name}: {news.reason}")))

        yield tell


def progress_lines() -> Callable[[BackfillProgress], None]:
    """Return what says a line when a month begins, when an account waits and when it is over."""
    said: dict[str, str] = {}
    warned: set[str] = set()

    def tell(news: BackfillProgress) -> None:
        for text in warnings(news, warned):
            print_error(text)
        topic = "over" if news.done else f"waits {news.until}" if news.until else news.period[:7]
        if said.get(news.name) != topic:
            said[news.name] = topic
            done = f"{news.days - news.days_left} of {news.days} days, " if news.days else ""
            print_error(f"{news.name}: {done}{state(news) or 'beginning'}")

    return tell


def warnings(news: BackfillProgress, warned: set[str]) -> Iterator[str]:
    """Yield, once for each account, what a long past means for its live readings; `warned` remembers the accounts.

    >>> from heliograph.collect.backfill import BackfillProgress
    >>> progress = BackfillProgress("home", days=900, requests_left=930, daily_share=162, daily_limit=180)
    >>> next(warnings(progress, set()))
    'home: up to 162 of 180 requests a day go to the past; live readings of this account will be rarer until it is done'
    """
    if not news.days or news.name in warned:
        return
    warned.add(news.name)
    if news.requests_left * MUCH > news.daily_limit:
        yield (
            f"{news.name}: up to {min(news.requests_left, news.daily_share)} of {news.daily_limit} requests a day go to "
            "the past; "
            "live readings of this account will be rarer until it is done"
        )


def state(news: BackfillProgress, *, why: bool = True) -> str:
    """Return what an account is at, and how long the rest takes.

    >>> from heliograph.collect.backfill import BackfillProgress
    >>> state(BackfillProgress("home", period="2026-06-21", days_to_go=5.2)), state(BackfillProgress("home", done=True))
    ('2026-06-21, about 6 days to go', 'done')
    """
    if news.done:
        return "done"
    parts = [news.period] if news.period else []
    if news.until is not None:
        parts = [f"goes on {format_local_time(datetime.fromtimestamp(news.until, UTC), datetime.now(UTC))}"]
        parts[0] += f" ({news.reason})" if why else ""
    if news.days_to_go > 0:
        days = ceil(news.days_to_go)
        parts.append(f"about {days} {'day' if days == 1 else 'days'} to go")
    return ", ".join(parts)
