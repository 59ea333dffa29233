"""`heliograph backfill`: fetch past data into the store, newest first, as fast as the request budget allows."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.options import add_command, add_store_option, load_accounts, store_location
from heliograph.cli.progress import show_progress
from heliograph.cli.terminal import print_json, print_wrapped, printable, report_failure
from heliograph.cli.timefmt import check_day_order, format_local_time, parse_day_option
from heliograph.collect.backfill import Backfill, BackfillOptions
from heliograph.errors import ConfigError, HeliographError
from heliograph.local_time import Clock
from heliograph.store import open_store
from heliograph.store.threaded import BufferedWriter

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.collect.backfill import PlantBackfill
    from heliograph.config import Account

_EXAMPLES = """\
  heliograph backfill                              energies of all days, then their curves, newest first
  heliograph backfill --since 2024-01-01           from this day on
  heliograph backfill --since 2024-01-01 --until 2024-12-31 --plant 1234567
  heliograph backfill --no-wait --json             as much as today's budget allows, for a timer

can be stopped at any time; the same command continues where it ended, without repeated requests
"""


def add_backfill(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "backfill", _EXAMPLES, backfill)
    parser.add_argument(
        "--since", metavar="DAY", help="the first day, like 2024-01-01 (default: each plant's first day)"
    )
    parser.add_argument("--until", metavar="DAY", help="the last day (default: yesterday)")
    parser.add_argument(
        "--plant", metavar="PLANT", action="append", default=[], help="only this plant, by id or name; may be repeated"
    )
    parser.add_argument(
        "--no-wait", action="store_false", dest="wait", help="end when the daily budget is used, with what remains"
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects at the end, one per plant")
    add_store_option(parser)


def backfill(options: Namespace) -> int:
    """Fetch everything; when stopped or out of budget, print what remains."""
    since, until = parse_day_option(options.since, "--since"), parse_day_option(options.until, "--until")
    check_day_order(since, until, ("--since", "--until"))
    accounts = load_accounts(options)
    # Their warnings are printed as errors of the command.
    for name in ("heliograph.collect", "heliograph.store"):
        logging.getLogger(name).setLevel(logging.ERROR)
    wanted = BackfillOptions(since, until, options.plant, wait=options.wait)
    return asyncio.run(_backfill_accounts(accounts, options, wanted))


async def _backfill_accounts(accounts: Sequence[Account], options: Namespace, wanted: BackfillOptions) -> int:
    writer, stop = BufferedWriter(partial(open_store, store_location(options))), asyncio.Event()
    # A store that cannot be opened is an error of the user: it ends the command before any request.
    await writer.run(lambda _: None)
    stop_on_signals(stop)
    with show_progress() as on_progress:
        backfills = [
            Backfill(
                account.name,
                create_client(account, asynchronous=True),
                writer,
                Clock(),
                wanted._replace(configured=account.plants),
                on_progress,
            )
            for account in accounts
        ]
        prefix = len(accounts) > 1
        codes = await asyncio.gather(*(_run_isolated(one, stop, prefix=prefix) for one in backfills))
    await writer.finish()
    if wanted.plants and all(one.found is not None and not one.plants for one in backfills):
        raise _unknown_plant_error(wanted.plants, backfills)
    if options.json:
        print_json([plant_dict(plant, one) for one in backfills for plant in one.plants])
    else:
        for one in backfills:
            print_wrapped(*account_lines(one))
    return 130 if stop.is_set() else max(codes)


async def _run_isolated(backfill: Backfill, stop: asyncio.Event, *, prefix: bool) -> int:
    """Run the backfill of one account; its errors do not stop the others."""
    try:
        await backfill.run(stop)
    except HeliographError as error:
        return report_failure(error, f"{backfill.progress.name}: " if prefix else "")
    return 0


def _unknown_plant_error(names: Sequence[str], backfills: Sequence[Backfill]) -> ConfigError:
    plants = [plant for one in backfills for plant in one.found or ()]
    titles = [f"{plant.id} ({plant.name})" if plant.name else plant.id for plant in plants]
    known = ", ".join(map(printable, titles)) or "none"
    return ConfigError(f"there is no plant {' or '.join(map(repr, names))}; the plants are: {known}")


def account_lines(backfill: Backfill) -> list[str]:
    """Return the result of an account, one line per plant."""
    if backfill.found is None and backfill.progress.until:
        return [f"{backfill.progress.name}: nothing was requested, {backfill.progress.reason}; {_rerun(backfill)}"]
    return [plant_line(plant, backfill) for plant in backfill.plants]


def plant_line(plant: PlantBackfill, backfill: Backfill) -> str:
    """Return the result of a plant in one line."""
    title = plant.plant.name or plant.plant.id
    if not plant.length:
        return f"{title}: no days to fetch between {plant.days.first} and now"
    parts = [f"{plant.count('data')} of {plant.length} days stored"]
    parts += [f"{empty} empty at the cloud"] if (empty := plant.count("nothing")) else []
    parts += [f"{failed} failed (retried from tomorrow on)"] if (failed := plant.count("failed")) else []
    parts += [f"{plant.days_left} days remaining; {_rerun(backfill)}"] if plant.days_left else []
    return f"{title}, {plant.days.first} to {plant.days.last}: {', '.join(parts)}"


def _rerun(backfill: Backfill) -> str:
    until = backfill.progress.until
    if not until:
        return "rerun to continue"
    return f"rerun after {format_local_time(datetime.fromtimestamp(until, UTC), datetime.now(UTC))}"


def plant_dict(plant: PlantBackfill, backfill: Backfill) -> dict[str, Any]:
    """Return the result of a plant, JSON-ready."""
    until = backfill.progress.until
    return {
        "account": backfill.progress.name,
        "vendor": plant.plant.vendor,
        "plant": plant.plant.id,
        "name": plant.plant.name,
        "since": plant.days.first.isoformat(),
        "until": plant.days.last.isoformat(),
        "days": plant.length,
        "data": plant.count("data"),
        "nothing": plant.count("nothing"),
        "failed": plant.count("failed"),
        "left": plant.days_left,
        "resumes_at": None if until is None else datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds"),
        "over": not plant.remaining,
    }
