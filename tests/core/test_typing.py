"""A user's program outside of the repository, as mypy and pyright see it: results, attributes and mistakes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from support.paths import ROOT

PROGRAM = """
    import asyncio
    from heliograph import AsyncGrowatt, Budget, GoodWe, Growatt, Plant, Snapshot, Throttled, read_history
    from heliograph.vendors.growatt import GrowattCalls
    from typing import assert_type

    def blocking(growatt: Growatt, goodwe: GoodWe) -> None:
        assert_type(growatt.snapshots(), tuple[Snapshot, ...])
        assert_type(goodwe.plants(), tuple[Plant, ...])
        assert_type(growatt.budget, Budget)
        for snapshot in growatt.snapshots():
            assert_type(snapshot.pv_power, float | None)
            snapshot.pv_powr  # wrong
        growatt.plant_info(5)  # wrong
        growatt.plant_inf("5")  # wrong
        growatt.plant_info("5").devices[0].famly  # wrong
        GrowattCalls.plant_info.route.path
        assert_type(Growatt(token="x").snapshots(), tuple[Snapshot, ...])
        Growatt("me", "secret", token="x", zone="Europe/Berlin")
        Growatt("me", tokn="x")  # wrong
        assert growatt.token_api is not None
        growatt.token_api.v1_plant_data(5)  # wrong

    async def awaited(growatt: AsyncGrowatt) -> None:
        growatt.plant_list()  # wrong
        growatt.snapshots()  # wrong
        await growatt.plant_info()  # wrong
        task = asyncio.create_task(growatt.snapshots())
        assert_type(await task, tuple[Snapshot, ...])
        async with asyncio.TaskGroup() as group:
            group.create_task(growatt.plants())
        plants, snapshot = await asyncio.gather(growatt.plants(), growatt.snapshot("1"))
        assert_type(plants, tuple[Plant, ...])
        assert_type(snapshot, Snapshot)

    Growatt("me", "secret", keeper="none")  # wrong
    try:
        print(read_history)
    except Throttled as error:
        assert_type(error.retry_after, float)
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(dedent(PROGRAM))
    return path


def wrong_lines(path):
    return [number for number, line in enumerate(path.read_text().splitlines(), 1) if line.endswith("# wrong")]


def test_mypy_reports_exactly_the_mistakes_of_a_users_program(program):
    check = "import sys; from mypy import api; out, err, _ = api.run(sys.argv[1:]); sys.exit(err or print(out))"
    cache = ["--cache-dir", str(ROOT / ".mypy_cache" / "users"), "--no-error-summary"]
    done = subprocess.run(
        [sys.executable, "-c", check, "--strict", "--config-file=", "--follow-imports=silent", *cache, program.name],
        capture_output=True,
        text=True,
        cwd=program.parent,
        check=True,
    )
    found = {int(number) for number in re.findall(r"^program\.py:(\d+): error:", done.stdout, re.MULTILINE)}
    assert sorted(found) == wrong_lines(program), done.stdout


def test_pyright_reports_exactly_the_mistakes_of_a_users_program(program):
    pytest.importorskip("basedpyright", reason="basedpyright is not installed")
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT / "src")], "reportUnusedExpression": False}
    (program.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, program.name],
        capture_output=True,
        text=True,
        cwd=program.parent,
        check=False,
    )
    errors = [one for one in json.loads(done.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    assert sorted({one["range"]["start"]["line"] + 1 for one in errors}) == wrong_lines(program), errors
