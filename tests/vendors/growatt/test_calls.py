"""Growatt calls send the documented request, and accept each documented form of their arguments."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime, time, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest

from heliograph.cli.call import bind_arguments
from heliograph.core.endpoint import Call, endpoints, operations
from heliograph.core.http import MAX_PAGES, build_request
from heliograph.core.redact import Secret
from heliograph.core.session import ENSURE_SESSION, Session
from heliograph.errors import Unreadable
from heliograph.vendors.growatt import Growatt, GrowattCalls, Timespan, hash_password
from heliograph.vendors.growatt.auth import GrowattProtocol
from heliograph.vendors.growatt.params import PlantToday
from heliograph.vendors.growatt.payloads.plants import CURRENT_USER as LOGGED_IN_USER
from support.growatt_script import PASSWORD, SERVER, USER, account, arguments, logged_in, settings
from support.protocol_script import NOON, reply, script

C = GrowattCalls
DAY = date(2026, 6, 21)

# call; verb, path, query and form in the order they are sent
WIRE = [
    (C.login.flow("me", "abc"), "POST newTwoLoginAPI.do || userName=me password=90c150983cd24fb0d6963f7d28e17f72"),
    (C.login.flow("me", "h4sh", True), "POST newTwoLoginAPI.do || userName=me password=h4sh"),
    (
        C.app_login.flow("me", "abc"),
        (
            "POST newTwoLoginAPIV2.do || userName=me password=90c150983cd24fb0d6963f7d28e17f72 newLogin=1 "
            "phoneType=android shinephoneVersion=8.4.9.0 phoneSn=heliograph phoneModel=heliograph systemVersion=12 "
            "language=1 appType=ShinePhone loginTime=2026-06-21 10:00:00 timestamp=1782036000076"
        ),
    ),
    (C.plant_list.flow(42), "GET PlantListAPI.do | userId=42 |"),
    (
        C.plant_list_page.flow(2),
        (
            "POST newTwoPlantAPI.do | op=getAllPlantListTwo | "
            "language=1 nominalPower= order=1 pageSize=15 plantName= plantStatus= toPageNum=2"
        ),
    ),
    (C.plant_detail.flow("1", 1, DAY), "GET PlantDetailAPI.do | plantId=1 type=1 date=2026-06-21 |"),
    (C.plant_detail.flow("1", 2, DAY), "GET PlantDetailAPI.do | plantId=1 type=2 date=2026-06 |"),
    (C.plant_years.flow("1", 2026), "GET PlantDetailAPI.do | type=3 plantId=1 date=2026 |"),
    (C.plant_chart.flow("1", 1, DAY), "GET newPlantDetailAPI.do | plantId=1 type=1 date=2026-06-21 |"),
    (C.plant_chart.flow("1", 3, DAY), "GET newPlantDetailAPI.do | plantId=1 type=3 date=2026 |"),
    (C.account_energy_data.flow(), "POST newPlantAPI.do | action=getUserCenterEnertyDataTwo | language=1"),
    (C.plant_info.flow("1"), "GET newTwoPlantAPI.do | op=getAllDeviceListTwo plantId=1 pageNum=1 pageSize=1 |"),
    (C.all_devices.flow("1"), "GET newTwoPlantAPI.do | op=getAllDeviceList plantId=1 language=1 |"),
    (C.plant_settings.flow("1"), "GET newPlantAPI.do | op=getPlant plantId=1 |"),
    (C.get_plant_settings.flow("1"), "GET newPlantAPI.do | op=getPlant plantId=1 |"),
    (
        C.plant_energy_data.flow("1"),
        "POST newTwoPlantAPI.do | op=getUserCenterEnertyDataByPlantid | language=1 plantId=1",
    ),
    (
        C.dashboard_data.flow("1", Timespan.hour, DAY),
        "POST newPlantAPI.do | action=getEnergyStorageData date=2026-06-21 type=0 plantId=1 |",
    ),
    (C.inverter_data.flow("SN", DAY), "GET newInverterAPI.do | op=getInverterData id=SN type=1 date=2026-06-21 |"),
    (C.inverter_detail.flow("SN"), "GET newInverterAPI.do | op=getInverterDetailData inverterId=SN |"),
    (C.inverter_detail_two.flow("SN"), "GET newInverterAPI.do | op=getInverterDetailData_two inverterId=SN |"),
    (C.classic_inverter_info.flow("SN"), "GET commonDeviceSetC/setInverter | type=server invSn=SN |"),
    (C.tlx_system_status.flow("1", "SN"), "POST newTlxApi.do | op=getSystemStatus_KW | plantId=1 id=SN"),
    (C.tlx_energy_overview.flow("1", "SN"), "POST newTlxApi.do | op=getEnergyOverview | plantId=1 id=SN"),
    (
        C.tlx_energy_prod_cons.flow("1", "SN", Timespan.day, DAY),
        "POST newTlxApi.do | op=getEnergyProdAndCons_KW | date=2026-06-21 plantId=1 language=1 id=SN type=1",
    ),
    (C.tlx_data.flow("SN", DAY), "GET newTlxApi.do | op=getTlxData id=SN type=1 date=2026-06-21 |"),
    (C.tlx_detail.flow("SN"), "GET newTlxApi.do | op=getTlxDetailData id=SN |"),
    (C.tlx_params.flow("SN"), "GET newTlxApi.do | op=getTlxParams id=SN |"),
    (C.tlx_all_settings.flow("SN"), "POST newTlxApi.do | op=getTlxSetData | serialNum=SN"),
    (C.tlx_get_all_settings.flow("SN"), "POST newTlxApi.do | op=getTlxSetData | serialNum=SN"),
    (C.tlx_battery_info.flow("SN"), "POST newTlxApi.do | op=getBatInfo | lan=1 serialNum=SN"),
    (C.tlx_battery_info_detailed.flow("SN"), "POST newTlxApi.do | op=getBatDetailData | lan=1 id=SN"),
    (C.tlx_battery_info_detailed.flow("1", "SN"), "POST newTlxApi.do | op=getBatDetailData | lan=1 plantId=1 id=SN"),
    (C.mix_info.flow("SN"), "GET newMixApi.do | op=getMixInfo mixId=SN |"),
    (C.mix_info.flow("SN", "1"), "GET newMixApi.do | op=getMixInfo mixId=SN plantId=1 |"),
    (C.mix_totals.flow("SN", "1"), "POST newMixApi.do | op=getEnergyOverview mixId=SN plantId=1 |"),
    (C.mix_system_status.flow("SN", "1"), "POST newMixApi.do | op=getSystemStatus_KW mixId=SN plantId=1 |"),
    (
        C.mix_detail.flow("SN", "1", Timespan.month, DAY),
        "POST newMixApi.do | op=getEnergyProdAndCons_KW plantId=1 mixId=SN type=2 date=2026-06 |",
    ),
    (C.get_mix_inverter_settings.flow("SN"), "GET newMixApi.do | op=getMixSetParams serialNum=SN kind=0 |"),
    (C.spa_settings.flow("SN"), "GET newSpaApi.do | op=getSpaSetParams spaId=SN kind=0 |"),
    (C.storage_detail.flow("SN"), "GET newStorageAPI.do | op=getStorageInfo_sacolar storageId=SN |"),
    (C.storage_params.flow("SN"), "GET newStorageAPI.do | op=getStorageParams_sacolar storageId=SN |"),
    (
        C.storage_energy_overview.flow("1", "SN"),
        "POST newStorageAPI.do | op=getEnergyOverviewData_sacolar plantId=1 storageSn=SN |",
    ),
    (C.is_plant_noah_system.flow("1"), "POST noahDeviceApi/noah/isPlantNoahSystem || plantId=1"),
    (C.noah_system_status.flow("SN"), "POST noahDeviceApi/noah/getSystemStatus || deviceSn=SN"),
    (C.noah_info.flow("SN"), "POST noahDeviceApi/noah/getNoahInfoBySn || deviceSn=SN"),
    (
        C.noah_chart.flow("SN", DAY),
        "POST noahDeviceApi/noah/getNoahChartData || deviceSn=SN date=2026-06-21",
    ),
    (
        C.noah_energies.flow("SN", 1, "2026-06-01"),
        "POST noahDeviceApi/noah/getDataChart || deviceSn=SN dateTime=2026-06-01 dateType=1",
    ),
    (C.noah_battery_data.flow("SN"), "POST noahDeviceApi/noah/getBatteryData || deviceSn=SN"),
    (C.nexa_system_status.flow("SN"), "POST noahDeviceApi/nexa/getSystemStatus || deviceSn=SN"),
    (C.nexa_info.flow("SN"), "POST noahDeviceApi/nexa/getNexaInfoBySn || deviceSn=SN"),
    (C.nexa_battery_data.flow("SN"), "POST noahDeviceApi/nexa/getBatteryData || deviceSn=SN"),
    (C.nexa_chart.flow("SN", DAY), "POST noahDeviceApi/nexa/getNexaChartData || deviceSn=SN date=2026-06-21"),
    (
        C.nexa_energies.flow("SN", 2, "2026-01-01"),
        "POST noahDeviceApi/nexa/getDataChart || deviceSn=SN dateTime=2026-01-01 dateType=2",
    ),
    (
        C.update_nexa_settings.flow("SN", "system_out_put_power", ["0", "200"]),
        "POST noahDeviceApi/nexa/set || serialNum=SN type=system_out_put_power param1=0 param2=200",
    ),
    (
        C.update_inverter_setting.flow("SN", "x", {"serialNum": "SN", "op": "o"}, ["1", "2"]),
        "POST newTcpsetAPI.do | serialNum=SN op=o param1=1 param2=2 |",
    ),
    (
        C.update_mix_inverter_setting.flow("SN", "pf", {"param1": 1}),
        "POST newTcpsetAPI.do | op=mixSetApiNew serialNum=SN type=pf param1=1 |",
    ),
    (
        C.update_ac_inverter_setting.flow("SN", "pf", [1, "0"]),
        "POST newTcpsetAPI.do | op=spaSetApi serialNum=SN type=pf param1=1 param2=0 |",
    ),
    (
        C.update_tlx_inverter_setting.flow("SN", "charge_power", 90),
        "POST newTcpsetAPI.do | op=tlxSet serialNum=SN type=charge_power param1=90 |",
    ),
    (
        C.update_tlx_inverter_time_segment.flow("SN", 3, 1, time(1, 5), "23:59", True),
        (
            "POST newTcpsetAPI.do | op=tlxSet | serialNum=SN type=time_segment3"
            " param1=1 param2=01 param3=05 param4=23 param5=59 param6=1"
        ),
    ),
    (
        C.update_noah_settings.flow("SN", "charging_soc", ["95", "10"]),
        "POST noahDeviceApi/noah/set || serialNum=SN type=charging_soc param1=95 param2=10",
    ),
    (
        C.update_classic_inverter_setting.flow({"action": "inverterSet", "serialNum": "SN"}, {"paramId": "x"}),
        "POST tcpSet.do | action=inverterSet serialNum=SN paramId=x |",
    ),
    (
        C.set_classic_inverter_active_power_rate.flow("SN", 70),
        "POST tcpSet.do | action=inverterSet serialNum=SN paramId=pv_active_p_rate command_1=70 command_2= |",
    ),
    (
        C.set_classic_inverter_on_off.flow("SN", False),
        "POST tcpSet.do | action=inverterSet serialNum=SN paramId=pv_on_off command_1=0000 command_2= |",
    ),
]
TESTED_SEPARATELY = {"tlx_enabled_settings", "tlx_get_enabled_settings", "send_plant_settings"}


def pairs(encoded):
    return " ".join(f"{name}={value}" for name, value in parse_qsl(encoded, keep_blank_values=True))


def wire_format(request):
    address = urlsplit(request.url)
    query = f" {pairs(address.query)} " if address.query else ""
    form = f" {pairs(request.body.decode())}" if request.body else ""
    return f"{request.verb} {address.path.lstrip('/')} |{query}|{form}"


@pytest.mark.parametrize(
    ("call", "expected"), WIRE, ids=lambda value: value.endpoint.name if isinstance(value, Call) else ""
)
def test_call_sends_the_documented_request(call, expected):
    session = Session(SERVER)
    session.now = NOON
    GrowattProtocol().fill_defaults(session, call)
    assert wire_format(build_request(SERVER, call, {})) == expected


def test_every_declared_call_has_a_wire_example():
    assert {row.name for row in endpoints(C)} == {call.endpoint.name for call, _ in WIRE} | TESTED_SEPARATELY


def test_every_method_has_a_docstring_and_typed_arguments():
    for row in operations(C):
        assert row.__doc__.endswith("."), row.name
        for name, argument in row.signature.parameters.items():
            assert argument.annotation is not inspect.Parameter.empty, (row.name, name)


@pytest.mark.parametrize("name", ["tlx_enabled_settings", "tlx_get_enabled_settings"])
def test_tlx_enabled_settings_sends_todays_date(name):
    sent, _ = script(
        logged_in().execute(getattr(C, name).flow("SN"), NOON), [settings(2), reply({"obj": {"enable": {}}})]
    )
    assert wire_format(sent[1]) == "POST newLoginAPI.do | op=getSetPass | deviceSn=SN stringTime=2026-06-21 type=5"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tlx_all_settings", "tlx_get_all_settings"),
        ("tlx_enabled_settings", "tlx_get_enabled_settings"),
        ("plant_settings", "get_plant_settings"),
    ],
)
def test_alias_is_the_same_call(one, other):
    assert getattr(C, one).route == getattr(C, other).route
    client = Growatt("me", "secret")
    assert callable(getattr(client, one))
    assert callable(getattr(client, other))


# Forms of arguments


@pytest.mark.parametrize("span", [Timespan.month, 2])
def test_timespan_accepts_enum_or_number(span):
    assert C.mix_detail.flow("SN", "1", span, DAY).fields["type"] == 2


@pytest.mark.parametrize("wrong", [3, -1, "day", None, 1.5, [], Timespan])
def test_invalid_timespan_is_rejected(wrong):
    with pytest.raises(ValueError, match=r"timespan must be hour \(0\), day \(1\) or month \(2\), not "):
        C.plant_detail.flow("1", wrong)


@pytest.mark.parametrize(("span", "sent"), [(1, "2026-06-21"), (2, "2026-06"), (3, "2026"), (4, "2026")])
def test_plant_chart_sends_the_date_as_precisely_as_the_chart_needs(span, sent):
    assert C.plant_chart.flow("1", span, DAY).fields["date"] == sent
    assert C.plant_chart.flow("1", span).fields["date"].format == {10: "%Y-%m-%d", 7: "%Y-%m", 4: "%Y"}[len(sent)]


def test_plant_chart_is_called_from_the_command_line():
    assert bind_arguments(C.plant_chart, ["7", "2", "2026-06"]) == {"plant_id": "7", "span": 2, "date": "2026-06"}


@pytest.mark.parametrize("wrong", [0, 5, "day"])
def test_invalid_plant_chart_is_rejected(wrong):
    with pytest.raises(ValueError, match="span must be day"):
        C.plant_chart.flow("1", wrong)


@pytest.mark.parametrize(
    "day",
    [
        DAY,
        datetime(2026, 6, 21, 23, 59, tzinfo=timezone(timedelta(hours=-12))),
        datetime(2026, 6, 21, 0, 0, tzinfo=UTC),
        "2026-06-21",
        " 2026-06-21 ",
    ],
)
def test_day_accepts_date_datetime_or_text(day):
    assert C.tlx_data.flow("SN", day).fields["date"] == "2026-06-21"
    assert C.plant_detail.flow("1", 2, day).fields["date"] == "2026-06"
    assert C.plant_detail.flow("1", 1, day).fields["date"] == "2026-06-21"


def test_day_accepts_a_month_for_a_month_chart():
    assert C.plant_detail.flow("1", 2, "2026-06").fields["date"] == "2026-06"


@pytest.mark.parametrize(
    "wrong", ["", "today", "21.06.2026", "2026-13-01", "2026-02-30", "2026", 20260621, 5.0, time(1)]
)
def test_invalid_day_is_rejected(wrong):
    with pytest.raises(ValueError, match="a day is written like 2026-06-21 or 2026-06, not "):
        C.tlx_data.flow("SN", wrong)


def test_missing_day_and_user_become_placeholders():
    assert C.dashboard_data.flow("1").fields["date"] == PlantToday("1", "%Y-%m-%d")
    assert C.plant_detail.flow("1", 2).fields["date"] == PlantToday("1", "%Y-%m")
    assert C.plant_list.flow().fields["userId"] is LOGGED_IN_USER


@pytest.mark.parametrize(
    ("clock", "sent"), [(time(7, 5), "0705"), ("7:05", "0705"), ("07:05", "0705"), (" 0:0", "0000")]
)
def test_time_of_day_accepts_time_or_text(clock, sent):
    fields = C.update_tlx_inverter_time_segment.flow("SN", 1, 0, clock, "23:59", False).fields
    assert fields["param2"] + fields["param3"] == sent
    assert fields["param6"] == "0"


@pytest.mark.parametrize("wrong", ["", "7", "25:00", "7:60", "7:05:30", "noon", ":", 705, None, 7.05])
def test_invalid_time_of_day_is_rejected(wrong):
    with pytest.raises(ValueError, match="a time of day is written like 07:05, not "):
        C.update_tlx_inverter_time_segment.flow("SN", 1, 0, "00:00", wrong, True)


@pytest.mark.parametrize(
    ("password", "sent"),
    [
        ("password", "5f4dcc3b5aa765d61d8327deb882cf99"),
        ("12345678", "25d55ad283aa40caf464c76d713cc7ad"),
        ("Passw0rd!", "47b7bfb65fa83ac9a71dcbcf6296bb6e"),
        ("growatt", "6c649d2d285d62d3c3c6182ed6863920"),
        ("abc", "90c150983cd24fb0d6963f7d28e17f72"),
        ("a", "ccc175b9c0f1b6a831c399e269772661"),
        ("", "d41d8cd98fc0b2c4e980c998ecf8427e"),
        ("pw443", "c0c0cfe1c06c8ce47a15e096f1e3de66"),
        ("pw676", "c0fc74c9c774667d476de0ceee5be6b0"),
        ("pw259", "11d694ec16c81c8bc364702b52c368c0"),
        ("pä$$wörd €", "dadf1be9eba9ef98ab9c1550ee4de9cc"),
    ],
)
def test_password_hash_matches_the_app(password, sent):
    assert hash_password(password) == sent


def test_password_is_sent_hashed_also_from_a_secret():
    sent, _ = script(account().execute(ENSURE_SESSION, NOON), [reply({"back": {"success": True, "user": {}}})])
    assert arguments(sent[0]) == {"userName": USER, "password": hash_password(PASSWORD)}
    assert "hunter2" not in repr(vars(Growatt(USER, Secret("hunter2"))))


# Composite operations


def page(first, count):
    return reply({"PlantList": [{"id": number, "plantName": f"P{number}"} for number in range(first, first + count)]})


def test_plant_list_two_reads_pages_until_a_short_one():
    sent, plants = script(logged_in().execute(C.plant_list_two.flow(), NOON), [page(1, 15), page(16, 15), page(31, 2)])
    assert [arguments(request)["toPageNum"] for request in sent] == ["1", "2", "3"]
    assert [plant.id for plant in plants] == [str(number) for number in range(1, 33)]


def test_plant_list_two_reads_an_empty_page_after_a_full_one():
    sent, plants = script(logged_in().execute(C.plant_list_two.flow(), NOON), [page(1, 15), page(16, 0)])
    assert (len(sent), len(plants)) == (2, 15)


def test_plant_list_two_without_end_raises_unreadable():
    pages = [page(15 * number, 15) for number in range(MAX_PAGES)]
    with pytest.raises(Unreadable, match="growatt plant_list_two: the list has more than 200 pages"):
        script(logged_in().execute(C.plant_list_two.flow(), NOON), pages)


def test_plant_list_two_stops_at_a_repeated_page():
    sent, plants = script(logged_in().execute(C.plant_list_two.flow(), NOON), [page(1, 15), page(1, 15)])
    assert (len(sent), len(plants)) == (2, 15)


@pytest.mark.parametrize("name", ["device_list", "inverter_list"])
def test_device_list_falls_back_to_the_older_list(name):
    row = {"deviceSn": "SN1", "deviceType": "tlx"}
    flow = getattr(C, name).flow
    sent, found = script(
        logged_in().execute(flow("1"), NOON), [reply({"deviceList": []}), reply({"deviceList": [row]})]
    )
    assert [arguments(request)["op"] for request in sent] == ["getAllDeviceListTwo", "getAllDeviceList"]
    assert [device.id for device in found] == ["SN1"]
    sent, found = script(logged_in().execute(flow("1"), NOON), [reply({"deviceList": [row]})])
    assert (len(sent), len(found)) == (1, 1)


PLANT = {
    "formulaCoal": 0.4, "formulaSo2": 0, "userAccount": "example", "id": 7, "country": "Germany", "plantType": 0,
    "formulaMoneyStr": "0.3", "plantAddress": "", "timezone": 1, "plant_lng": "0.0", "city": "Exampletown",
    "formulaCo2": 0.4, "formulaMoneyUnitId": "EUR", "nominalPower": 800, "plant_lat": "0.0",
    "createDateText": "2024-01-01", "plantName": "Roof",
}  # fmt: skip


def test_update_plant_settings_sends_the_complete_form():
    replies = [reply(PLANT), reply({"success": True, "msg": "200"})]
    flow = C.update_plant_settings.flow("7", {"plantName": "Barn"})
    sent, written = script(logged_in(allow_commands=True).execute(flow, NOON), replies)
    assert written.success is True
    assert urlsplit(sent[1].url).query == "op=updatePlant"
    parts = dict(_parts(sent[1]))
    assert len(parts) == 18
    assert (parts["plantName"], parts["plantFirm"], parts["plantID"], parts["plantCoal"]) == ("Barn", "0", "7", "0.4")


def test_update_plant_settings_uses_given_current_settings():
    for known in (PLANT, C.plant_settings.shape(PLANT)):
        flow = C.update_plant_settings.flow("7", {"plantIncome": "0.5"}, known)
        sent, _ = script(logged_in(allow_commands=True).execute(flow, NOON), [reply({"success": True})])
        assert dict(_parts(sent[0]))["plantIncome"] == "0.5"


def test_update_plant_settings_rejects_an_incomplete_form():
    sent = []
    short = {name: value for name, value in PLANT.items() if name != "timezone"}
    flow = logged_in(allow_commands=True).execute(C.update_plant_settings.flow("7", {}), NOON)
    with pytest.raises(Unreadable, match="timezone"):
        script(flow, [reply(short)], sent)
    assert len(sent) == 1


def _parts(request):
    boundary = request.headers["Content-Type"].partition("boundary=")[2]
    for part in request.body.decode().split(f"--{boundary}")[1:-1]:
        head, _, value = part.strip("\r\n").partition("\r\n\r\n")
        yield head.partition('name="')[2].rstrip('"'), value
