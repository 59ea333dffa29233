"""What is remembered of an account between conversations: plain data that can be stored, and its arithmetic."""

from __future__ import annotations

import json
from math import ceil
from typing import TYPE_CHECKING, Any

from heliograph.keeper.limits import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET_SECONDS = 300.0
"""Seconds of one stretch of the request count: fine enough to say when requests become free again."""
MAX_DEBT_SECONDS = 1800.0
"""The longest wait, in seconds, for what somebody else sent at once; the day's count still holds."""
MAX_NOTES = 30
COMPACT = (",", ":")
_SLIP = 60.0


class AccountState:
    """One account's memory; every moment is in epoch seconds of this machine's clock."""

    def __init__(self) -> None:
        self.at = 0.0
        """When it was last written."""
        self.behind = 0.0
        """By how many seconds the clock went back; a machine that starts without a clock of its own gets them again."""
        self.session: dict[str, Any] | None = None
        self.opened_at: float | None = None
        self.spent: list[list[float]] = []
        """Requests of the last 24 hours: [start of the stretch, how many]."""
        self.logins: list[float] = []
        """Logins of the last 24 hours, as they were sent."""
        self.last_login: float | None = None
        """The last login that succeeded."""
        self.trying = False
        """A login is under way; whoever finds this set was preceded by somebody who did not live to see its outcome."""
        self.failures = 0
        """Logins that failed in a row."""
        self.failed_at: float | None = None
        self.failed_why = ""
        self.failed_by_person = False
        """It failed for a reason only a person can mend: terms to accept, another region."""
        self.refused_passwords: list[str] = []
        """Fingerprints of the passwords the cloud refused: several programs may each hold another old one."""
        self.refused_at: float | None = None
        """When it refused the last of them; None as soon as a login succeeded."""
        self.deaths: list[float] = []
        """When sessions died much too early, lately."""
        self.pause = ""
        self.pause_until = 0.0
        self.pause_why = ""
        self.strikes = 0
        """How often the same kind of pause was needed again soon after it was over."""
        self.misses = 0
        """Requests in a row that nobody answered."""
        self.notes: list[list[Any]] = []

    @property
    def has_session(self) -> bool:
        """Whether a session is stored that may still work."""
        return bool((self.session or {}).get("alive"))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready data; it opens the account, so keep it like a password."""
        return dict(vars(self))

    def to_json(self) -> str:
        """Return the same as text; when it was written comes first."""
        return json.dumps(self.to_dict(), separators=COMPACT)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> AccountState:
        """Restore what `to_dict` gave; members another version does not know have their usual values."""
        book = cls()
        vars(book).update({name: stored[name] for name in vars(book) if name in stored})
        return book

    def advance_to(self, now: float) -> None:
        """Bring the book to the present; a clock that went back since the last writing takes all moments along.

        How long it was in truth nobody knows then, so that no time is taken to have passed: waits stay whole. When it
        comes forward again by as much, as on a machine that starts in 1970 and then finds a time server, so do they.
        """
        gone = now - self.at if self.at else 0.0
        if gone < -_SLIP:
            self._shift(gone)
            self.behind -= gone
            self.add_note(now, "the clock of this machine went back; all waits were kept whole")
        elif self.behind and gone > self.behind - _SLIP:
            self._shift(self.behind)
            self.behind = 0.0
        self.at = now
        # A stretch counts until the last of its requests is a day old.
        self.spent = [stretch for stretch in self.spent if now < stretch[0] + BUCKET_SECONDS + DAY]
        self.logins = [login for login in self.logins if now < login + DAY]

    def merge(self, other: AccountState) -> None:
        """Take over what another memory of the same account holds that was never written."""
        self.spent = sorted([*self.spent, *(stretch for stretch in other.spent if stretch not in self.spent)])
        if other.pause_until > self.pause_until:
            self.pause, self.pause_why, self.strikes = other.pause, other.pause_why, other.strikes
            self.pause_until = other.pause_until

    def _shift(self, seconds: float) -> None:
        for name in ("opened_at", "last_login", "failed_at", "refused_at"):
            if (moment := getattr(self, name)) is not None:
                setattr(self, name, moment + seconds)
        self.pause_until += seconds
        self.logins = [login + seconds for login in self.logins]
        self.deaths = [death + seconds for death in self.deaths]
        self.spent = [[start + seconds, count] for start, count in self.spent]

    def count_request(self, now: float) -> None:
        """Count one request."""
        if self.spent and self.spent[-1][0] <= now < self.spent[-1][0] + BUCKET_SECONDS:
            self.spent[-1][1] += 1
        else:
            self.spent.append([now, 1])

    @property
    def requests_used(self) -> int:
        """How many requests the last 24 hours saw."""
        return int(sum(count for _, count in self.spent))

    def pacing_delay(self, at_once: float, flow: float) -> float:
        """Return how long a request has to wait when `at_once` may be sent at once, and `flow` more each second."""
        left, before = at_once, self.at
        for start, count in self.spent:
            left = min(at_once, left + max(start - before, 0.0) * flow) - count
            left = max(left, -MAX_DEBT_SECONDS * flow)
            before = start
        left = min(at_once, left + max(self.at - before, 0.0) * flow)
        return 0.0 if left >= 1 else ceil((1 - left) / flow)

    def available_at(self, limit: int) -> float:
        """Return when fewer than `limit` requests will be within 24 hours, if none is sent until then."""
        left = self.requests_used
        for start, count in self.spent:
            left -= int(count)
            if left < limit:
                return start + BUCKET_SECONDS + DAY
        return self.at

    def add_note(self, now: float, sentence: str) -> None:
        """Remember what happened, for the person who will ask."""
        if self.notes and self.notes[-1][1] == sentence:
            self.notes[-1][0] = now
        else:
            self.notes = [*self.notes[1 - MAX_NOTES :], [now, sentence]]
