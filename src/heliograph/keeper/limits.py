"""Request limits of an account."""

from __future__ import annotations

from typing import NamedTuple

DAY = 24 * 3600.0
UPLOAD_INTERVAL = 300.0
"""Seconds between the uploads of a datalogger: a younger snapshot cannot have changed, so it is not fetched again."""
SHARED_SECONDS = 1800.0
"""Seconds for which a saved snapshot answers a program whose request the budget does not allow."""


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
