"""Fixtures of all Growatt device families mapped to snapshots that were checked by hand."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from heliograph import metrics
from heliograph.core.session import Session
from heliograph.model import Device, Status
from heliograph.vendors.growatt import GrowattCalls, normalise
from heliograph.vendors.growatt.auth import GrowattProtocol
from support.paths import FIXTURES
from support.protocol_script import reply

FIXTURES = sorted((FIXTURES / "growatt").iterdir())

NOW = datetime(2026, 6, 21, 12, tzinfo=UTC)
# Calls of each family's mapping, in argument order, before the plant-local time.
CALLS = {
    "tlx": ("tlx_detail",),
    "inverter": ("inverter_detail",),
    "mix": ("mix_system_status", "mix_totals", "mix_detail", "dashboard_data"),
    "storage": ("storage_params", "storage_energy_overview"),
    "noah": ("noah_system_status",),
}
ARGUMENTS = {"dashboard_data": ("1", 0, "2026-06-21"), "mix_totals": ("SN", "1"), "mix_system_status": ("SN", "1")}
ARGUMENTS |= {"mix_detail": ("SN", "1", 0, "2026-06-21"), "storage_energy_overview": ("1", "SN")}


def parsed_response(name, body):
    call = getattr(GrowattCalls, name).flow(*ARGUMENTS.get(name, ("SN",)))
    return call.endpoint.shape(
        GrowattProtocol().parse_response(Session("https://openapi.growatt.com/"), call, reply(body))
    )


def snapshot(fixture, **changed):
    """Map a fixture to a snapshot; `changed` replaces members of its first response."""
    about = tomllib.loads((fixture / "about.toml").read_text(encoding="utf-8"))
    family, zone = about["family"], timezone(timedelta(hours=about["zone_hours"]))
    bodies = {name: json.loads((fixture / f"{name}.json").read_text(encoding="utf-8")) for name in CALLS[family]}
    first = bodies[CALLS[family][0]]
    (first.get("data") or first.get("obj") or first.get("storageDetailBean") or first).update(changed)
    responses = [parsed_response(name, body) for name, body in bodies.items()]
    device = Device(vendor="growatt", plant="1", id="SN", family=family)
    last = [] if family == "noah" else [about.get("now", NOW).astimezone(zone)]
    return getattr(normalise, family)(device, *responses, *last)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_fixture_maps_to_the_expected_snapshot(fixture):
    found = snapshot(fixture)
    expected = json.loads((fixture / "expected.json").read_text(encoding="utf-8"))
    assert dict(found.values) == expected["values"]
    assert found.status == expected["status"]
    assert (found.measured_at.isoformat() if found.measured_at else None) == expected["measured_at"]
    assert set(found.sources) == set(found.values) <= set(metrics.METRICS)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_fixture_has_provenance_and_no_unused_file(fixture):
    about = tomllib.loads((fixture / "about.toml").read_text(encoding="utf-8"))
    assert about["provenance"] in ("documented", "synthetic")
    assert about["about"].endswith(".")
    assert about["facts"]
    assert {path.name for path in fixture.iterdir()} == {
        "about.toml", "expected.json", *(f"{name}.json" for name in CALLS[about["family"]])
    }  # fmt: skip


def test_every_family_has_a_fixture():
    families = {tomllib.loads((fixture / "about.toml").read_text())["family"] for fixture in FIXTURES}
    assert families == set(CALLS)


@pytest.mark.parametrize("name", ["mix-day", "tlx-day-battery", "storage-day"])
def test_battery_fixture_has_a_power_balance(name):
    values = snapshot(FIXTURES[0].parent / name).values
    made = values["pv_power"] + values["grid_power"] + values["battery_power"]
    assert made == pytest.approx(values["load_power"], rel=0.25, abs=30)


@pytest.mark.parametrize(
    ("name", "changed", "metric", "value"),
    [
        ("mix-day", {"chargePower": "0.5", "pdisCharge1": 0}, "battery_power", -500.0),
        ("mix-day", {"pactouser": "1.34", "pactogrid": "0"}, "grid_power", 1340.0),
        ("mix-day", {"chargePower": "--"}, "battery_power", None),
        ("mix-day", {"pactouser": ""}, "grid_power", None),
        ("tlx-day-battery", {"bdc1ChargePower": 0, "bdc2DischargePower": 20}, "battery_power", 20.0),
        ("tlx-day-battery", {"pacToUserTotal": 5, "pacToGridTotal": 0}, "grid_power", 5.0),
        ("tlx-day-battery", {"bmsSoc": 0}, "battery_soc", 77.0),
        ("tlx-day-battery", {"ppv": -3}, "pv_power", 0.0),
        ("tlx-day-battery", {"epvTotal": None}, "pv_energy_total", None),
        ("storage-day", {"pCharge": 2400, "pDischarge": 0}, "battery_power", -2400.0),
        ("storage-day", {"ppv": None}, "pv_power", None),
        ("noah-day", {"disChargePower": None}, "battery_power", None),
    ],
)
def test_sign_convention_and_missing_magnitudes(name, changed, metric, value):
    assert snapshot(FIXTURES[0].parent / name, **changed).values[metric] == value


@pytest.mark.parametrize(
    ("name", "changed", "status"),
    [
        ("mix-day", {"lost": "mix.status.lost"}, Status.OFFLINE),
        ("mix-day", {"uwSysWorkMode": "3"}, Status.FAULT),
        ("tlx-day-battery", {"status": 3}, Status.FAULT),
        ("tlx-day-battery", {"status": 0}, Status.STANDBY),
        ("tlx-day-battery", {"status": None}, None),
        ("inverter-day", {"status": 3}, Status.FAULT),
        ("inverter-day", {"status": 77}, None),
        ("storage-day", {"lost": True}, Status.OFFLINE),
        ("storage-day", {"statusText": "Fault 12"}, Status.FAULT),
        ("noah-day", {"status": "-1"}, Status.OFFLINE),
        ("noah-day", {"status": "4"}, Status.FAULT),
    ],
)
def test_status_mapping(name, changed, status):
    assert snapshot(FIXTURES[0].parent / name, **changed).status is status


def test_last_chart_time_just_after_midnight_is_yesterdays():
    zone = timezone(timedelta(hours=2))
    now = datetime(2026, 6, 22, 0, 3, tzinfo=zone)
    assert normalise.last_chart_time({"23:55": {}, "00:05": {}}, now) == datetime(2026, 6, 21, 21, 55, tzinfo=UTC)
    assert normalise.last_chart_time({"00:00": {}}, now) == datetime(2026, 6, 21, 22, 0, tzinfo=UTC)
    assert normalise.last_chart_time({}, now) is None
    assert normalise.last_chart_time({"nonsense": 1, ":": 2}, now) is None
    assert normalise.last_chart_time(None, now) is None


def test_last_chart_time_in_the_repeated_hour_is_none():
    now = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(timezone(timedelta(hours=1)))
    assert now.hour == 2
    assert normalise.last_chart_time({"02:25": {}, "02:55": {}}, now) is None


@pytest.mark.parametrize(
    ("now", "text", "hour"),
    [
        ("2026-10-25T00:33", "2026-10-25 02:30:00", 0),
        ("2026-10-25T01:33", "2026-10-25 02:30:00", 1),
        ("2026-10-25T01:29", "2026-10-25 02:30:00", 1),
        ("2026-10-25T02:33", "2026-10-25 02:30:00", 1),
        ("2026-10-25T02:33", "2026-10-25 01:30:00", -1),
        ("2026-03-29T01:33", "2026-03-29 01:30:00", 0),
        ("2026-03-29T01:33", "2026-03-29 03:30:00", 1),
    ],
)
def test_timestamp_in_the_repeated_hour_is_the_later_one_not_in_the_future(now, text, hour):
    berlin = datetime.fromisoformat(f"{now}+00:00").astimezone(ZoneInfo("Europe/Berlin"))
    expected = datetime.fromisoformat(f"{now[:10]}T00:30+00:00") + timedelta(hours=hour)
    assert normalise.parse_timestamp(text, berlin) == expected


def test_epoch_timestamp_is_certain_in_the_repeated_hour():
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    berlin = datetime(2026, 10, 25, 1, 33, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    assert normalise.parse_timestamp({"time": int(moment.timestamp() * 1000)}, berlin) == moment


@pytest.mark.parametrize(
    ("now", "keys", "newest"),
    [
        ("2026-10-25T00:22", ("01:55", "02:20"), "2026-10-25T00:20"),
        ("2026-10-25T01:22", ("02:20", "02:55"), None),
        ("2026-10-25T01:57", ("02:20", "02:55"), None),
        ("2026-10-25T02:07", ("02:55", "03:05"), "2026-10-25T02:05"),
    ],
)
def test_last_chart_time_during_the_repeated_hour(now, keys, newest):
    berlin = datetime.fromisoformat(f"{now}+00:00").astimezone(ZoneInfo("Europe/Berlin"))
    expected = newest and datetime.fromisoformat(f"{newest}+00:00")
    assert normalise.last_chart_time(dict.fromkeys(keys), berlin) == expected


def test_text_for_a_number_and_strings_beyond_the_table_are_oddities_and_all_other_values_stay():
    device = Device(vendor="growatt", plant="1", id="SN", family="tlx")
    body = {"status": 1, "lost": False, "ppv": "1200.5", "vpv1": "much", "vpv2": 251.5, "vpv99": 231.5}
    body |= {"time": "2026-06-21 12:00:00"}
    found = normalise.tlx(device, parsed_response("tlx_detail", {"result": 1, "obj": None, "data": body}), NOW)
    assert found.pv_power == 1200.5
    assert (found.measurements["pv1_voltage"], found.measurements["pv2_voltage"]) == (None, 251.5)
    assert found.oddities == {"text for the number vpv1": "much", "no metric for vpv99": "231.5"}
