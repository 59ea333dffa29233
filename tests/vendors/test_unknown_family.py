"""A device of a family that no table has: from the emulated cloud over the collector's rows to the page and the API."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph import Growatt, GrowattToken
from heliograph.collect.batch import poll_batch
from heliograph.core.measurements import MAX_RAW, raw_numbers
from heliograph.current import CurrentState
from heliograph.emulator.clouds.growatt.openapi.context import token_of
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.model import Device
from heliograph.store.base import Batch, PollStatus, Series, StoredMeasurements, UnreadableRow
from heliograph.store.sqlite import SqliteStore
from heliograph.vendors.base import PollRhythm
from heliograph.vendors.growatt import normalise
from heliograph.vendors.growatt.openapi import limits
from heliograph.vendors.growatt.openapi import normalise as openapi_normalise
from heliograph.vendors.growatt.openapi.payloads import OpenApiData
from heliograph.vendors.growatt.payloads.plants import DeviceRow
from heliograph.web.page.device import device_page
from heliograph.web.page.device_chart import DeviceDay
from heliograph.web.page.history import parse_selection
from heliograph.web.schemas import device_data
from heliograph.web.state import SystemState

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
DAY = PollRhythm(720.0, 720.0, 3600.0)


@pytest.fixture(params=["inverter", "mix", "tlx"])
def case(request):
    emulator = build_emulator(EmulatorOptions(start=NOON, speed=0, accounts=1, faults=("new_family",)))
    with serve_in_thread(emulator) as ready:
        (account,) = emulator.accounts
        plant = next(one for one in account.plants if one.family == request.param)
        clock = emulator.world.clock
        yield (
            Growatt(
                account.username,
                account.password,
                server=ready["growatt"],
                keeper=None,
                clock=lambda: clock.now().timestamp(),
            ),
            plant,
        )


def test_unknown_family_has_the_plants_energies_and_raw_numbers(case):
    client, plant = case
    snapshot = client.snapshot(plant.id)
    (device,) = snapshot.devices
    assert (device.device.family, device.status, device.values) == ("hps", None, {})
    assert device.raw["energy"] > 0
    assert snapshot.pv_energy_today > 0
    assert not {name for name in device.raw if name.lower().endswith(("sn", "id"))}


def test_raw_numbers_of_live_polls_reach_store_api_and_page(case, tmp_path):
    client, plant = case
    poll = client.live(DAY, [plant.id])
    now = int(NOON.timestamp())
    with SqliteStore(tmp_path / "s.sqlite") as store:
        status = PollStatus(Series("growatt", plant.id), now, 720.0, now + 720)
        batch = poll_batch(poll.snapshots, {})
        store.write(batch)
        store.write(Batch(polls=[status]))
        (found,) = CurrentState(store).plants(now + 60)
    (device,) = found.devices
    assert device.raw["energy"] > 0
    assert device_data(device)["raw"] == device.raw
    assert device_data(device)["measurements"] == {}
    view = parse_selection({}, NOON.date())
    day = DeviceDay(view, NOON.date(), 0, 1, ())
    page = device_page(found, device, SystemState(at=now + 60, plants=(found,), accounts=()), day)
    assert "As the vendor sends it" in page
    assert "<dt>energy</dt>" in page


def test_unknown_family_of_a_token_has_the_plants_energies_and_raw_numbers(monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)
    emulator = build_emulator(EmulatorOptions(start=NOON, speed=0, accounts=1, faults=("new_family",)))
    with serve_in_thread(emulator) as ready:
        (account,) = emulator.accounts
        plants = {one.family: one for one in account.plants}
        client = GrowattToken(
            token_of(account),
            server=ready["growatt"],
            keeper=None,
            clock=NOON.timestamp,
            zone="Europe/Berlin",
        )
        poll = client.live(DAY, [plants["mix"].id, plants["noah"].id])
    (unknown,), (noah,) = (snapshot.devices for snapshot in poll.snapshots)
    assert (unknown.device.family, unknown.values, unknown.measurements) == ("hps", {}, {})
    assert unknown.raw["gridFreq"] == 49.98
    assert unknown.raw["vbat"] == -1.5
    assert poll.snapshots[0].pv_energy_today > 0
    assert noah.values
    assert noah.raw == {}
    assert poll.load.every_poll == 2


def test_damaged_raw_numbers_are_an_unreadable_row(tmp_path):
    from heliograph.store.snapshot_rows import raw_of

    row = StoredMeasurements(Series("growatt", "1", "A"), 1, 1, {"raw": "[1"})
    with pytest.raises(UnreadableRow):
        raw_of(row)


ANSWERS = st.dictionaries(
    st.sampled_from(["deviceSn", "deviceType", "ppv", "eToday", "lost", "status", "<b>"]) | st.text(max_size=8),
    st.none() | st.booleans() | st.floats() | st.text(max_size=10) | st.lists(st.integers(), max_size=2),
)


@given(ANSWERS)
def test_row_of_an_unknown_family_never_raises(answer):
    device = Device(vendor="growatt", plant="1", id="A", family="hps")
    found = normalise.unknown(device, DeviceRow(answer))
    assert all(isinstance(value, float) for value in found.raw.values())
    local = openapi_normalise.map_device(device, OpenApiData(answer), NOON, lost=None)
    assert local.raw == found.raw


def test_raw_numbers_leave_out_zeros_first():
    answer = {f"zero{n}": 0 for n in range(MAX_RAW)} | {"vbat": -1.5}
    assert raw_numbers(answer)["vbat"] == -1.5
    assert len(raw_numbers(answer)) == MAX_RAW
