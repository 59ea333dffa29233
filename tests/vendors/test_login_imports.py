"""Modules that a login needs are imported before it is sent: an import may fail, for want of files or memory."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

import heliograph
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread

LOGIN = """
import asyncio, sys
import heliograph, heliograph.client
from heliograph.transports import pyreqwest_pool, sockets
from heliograph.keeper import Keeper
from pathlib import Path
name, folder, *arguments, server = sys.argv[1:]
modules = []
def noting_modules(prepare):
    def note(*call):
        prepared = prepare(*call)
        modules.append(set(sys.modules))
        return prepared
    return note
pyreqwest_pool._built = noting_modules(pyreqwest_pool._built)
sockets._encoded = noting_modules(sockets._encoded)
client = getattr(heliograph, name)(*arguments, server=server, keeper=Keeper(Path(folder)))
async def log_in():
    await client.log_in()
asyncio.run(log_in()) if name.startswith("Async") else client.log_in()
print(*sorted(set(sys.modules) - modules[0]))
"""


@pytest.mark.parametrize("prefix", ["", "Async"])
@pytest.mark.parametrize(
    ("vendor", "emulation", "path", "faults"),
    [("Growatt", GROWATT, "", ()), ("GoodWe", GOODWE, "/api", ()), ("GoodWe", GOODWE, "/api", ("classic",))],
    ids=["growatt", "sems-plus", "sems-portal"],
)
def test_login_imports_nothing_between_request_and_outcome(prefix, vendor, emulation, path, faults, tmp_path):
    start = datetime.fromisoformat("2026-06-21T12:00:00+02:00")
    emulator = build_emulator(EmulatorOptions(start=start, speed=0, accounts=1, faults=faults), [emulation])
    with serve_in_thread(emulator) as ready:
        account = ready["accounts"][0]
        words = [f"{prefix}{vendor}", tmp_path, account["username"], account["password"], f"{ready['url']}{path}"]
        environ = os.environ | {"PYTHONPATH": str(Path(heliograph.__file__).parent.parent)}
        done = subprocess.run(
            [sys.executable, "-c", LOGIN, *map(str, words)], env=environ, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
