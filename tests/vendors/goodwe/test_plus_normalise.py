"""Tests of the mapping from SEMS+ payloads to snapshots, with fixtures and against the SEMS Portal."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from heliograph import GoodWe
from heliograph.core.session import Session
from heliograph.emulator.clouds.goodwe import EMULATION
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from heliograph.errors import RequestRefused, Unreadable
from heliograph.metrics import METRICS
from heliograph.model import Plant
from heliograph.vendors.goodwe import SemsPlusCalls
from heliograph.vendors.goodwe.plus import normalise as plus_normalise
from heliograph.vendors.goodwe.plus import payloads
from heliograph.vendors.goodwe.plus import snapshots as plus_snapshots
from heliograph.vendors.goodwe.plus.zones import iana_zone
from support.paths import FIXTURES
from support.protocol_script import NOON

FOLDER = FIXTURES / "goodwe"
FIXTURE_FOLDERS = sorted(FOLDER.glob("plus-*"))
FETCHED = datetime.fromtimestamp(NOON, UTC)
PLANT = Plant(vendor="goodwe", id="P", name="As listed", zone=ZoneInfo("Europe/Berlin"))
LOCAL_NOON, EVENING, NIGHT = "2026-06-21T12:02:00+02:00", "2026-12-01T19:00:00+01:00", "2026-06-21T02:00:00+02:00"


def load_fixture(name):
    return json.loads((FOLDER / name / "answers.json").read_text())


def snapshot_of(answers, plant=PLANT):
    devices = [
        legacy
        for legacy in payloads.Inventory(answers["devices"]).devices
        if legacy.type in plus_snapshots.COUNTED_TYPES
    ]
    counters = {
        sn: None if rows is None else payloads.Telecounting(rows) for sn, rows in answers["telecounting"].items()
    }
    today = payloads.PlusStatistics(answers["statistics"]) if answers.get("statistics") else None
    return plus_normalise.snapshot(plant, payloads.PlusFlow(answers["flow"]), devices, counters, today, FETCHED)


@pytest.mark.parametrize("folder", FIXTURE_FOLDERS, ids=lambda folder: folder.name)
def test_snapshot_of_fixture_matches_the_expected_values(folder):
    legacy_value = snapshot_of(load_fixture(folder.name)).as_dict()
    expected = json.loads((folder / "expected.json").read_text())
    assert {name: legacy_value[name] for name in expected} == expected


@pytest.mark.parametrize("unit", [["kWh"], {"a": 1}, 5, True])
def test_telecounting_unit_that_is_no_text_is_ignored(unit):
    counting = payloads.Telecounting([{"code": "pAc", "data": 1.5, "unit": unit}])
    assert counting.ac_power == 1.5


@pytest.mark.parametrize("folder", FIXTURE_FOLDERS, ids=lambda folder: folder.name)
def test_fixture_documents_its_provenance(folder):
    about = tomllib.loads((folder / "about.toml").read_text())
    assert about["provenance"] == "documented"
    assert about["follows"]


@pytest.mark.parametrize("folder", FIXTURE_FOLDERS, ids=lambda folder: folder.name)
def test_snapshot_powers_balance(folder):
    values = snapshot_of(load_fixture(folder.name)).values
    powers = [values.get(name) for name in ("pv_power", "grid_power", "load_power")]
    if None not in powers:
        pv, grid, load = powers
        assert load == pytest.approx(pv + grid + (values.get("battery_power") or 0.0), abs=12)  # HomeKit is off by -11


def test_plant_without_battery_has_no_battery_values():
    assert not [name for name in snapshot_of(load_fixture("plus-pv-only")).values if "battery" in name]


def test_missing_battery_power_leaves_pv_power_unset():
    answers = load_fixture("plus-hybrid-night")
    del answers["flow"]["pBat"]
    values = snapshot_of(answers).values
    assert (values["battery_power"], values["pv_power"]) == (None, None)


def test_energies_without_counters_use_the_daily_statistics():
    answers = load_fixture("plus-meter-importing")
    answers["telecounting"] = dict.fromkeys(answers["telecounting"])
    answers["statistics"]["dataList"].append(
        {"item": "proSystemTotalStats", "statisticsList": [{"date": "2026-06-21", "val": 18.1}]}
    )
    values = snapshot_of(answers).values
    assert values["grid_import_energy_today"] == 3.8
    assert values["pv_energy_today"] == 18.1
    assert values["pv_energy_total"] is None


def test_counters_of_several_meters_are_not_summed():
    answers = load_fixture("plus-meter-importing")
    (state,) = answers["devices"]["deviceDetailList"][1]["statusDetailList"]
    state["detailMap"]["METER002"] = {**state["detailMap"]["METER001"], "sn": "METER002"}
    answers["telecounting"]["METER002"] = answers["telecounting"]["METER001"]
    values = snapshot_of(answers).values
    assert values["grid_import_energy_total"] is None
    assert values["grid_import_energy_today"] == 3.8


def test_measured_at_is_none_without_a_zone():
    found = snapshot_of(load_fixture("plus-pv-only"), Plant(vendor="goodwe", id="P"))
    assert found.measured_at is None


@pytest.mark.parametrize("name", ["../../etc/passwd", "Europe/Nowhere", "/etc/localtime", "a\x00b", "x" * 5000])
def test_invalid_zone_name_is_none(name):
    assert iana_zone(name) is None


def test_configured_zone_takes_precedence():
    session = Session("https://www.semsportal.com/api/")
    session.facts = {"zones": {"P": "Europe/Berlin"}, "plants": {"P": "Roof"}}
    assert plus_normalise.plant("P", session).zone == ZoneInfo("Europe/Berlin")
    session.zone = UTC
    assert plus_normalise.plant("P", session).zone is UTC


def test_factors_are_read_with_and_without_groups_in_their_units():
    flat = payloads.EquipmentInformation(
        [{"code": "modelType", "data": "GW10K-SDT-30"}, {"code": "ratedPower", "data": "10.0", "unit": "kW"}]
    )
    assert (flat.model, flat.rated_power) == ("GW10K-SDT-30", 10.0)
    grouped = payloads.Telemetry(
        [{"code": "ac", "factors": [{"code": "pAc", "data": "897", "unit": "W"}, {"code": "Fac"}]}]
    )
    assert (grouped.ac_power, grouped.frequency) == (0.897, None)
    assert payloads.Telemetry(None).ac_power is None
    assert payloads.Telemetry([None, {"factors": [3, {"code": []}]}, {"data": 1}]).ac_power is None
    with pytest.raises(Unreadable):
        payloads.Telemetry({"pAc": "1"})


def test_none_if_forbidden_catches_only_missing_permission():
    call = SemsPlusCalls.plus_devices.flow("P")
    for code, forgiven in (("100025", True), ("S0327", False)):
        steps = plus_snapshots.none_if_forbidden(call)
        next(steps)
        error = RequestRefused("no")
        error.code = code
        with pytest.raises(StopIteration if forgiven else RequestRefused) as caught:
            steps.throw(error)
        assert getattr(caught.value, "value", None) is None


# Both dialects

ONLY_THE_PORTAL = {"load_energy_total"}
"""SEMS+ has no lifetime load counter."""
ONLY_THE_PORTAL_OF_A_HYBRID = ONLY_THE_PORTAL | {"grid_import_energy_total", "grid_export_energy_total"}
"""In SEMS+ the meter of a hybrid is not a separate device, so its lifetime counters are missing too."""


@pytest.mark.parametrize("start", [LOCAL_NOON, EVENING, NIGHT])
def test_snapshot_is_the_same_in_both_dialects(start):
    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat(start), speed=0, accounts=1), [EMULATION])
    with serve_in_thread(emulator) as ready:
        account = emulator.accounts[0]
        clients = {name: GoodWe(account.username, account.password, server=ready["url"]) for name in ("legacy", "plus")}
        for name, client in clients.items():
            client.session.facts["dialect"] = name
        found = {name: {legacy.plant.id: legacy for legacy in client.snapshots()} for name, client in clients.items()}
        for site in account.plants:
            legacy, plus = found["legacy"][site.id], found["plus"][site.id]
            gaps = ONLY_THE_PORTAL_OF_A_HYBRID if site.family == "hybrid" else ONLY_THE_PORTAL
            assert legacy.plant.name == plus.plant.name
            for name, metric in METRICS.items():
                legacy_value, plus_value = legacy.values.get(name), plus.values.get(name)
                if plus_value is None:
                    # SEMS+ reports nothing at night for plants without a meter.
                    offline = site.family == "several" and start != LOCAL_NOON and metric.kind == "gauge"
                    assert legacy_value is None or name in gaps or offline, (site.family, name)
                else:
                    assert legacy_value == pytest.approx(plus_value, abs=0.11 if metric.unit == "kWh" else 1.0), (
                        site.family,
                        name,
                    )
            if plus.measured_at:
                assert legacy.measured_at.replace(second=0) == plus.measured_at


def test_account_is_followed_to_sems_plus_and_back():
    emulator = build_emulator(
        EmulatorOptions(start=datetime.fromisoformat(LOCAL_NOON), speed=0, accounts=1), [EMULATION]
    )
    with serve_in_thread(emulator) as ready:
        account = emulator.accounts[0]
        client = GoodWe(account.username, account.password, server=ready["url"], keeper=None)
        emulator.faults.set({"classic": ""})
        assert len(client.snapshots()) == 4
        assert client.session.facts["dialect"] == "legacy"
        emulator.faults.set({"classic": None, "station2": ""})
        client.session.facts["tried"] = {}  # an hour later
        assert len(client.snapshots()) == 4
        assert client.session.facts["dialect"] == "plus"
        emulator.faults.set({"classic": "", "station2": None})
        client.session.facts["tried"] = {}
        assert len(client.snapshots()) == 4
        assert client.session.facts["dialect"] == "legacy"
        # The first login; a renewal that did not help, and the move; the move back.
        assert emulator.log.as_dict()["logins"] == {account.username: 4}
