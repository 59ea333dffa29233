"""The vendor registry: every row names modules that exist, and agrees with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from heliograph import vendors
from heliograph.emulator import clouds
from heliograph.vendors import VENDORS
from heliograph.vendors.base import load

ROWS = pytest.mark.parametrize("info", VENDORS.values(), ids=VENDORS)


def folders(package) -> set[str]:
    return {path.name for path in Path(package.__path__[0]).iterdir() if (path / "__init__.py").exists()}


def test_registry_has_a_row_for_every_client_folder_and_every_emulator_folder():
    assert set(VENDORS) == folders(vendors) == folders(clouds)
    assert [info.name for info in VENDORS.values()] == list(VENDORS)


@ROWS
def test_registry_row_names_existing_modules_of_its_vendor(info):
    client, async_client = info.client_class(), info.async_client_class()
    assert (async_client.__name__, async_client.cloud) == (f"Async{client.__name__}", client.cloud)
    assert client.cloud().vendor == load(info.emulator).EMULATION.vendor == info.name
    assert info.setting_names()
    for hook in ("summary", "history", "is_known_server", "ping_requests", "probe"):
        assert callable(getattr(info.diagnostics_module(), hook))


@ROWS
def test_registry_regions_match_servers_of_client(info):
    module = {"growatt": "auth", "goodwe": "servers"}[info.name]
    assert info.regions == tuple(load(f"heliograph.vendors.{info.name}.{module}:SERVERS"))
    client = info.client_class()
    assert client.resolve_server("") == client.resolve_server(info.regions[0])


def imported_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*[name for name in sys.modules if name.startswith('heliograph.')])"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_registry_imports_no_vendor_and_no_emulator():
    expected = {"heliograph.vendors", "heliograph.vendors.base", "heliograph.vendors.registry"}
    assert imported_by("from heliograph.vendors import VENDORS") == expected


def test_client_of_one_vendor_imports_no_registry():
    assert not imported_by("from heliograph import Growatt") & {
        "heliograph.vendors.base",
        "heliograph.vendors.registry",
    }
