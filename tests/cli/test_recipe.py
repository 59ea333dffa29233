"""The command `recipe`: every recipe is read by its language, and run against the real API where it computes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml

import heliograph
import heliograph.web
from heliograph.cli.main import run
from heliograph.cli.recipes.programs import RECIPES
from heliograph.current import CurrentState
from heliograph.outputs.mqtt.discovery import describe_plant
from heliograph.outputs.mqtt.topics import Topics
from heliograph.store import open_store
from heliograph.store.base import Batch, PollStatus, Series, SeriesInfo
from support.paths import DOCS
from support.website import HOME, HOSTILE, Still, entry, home, served, written

NOW = int(time.time())
SHED = Series("goodwe", "a/b c")
VALUES = {"pv_power": 0.0, "grid_power": -700.5, "pv_energy_total": 4567.8}


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A store with a plant with a battery, and one without whose name and ID are hostile."""
    title = HOSTILE[1] + HOSTILE[2]
    shed = Batch(
        samples=[entry(SHED, NOW - 60, **VALUES)],
        series_info=[SeriesInfo(SHED, title, None, "Europe/Berlin")],
        polls=[PollStatus(one, NOW, 300, NOW + 300) for one in (HOME, SHED)],
    )
    return written(tmp_path_factory.mktemp("recipe") / "samples.sqlite", home(NOW), shed)


@pytest.fixture(scope="module")
def site(where):
    with served(where, clock=Still(NOW), token="a-token-nobody-guesses") as site:
        yield site


@pytest.fixture
def run_recipe(where, capsys, tmp_path, monkeypatch):
    """Run the command; return exit code, stdout and stderr."""
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))

    def run_and_capture(*words, config=""):
        (tmp_path / "config.toml").write_text(config)
        (tmp_path / "config.toml").chmod(0o600)
        code = run(["recipe", *words, "--store", str(where)])
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    return run_and_capture


def answer(site, url):
    reply = site.ask(re.sub(r"^https?://[^/]+", "", url), Authorization="Bearer a-token-nobody-guesses")
    assert reply.status == 200, url
    return reply.body.decode()


def jq(expression, text):
    if not shutil.which("jq"):
        pytest.skip("jq is not installed; to run evcc's expressions: apt-get install jq")
    return subprocess.run(["jq", expression], input=text, capture_output=True, text=True, timeout=60, check=False)


def test_evcc_meters_read_the_current_values_of_the_api(run_recipe, site):
    code, out, _ = run_recipe("evcc")
    assert code == 0
    config = yaml.safe_load(out)
    expected = {
        "home_pv": {"power": 1500, "energy": 4567.8},
        "home_grid": {"power": -700.5},
        "home_battery": {"power": -300, "soc": 55},
    }
    meters = {meter["name"]: meter for meter in config["meters"]}
    for name, values in expected.items():
        found = {part: source for part, source in meters[name].items() if part not in ("name", "type")}
        assert found.keys() == values.keys()
        for part, value in values.items():
            source = found[part]
            assert (source["source"], meters[name]["type"]) == ("http", "custom")
            done = jq(source["jq"], answer(site, source["uri"]))
            assert (done.stderr, json.loads(done.stdout)) == ("", value)
    used = config["site"]["meters"]
    assert {used["grid"], *used["pv"], *used["battery"]} <= meters.keys()
    assert used["battery"] == ["home_battery"]


@pytest.mark.parametrize("change", [
    {"freshness": "stale"}, {"freshness": "not-polled"}, {"freshness": "offline-unexpected"},
    {"measured_at": "2026-01-01T00:00:00Z"}, {"measured_at": None}, {"values": {"grid_power": None}},
])  # fmt: skip
def test_evcc_meter_is_an_error_while_its_value_is_not_current(run_recipe, site, change):
    meters = {meter["name"]: meter for meter in yaml.safe_load(run_recipe("evcc", "--plant", "11")[1])["meters"]}
    source = meters["home_grid"]["power"]
    plant = json.loads(answer(site, source["uri"])) | change
    done = jq(source["jq"], json.dumps(plant))
    assert (done.returncode, done.stdout) == (5, "")


