"""Measures Heliograph beside its peers in one run; `--write` puts the tables into docs/benchmarks.md.

Clients run on one core and the pre-rendered cloud on another, in turn and in several rounds, so that a busy
machine disturbs all alike. Ratios are the median over rounds; the figures are medians too.
"""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import month
import store
import year

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
MEASURED = ("<!-- measured -->", "<!-- end -->")
SIMULATED = ("<!-- simulated -->", "<!-- end of the simulated -->")

GROWATT = ("growattServer", "drop-in", "typed", "typed, kept", "bare socket")
GOODWE = ("pygoodwe", "goodwe", "bare socket")
CALLS = {"detail": GROWATT, "status": GROWATT, "monitor": GOODWE}
COLD = {
    "detail": ("growattServer", "drop-in", "typed", "typed, kept", "requests alone", "pyreqwest alone"),
    "monitor": ("pygoodwe", "goodwe"),
}
FLEET = ("growattServer, 8 threads", "growattServer, 32 threads", "heliograph, async", "bare sockets")
IMPORTS = (
    "pass",
    "import growattServer",
    "from heliograph import growattserver",
    "from heliograph import Growatt",
    "import pygoodwe",
    "from heliograph import GoodWe",
)
TITLES = {
    "detail": "Growatt getTlxDetailData (GET)",
    "status": "Growatt getSystemStatus_KW (POST)",
    "monitor": "GoodWe GetMonitorDetailByPowerstationId (POST)",
}


def answers() -> dict[str, str]:
    """Return real-sized answers by a part of their request line, taken once from the emulator."""
    from datetime import datetime

    from heliograph import GoodWe, Growatt
    from heliograph.emulator.main import EmulatorOptions, build_emulator
    from heliograph.emulator.server import serve_in_thread

    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat("2026-06-21T12:00:00+02:00"), speed=0))
    with serve_in_thread(emulator) as ready:
        one, other = emulator.accounts
        growatt = Growatt(one.username, one.password, server=ready["growatt"], keeper=None)
        tlx = next(site for site in one.plants if site.family == "tlx-battery")
        goodwe = GoodWe(other.username, other.password, server=ready["sems"], keeper=None)
        hybrid = next(site for site in other.plants if site.family == "hybrid")
        token = {"uid": "1", "timestamp": 1, "token": "0" * 32, "client": "ios", "version": "v2.1.0", "language": "en"}
        found = {
            "LoginAPI": {"back": growatt.login(one.username, one.password).raw},
            "getTlxDetailData": growatt.tlx_detail(tlx.devices[0]).raw,
            "getSystemStatus_KW": {
                "result": 1,
                "obj": growatt.tlx_system_status(tlx.id, tlx.devices[0]).raw,
                "msg": "",
            },
            "CrossLogin": {"hasError": False, "code": 0, "msg": "Success", "data": token, "components": {}},
            "GetMonitorDetail": {"code": "0", "msg": "success", "data": goodwe.monitor_detail(hybrid.id).raw},
        }
    return {mark: json.dumps(answer) for mark, answer in found.items()}


@contextlib.contextmanager
def cloud(latency: float = 0.0, certificate: tuple[str, str] | None = None, answers: Path | None = None):
    """Run the pre-rendered cloud for as long as the block lasts, and give its address."""
    arguments = [sys.executable, str(HERE / "stub.py"), str(answers or ANSWERS), str(latency), *(certificate or ())]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, preexec_fn=_pin(-1))  # noqa: PLW1509 - no threads here
    port = process.stdout.readline().strip()
    try:
        yield f"{'https' if certificate else 'http'}://localhost:{port}/"
    finally:
        process.terminate()
        process.wait()


