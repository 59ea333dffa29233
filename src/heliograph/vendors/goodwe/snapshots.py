"""Plants and snapshots of a GoodWe account, through the dialect that serves it.

A snapshot takes one request at the SEMS Portal and a few at SEMS+ (plus/snapshots.py). Either way the list of plants
is fetched once per session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heliograph.client import snapshot_operation
from heliograph.core.effects import import_flow
from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import RequestRefused
from heliograph.vendors.goodwe.dialect import with_fallback
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import snapshots as plus_snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.core.session import Session
    from heliograph.model import Plant, Snapshot
    from heliograph.vendors.base import LivePoll, PollRhythm
    from heliograph.vendors.goodwe.legacy import payloads


class GoodWeSnapshots:
    """Plant and snapshot methods of the GoodWe clients."""

    @composite
    def plants(self) -> FlowGenerator[tuple[Plant, ...]]:
        """All plants of the account; if the SEMS Portal lists none, the owner's first plant."""
        return (yield from with_fallback(_plants, plus_snapshots.plants))

    @snapshot_operation
    def snapshot(self, plant_id: str, *, max_age: float | None = None) -> FlowGenerator[Snapshot]:
        """Current snapshot of one plant, at most `max_age` seconds old; default: the interval of uploads."""
        return (
            yield from with_fallback(
                lambda session: _snapshot(session, plant_id),
                lambda session: plus_snapshots.snapshot(session, plant_id),
            )
        )

    @snapshot_operation
    def snapshots(self, *, max_age: float | None = None) -> FlowGenerator[tuple[Snapshot, ...]]:
        """Current snapshots of all plants, with the same `max_age`; the plants are listed once per session."""
        session: Session = yield ENSURE_SESSION
        if not session.facts.get("plants"):
            yield GoodWeSnapshots.plants.flow()
        snapshots: list[Snapshot] = []
        for plant_id in tuple(session.facts["plants"]):
            snapshots.append((yield GoodWeSnapshots.snapshot.flow(plant_id)))  # noqa: PERF401 - a generator step
        return tuple(snapshots)

    @composite
    def live(self, rhythm: PollRhythm, plants: Sequence[str] = ()) -> FlowGenerator[LivePoll]:
        """The current powers of these plants (default: all) in the fewest requests, and what else is due now."""
        yield from import_flow("heliograph.vendors.goodwe.live")
        from heliograph.vendors.goodwe import live  # noqa: PLC0415 - loads the model and dataclasses

        session: Session = yield ENSURE_SESSION
        if not session.facts.get("plants"):
            yield GoodWeSnapshots.plants.flow()
        return (
            yield from with_fallback(
                lambda session: live.SemsPoll(session, rhythm, plants).run(),
                lambda session: live.SemsPlusPoll(session, rhythm, plants).run(),
            )
        )


def _plants(session: Session) -> FlowGenerator[tuple[Plant, ...]]:
    try:
        rows: tuple[payloads.SemsPlantRow, ...] = yield GoodWeCalls.plant_list.flow()
    except RequestRefused:
        # Quirk: since 2026 the list returns 100000 on some accounts (Home Assistant integration, issue 189).
        rows = ()
    named: dict[str, str | None] = {row.id: row.name for row in rows if row.id}
    if not named:
        named = {(yield GoodWeCalls.plant_id_by_owner.flow()): None}
    from heliograph.vendors.goodwe.legacy import normalise  # noqa: PLC0415 - loads the model and dataclasses

    session.facts["plants"] = named
    return normalise.plants(named)


def _snapshot(session: Session, plant_id: str) -> FlowGenerator[Snapshot]:
    from heliograph.vendors.goodwe.legacy import normalise  # noqa: PLC0415 - loads the model and dataclasses

    detail: payloads.MonitorDetail = yield GoodWeCalls.monitor_detail.flow(plant_id)
    fetched_at = datetime.fromtimestamp(session.server_time, UTC)
    return normalise.snapshot(detail, plant_id, fetched_at, session.zone)
