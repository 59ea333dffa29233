"""Which live values of an account with a password are read through the web portal, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heliograph.vendors.growatt.portal.session import FACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heliograph.core.session import Session

LIVE_FAMILIES = {
    "spa": "power of battery, grid and load; energies of load, grid and battery discharge",
}
"""The families whose live values only the portal reports, and which these are."""
OTHER_FAMILIES = ("inverter", "max", "mix", "storage", "tlx")
"""The families that the portal reports too; their plants are read through it by `portal_api` only."""


def reads_live(families: Iterable[str]) -> bool:
    """Return whether the live values of a plant with devices of these families are read through the portal.

    >>> reads_live(["tlx", "spa"]), reads_live(["storage"])
    (True, False)
    """
    return not LIVE_FAMILIES.keys().isdisjoint(families)


def families_of(session: Session, plant_id: str) -> frozenset[str]:
    """Return the families of a plant's devices, as the app's session and the portal's session inside it know them."""
    _, rows, *_ = session.facts.get("devices", {}).get(plant_id, (0.0, ()))
    _, by_portal = _facts(session).get("devices", {}).get(plant_id, (0.0, ()))
    return frozenset(row[1] for row in (*rows, *by_portal))


def has_read(session: Session, plant_id: str) -> bool:
    """Return whether the portal has reported a plant before, so that its counters are those of the portal."""
    return plant_id in _facts(session).get("devices", {})


def summary(session: Session) -> Iterator[tuple[str, str]]:
    """Yield label and text of what the app's session knows of the portal, for `heliograph doctor`; nothing is sent."""
    stored: dict[str, Any] = session.facts.get(FACT, {})
    facts = _facts(session)
    if (refused_at := facts.get("refused_at")) is not None:
        at = f"{datetime.fromtimestamp(refused_at, UTC).astimezone():%Y-%m-%d %H:%M}"
        yield "web portal", f"refused the login at {at} although the app accepts it; asked again after a day"
    elif stored:
        state = "logged in" if stored.get("alive") else "logs in at its next use"
        yield "web portal", f"{state}; it shares locks and budget of this account"
    for plant_id in session.facts.get("plants", {}):
        if stored and reads_live(found := families_of(session, plant_id)):
            yield f"plant {plant_id}", f"live values by the web portal ({', '.join(sorted(found))})"


def _facts(session: Session) -> dict[str, Any]:
    found: dict[str, Any] = session.facts.get(FACT, {}).get("facts", {})
    return found
