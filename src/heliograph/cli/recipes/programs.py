"""The recipes: each returns the files of one program for the user's plants.

A value that is not current is an error in the other program, never an old number: every recipe checks `freshness`.
"""

from __future__ import annotations

import json
from importlib.resources import files
from textwrap import dedent, indent
from typing import TYPE_CHECKING

from heliograph.cli.recipes.plants import TOKEN, RecipeFile
from heliograph.errors import ConfigError
from heliograph.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.cli.recipes.plants import RecipeContext, RecipePlant

    Recipe = Callable[[RecipeContext], list[RecipeFile]]

REFRESH = 60
"""Seconds between two reads of the JSON API; it reads the store, and no cloud."""


def evcc(context: RecipeContext) -> list[RecipeFile]:
    """Return the meters of evcc: power in W, energy in kWh; evcc and Heliograph have the same signs."""
    meters: list[str] = []
    site: dict[str, list[str]] = {"grid": [], "pv": [], "battery": []}
    for plant in context.plants:
        for usage, power, energy in (
            ("pv", "pv_power", "pv_energy_total"),
            ("grid", "grid_power", "grid_import_energy_total"),
            ("battery", "battery_power", "battery_discharge_energy_total"),
        ):
            if not plant.has(power):
                continue
            name = f"{plant.slug}_{usage}"
            parts = {"power": _jq_current(plant, power)}
            if plant.has(energy):
                parts["energy"] = _jq_total(energy)
            if usage == "battery" and plant.has("battery_soc"):
                parts["soc"] = _jq_current(plant, "battery_soc")
            elif usage == "battery":
                continue
            meters.append(f"  # {plant.title}\n  - name: {name}\n    type: custom\n")
            meters += [f"    {part}:\n{_evcc_source(context, plant, jq)}" for part, jq in parts.items()]
            site[usage].append(name)
    if not meters:
        raise ConfigError("no plant has measured a power yet, so there is no meter for evcc")
    text = "meters:\n" + "".join(meters) + "\nsite:\n  title: Home\n  meters:\n"
    if len(site["grid"]) > 1:
        text += "    # evcc has one grid meter; choose the one at your grid connection\n"
    if site["grid"]:
        text += f"    grid: {site['grid'][0]}\n"
    text += "".join(f"    {usage}: [{', '.join(site[usage])}]\n" for usage in ("pv", "battery") if site[usage])
    return [RecipeFile("evcc.yaml", text)]


def _evcc_source(context: RecipeContext, plant: RecipePlant, jq: str) -> str:
    lines = ["source: http", f"uri: {plant.url}"]
    if context.has_token:
        lines += ["auth:", "  type: bearer", f"  token: {TOKEN}"]
    lines += ["timeout: 10s", "cache: 30s", "jq: >-", indent(jq, "  ")]
    return indent("\n".join(lines), " " * 6) + "\n"


def _jq_current(plant: RecipePlant, metric: str) -> str:
    """Return an expression with the current value; it fails if the plant is not live, or its data too old."""
    night = 'elif .freshness == "offline-expected" then 0\n' if metric == "pv_power" else ""
    return dedent("""\
        if .freshness == "live" and (now - (.measured_at | fromdateiso8601)) < {age}
        then (.values.{metric} // error("{metric} is unknown"))
        {night}else error("not current: \\(.freshness), measured at \\(.measured_at)") end""").format(
        age=plant.max_age, metric=metric, night=night
    )


def _jq_total(metric: str) -> str:
    return f'.values.{metric} // error("{metric} is unknown")'


def predbat(context: RecipeContext) -> list[RecipeFile]:
    """Return Predbat's sensors: those that Home Assistant discovers over MQTT."""
    lines = []
    for key, metric in (
        ("load_today", "load_energy_today"),
        ("import_today", "grid_import_energy_today"),
        ("export_today", "grid_export_energy_today"),
        ("pv_today", "pv_energy_today"),
        ("pv_power", "pv_power"),
        ("load_power", "load_power"),
        ("battery_power", "battery_power"),
        ("grid_power", "grid_power"),
        ("soc_percent", "battery_soc"),
    ):
        sensors = [plant.entities[metric] for plant in context.plants if plant.has(metric)]
        if sensors:
            lines += [f"  {key}:", *(f"    - {sensor}" for sensor in sensors)]
            # Predbat: export is positive. Heliograph: import is.
            lines += ["  grid_power_invert:", *("    - True" for _ in sensors)] if key == "grid_power" else []
    if not lines:
        raise ConfigError("no plant has measured a value for Predbat yet; run: heliograph collect")
    note = "  # These lines belong below `pred_bat:` in apps.yaml. They let Predbat read the plant, not control it.\n"
    return [RecipeFile("apps.yaml", "pred_bat:\n" + note + "\n".join(lines) + "\n")]


