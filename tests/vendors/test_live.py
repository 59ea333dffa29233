"""Live polls: which requests are sent, when a list is used, and the time of data without a time."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from heliograph import GoodWe, Growatt
from heliograph.collect.schedule import NIGHT_INTERVAL, Daylight, night_rhythm, poll_rhythm
from heliograph.core.session import Session
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import RequestRefused, Unreadable
from heliograph.model import Plant, Snapshot, Status
from heliograph.vendors.base import PollRhythm
from heliograph.vendors.live import AccountPoll, PlantCost, list_problems
from heliograph.vendors.rotation import take_due

MORNING = datetime.fromisoformat("2026-06-21T09:02:00+02:00")
DAY = PollRhythm(720.0, 720.0, 3600.0)
CLIENTS = {"growatt": (Growatt, GROWATT), "goodwe": (GoodWe, GOODWE)}


class Account:
    """One emulated account with a settable clock, and its client without keeper."""

    def __init__(self, vendor, emulator, ready, dialect=""):
        self.emulator, self.holder = emulator, emulator.accounts[0]
        self.clock = emulator.world.clock
        self.plants = {plant.family: plant.id for plant in self.holder.plants}
        kind, _ = CLIENTS[vendor]
        self.client = kind(
            self.holder.username,
            self.holder.password,
            server=ready["url"],
            keeper=None,
            clock=lambda: self.clock.now().timestamp(),
        )
        if dialect:
            self.client.session.facts["dialect"] = dialect

    def poll(self, *families, rhythm=DAY, minutes=0):
        """Poll after some minutes, and return the snapshots and the number of requests."""
        self.clock.set(self.clock.now() + timedelta(minutes=minutes))
        before = self.requests()
        found = self.client.live(rhythm, [self.plants[family] for family in families])
        return found, self.requests() - before

    def requests(self):
        return sum(one["requests"] for one in self.emulator.log.as_dict(0)["clouds"].values())


@contextmanager
def account(vendor, *, dialect="", faults=(), start=MORNING):
    options = EmulatorOptions(start=start, speed=0, accounts=1, faults=tuple(faults))
    emulator = build_emulator(options, [CLIENTS[vendor][1]])
    with serve_in_thread(emulator) as ready:
        yield Account(vendor, emulator, ready, dialect)


@pytest.mark.parametrize(
    ("vendor", "dialect", "family"),
    [
        ("growatt", "", "mix"),
        ("growatt", "", "tlx-battery"),
        ("growatt", "", "storage"),
        ("growatt", "", "noah"),
        ("goodwe", "legacy", "hybrid"),
        ("goodwe", "plus", "hybrid"),
    ],
)
def test_live_poll_of_one_plant_takes_one_request(vendor, dialect, family):
    with account(vendor, dialect=dialect) as case:
        case.poll(family)
        for _ in range(4):
            (snapshots, load, *_), requests = case.poll(family, minutes=12)
            (snapshot,) = snapshots
            assert requests == 1
            assert {"pv_power", "battery_power", "battery_soc"} <= {
                k for k, v in snapshot.values.items() if v is not None
            }
        assert load.every_poll == 1
        assert load.flows == 0


def test_live_poll_of_hybrid_fetches_counters_and_data_time_every_hour():
    with account("growatt") as case:
        (first,), first_load = case.poll("mix")[0][:2]
        assert first.pv_energy_total is not None
        assert first_load.slow == 3
        counts = [case.poll("mix", minutes=12) for _ in range(11)]
        assert sum(requests for _, requests in counts) == 11 + 2 * 3
        for poll, requests in counts:
            (snapshot,) = poll.snapshots
            assert ("pv_energy_total" in snapshot.values) == (requests == 4)
            assert ("at fetch time" in snapshot.sources["pv_power"]) == (requests == 1)


def test_live_poll_at_the_end_of_the_day_fetches_counters_of_plants_with_a_battery_once():
    late, night = MORNING.replace(hour=21), night_rhythm(DAY)
    with account("growatt", start=late) as case:
        case.poll("mix", "tlx", rhythm=night)
        _, usual = case.poll("mix", "tlx", rhythm=night, minutes=60)
        poll, requests = case.poll("mix", "tlx", rhythm=night_rhythm(DAY, 600.0), minutes=108)
        assert {name for one in poll.snapshots for name in one.values} >= {"grid_import_energy_today"}
        assert requests == usual + 3 + 1, "three for the counters, and the powers of the mix"
        _, requests = case.poll("mix", "tlx", rhythm=night_rhythm(DAY, 300.0), minutes=5)
        assert requests == usual


def test_live_poll_of_several_plants_uses_their_list():
    families = ("tlx", "inverter")
    with account("growatt") as case:
        case.poll(*families)
        _, requests = case.poll(*families, minutes=12)
        assert requests == 1
        poll, _ = case.poll(*families, minutes=12)
        for snapshot, family in zip(poll.snapshots, families, strict=True):
            (truth,) = [site for site in case.holder.plants if site.family == family]
            true = truth.households[0].values(case.emulator.world.uploaded_at())
            assert snapshot.pv_power == pytest.approx(true["pv_power"], abs=0.1)
            assert snapshot.pv_energy_today == pytest.approx(true["pv_energy_today"], abs=0.21)
            assert snapshot.measured_at == snapshot.fetched_at
            assert "grid_power" not in snapshot.values


def test_fault_in_the_plant_list_is_read_from_the_device_once_when_it_begins_and_once_when_it_ends():
    families = ("tlx", "inverter")
    with account("growatt") as case:
        case.poll(*families)
        case.poll(*families, minutes=12)
        case.emulator.faults.set({"faulty": "302"})
        poll, requests = case.poll(*families, minutes=12)
        assert requests == 1 + len(families)
        codes = {one.devices[0].measurements["fault_code"] for one in poll.snapshots}
        assert codes == {"302"}
        poll, requests = case.poll(*families, minutes=5)
        assert ({one.status for one in poll.snapshots}, requests) == ({Status.FAULT}, 1)
        case.emulator.faults.set({"faulty": None})
        poll, requests = case.poll(*families, minutes=5)
        assert ({one.status for one in poll.snapshots}, requests) == ({Status.ONLINE}, 1 + len(families))


def test_live_poll_does_not_use_a_list_without_power():
    families = ("tlx", "inverter")
    with account("growatt", faults=["zero_power"]) as case:
        for _ in range(3):
            poll, requests = case.poll(*families, minutes=12)
            assert all(snapshot.pv_power > 0 for snapshot in poll.snapshots)
        assert requests == 3
        assert poll.rotating == {case.plants[family] for family in families}
        assert [label for label, _ in list_problems(case.client.session)] == [
            f"plant {case.plants[family]}" for family in families
        ]


@pytest.mark.parametrize(
    ("vendor", "dialect", "families", "requests", "wanted", "minutes", "flow_minutes"),
    [
        ("growatt", "", ["mix"], 144, 11, 12, 12),
        ("growatt", "", ["tlx-battery"], 144, 11, 11, 11),
        ("growatt", "", [], 144, 11, 20, 90),
        ("goodwe", "plus", ["hybrid"], 243, 10, 10, 10),
        ("goodwe", "plus", [], 243, 10, 25, 90),
        ("goodwe", "legacy", [], 243, 10, 25, 90),
    ],
)
def test_live_polls_of_a_day_stay_within_budget(vendor, dialect, families, requests, wanted, minutes, flow_minutes):
    start = datetime.fromisoformat("2026-06-21T05:02:00+02:00")
    with account(vendor, dialect=dialect, start=start) as case:
        daylight, rhythm, used = Daylight(), DAY, 0
        while case.clock.now() < start + timedelta(days=1):
            poll, sent = case.poll(*families, rhythm=rhythm)
            used += sent
            local = case.clock.now().astimezone(start.tzinfo)
            second = (local - local.replace(hour=0, minute=0, second=0)).total_seconds()
            day = poll_rhythm(poll.load, requests, daylight.length, wanted * 60.0)
            rhythm = day if daylight.includes(second) else night_rhythm(day)
            wait = min(rhythm.interval, daylight.until_change(second) + 60)
            case.clock.set(case.clock.now() + timedelta(seconds=wait))
        assert day.interval <= minutes * 60
        assert day.flow_interval <= flow_minutes * 60
        # The first poll of all plants is not a usual one, four SEMS+ plants take 30 requests; the program may send a
        # tenth more than this share.
        assert used <= requests + 30
        assert night_rhythm(day).interval == NIGHT_INTERVAL


# The time of data without a time


class OnePlantPoll(AccountPoll):
    """A poll of a plant whose powers have no time."""

    vendor = "acme"
    page_size = 15
    power = 0.0
    data_time = None

    def fetch_list(self):
        return {}
        yield

    def fetch_plant(self, plant_id, record, *, slow):
        self.fetched = "slow" if slow else "flow"
        now = datetime.fromtimestamp(self.now, UTC)
        plant = Plant(vendor="acme", id=plant_id, zone=UTC)
        values = {"pv_power": self.power, **({"pv_energy_total": 5.0} if slow else {})}
        at = self.data_time if slow else None
        return Snapshot(plant=plant, status=Status.ONLINE, measured_at=at, fetched_at=now, values=values)
        yield

    def cost(self, record):
        return PlantCost(1, 1)

    def zone(self, plant_id):
        return UTC


RARE = PollRhythm(600.0, 600.0, 7 * 86400.0)
"""Intervals at which counters are not due."""


class OnePlant:
    """A session that is polled at given minutes."""

    def __init__(self):
        self.session = Session("https://acme.example/")
        self.session.facts["plants"] = {"11": "Roof"}

    def poll(self, minute, power, data_minute=None, rhythm=RARE):
        self.session.now = at(minute).timestamp()
        poll = OnePlantPoll(self.session, rhythm, ())
        poll.power = power
        poll.data_time = None if data_minute is None else at(data_minute)
        try:
            next(poll.run())
        except StopIteration as done:
            (snapshot,) = done.value.snapshots
        return snapshot, poll.fetched


def at(minute):
    return datetime(2026, 6, 21, 10, tzinfo=UTC) + timedelta(minutes=minute)


def test_values_without_a_time_are_measured_when_they_were_first_fetched():
    plant = OnePlant()
    plant.poll(0, 100.0, 0)
    assert [plant.poll(minute, power)[0].measured_at for minute, power in [(10, 90.0), (20, 90.0), (30, 80.0)]] == [
        at(10),
        at(10),
        at(30),
    ]


def test_data_time_of_an_upload_that_is_stored_at_its_fetch_time_is_that_time():
    plant = OnePlant()
    plant.poll(0, 100.0, 0)
    plant.poll(10, 90.0)
    snapshot, _ = plant.poll(20, 90.0, 6, rhythm=PollRhythm(600.0, 600.0, 60.0))
    assert snapshot.measured_at == at(10)


def test_unchanged_values_in_daylight_are_checked_with_their_time_after_20_minutes():
    plant = OnePlant()
    plant.poll(0, 100.0, 0)
    calls = [plant.poll(minute, 90.0, 9)[1] for minute in (10, 20, 30, 40, 50)]
    assert calls == ["flow", "flow", "slow", "flow", "flow"]


def test_unchanged_values_at_night_are_not_checked():
    plant, night = OnePlant(), night_rhythm(RARE)
    plant.poll(0, 0.0, 0)
    assert {plant.poll(minute, 0.0, rhythm=night)[1] for minute in (60, 120, 180)} == {"flow"}


def test_take_due_gives_each_plant_its_turn_within_the_interval():
    turns, fetched_at, now, longest = {}, dict.fromkeys("abcde"), 0.0, 0.0
    for _ in range(200):
        due = take_due(turns, "flows", now, 5400.0, fetched_at)
        assert len(due) in (0, 1, 2) or now == 0.0
        for plant in due:
            longest = max(longest, now - (fetched_at[plant] or 0.0)) if now > 20_000 else 0.0
            fetched_at[plant] = now
        now += 1110.0
    assert longest <= 5400.0 + 2 * 1110.0


def test_take_due_lets_no_plant_wait_longer_than_the_interval_when_others_are_taken_out_of_turn():
    turns, fetched_at, now, longest = {}, dict.fromkeys("abcde"), 0.0, 0.0
    for number in range(200):
        taken = {"ab"[number % 2]} if number % 3 == 0 and now else set()
        due = take_due(turns, "flows", now, 5400.0, fetched_at, taken)
        for plant in {*due, *taken}:
            longest = max(longest, now - (fetched_at[plant] or 0.0))
            fetched_at[plant] = now
        now += 1110.0
    assert longest < 5400.0 + 2 * 1110.0


@pytest.mark.parametrize(("vendor", "families"), [("growatt", ("mix", "tlx")), ("goodwe", ("hybrid", "single"))])
def test_live_poll_reports_the_error_of_one_plant_and_polls_the_others(vendor, families):
    gone, healthy = families
    with account(vendor) as case:
        case.poll(*families)
        plants = case.holder.plants
        case.holder.plants = [plant for plant in plants if plant.family != gone]
        for _ in range(3):
            poll, requests = case.poll(*families, minutes=12)
            assert [one.plant.id for one in poll.snapshots] == [case.plants[healthy]]
            assert isinstance(poll.problems.get(case.plants[gone]), RequestRefused | Unreadable)
            assert requests <= 5
        case.holder.plants = plants
        poll, _ = case.poll(*families, minutes=60)
        assert (len(poll.snapshots), poll.problems) == (2, {})


def test_live_poll_of_one_plant_raises_its_error():
    with account("growatt") as case:
        case.poll("mix")
        case.holder.plants = []
        with pytest.raises((RequestRefused, Unreadable)):
            case.poll("mix", minutes=12)
