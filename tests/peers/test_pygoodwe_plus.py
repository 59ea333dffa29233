"""The PyPI pygoodwe 0.2.0 reads the emulated SEMS+, and its numbers are those of the homes and of our client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from heliograph import GoodWe
from heliograph.core.session import Session
from heliograph.vendors.goodwe import resolve_server

FAMILIES = ("single", "hybrid", "meter", "several")
SCRIPT = Path(__file__).with_name("reads_sems_plus.py")
PEERS = Path(sys.prefix) / "peers"
"""Where `make` puts the versions that cannot stand beside the others."""


def peer(at: Any, *, password: str = "", plants: bool = True) -> Any:
    """Let the peer read every plant, in a process of its own."""
    asked = {
        "login": at.ready["semsplus_login"],
        "gateway": at.ready["semsplus"].rstrip("/"),
        "username": at.username,
        "password": password or at.password,
        "plants": {family: at.plant[family] for family in FAMILIES} if plants else {},
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(PEERS)},
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["version"] == "0.2.0"
    return answer


@pytest.fixture(scope="module")
def read(goodwe_at: Any) -> Any:
    return peer(goodwe_at)


def mine(at: Any) -> GoodWe:
    """Our client of an account known to be one of SEMS+."""
    session = Session(resolve_server(at.url))
    session.facts["dialect"] = "plus"
    return GoodWe(at.username, at.password, session=session)


def truth(at: Any, family: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for home in at.plants[family].households:
        for name, value in home.values(at.emulator.world.uploaded_at()).items():
            found[name] = found.get(name, 0.0) + value
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peer_reads_the_home(family: str, read: Any, goodwe_at: Any) -> None:
    data, home = read["data"][family], truth(goodwe_at, family)
    assert data["kpi"]["pac"] == pytest.approx(home["ac_power"], abs=10)
    assert data["kpi"]["power"] == pytest.approx(home["pv_energy_today"], abs=0.2)
    assert data["kpi"]["total_power"] == pytest.approx(home["pv_energy_total"], abs=0.2)
    assert {row["sn"] for row in data["inverter"]} == set(goodwe_at.plants[family].devices)
    flow = {name: float(value) for name, value in data["powerflow"].items()}
    assert flow["pv"] == pytest.approx(home["pv_power"], abs=10)
    if "grid_power" in home:
        assert flow["grid"] == pytest.approx(-home["grid_power"], abs=10)
        assert flow["load"] == pytest.approx(home["load_power"], abs=10)
    if "battery_power" in home:
        assert flow["bettery"] == pytest.approx(home["battery_power"], abs=10)
        assert data["soc"]["power"] == pytest.approx(home["battery_soc"], abs=1)


def test_its_helper_for_one_inverter_understands_the_flow(read: Any, goodwe_at: Any) -> None:
    home, said = truth(goodwe_at, "hybrid"), read["hybrid"]
    assert said["pv"] == pytest.approx(home["pv_power"], abs=10)
    assert said["load"] == pytest.approx(home["load_power"], abs=10)
    assert said["meter"] == pytest.approx(-home["grid_power"], abs=10)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peer_reads_what_our_client_reads(family: str, read: Any, goodwe_at: Any) -> None:
    flow, data = read["data"][family]["powerflow"], read["data"][family]
    values = mine(goodwe_at).snapshot(goodwe_at.plant[family]).values
    assert float(flow["pv"]) == pytest.approx(values["pv_power"], abs=1)
    assert data["kpi"]["power"] == pytest.approx(values["pv_energy_today"], abs=0.05)
    assert data["kpi"]["total_power"] == pytest.approx(values["pv_energy_total"], abs=0.05)
    if "grid" in flow:
        assert float(flow["grid"]) == pytest.approx(-(values["grid_power"] or 0.0), abs=1)
        assert float(flow["load"]) == pytest.approx(values["load_power"], abs=1)
    if "bettery" in flow:
        assert float(flow["bettery"]) == pytest.approx(values["battery_power"], abs=1)
        assert flow["soc"] == pytest.approx(values["battery_soc"], abs=1)


def test_a_wrong_password_is_refused_to_the_peer(goodwe_at: Any) -> None:
    assert peer(goodwe_at, password="wrong", plants=False)["logged_in"] is False
    assert peer(goodwe_at, plants=False)["logged_in"] is True