def emhass(context: RecipeContext) -> list[RecipeFile]:
    """Return EMHASS's sensors of one plant: the powers that Home Assistant discovers over MQTT."""
    (plant, *others) = context.plants
    if others:
        raise ConfigError("EMHASS optimises one plant; select it with --plant")
    if not plant.has("pv_power", "load_power"):
        raise ConfigError("EMHASS needs the power of panels and house, and this plant has not measured both")
    pv, load = (plant.entities[metric] for metric in ("pv_power", "load_power"))
    settings = {
        "sensor_power_photovoltaics": pv,
        "sensor_power_load_no_var_loads": load,
        "sensor_replace_zero": [pv],
        "sensor_linear_interp": [pv, load],
        "set_use_pv": True,
        "set_use_battery": plant.has("battery_soc"),
        "load_negative": False,
    }
    return [RecipeFile("config.json", json.dumps(settings, indent=2) + "\n")]


def grafana(context: RecipeContext) -> list[RecipeFile]:
    """Return the scrape job of Prometheus, and Grafana's provisioning of data source and dashboards."""
    scheme, _, address = context.base_url.partition("://")
    token = "    authorization: { credentials_file: /etc/prometheus/heliograph-token }\n" if context.has_token else ""
    secure = "    scheme: https\n" if scheme == "https" else ""
    prometheus = (
        "scrape_configs:\n  - job_name: heliograph\n    scrape_interval: 1m\n"
        f'{secure}{token}    static_configs:\n      - targets: ["{address}"]\n'
    )
    source = dedent("""\
        apiVersion: 1
        datasources:
          - name: Prometheus
            type: prometheus
            access: proxy
            url: http://127.0.0.1:9090
            isDefault: true
        """)
    dashboards = dedent("""\
        apiVersion: 1
        providers:
          - name: heliograph
            type: file
            options:
              path: /var/lib/grafana/dashboards   # put the output of `heliograph recipe grafana-dashboard` here
        """)
    return [
        RecipeFile("prometheus.yml", prometheus),
        RecipeFile("/etc/grafana/provisioning/datasources/heliograph.yaml", source),
        RecipeFile("/etc/grafana/provisioning/dashboards/heliograph.yaml", dashboards),
    ]


def grafana_dashboard(_: RecipeContext) -> list[RecipeFile]:
    """Return the dashboard; its plants are chosen in Grafana."""
    text = (files("heliograph.cli.recipes") / "grafana-dashboard.json").read_text("utf-8")
    return [RecipeFile("heliograph.json", text)]


def openhab(context: RecipeContext) -> list[RecipeFile]:
    """Return things of openHAB's HTTP binding, and items; a value that is not current becomes UNDEF."""
    things, items = [], []
    for plant in context.plants:
        header = f' headers="Authorization=Bearer {TOKEN}",' if context.has_token else ""
        names = [name for name in METRICS if plant.has(name)]
        channels = [
            f'        Type number : {name} "{name}" [ stateTransformation={_state_of(name)} ]' for name in names
        ]
        channels.append('        Type string : freshness "freshness" [ stateTransformation="JSONPATH:$.freshness" ]')
        url = plant.url.replace("%", "%%")  # the binding formats URLs, so a percent sign is doubled
        things += [
            f'Thing http:url:heliograph_{plant.slug} "{plant.title}" [ baseURL="{url}",{header} refresh={REFRESH} ] {{',
            "    Channels:",
            *channels,
            "}",
        ]
        for name in names:
            kind, unit = {"W": ("Power", "W"), "kWh": ("Energy", "kWh")}.get(METRICS[name].unit, ("Dimensionless", "%"))
            expiry = '"6m"' if METRICS[name].kind == "gauge" else '"2h"'
            items.append(
                f'Number:{kind} {plant.slug}_{name} "{plant.title} {name} [%.1f %unit%]" '
                f'{{ channel="http:url:heliograph_{plant.slug}:{name}", unit="{unit}", expire={expiry} }}'
            )
        items.append(
            f'String {plant.slug}_freshness "{plant.title} freshness [%s]" '
            f'{{ channel="http:url:heliograph_{plant.slug}:freshness" }}'
        )
    return [
        RecipeFile("things/heliograph.things", "\n".join(things) + "\n"),
        RecipeFile("items/heliograph.items", "\n".join(items) + "\n"),
    ]


def _state_of(metric: str) -> str:
    """Return the transformations of a channel: of a power only while the plant is live."""
    value = f'"JSONPATH:$.values.{metric}"'
    return value if METRICS[metric].kind != "gauge" else f'"REGEX:(.*\\"freshness\\": ?\\"live\\".*)", {value}'


_GUARD = """\
function current(plant, maxAge) {
    const age = (Date.now() - Date.parse(plant.measured_at)) / 1000;
    return plant.freshness === "live" && age < maxAge;
}
"""


