"""The progress of an account's poller, for display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.errors import HeliographError
    from heliograph.model import Plant


@dataclass
class PollProgress:
    """The progress of an account's poller, for display."""

    name: str
    polled_at: float | None = None
    next_at: float | None = None
    samples: int = 0
    problem: HeliographError | None = None
    plants: tuple[Plant, ...] = ()
    reason: str = ""
    """Why the account is not polled at its stated interval; empty while it is."""
