"""Script for a separate process with growatt-public-api: prints what it reads by token, under the cloud's names."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Any

from growatt_public_api import GrowattApi

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = dt.date(2026, 6, 20)

# One read per row: the library's client, the plants and the main device of each family.
READS: dict[str, Callable[[Any, dict[str, str], dict[str, str]], Any]] = {
    "plants": lambda api, plant, at: api.plant.list(),
    "plant details": lambda api, plant, at: api.plant.details(plant["mix"]),
    "plant yield": lambda api, plant, at: api.plant.energy_overview(plant["mix"]),
    "plant yields": lambda api, plant, at: api.plant.energy_history(plant["mix"], DAY - dt.timedelta(6), DAY),
    "plant power": lambda api, plant, at: api.plant.power(plant["mix"], DAY),
    "devices": lambda api, plant, at: api.plant.list_devices(plant["mix"]),
    "devices of V4": lambda api, plant, at: api.device.list(),
    "model": lambda api, plant, at: api.device.type_info(at["wit"]),
    "tlx": lambda api, plant, at: api.min.energy(at["tlx-battery"]),
    "tlx by V4": lambda api, plant, at: api.min.energy_v4(at["tlx-battery"]),
    "tlx history": lambda api, plant, at: api.min.energy_history(at["tlx-battery"], DAY, DAY, limit=100),
    "tlx settings": lambda api, plant, at: api.min.settings(at["tlx-battery"]),
    "tlx details": lambda api, plant, at: api.min.details(at["tlx-battery"]),
    "mix": lambda api, plant, at: api.sph.energy(at["mix"]),
    "mix by V4": lambda api, plant, at: api.sph.energy_v4(at["mix"]),
    "mix history": lambda api, plant, at: api.sph.energy_history(at["mix"], DAY, DAY, limit=100),
    "mix details": lambda api, plant, at: api.sph.details(at["mix"]),
    "spa": lambda api, plant, at: api.spa.energy(at["spa"]),
    "spa by V4": lambda api, plant, at: api.spa.energy_v4(at["spa"]),
    "storage": lambda api, plant, at: api.storage.energy(at["storage"]),
    "storage by V4": lambda api, plant, at: api.storage.energy_v4(at["storage"]),
    "inverter": lambda api, plant, at: api.inverter.energy(at["inverter"]),
    "inverter by V4": lambda api, plant, at: api.inverter.energy_v4(at["inverter"]),
    "max": lambda api, plant, at: api.max.energy(at["max"]),
    "max by V4": lambda api, plant, at: api.max.energy_v4(at["max"]),
    "wit": lambda api, plant, at: api.wit.energy_v4(at["wit"]),
    "sph-s": lambda api, plant, at: api.sphs.energy_v4(at["sph-s"]),
    "noah": lambda api, plant, at: api.noah.energy_v4(at["noah"]),
    "noah details": lambda api, plant, at: api.noah.details_v4(at["noah"]),
    "meter": lambda api, plant, at: api.smart_meter.energy(f"LOG{plant['max']}", 1),
    "meters": lambda api, plant, at: api.datalogger.list_smart_meters(f"LOG{plant['max']}"),
}


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Return the data of each read, or the error that the library raises."""
    api = GrowattApi(request["token"], server_url=request["server"], use_cache=False)
    found = {}
    for name, read in READS.items():
        print(name, file=sys.stderr)
        answer = read(api, request["plants"], request["devices"])
        found[name] = answer.model_dump(mode="json", by_alias=True)
    return found


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
