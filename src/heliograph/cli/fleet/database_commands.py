"""The work of `heliograph fleet init`, `migrate`, `key` and `import`; needs the extra `fleet`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from heliograph.cli.fleet.connection import with_database
from heliograph.cli.fleet.options import KEY_FILE
from heliograph.cli.terminal import print_error, print_json, print_wrapped, printable
from heliograph.errors import ConfigError
from heliograph.fleet.csv_import import import_accounts
from heliograph.fleet.procrastinate_engine import ProcrastinateEngine
from heliograph.fleet.registry import ResealReport, reseal
from heliograph.fleet.schema import init, migrate, shards_by_egress
from heliograph.fleet.secrets import SecretBox, add_key, read_keys

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.fleet.database import Database

_MAX_SHOWN = 50
_MAX_BYTES = 100_000_000


def init_tables(options: Namespace) -> int:
    """Create the tables of store, fleet and engine."""
    shards = with_database(options, lambda database: _init(database, options.shards, options.egress), has_tables=False)
    of_egress = sum(egress == options.egress for egress in shards.values())
    if options.json:
        print_json({"shards": len(shards), "egress": options.egress, "egress_shards": of_egress})
    else:
        print_wrapped(f"The fleet is ready: {of_egress} shards for egress {options.egress}, {len(shards)} in all.")
        print_wrapped("Next: heliograph fleet key new, then heliograph fleet import FILE --tenant NAME")
    return 0


async def _init(database: Database, shards: int, egress: str) -> dict[int, str]:
    await init(database, shards, egress)
    found = await shards_by_egress(database)
    await ProcrastinateEngine(database.url).add_shards(found)
    return found


def migrate_tables(options: Namespace) -> int:
    """Expand the tables, or contract them."""
    found = with_database(options, lambda database: migrate(database, contract=options.contract), has_tables=False)
    if options.json:
        print_json(found._asdict())
    else:
        print_wrapped(f"The tables have version {found.expanded}; programs from version {found.contracted} on may run.")
    return 0


def change_key(options: Namespace) -> int:
    """Add a key to the key file, or seal all secrets with its last key."""
    if options.action == "new":
        file = _key_file(options)
        if file is None:
            raise ConfigError(f"no key file is given; use --key-file FILE or the variable {KEY_FILE}")
        number = add_key(file)
        if options.json:
            print_json({"key": number, "file": str(file)})
        else:
            print_wrapped(f"Key {number} is in {printable(str(file))}. Keep a copy elsewhere: it cannot be recovered.")
        return 0
    box = secret_box(options)

    async def rotate(database: Database) -> ResealReport:
        return await reseal(database, box)

    report = with_database(options, rotate)
    if options.json:
        print_json({"key": box.current, **report._asdict()})
        return int(bool(report.unopened))
    _print_problems(report.unopened)
    older = "older keys are still needed" if report.unopened else "older keys open nothing any more"
    print_wrapped(f"{report.sealed} rows were sealed with key {box.current}; {older}.")
    return int(bool(report.unopened))


def import_file(options: Namespace) -> int:
    """Import a CSV file; exit code 1 and one line for each problem if it has any."""
    text, box = _read_text(options.file), secret_box(options)

    async def run(database: Database) -> tuple[int, tuple[str, ...], bool]:
        return await import_accounts(
            database, box, text, tenant=options.tenant, egress=options.egress, dry_run=options.dry_run
        )

    accounts, problems, stored = with_database(options, run)
    if options.json:
        print_json({"accounts": accounts, "problems": problems, "stored": stored, "dry_run": options.dry_run})
        return int(bool(problems))
    _print_problems([f"{options.file}: {problem}" for problem in problems])
    if problems:
        print_error("nothing was imported; correct these lines and import the file again")
        return 1
    verdict = "can be imported for" if options.dry_run else "were imported for"
    print_wrapped(f"{accounts} accounts {verdict} {printable(options.tenant)}.")
    return 0


def _print_problems(problems: Sequence[str]) -> None:
    for problem in problems[:_MAX_SHOWN]:
        print_error(problem)
    if len(problems) > _MAX_SHOWN:
        print_error(f"and {len(problems) - _MAX_SHOWN} more problems; --json lists them")


def secret_box(options: Namespace) -> SecretBox:
    """Return the box of the key in the options or the environment; raises `ConfigError` without one."""
    command = shlex.split(options.key_command) if options.key_command else ()
    return SecretBox(read_keys(None if command else _key_file(options), command))


def _key_file(options: Namespace) -> Path | None:
    given = options.key_file or os.environ.get(KEY_FILE)
    return Path(given).expanduser() if given else None


def _read_text(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read(_MAX_BYTES + 1) if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{file} is larger than {_MAX_BYTES // 1_000_000} MB, which is no list of accounts")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text; save it as CSV UTF-8") from None
