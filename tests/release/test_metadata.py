"""What a package index shows of the package: metadata, description, extras; and the files of the source archive."""

import ast
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_string
from pathlib import Path

import pytest

import heliograph
from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the metadata of the wheel and the names in the source archive."""
    folder = tmp_path_factory.mktemp("built")
    code = (
        "import sys; from hatchling.build import build_sdist, prepare_metadata_for_build_wheel as metadata\n"
        "print(metadata(sys.argv[1])); print(build_sdist(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )  # fmt: skip
    info, archive = done.stdout.split()
    with tarfile.open(folder / archive) as tar:
        names = [name.partition("/")[2] for name in tar.getnames()]
    return message_from_string((folder / info / "METADATA").read_text("utf-8")), names


def test_metadata_has_the_version_of_the_package(built):
    assert "version" in PROJECT["dynamic"]
    assert built[0]["Version"] == heliograph.__version__


def test_metadata_has_urls_and_a_markdown_description(built):
    urls = dict(one.split(", ") for one in built[0].get_all("Project-URL"))
    assert set(urls) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith("https://") for url in urls.values())
    assert built[0]["Description-Content-Type"] == "text/markdown"


def test_description_links_to_files_of_this_version_that_exist(built):
    links = re.findall(r"""(?:\]\(|(?:src|srcset|href)=")([^)"\s]+)""", built[0].get_payload())
    start = re.compile(
        re.escape(PROJECT["urls"]["Source"]) + rf"/(blob|raw|tree)/v{re.escape(heliograph.__version__)}/"
    )
    assert len(links) > 20
    for link in links:
        assert link.startswith("https://"), link
        if link.startswith(PROJECT["urls"]["Source"]):
            assert (ROOT / start.sub("", link).partition("#")[0]).exists(), link


def test_extra_all_contains_every_other_extra():
    extras = PROJECT["optional-dependencies"]
    assert extras["all"] == [f"heliograph[{','.join(sorted(set(extras) - {'all'}))}]"]


def test_every_extra_named_in_a_hint_exists():
    """Hints are `extra_command("…")`; no message or page names an extra that is not declared."""
    named = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "extra_command":
                named |= {one.value for one in node.args if isinstance(one, ast.Constant)}
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.name != "installation.py":
                assert "pip install 'heliograph[" not in node.value, path
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for found in re.findall(r"pip(?:x)? install '?(?:heliograph|\.)\[([a-z,]+)\]", page.read_text("utf-8")):
            named |= set(found.split(","))
    assert {"emulator", "mqtt", "postgres", "parquet", "web"} <= named <= set(PROJECT["optional-dependencies"])


def test_source_archive_has_code_tests_and_documentation_but_no_images_and_caches(built):
    names = built[1]
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "packaging/readme.py"} <= set(names)
    assert {"src/heliograph/py.typed", "tests/conftest.py", "docs/index.md"} <= set(names)
    unwanted = ("docs/images/", ".github/", ".ci/", "dist/", "build/", "site/", ".venv")
    assert [name for name in names if name.startswith(unwanted) or Path(name).suffix == ".pyc"] == []
    pictures = {Path(name).parent.as_posix() for name in names if name.endswith(".png")}
    assert pictures == {"src/heliograph/web/assets", "addon/heliograph", "custom_components/heliograph/brand"}
    assert [name for name in names if "cache" in name.lower() and not name.endswith((".py", ".md"))] == []
