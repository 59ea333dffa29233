"""Checks of this machine: versions, configuration, disk and file permissions."""

from __future__ import annotations

import os
import platform
import shutil
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from heliograph import __version__
from heliograph.cli.doctor.result import ok, problem, warning
from heliograph.core.files import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heliograph.cli.doctor.result import Check
    from heliograph.config import Config
    from heliograph.errors import ConfigError

_LOW_SPACE = 100 * 2**20
"""Bytes of free disk space below which doctor warns."""


def check_environment(config: Config | ConfigError) -> Iterator[Check]:
    """Run the checks that are independent of accounts."""
    yield check_versions()
    yield from check_configuration(config)
    folder = data_folder(os.environ)
    yield from check_disk(folder)
    yield from check_files(folder)


def check_versions() -> Check:
    """Report the versions of Heliograph, Python and the platform."""
    return ok("version", f"heliograph {__version__}, Python {platform.python_version()}, {platform.platform()}")


def check_configuration(config: Config | ConfigError) -> Iterator[Check]:
    """Report an error of the configuration, or the number of accounts."""
    if isinstance(config, Exception):
        yield problem("configuration", str(config))
        return
    where = str(config.path) if config.path.exists() else f"the environment ({config.path} does not exist)"
    if config.accounts:
        yield ok("configuration", f"{len(config.accounts)} account{'s'[: len(config.accounts) > 1]} in {where}")
    else:
        yield problem("configuration", f"no account in {where}; run: heliograph setup")
    yield from (warning("configuration", text) for text in config.warnings)


def check_disk(folder: Path) -> Iterator[Check]:
    """Check that the data folder is writable and has free space."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=existing) as file:
            file.write(b"x")
            file.flush()
        free = shutil.disk_usage(existing).free
    except OSError as error:
        yield problem(
            "disk",
            f"{existing} cannot be written to ({error.strerror or error}); free disk space, or set HELIOGRAPH_HOME",
        )
        return
    space = f"{free / 2**20:.0f} MB free for {folder}"
    yield warning("disk", f"only {space}") if free < _LOW_SPACE else ok("disk", space)


def check_files(folder: Path) -> Iterator[Check]:
    """Report broken files, and files with credentials that other users can read."""
    broken = [path.name for path in (*folder.glob("*broken-*"), *folder.glob("accounts/*broken-*"))]
    if broken:
        yield warning("files", f"{', '.join(broken)} could not be read and was set aside; its content is lost")
    private = (*folder.glob("accounts/*.json*"), *folder.glob("passwords*.json"))
    readable = [path.name for path in private if os.name == "posix" and path.stat().st_mode & 0o077]
    if readable:
        yield problem("files", f"others can read {', '.join(readable)} in {folder}; run: chmod -R go-rwx {folder}")
