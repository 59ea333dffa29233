"""Tests of `heliograph serve` as a process: printed address, errors, token and shutdown."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime

import pytest

from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.server import serve_in_thread
from support.website import TOKEN, home, written

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def start(tmp_path):
    programs = []
    store = written(tmp_path / "samples.sqlite", home())
    (tmp_path / "heliograph.toml").write_text("")

    def start(*arguments, config=""):
        (tmp_path / "heliograph.toml").write_text(config)
        (tmp_path / "heliograph.toml").chmod(0o600)
        options = ["--config", str(tmp_path / "heliograph.toml"), "--store", str(store)]
        command = [sys.executable, "-m", "heliograph", "serve", *options, *arguments]
        programs.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def read_address(program):
    line = program.stdout.readline()
    assert line.startswith("heliograph listens on http://"), program.stderr.read()
    return line.rpartition("//")[2].strip().rstrip("/")


def status(address, path, **headers):
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", path, headers=headers)
    found = connection.getresponse().status
    connection.close()
    return found


def stop_program(program, signum=signal.SIGTERM):
    started = time.monotonic()
    program.send_signal(signum)
    out, error = program.communicate(timeout=20)
    return program.returncode, out + error, time.monotonic() - started


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_address_and_stops_in_time_with_open_streams(start, signum):
    program = start("--port", "0")
    address = read_address(program)
    assert status(address, "/healthz") == 200
    streams = []
    for _ in range(5):
        streams.append(http.client.HTTPConnection(address, timeout=20))
        streams[-1].request("GET", "/api/v1/events/live")
        assert streams[-1].getresponse().readline() == b": heliograph\n"
    code, output, seconds = stop_program(program, signum)
    assert (code, output) == (0, "")
    assert seconds < 3  # two for the streams, the rest for a busy machine
    for one in streams:
        one.close()


def test_serve_reports_used_port_in_one_line(start):
    with socket.create_server(("127.0.0.1", 0)) as used:
        program = start("--port", str(used.getsockname()[1]))
        _, error = program.communicate(timeout=20)
    assert program.returncode == 2
    (line,) = error.splitlines()
    assert "cannot listen on 127.0.0.1" in line
    assert "Port 0 selects a free port" in line
    assert "attempt" not in line


@pytest.mark.parametrize("arguments", [("--host", "0.0.0.0"), ("--host", "nowhere.invalid"), ("--port", "70000")])
def test_serve_reports_unusable_address_in_one_line(start, arguments):
    program = start(*arguments)
    out, error = program.communicate(timeout=20)
    assert (program.returncode, out) == (2, "")
    assert len(error.splitlines()) == 1


def test_serve_reads_token_from_file_and_shows_it_nowhere(start, tmp_path):
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    program = start("--host", "0.0.0.0", "--port", "0", "--token-file", str(token))
    address = read_address(program)
    assert status(address, "/metrics") == 401
    assert status(address, "/metrics", Authorization=f"Bearer {TOKEN}") == 200
    assert status(address, f"/?token={TOKEN}") == 303
    listed = subprocess.run(["ps", "-o", "args=", str(program.pid)], capture_output=True, text=True, check=True).stdout
    code, output, _ = stop_program(program)
    assert code == 0
    assert TOKEN not in output + listed


@pytest.mark.parametrize(("text", "reason"), [("", "is empty"), ("short", "guessed"), (None, "cannot be read")])
def test_serve_reports_invalid_token_file_in_one_line(start, tmp_path, text, reason):
    if text is not None:
        (tmp_path / "token").write_text(text)
    program = start("--token-file", str(tmp_path / "token"))
    _, error = program.communicate(timeout=20)
    assert program.returncode == 2
    (line,) = error.splitlines()
    assert reason in line


def test_serve_uses_port_token_and_hosts_of_config_file(start):
    program = start(config=f'[serve]\nport = 0\ntoken = "{TOKEN}"\nhosts = ["solar.lan"]\n')
    address = read_address(program)
    assert status(address, "/healthz") == 401
    assert status(address, "/healthz", Host="solar.lan", Authorization=f"Bearer {TOKEN}") == 200
    assert stop_program(program)[0] == 0


def test_help_imports_no_web_dependencies():
    code = (
        "import sys\nfrom heliograph.cli.main import build_parser\nbuild_parser().format_help()\n"
        "print([name for name in ('starlette', 'uvicorn', 'htpy', 'anyio', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_serve_reports_missing_web_extra(tmp_path):
    code = (
        "import sys\nsys.modules['starlette'] = None\nfrom heliograph.cli.main import run\n"
        f"sys.exit(run(['serve', '--store', {str(tmp_path / 's')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    command = f"{sys.executable} -m pip install 'heliograph[web]'"
    assert done.stderr == f"heliograph: the page needs starlette, which is not installed: {command}\n"


def test_collect_with_serve_shows_plants_and_stops_cleanly(tmp_path):
    noon = datetime.fromisoformat("2025-06-21T12:00:00+02:00")
    emulator = build_emulator(EmulatorOptions(start=noon, speed=0, accounts=2))
    with serve_in_thread(emulator) as ready:
        tables = [
            f"[[account]]\nvendor = {one['vendor']!r}\nusername = {one['username']!r}\n"
            f"password = {one['password']!r}\nserver = {ready['url']!r}\n"
            for one in ready["accounts"]
        ]
        config = tmp_path / "heliograph.toml"
        config.write_text("\n".join(("[serve]\nport = 0", *tables)))
        config.chmod(0o600)
        options = ["--config", str(config), "--store", str(tmp_path / "samples.sqlite")]
        command = [sys.executable, "-m", "heliograph", "collect", "--no-heal", *options]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            line = next(line for line in program.stderr if "event=web.listening" in line)
            address = line.rpartition("//")[2].strip().rstrip("/")
            plants = sum(len(one["plants"]) for one in ready["accounts"])
            end = time.monotonic() + 30
            while fetch_json(address, "/api/v1/plants")["total"] < plants:
                assert time.monotonic() < end
                time.sleep(0.05)
            used = [one["budget"]["requests"]["used"] for one in fetch_json(address, "/api/v1/accounts")["accounts"]]
            assert all(used)
            stream = http.client.HTTPConnection(address, timeout=20)
            stream.request("GET", "/api/v1/events/live")
            assert stream.getresponse().status == 200
            code, output, seconds = stop_program(program)
            stream.close()
        finally:
            program.kill()
            program.communicate()
    assert code == 0
    assert seconds < 10
    assert all(one["password"] not in line + output for one in ready["accounts"])


def fetch_json(address, path):
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", path)
    found = json.load(connection.getresponse())
    connection.close()
    return found
