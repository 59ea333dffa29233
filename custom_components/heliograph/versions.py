"""Whether this Home Assistant is new enough."""

from __future__ import annotations

from awesomeversion import AwesomeVersion

from .const import MINIMUM_CORE


def is_supported(core: str) -> bool:
    """Return whether a version of Home Assistant is supported."""
    return AwesomeVersion(core.partition(".dev")[0]) >= AwesomeVersion(MINIMUM_CORE)
