"""The requests of noah-mqtt and nexa-mqtt, in their order, sent by a plain HTTP client to the emulated cloud.

Both are Go programs: a member of another JSON type than their structs declare fails to decode, and a missing one reads
as empty. So every answer must have each member they use, in their type. Source: their published code (client.go and
models.go), of which these are the facts: paths, arguments, members and types.
"""

from __future__ import annotations

import json
from datetime import UTC
from http.cookiejar import CookieJar
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from heliograph.emulator.server import serve_in_thread
from heliograph.vendors.growatt import hash_password
from heliograph.vendors.growatt.params import SentAt
from support.growatt_emulator import EmulatedCloud

AGENT = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36"
TEXT, INTEGER, FLAG = str, int, bool
ENVELOPE = {"msg": TEXT, "result": INTEGER}
PLANT = {"isPlantNoahSystem": FLAG, "plantId": TEXT, "isPlantHaveNoah": FLAG, "deviceSn": TEXT, "plantName": TEXT}


def texts(names):
    return dict.fromkeys(names.split(), TEXT)


STATUS = texts(
    "chargePower workMode soc associatedInvSn batteryNum profitToday plantId disChargePower eacTotal eacToday pac ppv "
    "alias profitTotal moneyUnit status"
)
NEXA_STATUS = STATUS | texts("loadPower gridPower groplugPower eastronStatus isHaveCt onOffGrid groplugNum otherPower")
SETTINGS = {"time_segment": list, "batSns": list} | texts(
    "plantId chargingSocHighLimit version deviceSn chargingSocLowLimit formulaMoney alias model plantName tempType "
    "moneyUnitText"
)
NOAH_SETTINGS = (
    SETTINGS | texts("manName associatedInvSn defaultPower modelName") | {"associatedInvManAndModel": INTEGER}
)
NEXA_SETTINGS = (
    SETTINGS
    | texts("antiBackflowEnable acCouplePowerControl ammeterModel ammeterSn gridSet antiBackflowPowerPercentage")
    | texts("defaultMode defaultACCouplePower ctType allowGridCharging gridConnectionControl")
    | {"shellyList": list}
)
BATTERIES = {"batter": list, "tempType": TEXT, "time": TEXT}
PACK = {"serialNum": TEXT, "soc": TEXT, "temp": TEXT}
PHONE = {
    "newLogin": "1",
    "phoneType": "android",
    "shinephoneVersion": "8.3.0.2",
    "phoneSn": "7f1d8a0c-7d5e-4a4e-9a7e-0c1f3f2b6d11",
    "ipvcpc": "63373364-3061-6564-9a7e-0c1f3f2b6d11",
    "language": "1",
    "systemVersion": "15",
    "phoneModel": "Mi A1",
    "loginTime": "2026-06-21 12:02:00",
    "appType": "ShinePhone",
    "timestamp": SentAt("check").written(1_782_036_120.0, UTC),
}


