"""The work of `heliograph fleet serve`, `triage`, `tenant`, `member` and `token`; needs the extra `fleet`."""

from __future__ import annotations

import asyncio
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.fleet.connection import with_database
from heliograph.cli.fleet.options import database_url
from heliograph.cli.serve import WEB_PACKAGES
from heliograph.cli.terminal import print_json, print_wrapped, printable
from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError, StoreInUse
from heliograph.fleet import tenants
from heliograph.fleet.access import PageDatabase, parse_role
from heliograph.fleet.database import Database
from heliograph.fleet.schema import check_schema
from heliograph.fleet.secrets import SecretBox, open_index, read_keys
from heliograph.fleet.triage_update import ShardStore, TriageUpdater
from heliograph.fleet.triage_update import run as run_triage
from heliograph.local_time import Clock

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable, Sequence

    from heliograph.fleet.database import Run
    from heliograph.web.fleet.admin_routes import Onboarding


def serve_page(options: Namespace) -> int:
    """Serve the page until SIGTERM or Ctrl-C."""
    for package in WEB_PACKAGES:
        if find_spec(package) is None:
            raise ConfigError(f"the page needs {package}, which is not installed: {extra_command('web')}")
    from heliograph.web.fleet.server import serve_fleet  # noqa: PLC0415 - needs the extra `web` too

    url = database_url(options)

    async def listen() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await serve_fleet(
            PageDatabase(url),
            Clock(),
            stop,
            host=options.host,
            port=options.port,
            hosts=options.name,
            proxies=options.trusted_proxy,
            header=options.header,
            onboarding=await _onboarding(options, url),
            ready=lambda address: print(f"heliograph fleet serve listens on {address}", flush=True),
        )

    asyncio.run(listen())
    return 0


async def _onboarding(options: Namespace, url: str) -> Onboarding | None:
    """Return what imports accounts, if the server was given the fleet's key; raises if the key is not the fleet's."""
    from heliograph.web.fleet.admin_routes import Onboarding  # noqa: PLC0415 - needs the extra `web` too

    if not options.key_file and not options.key_command:
        return None
    file = Path(options.key_file) if options.key_file else None
    box, database = SecretBox(read_keys(file, shlex.split(options.key_command or ""))), Database(url)
    await check_schema(database)
    await open_index(database, box)
    return Onboarding(database, box, options.egress)


def update_triage(options: Namespace) -> int:
    """Evaluate the alarm rules of some shards until SIGTERM or Ctrl-C, or once."""
    with_database(options, check_schema, has_tables=False)
    with ShardStore(database_url(options)) as store:
        shards = parse_shards(options.shards, store.shards())
        # A second process would evaluate the same alarms with other half hours in memory.
        try:
            store.claim([f"triage of shard {one}" for one in shards])
        except StoreInUse:
            raise ConfigError("another process evaluates some of these shards; stop it, or use --shards") from None
        updater = TriageUpdater(store)
        if options.once:
            plants = sum(updater.update(one, int(Clock().now())) for one in shards)
            print_wrapped(f"{plants:,} plants evaluated.")
            return 0

        async def evaluate() -> None:
            stop = asyncio.Event()
            stop_on_signals(stop)
            await run_triage(updater, shards, Clock(), stop, options.interval)

        asyncio.run(evaluate())
    return 0


def parse_shards(text: str | None, known: Sequence[int]) -> list[int]:
    """Return the shards of a range like 0-127; raises `ConfigError` if the fleet has none of it.

    >>> parse_shards("1-2", [0, 1, 2, 3])
    [1, 2]
    """
    if text is None:
        return list(known)
    found = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text, re.ASCII)
    if found is None:
        raise ConfigError(f"--shards is a range like 0-127, not {text!r}")
    first, last = int(found[1]), int(found[2] or found[1])
    shards = [one for one in known if first <= one <= last]
    if not shards:
        raise ConfigError(f"the fleet has no shard from {first} to {last}; it has {len(known)}")
    return shards


