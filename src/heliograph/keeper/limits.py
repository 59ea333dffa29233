"""How much an account may be asked for, and what of it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

DAY = 24 * 3600.0

BackoffKind = Literal["locked", "blocked", "throttled", "unreachable", "login"]


class Limits(NamedTuple):
    """What an account may be asked for within any 24 hours; both reserves are kept for a person at the keyboard."""

    requests: int
    """All requests, logins included."""
    logins: int
    reserve: int
    login_reserve: int = 1

    def effective(self, *, interactive: bool) -> tuple[int, int]:
        """Return how many requests and logins a person has, or a program: a reserve never takes more than half."""
        requests, logins = max(self.requests, 1), max(self.logins, 1)
        if interactive:
            return requests, logins
        return max(requests - self.reserve, (requests + 1) // 2), max(logins - self.login_reserve, (logins + 1) // 2)


class Backoff(NamedTuple):
    """Why nothing is sent until when; a pause of kind "login" concerns logins only."""

    kind: BackoffKind
    until: datetime
    why: str


class Budget(NamedTuple):
    """What the keeper knows of an account at this moment."""

    requests_used: int
    requests_limit: int
    reserve: int
    logins_used: int
    logins_limit: int
    next_free: datetime | None
    """When a program may ask again; None while it may."""
    opened_at: datetime | None
    """When the stored session was opened; None without one."""
    last_login: datetime | None
    pause: Backoff | None
    notes: tuple[tuple[datetime, str], ...]
    """What happened lately, newest last."""
    refused_at: datetime | None = None
    """When the cloud refused the password; None as soon as a login succeeded."""

    @property
    def daily(self) -> int:
        """How many requests a program may send in 24 hours."""
        return self.requests_limit - self.reserve

    @property
    def free(self) -> int:
        """How many of them it may still send now; below 0 after a person used the reserve."""
        return self.daily - self.requests_used
