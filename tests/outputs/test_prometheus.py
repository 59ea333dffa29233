"""Tests of the Prometheus exposition: names, units, missing values and labels, with promtool and a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from heliograph.collect.freshness import Freshness
from heliograph.current import CurrentState
from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import Status
from heliograph.outputs.prometheus import _DEVICE_UNITS, device_metric_name, exposition, metric_name
from heliograph.outputs.sink import SinkProgress
from heliograph.store import open_store
from heliograph.store.base import Batch, PollStatus, Series
from support.paths import DOCS
from support.website import HOSTILE, NOON, TOKEN, accounts, home, hostile, served, written

DASHBOARD = DOCS / "grafana-dashboard.json"
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
ROOF = 'vendor="growatt",plant="11",name="Home"'


@pytest.fixture(scope="module")
def store_path(tmp_path_factory):
    return written(tmp_path_factory.mktemp("prometheus") / "samples.sqlite", home(), hostile())


@pytest.fixture(scope="module")
def plants(store_path):
    with open_store(store_path) as store:
        return CurrentState(store).plants(NOON)


@pytest.fixture(scope="module")
def text(plants):
    return exposition(plants, accounts(), [SinkProgress("influx", sent=12, newest=NOON, problem="away")])


def values(text):
    """Return every line's value by its name and labels."""
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_exposition_values_are_in_base_units(text):
    found = values(text)
    assert found[f"heliograph_pv_power_watts{{{ROOF}}}"] == "1500.0"
    assert found[f"heliograph_grid_power_watts{{{ROOF}}}"] == "-700.5"
    assert found[f"heliograph_battery_soc_ratio{{{ROOF}}}"] == "0.55"
    assert found[f"heliograph_pv_energy_today_joules{{{ROOF}}}"] == "44280000.0"
    assert float(found[f"heliograph_pv_energy_joules_total{{{ROOF}}}"]) == 4567.8 * 3.6e6


def test_metric_name_is_unique_for_every_metric():
    names = [metric_name(metric) for metric in METRICS.values()]
    assert len(set(names)) == len(METRICS)
    assert all(
        re.fullmatch(r"[a-z_]+_(watts|joules|joules_total|ratio|volts|amperes|hertz|celsius)", one) for one in names
    )


def test_exposition_omits_missing_values(text):
    assert "heliograph_ac_power_watts" not in text
    assert "load_energy" not in text


def test_exposition_omits_stale_values(store_path):
    with open_store(store_path) as store:
        text = exposition(CurrentState(store).plants(NOON + 86400), ())
    assert "heliograph_pv_power_watts" not in text
    assert "heliograph_pv_energy_today_joules" not in text
    assert f"heliograph_pv_energy_joules_total{{{ROOF}}}" in text
    assert values(text)[f"heliograph_sample_timestamp_seconds{{{ROOF}}}"] == str(NOON)


def test_exposition_freshness_and_status_are_state_sets(text):
    found = values(text)
    for family, word, states in (("freshness", "freshness", Freshness), ("status", "status", Status)):
        states_of_family = {one: found[f'heliograph_plant_{family}{{{ROOF},{word}="{one}"}}'] for one in states}
        assert sorted(states_of_family.values()) == ["0.0"] * (len(states) - 1) + ["1.0"]
    assert found[f'heliograph_plant_freshness{{{ROOF},freshness="live"}}'] == "1.0"


def test_exposition_marks_provisional_values(plants):
    (roof,) = [one for one in plants if one.series == Series("growatt", "11")]
    found = values(exposition([replace(roof, provisional=frozenset({"pv_energy_today"}))], ()))
    marks = {line: value for line, value in found.items() if "provisional" in line}
    assert marks == {f'heliograph_value_provisional{{{ROOF},metric="pv_energy_today"}}': "1.0"}


def test_exposition_of_a_plant_that_is_not_polled_reports_the_next_poll(tmp_path):
    locked = PollStatus(Series("growatt", "11"), NOON + 20, 720, NOON + 90_000, "locked")
    with open_store(written(tmp_path / "s.sqlite", home(), Batch(polls=[locked]))) as store:
        found = values(exposition(CurrentState(store).plants(NOON + 7200), ()))
    assert found[f'heliograph_plant_freshness{{{ROOF},freshness="not-polled"}}'] == "1.0"
    assert found[f'heliograph_plant_freshness{{{ROOF},freshness="offline-unexpected"}}'] == "0.0"
    assert found[f"heliograph_polled_timestamp_seconds{{{ROOF}}}"] == str(NOON + 20)
    assert found[f"heliograph_next_poll_timestamp_seconds{{{ROOF}}}"] == str(NOON + 90_000)
    assert found[f"heliograph_poll_interval_seconds{{{ROOF}}}"] == "720"


