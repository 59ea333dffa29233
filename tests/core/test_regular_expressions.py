"""Regular expressions applied to text of a server take linear time: a slow match holds the GIL of all accounts."""

from __future__ import annotations

import ast
import re
import time
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

import heliograph
from heliograph import eventlog
from heliograph.cli import formats
from heliograph.cli.doctor import bundle
from heliograph.cli.recipes import plants as recipe_plants
from heliograph.core import http as http_requests
from heliograph.core import installation, measurements, parsing, pseudonyms, redact, servers
from heliograph.errors import CloudError, ConfigError
from heliograph.outputs import http, influx
from heliograph.outputs.mqtt import commands, topics
from heliograph.settings import definition, output_limit
from heliograph.tariffs import prices
from heliograph.transports import sockets
from heliograph.vendors.goodwe import charts as goodwe_charts
from heliograph.vendors.goodwe import servers as goodwe_servers
from heliograph.vendors.growatt import charts as growatt_charts
from heliograph.vendors.growatt import envelope
from heliograph.vendors.growatt.settings import schema
from heliograph.web.page import download, fleet
from heliograph.web.page.history import PeriodSelection

PACKAGE = Path(heliograph.__file__).parent
SIZES = (125, 250, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
TODAY = PeriodSelection("day", date(2026, 6, 21), date(2026, 6, 21), "power")
FLOOR = 1e-3
"""Seconds below which a measurement is noise."""

OTHER_TEXT = {
    "cli/alarms.py": (1, "arguments of the command line"),
    "cli/archive.py": (1, "names of the members of a backup"),
    "cli/backup.py": (5, "the configuration file"),
    "cli/importing/cells.py": (6, "a file that a person imports"),
    "cli/importing/tables.py": (5, "a file that a person imports"),
    "config/alarms.py": (1, "the configuration file"),
    "cli/call.py": (1, "annotations of our methods"),
    "cli/doctor/bundle.py": (6, "the configuration file"),
    "cli/fleet/administration.py": (1, "arguments of the command line"),
    "cli/fleet/serving.py": (1, "arguments of the command line"),
    "cli/settings/curtail.py": (1, "arguments of the command line"),
    "config/outputs.py": (1, "the configuration file"),
    "config/table.py": (5, "the configuration file"),
    "config/tariffs.py": (2, "the configuration file"),
    "fleet/csv_import.py": (3, "a file that a person imports"),
    "fleet/partitions.py": (1, "bounds of our own partitions, printed by PostgreSQL"),
    "fleet/report.py": (1, "query parameters of a browser"),
    "fleet/responses.py": (1, "a form sent by a browser"),
    "local_time.py": (1, "names of time zones in the store, written by us"),
    "metrics/__init__.py": (1, "names of metrics"),
    "outputs/influx.py": (1, "the configuration file"),
    "outputs/prometheus.py": (1, "names of metrics"),
    "store/salvage.py": (1, "statements of our own schema in a damaged file, of at most one page"),
    "web/auth.py": (2, "the Host header and the path of a browser"),
    "web/openapi.py": (1, "paths of our routes"),
    "web/page/device.py": (1, "names of metrics"),
    "web/page/device_chart.py": (1, "names of metrics"),
    "web/parameters.py": (3, "query parameters of a browser"),
    "web/paths.py": (1, "paths requested by a browser"),
    "web/prefix.py": (1, "a header of a trusted proxy, of at most 200 characters"),
}
"""Number of regular expressions that are applied to no text of a server; `emulator` is the server itself."""


def mask(place):
    return lambda text: redact._patterns()[place].sub(redact.MASK, text)


def parse_limit(text):
    with suppress(ConfigError):
        output_limit.parse_limit((), text)


def pseudonyms_of_words():
    """Return the patterns of words, which are alternatives without repetitions."""
    names = ("PRIVATE_WORDS", "PUBLIC_WORDS", "PUBLIC_NAMES", "IDENTIFIER_WORDS", "TIME_WORDS", "SUN_WORDS", "FAMILIES")
    return [getattr(pseudonyms, f"_{name}") for name in names]


SERVER_TEXT = {
    "cli/doctor/bundle.py": [
        (lambda text: bundle._without_paths(text, Path("x")), ["a", "a-", "a-0", "0123456789abcdef-"]),
    ],
    "cli/formats.py": [
        (formats.escape_formulas.__wrapped__, [" ", "\t", "; ", ";\t", "\t ", "\n"]),
        (formats.slug_of, [" ", "a ", "-"]),
    ],
    "cli/recipes/plants.py": [(recipe_plants.plain_text, ["-", "--", " ", "a-"])],
    "core/http.py": [(http_requests._PLAIN.fullmatch, ["a", " ", "a ", "%"])],
    "core/installation.py": [
        (lambda text: installation.own_commands(text, "x"), ["heliograph", "heliograph ", "heliograph now", "/", "a"]),
    ],
    "core/measurements.py": [
        (measurements._DIGITS.findall, ["1", "a", "1a"]),
        (measurements._HAS_NUMBER.search, ["+", "-", "a"]),
        (measurements._RAW_NAME.fullmatch, ["a", "1", "_"]),
        (measurements._RAW_ID.search, ["id", "sn", "n", "o"]),
    ],
    "core/parsing.py": [
        (parsing.parse_number, ["1", " ", "( ", " (", "1.", "1e", "e1", "W", "1W", "-1", "%", ")"]),
        (parsing.parse_http_date, ["1", "Sat, ", "Sat, 28 Nov 2026 ", "2", ":1", " "]),
    ],
    "core/pseudonyms.py": [
        *((pattern.fullmatch, ["a", "id", "1"]) for pattern in pseudonyms_of_words()),
        (pseudonyms._PRIVATE_ENDING.search, ["i", "sn", "datalog", "s"]),
        (pseudonyms._COORDINATE.search, ["lat", "_lat", "_"]),
        (pseudonyms._IDENTIFIER.fullmatch, ["a", "a.", "a1"]),
        (pseudonyms._HARMLESS.fullmatch, ["1", "1:", "k", "W", "kW", " ", "2026-", "-1", "GMT+1", "1.", "Power:1"]),
        (pseudonyms._ZONE_NAME.fullmatch, ["Europe/", "a", "/", "+", "-"]),
        (pseudonyms._DECIMAL.fullmatch, ["1", "1.", "-", "1e"]),
        (pseudonyms._DIALLED.fullmatch, ["1", "1 ", "+", "("]),
        (pseudonyms._IP_ADDRESS.fullmatch, ["1", "1.", "."]),
        (pseudonyms._ANSWER.fullmatch, ["a", "1", " "]),
        (pseudonyms._WORD.findall, ["a", "A", "Aa", "AA1"]),
        (pseudonyms._EPOCH.fullmatch, ["1", "14", "20"]),
        (pseudonyms._SECRET_SHAPE.search, ["a", "@", "a@", "a@a", "a@a.", "0", "0-", "/", ":", "z", "z ", "."]),
        (pseudonyms._SERIAL_SHAPE.fullmatch, ["A", "1", "A1", "a1"]),
        (pseudonyms._HEXADECIMAL.fullmatch, ["a", "1", "a1", "A1", "g"]),
        (pseudonyms._RUN.findall, ["a", "_", "a_"]),
        (pseudonyms._PLAIN_TIME.fullmatch, ["1", "1-", "1:", "2026-", " "]),
    ],
    "core/redact.py": [
        (mask(0), ['"pwd"', '"pwd" ', '"pwd": "', '"pwd": "\\', '\\"', '"pwd": 1.', '"pwd": -', " "]),
        (mask(1), ['\\"pwd\\"', '\\"pwd\\" ', '\\"pwd\\": \\"', "\\", '\\\\"', '\\"pwd\\": -']),
        (mask(2), ["pwd", "pwd=", "pwd=a", "pwd=a ", "a"]),
        (mask(3), ["cookie", "cookie ", "cookie:", "cookie: ", "cookie:\n", " ", "\n"]),
        (mask(4), ["://", "://a", "://a@", ":", "a"]),
        (mask(5), ["value", "value ", "value= ", "value='", 'value="', "'", " "]),
        (mask(6), ["a", "@", "a@", "a@a", "@.", "a@a-", "a@a.", "%40", "a%40", "&#64;", "a@a./", "a@a "]),
        (mask(7), ["0", "0g", "a" * 32 + "g", "0 "]),
        (mask(8), ["A", "%AA", "A" * 43, "A" * 43 + "%", "A/"]),
        (lambda text: redact._secret_key().fullmatch(text), ["pwd", "password"]),
        (redact.excerpt, ["a", "a@", "a ", ".", "\x00", "\x00a"]),
        (lambda text: redact.excerpt(text.encode()), ["a", "é", "\x00 "]),
    ],
    "core/servers.py": [(lambda text: servers.is_trusted_url(f"https://{text}", "", ("a.a",)), ["a", ".", "a.", ":1"])],
    "eventlog.py": [(eventlog._format, ["a", " ", "a ", "\x00"])],
    "outputs/influx.py": [
        (lambda text: influx._SPECIAL.sub("_", text), [" ", "a="]),
        (lambda text: influx._CONTROL.sub("_", text), ["\x00", "a\xa0"]),
        (influx.escape_string, ["\x00", "a\xa0", "\\", '"', " "]),
        (lambda text: influx._DROPPED.search(text.encode()), ["dropped", "dropped ", " ", "=", "dropped=1"]),
    ],
    "outputs/http.py": [(http.parse_integer, ["1", " "])],
    "outputs/mqtt/commands.py": [(commands._TIME_WITH_SECONDS.fullmatch, ["1", "11:", "11:11:11.", "."])],
    "outputs/mqtt/topics.py": [
        (topics._PLAIN.fullmatch, ["a", "-"]),
        (lambda text: topics._SPECIAL.sub("_", text), ["/", "a/"]),
    ],
    "settings/definition.py": [(definition._TIME.fullmatch, ["1", ":", "1:"])],
    "settings/output_limit.py": [(parse_limit, ["1", "1.", ".", " ", "%", "kW"])],
    "tariffs/prices.py": [(prices._EPOCH.fullmatch, ["1", "1.", "."])],
    "transports/sockets.py": [
        (sockets._URL.fullmatch, ["http://a", "http://a:1", "a", "http://a/", "http://a/a "]),
        (
            lambda text: sockets._HEAD.fullmatch(b"HTTP/1.1 200" + text.encode()),
            [" ", "a", " a", "\r", "\r\na: a", "\r\na", "\r\na:", "\r\n:", "\r\na: ", "\r\na:\t"],
        ),
        (lambda text: re.fullmatch(sockets._CHUNK_SIZE, text.encode()), ["1", " ", ";", "1 ", "1;"]),
    ],
    "vendors/goodwe/charts.py": [
        (lambda text: goodwe_charts._parse_local(text, date(2026, 6, 21)), ["1", "1-", " ", "T", "1-1-1 ", "1:"]),
        (goodwe_charts._PERIOD.fullmatch, ["1", "-11", "-"]),
        (
            lambda text: goodwe_charts._line_name(SimpleNamespace(name=text, label="", key="")),
            ["a", "1", "A1", "\u0130"],
        ),
    ],
    "vendors/goodwe/servers.py": [
        (lambda text: goodwe_servers._PATH.sub("", text), ["api/", "web/sems/", "web/", "/"]),
        (lambda text: goodwe_servers._GATEWAY.fullmatch(f"https://{text}"), ["a", "a-gateway", "-gateway"]),
        (lambda text: goodwe_servers._LOOPBACK.fullmatch(f"http://127.0.0.1:1{text}"), ["1", "/", "/a", "a."]),
    ],
    "vendors/growatt/charts.py": [(growatt_charts._TIME.fullmatch, ["1", "1-", " ", ":11", "11:"])],
    "vendors/growatt/settings/schema.py": [(schema._CLOCK.fullmatch, ["1", ":", "1:"])],
    "web/page/download.py": [(lambda text: download.file_name(text, TODAY), ["a", "/", "a/"])],
    "web/page/fleet.py": [(fleet._natural, ["1", "a", "1a", "\u0661", "²"])],
}
"""By module: one row for each of its regular expressions, with the texts that are repeated."""

CASES = [
    pytest.param(function, pump, id=f"{module}-{number}-{pump.encode('unicode_escape').decode()[:12]}")
    for module, rows in SERVER_TEXT.items()
    for number, (function, pumps) in enumerate(rows)
    for pump in pumps
]


def seconds(function, text):
    started = time.thread_time()
    function(text)
    return time.thread_time() - started


def assert_linear(function, pump, before="", after=""):
    """Run with doubling sizes, so that a regular expression with backtracking fails before it runs for ever."""
    measured = {}
    for size in SIZES:
        text = before + (pump * (size // len(pump) + 1))[:size] + after
        allowed = min((3 * size / small * max(took, FLOOR) for small, took in measured.items()), default=1.0)
        # A slow measurement is repeated: the machine may be busy.
        measured[size] = next((took for _ in range(3) if (took := seconds(function, text)) <= allowed), None)
        assert measured[size] is not None, f"{size} characters took more than {allowed:.3f} s"


@pytest.mark.parametrize(("function", "pump"), CASES)
def test_regular_expression_on_server_text_is_linear(function, pump):
    for before, after in (("", ""), ("1", "!"), ('"', "\n!")):
        assert_linear(function, pump, before, after)


@pytest.mark.parametrize("pump", ["inv=JSON.parse('{", "inv=", "}')", "}'", "{", "'"])
def test_search_for_the_inverter_on_a_page_is_linear(pump):
    def search(text):
        with suppress(CloudError):
            envelope._classic_info(text.encode())

    assert_linear(search, pump)
    assert_linear(search, pump, "inv=JSON.parse('{")


def test_every_regular_expression_on_server_text_is_measured():
    found = Counter()
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).as_posix()
        calls = (node.func for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))
        names = [func for func in calls if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name)]
        found[name] += sum(func.value.id == "re" and func.attr != "escape" for func in names)
    measured = {name: count for name, count in found.items() if count and not name.startswith("emulator/")}
    known = Counter({name: len(rows) for name, rows in SERVER_TEXT.items()})
    known.update({name: count for name, (count, _) in OTHER_TEXT.items()})
    assert measured == known
