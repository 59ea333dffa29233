"""Device faults: commands that succeed in the cloud and are delayed, ignored, changed, reverted or cut off."""

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
    """An emulated account of either cloud with a client and one percentage setting."""

    def __init__(self, vendor):
        self.emulator = EmulatedCloud().emulator if vendor == "growatt" else world()
        self.account = self.emulator.accounts[0]
        family, home = ("tlx", "tlx-battery") if vendor == "growatt" else ("hybrid", "hybrid")
        site = next(site for site in self.account.plants if site.family == home)
        self.device = Device(vendor=vendor, plant=site.id, id=site.devices[0], family=family)
        self.name = "charge_stop_soc" if vendor == "growatt" else "immediate_charge_stop_soc"
        self.kind = Growatt if vendor == "growatt" else GoodWe

    def connect(self, ready):
        server = ready["growatt" if self.kind is Growatt else "sems"]
        self.client = self.kind(
            self.account.username, self.account.password, server=server, allow_commands=True, keeper=None
        )

    def fault(self, **settings):
        self.emulator.faults.set(settings)

    def wait(self, seconds):
        clock = self.emulator.world.clock
        clock.set(clock.now() + timedelta(seconds=seconds))

    def write(self, value):
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


def test_command_without_fault_is_applied_at_once(house):
    assert house.has == 100
    house.write(80)
    assert house.has == 80


def test_sluggish_fault_applies_commands_later_in_order(house):
    house.fault(sluggish=60)
    house.write(80)
    house.wait(30)
    house.write(70)
    assert house.has == 100
    house.wait(29)
    assert house.has == 100
    house.wait(2)
    assert house.has == 80
    house.wait(30)
    assert house.has == 70
    house.write(60)
    house.wait(10)
    house.write(50)
    house.wait(3600)
    assert house.has == 50


def test_sluggish_fault_defaults_to_two_minutes(house):
    house.fault(sluggish=True)
    house.write(80)
    house.fault(sluggish=None)
    house.wait(119)
    assert house.has == 100
    house.wait(2)
    assert house.has == 80


def test_deaf_fault_ignores_commands(house):
    house.fault(deaf="*1")
    house.write(80)
    house.wait(3600)
    assert house.has == 100
    house.write(80)
    assert house.has == 80


def test_clamp_fault_limits_percentages(house):
    house.fault(clamp="20/90")
    house.write(100)
    assert house.has == 90
    house.write(5)
    assert house.has == 20
    house.write(50)
    assert house.has == 50


def test_clamp_fault_changes_only_percentages():
    house = House("growatt")
    with serve_in_thread(house.emulator) as ready:
        house.connect(ready)
        house.fault(clamp=True)
        window = {"mode": "grid-first", "start": "01:00", "end": "05:30", "enabled": True}
        house.client.write_setting(house.device, "time_window_1", window)
        house.client.write_setting(house.device, "grid_voltage_high", {"value": 251.5})
        found = house.client.read_settings(house.device)
        assert (found["time_window_1"], found["grid_voltage_high"]) == (window, {"value": 251.5})


def test_revert_fault_restores_previous_value(house):
    house.write(60)
    house.fault(revert=300, sluggish=100)
    house.write(80)
    house.fault(revert=None, sluggish=None)
    house.wait(101)
    assert house.has == 80
    house.wait(298)
    assert house.has == 80
    house.wait(2)
    assert house.has == 60


def test_revert_fault_restores_factory_default(house):
    house.fault(revert=True)
    house.write(80)
    house.wait(599)
    assert house.has == 80
    house.wait(2)
    assert house.has == 100


def test_unwilling_fault_rejects_commands(house):
    house.fault(unwilling="*1")
    with pytest.raises(RequestRefused):
        house.write(80)
    assert house.has == 100
    house.write(80)
    assert house.has == 80


def test_halfway_fault_blocks_further_commands_but_not_reads(house):
    house.fault(halfway=2)
    house.write(90)
    house.write(80)
    for _ in range(2):
        with pytest.raises(Blocked):
            house.write(70)
        assert house.has == 80
    house.fault(halfway=None)
    house.write(60)
    house.fault(halfway=True)
    house.write(50)
    with pytest.raises(Blocked):
        house.write(40)
    assert house.has == 50


def test_unread_fault_makes_settings_unreadable(house):
    house.fault(unread=True)
    with pytest.raises(RequestRefused) as caught:
        house.client.read_settings(house.device)
    assert caught.value.code in ("501", "read_fail")
    message = str(caught.value)
    assert re.search("the cloud could not (reach|read) the device", message)
    assert "offline" in message
    assert "Try again when the app shows it online" in message
    house.write(80)
    house.fault(unread=None)
    assert house.has == 80


@pytest.mark.parametrize("family", ["tlx", "mix", "spa", "noah", "inverter"])
def test_unread_fault_of_growatt_has_two_codes(family):
    found = EmulatedCloud()
    home = "tlx-battery" if family == "tlx" else family
    device = Device(vendor="growatt", plant=found.plant(home), id=found.device(home), family=family)
    with serve_in_thread(found.emulator) as ready:
        account = found.holder
        client = Growatt(account.username, account.password, server=ready["growatt"], keeper=None)
        assert any(client.read_settings(device).values())
        for code in ("500", "501"):
            found.fault(unread=code)
            with pytest.raises(RequestRefused) as caught:
                client.read_settings(device)
            assert family == "inverter" or caught.value.code == code
        assert client.plant_settings(device.plant).name


def test_reset_fault_applies_command_and_loses_response(house):
    assert house.has == 100
    house.fault(reset="*1")
    with pytest.raises(Unreachable):
        house.write(80)
    assert house.has == 80


def test_client_never_repeats_a_command_under_any_fault(house):
    for fault in ({"reset": "*1"}, {"truncated": "*1"}, {"html": "*1"}, {"http500": "*1"}, {"unwilling": "*1"}):
        assert house.has  # with a valid session
        before = orders(house)
        house.fault(**fault)
        with pytest.raises(CloudError):
            house.write(80)
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
def test_device_fault_rejects_invalid_value_with_format(setting, hint):
    emulator = world()
    with pytest.raises(ConfigError) as caught:
        emulator.faults.set(setting)
    assert hint in str(caught.value)


def test_parse_percent_range_reads_low_and_high():
    assert parse_percent_range("1") == parse_percent_range("") == (10, 90)
    assert parse_percent_range("0/55.5") == (0, 55.5)
