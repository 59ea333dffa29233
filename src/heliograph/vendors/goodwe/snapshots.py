"""From GoodWe's answers to snapshots, through whichever dialect serves the account.

The SEMS Portal tells a plant in one request; SEMS+ takes a few (plus/read.py). Either way the list of plants is asked
for once per session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heliograph.core.endpoint import Steps, sequence
from heliograph.core.session import LOGGED_IN
from heliograph.errors import Refused
from heliograph.vendors.goodwe.dialect import either
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus import snapshots as plus_read

if TYPE_CHECKING:
    from heliograph.core.session import Session
    from heliograph.model import Plant, Snapshot
    from heliograph.vendors.goodwe.legacy import payloads as said


class GoodWeReadings:
    """What an account's plants say, in the common model."""

    @sequence
    def plants(self) -> Steps[tuple[Plant, ...]]:
        """All plants of the account; where the SEMS Portal lists none, the one its owner has."""
        return (yield from either(_plants, plus_read.plants))

    @sequence
    def snapshot(self, plant_id: str) -> Steps[Snapshot]:
        """One plant now."""
        return (
            yield from either(
                lambda session: _snapshot(session, plant_id),
                lambda session: plus_read.snapshot(session, plant_id),
            )
        )

    @sequence
    def snapshots(self) -> Steps[tuple[Snapshot, ...]]:
        """Every plant of the account now; the list itself is asked for once per session."""
        session: Session = yield LOGGED_IN
        if not session.facts.get("plants"):
            yield GoodWeReadings.plants.plan()
        found: list[Snapshot] = []
        for plant_id in tuple(session.facts["plants"]):
            found.append((yield GoodWeReadings.snapshot.plan(plant_id)))  # noqa: PERF401 - a generator step
        return tuple(found)


def _plants(session: Session) -> Steps[tuple[Plant, ...]]:
    try:
        rows: tuple[said.PlantRow, ...] = yield GoodWeCalls.plant_list.plan()
    except Refused:
        # Quirk: since 2026 the list answers 100000 on some accounts (Home Assistant integration, issue 189).
        rows = ()
    named: dict[str, str | None] = {row.id: row.name for row in rows if row.id}
    if not named:
        named = {(yield GoodWeCalls.plant_id_by_owner.plan()): None}
    session.facts["plants"] = named
    from heliograph.vendors.goodwe.legacy import normalise  # noqa: PLC0415 - single calls never wait for the model

    return normalise.plants(session.facts["plants"])


def _snapshot(session: Session, plant_id: str) -> Steps[Snapshot]:
    from heliograph.vendors.goodwe.legacy import normalise  # noqa: PLC0415 - single calls never wait for the model

    detail: said.MonitorDetail = yield GoodWeCalls.monitor_detail.plan(plant_id)
    fetched_at = datetime.fromtimestamp(session.cloud_now, UTC)
    return normalise.snapshot(detail, plant_id, fetched_at, session.zone)
