"""Every setting of GoodWe's catalogue on an emulated inverter over real HTTP, in both dialects."""

from __future__ import annotations

import asyncio
import json

import pytest

from heliograph.core.http import build_request
from heliograph.core.session import Session
from heliograph.emulator.clouds.goodwe.plus_remote import REGISTERS
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError, InvalidValue, RequestRefused, Unreachable
from heliograph.keeper import Keeper
from heliograph.model import Device
from heliograph.settings import Journal, Orders
from heliograph.settings.definition import matches, validate
from heliograph.vendors.goodwe import AsyncGoodWe, GoodWe
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.settings import GoodWeSettings
from heliograph.vendors.goodwe.settings.catalogue import FAMILIES
from support.goodwe_emulator import world
from support.setting_values import different_values, invalid_values

ENTRIES = [(family, row) for family, rows in FAMILIES.items() for row in rows]
NAMED = [f"{family}-{row.setting.name}" for family, row in ENTRIES]
SITES = {"inverter": "single", "hybrid": "hybrid"}


class Cloud:
    """One emulated account, and its clients in either dialect."""

    def __init__(self):
        self.emulator = world()
        self.account = self.emulator.accounts[0]
        self.plants = {site.family: site for site in self.account.plants}

    def client(self, dialect, kind=GoodWe, **options):
        more = {"allow_commands": True, "keeper": None} | options
        found = kind(self.account.username, self.account.password, server=self.ready["sems"], **more)
        found.session.facts["dialect"] = dialect
        return found

    def device(self, family):
        site = self.plants[SITES[family]]
        return Device(vendor="goodwe", plant=site.id, id=site.devices[0], family=family)

    def written(self, family):
        site = self.plants[SITES[family]]
        return site.settings.get(site.devices[0], {})

    def request_count(self):
        return len(json.loads(self.emulator.respond("GET", "/control/log").body)["requests"])


@pytest.fixture(scope="module")
def cloud():
    found = Cloud()
    with serve_in_thread(found.emulator) as found.ready:
        yield found


@pytest.mark.parametrize(("family", "row"), ENTRIES, ids=NAMED)
def test_sems_plus_write_is_read_back(family, row, cloud):
    client, device, setting = cloud.client("plus"), cloud.device(family), row.setting
    before = client.read_settings(device)
    wanted = different_values(setting, before[setting.name])
    if row.plus is None:
        with pytest.raises(InvalidValue, match=r"through the SEMS Portal only; this account .* save_remote_control"):
            client.write_setting(device, setting.name, wanted)
        return
    client.write_setting(device, setting.name, wanted)
    found = client.read_settings(device)[setting.name]
    assert matches(setting, validate(setting, wanted), found) is (True if setting.readable else None)


@pytest.mark.parametrize(("family", "row"), ENTRIES, ids=NAMED)
def test_sems_portal_write_reaches_the_same_inverter(family, row, cloud):
    client, device, name = cloud.client("legacy"), cloud.device(family), row.setting.name
    if not row.legacy:
        with pytest.raises(InvalidValue, match=r"through SEMS\+ only; this account .* set_device_parameters"):
            client.write_setting(device, name, different_values(row.setting, None))
        return
    for values in (
        ({"value": 40}, {"value": 60}) if name == "active_power_rate" else ({"value": "off"}, {"value": "on"})
    ):
        if name != "restart":
            client.write_setting(device, name, values)
    client.plants()
    before = cloud.request_count()
    assert set(client.read_settings(device).values()) == {None}
    assert cloud.request_count() == before
    if name == "active_power_rate":
        assert cloud.written(family)["ActivePowerLimit"] == 60
    elif name == "power_switch":
        assert cloud.written(family)["80017"] == 4
        assert cloud.client("plus").read_settings(device)[name] == {"value": True}
    else:
        client.write_setting(device, "power_switch", {"value": False})
        client.write_setting(device, "restart", {"value": "now"})
        assert cloud.written(family)["80017"] == 4


def test_sems_portal_request_marks_the_changed_settings():
    call = GoodWeCalls.save_remote_control.flow("INV1", {"ActivePowerLimit": "50"}, "06/21/2026 12:00:00")
    sent = build_request("https://www.semsportal.com/api/", call, {})
    assert sent.url == "https://www.semsportal.com/api/PowerStation/SaveRemoteControlInverter"
    assert json.loads(sent.body or b"") == {
        "InverterSN": "INV1",
        "ActivePowerLimit": "50",
        "ActivePowerLimitSettingMark": "1",
        "InverterRemotingLastSetDate": "06/21/2026 12:00:00",
    }


def sent_to_sems_plus(name, value):
    device = Device(vendor="goodwe", plant="P", id="INV1", family="hybrid")
    steps = GoodWeSettings.write_setting.flow(device, name, {"value": value})
    session = Session("https://eu.semsportal.com/")
    session.facts["dialect"] = "plus"
    next(steps)
    return steps.send(session).fields


def test_sems_plus_request_equals_the_recorded_one():
    assert sent_to_sems_plus("power_switch", False) == {
        "sn": "INV1",
        "addressMap": {"80017": 2},
        "addrFuncMap": {"80017": "2043643517552594945"},
        "controlItemLogs": {"status_setting": "stop"},
        "waitingForDevice": True,
        "plantId": "P",
        "deviceName": "Inverter",
        "virtualSn": "INV1",
    }
    assert sent_to_sems_plus("power_switch", True)["controlItemLogs"] == {"status_setting": "start_up"}
    assert sent_to_sems_plus("restart", "now")["addressMap"] == {"80017": 1}
    assert sent_to_sems_plus("immediate_charge", False)["controlItemLogs"].keys() == {"stop_charging"}
    assert sent_to_sems_plus("immediate_charge_power", 40)["addressMap"] == {"47603": 40}


