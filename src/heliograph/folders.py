"""Where this user's files are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = "HELIOGRAPH_HOME"


def config_path(environ: Mapping[str, str]) -> Path:
    """Return where the configuration is looked for when no file is named."""
    if environ.get(HOME):
        return Path(environ[HOME]) / "config.toml"
    from platformdirs import user_config_path  # noqa: PLC0415 - not needed where HELIOGRAPH_HOME is set

    return user_config_path("heliograph", appauthor=False) / "config.toml"


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of everything kept between runs."""
    if environ.get(HOME):
        return Path(environ[HOME])
    from platformdirs import user_data_path  # noqa: PLC0415 - not needed where HELIOGRAPH_HOME is set

    return user_data_path("heliograph", appauthor=False)
