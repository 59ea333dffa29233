"""Async clients import no module on the event loop: finding and reading its file blocks."""

from __future__ import annotations

import json
import os
import sys
from subprocess import run

import pytest

from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from support import loop_imports
from support.paths import ROOT

PASSWORD = ("username", "password")
CLIENTS = {
    "AsyncGrowatt": (GROWATT, PASSWORD, "mix", "growatt", ()),
    "AsyncGrowattToken": (GROWATT, ("token",), "mix", "growatt", ()),
    "AsyncGrowattPortal": (GROWATT, PASSWORD, "tlx", "growatt", ()),
    "AsyncGoodWe": (GOODWE, PASSWORD, "hybrid", "sems", ()),
    "AsyncGoodWe, SEMS Portal": (GOODWE, PASSWORD, "hybrid", "sems", ("classic",)),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each operation is run in a fork of a process without modules")
@pytest.mark.parametrize("client", CLIENTS)
def test_operations_import_no_module_on_the_event_loop(client, tmp_path):
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    emulation, secrets, family, server, faults = CLIENTS[client]
    emulator = build_emulator(EmulatorOptions(start=loop_imports.NOON, speed=0, accounts=1, faults=faults), [emulation])
    plant = next(one for one in emulator.accounts[0].plants if one.family == family)
    with serve_in_thread(emulator) as ready:
        given = {
            "client": client.partition(",")[0],
            "credentials": [ready["accounts"][0][name] for name in secrets],
            "server": ready[server],
            "control": ready["url"],
            "folder": str(tmp_path),
            "device": {"vendor": emulation.vendor, "plant": plant.id, "id": plant.devices[0], "family": family},
        }
        command = [sys.executable, "-m", "support.loop_imports", json.dumps(given)]
        paths = os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests")))
        done = run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {name: [] for name in found}
    assert found.keys() >= {"plants", "snapshot", "live", "events"}
