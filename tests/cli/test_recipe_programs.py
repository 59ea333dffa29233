"""Recipes in the programs they are for: Node-RED and EMHASS.

Node-RED is installed by `npm ci --ignore-scripts --prefix tests/peers/node-red`, as CI does. EMHASS is large: it is run
if HELIOGRAPH_EMHASS is the Python of an environment with `pip install emhass==0.18.7`. evcc, openHAB, Predbat and
Grafana are not packages of Debian, Python or Node: what they compute is run by jq, by the patterns of the
transformations, and by Prometheus (test_recipe.py, test_prometheus.py). ioBroker's script is run by Node with its
functions replaced.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from heliograph.cli.main import run
from heliograph.store.base import Batch, PollStatus
from support.website import HOME, Still, home, served, written

NODE_RED = Path(__file__).parent.parent / "peers/node-red"
NODE = shutil.which("node")
TOKEN = "a-token-nobody-guesses"
PATIENCE = 120


@pytest.fixture
def plant(tmp_path, monkeypatch, capsys):
    """A page with one plant that has measured now, and the command `recipe` for it."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    now = int(time.time())
    polls = Batch(polls=[PollStatus(HOME, now, 300, now + 300)])
    where, clock = written(tmp_path / "samples.sqlite", home(now), polls), Still(now)
    with served(where, clock=clock, token=TOKEN) as site:
        config = '[serve]\nhost = "0.0.0.0"\ntoken = "placeholder-not-used"\n'
        (tmp_path / "config.toml").write_text(config)
        (tmp_path / "config.toml").chmod(0o600)

        def recipe(name):
            assert run(["recipe", name, "--store", str(where), "--url", site.address.rstrip("/")]) == 0
            return capsys.readouterr().out.replace("TOKEN", TOKEN)

        yield recipe, clock


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Program:
    """A running program, whose output is read on a thread so that it never waits for us."""

    def __init__(self, *command, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self._process = subprocess.Popen([str(word) for word in command], **pipes, **options)
        self._lines, self.output = Queue(), ""
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, pattern):
        """Return the match in what the program has printed since the last one."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.output, re.DOTALL)):
            try:
                line = self._lines.get(timeout=max(until - time.monotonic(), 0.01))
            except Empty:
                line = None
            assert line is not None, f"{pattern!r} is not in:\n{self.output}"
            self.output += line
        self.output = self.output[found.end() :]
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)
        self._thread.join(30)
        self._process.stdout.close()


@pytest.mark.skipif(
    NODE is None, reason="node is not installed; to run the flow in Node-RED: apt-get install nodejs npm"
)
@pytest.mark.skipif(
    not (NODE_RED / "node_modules/node-red").is_dir(),
    reason="Node-RED is not installed; run: npm ci --ignore-scripts --prefix tests/peers/node-red",
)
def test_node_red_passes_current_values_and_shows_why_it_passes_none(plant, tmp_path):
    recipe, clock = plant
    flow = json.loads(recipe("node-red"))
    (out,) = (one for one in flow if one["type"] == "debug")
    guard = next(one["id"] for one in flow if one["id"].endswith("_guard"))
    out["console"] = True  # the same message, but where a test sees it
    watch = {"z": "heliograph", "x": 1, "y": 1}
    flow += [
        {"id": "status", "type": "status", "scope": [guard], "wires": [["shown"]], **watch},
        {"id": "shown", "type": "debug", "name": "shown", "complete": "status", "console": True, "wires": [], **watch},
    ]
    port = free_port()
    command = [NODE, NODE_RED / "node_modules/node-red/red.js", "--userDir", tmp_path / "red", "--port", port]
    with Program(*command, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_UPDATE_NOTIFIER": "1"}) as red:
        red.wait_for("Started flows|Server now running.*?\n")

        def deploy():
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/flows",
                json.dumps(flow).encode(),
                {"Content-Type": "application/json", "Node-RED-Deployment-Type": "full"},
            )
            with urllib.request.urlopen(request, timeout=60) as reply:
                assert reply.status == 204

        deploy()
        values = red.wait_for(r"\[debug:Home out\]\s*(\{.*?\n\})")[1]
        assert re.search(r"grid_power: -700\.5\b", values)
        assert re.search(r"pv_energy_total: 4567\.8\b", values)
        clock.moment += 4 * 3600
        deploy()
        shown = red.wait_for(r"\[debug:shown\].*?fill: 'red'.*?text: '(\S+)'")[1]
        assert shown in {"stale", "not-polled", "offline-unexpected"}
        assert "Home out" not in red.output


class HistoryOfHomeAssistant(BaseHTTPRequestHandler):
    """Answers history requests as Home Assistant does: a day of states every five minutes from the time asked for."""

    asked: ClassVar[set] = set()

    def do_GET(self):
        path = urlsplit(self.path)
        body = {"version": "2026.11.0", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
        if path.path.startswith("/api/history/period/"):
            (entity,) = parse_qs(path.query)["filter_entity_id"]
            self.asked.add(entity)
            start = datetime.fromisoformat(path.path.rpartition("/")[2])
            body = [[self.state(entity, start + timedelta(minutes=minute)) for minute in range(0, 24 * 60, 5)]]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    @staticmethod
    def state(entity, at):
        watts = max(0, 4000 - 600 * abs(at.hour - 12)) if entity.endswith("pv_power") else 450
        return {
            "entity_id": entity,
            "state": f"{watts}",
            "last_changed": at.isoformat(),
            "last_updated": at.isoformat(),
        }

    def log_message(self, *_):
        pass


@pytest.mark.skipif(
    not os.environ.get("HELIOGRAPH_EMHASS"),
    reason="EMHASS is not installed: with `pip install emhass` in an environment, name its Python in HELIOGRAPH_EMHASS",
)
def test_emhass_optimises_with_the_sensors_of_the_recipe(plant, tmp_path):
    recipe, _ = plant
    settings = json.loads(recipe("emhass"))
    pv, load = settings["sensor_power_photovoltaics"], settings["sensor_power_load_no_var_loads"]
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "data").mkdir()
    HistoryOfHomeAssistant.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), HistoryOfHomeAssistant) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        secrets = {
            "hass_url": f"http://127.0.0.1:{server.server_address[1]}/",
            "long_lived_token": "t",
            "time_zone": "UTC",
        }
        secrets |= {"Latitude": 52.5, "Longitude": 13.4, "Altitude": 40}
        (tmp_path / "secrets.yaml").write_text("".join(f"{name}: {value}\n" for name, value in secrets.items()))
        places = [
            "--config",
            tmp_path / "config.json",
            "--secrets",
            tmp_path / "secrets.yaml",
            "--data",
            tmp_path / "data",
        ]
        program = "from emhass.command_line import main_sync; main_sync()"
        done = subprocess.run(
            [os.environ["HELIOGRAPH_EMHASS"], "-c", program, "--action", "perfect-optim", *places],
            capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path,
        )  # fmt: skip
        server.shutdown()
    assert done.returncode == 0, done.stderr[-3000:]
    assert HistoryOfHomeAssistant.asked == {pv, load}
    (plan,) = (tmp_path / "data").glob("opt_res_perfect_optim*.csv")
    rows = list(csv.DictReader(io.StringIO(plan.read_text())))
    assert max(float(row["P_PV"]) for row in rows) == pytest.approx(4000, abs=600)
    assert {float(row["P_Load"]) for row in rows} == {450.0}
