"""Published responses of the web portal are parsed to the values written down here by hand.

The captures of mix, storage and tlxh are in the folder HELIOGRAPH_CAPTURES; those of the SPA are the notes of a
public client (vtraveller/gowatt), written down here.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from heliograph.core.session import Response, Session
from heliograph.model import Device, Status
from heliograph.vendors.growatt.portal import GrowattPortalData, PortalCalls, envelope, normalise, payloads
from heliograph.vendors.growatt.portal.auth import GrowattPortalProtocol
from heliograph.vendors.growatt.portal.session import PortalAccountProtocol
from support.protocol_script import NOON as NOON_SECONDS
from support.protocol_script import reply, script

FOLDER = os.environ.get("HELIOGRAPH_CAPTURES")
needs_captures = pytest.mark.skipif(
    not FOLDER, reason="HELIOGRAPH_CAPTURES is not set to a folder of captured responses"
)

SPA_ROW = {
    "timeServer": "2023-10-07 20:12:11",
    "timezone": "1",
    "eMonth": "77.1",
    "pac": "-2370",
    "sn": "DEVSN",
    "alias": "DEVSN",
    "deviceTypeName": "spa",
    "nominalPower": "3000",
    "eToday": "6.5",
    "eTotal": "2808.2",
    "deviceModel": "SPA3000TL BL",
    "status": "6",
    "lastUpdateTime": "2023-10-07 13:12:11",
}
SPA_STATUS = {
    "pdisCharge1": 0.0,
    "chargePower": 2.09,
    "uwSysWorkMode": "6",
    "SOC": "85",
    "pactouser": 0.0,
    "vBat": "54.1",
    "lost": "spa.status.normal",
    "ppv": 3.05,
    "pactogrid": 0.0,
    "pLocalLoad": 0.96,
    "status": "6",
}
SPA_TOTALS = {
    "eselfToday": "5",
    "gridPowerTotal": "984.8",
    "eselfTotal": "2793.7",
    "elocalLoadToday": "10.4",
    "gridPowerToday": "5.4",
    "elocalLoadTotal": "3778.5",
    "etoGridToday": "0",
    "edischarge1Total": "1196.6",
    "unit": "￡",
    "edischarge1Today": "1.4",
    "epvInverterTotal": "2808.7",
    "etogridTotal": "226.9",
    "epvInverterToday": "6.5",
}


def capture(name, endpoint):
    """Return the typed result of a captured response."""
    body = (Path(FOLDER) / "growatt" / f"{name}.json").read_bytes()
    call = endpoint.flow("1234567", "SERIAL")
    return endpoint.shape(envelope.parse(call, Response(200, {}, (), body, 0.0)))


def device(family):
    return Device(vendor="growatt", plant="1234567", id="SERIAL", family=family, name=None)


ROW = payloads.PortalDevice({"sn": "SERIAL", "status": "5", "timeServer": "2026-06-21 18:00:00"})
NOON = datetime(2026, 6, 21, 10, tzinfo=UTC)


@needs_captures
def test_mix_captures_decode_to_the_values_written_by_hand():
    status = capture("web_mix_status", PortalCalls.portal_mix_status)
    totals = capture("web_mix_total", PortalCalls.portal_mix_totals)
    found = normalise.hybrid(device("mix"), ROW, status, totals)
    assert found.status is Status.ONLINE
    assert found.measured_at == NOON
    assert found.values == {
        "pv_power": 1180.0,
        "load_power": 840.0,
        "grid_power": -340.0,
        "battery_power": 0.0,
        "battery_soc": 95.0,
        "pv_energy_today": 31.1,
        "pv_energy_total": 6115.3,
        "load_energy_today": 12.6,
        "load_energy_total": 6171.0,
        "grid_import_energy_today": 5.2,
        "grid_import_energy_total": 2743.0,
        "grid_export_energy_today": 18.2,
        "grid_export_energy_total": 2568.6,
        "battery_discharge_energy_today": 0.4,
        "battery_discharge_energy_total": 1600.5,
    }
    assert (status.pv1_power, status.pv2_power, status.battery_voltage) == (568.4, 615.6, 53.1)
    assert totals.self_consumption_today == 7.4


@needs_captures
def test_storage_captures_decode_to_the_values_written_by_hand():
    status = capture("web_storage_status", PortalCalls.portal_storage_status)
    totals = capture("web_storage_total", PortalCalls.portal_storage_totals)
    found = normalise.storage(device("storage"), ROW, status, totals)
    assert found.status is Status.ONLINE
    assert found.values == {
        "pv_power": 1325.0,
        "load_power": 277.0,
        "grid_power": 105.0,
        "battery_power": -1176.0,
        "battery_soc": 34.0,
        "pv_energy_today": 0.8,
        "pv_energy_total": 2335.4,
        "battery_charge_energy_today": 2.0,
        "battery_charge_energy_total": 2535.8,
        "battery_discharge_energy_today": 0.5,
        "battery_discharge_energy_total": 1037.0,
        "load_energy_today": 3.9,
        "load_energy_total": 198.4,
        "grid_import_energy_today": 4.6,
        "grid_import_energy_total": 949.1,
    }
    assert (totals.export_today, totals.export_total) == (243.7, 0.0)


@needs_captures
def test_tlxh_capture_is_read_in_watts():
    status = capture("web_tlxh_status_partial", PortalCalls.portal_tlx_status)
    found = normalise.tlx_with_battery(device("tlx"), ROW, status)
    assert found.status is Status.ONLINE
    # The first string is missing from the capture, so the solar power is unknown.
    assert found.values == {
        "pv_power": None,
        "ac_power": None,
        "load_power": 538.3,
        "grid_power": -53.8,
        "battery_power": 50.0,
        "battery_soc": 15.0,
    }


def test_spa_notes_decode_to_the_values_written_by_hand():
    row = payloads.PortalDevice(SPA_ROW)
    found = normalise.hybrid(
        device("spa"), row, payloads.PortalHybridStatus(SPA_STATUS), payloads.PortalSpaTotals(SPA_TOTALS)
    )
    assert found.status is Status.ONLINE
    assert found.measured_at == datetime(2023, 10, 7, 12, 12, 11, tzinfo=UTC)
    assert found.values == {
        "pv_power": 3050.0,
        "load_power": 960.0,
        "grid_power": 0.0,
        "battery_power": -2090.0,
        "battery_soc": 85.0,
        "pv_energy_today": 6.5,
        "pv_energy_total": 2808.7,
        "load_energy_today": 10.4,
        "load_energy_total": 3778.5,
        "grid_import_energy_today": 5.4,
        "grid_import_energy_total": 984.8,
        "grid_export_energy_today": 0.0,
        "grid_export_energy_total": 226.9,
        "battery_discharge_energy_today": 1.4,
        "battery_discharge_energy_total": 1196.6,
    }


def test_measured_time_is_the_same_in_both_zones_of_the_row():
    in_china = normalise.measured_time(payloads.PortalDevice({**SPA_ROW, "lastUpdateTime": None}))
    at_plant = normalise.measured_time(payloads.PortalDevice({**SPA_ROW, "timeServer": None}))
    assert in_china == at_plant == datetime(2023, 10, 7, 12, 12, 11, tzinfo=UTC)
    assert normalise.measured_time(payloads.PortalDevice({"lastUpdateTime": "2023-10-07 13:12:11"})) is None


def test_lost_device_is_offline():
    lost = payloads.PortalHybridStatus({**SPA_STATUS, "lost": "spa.status.lost"})
    assert normalise.hybrid(device("spa"), payloads.PortalDevice(SPA_ROW), lost, None).status is Status.OFFLINE


def test_login_sends_the_plain_md5():
    fields = PortalCalls.portal_login.flow("me", "12345678").fields
    assert fields["passwordCrc"] == "25d55ad283aa400af464c76d713c07ad"
    assert fields["password"] == ""


def test_plant_with_an_spa_and_the_inverter_beside_it_counts_the_sun_once():
    inverter = {**SPA_ROW, "sn": "INV", "deviceTypeName": "tlx", "pac": "3040", "eToday": "6.5", "eTotal": "2808.2"}
    page = {"result": 1, "obj": {"datas": [SPA_ROW, inverter], "pages": 1}}
    answers = [
        [{"id": "1234567", "plantName": "Roof", "timezone": "1"}],
        page,
        {"result": 1, "obj": SPA_STATUS},
        {"result": 1, "obj": SPA_TOTALS},
    ]
    protocol = PortalAccountProtocol(GrowattPortalProtocol(), Session("https://openapi.growatt.com/"), None)
    flow = protocol.execute(GrowattPortalData.snapshot.flow("1234567"), NOON_SECONDS)
    _, found = script(flow, [reply(answer) for answer in answers])
    assert len(found.devices) == 2
    assert (found.pv_power, found.ac_power, found.battery_power) == (3050.0, 3040.0, -2090.0)
    assert (found.pv_energy_today, found.pv_energy_total) == (6.5, 2808.7)
    assert found.plant.zone == timezone(timedelta(hours=1))
