"""The documentation keeps its promises: derived tables are true, blocks run, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_derived_tables_are_true() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "derive.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}run: make docs"


def test_the_tutorial_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 5
    space: dict[str, object] = {}
    try:
        for block in blocks:
            exec(compile(block, "docs/tutorial.md", "exec"), space)
    finally:
        cloud = space.get("cloud")
        if isinstance(cloud, subprocess.Popen):
            cloud.kill()
            cloud.wait()
            assert cloud.stdout is not None
            cloud.stdout.close()
    told = capsys.readouterr().out
    assert "W of solar power" in told
    assert "refused the user name or password" in told


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    texts = {file: (ROOT / "tests" / file).read_text(encoding="utf-8") for file, _ in named}
    missing = [(file, name) for file, name in named if f"def {name}(" not in texts[file]]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_error_and_fault_is_documented() -> None:
    from heliograph import errors

    named = {name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__}
    named -= {"__getattr__"}
    tree = errors.__doc__ or ""
    assert {name for name in named if name not in tree} == set()


def test_no_page_names_a_path_of_a_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(root|home|tmp|work)/", page.read_text(encoding="utf-8")), page
