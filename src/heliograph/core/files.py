"""Files for their owner alone: written whole or not at all, and locks that only one program holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from filelock import BaseFileLock


def file_lock(path: Path) -> BaseFileLock:
    """Return a new lock, in a folder that is made where there is none; the system releases it when its holder dies."""
    from filelock import FileLock  # noqa: PLC0415 - who only reads needs none

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A soft lock, for file systems that know no other, would outlive a holder that is killed.
    return FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)


def write_atomic(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a whole file, which nobody else can read at any moment; `durable` is one that outlives a power cut."""
    new = path.with_suffix(".new")
    # Made anew each time, so that nobody else's permissions or links are inherited.
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)


HOME_VARIABLE = "HELIOGRAPH_HOME"


def config_path(environ: Mapping[str, str]) -> Path:
    """Return where the configuration is looked for when no file is named."""
    if environ.get(HOME_VARIABLE):
        return Path(environ[HOME_VARIABLE]) / "config.toml"
    from platformdirs import user_config_path  # noqa: PLC0415 - not needed where HELIOGRAPH_HOME is set

    return user_config_path("heliograph", appauthor=False) / "config.toml"


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of everything kept between runs."""
    if environ.get(HOME_VARIABLE):
        return Path(environ[HOME_VARIABLE])
    from platformdirs import user_data_path  # noqa: PLC0415 - not needed where HELIOGRAPH_HOME is set

    return user_data_path("heliograph", appauthor=False)
