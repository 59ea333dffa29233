"""Compatibility tests: PyPI pygoodwe 0.2.0 against the emulated SEMS+, compared with the simulation and our client."""

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
"""Folder in which `make` installs versions that conflict with the others."""


def run_pygoodwe(at: Any, *, password: str = "", plants: bool = True) -> Any:
    """Read every plant with pygoodwe in a separate process."""
    request = {
        "login": at.ready["semsplus_login"],
        "gateway": at.ready["semsplus"].rstrip("/"),
        "username": at.username,
        "password": password or at.password,
        "plants": {family: at.plant[family] for family in FAMILIES} if plants else {},
    }
    process = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(PEERS)},
    )
    assert process.returncode == 0, process.stderr
    answer = json.loads(process.stdout)
    assert answer["version"] == "0.2.0"
    return answer


@pytest.fixture(scope="module")
def read(goodwe_at: Any) -> Any:
    return run_pygoodwe(goodwe_at)


def plus_client(at: Any) -> GoodWe:
    """Return our client, set to use SEMS+."""
    session = Session(resolve_server(at.url))
    session.facts["dialect"] = "plus"
    return GoodWe(at.username, at.password, session=session)


def truth(at: Any, family: str) -> dict[str, float]:
    values: dict[str, float] = {}
    for home in at.plants[family].households:
        for name, value in home.values(at.emulator.world.uploaded_at()).items():
            values[name] = values.get(name, 0.0) + value
    return values


@pytest.mark.parametrize("family", FAMILIES)
def test_pygoodwe_values_match_the_simulation(family: str, read: Any, goodwe_at: Any) -> None:
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


def test_pygoodwe_single_inverter_values_match_the_simulation(read: Any, goodwe_at: Any) -> None:
    home, single = truth(goodwe_at, "hybrid"), read["hybrid"]
    assert single["pv"] == pytest.approx(home["pv_power"], abs=10)
    assert single["load"] == pytest.approx(home["load_power"], abs=10)
    assert single["meter"] == pytest.approx(-home["grid_power"], abs=10)


@pytest.mark.parametrize("family", FAMILIES)
def test_pygoodwe_values_match_our_client(family: str, read: Any, goodwe_at: Any) -> None:
    flow, data = read["data"][family]["powerflow"], read["data"][family]
    values = plus_client(goodwe_at).snapshot(goodwe_at.plant[family]).values
    assert float(flow["pv"]) == pytest.approx(values["pv_power"], abs=1)
    assert data["kpi"]["power"] == pytest.approx(values["pv_energy_today"], abs=0.05)
    assert data["kpi"]["total_power"] == pytest.approx(values["pv_energy_total"], abs=0.05)
    if "grid" in flow:
        assert float(flow["grid"]) == pytest.approx(-(values["grid_power"] or 0.0), abs=1)
        assert float(flow["load"]) == pytest.approx(values["load_power"], abs=1)
    if "bettery" in flow:
        assert float(flow["bettery"]) == pytest.approx(values["battery_power"], abs=1)
        assert flow["soc"] == pytest.approx(values["battery_soc"], abs=1)


def test_pygoodwe_login_with_wrong_password_fails(goodwe_at: Any) -> None:
    assert run_pygoodwe(goodwe_at, password="wrong", plants=False)["logged_in"] is False
    assert run_pygoodwe(goodwe_at, plants=False)["logged_in"] is True