class PlainClient:
    """Posts forms and keeps cookies, as both programs do."""

    def __init__(self, server):
        self.server = server
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def post(self, path, **form):
        headers = {"User-Agent": AGENT, "Authorization": "Bearer of another server"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = Request(f"{self.server}/{path}", urlencode(form).encode(), headers, method="POST")
        with self.opener.open(request, timeout=60) as response:
            return json.loads(response.read())

    def log_in(self, username, password, **phone):
        return self.post("newTwoLoginAPIV2.do", userName=username, password=hash_password(password), **phone)["back"]

    def find(self, flag):
        """Return the serial numbers of all plants' batteries, by the requests of the programs' start."""
        page = {"plantStatus": "", "pageSize": "20", "language": "1", "toPageNum": "1", "order": "1"}
        listed = self.post("newTwoPlantAPI.do?op=getAllPlantListTwo", **page)
        found = []
        for plant in listed["PlantList"]:
            assert type(plant["id"]) is int
            info = self.post("noahDeviceApi/noah/isPlantNoahSystem", plantId=str(plant["id"]))
            check(info, ENVELOPE)
            check(info["obj"], PLANT | {"isPlantHaveNexa": FLAG})
            if info["obj"][flag] and info["obj"]["deviceSn"]:
                found.append(info["obj"]["deviceSn"])
        return found


def check(answer, members):
    """Assert that an answer has these members, of these types."""
    assert {name: type(answer.get(name)) for name in members} == members


@pytest.fixture(scope="module")
def at():
    cloud = EmulatedCloud(extra_plants=["nexa"], faults=["no_classic_login"])
    with serve_in_thread(cloud.emulator) as ready:
        client = PlainClient(ready["growatt"].rstrip("/"))
        back = client.log_in(cloud.holder.username, cloud.holder.password, **PHONE)
        assert (back["success"], type(back["msg"]), type(back["user"]["id"])) == (True, str, int)
        yield SimpleNamespace(cloud=cloud, client=client, server=ready["growatt"].rstrip("/"))


@pytest.mark.parametrize(
    ("flag", "api", "info", "status", "settings"),
    [
        ("isPlantHaveNoah", "noah", "getNoahInfoBySn", STATUS, NOAH_SETTINGS),
        ("isPlantHaveNexa", "nexa", "getNexaInfoBySn", NEXA_STATUS, NEXA_SETTINGS),
    ],
)
def test_polls_of_noah_mqtt_and_nexa_mqtt_get_every_member_they_use(flag, api, info, status, settings, at):
    (serial,) = at.client.find(flag)
    assert serial == at.cloud.device(api)

    found = at.client.post(f"noahDeviceApi/{api}/{info}", deviceSn=serial)
    check(found, ENVELOPE)
    check(found["obj"]["noah"], settings)
    assert all(isinstance(text, str) for one in found["obj"]["noah"]["time_segment"] for text in one.values())
    check(found["obj"]["plantList"][0], {"plantId": TEXT, "plantName": TEXT})
    assert all(type(unit) is str for unit in found["obj"]["unitList"].values())

    live = at.client.post(f"noahDeviceApi/{api}/getSystemStatus", deviceSn=serial)
    check(live, ENVELOPE)
    check(live["obj"], status)
    true = at.cloud.true_values(api)
    assert float(live["obj"]["ppv"]) == pytest.approx(true["pv_power"], abs=0.06)
    charged = float(live["obj"]["disChargePower"]) - float(live["obj"]["chargePower"])
    assert charged == pytest.approx(true["battery_power"], abs=0.06)

    batteries = at.client.post(f"noahDeviceApi/{api}/getBatteryData", deviceSn=serial)
    check(batteries, ENVELOPE)
    check(batteries["obj"], BATTERIES)
    assert len(batteries["obj"]["batter"]) == len(found["obj"]["noah"]["batSns"]) == int(live["obj"]["batteryNum"])
    for pack in batteries["obj"]["batter"]:
        check(pack, PACK)


@pytest.mark.parametrize(
    ("api", "info", "sent", "written"),
    [
        ("noah", "getNoahInfoBySn", ["default_power", "200"], {"defaultPower": "200"}),
        (
            "noah",
            "getNoahInfoBySn",
            ["charging_soc", "90", "20"],
            {"chargingSocHighLimit": "90", "chargingSocLowLimit": "20"},
        ),
        (
            "nexa",
            "getNexaInfoBySn",
            ["system_out_put_power", "0", "150"],
            {"defaultMode": "0", "defaultACCouplePower": "150"},
        ),
        (
            "nexa",
            "getNexaInfoBySn",
            ["charging_soc", "85", "15"],
            {"chargingSocHighLimit": "85", "chargingSocLowLimit": "15"},
        ),
        ("nexa", "getNexaInfoBySn", ["allow_grid_charging", "1"], {"allowGridCharging": "1"}),
        ("nexa", "getNexaInfoBySn", ["grid_connection_control", "1"], {"gridConnectionControl": "1"}),
        ("nexa", "getNexaInfoBySn", ["ac_couple_power_control", "1"], {"acCouplePowerControl": "1"}),
    ],
)
def test_commands_of_noah_mqtt_and_nexa_mqtt_are_applied(api, info, sent, written, at):
    serial = at.cloud.device(api)
    name, *values = sent
    params = {f"param{place}": value for place, value in enumerate(values, start=1)}
    check(at.client.post(f"noahDeviceApi/{api}/set", serialNum=serial, type=name, **params), ENVELOPE)
    found = at.client.post(f"noahDeviceApi/{api}/{info}", deviceSn=serial)["obj"]["noah"]
    assert {member: found[member] for member in written} == written


def test_dead_session_is_reported_in_a_way_that_makes_both_programs_log_in_again(at):
    """They look for HTML instead of JSON, or for the text of the Error500 page."""
    stranger = PlainClient(at.server)
    with pytest.raises((json.JSONDecodeError, HTTPError)) as caught:
        stranger.post("noahDeviceApi/noah/getSystemStatus", deviceSn=at.cloud.device("noah"))
    assert isinstance(caught.value, json.JSONDecodeError)
    assert caught.value.doc.startswith("<")


@pytest.mark.parametrize("missing", [*(name for name in PHONE if name != "ipvcpc"), "a valid timestamp"])
def test_incomplete_login_of_the_app_is_501(missing, at):
    phone = {name: value for name, value in PHONE.items() if name != missing}
    if missing == "a valid timestamp":
        phone["timestamp"] = "1782036120000"
    back = PlainClient(at.server).log_in(at.cloud.holder.username, at.cloud.holder.password, **phone)
    assert back == {"msg": "501", "success": False}


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("PlantDetailAPI.do", {"type": "1", "date": "2026-06"}),
        ("newPlantDetailAPI.do", {"type": "4", "date": ""}),
        ("newTwoPlantAPI.do?op=getUserCenterEnertyDataByPlantid", {"language": "1"}),
        ("newPlantAPI.do?action=getUserCenterEnertyDataTwo", {"language": "5"}),
    ],
)
def test_call_is_answered_to_get_and_post_alike(path, arguments, at):
    arguments = arguments | {"plantId": at.cloud.plant("tlx")}
    posted = at.client.post(path, **arguments)
    query = f"{path}{'&' if '?' in path else '?'}{urlencode(arguments)}"
    request = Request(f"{at.server}/{query}", headers={"User-Agent": AGENT})
    with at.client.opener.open(request, timeout=60) as response:
        assert json.loads(response.read()) == posted
    assert posted
