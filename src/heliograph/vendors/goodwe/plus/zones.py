"""Time zones of SEMS+ plants."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import tzinfo

    from heliograph.core.session import Session


def plant_zone(plant_id: str, session: Session) -> tzinfo | None:
    """Return the time zone of a plant: the configured one, else the one in the account's plant list."""
    return session.zone or iana_zone(session.facts.get("zones", {}).get(plant_id))


def iana_zone(name: str | None) -> tzinfo | None:
    """Return the time zone of an IANA name; None if the name is missing or unknown.

    >>> iana_zone("Europe/Amsterdam"), iana_zone("../../etc/passwd"), iana_zone(None)
    (zoneinfo.ZoneInfo(key='Europe/Amsterdam'), None, None)
    """
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):  # invalid name, not a file, unknown
        return None
