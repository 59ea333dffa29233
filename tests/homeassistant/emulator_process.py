"""The emulated clouds as a process, with the calls of its control API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any, Self
from urllib.parse import urlsplit

NOON = datetime.fromisoformat("2026-06-21T12:02:00+02:00")
"""A sunny Sunday; the emulator's clock stands until a test advances it."""


class EmulatorProcess:
    """`heliograph emulate` with a stopped clock; control calls block, so tests make them in the executor."""

    def __init__(self, *arguments: str, start: datetime = NOON) -> None:
        self._command = [sys.executable, "-m", "heliograph", "emulate", "--port", "0", "--speed", "0", *arguments]
        self._command += ["--start", start.isoformat()]
        self.now = start

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.accounts = {one["vendor"]: one for one in self.ready["accounts"]}
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the control API."""
        connection = HTTPConnection(urlsplit(self.ready["url"]).netloc, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", f"/control/{path}", text)
            response = connection.getresponse()
            content = response.read()
            assert response.status == 200, content
            return json.loads(content)
        finally:
            connection.close()

    def advance(self, **duration: float) -> datetime:
        """Advance the clock and return the time."""
        self.now += timedelta(**duration)
        self.control("clock", {"now": self.now.isoformat()})
        return self.now

    def time(self) -> float:
        """Return the time of the clock in epoch seconds."""
        return self.now.timestamp()

    def faults(self, **faults: Any) -> None:
        """Switch faults on, and off with None."""
        self.control("faults", faults)

    def logged(self) -> list[dict[str, Any]]:
        """Return all requests of the clients."""
        return self.control("log")["requests"]

    def truth(self, plant: str) -> dict[str, Any]:
        """Return the true values of a plant."""
        return self.control(f"truth?plant={plant}")
