"""From GoodWe's answers to snapshots, through whichever dialect serves the account.

The SEMS Portal tells a plant in one request; SEMS+ takes a few (plus/read.py). Either way the list of plants is asked
for once per session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heliograph.core.endpoint import FlowGenerator, composite
from heliograph.core.session import ENSURE_SESSION
from heliograph.errors import RequestRefused
from heliograph.vendors.goodwe.dialect import with_fallback
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import snapshots as plus_read

if TYPE_CHECKING:
    from heliograph.core.session import Session
    from heliograph.model import Plant, Snapshot
    from heliograph.vendors.goodwe.legacy import payloads as said


class GoodWeSnapshots:
    """What an account's plants say, in the common model."""

    @composite
    def plants(self) -> FlowGenerator[tuple[Plant, ...]]:
        """All plants of the account; where the SEMS Portal lists none, the one its owner has."""
        return (yield from with_fallback(_plants, plus_read.plants))

    @composite
    def snapshot(self, plant_id: str) -> FlowGenerator[Snapshot]:
        """One plant now."""
        return (
            yield from with_fallback(
                lambda session: _snapshot(session, plant_id),
                lambda session: plus_read.snapshot(session, plant_id),
            )
        )

    @composite
    def snapshots(self) -> FlowGenerator[tuple[Snapshot, ...]]:
        """Every plant of the account now; the list itself is asked for once per session."""
        session: Session = yield ENSURE_SESSION
        if not session.facts.get("plants"):
            yield GoodWeSnapshots.plants.flow()
        found: list[Snapshot] = []
        for plant_id in tuple(session.facts["plants"]):
            found.append((yield GoodWeSnapshots.snapshot.flow(plant_id)))  # noqa: PERF401 - a generator step
        return tuple(found)


def _plants(session: Session) -> FlowGenerator[tuple[Plant, ...]]:
    try:
        rows: tuple[said.SemsPlantRow, ...] = yield GoodWeCalls.plant_list.flow()
    except RequestRefused:
        # Quirk: since 2026 the list answers 100000 on some accounts (Home Assistant integration, issue 189).
        rows = ()
    named: dict[str, str | None] = {row.id: row.name for row in rows if row.id}
    if not named:
        named = {(yield GoodWeCalls.plant_id_by_owner.flow()): None}
    session.facts["plants"] = named
    from heliograph.vendors.goodwe.legacy import normalise  # noqa: PLC0415 - single calls never wait for the model

    return normalise.plants(session.facts["plants"])


def _snapshot(session: Session, plant_id: str) -> FlowGenerator[Snapshot]:
    from heliograph.vendors.goodwe.legacy import normalise  # noqa: PLC0415 - single calls never wait for the model

    detail: said.MonitorDetail = yield GoodWeCalls.monitor_detail.flow(plant_id)
    fetched_at = datetime.fromtimestamp(session.server_time, UTC)
    return normalise.snapshot(detail, plant_id, fetched_at, session.zone)
