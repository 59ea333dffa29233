"""Compatibility test: every value that PyPI growatt-public-api reads from the emulated token API is the one we read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from heliograph import GrowattToken
from heliograph.core.parsing import parse_flag, parse_number
from heliograph.emulator.server import serve_in_thread
from heliograph.vendors.growatt.openapi import limits
from support.growatt_emulator import EmulatedCloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = Path(__file__).with_name("reads_token_api.py")
PEERS = Path(sys.prefix) / "peers"
"""Folder in which `make` installs versions that conflict with the others."""
DAY = date(2026, 6, 20)

pytestmark = pytest.mark.skipif(
    not (PEERS / "growatt_public_api").is_dir(),
    reason="growatt-public-api is not in the folder of outside versions; make installs it on Linux, Python < 3.14",
)

# The same reads by our client.
OURS: dict[str, Callable[[Any, dict[str, str], dict[str, str]], Any]] = {
    "plants": lambda api, plant, at: api.v1_plant_list().raw,
    "plant details": lambda api, plant, at: api.v1_plant_details(plant["mix"]).raw,
    "plant yield": lambda api, plant, at: api.v1_plant_data(plant["mix"]).raw,
    "plant yields": lambda api, plant, at: api.v1_plant_energy(plant["mix"], DAY - timedelta(6), DAY).raw,
    "plant power": lambda api, plant, at: api.v1_plant_power(plant["mix"], DAY).raw,
    "devices": lambda api, plant, at: api.v1_device_list(plant["mix"]).raw,
    "devices of V4": lambda api, plant, at: api.v4_device_list().raw,
    "model": lambda api, plant, at: api.v1_check_serial(at["wit"]).raw,
    "tlx": lambda api, plant, at: api.v1_last_data("tlx", at["tlx-battery"]).raw,
    "tlx by V4": lambda api, plant, at: {"min": [row.raw for row in api.v4_last_data(at["tlx-battery"], "min")]},
    "tlx history": lambda api, plant, at: api.v1_history("tlx", at["tlx-battery"], DAY, DAY).raw,
    "tlx settings": lambda api, plant, at: api.v1_min_settings(at["tlx-battery"]).raw,
    "tlx details": lambda api, plant, at: api.v1_device_info("tlx", at["tlx-battery"]).raw,
    "mix": lambda api, plant, at: api.v1_last_data("mix", at["mix"]).raw,
    "mix by V4": lambda api, plant, at: {"sph": [row.raw for row in api.v4_last_data(at["mix"], "sph")]},
    "mix history": lambda api, plant, at: api.v1_history("mix", at["mix"], DAY, DAY).raw,
    "mix details": lambda api, plant, at: api.v1_device_info("mix", at["mix"]).raw,
    "spa": lambda api, plant, at: api.v1_last_data("spa", at["spa"]).raw,
    "spa by V4": lambda api, plant, at: {"spa": [row.raw for row in api.v4_last_data(at["spa"], "spa")]},
    "storage": lambda api, plant, at: api.v1_last_data("storage", at["storage"]).raw,
    "storage by V4": lambda api, plant, at: {
        "storage": [row.raw for row in api.v4_last_data(at["storage"], "storage")]
    },
    "inverter": lambda api, plant, at: api.v1_inverter_last_data(at["inverter"]).raw,
    "inverter by V4": lambda api, plant, at: {"inv": [row.raw for row in api.v4_last_data(at["inverter"], "inv")]},
    "max": lambda api, plant, at: api.v1_last_data("max", at["max"]).raw,
    "max by V4": lambda api, plant, at: {"max": [row.raw for row in api.v4_last_data(at["max"], "max")]},
    "wit": lambda api, plant, at: {"wit": [row.raw for row in api.v4_last_data(at["wit"], "wit")]},
    "sph-s": lambda api, plant, at: {"sph-s": [row.raw for row in api.v4_last_data(at["sph-s"], "sph-s")]},
    "noah": lambda api, plant, at: {"noah": [row.raw for row in api.v4_last_data(at["noah"], "noah")]},
    "noah details": lambda api, plant, at: {"noah": [row.raw for row in api.v4_device_info(at["noah"], "noah")]},
    "meter": lambda api, plant, at: api.v1_meter_last_data(f"LOG{plant['max']}", 1).raw,
    "meters": lambda api, plant, at: api.v1_meter_list(f"LOG{plant['max']}").raw,
}


@pytest.fixture(scope="module")
def reads() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield what the library and what our client read."""
    cloud = EmulatedCloud(extra_plants=("max", "sph-s", "wit"))
    plant = {one.family: one.id for one in cloud.holder.plants}
    at = {one.family: one.devices[0] for one in cloud.holder.plants}
    with serve_in_thread(cloud.emulator) as ready, pytest.MonkeyPatch.context() as patch:
        token, server = ready["accounts"][0]["token"], ready["growatt"]
        process = subprocess.run(
            [sys.executable, str(SCRIPT)],
            input=json.dumps({"token": token, "server": server.rstrip("/"), "plants": plant, "devices": at}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(PEERS)},
        )
        assert process.returncode == 0, process.stderr[-3000:]
        patch.setattr(limits, "GAP", 0.0)
        ours = {}
        with GrowattToken(token, server=server, keeper=None) as client:
            client.v4_signal(at["mix"], "sph")  # finds the region
            for name, read in OURS.items():
                # The emulator answers an equal call again after five minutes only.
                cloud.holder.state.pop("openapi")
                ours[name] = read(client, plant, at)
        yield json.loads(process.stdout), ours


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value of an answer with its path, names without case and underscores."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name.replace("_", "").lower()))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, str(number)))
    elif value is not None and value != "":
        yield path, value