def add_tenant(options: Namespace) -> int:
    """Add a tenant."""
    number = _run(options, lambda run: tenants.add_tenant(run, options.tenant, options.contact))
    return _show(
        options, {"id": number, "name": options.tenant}, f"Tenant {printable(options.tenant)} has number {number}."
    )


def list_tenants(options: Namespace) -> int:
    """List the tenants."""

    async def read(run: Run) -> list[tenants.Tenant]:
        return [tenants.Tenant(*row) for row in await run("SELECT id, name FROM tenant ORDER BY lower(name)")]

    found = _run(options, read)
    return _show(options, [one._asdict() for one in found], *(f"{one.id}  {printable(one.name)}" for one in found))


def set_member(options: Namespace) -> int:
    """Add a member, or change its role."""
    _of_tenant(options, lambda run, tenant: tenants.set_member(run, tenant, options.subject, parse_role(options.role)))
    member = {"tenant": options.tenant, "subject": options.subject, "role": options.role}
    return _show(options, member, f"{printable(options.subject)} is {options.role} of {printable(options.tenant)}.")


def remove_member(options: Namespace) -> int:
    """Remove a member."""
    if not _of_tenant(options, lambda run, tenant: tenants.remove_member(run, tenant, options.subject)):
        raise ConfigError(f"{options.tenant} has no member {options.subject!r}")
    member = {"tenant": options.tenant, "subject": options.subject, "role": None}
    return _show(options, member, f"{printable(options.subject)} is removed from {printable(options.tenant)}.")


def list_members(options: Namespace) -> int:
    """List the members of a tenant."""
    found = _of_tenant(options, lambda run, tenant: tenants.list_members(run, [tenant]))
    data = [{"subject": one.subject, "role": one.role.name.lower()} for one in found]
    return _show(options, data, *(f"{one['role']:8}  {printable(one['subject'])}" for one in data))


def new_token(options: Namespace) -> int:
    """Create a token and print it."""
    role = parse_role(options.role)
    token = _of_tenant(
        options, lambda run, tenant: tenants.add_token(run, tenant, options.token_name, role, options.days)
    )
    if options.json:
        print_json({"token": token, "role": options.role})
    else:
        print(token)  # alone, so that it can be piped into a file
    return 0


def revoke_token(options: Namespace) -> int:
    """Revoke a token."""
    if not _of_tenant(options, lambda run, tenant: tenants.revoke_token(run, tenant, options.number)):
        raise ConfigError(f"{options.tenant} has no valid token {options.number}; see: heliograph fleet token list")
    return _show(options, {"id": options.number, "revoked": True}, f"Token {options.number} is revoked.")


def list_tokens(options: Namespace) -> int:
    """List the valid tokens of a tenant."""
    found = _of_tenant(options, lambda run, tenant: tenants.list_tokens(run, [tenant]))
    data = [
        {
            "id": one.id,
            "name": one.name,
            "role": one.role.name.lower(),
            "created_at": one.created_at.isoformat(),
            "expires_at": one.expires_at and one.expires_at.isoformat(),
        }
        for one in found
    ]
    lines = [f"{one['id']:>4}  {one['role']:8}  {printable(str(one['name']))}" for one in data]
    return _show(options, data, *lines)


def _show(options: Namespace, data: Any, *lines: str) -> int:
    if options.json:
        print_json(data)
    else:
        print_wrapped(*(lines or ["None."]))
    return 0


def _of_tenant(options: Namespace, work: Callable[[Run, int], Awaitable[Any]]) -> Any:
    """Run something about the tenant of the options, in one transaction."""

    async def with_tenant(run: Run) -> Any:
        return await work(run, await tenants.tenant_by_name(run, options.tenant))

    return _run(options, with_tenant)


def _run(options: Namespace, work: Callable[[Run], Awaitable[Any]]) -> Any:
    async def in_transaction(database: Database) -> Any:
        async with database.transaction() as run:
            return await work(run)

    return with_database(options, in_transaction)