def _pin(core: int):
    """Return what keeps a child on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[core]})


def run(script: str, *arguments: str, **environment: str) -> dict[str, float]:
    """Run one script as a process on the first core; return what it printed, and its own wall and CPU."""
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(
        [sys.executable, *([str(HERE / script)] if script.endswith(".py") else ["-c", script]), *arguments],
        env={**os.environ, **environment},
        preexec_fn=_pin(0),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{script} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    own = {"process_wall": time.perf_counter() - start, "process_cpu": cpu}
    return {**own, **(json.loads(done.stdout) if done.stdout.startswith("{") else {})}


def per_call(rounds: int, seconds: float) -> list[str]:
    """CPU per call and calls per second, kept alive, no latency."""
    lines = []
    for call, clients in CALLS.items():
        found = {client: [] for client in clients}
        with cloud() as url:
            for _ in range(rounds):
                for client in clients:
                    found[client].append(run("calls.py", client, call, url, str(seconds)))
        peer = [one["cpu"] / one["calls"] for one in found[clients[0]]]
        lines += [
            "",
            f"**{TITLES[call]}**",
            "",
            "| client | CPU µs/call | calls/s | CPU against the peer |",
            "|---|---|---|---|",
        ]
        for client, results in found.items():
            cpu = [one["cpu"] / one["calls"] for one in results]
            rate = statistics.median(one["calls"] / one["wall"] for one in results)
            ratio = statistics.median(own / other for own, other in zip(cpu, peer, strict=True))
            lines.append(f"| {client} | {statistics.median(cpu) * 1e6:.0f} | {rate:.0f} | {ratio:.2f} |")
    return lines


def cold_start(rounds: int, certificate: tuple[str, str] | None, authority: str, home: str) -> list[str]:
    """Import, login and four calls over TLS, as whole processes."""
    lines = ["", "| client | wall ms | CPU ms | wall against the peer |", "|---|---|---|---|"]
    if certificate is None:
        return ["", "Left out: no `openssl` on this machine to make a certificate with."]
    with cloud(certificate=certificate) as url:
        for clients in COLD.values():
            found = {client: [] for client in clients}
            for _ in range(rounds):
                for client in clients:
                    told = {"SSL_CERT_FILE": authority, "REQUESTS_CA_BUNDLE": authority, "HELIOGRAPH_HOME": home}
                    found[client].append(run("cold.py", client, url, **told))
            lines += _against(found, clients[0])
    return lines


def imports(rounds: int) -> list[str]:
    """Import alone, as whole processes."""
    found = {statement: [] for statement in IMPORTS}
    for _ in range(rounds):
        for statement in IMPORTS:
            found[statement].append(run(statement))
    floor = statistics.median(one["process_wall"] for one in found["pass"])
    lines = ["", "| import | wall ms | over an empty Python, ms |", "|---|---|---|"]
    for statement, results in found.items():
        wall = statistics.median(one["process_wall"] for one in results)
        lines.append(f"| `{statement}` | {wall * 1e3:.0f} | {(wall - floor) * 1e3:.0f} |")
    return lines


def _against(found: dict[str, list[dict[str, float]]], peer: str) -> list[str]:
    lines = []
    for client, results in found.items():
        wall = statistics.median(one["process_wall"] for one in results)
        cpu = statistics.median(one["process_cpu"] for one in results)
        pairs = zip(results, found[peer], strict=True)
        ratio = statistics.median(own["process_wall"] / other["process_wall"] for own, other in pairs)
        lines.append(f"| {client} | {wall * 1e3:.0f} | {cpu * 1e3:.0f} | {ratio:.2f} |")
    return lines


def fleet(rounds: int) -> list[str]:
    """200 accounts x 5 calls at 100 ms; the floor is 5 x 100 ms."""
    lines = ["", "| client | wall s | CPU s | memory MB |", "|---|---|---|---|"]
    with cloud(latency=0.1) as url:
        found = {client: [] for client in FLEET}
        for _ in range(rounds):
            for client in FLEET:
                found[client].append(run("fleet.py", client, url.replace("localhost", "127.0.0.1")))
    for client, results in found.items():
        middle = {key: statistics.median(one[key] for one in results) for key in ("wall", "cpu", "memory")}
        lines.append(f"| {client} | {middle['wall']:.2f} | {middle['cpu']:.2f} | {middle['memory']:.0f} |")
    return lines


def many(folder: Path, *, quick: bool) -> list[str]:
    """Accounts of one plant each, collected by one process."""
    lines = [
        "",
        "| accounts | CPU ms a poll | first poll, with login | one round, s | memory kB each |",
        "|---|---|---|---|---|",
    ]
    answers = folder / "many.json"
    run("many.py", "prepare", str(answers))
    for size in (10, 100) if quick else (10, 100, 1000):
        with cloud(answers=answers) as url:
            one = run("many.py", url, str(size))
        lines.append(
            f"| {size} | {one['cpu'] * 1e3:.1f} | {one['first'] * 1e3:.1f} | {one['wall']:.2f} | {one['memory']:.0f} |"
        )
    return lines


def certificate(folder: Path) -> tuple[tuple[str, str] | None, str]:
    """Make an authority and a certificate for localhost with the system's openssl."""
    if shutil.which("openssl") is None:
        return None, ""
    (folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n", encoding="utf-8")

    def quietly(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    quietly("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench")
    quietly("req", *key, "-keyout", "key.pem", "-out", "request", "-subj", "/CN=localhost")
    signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    quietly("x509", "-req", "-in", "request", *signed_by, "-out", "cert.pem", "-days", "2", "-extfile", "names")
    return (str(folder / "cert.pem"), str(folder / "key.pem")), str(folder / "ca.pem")


def measured(folder: Path, *, quick: bool) -> list[str]:
    """Measure everything that takes real time."""
    global ANSWERS  # noqa: PLW0603
    ANSWERS = folder / "answers.json"
    ANSWERS.write_text(json.dumps(answers()), encoding="utf-8")
    pair, authority = certificate(folder)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [f"Measured {time.strftime('%Y-%m-%d')} on {machine}.", "", "### One call, repeated"]
    lines += per_call(*((2, 0.2) if quick else (7, 0.8)))
    lines += ["", "### Import", *imports(3 if quick else 11)]
    lines += ["", "### Cold start: import, login and four calls over TLS"]
    lines += cold_start(3 if quick else 11, pair, authority, folder)
    lines += ["", "### A fleet: 200 accounts x 5 calls at 100 ms", *fleet(1 if quick else 3)]
    lines += ["", "### Many accounts, one collector", *many(folder, quick=quick)]
    return [*lines, "", "### The store beside the bare database", *store.lines(run, 3 if quick else 7)]


def simulated(*, quick: bool) -> list[str]:
    """Live through simulated months; takes most of an hour of two cores."""
    lines = ["### A month of ordinary use", *month.section(2 if quick else month.DAYS)]
    return [*lines, "", "### A year of data faults", *year.section(8 if quick else 60)]


def main(*, write: bool, quick: bool, simulate: bool) -> None:
    """Measure, or simulate, and print it as the page shows it."""
    compileall.compile_dir(HERE.parent / "src", quiet=1)  # as an installed package is; the peers are too
    with tempfile.TemporaryDirectory() as name:
        lines = simulated(quick=quick) if simulate else measured(Path(name), quick=quick)
    text = "\n".join(lines)
    print(text)
    if write:
        begins, ends = SIMULATED if simulate else MEASURED
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(begins)[0], page.split(ends, 1)[1]
        PAGE.write_text(f"{before}{begins}\n{text}\n{ends}{after}", encoding="utf-8")


if __name__ == "__main__":
    if "--only-many" in sys.argv:
        with tempfile.TemporaryDirectory() as name:
            print("\n".join(many(Path(name), quick="--quick" in sys.argv)))
        sys.exit()
    main(write="--write" in sys.argv, quick="--quick" in sys.argv, simulate="--simulate" in sys.argv)
