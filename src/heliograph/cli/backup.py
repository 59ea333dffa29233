"""`heliograph backup`: one file with store, account states, journals and configuration, made while collecting."""

from __future__ import annotations

import json
import os
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from heliograph.cli.archive import CONFIG, PASSWORDS, STORE, Manifest, new_archive
from heliograph.cli.options import add_command, add_store_option, store_location
from heliograph.cli.terminal import print_json, print_wrapped
from heliograph.config.passwords import PasswordStore
from heliograph.core.files import config_path
from heliograph.errors import ConfigError, StoreError
from heliograph.keeper import DEFAULT_KEEPER
from heliograph.keeper.state_file import StateFile
from heliograph.settings.api import journal_folder
from heliograph.store.backup import copy_store
from heliograph.store.recovery import numbers_of_files, remove_database

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from heliograph.cli.archive import ArchiveWriter

_EXAMPLES = """\
  heliograph backup solar.backup                 everything but passwords, tokens and sessions
  heliograph backup --secrets solar.backup       these too; keep the file as safe as the passwords
  heliograph restore solar.backup

A collector may run: the backup is the state of one moment. An older backup of that name is replaced.
"""
SECRET_KEYS = ("password", "token", "key", "secret")
"""Keys of the configuration whose values are secrets; the address of a webhook is one too."""
_SECRET_LINE = re.compile(rf"\s*#?\s*[\"']?({'|'.join(SECRET_KEYS)})[\"']?\s*=")
_URL_LINE = re.compile(r"\s*#?\s*[\"']?url[\"']?\s*=")
_TABLE = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]+")
_URL_PASSWORD = re.compile(r"(://[^/@\s\"']*?):[^@/\s\"']*@")


def add_backup(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "backup", _EXAMPLES, backup, accounts=False)
    parser.add_argument("file", metavar="FILE", type=Path, help="the backup to write")
    parser.add_argument("--secrets", action="store_true", help="include passwords, tokens and sessions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_store_option(parser)


def backup(options: Namespace) -> int:
    """Write the backup; on any failure there is no new file, and an older one stays."""
    path = options.file.expanduser().absolute()
    manifest = Manifest(created_at=datetime.now(UTC).isoformat(timespec="seconds"), secrets=options.secrets)
    config, store = options.config or config_path(os.environ), store_location(options)
    with new_archive(path, manifest) as archive:
        _add_config(archive, config)
        _add_states(archive)
        _add_journals(archive)
        _add_store(archive, store, path)
        if not manifest.files:
            raise ConfigError(f"there is nothing to back up: neither {config} nor {store} exists")
    size = path.stat().st_size
    if options.json:
        print_json({"file": str(path), "size": size, **_summary(manifest)})
        return 0
    parts = [f"{number} {what}{'s' * (number > 1)}" for what, number in _counts(manifest).items() if number]
    print_wrapped(f"{path}: {', '.join(parts)} ({size / 1e6:.1f} MB)")
    for text in manifest.left_out:
        print_wrapped(f"  not included: {text}")
    return 0


def _counts(manifest: Manifest) -> dict[str, int]:
    names = list(manifest.files)
    return {
        "store": names.count(STORE),
        "account state": sum(name.endswith(".state.json") for name in names),
        "settings journal": sum(name.endswith(".jsonl") for name in names),
        "configuration": names.count(CONFIG),
    }


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "created_at": manifest.created_at,
        **{name.replace(" ", "_"): number for name, number in _counts(manifest).items()},
        "secrets": manifest.secrets,
        "left_out": manifest.left_out,
    }


def _add_config(archive: ArchiveWriter, path: Path) -> None:
    manifest = archive.manifest
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    if text and not manifest.secrets:
        text, removed = without_secrets(text, path)
        if removed:
            manifest.left_out.append(f"{', '.join(removed)} of {path.name} (with --secrets they are)")
    if text:
        archive.add_text(CONFIG, text.encode())
    for key, name in _named_files(text):
        manifest.left_out.append(f"the file {name}, which {key} names")
    passwords = PasswordStore.for_user(os.environ)
    if not manifest.secrets:
        manifest.left_out.append("saved passwords and sessions: log in again after restoring (with --secrets they are)")
    elif passwords.path.exists():
        archive.add_text(PASSWORDS, passwords.path.read_bytes())
    elif "HELIOGRAPH_NO_KEYRING" not in os.environ:
        manifest.left_out.append("passwords in the system's keyring")


