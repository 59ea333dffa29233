"""Faults between a cloud's "done" and its devices: late, never, otherwise, for a while, and half of a sequence."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from heliograph.emulator.device_faults import parse_percent_range
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import Blocked, CloudError, ConfigError, RequestRefused, Unreachable
from heliograph.model import Device
from heliograph.vendors.goodwe import GoodWe
from heliograph.vendors.growatt import Growatt
from support.goodwe_emulator import world
from support.growatt_emulator import EmulatedCloud


class House:
    """An emulated account of either cloud, a client of it, and one setting that is a percentage."""

    def __init__(self, vendor):
        self.emulator = EmulatedCloud().emulator if vendor == "growatt" else world()
        self.who = self.emulator.accounts[0]
        family, home = ("tlx", "tlx-battery") if vendor == "growatt" else ("hybrid", "hybrid")
        site = next(site for site in self.who.plants if site.family == home)
        self.device = Device(vendor=vendor, plant=site.id, id=site.devices[0], family=family)
        self.name = "charge_stop_soc" if vendor == "growatt" else "immediate_charge_stop_soc"
        self.kind = Growatt if vendor == "growatt" else GoodWe

    def connect(self, ready):
        server = ready["growatt" if self.kind is Growatt else "sems"]
        self.client = self.kind(self.who.username, self.who.password, server=server, allow_commands=True, keeper=None)

    def fault(self, **settings):
        self.emulator.faults.set(settings)

    def wait(self, seconds):
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(seconds=seconds))

    def tell(self, value):
        self.client.write_setting(self.device, self.name, {"value": value})

    @property
    def has(self):
        return self.client.read_settings(self.device)[self.name]["value"]


@pytest.fixture(params=["growatt", "goodwe"])
def house(request):
    found = House(request.param)
    with serve_in_thread(found.emulator) as ready:
        found.connect(ready)
        yield found


def test_without_a_fault_an_order_is_carried_out_at_once(house):
    assert house.has == 100
    house.tell(80)
    assert house.has == 80


def test_a_sluggish_device_obeys_later_and_in_the_order_it_was_told(house):
    house.fault(sluggish=60)
    house.tell(80)
    house.wait(30)
    house.tell(70)
    assert house.has == 100
    house.wait(29)
    assert house.has == 100
    house.wait(2)
    assert house.has == 80
    house.wait(30)
    assert house.has == 70
    house.tell(60)
    house.wait(10)
    house.tell(50)
    house.wait(3600)
    assert house.has == 50


def test_a_sluggish_device_waits_two_minutes_unless_told(house):
    house.fault(sluggish=True)
    house.tell(80)
    house.fault(sluggish=None)
    house.wait(119)
    assert house.has == 100
    house.wait(2)
    assert house.has == 80


def test_a_deaf_device_does_nothing_though_the_cloud_says_done(house):
    house.fault(deaf="*1")
    house.tell(80)
    house.wait(3600)
    assert house.has == 100
    house.tell(80)
    assert house.has == 80


def test_a_device_that_clamps_keeps_percentages_within_its_own_bounds(house):
    house.fault(clamp="20/90")
    house.tell(100)
    assert house.has == 90
    house.tell(5)
    assert house.has == 20
    house.tell(50)
    assert house.has == 50


def test_a_clamp_leaves_alone_what_is_no_percentage():
    house = House("growatt")
    with serve_in_thread(house.emulator) as ready:
        house.connect(ready)
        house.fault(clamp=True)
        window = {"mode": "grid-first", "start": "01:00", "end": "05:30", "enabled": True}
        house.client.write_setting(house.device, "time_window_1", window)
        house.client.write_setting(house.device, "grid_voltage_high", {"value": 251.5})
        found = house.client.read_settings(house.device)
        assert (found["time_window_1"], found["grid_voltage_high"]) == (window, {"value": 251.5})


def test_a_device_may_go_back_to_what_it_had(house):
    house.tell(60)
    house.fault(revert=300, sluggish=100)
    house.tell(80)
    house.fault(revert=None, sluggish=None)
    house.wait(101)
    assert house.has == 80
    house.wait(298)
    assert house.has == 80
    house.wait(2)
    assert house.has == 60


def test_what_was_never_set_goes_back_to_how_it_left_the_factory(house):
    house.fault(revert=True)
    house.tell(80)
    house.wait(599)
    assert house.has == 80
    house.wait(2)
    assert house.has == 100


def test_an_unwilling_device_refuses_and_keeps_what_it_has(house):
    house.fault(unwilling="*1")
    with pytest.raises(RequestRefused):
        house.tell(80)
    assert house.has == 100
    house.tell(80)
    assert house.has == 80


def test_halfway_through_a_sequence_the_firewall_stands_and_reads_go_on(house):
    house.fault(halfway=2)
    house.tell(90)
    house.tell(80)
    for _ in range(2):
        with pytest.raises(Blocked):
            house.tell(70)
        assert house.has == 80
    house.fault(halfway=None)
    house.tell(60)
    house.fault(halfway=True)
    house.tell(50)
    with pytest.raises(Blocked):
        house.tell(40)
    assert house.has == 50


def test_settings_that_cannot_be_read_are_no_settings(house):
    house.fault(unread=True)
    with pytest.raises(RequestRefused) as caught:
        house.client.read_settings(house.device)
    assert caught.value.code in ("501", "read_fail")
    told = str(caught.value)
    assert re.search("the cloud could not (reach|read) the device.* now", told)
    assert "offline or slow" in told
    assert "Try again when the app shows it online" in told
    house.tell(80)
    house.fault(unread=None)
    assert house.has == 80


@pytest.mark.parametrize("family", ["tlx", "mix", "spa", "noah", "inverter"])
def test_a_growatt_device_that_is_silent_says_which_way(family):
    found = EmulatedCloud()
    home = "tlx-battery" if family == "tlx" else family
    device = Device(vendor="growatt", plant=found.plant(home), id=found.device(home), family=family)
    with serve_in_thread(found.emulator) as ready:
        who = found.holder
        client = Growatt(who.username, who.password, server=ready["growatt"], keeper=None)
        assert any(client.read_settings(device).values())
        for code in ("500", "501"):
            found.fault(unread=code)
            with pytest.raises(RequestRefused) as caught:
                client.read_settings(device)
            assert family == "inverter" or caught.value.code == code
        assert client.plant_settings(device.plant).name


def test_a_reset_after_an_order_leaves_it_carried_out_and_unknown(house):
    assert house.has == 100
    house.fault(reset="*1")
    with pytest.raises(Unreachable):
        house.tell(80)
    assert house.has == 80


def test_no_order_is_ever_sent_twice_whatever_becomes_of_it(house):
    for fault in ({"reset": "*1"}, {"truncated": "*1"}, {"html": "*1"}, {"http500": "*1"}, {"unwilling": "*1"}):
        assert house.has  # by a session that lives
        before = orders(house)
        house.fault(**fault)
        with pytest.raises(CloudError):
            house.tell(80)
        assert orders(house) == before + 1, fault


def orders(house):
    paths = ("newTcpsetAPI.do", "setDeviceFunctionParameters")
    log = json.loads(house.emulator.respond("GET", "/control/log").body)
    return sum(one["path"].endswith(paths) for one in log["requests"])


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ({"clamp": "90/10"}, "clamp=10/90"),
        ({"clamp": "10"}, "two percentages"),
        ({"sluggish": "soon"}, "number of seconds"),
        ({"revert": "-1"}, "number of seconds"),
        ({"halfway": "0"}, "whole number from 1"),
        ({"unread": "404"}, "500 (no answer) or 501 (offline)"),
        ({"deaf": "x"}, "takes no value"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_how_it_is_written(setting, hint):
    emulator = world()
    with pytest.raises(ConfigError) as caught:
        emulator.faults.set(setting)
    assert hint in str(caught.value)


def test_bounds_are_read_as_they_are_written():
    assert parse_percent_range("1") == parse_percent_range("") == (10, 90)
    assert parse_percent_range("0/55.5") == (0, 55.5)
