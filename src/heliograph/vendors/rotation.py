"""Rotation of requests that are due less often than polls: which plants are next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, MutableMapping

_SLACK = 60.0
"""Seconds by which a request may be early: polls are not exactly as far apart as planned."""
_MAX_OVERDUE = 2
"""Plants that are taken before the time of their turn because their last one is an interval ago."""


def take_due(
    turns: MutableMapping[str, float],
    kind: str,
    now: float,
    interval: float,
    fetched_at: Mapping[str, float | None],
    taken: Collection[str] = (),
) -> list[str]:
    """Return the plants whose requests of a kind are due now, so that each has its turn once per interval.

    `fetched_at` maps plants to their last turn; those without one are due at once. `turns` stores the time of the next
    turn of each kind. The turns are spread over the interval, so that no poll takes all of them. Plants in `taken` are
    polled anyway and so have their turn now.
    """
    new = [plant for plant, at in fetched_at.items() if at is None]
    old = sorted((at, plant) for plant, at in fetched_at.items() if at is not None and plant not in taken)
    if not fetched_at:
        return []
    spacing = interval / len(fetched_at)
    # A time beyond these bounds is from a longer interval, a long pause, or a clock that was wrong.
    turn = max(min(turns.get(kind, now + spacing), now + interval), now - interval)
    turn += spacing * len(fetched_at.keys() & set(taken))
    # Plants that were taken out of turn have moved the turns of the others; none waits much longer than the interval.
    overdue = sum(at <= now - interval + _SLACK for at, _ in old)
    count = 0
    while (turn <= now + _SLACK and count < len(old)) or count < min(overdue, _MAX_OVERDUE):
        turn += spacing
        count += 1
    turns[kind] = turn
    return [*new, *(plant for _, plant in old[:count])]