def test_evcc_meter_of_panels_is_zero_at_night_only(run_recipe, site):
    (meter,) = (m for m in yaml.safe_load(run_recipe("evcc")[1])["meters"] if m["name"] == "home_pv")
    plant = json.loads(answer(site, meter["power"]["uri"])) | {"values": {"pv_power": None}}
    assert jq(meter["power"]["jq"], json.dumps(plant | {"freshness": "offline-expected"})).stdout == "0\n"
    assert jq(meter["power"]["jq"], json.dumps(plant)).returncode == 5


def test_recipes_contain_a_placeholder_and_never_the_token(run_recipe):
    config = '[serve]\nhost = "0.0.0.0"\nport = 9000\ntoken = "a-token-nobody-guesses"\n'
    for name in ("evcc", "grafana", "openhab", "iobroker", "node-red"):
        code, out, err = run_recipe(name, config=config)
        assert (code, "nobody-guesses" in out + err) == (0, False)
        assert ":9000" in out
    source = yaml.safe_load(run_recipe("evcc", config=config)[1])["meters"][0]["power"]
    assert source["auth"] == {"type": "bearer", "token": "TOKEN"}


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "emhass"])
def test_every_recipe_of_a_plant_with_a_hostile_name_is_readable(run_recipe, name):
    code, out, err = run_recipe(name, "--json")
    assert (code, err) == (0, "")
    for file in json.loads(out)["files"]:
        text = file["text"]
        assert "<script" not in text
        assert "\x1b" not in text
        if file["name"].endswith((".yaml", ".yml")):
            assert yaml.safe_load(text)
        elif file["name"].endswith(".json"):
            assert json.loads(text)
        assert run_recipe(name)[1].count(text) == 1


def test_predbat_and_emhass_name_the_entities_of_discovery(run_recipe, where):
    with open_store(where) as store:
        (plant,) = (one for one in CurrentState(store).plants(NOW) if one.series == HOME)
    metrics = [metric for metric, value in plant.values.items() if value is not None]
    device = describe_plant(Topics("heliograph"), plant, metrics)
    names = {f"sensor.home_{entity.name.lower().replace(' ', '_')}" for entity in device.entities}
    assert device.device_info["name"] == "Home"
    assert "sensor.home_pv_power" in names
    predbat = yaml.safe_load(run_recipe("predbat", "--plant", "Home")[1])["pred_bat"]
    sensors = {one for key, found in predbat.items() if key != "grid_power_invert" for one in found}
    assert (sensors <= names, predbat["grid_power_invert"]) == (True, [True])
    assert predbat["soc_percent"] == ["sensor.home_battery_state_of_charge"]
    emhass = json.loads(run_recipe("emhass", "--plant", "Home")[1])
    assert {emhass["sensor_power_photovoltaics"], emhass["sensor_power_load_no_var_loads"]} <= names
    assert emhass["set_use_battery"] is True


