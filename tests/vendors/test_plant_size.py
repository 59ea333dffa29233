"""The size of a plant in kWp, from answers that a snapshot fetches anyway."""

from __future__ import annotations

from datetime import datetime

import pytest

from heliograph import GoodWe, Growatt
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread

NOON = datetime.fromisoformat("2026-06-21T12:00:00+02:00")


@pytest.mark.parametrize(("vendor", "dialect"), [("growatt", None), ("goodwe", "legacy"), ("goodwe", "plus")])
def test_snapshot_has_the_size_of_its_plant(vendor, dialect):
    emulator = build_emulator(EmulatorOptions(start=NOON, speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        account = next(one for one in emulator.accounts if one.vendor == vendor)
        client = (Growatt if vendor == "growatt" else GoodWe)(
            account.username, account.password, server=ready["url"], keeper=None
        )
        if dialect:
            client.session.facts["dialect"] = dialect
        sizes = {one.plant.id: one.plant.peak_power for one in client.snapshots()}
    assert sizes == {one.id: sum(home.peak_power for home in one.households) / 1000 for one in account.plants}