def test_exposition_omits_unknown_status(plants):
    (one,) = (one for one in plants if one.series.vendor == "growatt")
    assert "plant_status" not in exposition([replace(one, status=None)], ())


def test_exposition_separates_device_and_plant_metrics(text):
    device = 'vendor="growatt",plant="11",device="SN1",name="Roof"'
    assert values(text)[f"heliograph_device_pv_power_watts{{{device}}}"] == "1500.0"
    assert 'device="SN1"' not in "".join(line for line in text.splitlines() if line.startswith("heliograph_pv_"))


def test_exposition_has_account_budget_lock_and_sink_metrics(text):
    found = values(text)
    account = 'account="growatt",vendor="growatt"'
    assert found[f"heliograph_account_requests_used{{{account}}}"] == "120"
    assert found[f"heliograph_account_requests_limit{{{account}}}"] == "500"
    assert found[f"heliograph_account_problem{{{account}}}"] == "0.0"
    lock = f'heliograph_account_pause_until_timestamp_seconds{{{account},kind="locked"}}'
    assert float(found[lock]) == NOON + 86400
    assert found['heliograph_account_problem{account="half\\" evil 1",vendor="goodwe"}'] == "1.0"
    assert found['heliograph_sink_samples_total{sink="influx"}'] == "12"
    assert found['heliograph_sink_problem{sink="influx"}'] == "1.0"


def test_exposition_lines_are_valid_for_hostile_names(text):
    for line in text.splitlines():
        assert line.isprintable()
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP heliograph_\w+ [\w ,;.:+-]+|TYPE heliograph_\w+ (gauge|counter))", line)
        else:
            label = r'\w+="(?:[^"\\\n]|\\[\\"n])*"'
            assert re.fullmatch(rf"heliograph_\w+\{{{label}(?:,{label})*\}} [-+.e\d]+", line)
    assert "evil" not in {line.split("{")[0] for line in text.splitlines()}
    assert max(map(len, text.splitlines())) < 500


