"""The database of a subcommand; needs the extra `fleet`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from heliograph.cli.fleet.options import database_url
from heliograph.fleet.database import Database
from heliograph.fleet.schema import check_schema

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def with_database(options: Namespace, work: Callable[[Database], Awaitable[T]], *, has_tables: bool = True) -> T:
    """Return the result of some work with the database of the options, which is closed afterwards.

    Raises `StoreError` if its tables are not those of this version, unless the work creates them.
    """

    async def run() -> T:
        database = Database(database_url(options))
        try:
            if has_tables:
                await check_schema(database)
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())
