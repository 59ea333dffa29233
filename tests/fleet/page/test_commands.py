"""The commands of the triage page, where the extra is missing too."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
for name in ("psycopg", "procrastinate", "cryptography", "starlette"):
    sys.modules[name] = None
from heliograph.cli.main import run
sys.exit(run(["fleet", *sys.argv[1:]]))
"""


def test_help_needs_no_extra():
    for words in (["--help"], ["serve", "--help"], ["token", "new", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "examples:" in done.stdout
