"""Benchmarks of Heliograph beside its peers in one run; `--write` writes the tables to docs/benchmarks.md.

Clients run on one core and the pre-rendered cloud on another, alternately and in several rounds, so that a busy
machine disturbs all equally. Figures and ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
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
from functools import partial
from pathlib import Path

import month
import store
import year

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
PAGE = HERE.parent / "docs" / "benchmarks.md"
MEASURED_MARKERS = ("<!-- measured -->", "<!-- end -->")
SIMULATED_MARKERS = ("<!-- simulated -->", "<!-- end of the simulated -->")

GROWATT = ("growattServer", "drop-in", "typed", "typed, protected", "bare socket")
GOODWE = ("pygoodwe", "goodwe", "bare socket")
CALLS = {"detail": GROWATT, "status": GROWATT, "monitor": GOODWE}
COLD = {
    "detail": ("growattServer", "drop-in", "typed", "typed, protected", "requests alone", "pyreqwest alone"),
    "monitor": ("pygoodwe", "goodwe"),
}
CALL_ROUNDS = {True: (2, 0.2), False: (7, 0.8)}
"""Rounds and seconds per client, by `--quick`."""
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


def record_responses() -> dict[str, str]:
    """Return real-sized response bodies of the emulator, by a part of their request line."""
    from datetime import datetime

    from heliograph import GoodWe, Growatt
    from heliograph.emulator.main import EmulatorOptions, build_emulator
    from heliograph.emulator.server import serve_in_thread

    emulator = build_emulator(EmulatorOptions(start=datetime.fromisoformat("2026-06-21T12:00:00+02:00"), speed=0))
    with serve_in_thread(emulator) as ready:
        growatt_account, goodwe_account = emulator.accounts
        growatt = Growatt(growatt_account.username, growatt_account.password, server=ready["growatt"], keeper=None)
        tlx = next(plant for plant in growatt_account.plants if plant.family == "tlx-battery")
        goodwe = GoodWe(goodwe_account.username, goodwe_account.password, server=ready["sems"], keeper=None)
        hybrid = next(plant for plant in goodwe_account.plants if plant.family == "hybrid")
        token = {"uid": "1", "timestamp": 1, "token": "0" * 32, "client": "ios", "version": "v2.1.0", "language": "en"}
        bodies = {
            "LoginAPI": {"back": growatt.login(growatt_account.username, growatt_account.password).raw},
            "getTlxDetailData": growatt.tlx_detail(tlx.devices[0]).raw,
            "getSystemStatus_KW": {
                "result": 1,
                "obj": growatt.tlx_system_status(tlx.id, tlx.devices[0]).raw,
                "msg": "",
            },
            "CrossLogin": {"hasError": False, "code": 0, "msg": "Success", "data": token, "components": {}},
            "GetMonitorDetail": {"code": "0", "msg": "success", "data": goodwe.monitor_detail(hybrid.id).raw},
        }
    return {part: json.dumps(body) for part, body in bodies.items()}


@contextlib.contextmanager
def cloud(latency: float = 0.0, certificate: tuple[str, str] | None = None, responses: Path | None = None):
    """Run the pre-rendered cloud during the block, and yield its URL."""
    arguments = [sys.executable, str(HERE / "stub.py"), str(responses or RESPONSES), str(latency), *(certificate or ())]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, preexec_fn=partial(pin, -1))  # noqa: PLW1509 - no threads here
    port = process.stdout.readline().strip()
    try:
        yield f"{'https' if certificate else 'http'}://localhost:{port}/"
    finally:
        process.terminate()
        process.wait()


def pin(core: int) -> None:
    """Pin this process, and those it starts, to one core, if the system can."""
    if CORES:
        os.sched_setaffinity(0, {CORES[core]})


def run(script: str, *arguments: str, **environment: str) -> dict[str, float]:
    """Run a script in a process; return the JSON it prints and the wall and CPU time it used."""
    start, before = time.perf_counter(), os.times()
    result = subprocess.run(
        [sys.executable, *([str(HERE / script)] if script.endswith(".py") else ["-c", script]), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        sys.exit(f"{script} {' '.join(arguments)} failed:\n{result.stderr[-2000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    usage = {"process_wall": time.perf_counter() - start, "process_cpu": cpu}
    return usage | (json.loads(result.stdout) if result.stdout.startswith("{") else {})


def per_call(rounds: int, seconds: float) -> list[str]:
    """Return the tables of CPU per call and calls per second, on one open connection without latency."""
    lines = []
    for call, clients in CALLS.items():
        results = {client: [] for client in clients}
        with cloud() as url:
            for _ in range(rounds):
                for client in clients:
                    results[client].append(run("calls.py", client, call, url, str(seconds)))
        peer = [run["cpu"] / run["calls"] for run in results[clients[0]]]
        lines += [
            "",
            f"**{TITLES[call]}**",
            "",
            "| client | CPU µs/call | calls/s | CPU against the peer |",
            "|---|---|---|---|",
        ]
        for client, runs in results.items():
            cpu = [run["cpu"] / run["calls"] for run in runs]
            rate = statistics.median(run["calls"] / run["wall"] for run in runs)
            ratio = statistics.median(own / other for own, other in zip(cpu, peer, strict=True))
            lines.append(f"| {client} | {statistics.median(cpu) * 1e6:.0f} | {rate:.0f} | {ratio:.2f} |")
    return lines


def cold_start(rounds: int, certificate: tuple[str, str] | None, authority: str, home: str) -> list[str]:
    """Return the table of import, login and four calls over TLS, each in a new process."""
    lines = ["", "| client | wall ms | CPU ms | wall against the peer |", "|---|---|---|---|"]
    if certificate is None:
        return ["", "Skipped: `openssl` is not installed, so no certificate could be created."]
    with cloud(certificate=certificate) as url:
        for clients in COLD.values():
            results = {client: [] for client in clients}
            for _ in range(rounds):
                for client in clients:
                    environment = {"SSL_CERT_FILE": authority, "REQUESTS_CA_BUNDLE": authority, "HELIOGRAPH_HOME": home}
                    results[client].append(run("cold.py", client, url, **environment))
            lines += _compare_with_peer(results, clients[0])
    return lines


def imports(rounds: int) -> list[str]:
    """Return the table of imports, each in a new process."""
    results = {statement: [] for statement in IMPORTS}
    for _ in range(rounds):
        for statement in IMPORTS:
            results[statement].append(run(statement))
    empty = statistics.median(run["process_wall"] for run in results["pass"])
    lines = ["", "| import | wall ms | over an empty Python, ms |", "|---|---|---|"]
    for statement, runs in results.items():
        wall = statistics.median(run["process_wall"] for run in runs)
        lines.append(f"| `{statement}` | {wall * 1e3:.0f} | {(wall - empty) * 1e3:.0f} |")
    return lines


def _compare_with_peer(results: dict[str, list[dict[str, float]]], peer: str) -> list[str]:
    lines = []
    for client, runs in results.items():
        wall = statistics.median(run["process_wall"] for run in runs)
        cpu = statistics.median(run["process_cpu"] for run in runs)
        pairs = zip(runs, results[peer], strict=True)
        ratio = statistics.median(own["process_wall"] / other["process_wall"] for own, other in pairs)
        lines.append(f"| {client} | {wall * 1e3:.0f} | {cpu * 1e3:.0f} | {ratio:.2f} |")
    return lines


def fleet(rounds: int) -> list[str]:
    """Return the table of 200 accounts x 5 calls at 100 ms; the minimum is 5 x 100 ms."""
    lines = ["", "| client | wall s | CPU s | memory MB |", "|---|---|---|---|"]
    with cloud(latency=0.1) as url:
        results = {client: [] for client in FLEET}
        for _ in range(rounds):
            for client in FLEET:
                results[client].append(run("fleet.py", client, url.replace("localhost", "127.0.0.1")))
    for client, runs in results.items():
        wall, cpu, memory = (statistics.median(run[key] for run in runs) for key in ("wall", "cpu", "memory"))
        lines.append(f"| {client} | {wall:.2f} | {cpu:.2f} | {memory:.0f} |")
    return lines


def many_accounts(folder: Path, *, quick: bool) -> list[str]:
    """Return the table of many accounts of one plant each, collected by one process."""
    lines = [
        "",
        "| accounts | CPU ms a poll | first poll, with login | one round, s | memory kB each |",
        "|---|---|---|---|---|",
    ]
    responses = folder / "many.json"
    run("many.py", "prepare", str(responses))
    for size in (10, 100) if quick else (10, 100, 1000):
        with cloud(responses=responses) as url:
            result = run("many.py", url, str(size))
        cpu, first = result["cpu"] * 1e3, result["first"] * 1e3
        lines.append(f"| {size} | {cpu:.1f} | {first:.1f} | {result['wall']:.2f} | {result['memory']:.0f} |")
    return lines


def create_certificate(folder: Path) -> tuple[tuple[str, str] | None, str]:
    """Create a certificate authority and a certificate for localhost with `openssl`; None if it is not installed."""
    if shutil.which("openssl") is None:
        return None, ""
    (folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n", encoding="utf-8")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench")
    openssl("req", *key, "-keyout", "key.pem", "-out", "request", "-subj", "/CN=localhost")
    ca_options = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    openssl("x509", "-req", "-in", "request", *ca_options, "-out", "cert.pem", "-days", "2", "-extfile", "names")
    return (str(folder / "cert.pem"), str(folder / "key.pem")), str(folder / "ca.pem")


def prepare_responses(folder: Path) -> None:
    """Record the responses of the stub cloud."""
    global RESPONSES  # noqa: PLW0603
    RESPONSES = folder / "responses.json"
    RESPONSES.write_text(json.dumps(record_responses()), encoding="utf-8")


def measure(folder: Path, *, quick: bool) -> list[str]:
    """Run all benchmarks in real time, and return their tables."""
    prepare_responses(folder)
    certificate, authority = create_certificate(folder)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [f"Measured {time.strftime('%Y-%m-%d')} on {machine}.", "", "### One call, repeated"]
    lines += per_call(*CALL_ROUNDS[quick])
    lines += ["", "### Import", *imports(3 if quick else 11)]
    lines += ["", "### Cold start: import, login and four calls over TLS"]
    lines += cold_start(3 if quick else 11, certificate, authority, folder)
    lines += ["", "### A fleet: 200 accounts x 5 calls at 100 ms", *fleet(1 if quick else 3)]
    lines += ["", "### Many accounts, one collector", *many_accounts(folder, quick=quick)]
    return [*lines, "", "### The store beside the bare database", *store.tables(run, 3 if quick else 21)]


def simulate_periods(*, quick: bool) -> list[str]:
    """Run the simulated month and year, and return their tables; takes most of an hour on two cores."""
    lines = ["### A month of ordinary use", *month.tables(2 if quick else month.DAYS)]
    return [*lines, "", "### A year of data faults", *year.tables(8 if quick else 60)]


def main(*, write: bool, quick: bool, simulate: bool) -> None:
    """Print the tables as docs/benchmarks.md shows them, measured or simulated."""
    compileall.compile_dir(HERE.parent / "src", quiet=1)  # like an installed package, as the peers are
    with tempfile.TemporaryDirectory() as name:
        lines = simulate_periods(quick=quick) if simulate else measure(Path(name), quick=quick)
    text = "\n".join(lines)
    print(text)
    if write:
        begin, end = SIMULATED_MARKERS if simulate else MEASURED_MARKERS
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(begin)[0], page.split(end, 1)[1]
        PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="also write the tables to docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="few repetitions: shows that the benchmarks work")
    parser.add_argument("--simulate", action="store_true", help="the simulated month and year instead; most of an hour")
    parser.add_argument("--only-many", action="store_true", help="only the table of many accounts")
    parser.add_argument("--only-calls", action="store_true", help="only the tables of one call, repeated")
    options = parser.parse_args()
    if not options.simulate:
        pin(0)  # not by a `preexec_fn`, which would copy this process for each client, within its time
    if options.only_calls:
        with tempfile.TemporaryDirectory() as folder_name:
            prepare_responses(Path(folder_name))
            print("\n".join(per_call(*CALL_ROUNDS[options.quick])))
    elif options.only_many:
        with tempfile.TemporaryDirectory() as folder_name:
            print("\n".join(many_accounts(Path(folder_name), quick=options.quick)))
    else:
        main(write=options.write, quick=options.quick, simulate=options.simulate)
