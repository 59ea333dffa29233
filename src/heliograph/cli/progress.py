"""Progress display of a backfill: bars on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from heliograph.cli.drawing import HAS_RICH, Console, Text
from heliograph.cli.terminal import print_error, printable
from heliograph.cli.timefmt import format_local_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from heliograph.collect.backfill import BackfillProgress


@contextmanager
def show_progress() -> Iterator[Callable[[BackfillProgress], None]]:
    """Yield a callback that shows the progress of accounts on standard error."""
    if not (HAS_RICH and sys.stderr.isatty()):
        yield progress_lines()
        return

    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415 - an extra
    from rich.progress import Progress as ProgressBars  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[done]}", markup=False),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with ProgressBars(*columns, console=Console(stderr=True), expand=True) as bars:
        tasks: dict[str, object] = {}
        warned: set[str] = set()

        def update(progress: BackfillProgress) -> None:
            if progress.name not in tasks:
                tasks[progress.name] = bars.add_task(printable(progress.name), total=None, done="", state="")
            bars.update(
                tasks[progress.name],  # type: ignore[arg-type]
                total=progress.days,
                completed=progress.days - progress.days_left,
                done=f"{progress.days - progress.days_left}/{progress.days} days",
                state=state(progress, with_reason=False),
            )
            # Printed above the bars, which have no room for it.
            for text in warnings(progress, warned):
                bars.console.print(Text(printable(text)))
            if progress.until is not None:
                bars.console.print(Text(printable(f"{progress.name}: {progress.reason}")))

        yield update


def progress_lines() -> Callable[[BackfillProgress], None]:
    """Return a callback that prints a line when a month begins, and when an account waits or finishes."""
    printed: dict[str, str] = {}
    warned: set[str] = set()

    def update(progress: BackfillProgress) -> None:
        for text in warnings(progress, warned):
            print_error(text)
        topic = "done" if progress.done else f"waiting {progress.until}" if progress.until else progress.period[:7]
        if printed.get(progress.name) != topic:
            printed[progress.name] = topic
            done = f"{progress.days - progress.days_left} of {progress.days} days, " if progress.days else ""
            print_error(f"{progress.name}: {done}{state(progress) or 'starting'}")

    return update


def warnings(progress: BackfillProgress, warned: set[str]) -> Iterator[str]:
    """Yield how long a backfill takes, once per account, if it needs more than a day; `warned` collects the accounts.

    >>> from heliograph.collect.backfill import BackfillProgress
    >>> share = {"daily_share": 78, "daily_limit": 160}
    >>> progress = BackfillProgress("home", days=900, requests_left=930, days_to_go=11.1, **share)
    >>> next(warnings(progress, set()))
    'home: history takes about 12 nights, with up to 78 of 160 requests a day; the others are left for live values'
    """
    if not progress.days or progress.name in warned:
        return
    warned.add(progress.name)
    if progress.days_to_go > 0:
        energies = ceil(progress.days_to_energies)
        first = f"; the energies of all days come first, in about {_nights(energies)}" if energies > 1 else ""
        yield (
            f"{progress.name}: history takes about {_nights(ceil(progress.days_to_go))}, with up to "
            f"{progress.daily_share} of {progress.daily_limit} requests a day; the others are left for live values"
            f"{first}"
        )


def _nights(number: int) -> str:
    return f"{number} {'night' if number == 1 else 'nights'}"


def state(progress: BackfillProgress, *, with_reason: bool = True) -> str:
    """Describe an account's current day and the remaining time.

    >>> from heliograph.collect.backfill import BackfillProgress
    >>> state(BackfillProgress("home", period="2026-06-21", days_to_go=5.2)), state(BackfillProgress("home", done=True))
    ('2026-06-21, about 6 days to go', 'done')
    """
    if progress.done:
        return "done"
    parts = [progress.period] if progress.period else []
    if progress.until is not None:
        parts = [f"resumes {format_local_time(datetime.fromtimestamp(progress.until, UTC), datetime.now(UTC))}"]
        parts[0] += f" ({progress.reason})" if with_reason else ""
    if progress.days_to_go > 0:
        days = ceil(progress.days_to_go)
        parts.append(f"about {days} {'day' if days == 1 else 'days'} to go")
    return ", ".join(parts)
