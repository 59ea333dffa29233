"""The command that adds an extra, for each way to install the program."""

import json
import sys
from importlib.metadata import Distribution

import pytest

from heliograph.core import installation
from heliograph.core.installation import MARKER, Installation, extra_command, find_installation


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "content", "method"),
    [
        (MARKER, "deb\n", "deb"),
        (MARKER, "image\n", "image"),
        ("pipx_metadata.json", "{}", "pipx"),
        ("uv-receipt.toml", "", "uv tool"),
        ("pyvenv.cfg", "", "pip"),
    ],
)
def test_find_installation_recognises_each_installer_by_its_file(prefix, file, content, method):
    (prefix / file).write_text(content)
    assert find_installation().method == method


@pytest.mark.parametrize("folder", [".cache/uv/archive-v0/Xy1", ".local/pipx/.cache/1a2b", ".cache/pipx/1a2b"])
def test_find_installation_recognises_environments_of_uvx_and_pipx_run(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / folder))
    assert find_installation().method == "temporary"


def test_find_installation_without_pip_names_uv(prefix, monkeypatch):
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    assert extra_command("mqtt") == f"uv pip install --python {prefix}/bin/python 'heliograph[mqtt]'"


@pytest.mark.parametrize(
    ("recorded", "source"),
    [
        (None, ""),
        ({"url": "file:///home/ada/heliograph", "dir_info": {"editable": True}}, "file:///home/ada/heliograph"),
        ({"url": "https://example.org/h.git", "vcs_info": {"vcs": "git"}}, "git+https://example.org/h.git"),
    ],
)
def test_find_installation_reads_the_source_that_pip_recorded(monkeypatch, recorded, source):
    monkeypatch.setattr(Distribution, "from_name", lambda _: None)
    found = type("Found", (), {"read_text": lambda self, _: recorded and json.dumps(recorded)})()
    monkeypatch.setattr("importlib.metadata.distribution", lambda _: found)
    assert find_installation().source == source


@pytest.mark.parametrize(
    ("installed", "command"),
    [
        (Installation("pip", "/a b/python"), "'/a b/python' -m pip install 'heliograph[web]'"),
        (
            Installation("pip", "/usr/bin/python3", externally_managed=True),
            "/usr/bin/python3 -m pip install --break-system-packages 'heliograph[web]'",
        ),
        (Installation("pipx"), "pipx runpip heliograph install 'heliograph[web]'"),
        (Installation("uv tool", source="file:///h.whl"), "uv tool install 'heliograph[web] @ file:///h.whl'"),
        (
            Installation("deb", "/opt/heliograph/bin/python"),
            "sudo /opt/heliograph/bin/python -m pip install 'heliograph[web]'",
        ),
        (
            Installation("image", "python"),
            (
                'printf "FROM heliograph\\nUSER root\\nRUN python -m pip install %s\\nUSER heliograph\\n" '
                "| docker build --tag heliograph -"
            ).replace("%s", "'heliograph[web]'"),
        ),
        (Installation("temporary"), "uvx --from 'heliograph[web]' heliograph"),
    ],
)
def test_extra_command_fits_the_installation(installed, command):
    assert extra_command("web", installed) == command
