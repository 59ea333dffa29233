"""Every setting of Growatt's catalogue on an emulated device over real HTTP: written, read back, and rejected."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import parsing as wire
from heliograph.emulator.clouds.growatt import commands
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import ConfigError, InvalidValue, RequestRefused, Unreachable, Unreadable
from heliograph.model import Device
from heliograph.settings.definition import matches, validate
from heliograph.vendors.growatt import AsyncGrowatt, Growatt
from heliograph.vendors.growatt.settings import GrowattSettings
from heliograph.vendors.growatt.settings.registry import FAMILIES
from support.growatt_emulator import EmulatedCloud
from support.growatt_script import logged_in
from support.paths import DOCS
from support.protocol_script import NOON, reply, script
from support.setting_values import different_values, invalid_values

DIRECTIONS = ("Charge", "Discharge")
HOMES = {"tlx": "tlx-battery", "plant": "mix"}
ENTRIES = [(family, row.setting.name) for family, one in FAMILIES.items() for row in one.entries]
UNREPORTED = {
    ("tlx", "reactive_power"),
    ("tlx", "over_frequency_start"),
    ("tlx", "over_frequency_slope"),
    ("tlx", "over_frequency_delay"),
    ("inverter", "reactive_power"),
}
"""Settings that no response contains."""


@pytest.fixture(scope="module")
def cloud():
    """One emulated account with plants of every family; its settings change from test to test."""
    found = EmulatedCloud(extra_plants=["nexa"])
    with serve_in_thread(found.emulator) as ready:
        found.server = ready["growatt"]
        yield found


@pytest.fixture(scope="module")
def client(cloud):
    account = cloud.holder
    return Growatt(account.username, account.password, server=cloud.server, allow_commands=True, keeper=None)


def device(cloud, family):
    home = HOMES.get(family, family)
    serial = cloud.plant(home) if family == "plant" else cloud.device(home)
    return Device(vendor="growatt", plant=cloud.plant(home), id=serial, family=family)


def setting_of(family, name):
    return next(row.setting for row in FAMILIES[family].entries if row.setting.name == name)


def requests(cloud):
    return len(json.loads(cloud.emulator.respond("GET", "/control/log").body)["requests"])


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_write_setting_is_read_back(family, name, cloud, client):
    where, setting = device(cloud, family), setting_of(family, name)
    before = client.read_settings(where)
    wanted = different_values(setting, before[name])
    client.write_setting(where, name, wanted)
    after = client.read_settings(where)
    assert matches(setting, validate(setting, wanted), after[name]) is (None if (family, name) in UNREPORTED else True)
    assert setting.readable is ((family, name) not in UNREPORTED)
    assert {other: values for other, values in after.items() if other != name} == {
        other: values for other, values in before.items() if other != name
    }


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_range_limits_are_not_parsed_as_missing(family, name):
    for one in setting_of(family, name).parameters:
        if one.kind == "number":
            assert (wire.parse_number(one.low), wire.parse_number(one.high)) == (one.low, one.high)


@pytest.mark.parametrize("family", FAMILIES)
def test_async_client_writes_and_reads_settings(family, cloud):
    where = device(cloud, family)

    async def write_and_read():
        account = cloud.holder
        client = AsyncGrowatt(account.username, account.password, server=cloud.server, allow_commands=True, keeper=None)
        assert client.settings_of(where) == FAMILIES[family].settings
        before = await client.read_settings(where)
        written = {one.name: different_values(one, before[one.name]) for one in client.settings_of(where)}
        for name, values in written.items():
            await client.write_setting(where, name, values)
        return written, await client.read_settings(where)

    written, found = asyncio.run(write_and_read())
    for setting in FAMILIES[family].settings:
        name = setting.name
        known = None if (family, name) in UNREPORTED else True
        assert matches(setting, validate(setting, written[name]), found[name]) is known, name


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_write_setting_rejects_invalid_values_before_sending(family, name, cloud, client):
    where, setting = device(cloud, family), setting_of(family, name)
    before = requests(cloud)
    wrong = list(invalid_values(setting))
    assert len(wrong) >= len(setting.parameters)
    for values in wrong:
        with pytest.raises(InvalidValue, match=name):
            client.write_setting(where, name, values)
    assert requests(cloud) == before


@pytest.mark.parametrize("family", FAMILIES)
def test_read_settings_sends_one_request_and_settings_of_none(family, cloud, client):
    where = device(cloud, family)
    before = requests(cloud)
    assert [row.name for row in client.settings_of(where)] == [name for of, name in ENTRIES if of == family]
    assert requests(cloud) == before
    assert client.read_settings(where).keys() == {name for of, name in ENTRIES if of == family}
    assert requests(cloud) == before + 1


def test_write_setting_needs_allow_commands(cloud):
    account = cloud.holder
    client = Growatt(account.username, account.password, server=cloud.server, keeper=None)
    before = json.dumps(cloud.plants["mix"].settings)
    with pytest.raises(ConfigError, match="allow_commands"):
        client.write_setting(device(cloud, "mix"), "power_switch", {"value": False})
    assert json.dumps(cloud.plants["mix"].settings) == before


def test_unknown_family_has_no_settings(client):
    stranger = Device(vendor="growatt", plant="1", id="X", family="toaster")
    assert client.settings_of(stranger) == ()
    assert client.read_settings(stranger) == {}
    with pytest.raises(InvalidValue, match="'toaster' has no setting 'power_switch'"):
        client.write_setting(stranger, "power_switch", {"value": True})


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "plant"])
def test_emulator_knows_every_command_of_the_catalogue(family):
    orders = {
        "tlx": commands.TLX_COMMANDS,
        "mix": commands.MIX_COMMANDS,
        "spa": commands.SPA_COMMANDS,
        "inverter": commands.CLASSIC_COMMANDS,
    }
    orders["storage"] = commands.STORAGE_COMMANDS
    wires = {row.setting.wire_name for row in FAMILIES[family].entries}
    if family in ("noah", "nexa"):
        assert {wire for wire in wires if commands.balcony_command(family, wire) is None} == {"updatePlantMoney"}
    else:
        assert wires - orders[family].keys() == set()
    assert wires & FAMILIES[family].raw_only.keys() == set()


def test_catalogue_names_are_unique_and_have_evidence():
    for family, one in FAMILIES.items():
        names = [row.setting.name for row in one.entries]
        assert len(set(names)) == len(names), family
        for row in one.entries:
            assert all((row.setting.evidence, row.setting.title, row.setting.wire_name)), row.setting.name
            assert len({place.parameter.name for place in row.arguments}) == len(row.arguments), row.setting.name


def test_grid_settings_have_the_risk_grid_code():
    risky = {
        (family, row.setting.name)
        for family, one in FAMILIES.items()
        for row in one.entries
        if row.setting.risk != "usual"
    }
    assert {("tlx", "grid_voltage_high"), ("tlx", "power_factor_curve"), ("mix", "grid_voltage_low")} <= risky
    assert {("tlx", "system_work_mode"), ("plant", "utc_offset")} <= risky
    assert not {("tlx", "charge_stop_soc"), ("mix", "charge_windows"), ("noah", "default_power")} & risky
    for family, one in FAMILIES.items():
        for row in one.entries:
            if any(place.parameter.unit in ("V", "Hz", "ms") for place in row.arguments):
                assert row.setting.risk == "grid-code", (family, row.setting.name)


# Responses


def write(answer, family="tlx", name="charge_power_limit"):
    protocol = logged_in(allow_commands=True)
    where = Device(vendor="growatt", plant="1", id="SN", family=family)
    steps = GrowattSettings.write_setting.flow(where, name, {"value": 50})
    return script(protocol.execute(steps, NOON), [reply(answer)])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"success": False, "msg": "inv_set_failure"}, RequestRefused),
        ({"success": False, "msg": "501"}, RequestRefused),
        ({"success": False, "msg": "500"}, Unreachable),
        ({"msg": "200"}, Unreadable),
        ({}, Unreadable),
        (b"<html>", Unreadable),
        (b"", Unreadable),
    ],
)
def test_write_setting_error_for_each_response(answer, error):
    with pytest.raises(error):
        write(answer)


def test_unsupported_settings_are_not_read_as_minus_one():
    rows = FAMILIES["tlx"].entries
    bean = {"charge_stop_soc": "-1", "tlx_pflinep1_pf": "-1.0"}
    protocol = logged_in()
    steps = GrowattSettings.read_settings.flow(Device(vendor="growatt", plant="1", id="SN", family="tlx"))
    _, found = script(protocol.execute(steps, NOON), [reply({"result": 1, "obj": {"tlxSetBean": bean}})])
    assert len(found) == len(rows)
    assert {name for name, values in found.items() if values} == {"power_factor_curve"}
    assert found["power_factor_curve"]["factor_1"] == -1.0


JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["9" * 5000, "9" * 5000 + ":0", "0_" * 50, "2026-99-99 99:99:99", "\u0661:\u0662", "null"]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
WRAPPED = {
    "tlx": lambda bean: {"obj": {"tlxSetBean": bean}},
    "mix": lambda bean: {"obj": {"mixBean": bean}},
    "spa": lambda bean: {"obj": {"spaBean": bean}},
    "noah": lambda bean: {"obj": {"noah": bean}},
    "storage": lambda bean: {"storageBean": bean},
    "plant": lambda bean: bean,
}


@pytest.mark.parametrize("family", WRAPPED)
@given(data=st.data())
def test_read_settings_of_any_response_returns_canonical_values_or_none(family, data):
    rows = FAMILIES[family].entries
    keys = [place.key for row in rows for place in row.arguments if place.key and "." not in place.key]
    bean = data.draw(st.dictionaries(st.sampled_from(keys), JSON))
    if family == "noah":
        bean["time_segment"] = data.draw(JSON | st.lists(st.dictionaries(st.just("time_segment3"), JSON), max_size=2))
    protocol = logged_in()
    steps = GrowattSettings.read_settings.flow(Device(vendor="growatt", plant="1", id="SN", family=family))
    _, found = script(protocol.execute(steps, NOON), [reply(WRAPPED[family](bean))])
    kinds = {"number": float, "switch": bool, "choice": str, "time": str, "moment": str, "text": str}
    for row in rows:
        for one in row.setting.parameters:
            value = (found[row.setting.name] or {}).get(one.name)
            assert value is None or type(value) is kinds[one.kind]
            if value is not None and one.kind in ("choice", "time", "moment"):
                alone = replace(row.setting, parameters=(one,), slots=1, disjoint="")
                assert validate(replace(alone, parameters=(replace(one, name="value"),)), {"value": value})


def test_read_settings_of_a_recorded_mix_response():
    """The keys are those of a complete getMixSetParams response of December 2023; the values are made up."""
    bean = {
        **{
            f"forced{direction}Time{end}{slot}": "0:0"
            for direction in DIRECTIONS
            for end in ("Start", "Stop")
            for slot in range(1, 7)
        },
        **{f"forced{direction}StopSwitch{slot}": "0" for direction in DIRECTIONS for slot in range(1, 7)},
        "forcedChargeTimeStart2": "4:0",
        "forcedChargeTimeStop2": "6:5",
        "forcedChargeStopSwitch2": "1",
        "acChargeEnable": "1",
        "chargePowerCommand": "70",
        "disChargePowerCommand": "80",
        "wchargeSOCLowLimit1": "11",
        "wchargeSOCLowLimit2": "95",
        "wdisChargeSOCLowLimit1": "12",
        "wdisChargeSOCLowLimit2": "15",
        "loadFirstStopSocSet": "20",
        "exportLimit": "1",
        "exportLimitPowerRate": "0.0",
        "failsafe": "1",
        "userName": None,
        "voltageHighLimit": "438.2",
        "pf_sys_year": "2023-12-19 21:11:58",
    }
    protocol = logged_in()
    steps = GrowattSettings.read_settings.flow(Device(vendor="growatt", plant="1", id="SN", family="mix"))
    _, found = script(protocol.execute(steps, NOON), [reply({"result": 1, "obj": {"mixBean": bean}, "msg": "msg"})])
    charge, discharge = found["charge_windows"], found["discharge_windows"]
    assert (charge["power"], charge["stop_soc"], charge["ac_charge"]) == (70.0, 95.0, True)
    assert (charge["start_2"], charge["end_2"], charge["enabled_2"]) == ("04:00", "06:05", True)
    assert (discharge["power"], discharge["stop_soc"], discharge["enabled_1"]) == (80.0, 15.0, False)
    assert found["load_first_stop_soc"] == {"value": 20.0}
    assert found["export_limit"] == {"enabled": True, "value": 0.0}
    assert found["failsafe"] == {"value": True}
    assert found["grid_voltage_high"] == {"value": 438.2}
    assert found["clock"] == {"value": "2023-12-19 21:11:58"}
    assert found["power_switch"] is None


@pytest.mark.parametrize(
    ("segment", "window"),
    [
        ("0_0:0_8:0_150", {"mode": "load-first", "start": "00:00", "end": "08:00", "power": 150.0, "enabled": True}),
        ("1_8:5_9:0_0_0", {"mode": "battery-first", "start": "08:05", "end": "09:00", "power": 0.0, "enabled": False}),
        (
            "2_0:0_23:59_0_1,2,3,4,5,6,7",
            {"mode": "smart", "start": "00:00", "end": "23:59", "power": 0.0, "enabled": True},
        ),
        (
            "0_0:0_8:0_150_1,2",
            {"mode": "load-first", "start": "00:00", "end": "08:00", "power": 150.0, "enabled": None},
        ),
        ("nonsense", None),
    ],
)
@pytest.mark.parametrize("as_one_object", [False, True])
def test_read_settings_of_noah_segments_of_old_and_new_firmware(segment, window, as_one_object):
    segments = {"time_segment3": segment}
    protocol = logged_in()
    steps = GrowattSettings.read_settings.flow(Device(vendor="growatt", plant="1", id="SN", family="noah"))
    noah = {"defaultPower": "200", "time_segment": segments if as_one_object else [segments]}
    _, found = script(protocol.execute(steps, NOON), [reply({"result": 1, "obj": {"noah": noah}, "msg": ""})])
    assert found["time_window_3"] == window
    assert found["time_window_1"] == {
        "mode": "load-first",
        "start": "00:00",
        "end": "00:00",
        "power": 0.0,
        "enabled": False,
    }


def test_documentation_has_a_table_for_every_family():
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    for name, family in FAMILIES.items():
        assert f"<!-- derived: growatt {name} settings -->" in page
        assert not family.raw_only or f"<!-- derived: growatt {name} raw -->" in page
    assert "<!-- derived: goodwe settings -->" in page
