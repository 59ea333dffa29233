"""The report of what an account has used of its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

BackoffKind = Literal["locked", "blocked", "throttled", "unreachable", "login"]


class Backoff(NamedTuple):
    """Until when nothing is sent, and the reason; the kind "login" applies to logins only."""

    kind: BackoffKind
    until: datetime
    why: str


class Budget(NamedTuple):
    """Used and remaining requests of an account, and its current back-off."""

    requests_used: int
    requests_limit: int
    reserve: int
    logins_used: int
    logins_limit: int
    next_free: datetime | None
    """When a program may send its next request; None if it may now."""
    opened_at: datetime | None
    """When the stored session was opened; None without one."""
    last_login: datetime | None
    pause: Backoff | None
    notes: tuple[tuple[datetime, str], ...]
    """Recent events, newest last."""
    refused_at: datetime | None = None
    """When the vendor API refused the password; None after a successful login."""

    @property
    def daily(self) -> int:
        """The number of requests a program may send in 24 hours."""
        return self.requests_limit - self.reserve

    @property
    def free(self) -> int:
        """The number of them that remain; negative if an interactive user used the reserve."""
        return self.daily - self.requests_used
