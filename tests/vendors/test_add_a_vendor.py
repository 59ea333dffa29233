"""docs/add-a-vendor.md is true: its files and one registry row add a vendor to every command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.paths import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAUNCHER = """\
import sys
from datetime import timedelta
from heliograph import vendors
from heliograph.emulator import clouds
from heliograph.vendors import VENDORS, VendorInfo
vendors.__path__.append(sys.argv[1] + "/vendors")
clouds.__path__.append(sys.argv[1] + "/emulator/clouds")
{row}
from heliograph.cli.main import run
sys.argv[:2] = ["heliograph"]
sys.exit(run())
"""


class Program:
    """Heliograph with the vendor of the page, run as a program with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {"DEBUG": "1", "HOME": str(folder / "home"), "NO_KEYRING": "1"}
        self.environ = {**os.environ, **{f"HELIOGRAPH_{name}": value for name, value in settings.items()}}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.folder / "launcher.py"), str(self.folder), *arguments]

    def run(self, *arguments: str, text: str = "") -> str:
        done = subprocess.run(
            self.command(*arguments), input=text, capture_output=True, text=True, check=False, env=self.environ
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Program:
    page = (DOCS / "add-a-vendor.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", page, re.DOTALL))
    row = blocks.pop("row")
    for name, block in blocks.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, encoding="utf-8")
    (tmp_path / "launcher.py").write_text(LAUNCHER.format(row=row), encoding="utf-8")
    return Program(tmp_path)


@pytest.fixture
def emulated(program: Program) -> Iterator[dict[str, Any]]:
    command = program.command("emulate", "--accounts", "3")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=program.environ) as emulator:
        assert emulator.stdout is not None
        yield json.loads(emulator.stdout.readline())
        emulator.terminate()


def test_vendor_of_the_page_works_in_every_command(program: Program, emulated: dict[str, Any]) -> None:
    account = emulated["accounts"][2]
    assert account["vendor"] == "acme"
    login = ("login", "acme", "--username", account["username"], "--server", emulated["acme"], "--password-stdin")
    program.run(*login, text=account["password"] + "\n")
    (snapshot,) = json.loads(program.run("now", "--json"))
    assert (snapshot["vendor"], snapshot["plant"]) == ("acme", account["plants"][0])
    program.run("collect", "--once", "--store", str(program.folder / "store.sqlite"))
    assert "acme" in program.run("status", "--store", str(program.folder / "store.sqlite"))
    assert "export_limit" in program.run("settings", "show")
    assert "ticket" in program.run("doctor", "acme")


def test_vendor_of_the_page_can_change_a_setting(program: Program, emulated: dict[str, Any]) -> None:
    account = emulated["accounts"][2]
    (program.folder / "home").mkdir()
    (program.folder / "home" / "config.toml").write_text(
        f'[[account]]\nvendor = "acme"\nusername = "{account["username"]}"\npassword = "{account["password"]}"\n'
        f'server = "{emulated["acme"]}"\nwrites = ["export_limit"]\n',
        encoding="utf-8",
    )
    device = f"{account['plants'][0]}-inverter"
    program.run("settings", "set", device, "export_limit=60", "--yes")
    assert "60 %" in program.run("settings", "show")
