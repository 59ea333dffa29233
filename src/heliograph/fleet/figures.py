"""Counters and measurements of a worker, as JSON for its heartbeat and as Prometheus text."""

from __future__ import annotations

from collections import Counter, deque
from math import isnan, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RECENT = 2000
"""The newest measurements that quantiles are taken of."""

_COUNTERS = {
    "polls": ("fleet_polls_total", "Polls that ended, with or without an error."),
    "failed_polls": ("fleet_failed_polls_total", "Polls that ended with an error."),
    "takeovers": ("fleet_takeovers_total", "Shards that this worker has taken."),
    "lost_shards": ("fleet_lost_shards_total", "Shards that another worker took while this one held them."),
    "refused": ("fleet_refused_total", "Writes that the fence refused, because the shard was another worker's."),
    "logins": ("fleet_logins_total", "Logins that were sent."),
    "permits": ("fleet_permits_total", "Requests that were permitted."),
}
_GAUGES = {
    "shards": ("fleet_shards", "Shards that this worker holds."),
    "accounts": ("fleet_accounts", "Accounts that this worker polls."),
    "failing_accounts": ("fleet_failing_accounts", "Accounts whose last poll failed."),
    "open_permits": ("fleet_permits_open", "Permits that are not committed yet."),
    "held_batches": ("fleet_held_batches", "Batches that are not stored yet."),
    "paused_egresses": ("fleet_egress_paused", "Egresses of this worker that are paused."),
    "proof_seconds": ("fleet_proof_seconds", "Seconds since this worker last wrote through the fence."),
}
_SUMMARIES = {
    "lag": ("fleet_lag_seconds", "Seconds from when a poll was due until it began."),
    "permit": ("fleet_permit_seconds", "Seconds until a request was permitted."),
}
QUANTILES = (0.5, 0.99)


class WorkerFigures:
    """Counters since the start, current values, and the newest measurements of one worker."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter(dict.fromkeys(_COUNTERS, 0))
        self.gauges: dict[str, float] = dict.fromkeys(_GAUGES, 0.0)
        self._measured: dict[str, deque[float]] = {name: deque(maxlen=_RECENT) for name in _SUMMARIES}

    def measure(self, name: str, seconds: float) -> None:
        """Add one measurement, in seconds."""
        self._measured[name].append(seconds)

    def as_dict(self) -> dict[str, object]:
        """Return everything, JSON-ready; a quantile without measurements is None."""
        quantiles = {
            name: {f"{share:g}": None if isnan(value) else round(value, 4) for share, value in _quantiles(measured)}
            for name, measured in self._measured.items()
        }
        return {**self.counters, **{name: round(value, 3) for name, value in self.gauges.items()}, **quantiles}


def prometheus_text(workers: Mapping[str, Mapping[str, object]]) -> str:
    """Return the figures of workers by name as Prometheus text; figures that a worker does not have are left out."""
    return "".join(line + "\n" for line in _lines(workers))


def _lines(workers: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    for kind, table in (("counter", _COUNTERS), ("gauge", _GAUGES)):
        for key, (name, meaning) in table.items():
            yield f"# HELP {name} {meaning}"
            yield f"# TYPE {name} {kind}"
            for worker, figures in workers.items():
                if isinstance(value := figures.get(key), int | float):
                    yield f"{name}{{{_label(worker)}}} {value:g}"
    for key, (name, meaning) in _SUMMARIES.items():
        yield f"# HELP {name} {meaning}"
        yield f"# TYPE {name} gauge"
        for worker, figures in workers.items():
            quantiles = figures.get(key)
            for share, value in quantiles.items() if isinstance(quantiles, dict) else ():
                if isinstance(value, int | float):
                    yield f'{name}{{{_label(worker)},quantile="{share}"}} {value:g}'


def _label(worker: str) -> str:
    escaped = worker.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'worker="{escaped}"'


def _quantiles(measured: Sequence[float]) -> list[tuple[float, float]]:
    ordered = sorted(measured)
    if not ordered:
        return [(share, nan) for share in QUANTILES]
    return [(share, ordered[min(int(share * len(ordered)), len(ordered) - 1)]) for share in QUANTILES]
