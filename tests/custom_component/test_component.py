"""What hassfest checks, and what it does not: manifest, translations, actions, icons and code name the same things.

Nothing here imports `homeassistant`; tests/homeassistant runs the component in its core.
"""

from __future__ import annotations

import ast
import json
import os
import re
import struct
from importlib.util import find_spec
from pathlib import Path
from subprocess import run
from sys import executable

import pytest
import yaml

import heliograph
from heliograph.collect.freshness import Freshness
from heliograph.metrics import METRICS
from heliograph.metrics.device import DEVICE_METRICS
from heliograph.model import Status
from heliograph.vendors import VENDORS
from heliograph.vendors.goodwe.settings.catalogue import FAMILIES as GOODWE
from heliograph.vendors.growatt.openapi.settings import FAMILIES as GROWATT_TOKEN
from heliograph.vendors.growatt.settings.registry import FAMILIES as GROWATT

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "custom_components" / "heliograph"
LANGUAGES = ("de", "es", "nl", "pl", "pt")
PLATFORMS = {"number": "number", "choice": "select", "switch": "switch", "time": "time"}
SOURCES = {path.name: path.read_text("utf-8") for path in COMPONENT.glob("*.py")}


def load(name):
    """Return a JSON file of the component."""
    return json.loads((COMPONENT / name).read_text("utf-8"))


def texts(tree, path=()):
    """Yield path and text of every translation."""
    if isinstance(tree, str):
        yield ".".join(path), tree
    else:
        for key, value in tree.items():
            yield from texts(value, (*path, key))


ENGLISH = load("translations/en.json")
SERVICES = yaml.safe_load((COMPONENT / "services.yaml").read_text("utf-8"))


def function(name, file):
    """Return a function without Home Assistant, compiled from a file that imports it."""
    tree = ast.parse(SOURCES[file])
    found = next(one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name)
    constants = [one for one in tree.body if isinstance(one, ast.Assign) and "re.compile" in ast.unparse(one)]
    namespace = {"re": re}
    exec(compile(ast.Module([*constants, found], []), file, "exec"), namespace)
    return namespace[name]


metric_key = function("translation_of", "entity.py")
setting_key = function("translation_of", "setting_entity.py")


def test_manifest_is_ordered_and_complete():
    manifest = load("manifest.json")
    assert list(manifest) == ["domain", "name", *sorted(manifest.keys() - {"domain", "name"})]
    assert manifest["domain"] == COMPONENT.name
    assert manifest["version"] == heliograph.__version__
    assert manifest["requirements"] == [f"heliograph=={heliograph.__version__}"]
    for key in ("codeowners", "documentation", "issue_tracker", "iot_class", "integration_type", "loggers"):
        assert manifest[key], key
    assert manifest["config_flow"] is True


