"""The command that adds an extra, for each way to install the program."""

import json
import sys
from importlib.metadata import Distribution

import pytest

from heliograph.cli import options
from heliograph.core import installation
from heliograph.core.installation import COMMANDS, MARKER, Installation, extra_command, find_installation, own_commands


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


def test_find_installation_reads_the_extras_that_uv_would_remove(prefix):
    requirement = 'name = "Heliograph", extras = ["web", "cli"]'
    (prefix / "uv-receipt.toml").write_text(
        f'[tool]\nrequirements = [{{ {requirement} }}, {{ name = "other", extras = ["x"] }}]'
    )
    assert find_installation().extras == ("cli", "web")


@pytest.mark.parametrize(
    "receipt", ["", "[tool", "tool = 1", "[tool]\nrequirements = [1]", "[tool]\nrequirements = [{name = 1}]"]
)
def test_find_installation_accepts_any_receipt(prefix, receipt):
    (prefix / "uv-receipt.toml").write_text(receipt)
    assert find_installation().extras == ()


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
        (Installation("uv tool", extras=("cli", "mqtt")), "uv tool install 'heliograph[cli,mqtt,web]'"),
        (Installation("temporary"), "uvx --from 'heliograph[all]' heliograph"),
    ],
)
def test_extra_command_fits_the_installation(installed, command):
    assert extra_command("web", installed) == command


HINT = (
    "no account is configured in /home/ada/heliograph.toml; run: heliograph setup (`heliograph login growatt` adds one)"
)


def hint(program):
    return HINT.replace("heliograph setup", f"{program} setup").replace("heliograph login", f"{program} login")


@pytest.fixture
def script(prefix, monkeypatch):
    """A script of an environment that is not on the PATH."""
    (prefix / "bin").mkdir()
    path = prefix / "bin/heliograph"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(path), "now"])
    monkeypatch.setenv("PATH", "/nowhere")
    return path


def test_commands_in_hints_are_unchanged_where_the_path_finds_this_program(script, monkeypatch):
    monkeypatch.setenv("PATH", f"/nowhere:{script.parent}")
    assert own_commands(HINT) == HINT
    monkeypatch.setattr(sys, "argv", ["/home/ada/solar.py"])
    assert own_commands(HINT) == HINT


def test_commands_in_hints_name_the_script_that_the_path_does_not_find(script, monkeypatch):
    assert own_commands(HINT) == hint(script)
    monkeypatch.setattr(sys, "argv", ["/site-packages/heliograph/__main__.py", "now"])
    assert own_commands(HINT) == hint(script)
    other = script.parent.parent / "heliograph"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert own_commands(HINT) == hint(script)


def test_commands_in_hints_of_a_module_without_script_name_python(script, monkeypatch):
    script.unlink()
    monkeypatch.setattr(sys, "argv", ["/src/heliograph/__main__.py", "now"])
    assert own_commands(HINT) == hint(f"{script.parent}/python -m heliograph")


def test_commands_in_hints_of_the_package_service_run_as_its_user(script, monkeypatch, prefix):
    (prefix / MARKER).write_text("deb\n")
    monkeypatch.setenv("HELIOGRAPH_HOME", "/var/lib/heliograph")
    as_user = "sudo -u heliograph env HELIOGRAPH_HOME=/var/lib/heliograph heliograph"
    assert own_commands(HINT) == hint(as_user)


def test_commands_in_hints_of_a_temporary_environment_create_it_again(script, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".cache/uv/archive-v0/Xy1"))
    monkeypatch.setattr(installation, "_source", lambda: "")
    assert own_commands("run: heliograph setup") == "run: uvx --from 'heliograph[all]' heliograph setup"


def test_commands_do_not_include_names_of_files_and_services():
    text = "journalctl -u heliograph -f; /usr/bin/heliograph now; heliograph 0.1.0; heliograph runs"
    assert own_commands(text, "X") == text


def test_commands_in_hints_are_all_commands():
    assert COMMANDS.split() == sorted(options.COMMANDS)
