"""Pseudonyms: private values of recorded responses are replaced consistently, in their shape; measurements stay."""

import json
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from heliograph.core.pseudonyms import ORIGIN, Pseudonyms


def masked(data, **options):
    names = Pseudonyms(**options)
    names.learn(data)
    return names.mask(data)


def shape(text):
    return re.sub(r"[A-Z]", "A", re.sub(r"[a-z]", "a", re.sub(r"\d", "9", text)))


@pytest.mark.parametrize(
    "data",
    [
        {"ppv": 812.5, "pac": "812.5", "etoUserTotal": "42951.400000000001", "pacToUser": 1953.5, "soc": "100%"},
        {"vpv1ipv1": "380.2V/5.2A", "power": "1234(W)", "temperature": "-3.5℃", "powerGeneration": "Power:1.2kW"},
        {"time": "2026-06-21 12:00:00", "date": "2026-06-21", "hour": "09:05", "lastUpdateTime": 1782036120000},
        {"timezone": "GMT+2", "status": 1, "lost": False, "obj": None, "pgrid": 5000, "userId": 2},
        {"deviceModel": "MOD 10KTL3-XH2", "fwVersion": "DNAA160301", "deviceType": "noah", "plantName": ""},
        {"code": "modelType", "data": "GW10K-ET", "subtype": "store"},
        {"key": "pv_input_1", "target_key": "Vpv1", "items": ["proGridStats"], "msg": "success"},
    ],
)
def test_measurements_times_models_and_names_of_measurements_stay(data):
    assert masked(data) == data


@pytest.mark.parametrize(
    ("zone", "month", "expected"),
    [
        ("Europe/Berlin", 6, "Etc/GMT-2"),
        ("Europe/Berlin", 12, "Etc/GMT-1"),
        ("America/Sao_Paulo", 6, "Etc/GMT+3"),
        ("Europe/London", 12, "Etc/GMT+0"),
        ("Etc/GMT-2", 6, "Etc/GMT-2"),
    ],
)
def test_zone_of_a_place_is_replaced_by_one_with_its_offset(zone, month, expected):
    assert masked({"timeZone": zone}, recorded_at=datetime(2026, month, 21, tzinfo=UTC)) == {"timeZone": expected}
    assert ZoneInfo(expected)


@pytest.mark.parametrize("text", ["Asia/Kolkata", "Europe/Meierhof", "Asia/../../etc", "America/"])
def test_zone_without_whole_hours_and_other_texts_with_a_slash_are_replaced(text):
    found = masked({"timeZone": text}, key=b"test")["timeZone"]
    assert found.partition("/")[0] not in text or not found.partition("/")[0]
    assert "Meierhof" not in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("plantName", "Rosenweg 7b"),
        ("deviceSn", "QXH0123456"),
        ("email", "anna.meier@example.com"),
        ("powerStationId", "108df935-cd56-5d41-8609-012262974fec"),
        ("unknown", "Anna Meier"),
        ("unknown", "0170 1234567"),
        ("unknown", "+49 170 123 456"),
        ("unknown", "192.168.178.23"),
        ("phoneNum", "01701234567"),
        ("token", "5f4dcc3b5aa765d61d8327deb882cf99"),
        ("owner", "Ädelgård 3"),
    ],
)
def test_private_texts_are_replaced_in_their_shape(key, value):
    # With a random key, three digits are replaced by the same ones once in a thousand runs.
    found = masked({key: value}, key=b"test")[key]
    assert shape(found) == shape(value) or "Ä" in value
    assert len(found) == len(value)
    runs = [run for run in re.findall(r"\w+", value) if len(run) > 2]
    assert not any(run in found for run in runs)


def test_hexadecimal_ids_stay_hexadecimal():
    found = masked({"id": "108df935-cd56-5d41-8609-012262974fec"})["id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found)


def test_numbers_are_replaced_only_as_ids_coordinates_and_long_numbers():
    data = {"plantId": 1234567, "lat": 52.5206, "lng": "-13.4094", "unknown": 1234567890123, "pac": 1234.5}
    found = masked(data)
    assert found["pac"] == 1234.5
    assert [len(str(value)) for value in found.values()] == [len(str(value)) for value in data.values()]
    assert all(found[key] != data[key] for key in ("plantId", "lat", "lng", "unknown"))
    assert abs(found["lat"]) <= 90
    assert found["lng"].startswith("-")


def test_one_value_has_one_pseudonym_everywhere():
    data = {
        "sn": "QXH0123456",
        "rows": {"QXH0123456": {"alias": "qxh0123456"}},
        "text": json.dumps({"serial": "QXH0123456", "url": "x"}),
        "warningText": "device QXH0123456 lost",
        "plantId": 7654321,
        "related": ["7654321", 7654321],
    }
    names = Pseudonyms()
    names.learn(data)
    found = names.mask(data)
    serial = found["sn"]
    assert list(found["rows"]) == [serial]
    assert found["rows"][serial]["alias"] == serial.lower()
    assert json.loads(found["text"])["serial"] == serial
    assert serial in found["warningText"]
    assert found["related"] == [str(found["plantId"]), found["plantId"]]
    assert names.mask_sent("QXH0123456") == serial
    assert names.mask_sent("getPlant") == "getPlant"


def test_known_secrets_are_replaced_in_texts_that_are_otherwise_kept():
    found = masked({"statusText": "normal for annameier", "status": "annameier"}, secrets=["annameier"])
    assert "annameier" not in json.dumps(found)


def test_urls_of_the_vendor_lead_to_the_replay():
    found = masked({"api": "https://eu.example.org/api/"}, is_vendor_url=lambda text: "example.org" in text)
    assert found == {"api": f"{ORIGIN}/api/"}


def test_pseudonyms_of_two_recordings_differ():
    assert masked({"name": "Anna Meier Haus"}) != masked({"name": "Anna Meier Haus"})


def test_kept_and_replaced_texts_are_listed_for_review():
    names = Pseudonyms(keep=["note"])
    names.mask({"statusText": "Charging", "note": "my words", "owner": "Anna"})
    assert names.kept == {"statusText": {"Charging"}, "note": {"my words"}}
    assert dict(names.masked) == {"owner": 1}


@pytest.mark.parametrize("text", ["1" * 50_000 + "x", "a" * 50_000, "1:" * 20_000 + "x", "{" * 5000, "a@" * 20_000])
def test_long_hostile_texts_are_replaced_quickly(text):
    assert len(masked({"unknown": text})["unknown"]) == len(text)
