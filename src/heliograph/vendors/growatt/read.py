"""What an account's plants say in the common model, declared like any other call.

The reading itself (gather.py) and the model are loaded when first asked for: a script that only makes single
calls never waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.endpoint import Steps, sequence
from heliograph.session import LOGGED_IN

if TYPE_CHECKING:
    from heliograph.model import Plant, Snapshot
    from heliograph.session import Session


class GrowattReadings:
    """What an account's plants say, in the common model."""

    @sequence
    def plants(self) -> Steps[tuple[Plant, ...]]:
        """All plants of the account."""
        from heliograph.vendors.growatt import gather  # noqa: PLC0415

        session: Session = yield LOGGED_IN
        return gather.plants(session)

    @sequence
    def snapshot(self, plant_id: str) -> Steps[Snapshot]:
        """One plant now."""
        from heliograph.vendors.growatt import gather  # noqa: PLC0415

        session: Session = yield LOGGED_IN
        found: Snapshot = yield gather.snapshot(session, plant_id)
        return found

    @sequence
    def snapshots(self) -> Steps[tuple[Snapshot, ...]]:
        """Every plant of the account now."""
        found: list[Snapshot] = []
        for plant in (yield GrowattReadings.plants.plan()):
            found.append((yield GrowattReadings.snapshot.plan(plant.id)))  # noqa: PERF401 - a generator step
        return tuple(found)
