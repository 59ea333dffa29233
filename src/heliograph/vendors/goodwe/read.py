"""From the SEMS Portal's answers to snapshots: one request per plant, and the list of plants once per session."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from heliograph.endpoint import Steps, sequence
from heliograph.errors import Refused
from heliograph.model import Plant, Snapshot
from heliograph.session import LOGGED_IN
from heliograph.vendors.goodwe import normalise
from heliograph.vendors.goodwe.api import GoodWeCalls

if TYPE_CHECKING:
    from heliograph.session import Session
    from heliograph.vendors.goodwe import payloads as said


class GoodWeReadings:
    """What an account's plants say, in the common model."""

    @sequence
    def plants(self) -> Steps[tuple[Plant, ...]]:
        """All plants of the account; where the portal lists none, the one its owner has."""
        session: Session = yield LOGGED_IN
        try:
            rows: tuple[said.PlantRow, ...] = yield GoodWeCalls.plant_list.plan()
        except Refused:
            # Quirk: since 2026 the list answers 100000 on some accounts (Home Assistant integration, issue 189).
            rows = ()
        named: dict[str, str | None] = {row.id: row.name for row in rows if row.id}
        if not named:
            named = {(yield GoodWeCalls.plant_id_by_owner.plan()): None}
        session.facts["plants"] = named
        return _known(session)

    @sequence
    def snapshot(self, plant_id: str) -> Steps[Snapshot]:
        """One plant now, in one request."""
        session: Session = yield LOGGED_IN
        detail: said.MonitorDetail = yield GoodWeCalls.monitor_detail.plan(plant_id)
        return normalise.snapshot(detail, plant_id, datetime.fromtimestamp(session.cloud_now, UTC))

    @sequence
    def snapshots(self) -> Steps[tuple[Snapshot, ...]]:
        """Every plant of the account now; the list itself is asked for once per session."""
        session: Session = yield LOGGED_IN
        plants = _known(session) or (yield GoodWeReadings.plants.plan())
        found: list[Snapshot] = []
        for plant in plants:
            found.append((yield GoodWeReadings.snapshot.plan(plant.id)))  # noqa: PERF401 - a generator step
        return tuple(found)


def _known(session: Session) -> tuple[Plant, ...]:
    named = session.facts.get("plants") or {}
    return tuple(Plant(vendor=normalise.VENDOR, id=plant_id, name=name) for plant_id, name in named.items())