def test_recipes_for_home_assistant_need_no_web_packages(run_recipe, monkeypatch):
    monkeypatch.setattr(heliograph, "web", heliograph.web)  # imported anew below, and restored with the modules
    for module in [name for name in sys.modules if name.startswith(("starlette", "heliograph.web"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert run_recipe("predbat")[0] == 0
    assert "the JSON API needs starlette, which is not installed" in run_recipe("evcc")[2]


def test_emhass_needs_one_plant_that_measures_its_house(run_recipe):
    assert "select it with --plant" in run_recipe("emhass")[2]
    assert "has not measured both" in run_recipe("emhass", "--plant", "a/b c")[2]


def test_grafana_dashboard_is_the_documented_one(run_recipe):
    assert run_recipe("grafana-dashboard")[1] == (DOCS / "grafana-dashboard.json").read_text("utf-8")


def test_grafana_scrapes_the_page(run_recipe, site):
    files = {one["name"]: one["text"] for one in json.loads(run_recipe("grafana", "--json")[1])["files"]}
    (job,) = yaml.safe_load(files["prometheus.yml"])["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8765"]}]
    assert "heliograph_pv_power_watts" in answer(site, "http://127.0.0.1/metrics")


def test_openhab_channels_read_the_api(run_recipe, site):
    things, items = (one["text"] for one in json.loads(run_recipe("openhab", "--json")[1])["files"])
    urls = [url.replace("%%", "%") for url in re.findall(r'baseURL="([^"]+)"', things)]
    texts = [answer(site, url) for url in urls]
    (pattern,) = set(re.findall(r'"REGEX:((?:\\.|[^"])*)"', things))
    pattern = pattern.replace('\\"', '"')
    for text in texts:
        assert re.fullmatch(pattern, text, re.DOTALL)
        assert not re.fullmatch(pattern, text.replace('"live"', '"stale"'), re.DOTALL)
    paths = re.findall(r"JSONPATH:\$\.(?:values\.)?(\w+)", things)
    assert {"pv_power", "battery_soc", "freshness"} <= set(paths)
    assert all(f'"{path}"' in texts[0] for path in paths)
    channels = set(re.findall(r'channel="http:url:(\w+):(\w+)"', items))
    for thing, block in re.findall(r"Thing http:url:(\w+) .*?\{(.*?)\n\}", things, re.DOTALL):
        assert {name for of, name in channels if of == thing} == set(re.findall(r"Type \w+ : (\w+)", block))


def node(script):
    if not shutil.which("node"):
        pytest.skip("node is not installed; to run the scripts: apt-get install nodejs")
    done = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_iobroker_script_stores_current_values_and_null_otherwise(run_recipe, site):
    script = run_recipe("iobroker", "--plant", "11")[1]
    (url,) = re.findall(r'"url": "([^"]+)"', script)
    text = answer(site, url)
    for body, status, power, total in (
        (text, 200, 1500, 4567.8),
        (text.replace('"live"', '"stale"'), 200, None, 4567.8),
        ("", 503, None, None),
    ):
        stubs = f"""
            const states = {{}};
            const createState = (id) => {{ states[id] = undefined; }};
            const setState = (id, state) => {{ states[id] = state.val; }};
            const schedule = () => {{}};
            const response = {{statusCode: {status}, data: {json.dumps(body)}}};
            const httpGet = (url, options, callback) => callback(null, response);
        """
        states = node(f"{stubs}\n{script}\nconsole.log(JSON.stringify(states));")
        assert (states["heliograph.home.pv_power"], states["heliograph.home.pv_energy_total"]) == (power, total)
        assert "heliograph.home.battery_soc" in states


def test_node_red_flow_passes_current_values_only(run_recipe, site):
    flow = json.loads(run_recipe("node-red", "--plant", "11")[1])
    nodes = {one["id"]: one for one in flow}
    assert all(target in nodes for one in flow for wires in one.get("wires", ()) for target in wires)
    guard, request = nodes["heliograph_home_guard"], nodes["heliograph_home_get"]
    plant = json.loads(answer(site, request["url"]))
    for change, expected in (({}, -700.5), ({"freshness": "stale"}, None), ({"measured_at": None}, None)):
        message = json.dumps({"statusCode": 200, "payload": plant | change})
        body = json.dumps(guard["func"])
        result = node(
            f"const pass = new Function('msg', 'node', {body});"
            f"const out = pass({message}, {{status() {{}}}});"
            "console.log(JSON.stringify(out && out.payload.grid_power));"
        )
        assert result == expected


def test_recipe_lists_all(run_recipe):
    assert [line.split()[0] for line in run_recipe()[1].splitlines()] == list(RECIPES)
    assert [one["recipe"] for one in json.loads(run_recipe("--json")[1])] == list(RECIPES)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["evc"], "there is no recipe 'evc'; there are evcc, predbat"),
        (["evcc", "--plant", "x"], "there is no plant 'x'"),
        (["evcc", "--url", "solar.lan"], "--url 'solar.lan' is not like http://192.168.1.20:8765"),
        (["evcc", "--url", "http://a:b@solar.lan"], "is not like http://192.168.1.20:8765"),
    ],
)
def test_recipe_rejects_unknown_names_and_addresses(run_recipe, words, expected):
    code, out, err = run_recipe(*words)
    assert (code, out) == (2, "")
    assert expected in err


def test_recipe_uses_the_address_of_the_option(run_recipe):
    _, out, err = run_recipe("evcc", "--url", "https://solar.lan/")
    assert "uri: https://solar.lan/api/v1/plants/goodwe/a%2Fb%20c\n" in out
    assert "works on this machine only" not in err