def test_hacs_names_the_same_least_version_as_the_code():
    hacs = json.loads((ROOT / "hacs.json").read_text("utf-8"))
    assert hacs["homeassistant"] == re.search(r'MINIMUM_CORE: Final = "([\d.]+)"', SOURCES["const.py"])[1]
    assert hacs["zip_release"] is True
    assert hacs["filename"] == "heliograph.zip"
    assert [path.name for path in (ROOT / "custom_components").iterdir() if path.is_dir()] == ["heliograph"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_keys_and_placeholders_of_english(language):
    english, other = dict(texts(ENGLISH)), dict(texts(load(f"translations/{language}.json")))
    assert english.keys() == other.keys()
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", other[key])), key
        assert other[key].strip() == other[key] != "", key


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_translated(language):
    english, other = dict(texts(ENGLISH)), dict(texts(load(f"translations/{language}.json")))
    same = [key for key, text in english.items() if len(text) > 30 and text == other[key] and "{reason}" not in text]
    assert [key for key in same if "://" not in english[key]] == []


def test_every_metric_has_a_translation_and_the_reverse():
    named = set(ENGLISH["entity"]["sensor"])
    wanted = {metric_key(name)[0] for name in (*METRICS, *DEVICE_METRICS)}
    assert named - wanted == {"status", "freshness", "measured_at", "requests_used", "requests_limit"}
    assert wanted <= named


def test_names_of_numbered_metrics_have_their_number():
    for name in (*METRICS, *DEVICE_METRICS):
        key, placeholders = metric_key(name)
        assert ("{number}" in ENGLISH["entity"]["sensor"][key]["name"]) == bool(placeholders), name


def test_states_of_sensors_have_translations():
    sensors = ENGLISH["entity"]["sensor"]
    assert set(sensors["status"]["state"]) == {status.value for status in Status}
    assert set(sensors["freshness"]["state"]) == {freshness.value for freshness in Freshness}


def settings():
    """Yield platform, translation key, placeholders and choices of every parameter that becomes an entity."""
    families = [*GROWATT.items(), *GROWATT_TOKEN.items()]
    found = [row.setting for name, family in families if name != "plant" for row in family.entries]
    found += [row.setting for family in GOODWE.values() for row in family]
    for setting in found:
        for one in setting.parameters:
            if setting.risk == "usual" and setting.readable and one.readable and one.kind in PLATFORMS:
                yield PLATFORMS[one.kind], *setting_key(setting.name, one.name), one.choices


def test_every_setting_has_a_translation_and_the_reverse():
    wanted = {(platform, key) for platform, key, _, _ in settings()}
    named = {(platform, key) for platform in PLATFORMS.values() for key in ENGLISH["entity"][platform]}
    assert wanted == named


def test_names_of_numbered_settings_have_their_number():
    for platform, key, placeholders, _ in settings():
        assert ("{number}" in ENGLISH["entity"][platform][key]["name"]) == bool(placeholders), key


def test_choices_of_settings_have_translations():
    wanted = {}
    for _, key, _, choices in settings():
        if choices:
            wanted.setdefault(key, set()).update(choices)
    assert {key: set(one["state"]) for key, one in ENGLISH["entity"]["select"].items()} == wanted


def test_actions_are_those_of_their_texts_and_icons():
    assert SERVICES.keys() == ENGLISH["services"].keys() == load("icons.json")["services"].keys()
    for name, action in SERVICES.items():
        described = ENGLISH["services"][name]
        assert described["name"], name
        assert described["description"], name
        assert action["fields"].keys() == described["fields"].keys(), name
        for field in described["fields"].values():
            assert field.keys() == {"name", "description"}


def test_actions_are_those_that_the_code_registers():
    planner = re.search(r"VERBS.*?\{(.*?)\}", SOURCES["planner.py"], re.DOTALL)[1]
    verbs = set(re.findall(r'"(\w+)":', planner))
    registered = set(re.findall(r'DOMAIN, "(\w+)", _', SOURCES["services.py"]))
    registered |= set(re.findall(r'DOMAIN,\s+"(\w+)",\s+_', SOURCES["services.py"]))
    assert registered | verbs == SERVICES.keys()


def test_icons_are_material_and_belong_to_entities():
    icons = load("icons.json")
    for platform, keys in icons["entity"].items():
        assert keys.keys() <= ENGLISH["entity"][platform].keys()
    for path, icon in texts(icons):
        assert re.fullmatch(r"mdi:[a-z0-9-]+", icon), path


def test_exceptions_and_repairs_are_those_of_the_code():
    raised = set()
    for text in SOURCES.values():
        raised |= set(re.findall(r'(?:SourceError|AuthError|_invalid|_refusal)\(\s*"(\w+)"', text))
        raised |= set(re.findall(r'translation_key="(\w+)",\s+translation_placeholders', text))
        raised |= set(re.findall(r'translation_key="(\w+)"\)', text))
    raised |= set(re.findall(r'^    \(\w+, "(\w+)"\),$', SOURCES["problems.py"], re.MULTILINE))
    raised |= {"setting_refused", "setting_unconfirmed"}
    assert raised - {"account"} == ENGLISH["exceptions"].keys()
    reported = set(re.findall(r'Issue\(\s*"(\w+)"', SOURCES["issues.py"]))
    reported |= set(re.findall(r': "(\w+)"', re.search(r"_REPAIRS = \{(.*?)\}", SOURCES["problems.py"], re.DOTALL)[1]))
    assert reported | {"account_locked", "account_blocked"} == ENGLISH["issues"].keys()


def test_a_repair_has_either_a_description_or_a_flow():
    for key, issue in ENGLISH["issues"].items():
        assert ("description" in issue) != ("fix_flow" in issue), key
        assert issue["title"]


def test_forms_explain_every_field():
    for group in ("config", "options"):
        for name, step in ENGLISH[group]["step"].items():
            assert step.get("data", {}).keys() == step.get("data_description", {}).keys(), name
    assert ENGLISH["config"]["step"]["account"]["menu_options"].keys() == VENDORS.keys()
    for vendor in VENDORS:
        assert vendor in ENGLISH["config"]["step"], vendor
        assert f"async_step_{vendor}" in SOURCES["config_flow.py"]


def test_regions_of_accounts_have_texts():
    wanted = {region for info in VENDORS.values() for region in info.regions}
    assert ENGLISH["selector"]["region"]["options"].keys() == wanted


def test_errors_of_forms_have_texts():
    flow = SOURCES["config_flow.py"]
    named = set(re.findall(r'"base": "(\w+)"', flow)) | {"invalid_url"}
    named |= set(re.findall(r'"(\w+)"', re.search(r"_KEYS.*?^\)", SOURCES["problems.py"], re.DOTALL | re.MULTILINE)[0]))
    named |= set(re.findall(r'(?:SourceError|AuthError)\(\s*"(\w+)"', SOURCES["api.py"] + SOURCES["api_source.py"]))
    assert named == ENGLISH["config"]["error"].keys()
    assert set(re.findall(r'reason="(\w+)"', flow)) <= ENGLISH["config"]["abort"].keys()
    assert set(re.findall(r'CONF_INTERVAL: "(\w+)"', flow)) == ENGLISH["options"]["error"].keys()


def test_code_contains_no_sentences():
    """Texts that users read are translated; what remains are log messages and errors of programmers."""
    allowed = {"settings of ", "Home Assistant", "not an address of a server", "the options of the integration"}
    for name, text in SOURCES.items():
        tree = ast.parse(re.sub(r"^type .*$", "", text, flags=re.MULTILINE))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        logged = {
            id(argument)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_LOGGER")
            for argument in node.args
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | logged:
                is_sentence = re.match(r"[A-Za-z]+ [a-z]+ ?[a-z]*", node.value) and node.value not in allowed
                assert not is_sentence or node.value.startswith("heliograph "), f"{name}: {node.value!r}"


def test_icon_is_a_square_of_the_size_that_home_assistant_shows():
    for name, size in (("icon.png", 256), ("icon@2x.png", 512)):
        data = (COMPONENT / "brand" / name).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", data[16:24]) == (size, size)


QUALITY = yaml.safe_load((COMPONENT / "quality_scale.yaml").read_text("utf-8"))["rules"]


def test_each_rule_of_the_quality_scale_names_a_test_or_a_page_that_exists():
    assert len(QUALITY) == 54
    for name, rule in QUALITY.items():
        assert rule["status"] in ("done", "exempt", "todo"), name
        if rule["status"] == "done":
            named = re.findall(r"(?:tests|docs|custom_components)/[\w./-]+\.\w+", rule["comment"])
            assert named, f"{name} names no test and no page"
            for path in named:
                assert (ROOT / path).is_file(), f"{name}: {path}"
        else:
            assert len(rule["comment"]) > 20, name


def test_manifest_claims_no_higher_quality_than_the_scale():
    todo = [name for name, rule in QUALITY.items() if rule["status"] == "todo"]
    assert ("quality_scale" in load("manifest.json")) == (not todo)


def test_files_are_short():
    for name, text in SOURCES.items():
        assert len(text.splitlines()) <= 400, name


def home_assistant_python():
    """Return a Python that has the homeassistant package: this one or that of `make test-ha`; None without one."""
    if find_spec("homeassistant.const") is not None:
        return executable
    own = os.environ.get("HELIOGRAPH_HA_PYTHON")
    return own or next((str(path) for path in sorted(ROOT.glob(".venv-ha-*/bin/python"))), None)


def test_component_has_strict_types():
    python = home_assistant_python()
    if python is None:
        pytest.skip("no environment has the homeassistant package; make test-ha creates one")
    command = [executable, "-m", "mypy", "--strict", "--python-executable", python, "--python-version", "3.13"]
    command += ["--cache-dir", str(ROOT / ".mypy_cache" / "component"), "-p", "custom_components.heliograph"]
    environment = os.environ | {"MYPYPATH": str(ROOT / "src")}
    done = run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout
