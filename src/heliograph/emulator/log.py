"""What the emulated clouds were asked, for tests and people to look up; it holds no password and no token."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

_NEWEST = 10_000
_LONGEST_TEXT = 200


class Log:
    """The newest requests, and the logins of every account."""

    def __init__(self) -> None:
        self._requests: deque[dict[str, Any]] = deque(maxlen=_NEWEST)
        self._logins: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    def note_request(self, **entry: str | int | None) -> None:
        """Remember one request; texts are cut, as callers may send anything."""
        self._requests.append({name: _cut(value) if isinstance(value, str) else value for name, value in entry.items()})

    def note_login(self, username: str, *, accepted: bool) -> None:
        """Count one login."""
        (self._logins if accepted else self._rejected)[_cut(username)] += 1

    def as_dict(self) -> dict[str, Any]:
        """Return everything, oldest request first."""
        return {
            "requests": list(self._requests),
            "logins": dict(self._logins),
            "rejected_logins": dict(self._rejected),
        }


def _cut(text: str) -> str:
    return text[:_LONGEST_TEXT]
