"""What a doctor looks at once: versions, the configuration, and the folder everything is kept in."""

from __future__ import annotations

import os
import shutil
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

_SPARSE = 100 * 2**20
"""Bytes of free disk below which a person should know."""


def check_environment(config: Config | ConfigError) -> Iterator[Check]:
    """Look at everything that is no account's own."""
    yield version()
    yield from configuration(config)
    folder = data_folder(os.environ)
    yield from check_disk(folder)
    yield from files(folder)


def version() -> Check:
    """Tell what this runs on."""
    import platform  # noqa: PLC0415 - only a doctor asks

    return ok("version", f"heliograph {__version__}, Python {platform.python_version()}, {platform.platform()}")


def configuration(config: Config | ConfigError) -> Iterator[Check]:
    """Tell what is wrong with the file, or how many accounts there are."""
    if isinstance(config, Exception):
        yield problem("configuration", str(config))
        return
    where = str(config.path) if config.path.exists() else f"the environment ({config.path} is not there)"
    if config.accounts:
        yield ok("configuration", f"{len(config.accounts)} account{'s'[: len(config.accounts) > 1]} in {where}")
    else:
        yield problem("configuration", f"no account in {where}; run: heliograph login growatt (or goodwe)")
    yield from (warning("configuration", text) for text in config.warnings)


def check_disk(folder: Path) -> Iterator[Check]:
    """Tell whether what has to be remembered can be written."""
    from tempfile import TemporaryFile  # noqa: PLC0415 - only a doctor asks

    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with TemporaryFile(dir=there) as file:
            file.write(b"x")
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield problem(
            "disk", f"{there} cannot be written to ({error.strerror or error}); free the disk, or set HELIOGRAPH_HOME"
        )
        return
    told = f"{free / 2**20:.0f} MB are free for {folder}"
    yield warning("disk", f"only {told}") if free < _SPARSE else ok("disk", told)


def files(folder: Path) -> Iterator[Check]:
    """Tell which files are broken, and which ones open an account to others."""
    aside = [place.name for place in (*folder.glob("*broken-*"), *folder.glob("accounts/*broken-*"))]
    if aside:
        told = "could not be read and was set aside; what it remembered is forgotten"
        yield warning("files", f"{', '.join(aside)} {told}")
    kept = (*folder.glob("accounts/*.json*"), *folder.glob("passwords*.json"))
    readable = [place.name for place in kept if os.name == "posix" and place.stat().st_mode & 0o077]
    if readable:
        yield problem("files", f"others can read {', '.join(readable)} in {folder}; run: chmod -R go-rwx {folder}")
