"""A sample of `make torture`: few trials of the faults that need no special rights and little time."""

from __future__ import annotations

import os
import random
import sys
from importlib import import_module

import pytest

from support.paths import ROOT

sys.path.append(str(ROOT / "bench"))

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="forks and kills as POSIX does"), pytest.mark.slow]


@pytest.mark.parametrize(
    ("module", "scenario", "trials"),
    [
        ("torture_kills", "collect", 3),
        ("torture_kills", "settings", 1),
        ("torture_disk", "full_disk", 1),
        ("torture_files", "store_bits", 1),
    ],
)
def test_programs_lose_and_tear_nothing_under_faults(tmp_path, monkeypatch, module, scenario, trials):
    monkeypatch.setenv("TORTURE_OUTPUT", str(tmp_path / "output"))
    (tmp_path / "output").mkdir()
    monkeypatch.setattr("torture_files.DAYS", ("2025-06-20", "2025-06-20"))
    faults = getattr(import_module(module), scenario)
    tally = faults(tmp_path / "world", trials, random.Random(f"{scenario} 5"))
    assert tally.trials == trials
    assert (tally.lost, tally.torn, tally.mistakes, tally.stuck) == (0, 0, 0, 0), tally.notes
