"""The persistent state of one account: plain data for the state file, and its arithmetic."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from heliograph.keeper.limits import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET_SECONDS = 300.0
"""Seconds of one bucket of the request count: fine enough to compute when requests become available again."""
MAX_NOTES = 30
COMPACT = (",", ":")
_CLOCK_TOLERANCE = 60.0
_COUNT = itemgetter(1)
_DURABLE = itemgetter(
    "logins", "trying", "opened_at", "failures", "deaths", "refused_passwords", "pause", "pause_until"
)
"""Members whose change is saved durably: logins and their outcomes, locks, and other back-offs."""


class AccountState:
    """The state of one account; all times are epoch seconds of this machine's clock.

    Lists and the session are only ever replaced, never modified, so that copies share them.
    """

    __slots__ = ("__dict__", "_counted")

    def __init__(self) -> None:
        self.at = 0.0
        """When the state was last written."""
        self.behind = 0.0
        """Seconds the clock went back; they are restored if it comes forward by as much (no battery-backed clock)."""
        self.session: dict[str, Any] | None = None
        self.opened_at: float | None = None
        self.ended_at: float | None = None
        """When the last session was found to have ended."""
        self.spent: list[list[float]] = []
        """Requests of the last 24 hours: [start of the bucket, count]."""
        self.logins: list[float] = []
        """When the logins of the last 24 hours were sent."""
        self.last_login: float | None = None
        """The last successful login."""
        self.trying = False
        """A login is in progress; if it is set when a guard starts, the previous program ended during a login."""
        self.failures = 0
        """Failed logins in a row."""
        self.failed_at: float | None = None
        self.failed_why = ""
        self.failed_by_person = False
        """The failure needs the user: terms to accept, another region."""
        self.refused_passwords: list[str] = []
        """Fingerprints of refused passwords; several, because several programs may have different old ones."""
        self.refused_at: float | None = None
        """When the last of them was refused; None after a successful login."""
        self.deaths: list[float] = []
        """When sessions recently ended too early."""
        self.pause = ""
        self.pause_until = 0.0
        self.pause_why = ""
        self.strikes = 0
        """How often the same kind of back-off was needed again soon after it ended."""
        self.misses = 0
        """Requests in a row without a response."""
        self.notes: list[list[Any]] = []
        # Not a stored member.
        self._counted = self.spent, 0

    def copy(self) -> AccountState:
        """Return a copy, which shares the lists and the session."""
        state = AccountState.__new__(AccountState)
        vars(state).update(vars(self))
        state._counted = self._counted  # noqa: SLF001 - its own copy
        return state

    def differs_from(self, other: AccountState) -> bool:
        """Return True if a member differs, other than `at`, which always changes."""
        return vars(self) != {**vars(other), "at": self.at}

    def needs_durability(self, saved: AccountState) -> bool:
        """Return True if the change since a saved state must survive a power failure."""
        return bool(_DURABLE(vars(self)) != _DURABLE(vars(saved)))

    @property
    def has_session(self) -> bool:
        """Whether the stored session may still be valid."""
        return bool((self.session or {}).get("alive"))

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON-ready data; it contains credentials."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> AccountState:
        """Restore the result of `to_dict`; members missing in another version get their defaults."""
        state = cls()
        vars(state).update({name: stored[name] for name in vars(state) if name in stored})
        return state

    @classmethod
    def from_unchecked(cls, stored: Mapping[str, Any]) -> AccountState:
        """Restore a state as stored before 21 November 2026: flat, with one refused password and without a checksum.

        Raises KeyError or TypeError for a missing member or one of another type.
        """
        state = cls()
        newer = {"refused_passwords": list(filter(None, [stored["refused_password"]])), "behind": 0.0, "ended_at": None}
        older = {**stored, **newer}
        pairs = [(older[name], default) for name, default in vars(state).items() if name != "session"]
        pairs += [(older["session"] or {}, {})]
        pairs += [(at, 0.0) for at in (*older["logins"], *older["deaths"])]
        pairs += [pair for at, count in older["spent"] for pair in ((at, 0.0), (count, 0))]
        pairs += [pair for at, note in older["notes"] for pair in ((at, 0.0), (note, ""))]
        if not all(_has_type_of(value, default) for value, default in pairs):
            raise TypeError("a member has another type")
        return cls.from_dict(older)

    def advance_to(self, now: float) -> None:
        """Set the current time; if the clock went back since the last write, all times are shifted with it.

        The real duration is unknown then, so no time is assumed to have passed and waits keep their length. If the
        clock comes forward by the same amount, as on a machine that starts in 1970 until it reaches a time server, they
        are shifted back.
        """
        elapsed = now - self.at if self.at else 0.0
        if elapsed < -_CLOCK_TOLERANCE:
            self._shift(elapsed)
            self.behind -= elapsed
            self.add_note(now, "this machine's clock went back; all waits keep their length")
        elif self.behind and elapsed > self.behind - _CLOCK_TOLERANCE:
            self._shift(self.behind)
            self.behind = 0.0
        self.at = now
        # A bucket counts until the last of its requests is a day old; the oldest one is the first.
        if self.spent and now >= self.spent[0][0] + BUCKET_SECONDS + DAY:
            self.spent = [bucket for bucket in self.spent if now < bucket[0] + BUCKET_SECONDS + DAY]
        if self.logins and now >= self.logins[0] + DAY:
            self.logins = [login for login in self.logins if now < login + DAY]

    def merge(self, other: AccountState) -> None:
        """Add what another state of the same account contains that could not be written."""
        self.spent = sorted([*self.spent, *(bucket for bucket in other.spent if bucket not in self.spent)])
        if other.pause_until > self.pause_until:
            self.pause, self.pause_why, self.strikes = other.pause, other.pause_why, other.strikes
            self.pause_until = other.pause_until

    def _shift(self, seconds: float) -> None:
        for name in ("opened_at", "ended_at", "last_login", "failed_at", "refused_at"):
            if (at := getattr(self, name)) is not None:
                setattr(self, name, at + seconds)
        self.pause_until += seconds
        self.logins = [login + seconds for login in self.logins]
        self.deaths = [death + seconds for death in self.deaths]
        self.spent = [[start + seconds, count] for start, count in self.spent]

    def count_request(self, now: float) -> None:
        """Count one request."""
        used = self.requests_used
        if self.spent and self.spent[-1][0] <= now < self.spent[-1][0] + BUCKET_SECONDS:
            start, count = self.spent[-1]
            self.spent = [*self.spent[:-1], [start, count + 1]]
        else:
            self.spent = [*self.spent, [now, 1]]
        self._counted = self.spent, used + 1

    @property
    def requests_used(self) -> int:
        """The number of requests of the last 24 hours."""
        spent, used = self._counted
        if spent is not self.spent:
            used = int(sum(map(_COUNT, self.spent)))
            self._counted = self.spent, used
        return used

    def available_at(self, limit: int) -> float:
        """Return when fewer than `limit` requests will be within 24 hours, if none is sent until then."""
        used = self.requests_used
        for start, count in self.spent:
            used -= int(count)
            if used < limit:
                return start + BUCKET_SECONDS + DAY
        return self.at

    def add_note(self, now: float, message: str) -> None:
        """Record an event for the user; repeating the last one only updates its time."""
        is_repeated = bool(self.notes) and self.notes[-1][1] == message
        self.notes = [*(self.notes[:-1] if is_repeated else self.notes[1 - MAX_NOTES :]), [now, message]]


def _has_type_of(value: object, default: object) -> bool:
    """Return True if a stored value has the type of a member's default; the default of some times is None."""
    if default is None or isinstance(default, float):
        return (value is None and default is None) or (isinstance(value, int | float) and not isinstance(value, bool))
    return type(value) is type(default)
