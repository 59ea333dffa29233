"""`heliograph service`: the units, checked by systemd-analyze, and the calls of systemctl, recorded by a program."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.cli.main import run
from heliograph.cli.service import UNIT, UnitSpec, unit_text
from heliograph.core.installation import Installation
from support.paths import DOCS, ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd")

SYSTEM = UnitSpec(
    ("/usr/bin/python3", "-m", "heliograph", "run"), (("HELIOGRAPH_HOME", "/a"),), system=True, run_as="a"
)
USER = SYSTEM._replace(system=False)


@pytest.fixture
def systemctl(monkeypatch, tmp_path):
    """Put a `systemctl` first in the PATH that records its arguments; its answers are in a file."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "calls"
    program = folder / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\ncase "$*" in *is-active*) cat {tmp_path}/active;; *is-enabled*) echo enabled;;'
        f" *) [ ! -e {tmp_path}/fails ] || {{ echo 'no bus' >&2; exit 1; }};; esac\n"
    )
    (folder / "loginctl").write_text("#!/bin/sh\necho Linger=no\n")
    for path in folder.iterdir():
        path.chmod(0o755)
    (tmp_path / "active").write_text("active\n")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def service(monkeypatch, tmp_path, capsys):
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('[[account]]\nvendor = "growatt"\nusername = "me"\npassword = "a"\n')
    (home / "config.toml").chmod(0o600)
    monkeypatch.setenv("HELIOGRAPH_HOME", str(home))

    def service(*words):
        code = run(["service", words[0], "--user", "--unit-folder", str(tmp_path / "units"), *words[1:]])
        out, err = capsys.readouterr()
        return code, out, err

    return service


def test_install_writes_enables_and_starts_the_unit(service, systemctl, tmp_path):
    code, out, err = service("install")
    assert (code, err) == (0, "")
    unit = (tmp_path / "units" / UNIT).read_text()
    assert f"ExecStart={sys.executable} -m heliograph run\n" in unit
    assert f"Environment=HELIOGRAPH_HOME={tmp_path / 'home'}\n" in unit
    assert systemctl() == ["--user daemon-reload", f"--user enable {UNIT}", f"--user restart {UNIT}"]
    assert "journalctl --user -u heliograph" in out
    assert "sudo loginctl enable-linger" in out


def test_install_without_start_only_enables(service, systemctl):
    assert service("install", "--no-start")[0] == 0
    assert systemctl() == ["--user daemon-reload", f"--user enable {UNIT}"]


def test_install_without_account_changes_nothing(service, systemctl, tmp_path):
    (tmp_path / "home" / "config.toml").write_text("")
    code, _, err = service("install")
    assert code == 2
    assert "run: heliograph setup" in err
    assert not (tmp_path / "units").exists()
    assert systemctl() == []


def test_install_warns_about_account_of_environment(service, systemctl, monkeypatch):
    monkeypatch.setenv("HELIOGRAPH_GOODWE_USERNAME", "me")
    monkeypatch.setenv("HELIOGRAPH_GOODWE_PASSWORD", "hunter2")
    code, _, err = service("install")
    assert code == 0
    assert "account goodwe comes from environment variables, which the service does not have" in err


def test_install_reports_failure_of_systemctl(service, systemctl, tmp_path):
    (tmp_path / "fails").touch()
    code, _, err = service("install")
    assert (code, err.count("\n")) == (1, 1)
    assert "systemctl --user daemon-reload failed: no bus" in err


def test_install_dry_run_prints_unit_with_options(service, systemctl, tmp_path):
    code, out, _ = service("install", "--dry-run", "--config", "my file.toml", "--store", "postgresql://db/solar")
    assert code == 0
    assert f'run --config "{Path.cwd() / "my file.toml"}" --store postgresql://db/solar\n' in out
    assert systemctl() == []


def test_status_and_remove(service, systemctl, tmp_path):
    assert service("status") == (
        1,
        f"The service is not installed ({tmp_path / 'units' / UNIT}); run: heliograph service install\n",
        "",
    )
    service("install")
    assert service("status") == (0, f"{tmp_path / 'units' / UNIT}: active, enabled\n", "")
    (tmp_path / "active").write_text("failed\n")
    code, out, _ = service("status", "--json")
    expected = {"installed": True, "unit": str(tmp_path / "units" / UNIT), "enabled": "enabled", "active": "failed"}
    assert (code, json.loads(out)) == (1, expected)
    code, out, _ = service("remove")
    assert (code, out) == (0, "The service is removed; data and configuration stay.\n")
    assert not (tmp_path / "units" / UNIT).exists()
    assert systemctl()[-2:] == [f"--user disable --now {UNIT}", "--user daemon-reload"]
    assert service("remove")[0] == 0


