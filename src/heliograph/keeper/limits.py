"""Request limits of an account, and a report of what is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

DAY = 24 * 3600.0
UPLOAD_INTERVAL = 300.0
"""Seconds between the uploads of a datalogger: a younger snapshot cannot have changed, so it is not fetched again."""
SHARED_SECONDS = 1800.0
"""Seconds for which a saved snapshot answers a program whose request the budget does not allow."""

BackoffKind = Literal["locked", "blocked", "throttled", "unreachable", "login"]


class Limits(NamedTuple):
    """Limits for any 24 hours; both reserves are for interactive use."""

    requests: int
    """All requests, logins included."""
    logins: int
    reserve: int
    login_reserve: int = 1
    enough_logins: int | None = None
    """Logins of 24 hours that a program sends while sessions last half a day; None: no such limit."""

    def usable_requests(self, *, interactive: bool) -> int:
        """Return the limit of requests; a reserve never takes more than half."""
        requests = max(self.requests, 1)
        return requests if interactive else max(requests - self.reserve, (requests + 1) // 2)

    def usable_logins(self, *, interactive: bool) -> int:
        """Return the limit of logins; a reserve never takes more than half."""
        logins = max(self.logins, 1)
        return logins if interactive else max(logins - self.login_reserve, (logins + 1) // 2)


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
