"""The npm package growatt, run by Node against the emulated web portal: equal requests and equal data.

Install it with `npm ci --ignore-scripts --prefix tests/peers/npm`; its versions are locked by hash.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest

from heliograph.vendors.growatt.portal import GrowattPortal
from peers.recorder import recording

FOLDER = Path(__file__).parent / "npm"
NODE = shutil.which("node")
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed: the npm package growatt is not run"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules" / "growatt").is_dir(),
        reason="the npm package growatt is not installed; run: npm ci --ignore-scripts --prefix tests/peers/npm",
    ),
]
DAYS = ("2026-06-20", "2026-06-21")
TYPES = {
    "tlx": "tlx",
    "tlxh": "tlx-battery",
    "mix": "mix",
    "spa": "spa",
    "inv": "inverter",
    "storage": "storage",
    "noah": "noah",
}
TOTALS = {"inv": "inverter", "tlxh": "tlx"}


@pytest.fixture(scope="module")
def peer(growatt_at):
    """The outcomes of the npm package, its requests, and the devices it was asked for."""
    devices = {name: [growatt_at.plant[family], growatt_at.device[family]] for name, family in TYPES.items()}
    with recording(growatt_at.url) as recorder:
        done = subprocess.run(
            [
                str(NODE),
                "portal.js",
                recorder.url,
                growatt_at.username,
                growatt_at.password,
                json.dumps(devices),
                *DAYS,
            ],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        requests = recorder.take()
    return SimpleNamespace(outcomes=json.loads(done.stdout), requests=requests, devices=devices)


@pytest.fixture(scope="module")
def ours(growatt_at):
    """Our outcomes under the peer's names, and the requests of each."""
    found = {}
    with recording(growatt_at.url) as recorder:
        client = GrowattPortal(growatt_at.username, growatt_at.password, server=recorder.url, keeper=None)
        plant_list = client.portal_plants()
        login, listing = recorder.take()
        found["login"], found["plants"] = (None, [login]), ([one.raw for one in plant_list], [listing])
        for name, family in TYPES.items():
            plant, serial = growatt_at.plant[family], growatt_at.device[family]
            kind = TOTALS.get(name, name)
            calls = {
                "plant": partial(client.portal_plant, plant),
                "weather": partial(client.portal_weather, plant),
                "alarms": partial(client.portal_alarms, plant, DAYS[1]),
                "families": partial(client.portal_devices_by_family, plant),
                "devices": partial(client.portal_device_page, plant),
                "dataloggers": partial(client.portal_dataloggers, plant),
                "totals": partial(getattr(client, f"portal_{kind}_totals"), plant, serial),
                "history": partial(client.portal_history, {"inverter": "inv"}.get(kind, kind), serial, *DAYS),
            }
            if name in ("mix", "spa", "storage", "tlxh"):
                calls["status"] = partial(getattr(client, f"portal_{kind}_status"), plant, serial)
            for call, send in calls.items():
                found[f"{call} {name}"] = send().raw, recorder.take()
    return found


def wire(request):
    """Return what a server reads of a request: method, path and form."""
    body = request.body.decode() if isinstance(request.body, bytes) else ""
    return request.verb, request.path, sorted(parse_qsl(body, keep_blank_values=True))


def content(outcome, *, bare):
    value = outcome["value"]
    return value if bare else value["obj"]


def test_every_request_of_ours_is_one_of_the_peer(peer, ours):
    theirs = [wire(request) for request in peer.requests]
    for name, (_, requests) in ours.items():
        for request in requests:
            assert wire(request) in theirs, name


@pytest.mark.parametrize("what", ["plant", "weather", "alarms", "families", "devices", "totals", "status"])
def test_content_is_what_the_peer_reads(peer, ours, what):
    names = [name for name in ours if name.startswith(f"{what} ")]
    assert names
    for name in names:
        assert content(peer.outcomes[name], bare=False) == ours[name][0], name


def test_lists_without_envelope_are_what_the_peer_reads(peer, ours):
    assert peer.outcomes["plants"]["value"] == ours["plants"][0]
    for name in (f"dataloggers {kind}" for kind in TYPES):
        assert peer.outcomes[name]["value"] == ours[name][0], name


def test_history_is_what_the_peer_reads_apart_from_its_times(peer, ours):
    for kind in TYPES:
        theirs, own = peer.outcomes[f"history {kind}"]["value"], ours[f"history {kind}"][0]["datas"]
        assert len(theirs) == len(own) == 80
        for their_row, row in zip(theirs, own, strict=True):
            assert {**their_row, "time": None, "calendar": None} == {**row, "time": None, "calendar": None}


def test_peer_reads_everything_of_the_account_in_one_go(peer, growatt_at):
    everything = peer.outcomes["everything"]["value"]
    assert set(everything) == set(growatt_at.plant.values())
    for kind, family in TYPES.items():
        found = everything[growatt_at.plant[family]]["devices"][growatt_at.device[family]]
        assert found["growattType"] == kind
        assert found["deviceData"]["sn"] == growatt_at.device[family]
        assert found["totalData"]
        assert found["historyLast"]
    spa = everything[growatt_at.plant["spa"]]["devices"][growatt_at.device["spa"]]
    assert spa["statusData"]["lost"] == "spa.status.normal"


def test_peer_sees_refusals_and_ended_sessions_as_at_the_portal(peer):
    assert json.loads(peer.outcomes["wrong login"]["error"])["result"] == -2
    assert peer.outcomes["login"]["value"] == {"result": 1}
    assert "unexpected response" in peer.outcomes["unknown serial"]["error"]
    assert peer.outcomes["logout"]["value"] == {"result": 1, "msg": "OK"}
    for name in ("before login", "after logout"):
        assert "unexpected response" in peer.outcomes[name]["error"]
