"""The server of the triage page: runs the application on a socket until stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.web.fleet.app import make_fleet_app
from heliograph.web.server import run_server

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from heliograph.fleet.access import PageDatabase
    from heliograph.local_time import Clock
    from heliograph.web.fleet.admin_routes import Onboarding


async def serve_fleet(
    database: PageDatabase,
    clock: Clock,
    stop: asyncio.Event,
    *,
    host: str,
    port: int,
    hosts: Sequence[str] = (),
    proxies: Sequence[str] = (),
    header: str,
    onboarding: Onboarding | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serve the page until stopped; `ready` is called with the address once the server listens.

    Raises `ConfigError` if row-level security does not limit the page.
    """
    try:
        app = make_fleet_app(
            database, clock, host=host, hosts=hosts, proxies=proxies, header=header, onboarding=onboarding
        )
        await database.check()
        # No forwarded addresses: the address of the connection decides whether the identity header is accepted.
        await run_server(app, host, port, stop, ready)
    finally:
        await database.close()
        if onboarding is not None:
            await onboarding.database.close()
