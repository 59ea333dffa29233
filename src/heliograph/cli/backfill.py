"""`heliograph backfill`: bring the past out of the clouds, newest day first, as fast as the budget allows."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.options import add_command, add_store_option, load_accounts, store_location
from heliograph.cli.terminal import print_json, printable, report_failure
from heliograph.cli.timefmt import check_day_order, format_local_time, parse_day_option
from heliograph.errors import ConfigError, HeliographError

if TYPE_CHECKING:
    import asyncio
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.collect.backfill import Backfill, BackfillOptions, PlantBackfill
    from heliograph.config import Account

_EXAMPLES = """\
  heliograph backfill                              everything there is, plant by plant, newest day first
  heliograph backfill --since 2024-01-01           from this day on
  heliograph backfill --since 2024-01-01 --until 2024-12-31 --plant 1234567
  heliograph backfill --no-wait --json             what today's budget allows, for a timer

it may be stopped at any time: the same command goes on where it ended, and asks nothing twice
"""


def add_backfill(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "backfill", _EXAMPLES, backfill)
    parser.add_argument("--since", metavar="DAY", help="the first day, like 2024-01-01; else each plant's first")
    parser.add_argument("--until", metavar="DAY", help="the last day; else yesterday")
    parser.add_argument(
        "--plant", metavar="PLANT", action="append", default=[], help="this plant only, by id or name; may be repeated"
    )
    parser.add_argument(
        "--no-wait", action="store_false", dest="wait", help="end when the day's budget is used, and say what is left"
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects at the end, one per plant")
    add_store_option(parser)


def backfill(options: Namespace) -> int:
    """Ask until everything is there; stopped or out of budget, say what is left."""
    import asyncio  # noqa: PLC0415 - help needs no event loop

    from heliograph.collect.backfill import BackfillOptions  # noqa: PLC0415 - nor the collector

    since, until = parse_day_option(options.since, "--since"), parse_day_option(options.until, "--until")
    check_day_order(since, until, ("--since", "--until"))
    accounts = load_accounts(options)
    # What it warns of is said as an error at once.
    logging.getLogger("heliograph.collect").setLevel(logging.ERROR)
    return asyncio.run(
        _filled(
            accounts, store_location(options), options, BackfillOptions(since, until, options.plant, wait=options.wait)
        )
    )


async def _filled(accounts: Sequence[Account], where: str, options: Namespace, wish: BackfillOptions) -> int:
    import asyncio  # noqa: PLC0415 - as above

    from heliograph.cli.clients import create_client  # noqa: PLC0415
    from heliograph.cli.progress import show_progress  # noqa: PLC0415
    from heliograph.collect.backfill import Backfill  # noqa: PLC0415
    from heliograph.local_time import Clock  # noqa: PLC0415
    from heliograph.store import open_store  # noqa: PLC0415
    from heliograph.store.threaded import BufferedWriter  # noqa: PLC0415

    writer, stop = BufferedWriter(partial(open_store, where)), asyncio.Event()
    # A store that cannot be opened is a mistake to be mended, not something to ask clouds for.
    await writer.run(lambda _: None)
    stop_on_signals(stop)
    with show_progress() as tell:
        fills = []
        for account in accounts:
            limited = wish._replace(configured=account.plants)
            fills.append(
                Backfill(account.name, create_client(account, asynchronous=True), writer, Clock(), limited, tell)
            )
        many = len(accounts) > 1
        codes = await asyncio.gather(*(_one(fill, stop, many=many) for fill in fills))
    await writer.finish()
    if wish.plants and all(fill.found is not None and not fill.plants for fill in fills):
        raise _unknown(wish.plants, fills)
    if options.json:
        print_json([as_dict(one, fill) for fill in fills for one in fill.plants])
    else:
        for fill in fills:
            for said in sentences(fill):
                print(printable(said))
    return 130 if stop.is_set() else max(codes)


async def _one(fill: Backfill, stop: asyncio.Event, *, many: bool) -> int:
    """Fill one account; what stops it stops no other."""
    try:
        await fill.run(stop)
    except HeliographError as error:
        return report_failure(error, f"{fill.progress.name}: " if many else "")
    return 0


def _unknown(plants: Sequence[str], fills: Sequence[Backfill]) -> ConfigError:
    seen = [f"{one.id} ({one.name})" if one.name else one.id for fill in fills for one in fill.found or ()]
    wanted = " or ".join(map(repr, plants))
    return ConfigError(f"there is no plant {wanted}; the plants are: {', '.join(map(printable, seen)) or 'none'}")


def sentences(fill: Backfill) -> list[str]:
    """Return what became of an account, a line for each plant."""
    if fill.found is None and fill.progress.until:
        return [f"{fill.progress.name}: nothing was asked, {fill.progress.reason}{_resumes(fill)}"]
    return [sentence(one, fill) for one in fill.plants]


def sentence(share: PlantBackfill, fill: Backfill) -> str:
    """Return what became of a plant in one line."""
    about = f"{share.plant.name or share.plant.id}, {share.days.first} to {share.days.last}"
    if not share.length:
        return f"{share.plant.name or share.plant.id}: nothing to ask for between {share.days.first} and now"
    failures, left = share.count("failed"), share.days_left
    parts = [f"{share.count('data')} of {share.length} days are there"]
    parts += [f"of {nothing} the cloud has nothing"] if (nothing := share.count("nothing")) else []
    parts += [f"{failures} could not be read (asked again from tomorrow on)"] if failures else []
    parts += [f"{left} are left{_resumes(fill)}"] if left else []
    return f"{about}: {', '.join(parts)}"


def _resumes(fill: Backfill) -> str:
    until = fill.progress.until
    again = f" after {format_local_time(datetime.fromtimestamp(until, UTC), datetime.now(UTC))}" if until else ""
    return f": run the same again{again}"


def as_dict(share: PlantBackfill, fill: Backfill) -> dict[str, Any]:
    """Return what became of a plant, as JSON-ready data."""
    until = fill.progress.until
    return {
        "account": fill.progress.name,
        "vendor": share.plant.vendor,
        "plant": share.plant.id,
        "name": share.plant.name,
        "since": share.days.first.isoformat(),
        "until": share.days.last.isoformat(),
        "days": share.length,
        "data": share.count("data"),
        "nothing": share.count("nothing"),
        "failed": share.count("failed"),
        "left": share.days_left,
        "resumes_at": None if until is None else datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds"),
        "over": not share.remaining,
    }
