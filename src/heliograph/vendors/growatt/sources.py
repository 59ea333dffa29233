"""Which of Growatt's two APIs answers which question of an account that has a token and a password.

The token's live values are complete and cost no login; the password API has what the token does not report. A choice
that turns out wrong (the token may not read a device, or has no data) is remembered in the token's session, for an hour
at first and later for a day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from heliograph.vendors.growatt.openapi import settings as token_settings
from heliograph.vendors.growatt.openapi.history import DEPTH
from heliograph.vendors.growatt.openapi.normalise import FAMILIES as TOKEN_FAMILIES
from heliograph.vendors.growatt.openapi.snapshots import unreadable_plants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from heliograph.core.session import Session
    from heliograph.model import Device

Api = Literal["token", "password"]
Question = Literal[
    "plants", "live values", "powers of a day", "energies of periods", "first day", "settings read", "settings written"
]

PASSWORD_FAMILIES = frozenset(("tlx", "inverter", "mix", "storage", "spa", "noah"))
"""Families that the password API reads, as the token API names them: a NEXA is a `noah` there."""
ALL_FAMILIES = tuple(sorted(PASSWORD_FAMILIES | TOKEN_FAMILIES.keys()))


class Source(NamedTuple):
    """The API that answers a question, and the other one where it does not."""

    first: Api
    otherwise: str
    """When the other API answers; empty if it never does."""


SOURCES: dict[Question, Source] = {
    "plants": Source("token", "the token lists none"),
    "live values": Source("token", "the token may not read the devices of a plant, or has no data of them"),
    "powers of a day": Source("token", f"the day is more than {DEPTH.days} days ago, or the token may not read it"),
    "energies of periods": Source("password", "the password API does not read the family"),
    "first day": Source("token", "the token does not know the plant"),
    "settings read": Source("password", "the password API has no settings of the family, or cannot be asked now"),
    "settings written": Source("token", "the token does not have the setting, or may not write to the device"),
}


def source_of(question: Question, families: Iterable[str]) -> Api:
    """Return the API that answers a question about a plant with devices of these families.

    >>> source_of("energies of periods", ["mix"]), source_of("energies of periods", ["wit"])
    ('password', 'token')
    """
    families = frozenset(families)
    token_families = (token_settings.FAMILIES if question.startswith("settings") else TOKEN_FAMILIES).keys()
    by_token = not families or families & token_families
    by_password = not families or families & PASSWORD_FAMILIES
    first = SOURCES[question].first
    if first == "token":
        return "token" if by_token else "password"
    return "password" if by_password else "token"


def can_write(client: Any, device: Device, name: str = "") -> bool:
    """Return True if the token has a setting of a device, or any, and its plant is not known to be unreadable."""
    names = {setting.name for setting in token_settings.settings_of(device)}
    return (name in names if name else bool(names)) and device.plant not in client.refused_plants()


def families_of(session: Session, plant_id: str) -> frozenset[str]:
    """Return the families of a plant's devices as the token's session remembers them."""
    _, listed = session.facts.get("devices", {}).get(plant_id, (0.0, ()))
    return frozenset(family for _, family, *_ in listed)


def refused_plants(session: Session, now: float) -> dict[str, str]:
    """Return the reason of each plant that the token could not read and is not asked for again yet."""
    found = unreadable_plants(session)
    return {plant: row.reason for plant, row in found.items() if row.asked_at <= now < row.retry_at}


def curve_source(session: Session, plant_id: str, day: date, now: float) -> Api:
    """Return the API that answers the powers of a plant on a day."""
    chosen = source_of("powers of a day", families_of(session, plant_id))
    is_old = datetime.fromtimestamp(now, UTC).date() - day >= DEPTH
    if chosen == "token" and (is_old or plant_id in refused_plants(session, now)):
        return source_of("energies of periods", families_of(session, plant_id))
    return chosen


def summary(client: Any) -> Iterator[tuple[str, str]]:
    """Yield label and text of each choice of an account with several APIs, for `heliograph doctor`; nothing is sent."""
    if client.portal_api is not None:
        from heliograph.vendors.growatt.portal.sources import LIVE_FAMILIES  # noqa: PLC0415 - accounts with it only

        for family, values in LIVE_FAMILIES.items():
            by = "by the web portal" if client.token_api is None else "by the token; the portal by its own calls only"
            yield f"{family} devices", f"{values}: {by}"
    if client.token_api is None:
        yield "everything else", "by password"
        return
    for question, source in SOURCES.items():
        yield question, f"by {source.first}"
    for plant, why in client.refused_plants().items():
        yield (
            f"plant {plant}",
            f"live values by password: {why}; the token is asked again later",
        )
