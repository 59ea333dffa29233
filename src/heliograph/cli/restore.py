"""`heliograph restore`: put the files of a backup in place; what was there is renamed, never deleted."""

from __future__ import annotations

import json
import os
import tomllib
from contextlib import ExitStack, suppress
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.archive import CONFIG, PASSWORDS, STORE, ArchiveReader
from heliograph.cli.options import add_command, add_store_option
from heliograph.cli.terminal import print_json, print_wrapped
from heliograph.config import STORE as STORE_VARIABLE
from heliograph.core.files import config_path, data_folder
from heliograph.core.limits import remedy
from heliograph.errors import ConfigError
from heliograph.keeper import DEFAULT_KEEPER
from heliograph.keeper.state import AccountState
from heliograph.keeper.state_file import StateFile
from heliograph.settings.api import journal_folder
from heliograph.store.backup import check_copy, store_files, unused_store
from heliograph.store.recovery import database_parts

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

_EXAMPLES = """\
  heliograph restore solar.backup                on a new machine, or after a disk failure
  heliograph restore --dry-run solar.backup      check the file and show what would be restored
  heliograph restore --replace solar.backup      go back to it; what is there now is renamed

Stop the collector first. The state of an account that is newer here stays: it counts the requests of the last day.
"""


class _Plan(NamedTuple):
    """Where the files of a backup go."""

    files: dict[str, Path]
    store: Path | None
    """None if the backup has no store, or if the configuration names one in PostgreSQL."""

    def existing(self) -> list[Path]:
        """Return the files that are there already."""
        found = [path for path in self.files.values() if path.exists()]
        return found + (store_files(self.store) if self.store else [])


