"""Batteries behind hybrids and devices of unknown types in SEMS+: which requests, and what is read from the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph import GoodWe
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import RequestRefused
from heliograph.model import Plant, Status
from heliograph.vendors.base import PollRhythm
from heliograph.vendors.goodwe.plus import normalise, payloads, snapshots
from support.goodwe_emulator import NOON, Caller, world

DAY = PollRhythm(600.0, 600.0, 3600.0)
MEASURED = "battery1_soc", "battery1_power", "battery_voltage", "battery_current", "battery_temperature"


class PlusCloud(Caller):
    """An emulated SEMS+ account, with a Heliograph client over a socket."""

    def __init__(self, ready):
        super().__init__(ready["emulator"])
        clock = self.emulator.world.clock
        account = self.account
        self.client = GoodWe(
            account.username,
            account.password,
            server=ready["url"],
            keeper=None,
            clock=lambda: clock.now().timestamp(),
        )
        self.client.session.facts["dialect"] = "plus"

    def live(self, *families, minutes=60):
        """Wait, poll, and return the poll, how many lists of batteries and how many measurements of these it took."""
        self.wait(minutes=minutes)
        before = len(self.paths())
        poll = self.client.live(DAY, [self.plants[family].id for family in families])
        new = self.paths()[before:]
        lists = sum(path.endswith("/relatedDevices") for path in new)
        return poll, lists, sum("/9BATSYS1" in path and path.endswith("/telemetry") for path in new)

    def paths(self):
        found = json.loads(self.emulator.respond("GET", "/control/log?newest=1000").body)["requests"]
        return [row["path"] for row in found]


@pytest.fixture
def cloud():
    emulator = world(NOON)
    with serve_in_thread(emulator) as ready:
        yield PlusCloud({**ready, "emulator": emulator})


def battery_of(snapshot):
    (found,) = [one for one in snapshot.devices if one.device.family == "battery"]
    return found


def test_snapshot_of_a_hybrid_has_its_battery_as_a_device(cloud):
    snapshot = cloud.client.snapshot(cloud.plants["hybrid"].id)
    battery = battery_of(snapshot)
    assert (battery.device.name, battery.raw, battery.status) == ("BAT1", {}, None)
    assert battery.values == {"battery_power": snapshot.battery_power, "battery_soc": snapshot.battery_soc}
    assert battery.measurements["battery1_soc"] == snapshot.battery_soc
    assert battery.measurements["battery1_power"] == pytest.approx(snapshot.battery_power, abs=1)
    assert all(battery.measurements[name] is not None for name in MEASURED)
    assert snapshot.status is Status.ONLINE
    assert [one.device.family for one in cloud.client.snapshot(cloud.plants["single"].id).devices] == ["inverter"]


@pytest.mark.parametrize("dialect", ["legacy", "plus"])
def test_only_hybrid_of_a_plant_has_the_powers_of_the_plant(cloud, dialect):
    cloud.client.session.facts["dialect"] = dialect
    snapshot = cloud.client.snapshot(cloud.plants["hybrid"].id)
    hybrid = snapshot.devices[0]
    assert hybrid.device.family == "hybrid"
    assert (hybrid.pv_power, hybrid.battery_power) == (snapshot.pv_power, snapshot.battery_power)
    assert hybrid.battery_soc == snapshot.battery_soc
    assert hybrid.pv_power is not None
    assert hybrid.sources["pv_power"].startswith("plant ")


def test_only_string_inverter_of_a_plant_has_its_solar_power(cloud):
    snapshot = cloud.client.snapshot(cloud.plants["meter"].id)
    inverter = next(one for one in snapshot.devices if one.device.family == "inverter")
    assert inverter.pv_power == snapshot.pv_power > 0
    assert not [name for name in inverter.values if "battery" in name]


def test_battery_of_an_only_plant_is_measured_hourly_and_listed_daily(cloud):
    first, *counts = cloud.live("hybrid")
    assert counts == [1, 1]
    assert battery_of(first.snapshots[0]).measurements["battery_voltage"] > 0
    assert first.load.slow == 4, "counters, measurements and day energies of the hybrid, measurements of the battery"
    assert cloud.live("hybrid", minutes=10)[1:] == (0, 0)
    polls = [cloud.live("hybrid")[1:] for _ in range(24)]
    assert polls.count((1, 1)) == 1
    assert polls.count((0, 1)) == 23


def test_batteries_of_several_plants_are_measured_daily(cloud):
    families = ("hybrid", "single")
    polls = [cloud.live(*families) for _ in range(12)]
    assert sorted(counts for _, *counts in polls) == [[0, 0]] * 11 + [[1, 1]]
    poll, *counts = cloud.live(*families, minutes=24 * 60)
    assert counts == [1, 1]
    for record in cloud.client.session.facts["live"]["plants"].values():
        record["further"], record["devices"] = [], [{**one, "subtype": "grid"} for one in record["devices"]]
    without, *_ = cloud.live(*families)
    assert poll.load.slow == without.load.slow
    assert poll.load.daily == without.load.daily + 2


def test_battery_that_a_visitor_may_not_measure_hides_no_power(cloud):
    cloud.fault(visitor="")
    snapshot = cloud.client.snapshot(cloud.plants["hybrid"].id)
    assert battery_of(snapshot).measurements == {}
    assert snapshot.battery_power is not None
    assert snapshot.pv_energy_total is not None


def test_refused_list_of_batteries_is_an_oddity_of_the_hybrid():
    hybrid = payloads.Equipment({"sn": "A", "deviceType": "INVERTER", "subtype": "store"})
    flow = snapshots.batteries_of([hybrid], "1")
    next(flow)
    with pytest.raises(StopIteration) as stopped:
        flow.throw(RequestRefused("no", vendor="goodwe", call="plus_related_devices"))
    batteries, unlisted = stopped.value.value
    assert batteries == []
    plant, powers = Plant(vendor="goodwe", id="1"), payloads.PlusFlow({"pBat": 0.5})
    found = normalise.snapshot(plant, powers, [hybrid], {}, None, datetime.now(UTC), {}, unlisted)
    (device,) = found.devices
    assert device.oddities == {"the list of batteries": "RequestRefused"}


def test_unusable_measurements_of_a_battery_are_an_oddity():
    battery = payloads.RelatedDevice({"sn": "B", "type": "BAT_SYS", "isConnected": False}).equipment
    flow = snapshots.further_measurements([battery], "1")
    next(flow)
    with pytest.raises(StopIteration) as stopped:
        flow.throw(RequestRefused("no", vendor="goodwe", call="plus_telemetry"))
    found = normalise.further_snapshot(Plant(vendor="goodwe", id="1"), stopped.value.value[0], None)
    assert (found.status, found.measurements) == (Status.OFFLINE, {})
    assert found.oddities == {"the measurements of the device": "RequestRefused"}


def test_device_of_an_unknown_type_has_its_raw_numbers(cloud):
    cloud.fault(new_family="")
    for snapshot in (cloud.client.snapshot(cloud.plants["meter"].id), cloud.live("meter")[0].snapshots[0]):
        (found,) = [one for one in snapshot.devices if one.device.family == "ENERGY_STORAGE_INTEGRATED_CABINET"]
        assert found.raw == {"PCS-1:pAc": found.raw["PCS-1:pAc"], "cabinetTemp": 24.5}
        assert (found.values, found.measurements) == ({}, {})
        assert snapshot.status is Status.ONLINE
        assert snapshot.pv_energy_today > 0


def client_settings(device):
    return GoodWe("a", "b", keeper=None).settings_of(device)


FACTORS = st.fixed_dictionaries(
    {},
    optional={
        "code": st.none() | st.integers() | st.sampled_from(["pAc", "sn", "PHASE-A:Vac", "<b>"]) | st.text(max_size=8),
        "data": st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.lists(st.integers(), max_size=2),
        "unit": st.none() | st.sampled_from(["kW", "℃"]) | st.integers(),
        "factors": st.none() | st.lists(st.none() | st.dictionaries(st.text(max_size=4), st.integers()), max_size=2),
    },
)


@given(
    st.none() | st.sampled_from(["plant", "hybrid"]) | st.text(max_size=60), st.lists(st.none() | FACTORS, max_size=5)
)
def test_device_of_an_unknown_type_never_raises(kind, rows):
    device = payloads.Equipment({"sn": "A", "deviceType": kind})
    found = payloads.FurtherDevice(device, payloads.Telemetry(rows))
    snapshot = normalise.further_snapshot(Plant(vendor="goodwe", id="1"), found, None)
    assert all(isinstance(value, float) for value in snapshot.raw.values())
    assert len(snapshot.device.family) <= 40
    assert kind == "BAT_SYS" or not client_settings(snapshot.device)