def without_secrets(text: str, path: Path) -> tuple[str, list[str]]:
    r"""Return a configuration without its secrets, each replaced by a comment, and the keys that had one.

    Raises `ConfigError` if a secret is written in a form that cannot be removed.

    >>> without_secrets('[mqtt]\nhost = "a"\npassword = "b"\n', Path("config.toml"))
    ('[mqtt]\nhost = "a"\n# password = "..." is not in the backup\n', ['mqtt.password'])
    """
    table, removed, lines = "", [], []
    for line in text.split("\n"):
        if found := _TABLE.match(line):
            table = found[1]
        secret = _SECRET_LINE.match(line)
        if secret or (table == "webhook" and _URL_LINE.match(line)):
            key = secret[1] if secret else "url"
            lines.append(f'# {key} = "..." is not in the backup')
            removed.append(f"{table}.{key}" if table else key)
        else:
            lines.append(_URL_PASSWORD.sub(r"\1@", line))
    cleaned = "\n".join(lines)
    try:
        remaining = next(_secrets_of(tomllib.loads(cleaned)), "")
    except tomllib.TOMLDecodeError:
        remaining = "a value"
    if remaining:
        raise ConfigError(
            f"{path}: {remaining} is a secret that is not on a line of its own, so that it cannot be left out; "
            "write it as key = value on one line, or back up with --secrets"
        )
    return cleaned, list(dict.fromkeys(removed))


def _secrets_of(data: Any, name: str = "") -> Iterator[str]:
    """Yield the names of the keys that still contain a secret."""
    if isinstance(data, dict):
        for key, value in data.items():
            full = f"{name}.{key}" if name else key
            if key in SECRET_KEYS or (key == "url" and name == "webhook"):
                yield full
            yield from _secrets_of(value, full)
    elif isinstance(data, list):
        for one in data:
            yield from _secrets_of(one, name)
    elif isinstance(data, str) and _URL_PASSWORD.search(data):
        yield name


def _named_files(text: str) -> Iterator[tuple[str, str]]:
    """Yield the keys that name a file with a secret, and the file."""
    yield from re.findall(r"(?m)^\s*(\w+_file)\s*=\s*[\"']([^\"'\n]*)", text)


def _add_states(archive: ArchiveWriter) -> None:
    folder = DEFAULT_KEEPER.folder
    for path in sorted(folder.glob("*.json")):
        name = path.name.removesuffix(".json")
        if name.endswith(".snapshots"):
            # Replaced as a whole by its writers, so that it is never read half-written.
            archive.add_text(f"accounts/{path.name}", path.read_bytes())
            continue
        state = StateFile(folder, name).load(time())
        if not archive.manifest.secrets:
            state.session = state.opened_at = None
        archive.add_text(f"accounts/{name}.state.json", json.dumps(state.to_dict()).encode())


def _add_journals(archive: ArchiveWriter) -> None:
    for path in sorted(journal_folder().glob("*.jsonl")):
        # A line that is being written is not complete, and nothing was sent for it yet.
        archive.add_text(f"orders/{path.name}", b"".join(path.read_bytes().rpartition(b"\n")[:2]))
        if path.with_suffix(".open").exists():
            archive.add_text(f"orders/{path.stem}.open", b"")


def _add_store(archive: ArchiveWriter, where: str, backup_path: Path) -> None:
    scheme, colon, rest = where.partition("://")
    if colon and scheme != "sqlite":
        archive.manifest.left_out.append("the store, which is in PostgreSQL: save it with pg_dump")
        return
    path = Path(rest.removeprefix("/") if colon else where).expanduser()
    if not numbers_of_files(path):
        archive.manifest.left_out.append(f"a store: there is none at {path} yet")
        return
    copy = backup_path.with_name(f".{backup_path.name}.{os.getpid()}.store")
    try:
        copy_store(path, copy)
        archive.add_file(STORE, copy)
    except StoreError as error:
        raise StoreError(f"{error}. No backup was made") from None
    finally:
        remove_database(copy)
