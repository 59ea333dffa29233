"""The request log of the emulated clouds; it contains no passwords and no tokens."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta

    from heliograph.emulator.api import EmulatedAccount

_NEWEST = 10_000
_MOST_STRANGERS = 1000
_LONGEST_TEXT = 200
OTHERS = "(others)"
"""Counts logins with unknown user names, once there are too many of them."""


@dataclass(slots=True)
class AccountCounters:
    """Counters of one account."""

    vendor: str
    logins: int = 0
    rejected_logins: int = 0
    rival_logins: int = 0
    requests: int = 0
    """Logins, and requests with one of its sessions, valid or expired."""
    requests_while_locked: int = 0
    logins_while_locked: int = 0


@dataclass(slots=True)
class CloudCounters:
    """Counters of one cloud."""

    requests: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    blocked: int = 0
    """Requests blocked by its firewall."""
    lost: int = 0
    """Requests during an outage."""


class RequestLog:
    """The newest requests, and the counters of every account and cloud."""

    def __init__(
        self, accounts: Iterable[EmulatedAccount], vendors: Iterable[str], now: Callable[[], datetime]
    ) -> None:
        self._now = now
        self._requests: deque[dict[str, Any]] = deque(maxlen=_NEWEST)
        self._logins: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._accounts = {holder.username: (AccountCounters(holder.vendor), holder) for holder in accounts}
        self._clouds = {vendor: CloudCounters() for vendor in vendors}

    def record_request(self, **entry: str | int | None) -> None:
        """Record one request; long texts are truncated."""
        self._requests.append({name: _cut(value) if isinstance(value, str) else value for name, value in entry.items()})

    def record_login(self, username: str, *, accepted: bool) -> None:
        """Count one login."""
        name = _cut(username)
        if name in self._accounts:
            tally = self.account_counters(name)
            tally.logins += accepted
            tally.rejected_logins += not accepted
        elif name not in self._rejected and len(self._rejected) >= _MOST_STRANGERS:
            name = OTHERS
        (self._logins if accepted else self._rejected)[name] += 1

    def account_counters(self, username: str) -> AccountCounters:
        """Return the counters of an account."""
        return self._accounts[username][0]

    def cloud_counters(self, vendor: str) -> CloudCounters:
        """Return the counters of a cloud."""
        return self._clouds[vendor]

    def as_dict(self, newest: int = _NEWEST) -> dict[str, Any]:
        """Return the newest requests, oldest first, and all counters."""
        now = self._now()
        return {
            "requests": list(self._requests)[-newest:] if newest else [],
            "logins": dict(self._logins),
            "rejected_logins": dict(self._rejected),
            "accounts": {name: _account(tally, holder, now) for name, (tally, holder) in self._accounts.items()},
            "clouds": {vendor: asdict(tally) for vendor, tally in self._clouds.items()},
        }


def _account(tally: AccountCounters, holder: EmulatedAccount, now: datetime) -> dict[str, Any]:
    left = holder.lockout.remaining(now)
    return {
        **asdict(tally),
        "hours_locked": _hours(holder.lockout.total(now)),
        "locked_until": None if left is None else (now + left).isoformat(timespec="seconds"),
    }


def _hours(duration: timedelta) -> float:
    return round(duration.total_seconds() / 3600, 4)


def _cut(text: str) -> str:
    return text[:_LONGEST_TEXT]