def test_exposition_without_plants_and_accounts_is_empty():
    assert exposition((), ()) == ""


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_exposition_passes_promtool(text):
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class PrometheusServer:
    """A Prometheus that scrapes one site every second."""

    def __init__(self, site, folder):
        self.port = _free_port()
        (folder / "token").write_text(TOKEN)
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            "scrape_configs:\n- job_name: heliograph\n  metrics_path: /metrics\n"
            "  authorization: {credentials_file: token}\n"
            f"  static_configs: [{{targets: ['127.0.0.1:{site.port}']}}]\n"
        )
        self.log = (folder / "log").open("w+")
        self.program = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self.log,
            stderr=self.log,
            text=True,
        )

    def run_query(self, query):
        """Return the result of a query; raises HTTPError for an invalid one."""
        parameters = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{parameters}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def wait_for(self, query):
        """Repeat a query until it has a result."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.program.poll() is None, self._read_log()
            try:
                if found := self.run_query(query):
                    return found
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(self._read_log())

    def _read_log(self):
        self.log.seek(0)
        return self.log.read()

    def end(self):
        self.program.terminate()
        self.program.wait(30)
        self.log.close()


def _free_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def prometheus_server(store_path, tmp_path_factory):
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed")
    sinks = [SinkProgress("influx", sent=12, newest=NOON)]
    with served(store_path, token=TOKEN, sinks=lambda: sinks) as site:
        server = PrometheusServer(site, tmp_path_factory.mktemp("server"))
        try:
            server.wait_for("count_over_time(heliograph_pv_energy_joules_total[1m]) > 2")
            yield server
        finally:
            server.end()


def test_prometheus_scrapes_every_line_with_token(prometheus_server, text):
    (found,) = prometheus_server.run_query('heliograph_pv_power_watts{plant="11"}')
    assert found["value"][1] == "1500"
    assert found["metric"]["name"] == "Home"
    assert prometheus_server.run_query("up")[0]["value"][1] == "1"
    (scraped,) = prometheus_server.run_query("scrape_samples_post_metric_relabeling")
    assert int(scraped["value"][1]) == len(values(text))


def test_prometheus_parses_hostile_names(prometheus_server):
    found = {
        one["metric"]["plant"]: one["metric"]["name"]
        for one in prometheus_server.run_query('heliograph_pv_power_watts{vendor="goodwe"}')
    }
    assert len(found) == len(HOSTILE)
    assert found["h0"] == HOSTILE[0]
    assert found["h1"] == HOSTILE[1]
    assert found["h2"] == "line break  # TYPE evil counter evil 1"
    assert found["h3"] == "\N{REPLACEMENT CHARACTER}[2Jcleared\N{REPLACEMENT CHARACTER}"
    assert found["h6"] == HOSTILE[6]
    assert not prometheus_server.run_query("evil")


def queries(panels):
    for panel in panels:
        yield from queries(panel.get("panels", ()))
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


QUERIES = list(queries(json.loads(DASHBOARD.read_text())["panels"]))


@pytest.mark.parametrize(
    ("title", "query"), QUERIES, ids=[f"{title}-{place}" for place, (title, _) in enumerate(QUERIES)]
)
def test_dashboard_query_returns_data(prometheus_server, title, query):
    for variable, value in {"$vendor": ".*", "$plant": ".*", "$__rate_interval": "1m", "$__range": "1m"}.items():
        query = query.replace(variable, value)
    assert "$" not in query
    assert prometheus_server.run_query(query)


def test_dashboard_uses_only_exported_metrics(text):
    exported = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    exported |= {"heliograph_" + metric_name(metric) for metric in METRICS.values()}
    referenced = set(re.findall(r"heliograph_\w+", DASHBOARD.read_text()))
    assert referenced <= exported


def test_dashboard_variables_refer_to_existing_labels(prometheus_server):
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    for one in variables:
        if one["type"] == "query":
            referenced, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", one["query"]["query"]).groups()
            assert all(label in found["metric"] for found in prometheus_server.run_query(referenced))


def test_documented_alerts_are_valid_queries(prometheus_server):
    alerts = re.findall(r"expr: (.+)", (DASHBOARD.parent / "prometheus.md").read_text())
    assert len(alerts) == 5
    for alert in alerts:
        prometheus_server.run_query(alert)


def test_exposition_timestamps_are_epoch_seconds(text):
    moment = float(values(text)[f"heliograph_fetched_timestamp_seconds{{{ROOF}}}"])
    assert datetime.fromtimestamp(moment, UTC) == datetime(2026, 6, 21, 10, 0, 20, tzinfo=UTC)


def test_exposition_of_device_metrics_has_the_part_as_label(plants):
    measured = {"pv2_voltage": 398.1, "leakage_current": 12.0, "pv2_energy_total": 2.0, "status_text": "Normal"}
    one = replace(plants[0], devices=(replace(plants[0].devices[0], measurements=measured | {"pv1_voltage": None}),))
    lines = {name: value for name, value in values(exposition([one], [])).items() if "device_part" in name}
    assert {(name.partition("{")[0], name.rpartition(",")[2]): value for name, value in lines.items()} == {
        ("heliograph_device_part_voltage_volts", 'part="pv2"}'): "398.1",
        ("heliograph_device_part_leakage_current_amperes", 'part="device"}'): "0.012",
        ("heliograph_device_part_energy_joules_total", 'part="pv2"}'): "7200000.0",
    }


def test_device_metric_names_and_parts_are_unique():
    numbers = [metric for metric in DEVICE_METRICS.values() if metric.kind != "text"]
    named = {(device_metric_name(metric, _DEVICE_UNITS[metric.unit][0]), metric.part) for metric in numbers}
    assert len(named) == len(numbers)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_exposition_of_every_device_metric_passes_promtool(plants):
    measured = {name: 1.0 for name, metric in DEVICE_METRICS.items() if metric.kind != "text"}
    one = replace(plants[0], devices=(replace(plants[0].devices[0], measurements=measured),))
    found = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=exposition([one], []), text=True, capture_output=True, check=False
    )
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
