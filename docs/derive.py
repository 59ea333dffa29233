"""Generates the tables of the documentation from the code; `--check` only lists stale pages."""

from __future__ import annotations

import inspect
import re
import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ForwardRef

from coverage_tables import home_assistant_growatt_table
from goodwe_coverage import goodwe_clients_table

from heliograph import GoodWe, Growatt, GrowattToken, Orders, errors
from heliograph.alarms.model import RULES
from heliograph.cli.recipes.programs import RECIPES
from heliograph.collect.schedule import POLL_SHARE, Daylight, poll_rhythm
from heliograph.core.endpoint import Endpoint, operations
from heliograph.core.payload import Payload
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE_CLOUD
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT_CLOUD
from heliograph.emulator.clouds.growatt.openapi.context import token_of
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.recording.bundle import read_bundle
from heliograph.emulator.server import serve_in_thread
from heliograph.keeper import Backoff, Budget, Limits
from heliograph.metrics import METRICS
from heliograph.metrics.device import BATTERIES, DEVICE_METRICS, PHASES, PV_INPUTS, STRINGS
from heliograph.model import Device, DeviceSnapshot, HistoryCost, PeriodEnergy, Plant, Sample, Snapshot, VendorEvent
from heliograph.outputs.mqtt.discovery import metric_entities
from heliograph.outputs.prometheus import metric_name
from heliograph.vendors import VENDORS
from heliograph.vendors.base import PollLoad, PollRhythm
from heliograph.vendors.goodwe import fault_codes as goodwe_codes
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.goodwe.settings import catalogue as goodwe
from heliograph.vendors.growatt import fault_codes as growatt_codes
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.vendors.growatt.openapi import OpenApiCalls
from heliograph.vendors.growatt.openapi import limits as token_limits
from heliograph.vendors.growatt.openapi.history import DEPTH, HISTORY_CALLS
from heliograph.vendors.growatt.openapi.settings import FAMILIES as TOKEN_SETTINGS
from heliograph.vendors.growatt.portal import GrowattPortal, PortalCalls
from heliograph.vendors.growatt.portal.sources import LIVE_FAMILIES, OTHER_FAMILIES
from heliograph.vendors.growatt.settings.registry import FAMILIES as GROWATT
from heliograph.vendors.growatt.sources import ALL_FAMILIES, SOURCES, source_of
from heliograph.web.api import CALLS, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.core.endpoint import Operation
    from heliograph.core.payload import Field
    from heliograph.settings.definition import Setting
    from heliograph.vendors.growatt.sources import Question

HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "tests" / "fixtures" / "recordings"
DIALECTS = {
    "password": "ShinePhone",
    "token": "token API",
    "portal": "web portal",
    "legacy": "SEMS Portal",
    "plus": "SEMS+",
}
BLOCK = re.compile(r"(<!-- derived: (?P<what>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

MODEL = (
    Plant,
    Device,
    Snapshot,
    DeviceSnapshot,
    Sample,
    PeriodEnergy,
    HistoryCost,
    VendorEvent,
    Budget,
    Backoff,
    Limits,
)


def alarm_rules() -> str:
    """Return the table of alarm rules."""
    rows = ["| rule | alarm | severity | raised after | over after | what to do |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{rule.name}` | {rule.title} | {rule.severity} | {_minutes(rule.raise_after)} "
        f"| {_minutes(rule.clear_after)} | {rule.advice} |"
        for rule in RULES.values()
    ]
    return "\n".join(rows)


def fault_codes() -> str:
    """Return the table of fault and warning codes with their texts and evidence."""
    tables = {
        ("Growatt", "MIN, MIC, MID, MOD, NEO, MAX, WIT", "fault"): growatt_codes.FAULTS,
        ("Growatt", "classic inverters", "fault"): growatt_codes.CLASSIC_FAULTS,
        ("Growatt", "MIN, MIC, MID, MOD, NEO, MAX, WIT", "warning"): growatt_codes.WARNINGS,
        ("GoodWe", "all", "fault"): goodwe_codes.FAULTS,
    }
    rows = ["| cloud | devices | kind | code | text | evidence |", "|---|---|---|---|---|---|"]
    for where, texts in tables.items():
        rows += [f"| {' | '.join(where)} | `{code}` | {one.text} | {one.evidence} |" for code, one in texts.items()]
    return "\n".join(rows)


def _minutes(seconds: int) -> str:
    return "at once" if not seconds else f"{seconds // 3600} h" if seconds >= 7200 else f"{seconds // 60} min"


def calls(declarations: type) -> str:
    """Return the table of a vendor's operations: method, request, encoding, meaning."""
    rows = ["| method | request | arguments travel | what |", "|---|---|---|---|"]
    rows += [_row(method) for method in operations(declarations)]
    return "\n".join(rows)


def _row(method: Operation[..., object]) -> str:
    names = ", ".join(method.signature.parameters)
    sentence = (method.__doc__ or "").strip().split("\n\n", maxsplit=1)[0].replace("\n", " ").replace("|", "\\|")
    if not isinstance(method, Endpoint):
        return f"| `{method.name}({names})` | several | | {sentence} |"
    route = method.route
    fixed = "&".join(f"{key}={value}" for key, value in route.fixed.items())
    path = f"{route.path}?{fixed}" if fixed else route.path
    order = " **changes something**" if route.command else ""
    return f"| `{method.name}({names})` | `{route.verb} {path}` | {route.encoding}{order} | {sentence} |"


def reference(client: type) -> str:
    """Return the table of a client's operations with their signatures and results."""
    rows = ["| operation | meaning |", "|---|---|"]
    for method in operations(client):
        signature = str(method.signature).replace("'", "").replace("|", "\\|")
        rows.append(f"| `{method.name}{signature}` | {(method.__doc__ or '').partition(chr(10))[0]} |")
    return "\n".join(rows)


def payloads(package: str) -> str:
    """Return a table of fields for every payload class below a package."""
    return "\n\n".join(
        "\n".join(
            [
                f"#### `{shape.__qualname__}`\n\n{(shape.__doc__ or '').partition(chr(10))[0]}\n",
                "| field | type | unit | metric | wire key |",
                "|---|---|---|---|---|",
                *(_field(row) for row in shape.fields()),
            ]
        )
        for shape in sorted(_subclasses(Payload), key=lambda shape: shape.__qualname__)
        if shape.__module__.startswith(package) and any(shape.fields())
    )


def _field(row: Field[object]) -> str:
    metric = f"`{row.metric.name}`" if row.metric else ""
    returns = row.returns.replace("|", "\\|")
    return f"| `{row.name}` | `{returns}` | {row.unit} | {metric} | `{row.key}` |"


def _subclasses(parent: type[Payload]) -> set[type[Payload]]:
    return {one for child in parent.__subclasses__() for one in (child, *_subclasses(child))}


def model() -> str:
    """Return the attributes of the common model and of the budget, with their types."""
    return "\n\n".join(
        f"#### `{kind.__name__}`\n\n{(kind.__doc__ or '').partition(chr(10))[0]}\n\n"
        + "\n".join(f"- `{name}: {_type_name(annotation)}`" for name, annotation in kind.__annotations__.items())
        for kind in MODEL
    )


def _type_name(annotation: object) -> str:
    # NamedTuple wraps annotations that are texts.
    return annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else str(annotation)


def error_tree() -> str:
    """Return the table of all errors with their parents, meanings and attributes."""
    rows = ["| error | is a | raised when | attributes |", "|---|---|---|---|"]
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.HeliographError):
            attributes = ", ".join(f"`{one}`" for one in vars(kind).get("__annotations__", {}))
            meaning = " ".join((kind.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
            rows.append(f"| `{name}` | `{kind.__bases__[0].__name__}` | {meaning} | {attributes} |")
    return "\n".join(rows)


def settings_api() -> str:
    """Return the table of the methods of `Orders` and `AsyncOrders`."""
    rows = ["| method | meaning |", "|---|---|"]
    for name in dir(Orders):
        method = getattr(Orders, name)
        if callable(method) and not name.startswith("_"):
            signature = str(inspect.signature(method)).replace("'", "").replace("|", "\\|")
            rows.append(f"| `{name}{signature}` | {(inspect.getdoc(method) or '').partition(chr(10))[0]} |")
    return "\n".join(rows)


def metrics() -> str:
    """Return the table of published metrics."""
    rows = ["| metric | unit | kind | meaning |", "|---|---|---|---|"]
    rows += [f"| `{row.name}` | {row.unit} | {row.kind} | {row.meaning} |" for row in METRICS.values()]
    return "\n".join(rows)


def device_metrics() -> str:
    """Return the table of device metrics; numbered ones share a line."""
    rows = ["| metric | unit | kind | part | meaning |", "|---|---|---|---|---|"]
    for name, row in DEVICE_METRICS.items():
        first = re.sub(r"^([a-z]+(?:_phase)?)1(?=_)", r"\g<1>2", name)
        if re.match(r"(pv|string|battery|phase|meter_phase|backup_phase|temperature)([3-9]|[1-3]\d)", name) or (
            re.match(r"(pv|string|battery|phase|meter_phase|backup_phase)2_", name)
        ):
            continue
        last = {"pv": PV_INPUTS, "string": STRINGS, "battery": BATTERIES}.get(row.part.rstrip("0123456789"), PHASES)
        many = first != name and first in DEVICE_METRICS
        shown = f"`{name}` … `{name.replace('1', str(last), 1)}`" if many else f"`{name}`"
        rows.append(f"| {shown} | {row.unit} | {row.kind} | {row.part} | {row.meaning} |")
    return "\n".join(rows)


def api() -> str:
    """Return the table of the API's paths and parameters."""
    rows = ["| path | parameters | what |", "|---|---|---|"]
    for one in CALLS:
        parameters = ", ".join(f"`{row.name}`" for row in one.parameters)
        rows.append(f"| `{PREFIX}{one.path}` | {parameters} | {one.meaning} |")
    return "\n".join(rows)


def prometheus() -> str:
    """Return the table of metric names in Prometheus."""
    rows = ["| in Prometheus | kind | meaning |", "|---|---|---|"]
    for row in METRICS.values():
        kind = "counter" if row.kind == "total" else "gauge"
        rows.append(f"| `heliograph_{metric_name(row)}` | {kind} | {row.meaning} |")
    return "\n".join(rows)


def recipes() -> str:
    """Return the table of the recipes for other programs."""
    rows = ["| recipe | what it prints | reads |", "|---|---|---|"]
    rows += [f"| `{name}` | {what} | {reads} |" for name, (what, _, reads) in RECIPES.items()]
    return "\n".join(rows)


def entities() -> str:
    """Return the table of entities in Home Assistant."""
    rows = ["| entity | unit | device class | state class | meaning |", "|---|---|---|---|---|"]
    for one in metric_entities(METRICS):
        classes = f"{one.config['device_class']} | {one.config['state_class']}"
        rows.append(f"| {one.name} | {METRICS[one.key].unit} | {classes} | {METRICS[one.key].meaning} |")
    return "\n".join(rows)


def settings(rows: Iterable[Setting]) -> str:
    """Return the table of a family's settings; windows that differ by their number share a line."""
    lines = [
        "| setting | parameters | read back | risk | wire | what it is | evidence |",
        "|---|---|---|---|---|---|---|",
    ]
    found = list(rows)
    for row in found:
        group = [one for one in found if one.group and one.group == row.group]
        if row in group[1:]:
            continue
        last = group[-1] if group else row
        lines.append(_setting(row, last))
    return "\n".join(lines)


def _setting(row: Setting, last: Setting) -> str:
    many = row is not last
    name, wire = (
        f"{first}` … `{final}" if many else first
        for first, final in ((row.name, last.name), (row.wire_name, last.wire_name))
    )
    title = re.sub(r" 1 of (\d+)", r", one of \1", row.title) if many else row.title
    what = f"{title}. {row.meaning}" if row.meaning else title
    read = "yes" if row.readable else "no"
    return f"| `{name}` | {_parameters(row)} | {read} | {row.risk} | `{wire}` | {what} | {row.evidence} |"


def _parameters(row: Setting) -> str:
    parts = []
    for one in row.parameters:
        first, _, slot = one.name.rpartition("_")
        if row.slots > 1 and first in ("start", "end", "enabled"):
            if slot != "1":
                continue
            name = f"{first}_1` … `{first}_{row.slots}"
        else:
            name = one.name
        meaning = f" ({one.meaning})" if one.meaning else ""
        not_read = "" if one.readable or not row.readable else ", not read back"
        parts.append(f"`{name}`: {one.allowed}{meaning}{not_read}")
    return "<br>".join(parts)


def raw(rows: Mapping[str, str]) -> str:
    """Return the table of settings that only a raw call can write."""
    return "\n".join(
        ["| wire | why not offered |", "|---|---|", *(f"| `{name}` | {why} |" for name, why in rows.items())]
    )


POLLED = (
    ("Growatt TLX (MIN, MIC, MOD, NEO)", Growatt, "", ("tlx",), 1),
    ("Growatt TLX with a battery", Growatt, "", ("tlx-battery",), 1),
    ("Growatt MIX, SPH", Growatt, "", ("mix",), 1),
    ("Growatt SPA", Growatt, "", ("spa",), 1),
    ("Growatt SPA, web portal", GrowattPortal, "", ("spa",), 1),
    ("Growatt SPF (storage)", Growatt, "", ("storage",), 1),
    ("Growatt Noah, Nexa", Growatt, "", ("noah",), 1),
    ("Growatt, 7 plants without a battery", Growatt, "", ("tlx", "inverter"), 3.5),
    ("Growatt, 2 of them and 5 hybrids", Growatt, "", (), 1),
    ("Growatt token, 1 plant (MIN, SPH, SPA or NOAH)", GrowattToken, "", ("mix",), 1),
    ("Growatt token, 7 plants of 6 families", GrowattToken, "", (), 1),
    ("GoodWe hybrid, SEMS Portal", GoodWe, "legacy", ("hybrid",), 1),
    ("GoodWe hybrid, SEMS+", GoodWe, "plus", ("hybrid",), 1),
    ("GoodWe string inverter, SEMS+", GoodWe, "plus", ("single",), 1),
    ("GoodWe, 4 plants, SEMS Portal", GoodWe, "legacy", (), 1),
    ("GoodWe, 4 plants, SEMS+", GoodWe, "plus", (), 1),
)
"""Accounts whose polls are measured: title, client, dialect, families of plants, and the factor of their number."""


def polls() -> str:
    """Return the table of requests per poll and intervals, measured with the emulated clouds and default budgets."""
    rows = [
        "| account | each poll | flows in rotation | counters | a poll every | flows every | counters every |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, client, dialect, families, factor in POLLED:
        load = _poll_load(client, dialect, families)
        load = load._replace(slow=round(load.slow * factor))
        limits, vendor = client.default_limits, VENDORS["goodwe" if client is GoodWe else "growatt"]
        requests = limits.usable_requests(interactive=False) * POLL_SHARE
        _, usual = vendor.intervals(by_token=client is GrowattToken)
        rhythm = poll_rhythm(load, requests, Daylight().length, usual.total_seconds())
        minutes, flows, slow = (f"{round(seconds / 60, 1):g} min" for seconds in rhythm[:3])
        cells = (load.every_poll, load.flows or "", load.slow or "")
        rows.append(
            f"| {title} | {' | '.join(map(str, cells))} | {minutes} | {flows if load.flows else ''} | "
            f"{slow if load.slow else minutes} |"
        )
    return "\n".join(rows)


def _poll_load(
    client: type[Growatt | GrowattPortal | GrowattToken | GoodWe], dialect: str, families: tuple[str, ...]
) -> PollLoad:
    """Return the load of an emulated account's polls at noon."""
    start = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
    emulation = GOODWE_CLOUD if client is GoodWe else GROWATT_CLOUD
    emulator = build_emulator(EmulatorOptions(start=start, speed=0, accounts=1), [emulation])
    account, clock = emulator.accounts[0], emulator.world.clock
    secrets = (token_of(account),) if client is GrowattToken else (account.username, account.password)
    token_limits.GAP = 0.0  # the second between two calls does not change what is counted
    with serve_in_thread(emulator) as ready:
        user = client(
            *secrets,
            server=ready["url"],
            keeper=None,
            clock=lambda: clock.now().timestamp(),
        )
        if dialect:
            user.session.facts["dialect"] = dialect
        plants = [plant.id for plant in account.plants if not families or plant.family in families]
        load = PollLoad()
        for _ in range(2):
            load = user.live(PollRhythm(600.0, 600.0, 3600.0), plants).load
            clock.set(clock.now() + timedelta(minutes=10))
    return load


def token_sources() -> str:
    """Return the table of which API answers which question of an account with a token and a password."""
    rows = ["| question | answered by | the other API answers if |", "|---|---|---|"]
    rows += [f"| {question} | {source.first} | {source.otherwise or 'never'} |" for question, source in SOURCES.items()]
    questions: tuple[Question, ...] = (
        *("live values", "powers of a day", "energies of periods", "settings read", "settings written"),
    )
    rows += ["", f"| family | {' | '.join(questions)} |", f"|---|{'---|' * len(questions)}"]
    for family in ALL_FAMILIES:
        answers = (source_of(question, [family]) for question in questions)
        rows.append(f"| `{family}` | {' | '.join(answers)} |")
    return "\n".join(rows)


def token_history() -> str:
    """Return the table of which API and call delivers which history of an account with a token."""
    rows = ["| history | by token | with a password too |", "|---|---|---|"]
    for family, (call, requests) in sorted(HISTORY_CALLS.items()):
        often = "10 seconds" if call == "v1_history" else "5 minutes"
        older = "older days by password" if source_of("energies of periods", [family]) == "password" else "the same"
        rows.append(
            f"| a day's powers, `{family}` | `{call}`: {requests} per day and device, every {often}, "
            f"{DEPTH.days} days back | {older} |"
        )
    rows += [
        "| a day's AC output of a plant | `v1_plant_power`: 1 per day, all years | the same |",
        "| yields of days, months, years | `v1_plant_energy`: 1 per 7 days, 2 or 20 years; all years | by password |",
        "| energies of grid, battery and load | from the powers of the days above | by password, all years |",
    ]
    return "\n".join(rows)


def token_settings() -> str:
    """Return the table of the settings that the token API has, by family."""
    rows = ["| family | settings |", "|---|---|"]
    for family, found in TOKEN_SETTINGS.items():
        rows.append(f"| `{family}` | {', '.join(f'`{entry.setting.name}`' for entry in found.entries)} |")
    return "\n".join(rows)


def portal_sources() -> str:
    """Return the table of which families are read through the web portal."""
    rows = ["| family | with `portal = true` read through the portal | by `GrowattPortal` |", "|---|---|---|"]
    rows += [f"| `{family}` | yes: {values} | yes |" for family, values in LIVE_FAMILIES.items()]
    rows += [f"| `{family}` | no, the app reports its values | yes |" for family in OTHER_FAMILIES]
    return "\n".join(rows)


def supported() -> str:
    """Return the table of recorded devices, one line per fixture: family, API, model, firmware, origin."""
    rows = []
    for path in sorted(RECORDINGS.glob("*/recording.json")):
        bundle = read_bundle(path)
        vendor, name = VENDORS[bundle.vendor].title, path.parent.name
        source = "emulated" if bundle.emulated else f"recorded {bundle.recorded_at[:10]}"
        for device in dict.fromkeys(bundle.devices):
            cells = (
                vendor,
                DIALECTS[bundle.dialect],
                f"`{device.family}`",
                device.model,
                device.firmware,
                source,
                f"`{name}`",
            )
            rows.append(f"| {' | '.join(cell or 'not reported' for cell in cells)} |")
    head = ["| cloud | API | family | model | firmware | origin | fixture |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *sorted(rows, key=lambda row: " emulated " in row)])


TABLES = {
    **{f"growatt {name} settings": partial(settings, family.settings) for name, family in GROWATT.items()},
    **{f"growatt {name} raw": partial(raw, family.raw_only) for name, family in GROWATT.items()},
    "goodwe settings": lambda: settings(row.setting for row in goodwe.FAMILIES["hybrid"]),
    "goodwe raw": lambda: raw(goodwe.RAW_ONLY),
    "growatt calls": lambda: calls(GrowattCalls),
    "growatt token sources": token_sources,
    "growatt token settings": token_settings,
    "growatt token history": token_history,
    "growatt portal calls": lambda: calls(PortalCalls),
    "growatt portal sources": portal_sources,
    "growatt token calls": lambda: calls(OpenApiCalls),
    "goodwe calls": lambda: calls(GoodWeCalls),
    "semsplus calls": lambda: calls(SemsPlusCalls),
    "growatt operations": lambda: reference(Growatt),
    "goodwe operations": lambda: reference(GoodWe),
    "growatt payloads": lambda: payloads("heliograph.vendors.growatt"),
    "goodwe payloads": lambda: payloads("heliograph.vendors.goodwe"),
    "model": model,
    "supported": supported,
    "device metrics": device_metrics,
    "home assistant growatt": home_assistant_growatt_table,
    "goodwe clients": goodwe_clients_table,
    "errors": error_tree,
    "settings api": settings_api,
    "alarm rules": alarm_rules,
    "fault codes": fault_codes,
    "metrics": metrics,
    "api": api,
    "prometheus": prometheus,
    "entities": entities,
    "recipes": recipes,
    "polls": polls,
}


def derived(text: str) -> str:
    """Return a page with every generated block replaced."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found['what']]()}\n{found[3]}", text)


def main(*, check: bool) -> int:
    """Rewrite, or list, the stale pages."""
    stale = []
    for page in sorted(HERE.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (fresh := derived(text)) != text:
            stale.append(str(page.relative_to(HERE)))
            if not check:
                page.write_text(fresh, encoding="utf-8")
    print("\n".join(f"{'stale' if check else 'rewrote'}: docs/{page}" for page in stale) or "all tables are true")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
