"""Live polls of a token: every poll reports powers and counters alike, in one request per family."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from heliograph.vendors.base import LivePoll, PollLoad
from heliograph.vendors.growatt.openapi.api import MAX_SERIALS
from heliograph.vendors.growatt.openapi.snapshots import BATCHED, ONLY_V4, snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.core.endpoint import FlowGenerator
    from heliograph.core.session import Session
    from heliograph.model import Snapshot
    from heliograph.vendors.base import PollRhythm


def live(session: Session, rhythm: PollRhythm, wanted: Sequence[str]) -> FlowGenerator[LivePoll]:
    """Fetch the snapshots of these plants, or of all, with the requests that a poll usually takes."""
    found = yield from snapshots(session, tuple(wanted))
    return LivePoll(found, load_of(found))


def load_of(found: Sequence[Snapshot]) -> PollLoad:
    """Return the requests that a poll of these plants usually takes."""
    families: dict[str, int] = {}
    for device in (device for snapshot in found for device in snapshot.devices):
        families[device.device.family] = families.get(device.device.family, 0) + 1
    batched = BATCHED | ONLY_V4 | {"inverter"}
    requests = sum(ceil(count / MAX_SERIALS) if family in batched else count for family, count in families.items())
    return PollLoad(every_poll=max(requests, 1), night=max(requests, 1), daily=2 + len(found))
