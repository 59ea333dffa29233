"""What is remembered of an account between conversations: plain data that can be stored, and its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args

from heliograph.keeper.limits import DAY, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
STRETCH = 300.0
"""Seconds of one stretch of the request count: fine enough to say when requests become free again."""
NOTES = 30
_SLIP = 60.0


@dataclass(slots=True, repr=False)
class Book:
    """One account's memory; every moment is in epoch seconds of this machine's clock."""

    at: float = 0.0
    """When it was last written."""
    session: dict[str, Any] | None = None
    opened_at: float | None = None
    spent: list[list[float]] = field(default_factory=list)
    """Requests of the last 24 hours: [start of the stretch, how many]."""
    logins: list[float] = field(default_factory=list)
    """Logins of the last 24 hours, as they were sent."""
    last_login: float | None = None
    """The last login that succeeded."""
    trying: bool = False
    """A login is under way; whoever finds this set was preceded by somebody who did not live to see its outcome."""
    failures: int = 0
    """Logins that failed in a row."""
    failed_at: float | None = None
    failed_why: str = ""
    failed_by_person: bool = False
    """It failed for a reason only a person can mend: terms to accept, another region."""
    refused_password: str = ""
    """A fingerprint of the password the cloud refused."""
    refused_at: float | None = None
    deaths: list[float] = field(default_factory=list)
    """When sessions died much too early, lately."""
    pause: str = ""
    pause_from: float = 0.0
    pause_until: float = 0.0
    pause_why: str = ""
    strikes: int = 0
    """How often in a row the same kind of pause was needed."""
    misses: int = 0
    """Requests in a row that nobody answered."""
    notes: list[list[Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready data; it opens the account, so keep it like a password."""
        return {"format": FORMAT, **{member.name: getattr(self, member.name) for member in fields(self)}}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Book:
        """Restore what `to_dict` gave; anything else raises ValueError."""
        if stored.get("format") != FORMAT:
            raise ValueError(f"format {stored.get('format')!r}, not {FORMAT}")
        book = cls()
        for member in fields(cls):
            if member.name not in stored:
                raise ValueError(f"{member.name} is missing")
            _check(member.name, stored[member.name], getattr(book, member.name))
            setattr(book, member.name, stored[member.name])
        return book

    def seen_at(self, now: float) -> None:
        """Bring the book to the present; a clock that went back since the last writing takes all moments along.

        How long it was in truth nobody knows then, so that no time is taken to have passed: waits stay whole.
        """
        if self.at and now < self.at - _SLIP:
            self._shift(now - self.at)
            self.note(now, "the clock of this machine went back; all waits were kept whole")
        self.at = now
        # A stretch counts until the last of its requests is a day old.
        self.spent = [stretch for stretch in self.spent if now < stretch[0] + STRETCH + DAY]
        self.logins = [login for login in self.logins if now < login + DAY]

    def _shift(self, seconds: float) -> None:
        for name in ("opened_at", "last_login", "failed_at", "refused_at"):
            if (moment := getattr(self, name)) is not None:
                setattr(self, name, moment + seconds)
        self.pause_from += seconds
        self.pause_until += seconds
        self.logins = [login + seconds for login in self.logins]
        self.deaths = [death + seconds for death in self.deaths]
        self.spent = [[start + seconds, count] for start, count in self.spent]

    def spend(self, now: float) -> None:
        """Count one request."""
        if self.spent and self.spent[-1][0] <= now < self.spent[-1][0] + STRETCH:
            self.spent[-1][1] += 1
        else:
            self.spent.append([now, 1])

    @property
    def requests_used(self) -> int:
        """How many requests the last 24 hours saw."""
        return int(sum(count for _, count in self.spent))

    def free_at(self, limit: int) -> float:
        """Return when fewer than `limit` requests will be within 24 hours, if none is sent until then."""
        left = self.requests_used
        for start, count in self.spent:
            left -= int(count)
            if left < limit:
                return start + STRETCH + DAY
        return self.at

    def note(self, now: float, sentence: str) -> None:
        """Remember what happened, for the person who will ask."""
        if self.notes and self.notes[-1][1] == sentence:
            self.notes[-1][0] = now
        else:
            self.notes = [*self.notes[1 - NOTES :], [now, sentence]]


def _check(name: str, value: Any, usual: Any) -> None:
    """Refuse a stored member that is not what it should be: a broken file must not look like an empty one."""
    if name == "session":
        sound = value is None or (isinstance(value, dict) and isinstance(value.get("server"), str))
    elif name in {"spent", "notes"}:
        kind = (int, float) if name == "spent" else str
        sound = isinstance(value, list) and all(
            isinstance(pair, list) and len(pair) == 2 and _number(pair[0]) and isinstance(pair[1], kind)
            for pair in value
        )
    elif isinstance(usual, list):
        sound = isinstance(value, list) and all(_number(one) for one in value)
    elif usual is None:
        sound = value is None or _number(value)
    elif isinstance(usual, str | bool):
        sound = isinstance(value, type(usual)) and (name != "pause" or value in ("", *get_args(Kind)))
    else:
        sound = _number(value)
    if not sound:
        raise ValueError(f"{name} is {type(value).__name__}")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
