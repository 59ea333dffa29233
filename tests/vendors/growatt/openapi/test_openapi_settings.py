"""Settings by token on emulated devices over sockets: written, read back, and the errors of the cloud."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from heliograph import Growatt, Orders
from heliograph.core.session import Session
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import InvalidValue, RequestRefused, Throttled, Unreachable
from heliograph.keeper import Keeper
from heliograph.local_time import Clock
from heliograph.model import Device
from heliograph.settings import ChangeState, Journal
from heliograph.settings.definition import matches, validate
from heliograph.vendors.growatt.openapi import AsyncGrowattToken, limits, payloads, settings
from heliograph.vendors.growatt.settings import registry
from support.growatt_emulator import EmulatedCloud
from support.setting_values import different_values, invalid_values

HOMES = {"tlx": "tlx-battery"}
ENTRIES = [
    (family, row.setting.name)
    for family in ("tlx", "mix", "noah", "inverter", "storage")
    for row in settings.FAMILIES[family].entries
]
UNREPORTED = {("mix", "load_first_stop_soc"), ("inverter", "power_switch"), ("storage", "power_switch")}
"""Settings that no answer of the token API contains."""


class TokenHome(Clock):
    """An emulated account, its clients, and the clock of both, which sleeping advances."""

    def __init__(self, cloud, ready, folder):
        self.cloud, self.folder, self.server = cloud, folder, ready["growatt"]
        self.account = ready["accounts"][0]
        self.moment = datetime.fromisoformat("2026-06-21T12:02:00+02:00").timestamp()

    def now(self):
        self.cloud.emulator.world.clock.set(datetime.fromtimestamp(self.moment).astimezone())
        return self.moment

    def sleep(self, seconds):
        self.moment += seconds

    def client(self, *, password=False, kind=Growatt):
        names = (self.account["username"], self.account["password"]) if password else ()
        token = {"token": self.account["token"]} if kind is Growatt else {}
        first = () if kind is Growatt else (self.account["token"],)
        options = {"server": self.server, "allow_commands": True, "interactive": True, "zone": "Europe/Berlin"}
        return kind(*names, *first, **token, keeper=Keeper(self.folder), clock=self.now, **options)

    def orders(self, client):
        journal = Journal(self.folder / "orders", client.settings_guard.store.name)
        return Orders(client, journal=journal, clock=self)

    def device(self, family):
        home = HOMES.get(family, family)
        return Device(vendor="growatt", plant=self.cloud.plant(home), id=self.cloud.device(home), family=family)

    def sent(self):
        log = json.loads(self.cloud.emulator.respond("GET", "/control/log").body)
        return [row["path"] for row in log["requests"]]


@pytest.fixture(scope="module")
def served():
    cloud = EmulatedCloud()
    with serve_in_thread(cloud.emulator) as ready:
        yield cloud, ready


@pytest.fixture
def home(served, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)
    monkeypatch.setattr(limits, "COMMAND_GAP", 0.0)
    cloud, ready = served
    cloud.holder.state.pop("openapi", None)
    yield TokenHome(cloud, ready, tmp_path)
    cloud.fault(no_permission=None, write_reports_error=None, deaf=None, lock=None, unwilling=None)


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_write_setting_by_token_is_read_back(family, name, home):
    client, where = home.client(), home.device(family)
    setting = next(one for one in client.settings_of(where) if one.name == name)
    before = client.read_settings(where)
    wanted = different_values(setting, before[name])
    client.write_setting(where, name, wanted)
    home.sleep(310)
    after = client.read_settings(where)
    expected = None if (family, name) in UNREPORTED else True
    assert matches(setting, validate(setting, wanted), after[name]) is expected
    assert {other: values for other, values in after.items() if other not in (name, "clock")} == {
        other: values for other, values in before.items() if other not in (name, "clock")
    }


@pytest.mark.parametrize("family", settings.FAMILIES)
def test_settings_by_token_have_the_names_and_values_of_the_password_api(family):
    device = Device(vendor="growatt", plant="1", id="X", family=family)
    known = {one.name: one for one in registry.FAMILIES[family].settings} if family in registry.FAMILIES else {}
    for one in settings.settings_of(device):
        other = known.get(one.name)
        assert (
            other is None
            or [(row.name, row.kind) for row in one.parameters][:1]
            == [(row.name, row.kind) for row in other.parameters][:1]
        )


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_invalid_value_is_rejected_before_a_request(family, name, home):
    client, where = home.client(), home.device(family)
    setting = next(one for one in client.settings_of(where) if one.name == name)
    before = len(home.sent())
    for values in list(invalid_values(setting))[:2]:
        with pytest.raises(InvalidValue):
            client.write_setting(where, name, values)
    assert len(home.sent()) == before


def test_change_is_read_back_at_once_by_another_call_of_the_same_settings(home):
    client, where = home.client(), home.device("tlx")
    began = home.moment
    order = home.orders(client).set(where, "charge_stop_soc", 77)
    assert order.state is ChangeState.APPLIED
    assert home.moment - began < 60
    assert [path for path in home.sent() if "tlx_" in path or "tlxSet" in path][-3:] == [
        "v1/device/tlx/tlx_set_info",
        "v1/tlxSet",
        "v1/device/tlx/tlx_data_info",
    ]


def test_read_back_waits_until_the_vendor_allows_it(home):
    client, where = home.client(), home.device("noah")
    began = home.moment
    order = home.orders(client).set(where, "default_power", 300)
    assert order.state is ChangeState.APPLIED
    assert 300 < home.moment - began < 400


def test_write_that_reports_an_error_is_unknown_until_it_is_read_back(home):
    client, where = home.client(), home.device("mix")
    home.cloud.fault(write_reports_error=True)
    with pytest.raises(Unreachable, match="although it was applied"):
        client.write_setting(where, "active_power_rate", {"value": 61})
    order = home.orders(client).set(where, "active_power_rate", 62)
    assert order.state is ChangeState.APPLIED


def test_refused_write_is_rejected(home):
    client, where = home.client(), home.device("mix")
    home.cloud.fault(unwilling=True)
    order = home.orders(client).set(where, "active_power_rate", 63)
    assert order.state is ChangeState.REFUSED


def test_device_without_permission_is_refused_with_the_remedy(home):
    home.cloud.fault(no_permission=True)
    with pytest.raises(RequestRefused, match="only Growatt can grant"):
        home.client().write_setting(home.device("tlx"), "charge_stop_soc", {"value": 55})


def test_unknown_device_is_refused_and_no_rate_limit(home):
    nobody = Device(vendor="growatt", plant="1", id="NOSUCH1", family="tlx")
    with pytest.raises(RequestRefused, match=r"does not know this device \(10012\)"):
        home.client().write_setting(nobody, "charge_stop_soc", {"value": 55})


def test_settings_are_throttled_after_every_call_that_reports_them(home):
    client, where = home.client(), home.device("tlx")
    for _ in range(3):
        assert client.read_settings(where)["charge_stop_soc"]
    with pytest.raises(Throttled, match="the vendor allows it every 5 min") as caught:
        client.read_settings(where)
    assert not caught.value.account_wide


def test_async_token_client_reads_settings(home):
    client = home.client(kind=AsyncGrowattToken)
    assert asyncio.run(client.read_settings(home.device("mix")))["export_limit"]


def test_account_with_both_reads_by_password_and_writes_by_token(home):
    client, where = home.client(password=True), home.device("tlx")
    alone = home.client()
    assert {one.name for one in client.settings_of(where)} > {one.name for one in alone.settings_of(where)}
    order = home.orders(client).set(where, "charge_stop_soc", 66)
    assert order.state is ChangeState.APPLIED
    paths = [path for path in home.sent() if path in ("v1/tlxSet", "newTlxApi.do", "newTcpsetAPI.do")]
    assert paths[-3:] == ["newTlxApi.do", "v1/tlxSet", "newTlxApi.do"]


def test_setting_that_the_token_lacks_is_written_by_password(home):
    client, where = home.client(password=True), home.device("tlx")
    assert home.orders(client).set(where, "on_grid_stop_soc", 33).state is ChangeState.APPLIED
    assert "v1/tlxSet" not in home.sent()[-3:]


def test_write_that_the_token_may_not_send_is_sent_by_password(home):
    client, where = home.client(password=True), home.device("tlx")
    home.cloud.fault(no_permission=True)
    assert home.orders(client).set(where, "charge_stop_soc", 67).state is ChangeState.APPLIED
    assert home.sent()[-3:-1] == ["v1/tlxSet", "newTcpsetAPI.do"]


def test_locked_password_api_leaves_settings_to_the_token(home):
    client, where = home.client(password=True), home.device("mix")
    home.cloud.fault(lock="0")
    assert home.orders(client).set(where, "active_power_rate", 68).state is ChangeState.APPLIED


def test_device_that_only_the_token_writes_has_its_settings(home):
    client, where = home.client(password=True), home.device("spa")
    values = client.read_settings(where)
    assert values["charge_windows"]
    assert values["active_power_rate"] == {"value": 100.0}


FOLDER = os.environ.get("HELIOGRAPH_CAPTURES")


@pytest.mark.skipif(not FOLDER, reason="HELIOGRAPH_CAPTURES is not set to a folder of captured responses")
def test_settings_of_a_capture_have_the_values_written_here_by_hand():
    def values(name, family):
        body = json.loads((Path(FOLDER) / "growatt-openapi" / f"{name}.json").read_text())["data"]
        reading = settings.FAMILIES[family].read(
            Session("x"), Device(vendor="growatt", plant="1", id="X", family=family)
        )
        next(reading)
        try:
            reading.send(payloads.OpenApiData(body))
        except StopIteration as done:
            return {row.setting.name: row.decode(done.value) for row in settings.FAMILIES[family].entries}

    nothing = {"mode": "load-first", "start": "00:00", "end": "00:00", "enabled": False}
    clocks = {"v1_tlx_set_info_min": "2022-04-12 10:11:07", "v1_tlx_data_info_min": "2022-04-12 16:39:21"}
    for name, clock in clocks.items():
        found = values(name, "tlx")
        assert found["active_power_rate"] == {"value": 100.0, "remember": False}
        assert found["charge_power_limit"] == {"value": 100.0}
        assert found["off_grid_stop_soc"] == {"value": 5.0}
        assert found["charge_stop_soc"] is None  # absent from the recording
        assert found["ac_charge"] == {"value": False}
        assert found["power_switch"] == {"value": True}
        assert found["clock"] == {"value": clock}
        assert found["export_limit"] == {"by": "off", "value": 0.0}
        assert (found["grid_voltage_high"], found["grid_voltage_low"]) == ({"value": 252.0}, {"value": 220.0})
        assert [found[f"time_window_{number}"] for number in range(1, 10)] == [nothing] * 9
    found = values("v1_mix_data_info_sph", "mix")
    assert found["charge_windows"] == {
        "power": 100.0,
        "stop_soc": 100.0,
        "ac_charge": True,
        "start_1": "18:00",
        "end_1": "19:30",
        "enabled_1": True,
        "start_2": "21:30",
        "end_2": "23:00",
        "enabled_2": True,
        "start_3": "03:00",
        "end_3": "04:30",
        "enabled_3": True,
    }
    assert found["discharge_windows"]["stop_soc"] == 5.0
    assert found["power_switch"] == {"value": False}
    assert found["active_power_rate"] == {"value": 50.0}
    assert found["off_grid"] == {"value": True}
    assert (found["off_grid_frequency"], found["off_grid_voltage"]) == ({"value": "60"}, {"value": "208"})
    assert found["load_first_stop_soc"] is None
