"""A fleet on this machine: PostgreSQL, the emulated clouds, two workers and the page, until Ctrl-C.

usage: fleet_demo.py [--accounts 40] [--seconds 60]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from sign_in_proxy import sign_in_proxy
from support.postgres_server import Server, programs

PAGE_PORT = 8770


def heliograph(*words: str, env: dict[str, str]) -> None:
    """Run one command and show it."""
    print(f"$ heliograph {' '.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "heliograph", *words], env=env, check=True)


def start(stack: ExitStack, *words: str, env: dict[str, str], log: Path, **more) -> subprocess.Popen:
    """Start a command that is ended with the demo."""
    print(f"$ heliograph {' '.join(words)} &", flush=True)
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "heliograph", *words], env=env, stderr=file, **{"stdout": file, **more}
        )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def noon_somewhere() -> str:
    """Return the current time in a zone where it is about noon, so that the emulated sun shines."""
    now = datetime.now(UTC)
    return now.astimezone(timezone(timedelta(hours=(24 - now.hour) % 24 - 12))).isoformat(timespec="seconds")


def write_accounts(path: Path, ready: dict) -> None:
    """Write the emulated accounts as the CSV file of an installer."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "vendor", "username", "password", "server", "customer", "tags"])
        for number, one in enumerate(ready["accounts"]):
            customer, tag = f"Customer {number % 9 + 1}", ("north", "south")[number % 2]
            writer.writerow(
                [f"home {number}", one["vendor"], one["username"], one["password"], ready["url"], customer, tag]
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="heliograph-demo-"))
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        (folder / "pg").mkdir()
        server = Server(programs(), folder / "pg")
        server.start()
        stack.callback(server.stop)
        env = os.environ | {
            "HELIOGRAPH_FLEET": server.url,
            "HELIOGRAPH_FLEET_KEY": str(folder / "fleet.key"),
            "HELIOGRAPH_HOME": str(folder),
        }
        clouds = start(
            stack,
            *("emulate", "--accounts", f"{options.accounts}", "--start", noon_somewhere()),
            env=env,
            log=folder / "emulator.log",
            stdout=subprocess.PIPE,
        )
        write_accounts(folder / "accounts.csv", json.loads(clouds.stdout.readline()))
        heliograph("fleet", "init", server.url, "--shards", "16", env=env)
        heliograph("fleet", "key", "new", env=env)
        heliograph("fleet", "import", str(folder / "accounts.csv"), "--tenant", "acme", env=env)
        for vendor in ("growatt", "goodwe"):  # the emulated clouds block nobody
            heliograph(
                "fleet", "egress", "set", "default", "--vendor", vendor, "--rate", "20", "--login-rate", "5", env=env
            )
        for name in ("a", "b"):
            start(stack, "fleet", "run", "--name", name, "--time-out", "6", env=env, log=folder / f"{name}.log")
        heliograph("fleet", "member", "set", "acme", "demo", "--role", "admin", env=env)
        start(stack, "fleet", "triage", "--interval", "30", env=env, log=folder / "triage.log")
        words = ("--port", f"{PAGE_PORT + 1}", "--trusted-proxy", "127.0.0.1", "--key-file", str(folder / "fleet.key"))
        start(stack, "fleet", "serve", *words, env=env, log=folder / "page.log")
        stack.enter_context(sign_in_proxy(PAGE_PORT, PAGE_PORT + 1, "demo"))
        print(f"\nthe page, signed in as an admin: http://127.0.0.1:{PAGE_PORT}/", flush=True)
        print(
            f"logs and files: {folder}\nkill a worker and see the other one take over; Ctrl-C ends the demo\n",
            flush=True,
        )
        ends_at = time.monotonic() + (options.seconds or float("inf"))
        try:
            while time.monotonic() < ends_at:
                time.sleep(10)
                heliograph("fleet", "status", env=env)
        except KeyboardInterrupt:
            print("ending", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
