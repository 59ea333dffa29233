"""Families that only the token API reads, meters, and lists of several pages, against the emulated cloud."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from heliograph.emulator.server import serve_in_thread
from heliograph.errors import RequestRefused
from heliograph.model import Status
from heliograph.vendors.growatt.openapi import GrowattToken, limits
from support.growatt_emulator import EmulatedCloud

EXTRA = ("max", "sph-s", "wit")


@pytest.fixture(autouse=True)
def no_gap(monkeypatch):
    monkeypatch.setattr(limits, "GAP", 0.0)


@pytest.fixture
def cloud():
    found = EmulatedCloud(extra_plants=EXTRA)
    with serve_in_thread(found.emulator) as ready:
        token = ready["accounts"][0]["token"]
        found.client = GrowattToken(token, server=ready["growatt"], zone="Europe/Berlin", keeper=None)
        yield found


def test_families_of_the_token_api_report_the_simulated_values(cloud):
    for family in EXTRA:
        snapshot = cloud.client.snapshot(cloud.plant(family))
        (device,) = snapshot.devices
        assert device.device.family == family
        truth, compared = cloud.true_values(family), 0
        for name, value in snapshot.values.items():
            if value is not None and name in truth:
                compared += 1
                assert value == pytest.approx(truth[name], abs=0.6), (family, name)
        assert compared >= (4 if family == "max" else 8)
        assert snapshot.status is Status.ONLINE


def test_other_accounts_and_plants_are_the_same_without_extra_plants(cloud):
    usual = EmulatedCloud()
    assert [plant.id for plant in cloud.holder.plants][:7] == [plant.id for plant in usual.holder.plants]
    assert cloud.true_values("mix") == usual.true_values("mix")


def test_v1_lists_only_its_own_families_and_a_row_for_a_meter(cloud):
    rows = {family: cloud.client.v1_device_list(cloud.plant(family)).devices for family in EXTRA}
    assert (rows["sph-s"], rows["wit"]) == ((), ())
    assert [(row.id, row.type) for row in rows["max"]] == [(cloud.device("max"), 4.0), ("AMMETER", 3.0)]
    listed = {row.id: row.type for row in cloud.client.v4_devices()}
    assert {listed[cloud.device(family)] for family in EXTRA} == {"max", "sph-s", "wit"}
    assert cloud.client.v1_check_serial(cloud.device("wit")).device_type == 218


def test_meter_of_a_datalogger_reports_the_power_at_the_grid(cloud):
    logger = cloud.client.v1_datalogger_of_device(cloud.device("max")).raw["datalogSN"]
    (meter,) = cloud.client.v1_meter_list(logger).raw["meters"]
    data = cloud.client.v1_meter_last_data(logger, meter["address"]).raw
    assert data["activePower"] == pytest.approx(cloud.true_values("max")["grid_power"], abs=0.1)
    history = cloud.client.v1_meter_history(logger, 1, "2026-06-20", "2026-06-20").raw
    assert history["count"] == 288
    assert cloud.client.v1_check_serial(logger).raw["msg"] == "datalog"
    with pytest.raises(RequestRefused):
        cloud.client.v1_meter_last_data(logger, 2)
    other = cloud.client.v1_datalogger_of_device(cloud.device("wit")).raw["datalogSN"]
    assert cloud.client.v1_meter_list(other).raw["meters"] == []


def test_day_of_each_family_has_the_simulated_powers(cloud):
    for family in EXTRA:
        curve = cloud.client.day_curve(cloud.plant(family), "2026-06-20")
        truth = dict(cloud.household(family).curve("2026-06-20"))
        noon = [sample for sample in curve if sample.moment in truth and truth[sample.moment]["pv_power"] > 0]
        assert len(noon) > 100
        for sample in noon[::20]:
            assert sample.pv_power == pytest.approx(truth[sample.moment]["pv_power"], abs=0.1)


def test_plants_and_devices_of_several_pages_are_all_listed(cloud):
    pattern = cloud.holder.plants[-1]
    cloud.holder.plants = tuple(
        replace(pattern, id=str(5_000_000 + number), devices=(f"WIT{number:07d}",)) for number in range(230)
    )
    assert len(cloud.client.plants()) == 230
    assert len(cloud.client.v4_devices()) == 230
    log = json.loads(cloud.emulator.respond("GET", "/control/log").body)["requests"]
    assert [row["path"] for row in log].count("v1/plant/list") == 3
    assert [row["path"] for row in log].count("v4/new-api/queryDeviceList") == 3
