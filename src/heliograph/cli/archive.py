"""The file of a backup: a ZIP archive of the user's files and a manifest with their sizes and checksums."""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from heliograph import __version__
from heliograph.core.limits import remedy
from heliograph.errors import ConfigError
from heliograph.keeper.snapshot_file import FORMAT as SNAPSHOT_FORMAT
from heliograph.keeper.state_format import FORMAT as STATE_FORMAT
from heliograph.settings.journal import FORMAT as JOURNAL_FORMAT
from heliograph.store.backup import FORMAT as STORE_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORE, CONFIG, PASSWORDS = "store.sqlite", "config.toml", "passwords.json"
FORMATS = {
    "backup": 1,
    "store": STORE_FORMAT,
    "account state": STATE_FORMAT,
    "snapshots": SNAPSHOT_FORMAT,
    "journal": JOURNAL_FORMAT,
}
"""The newest formats that this version reads and writes."""
_MANIFEST = "manifest.json"
_MAX_MANIFEST = 1 << 20
_NAME = re.compile(
    r"store\.sqlite|config\.toml|passwords\.json"
    r"|accounts/[a-z0-9_.-]{1,80}\.(state|snapshots)\.json|orders/[a-z0-9_.-]{1,80}\.(jsonl|open)"
)
_BLOCK = 1 << 20


@dataclass(kw_only=True)
class Manifest:
    """The contents of a backup, and the versions that can read it."""

    program: str = __version__
    created_at: str
    formats: dict[str, int] = field(default_factory=lambda: dict(FORMATS))
    secrets: bool
    """Whether passwords, tokens and sessions are included."""
    left_out: list[str] = field(default_factory=list)
    """Parts that are not included, as texts for the user."""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Size and SHA-256 of each file by its name in the archive."""


class ArchiveWriter:
    """A backup while it is written; the manifest is its last file."""

    def __init__(self, zipped: zipfile.ZipFile, manifest: Manifest) -> None:
        self._zip = zipped
        self.manifest = manifest

    def add_text(self, name: str, text: bytes) -> None:
        """Add a small file."""
        with self._zip.open(name, "w") as out:
            out.write(text)
        self.manifest.files[name] = {"size": len(text), "sha256": sha256(text).hexdigest()}

    def add_file(self, name: str, path: Path) -> None:
        """Add a large file that does not change."""
        digest, size = sha256(), 0
        with path.open("rb") as source, self._zip.open(name, "w", force_zip64=True) as out:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                out.write(block)
        self.manifest.files[name] = {"size": size, "sha256": digest.hexdigest()}

    def finish(self) -> None:
        """Write the manifest."""
        with self._zip.open(_MANIFEST, "w") as out:
            out.write(json.dumps(asdict(self.manifest), indent=1).encode())


@contextmanager
def new_archive(path: Path, manifest: Manifest) -> Iterator[ArchiveWriter]:
    """Yield a new backup, which gets its name only when it is complete; an older backup is replaced.

    Raises `ConfigError` if the file cannot be written, or if it exists and is no backup.
    """
    if path.exists() and not _is_backup(path):
        raise ConfigError(f"{path} exists and is not a backup; choose another name")
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
                writer = ArchiveWriter(zipped, manifest)
                yield writer
                writer.finish()
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        advice = f"; {remedy(error)}" if remedy(error) else ""
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}{advice}. No backup was made") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _is_backup(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as zipped:
            return _MANIFEST in zipped.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


class ArchiveReader:
    """An existing backup whose formats this version reads; every file is verified while it is read."""

    def __init__(self, path: Path) -> None:
        """Open a backup; raises `ConfigError` if it is damaged, no backup, or written by a newer version."""
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
        except zipfile.BadZipFile:
            raise ConfigError(f"{path} is not a backup of heliograph, or only a part of one") from None
        try:
            self.manifest = self._read_manifest()
            self._check_formats()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def names(self, start: str = "") -> list[str]:
        """Return the names of the files that begin with a text."""
        return [name for name in self.manifest.files if name.startswith(start)]

    def read(self, name: str) -> bytes:
        """Return a small file."""
        return b"".join(self._blocks(name))

    def extract(self, name: str, target: Path) -> None:
        """Write a file to a new one that only its owner can read; raises OSError if there is no room for it."""
        with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            for block in self._blocks(name):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())

    def _blocks(self, name: str) -> Iterator[bytes]:
        expected = self.manifest.files[name]
        digest, left = sha256(), expected["size"]
        try:
            with self._zip.open(name) as source:
                while block := source.read(min(_BLOCK, left + 1)):
                    left -= len(block)
                    if left < 0:
                        break
                    digest.update(block)
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, LookupError, ValueError, NotImplementedError):
            left = -1
        if left or digest.hexdigest() != expected["sha256"]:
            raise ConfigError(f"{self.path} is damaged: its {name} is not what was saved; use another backup")

    def _read_manifest(self) -> Manifest:
        try:
            with self._zip.open(_MANIFEST) as source:
                stored = json.loads(source.read(_MAX_MANIFEST))
            known = Manifest.__dataclass_fields__
            manifest = Manifest(**{name: value for name, value in stored.items() if name in known})
            valid = all(isinstance(version, int) for version in manifest.formats.values()) and all(
                isinstance(one["size"], int) and isinstance(one["sha256"], str) for one in manifest.files.values()
            )
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, LookupError, AttributeError):
            valid = False
        if not valid:
            raise ConfigError(f"{self.path} is not a backup of heliograph, or it is damaged")
        return manifest

    def _check_formats(self) -> None:
        manifest = self.manifest
        newer = [name for name, version in manifest.formats.items() if version > FORMATS.get(name, 0)]
        newer += [name for name in manifest.files if not _NAME.fullmatch(name)]
        if newer:
            raise ConfigError(
                f"{self.path} was made by a newer heliograph ({str(manifest.program)[:20]}; this is {__version__}), "
                f"and this one cannot read its {newer[0][:60]}; update heliograph"
            )
