"""The .deb: an environment under /opt/heliograph for the Python of this Debian release, a unit, and a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = Path("opt/heliograph")
PYTHON = "/usr/bin/python3"
_CONTROL = """\
Package: heliograph
Version: {version}
Architecture: {arch}
Maintainer: The Heliograph authors <authors@heliograph.invalid>
Section: utils
Priority: optional
Depends: {python}, adduser, ca-certificates, tzdata
Installed-Size: {size}
Homepage: https://github.com/heliograph/heliograph
Description: Collects solar data from the Growatt and GoodWe clouds
 Stores the data of your plants, shows it as a web page, and passes it on by
 MQTT (Home Assistant), Prometheus, InfluxDB, PVOutput and webhooks.
"""
_PROGRAM = "#!/opt/heliograph/bin/python\nimport sys\n\nfrom heliograph.__main__ import main\n\nsys.exit(main())\n"


def build(root: Path, wheel: Path, version: str, check_page: Callable[[list[str | Path], Path], str]) -> str:
    """Build the package, check it and run it unpacked; return what was done, or why nothing was."""
    if shutil.which("dpkg-deb") is None or not Path("/etc/debian_version").exists():
        return "not built, because this is no Debian"
    tree = root / "build/deb"
    shutil.rmtree(tree, ignore_errors=True)
    stage_environment(tree, root, wheel)
    stage_files(tree, root, version)
    path = root / "dist" / f"heliograph_{version}_{_release()}_{_arch()}.deb"
    _run("dpkg-deb", "--build", "--root-owner-group", "-Zxz", tree, path)
    unpacked = root / "build/deb-unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    _run("dpkg-deb", "--extract", path, unpacked)
    check_unit(unpacked)
    # An environment finds its packages beside itself, so it runs at another place than its own, too.
    seen = check_page([unpacked / PREFIX / "bin/python", unpacked / PREFIX / "bin/heliograph"], root / "build/deb-home")
    return f"{path.name} built; its unit is accepted by systemd; unpacked, {seen}"


def stage_environment(tree: Path, root: Path, wheel: Path) -> None:
    """Create the environment as it will be at its final place: no file names the folder that it was built in."""
    target = tree / PREFIX
    _run(PYTHON, "-m", "venv", "--without-pip", target)
    pip = (sys.executable, "-m", "pip", "--python", target / "bin/python", "--disable-pip-version-check", "install")
    options = ("--quiet", "--no-compile", "--no-warn-script-location")
    _run(*pip, *options, "--require-hashes", "--requirement", root / "requirements/runtime.txt")
    _run(*pip, *options, "--no-deps", "--no-index", wheel)
    shutil.rmtree(target / "include")
    for path in (target / "bin").iterdir():
        if not path.name.startswith("python"):
            path.unlink()
    (target / "bin/heliograph").write_text(_PROGRAM, "utf-8")
    (target / "bin/heliograph").chmod(0o755)
    (target / "installed-as").write_text("deb\n", "utf-8")
    config = target / "pyvenv.cfg"
    lines = [line for line in config.read_text("utf-8").splitlines() if not line.startswith("command")]
    config.write_text("\n".join(lines) + "\n", "utf-8")
    packages = next((target / "lib").glob("python3*")) / "site-packages"
    for record in packages.glob("heliograph-*.dist-info/direct_url.json"):
        record.unlink()  # the wheel's path on the build machine
    # Compiled here, because the service may not write beside the program.
    compiled = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", tree, "-p", "/")
    _run(target / "bin/python", *compiled, packages)
    traces = subprocess.run(["grep", "-rIl", str(tree), str(target)], check=False, capture_output=True, text=True)  # noqa: S603, S607
    if traces.stdout:
        raise SystemExit(f"files that name the build folder: {traces.stdout}")


def stage_files(tree: Path, root: Path, version: str) -> None:
    """Add the unit, the link to the program, the licence and the control files."""
    source = root / "packaging/deb"
    for path, content in {
        "usr/lib/systemd/system/heliograph.service": (source / "heliograph.service").read_text("utf-8"),
        "usr/share/doc/heliograph/copyright": (root / "LICENSE").read_text("utf-8"),
    }.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, "utf-8")
        target.chmod(0o644)
    (tree / "usr/bin").mkdir()
    (tree / "usr/bin/heliograph").symlink_to("/opt/heliograph/bin/heliograph")
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    python = Path(PYTHON).resolve().name
    control = tree / "DEBIAN"
    control.mkdir()
    text = _CONTROL.format(version=version, arch=_arch(), python=python, size=size)
    (control / "control").write_text(text, "utf-8")
    for name in ("postinst", "prerm", "postrm"):
        shutil.copy(source / name, control / name)
        (control / name).chmod(0o755)


def check_unit(unpacked: Path) -> None:
    """Verify the unit of an unpacked package, with the program at its place in there."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    unit = unpacked / "usr/lib/systemd/system/heliograph.service"
    text = unit.read_text("utf-8")
    local = unpacked / "check/heliograph.service"
    local.parent.mkdir()
    local.write_text(text.replace("/opt/heliograph", f"{unpacked}/opt/heliograph"), "utf-8")
    done = subprocess.run([program, "verify", str(local)], check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode and "heliograph.service" in done.stderr:
        raise SystemExit(f"systemd does not accept the unit: {done.stderr}")


def _arch() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S607


def _release() -> str:
    """Return the Debian release, like deb12: the environment fits its Python only."""
    lines = Path("/etc/os-release").read_text("utf-8").splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    name = "deb" if found.get("ID") == "debian" else found.get("ID", "linux").strip('"')
    return name + found.get("VERSION_ID", "").strip('"')


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": ""})  # noqa: S603
