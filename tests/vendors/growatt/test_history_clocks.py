"""Times of snapshots and day curves of one Growatt client before and after a clock change."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from heliograph import Growatt
from heliograph.emulator.clouds.growatt import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread

BERLIN = ZoneInfo("Europe/Berlin")
FAMILIES = ("tlx-battery", "mix", "inverter", "storage")
CHANGES = {"back": datetime(2026, 10, 25, 1, tzinfo=UTC), "forward": datetime(2026, 3, 29, 1, tzinfo=UTC)}


class ClockChangeCase:
    """An emulated cloud with a settable clock, and one long-lived client."""

    def __init__(self, emulator, url, zone):
        self.emulator, holder = emulator, emulator.accounts[0]
        self.plants = {site.family: site for site in holder.plants}
        clock = emulator.world.clock
        self.client = Growatt(
            holder.username, holder.password, server=url, zone=zone, keeper=None, clock=lambda: clock.now().timestamp()
        )

    def snapshot(self, family, now):
        self.emulator.world.clock.set(now)
        return self.client.snapshot(self.plants[family].id)

    def requests(self):
        return self.emulator.log.as_dict()["clouds"]["growatt"]["requests"]


@contextmanager
def clock_change(change, zone=BERLIN):
    start = CHANGES[change] - timedelta(hours=9)
    emulator = build_emulator(EmulatorOptions(start=start, speed=0, accounts=1, zone=BERLIN), [EMULATION])
    with serve_in_thread(emulator) as ready:
        yield ClockChangeCase(emulator, ready["growatt"], zone)


@pytest.fixture(params=CHANGES)
def change(request):
    return request.param


@pytest.mark.parametrize("family", FAMILIES)
def test_snapshot_time_is_right_around_a_clock_change(change, family):
    with clock_change(change) as case:
        for hours in (-9, -1, 0, 0.5, 1, 2, 9, 20):
            now = CHANGES[change] + timedelta(hours=hours, minutes=2)
            measured_at = case.snapshot(family, now).measured_at
            assert measured_at == now - timedelta(minutes=2), hours


@pytest.mark.parametrize("family", ["mix", "inverter"])
def test_day_curve_times_are_right_on_the_day_of_a_clock_change(change, family):
    with clock_change(change) as case:
        case.snapshot(family, CHANGES[change] - timedelta(hours=2))
        case.emulator.world.clock.set(now := CHANGES[change] + timedelta(hours=10))
        day = f"{CHANGES[change]:%Y-%m-%d}"
        curve = case.client.day_curve(case.plants[family].id, day)
        home = case.plants[family].households[0]
        assert curve[-1].moment == now
        for sample in curve:
            assert sample.values["pv_power"] == pytest.approx(home.values(sample.moment)["pv_power"], abs=11)


def test_clock_change_costs_one_request(change):
    with clock_change(change) as case:
        costs = []
        for hours in (-2, -1, 1, 2, 3):
            before = case.requests()
            case.snapshot("inverter", CHANGES[change] + timedelta(hours=hours))
            costs.append(case.requests() - before)
        assert costs[1:] == [costs[1], costs[1] + 1, costs[1], costs[1]]


def test_clock_change_without_a_zone_is_noticed_at_the_next_offset_refresh(change):
    wrong = timedelta(hours=-1 if change == "back" else 1)
    with clock_change(change, zone=None) as case:
        for hours, off in ((-9, timedelta()), (9, wrong), (16, timedelta())):
            now = CHANGES[change] + timedelta(hours=hours)
            assert case.snapshot("inverter", now).measured_at == now + off, hours


def test_plant_offset_changes_although_the_datalogger_is_late(change):
    with clock_change(change) as case:
        case.emulator.faults.set({"late": 24})
        now = CHANGES[change] + timedelta(minutes=30)
        case.emulator.world.clock.set(now)
        late = [site for site in case.plants.values() if site.households[0].last_upload_at(now) < CHANGES[change]]
        assert late
        for site in late:
            assert case.client.plant_settings(site.id).utc_offset_hours == (1 if change == "back" else 2)
