"""Builds what is published into dist/, and runs each artefact in an empty environment until its page answers.

make release                             everything that this machine can build
python packaging/release.py wheel        wheel and source archive only; also: deb, image, hacs
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import deb
import hacs
import image
from sbom import write_sbom

ROOT = Path(__file__).parent.parent
DIST, BUILD = ROOT / "dist", ROOT / "build"
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


def main(parts: list[str]) -> int:
    """Build the parts, default: all; exit code 1 if one that this machine can build is not right."""
    version = _VERSION.findall((ROOT / "src/heliograph/__init__.py").read_text("utf-8"))[0]
    changes = changelog_section((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
    os.environ["SOURCE_DATE_EPOCH"] = epoch = _output("git", "log", "-1", "--format=%ct") or "1700000000"
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    if not parts or "hacs" in parts:
        print(f"hacs: {hacs.build(ROOT, version, int(epoch))}")
    wheel = build_wheel(version)
    for name, build in {"deb": deb.build, "image": image.build}.items():
        if not parts or name in parts or (name == "deb" and "image" in parts):
            print(f"{name}: {build(ROOT, wheel, version, check_page)}")
    lock = (ROOT / "requirements/runtime.txt").read_text("utf-8")
    created = datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_sbom(DIST / f"heliograph-{version}.cdx.json", version, created, lock)
    (DIST / f"CHANGES-{version}.md").write_text(changes, "utf-8")
    files = sorted(path for path in DIST.iterdir() if path.is_file())
    sums = "".join(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (DIST / "SHA256SUMS").write_text(sums, "utf-8")
    for path in files:
        print(f"dist/{path.name} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def changelog_section(text: str, version: str) -> str:
    """Return the changes of a version, or those that are not released yet."""
    sections = dict(re.findall(r"^## \[?([^\]\s]+)[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    return sections.get(version, sections.get("Unreleased", "")).strip() + "\n"


def build_wheel(version: str) -> Path:
    """Build wheel and source archive, check both, and run the installed wheel."""
    _run(sys.executable, "-m", "hatchling", "build", "-d", DIST)
    wheel = DIST / f"heliograph-{version}-py3-none-any.whl"
    # The wheel built from the source archive is the same, byte for byte: the archive is complete.
    again = BUILD / "sdist"
    shutil.rmtree(again, ignore_errors=True)
    again.mkdir(parents=True)
    _run("tar", "--extract", "--file", DIST / f"heliograph-{version}.tar.gz", "--directory", again)
    source = again / f"heliograph-{version}"
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", again, cwd=source)
    if (again / wheel.name).read_bytes() != wheel.read_bytes():
        raise SystemExit("the wheel built from the source archive differs")
    tools = _environment("release-tools", "--requirement", ROOT / "requirements/release.txt")
    _run(tools / "twine", "check", "--strict", wheel, DIST / f"heliograph-{version}.tar.gz")
    _run(tools / "check-wheel-contents", wheel)
    installed = _environment("wheel", "--requirement", ROOT / "requirements/runtime.txt")
    _run(installed / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
    print(f"wheel: {check_page([installed / 'heliograph'], BUILD / 'wheel-home')}")
    return wheel


def _environment(name: str, *requirements: str | Path) -> Path:
    """Create an environment with locked packages and return its folder of programs."""
    folder = BUILD / name
    _run(sys.executable, "-m", "venv", "--clear", folder)
    pip = (folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", *requirements)
    return folder / "bin"


def check_page(command: list[str | Path], home: Path) -> str:
    """Run the demo by a command until its page answers; return what was seen."""
    shutil.rmtree(home, ignore_errors=True)
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    environment |= {
        "HELIOGRAPH_HOME": str(home),
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",
        "HELIOGRAPH_NO_KEYRING": "1",
    }
    shown = subprocess.run([*command, "--version"], env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    with subprocess.Popen([*command, "demo"], env=environment, stdout=subprocess.PIPE, text=True) as demo:  # noqa: S603
        assert demo.stdout is not None
        try:
            line = next(line for line in demo.stdout if line.startswith("Web page: "))
            address = line.removeprefix("Web page: ").strip()
            with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - of this machine
                page = answer.read().decode()
        finally:
            demo.terminate()
    if "<title>" not in page:
        raise SystemExit(f"{address} does not answer with a page")
    return f"{shown.stdout.strip()} runs, and its page answers with {len(page)} characters"


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd or ROOT)  # noqa: S603


def _output(*command: str) -> str:
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True).stdout.strip()  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