@pytest.mark.parametrize("family", FAMILIES)
def test_async_client_writes_and_reads_settings(family, cloud):
    device = cloud.device(family)
    rows = [row for row in FAMILIES[family] if row.plus and row.setting.readable]

    async def write_and_read():
        client = cloud.client("plus", AsyncGoodWe)
        settings = client.settings_of(device)
        assert [one.name for one in settings] == [row.setting.name for row in FAMILIES[family]]
        assert [one.name for one in settings if one.unavailable] == ["active_power_rate"]
        before = await client.read_settings(device)
        written = {row.setting.name: different_values(row.setting, before[row.setting.name]) for row in rows}
        for name, values in written.items():
            await client.write_setting(device, name, values)
        return written, await client.read_settings(device)

    written, found = asyncio.run(write_and_read())
    assert {name: found[name] for name in written} == written


@pytest.mark.parametrize(("family", "row"), ENTRIES, ids=NAMED)
def test_write_setting_rejects_invalid_values_before_sending(family, row, cloud):
    client, device = cloud.client("plus"), cloud.device(family)
    before = cloud.request_count()
    for values in invalid_values(row.setting):
        with pytest.raises(InvalidValue, match=row.setting.name):
            client.write_setting(device, row.setting.name, values)
    assert cloud.request_count() == before


def test_unavailable_settings_are_known_from_the_stored_dialect(cloud, tmp_path):
    device = cloud.device("hybrid")
    first, second = (cloud.client("plus", keeper=Keeper(tmp_path)) for _ in range(2))
    second.session.facts.clear()
    assert [one for one in first.settings_of(device) if one.unavailable]
    assert [one for one in second.settings_of(device) if one.unavailable] == []
    first.plants()
    (only,) = (one for one in second.settings_of(device) if one.unavailable)
    assert only.unavailable.startswith("can be set through the SEMS Portal only")


def test_order_of_the_other_dialect_is_refused_before_it_is_recorded(cloud, tmp_path):
    device, client = cloud.device("hybrid"), cloud.client("legacy")
    orders = Orders(client, journal=Journal(tmp_path, "mine"))
    assert orders.look(device).settings.keys() == {"power_switch", "restart", "active_power_rate"}
    with pytest.raises(
        ConfigError, match=r"immediate_charge can be set through SEMS\+ only; .* Set it in GoodWe's app"
    ):
        orders.set(device, "immediate_charge", True)
    assert orders.log() == ()


def test_undo_of_an_order_of_the_other_dialect_is_refused(cloud, tmp_path):
    device, client = cloud.device("hybrid"), cloud.client("plus")
    orders = Orders(client, journal=Journal(tmp_path, "mine"), read_back_delays=(0.0,))
    order = orders.set(device, "immediate_charge_stop_soc", 41)
    client.session.facts["dialect"] = "legacy"
    with pytest.raises(ConfigError, match=r"immediate_charge_stop_soc can be set through SEMS\+ only"):
        orders.undo(order=order.id)
    assert [(one.id, str(one.state)) for one in orders.log()] == [(order.id, "applied")]


def test_write_setting_needs_allow_commands(cloud):
    client = cloud.client("plus", allow_commands=False)
    with pytest.raises(ConfigError, match="allow_commands"):
        client.write_setting(cloud.device("hybrid"), "power_switch", {"value": False})


def test_read_settings_sends_one_request_and_none_for_a_meter(cloud):
    client = cloud.client("plus")
    client.read_settings(cloud.device("hybrid"))
    before = cloud.request_count()
    assert client.read_settings(cloud.device("hybrid"))["power_switch"] is not None
    assert cloud.request_count() == before + 1
    meter = Device(vendor="goodwe", plant=cloud.plants["meter"].id, id="9METER", family="meter")
    assert client.settings_of(meter) == ()
    assert client.read_settings(meter) == {}
    with pytest.raises(InvalidValue, match="no setting 'power_switch'"):
        client.write_setting(meter, "power_switch", {"value": True})
    assert cloud.request_count() == before + 1


def test_read_settings_of_a_battery_without_status_register(cloud, monkeypatch):
    monkeypatch.delitem(REGISTERS, "80017")
    client = cloud.client("plus")
    found = client.read_settings(cloud.device("hybrid"))
    assert found["power_switch"] is None
    assert found["immediate_charge"] is not None
    with pytest.raises(RequestRefused, match="read_fail"):
        client.read_settings(cloud.device("inverter"))


def test_write_distinguishes_rejection_and_missing_response(cloud):
    device = cloud.device("hybrid")
    for dialect, setting in (("plus", "immediate_charge"), ("legacy", "power_switch")):
        client = cloud.client(dialect)
        client.plants()
        cloud.emulator.faults.set({"unwilling": "*1"})
        with pytest.raises(RequestRefused):
            client.write_setting(device, setting, {"value": True})
        cloud.emulator.faults.set({"reset": "*1"})
        with pytest.raises(Unreachable):
            client.write_setting(device, setting, {"value": True})


def test_emulator_and_catalogue_have_the_same_registers():
    registers = [row.plus for _, row in ENTRIES if row.plus]
    assert {one.address: one.function for one in registers} == {at: row.function for at, row in REGISTERS.items()}