def test_system_install_without_its_user_gives_the_commands(service, systemctl, capsys):
    assert run(["service", "install", "--system", "--run-as", "nobody-of-this-name"]) == 2
    err = capsys.readouterr().err
    assert "useradd --system" in err
    assert "sudo -u nobody-of-this-name env HELIOGRAPH_HOME=" in err
    assert systemctl() == []


@pytest.mark.parametrize("spec", [SYSTEM, USER, USER._replace(command=("/usr/bin/python3", "-c", 'a "b" 100% $HOME'))])
def test_unit_is_accepted_by_systemd(spec, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / UNIT
    path.write_text(unit_text(spec).replace("/usr/bin/python3", "/bin/sh"))
    flags = [] if spec.system else ["--user"]
    done = subprocess.run(
        ["systemd-analyze", "verify", *flags, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert UNIT not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_system_unit_hides_homes_unless_it_needs_one():
    assert "ProtectHome=yes\n" in unit_text(SYSTEM)
    inside = SYSTEM._replace(command=("/home/ada/venv/bin/python", "-m", "heliograph", "run"))
    assert "ProtectHome=read-only\n" in unit_text(inside)


def test_unit_of_the_documentation_is_the_one_that_is_installed():
    page = (DOCS / "collecting.md").read_text("utf-8")
    documented = re.search(r"```ini\n(.*?)```", page, re.DOTALL)[1]
    spec = UnitSpec(
        ("/opt/heliograph/bin/python", "-m", "heliograph", "run"),
        (("HELIOGRAPH_HOME", "/var/lib/heliograph"), ("HELIOGRAPH_NO_KEYRING", "1")),
        system=True,
        run_as="heliograph",
    )
    assert documented == unit_text(spec)


@pytest.mark.parametrize(
    ("method", "advice"), [("image", "--restart unless-stopped"), ("temporary", "uv tool install")]
)
def test_install_from_an_installation_that_no_unit_can_start(service, systemctl, monkeypatch, method, advice):
    monkeypatch.setattr("heliograph.cli.service.find_installation", lambda: Installation(method))
    code, _, err = service("install")
    assert (code, err.count("\n"), systemctl()) == (2, 1, [])
    assert advice in err


PACKAGED = ROOT / "packaging" / "deb" / UNIT


def test_unit_of_the_package_is_the_one_that_install_would_write():
    spec = UnitSpec(
        ("/opt/heliograph/bin/python", "-m", "heliograph", "run"),
        (("HELIOGRAPH_HOME", "/var/lib/heliograph"), ("HELIOGRAPH_NO_KEYRING", "1")),
        system=True,
        run_as="heliograph",
    )
    assert PACKAGED.read_text("utf-8") == unit_text(spec)


@pytest.mark.parametrize("written", [False, True])
def test_system_unit_of_the_package_is_enabled_and_never_written_or_deleted(
    service, systemctl, capsys, monkeypatch, tmp_path, written
):
    packaged, system = tmp_path / "lib" / UNIT, tmp_path / "etc" / UNIT
    packaged.parent.mkdir()
    monkeypatch.setattr("heliograph.cli.service.PACKAGED_UNIT", packaged)
    monkeypatch.setattr("heliograph.cli.service._system_unit", lambda: system)
    monkeypatch.setattr("heliograph.cli.service._check_owner", lambda *_: None)
    assert run(["service", "install", "--system", "--dry-run"]) == 0
    packaged.write_text(capsys.readouterr().out + "#" * written)
    before = packaged.read_text()
    assert run(["service", "install", "--system"]) == 0
    assert system.exists() == written
    assert systemctl() == ["daemon-reload", f"enable {UNIT}", f"restart {UNIT}"]
    assert run(["service", "status", "--system"]) == 0
    assert str(system if written else packaged) in capsys.readouterr().out
    assert run(["service", "remove", "--system"]) == 0
    assert systemctl()[3:] == [f"is-enabled {UNIT}", f"is-active {UNIT}", f"disable --now {UNIT}", "daemon-reload"]
    assert not system.exists()
    assert packaged.read_text() == before
