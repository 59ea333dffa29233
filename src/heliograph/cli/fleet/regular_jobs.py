"""The work of `heliograph fleet jobs`; needs the extra `fleet`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.fleet.options import database_url
from heliograph.cli.terminal import print_error, print_json, print_wrapped, printable
from heliograph.errors import ConfigError, StoreError
from heliograph.fleet.archive import ArchivedTable, archive_old_days, check_archive
from heliograph.fleet.database import Database
from heliograph.fleet.partitions import add_partitions, day_start
from heliograph.fleet.schema import check_schema

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

MIN_KEEP = 56
"""Days: the alarm rules read the half hours of seven weeks."""
_JOB_SECONDS, _RETRY_SECONDS = 3600.0, 60.0
_STATEMENT_SECONDS = 6 * 3600.0
"""The hours of a day of 100,000 plants take minutes."""


def run_jobs(options: Namespace) -> int:
    """Do what is due now, and again every hour until stopped."""
    if options.keep < MIN_KEEP:
        raise ConfigError(f"--keep must be at least {MIN_KEEP} days, got {options.keep}: alarm rules read seven weeks")
    if options.archive is not None:
        check_archive(options.archive)
    return asyncio.run(_run_jobs(options))


async def _run_jobs(options: Namespace) -> int:
    stop = asyncio.Event()
    database = Database(
        database_url(options), application="heliograph fleet jobs", statement_seconds=_STATEMENT_SECONDS
    )
    try:
        await check_schema(database)
        if options.once:
            await _do_jobs(database, options)
            return 0
        # A transaction or a file that is cut off here is repeated by the next run.
        stop_on_signals(stop)
        jobs = asyncio.create_task(_repeat_jobs(database, options))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((jobs, stopped), return_when=asyncio.FIRST_COMPLETED)
        for task in (jobs, stopped):
            task.cancel()
        results = await asyncio.gather(jobs, stopped, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]
    finally:
        await database.close()
    return 0


async def _repeat_jobs(database: Database, options: Namespace) -> None:
    while True:
        seconds = _JOB_SECONDS
        try:
            await _do_jobs(database, options)
        except StoreError as error:
            print_error(f"{error}; the jobs are tried again in a minute")
            seconds = _RETRY_SECONDS
        await asyncio.sleep(seconds)


async def _do_jobs(database: Database, options: Namespace) -> None:
    today = datetime.fromtimestamp(await database.observe_clock(), UTC).date()
    added = await add_partitions(database, today)
    archived: Sequence[ArchivedTable] = ()
    if options.archive is not None:
        before = day_start(today - timedelta(days=options.keep))
        archived = await archive_old_days(database, before, options.archive)
    if options.json:
        print_json({"added": added, "archived": [one._asdict() for one in archived]})
        return
    if added or options.once:
        print_wrapped(f"partitions added: {', '.join(added) or 'none, all are there'}")
    for one in archived:
        print_wrapped(f"archived: {one.rows:,} rows of {one.table} in {printable(one.file)}")