def is_equal(one: Any, other: Any) -> bool:
    """Compare a value of the library, which has types of its own, with one as sent."""
    if isinstance(one, bool):
        return parse_flag(other) is one
    if isinstance(one, int | float):
        return parse_number(other) == pytest.approx(one, abs=1e-6)
    if other == one:
        return True
    if isinstance(other, int):
        # V4's times are numbers; the library returns them in UTC.
        return datetime.fromisoformat(one).timestamp() * 1000 == other
    texts = (str(other).replace(" ", "T"), f"{other}:00".replace(" ", "T"))
    clock = [f"{int(part):02d}" for part in str(other).split(":")] if str(other).replace(":", "").isdecimal() else []
    return one in texts or one == ":".join([*clock, "00"][:3])


_APP_SETTINGS = (
    *("brazilrule", "dtc", "islgbattery", "modbusversion", "prioritychoose", "seasonyeartime"),
    *("sysmtncavail", "winterormaintain", "yearsettingflag"),
)
# The library looks for these two under other names.
_DISCHARGE = ("edischarge1today", "edischarge1total")
NOT_READ: dict[str, tuple[str, ...]] = {
    "tlx settings": _APP_SETTINGS,
    "tlx details": _APP_SETTINGS,
    # Growatt's documentation of V1 lacks "epvtoday", which devices report and Home Assistant reads.
    "mix": (*_DISCHARGE, "epvtoday"),
    "mix history": (*_DISCHARGE, "epvtoday"),
    "mix details": ("wchargesoclowlimit", "wdischargesoclowlimit"),
    "spa": (*_DISCHARGE, "ppv"),
    "spa by V4": (*_DISCHARGE, "ppv"),
    "max": ("inverterid",),
    "max by V4": ("inverterid",),
    "noah details": ("nominalpower",),
    "meters": ("raillog",),
}
"""Names that only our client reads, by read."""
_SERIALS = {"datalogsn", "lost", "serialnum"}
"""Members of all emulated measurements; some families of the cloud do not have them."""


@pytest.mark.parametrize("name", OURS)
def test_each_value_that_the_library_reads_is_ours(reads: Any, name: str) -> None:
    theirs, ours = (side[name] for side in reads)
    theirs = theirs.get("data", theirs)
    found, compared, wrong = dict(leaves(theirs)), 0, {}
    for path, value in leaves(ours):
        if path in found:
            compared += 1
            if not is_equal(found[path], value):
                wrong[path] = (found[path], value)
    assert wrong == {}
    missing = {path[-1] for path, _ in leaves(ours) if path not in found and "calendar" not in path}
    assert missing <= _SERIALS | set(NOT_READ.get(name, ()))
    assert compared >= 2