def iobroker(context: RecipeContext) -> list[RecipeFile]:
    """Return a script for ioBroker's JavaScript adapter: one state per metric; a value that is not current is null."""
    plants = [
        {"id": plant.slug, "url": plant.url, "maxAge": plant.max_age, "metrics": _units(plant)}
        for plant in context.plants
    ]
    token = f", headers: {{Authorization: 'Bearer {TOKEN}'}}" if context.has_token else ""
    text = f"const plants = {json.dumps(plants, indent=4)};\n\n{_GUARD}" + dedent("""
        for (const plant of plants) {
            for (const [metric, unit] of Object.entries(plant.metrics)) {
                createState(`heliograph.${plant.id}.${metric}`, null,
                    {type: 'number', role: 'value', unit: unit, read: true, write: false});
            }
        }

        function readPlants() {
            for (const plant of plants) {
                httpGet(plant.url, {timeout: 10000@TOKEN@}, (error, response) => {
                    const found = error || response.statusCode !== 200 ? null : JSON.parse(response.data);
                    for (const metric of Object.keys(plant.metrics)) {
                        const lasting = metric.endsWith('_total') || metric.endsWith('_today');
                        const usable = found && (lasting || current(found, plant.maxAge));
                        const value = usable ? found.values[metric] : null;
                        // 0x42: the device is not connected
                        const quality = value === null ? 0x42 : 0;
                        setState(`heliograph.${plant.id}.${metric}`, {val: value, ack: true, q: quality});
                    }
                });
            }
        }

        schedule('* * * * *', readPlants);
        readPlants();
        """).replace("@TOKEN@", token)
    return [RecipeFile("heliograph.js", text)]


def node_red(context: RecipeContext) -> list[RecipeFile]:
    """Return a flow to import: one message per minute and plant with its values; none while they are not current."""
    nodes: list[dict[str, object]] = [{"id": "heliograph", "type": "tab", "label": "Heliograph", "disabled": False}]
    for row, plant in enumerate(context.plants):
        auth = f'msg.headers = {{Authorization: "Bearer {TOKEN}"}};\n' if context.has_token else ""
        guard = (
            f"{_GUARD}const plant = msg.payload;\n"
            f"if (msg.statusCode !== 200 || !current(plant, {plant.max_age})) {{\n"
            '    node.status({fill: "red", shape: "ring", text: plant.freshness || `HTTP ${msg.statusCode}`});\n'
            "    return null;\n}\n"
            'node.status({fill: "green", shape: "dot", text: plant.measured_at});\n'
            "msg.topic = plant.name;\nmsg.payload = plant.values;\nreturn msg;\n"
        )
        parts: dict[str, dict[str, object]] = {
            "start": {"type": "inject", "repeat": str(REFRESH), "once": True, "onceDelay": 1, "props": []},
            "token": {"type": "function", "func": f"{auth}return msg;\n", "outputs": 1},
            "get": {"type": "http request", "method": "GET", "ret": "obj", "url": plant.url},
            "guard": {"type": "function", "func": guard, "outputs": 1},
            "out": {"type": "debug", "active": True, "complete": "payload"},
        }
        if not auth:
            del parts["token"]
        ids = {part: f"heliograph_{plant.slug}_{part}" for part in parts}
        for column, (part, more) in enumerate(parts.items()):
            following = list(ids.values())[column + 1 : column + 2]
            place = {"z": "heliograph", "x": 140 + 200 * column, "y": 80 + 60 * row}
            wires = {"wires": [following] if following else []}
            nodes.append({"id": ids[part], "name": f"{plant.title} {part}", **place, **wires, **more})
    return [RecipeFile("flows.json", json.dumps(nodes, indent=2) + "\n")]


def _units(plant: RecipePlant) -> dict[str, str]:
    return {name: METRICS[name].unit for name in METRICS if plant.has(name)}


RECIPES: dict[str, tuple[str, Recipe, str]] = {
    "evcc": ("meters of grid, panels and battery for evcc.yaml", evcc, "page"),
    "predbat": ("sensors for Predbat's apps.yaml, through Home Assistant", predbat, "mqtt"),
    "emhass": ("sensors for EMHASS's config.json, through Home Assistant", emhass, "mqtt"),
    "grafana": ("a Prometheus job, and Grafana's data source and dashboard provider", grafana, "page"),
    "grafana-dashboard": ("the dashboard for Grafana", grafana_dashboard, "page"),
    "openhab": ("things and items of openHAB's HTTP binding", openhab, "page"),
    "iobroker": ("a script for ioBroker's JavaScript adapter", iobroker, "page"),
    "node-red": ("a flow to import into Node-RED", node_red, "page"),
}
"""By name: what it prints, its function, and the output it reads."""