def add_restore(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "restore", _EXAMPLES, restore, accounts=False)
    parser.add_argument("file", metavar="FILE", type=Path, help="the backup to read")
    parser.add_argument("--replace", action="store_true", help="rename files that exist already, then restore")
    parser.add_argument("--dry-run", action="store_true", help="check the backup and change nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_store_option(parser)


def restore(options: Namespace) -> int:
    """Restore a backup; until every file of it is verified and written, nothing that exists is touched."""
    with ArchiveReader(options.file.expanduser()) as archive:
        plan = _plan(archive, options)
        existing = plan.existing()
        if existing and not options.replace and not options.dry_run:
            names = ", ".join(map(str, existing[:3])) + (" and others" if len(existing) > 3 else "")
            raise ConfigError(f"{names} exist already and nothing was changed; --replace renames them and restores")
        renamed: list[Path] = []
        if not options.dry_run:
            with ExitStack() as stack:
                if plan.store is not None:
                    stack.enter_context(unused_store(plan.store))
                renamed = _restore_files(archive, plan, existing)
        states, kept = _restore_states(archive, dry_run=options.dry_run)
        manifest, named = archive.manifest, _configured_store(archive)
    targets = [*plan.files.values(), *([plan.store] if plan.store else [])]
    if options.json:
        print_json(
            {
                "file": str(options.file),
                "created_at": manifest.created_at,
                "restored": list(map(str, targets)),
                "account_states": states,
                "account_states_kept": kept,
                "renamed": list(map(str, renamed)),
                "left_out": manifest.left_out,
                "dry_run": options.dry_run,
            }
        )
        return 0
    print_wrapped(f"Backup of {manifest.created_at}, made by heliograph {manifest.program}")
    verb = "would be restored" if options.dry_run else "restored"
    for path in targets:
        print_wrapped(f"  {verb}: {path}")
    if states or kept:
        print_wrapped(f"  {verb}: account states: {states}" + (f"; newer here, and kept: {kept}" if kept else ""))
    if options.store and named not in ("", options.store):
        print_wrapped(f"  the configuration names another store, {named}: change it, or start with --store")
    for path in renamed:
        print_wrapped(f"  the former file is now {path}")
    for text in manifest.left_out:
        print_wrapped(f"  not in the backup: {text}")
    return 0


def _plan(archive: ArchiveReader, options: Namespace) -> _Plan:
    files = {}
    config = options.config or config_path(os.environ)
    if CONFIG in archive.names():
        files[CONFIG] = config
    if PASSWORDS in archive.names():
        files[PASSWORDS] = data_folder(os.environ) / PASSWORDS
    for name in archive.names("orders/"):
        path = journal_folder() / name.removeprefix("orders/")
        # A journal that continues the saved one has all of it.
        if not (path.exists() and path.read_bytes().startswith(archive.read(name))):
            files[name] = path
    for name in archive.names("accounts/"):
        path = DEFAULT_KEEPER.folder / name.removeprefix("accounts/")
        if name.endswith(".snapshots.json") and not path.exists():  # existing ones are newer
            files[name] = path
    return _Plan(files, _store_path(archive, options) if STORE in archive.names() else None)


def _store_path(archive: ArchiveReader, options: Namespace) -> Path | None:
    """Return the file that the restored configuration will use as the store."""
    where: str = options.store or os.environ.get(STORE_VARIABLE) or _configured_store(archive)
    if not where:
        return data_folder(os.environ) / "heliograph.sqlite"
    scheme, colon, rest = where.partition("://")
    if colon and scheme != "sqlite":
        raise ConfigError("the store of this backup is a SQLite file; name where it goes with --store FILE")
    return Path(rest.removeprefix("/") if colon else where).expanduser()


def _configured_store(archive: ArchiveReader) -> str:
    """Return the store that the saved configuration names; empty for the default."""
    if CONFIG not in archive.names():
        return ""
    with suppress(tomllib.TOMLDecodeError):
        return str(tomllib.loads(archive.read(CONFIG).decode("utf-8", "replace")).get("store", ""))
    return ""


def _restore_files(archive: ArchiveReader, plan: _Plan, existing: Iterable[Path]) -> list[Path]:
    """Write all files beside their places, then exchange them; return the new names of the former files."""
    targets = {**plan.files, **({STORE: plan.store} if plan.store else {})}
    drafts = {name: path.with_name(f".{path.name}.{os.getpid()}.restore") for name, path in targets.items()}
    moves: list[tuple[Path, Path]] = []
    renamed = []
    try:
        for name, draft in drafts.items():
            draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            archive.extract(name, draft)
            if name == STORE:
                check_copy(draft)
        for path in existing:
            aside = _free_name(path)
            _move(path, aside, moves)
            renamed.append(aside)
        for name, draft in drafts.items():
            _move(draft, targets[name], moves)
    except BaseException as error:
        for source, target in reversed(moves):
            target.replace(source)
        if isinstance(error, OSError):
            advice = f"; {remedy(error)}" if remedy(error) else ""
            where = error.filename or archive.path
            raise ConfigError(f"{where}: {error.strerror or error}{advice}. Nothing was restored or changed") from None
        raise
    finally:
        for draft in drafts.values():
            for part in database_parts(draft):
                part.unlink(missing_ok=True)
    return renamed


def _move(source: Path, target: Path, moves: list[tuple[Path, Path]]) -> None:
    source.replace(target)
    moves.append((source, target))


def _free_name(path: Path) -> Path:
    """Return an unused name for a former file."""
    number = 1
    while (found := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    return found


def _restore_states(archive: ArchiveReader, *, dry_run: bool) -> tuple[int, int]:
    """Save the account states that are newer than those here; return their number and that of the others."""
    restored = kept = 0
    folder, now = DEFAULT_KEEPER.folder, time()
    for name in archive.names("accounts/"):
        if not name.endswith(".state.json"):
            continue
        try:
            state = AccountState.from_dict(json.loads(archive.read(name)))
        except (ValueError, TypeError, RecursionError):
            raise ConfigError(f"{archive.path} is damaged: its {name} is no account state") from None
        file = StateFile(folder, name.removeprefix("accounts/").removesuffix(".state.json"))
        if not file.path.exists() or file.load(now).at < state.at:
            restored += 1
            if not dry_run:
                _save_state(file, state, now)
        else:
            kept += 1
    return restored, kept


def _save_state(file: StateFile, state: AccountState, now: float) -> None:
    held = file.hold()
    if held is None:
        raise ConfigError(
            f"another program uses the account of {file.path}; stop it, then restore again with --replace"
        )
    try:
        held.load(now)
        held.save(state, durable=True)
    finally:
        held.release()
