"""Rewrites the tables of the documentation that follow from the declarations; `--check` only says which are stale."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from heliograph.endpoint import Endpoint, methods
from heliograph.metrics import METRICS
from heliograph.outputs.homeassistant import measured
from heliograph.outputs.prometheus import named
from heliograph.vendors.goodwe.legacy.api import GoodWeCalls
from heliograph.vendors.goodwe.plus.api import SemsPlusCalls
from heliograph.vendors.growatt.api import GrowattCalls
from heliograph.web.api import CALLS, PREFIX

if TYPE_CHECKING:
    from heliograph.endpoint import Method

HERE = Path(__file__).parent
BLOCK = re.compile(r"(<!-- derived: (?P<what>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def calls(cloud: type) -> str:
    """Return the table of a cloud's calls: method, request, where the arguments travel, what it is."""
    rows = ["| method | request | arguments travel | what |", "|---|---|---|---|"]
    rows += [_row(method) for method in methods(cloud)]
    return "\n".join(rows)


def _row(method: Method[..., object]) -> str:
    names = ", ".join(method.signature.parameters)
    sentence = (method.__doc__ or "").strip().split("\n\n", maxsplit=1)[0].replace("\n", " ").replace("|", "\\|")
    if not isinstance(method, Endpoint):
        return f"| `{method.name}({names})` | several | | {sentence} |"
    route = method.route
    fixed = "&".join(f"{key}={value}" for key, value in route.fixed.items())
    path = f"{route.path}?{fixed}" if fixed else route.path
    order = " **changes something**" if route.command else ""
    return f"| `{method.name}({names})` | `{route.verb} {path}` | {route.where}{order} | {sentence} |"


def metrics() -> str:
    """Return the table of published quantities."""
    rows = ["| metric | unit | kind | meaning |", "|---|---|---|---|"]
    rows += [f"| `{row.name}` | {row.unit} | {row.kind} | {row.meaning} |" for row in METRICS.values()]
    return "\n".join(rows)


def api() -> str:
    """Return the table of the API's paths and what each may be told."""
    rows = ["| path | parameters | what |", "|---|---|---|"]
    for one in CALLS:
        told = ", ".join(f"`{asked.name}`" for asked in one.parameters)
        rows.append(f"| `{PREFIX}{one.path}` | {told} | {one.meaning} |")
    return "\n".join(rows)


def prometheus() -> str:
    """Return the table of what each metric is called in Prometheus."""
    rows = ["| in Prometheus | kind | meaning |", "|---|---|---|"]
    for row in METRICS.values():
        kind = "counter" if row.kind == "total" else "gauge"
        rows.append(f"| `heliograph_{named(row)}` | {kind} | {row.meaning} |")
    return "\n".join(rows)


def entities() -> str:
    """Return the table of what each metric is in Home Assistant."""
    rows = ["| entity | unit | device class | state class | meaning |", "|---|---|---|---|---|"]
    for one in measured(METRICS):
        classes = f"{one.more['device_class']} | {one.more['state_class']}"
        rows.append(f"| {one.name} | {METRICS[one.key].unit} | {classes} | {METRICS[one.key].meaning} |")
    return "\n".join(rows)


TABLES = {
    "growatt calls": lambda: calls(GrowattCalls),
    "goodwe calls": lambda: calls(GoodWeCalls),
    "semsplus calls": lambda: calls(SemsPlusCalls),
    "metrics": metrics,
    "api": api,
    "prometheus": prometheus,
    "entities": entities,
}


def derived(text: str) -> str:
    """Return a page with every derived block made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found['what']]()}\n{found[3]}", text)


def main(*, check: bool) -> int:
    """Rewrite, or name, the stale pages."""
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
