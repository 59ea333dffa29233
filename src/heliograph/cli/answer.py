"""What a call gave as JSON-ready data."""

from __future__ import annotations

import json
from typing import Any

from heliograph.model import PeriodEnergy, Plant, Sample, Snapshot
from heliograph.payload import Payload
from heliograph.redact import MASK, masked


def plain(answer: Any) -> Any:
    """Return what a call gave as JSON-ready data: a cloud's own words as sent, ours as objects."""
    if isinstance(answer, Payload):
        return answer.raw
    if isinstance(answer, Snapshot):
        return answer.as_dict()
    if isinstance(answer, Plant):
        return {"vendor": answer.vendor, "plant": answer.id, "name": answer.name}
    if isinstance(answer, PeriodEnergy):
        return {"period": answer.period, **answer.values}
    if isinstance(answer, Sample):
        return {"moment": answer.moment.isoformat(timespec="seconds"), **answer.values}
    return [plain(one) for one in answer] if isinstance(answer, list | tuple) else answer


def hidden(data: Any) -> Any:
    """Mask secrets and private data in JSON-ready data, which stays JSON."""
    if isinstance(data, list):
        return [hidden(one) for one in data]
    if not isinstance(data, dict):
        return masked(data) if isinstance(data, str) else data
    return {key: _member(key, value) for key, value in data.items()}


def _member(key: str, value: Any) -> Any:
    if isinstance(value, dict | list):
        return hidden(value)
    text = json.dumps({key: value})
    return value if masked(text) == text else MASK
