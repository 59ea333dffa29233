"""A sample of `make torture`: one or two trials of some faults, in a program of its own because it forks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.paths import ROOT

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="forks and kills as POSIX does"), pytest.mark.slow]


def test_programs_lose_and_tear_nothing_under_faults():
    names = ("collect", "settings", "store-bits", "files", "stopped")
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "torture.py"), "--seed", "5", "--trials", "2", "--only", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| 2 |") >= len(names)
