"""The OCI image without a container engine: Debian's base packages, the .deb, and the settings of the Dockerfile."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = "10001:10001"
ENVIRONMENT = {
    "PATH": "/opt/heliograph/bin:/usr/local/bin:/usr/bin:/bin",
    "HELIOGRAPH_HOME": "/data",
    "HELIOGRAPH_NO_KEYRING": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_UNUSED = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/man", "usr/share/locale", "usr/share/info")


def build(root: Path, _: Path, version: str, check_page: Callable[[list[str | Path], Path], str]) -> str:
    """Build the image and run it by chroot; return what was done, or why nothing was."""
    missing = [
        name for name in ("debootstrap", "umoci") if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None
    ]
    packages = list((root / "dist").glob("*.deb"))
    if missing or os.geteuid() != 0 or not packages:
        why = f"without {' and '.join(missing)}" if missing else "without root" if packages else "without a .deb"
        return f"not built, {why}; the release workflow builds it with packaging/Dockerfile"
    files = root / "build/image/root"
    layout = root / "build/image/layout"
    shutil.rmtree(root / "build/image", ignore_errors=True)
    files.mkdir(parents=True)
    base = root / "build/image-base"
    if not (base / "usr/bin/python3").exists():
        shutil.rmtree(base, ignore_errors=True)
        names = "adduser,ca-certificates,python3,tzdata"
        suite = Path("/etc/os-release").read_text("utf-8").partition("VERSION_CODENAME=")[2].splitlines()[0]
        _run("debootstrap", "--variant=minbase", f"--include={names}", suite, base)
    _run("cp", "--archive", f"{base}/.", files)
    shutil.copy(packages[0], files / "heliograph.deb")
    _run("chroot", files, "useradd", "--uid", "10001", "--home-dir", "/data", "--create-home", "heliograph")
    _run("chroot", files, "dpkg", "--install", "/heliograph.deb")
    (files / "heliograph.deb").unlink()
    (files / "data").chmod(0o700)
    (files / "opt/heliograph/installed-as").write_text("image\n", "utf-8")
    for name in _UNUSED:
        shutil.rmtree(files / name, ignore_errors=True)
        (files / name).mkdir(parents=True)
    seen = _check(files, root, check_page)
    _pack(files, layout, version)
    architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout  # noqa: S607
    file = root / "dist" / f"heliograph-{version}-{architecture.strip()}.oci.tar"
    with tarfile.open(file, "w") as archive:
        archive.add(layout, arcname=".")
    return f"{file.name} built; as its user, with a read-only root, {seen}"


def _check(files: Path, root: Path, check_page: Callable[[list[str | Path], Path], str]) -> str:
    """Run the program in the image as the image's user with a read-only root and a volume."""
    view = root / "build/image/view"
    view.mkdir()
    with ExitStack() as stack:
        stack.enter_context(_mounted("--bind", str(files), view))
        _run("mount", "-o", "remount,bind,ro", view)
        stack.enter_context(_mounted("-t", "tmpfs", "-o", "mode=700,uid=10001,gid=10001", "volume", view / "data"))
        stack.enter_context(_mounted("-t", "tmpfs", "-o", "mode=1777", "tmp", view / "tmp"))
        stack.enter_context(_mounted("-t", "proc", "proc", view / "proc"))
        stack.enter_context(_mounted("--bind", "/dev", view / "dev"))
        inside = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        command = [
            "chroot",
            f"--userspec={USER}",
            str(view),
            "/usr/bin/env",
            "--ignore-environment",
            "PYTHONUNBUFFERED=1",
        ]
        return check_page([*command, *inside, "heliograph"], root / "build/image/home")


@contextmanager
def _mounted(*arguments: str | Path) -> Iterator[None]:
    _run("mount", *arguments)
    try:
        yield
    finally:
        _run("umount", "--lazy", arguments[-1])


def _pack(files: Path, layout: Path, version: str) -> None:
    image = f"{layout}:{version}"
    _run("umoci", "init", "--layout", layout)
    _run("umoci", "new", "--image", image)
    _run("umoci", "insert", "--image", image, files, "/")
    settings = ["--config.user", USER, "--config.workingdir", "/data", "--config.volume", "/data"]
    settings += ["--config.exposedports", "8765/tcp", "--config.entrypoint", "heliograph", "--config.cmd", "run"]
    for name, value in ENVIRONMENT.items():
        settings += ["--config.env", f"{name}={value}"]
    labels = {"title": "heliograph", "version": version, "licenses": "MIT"}
    for name, value in labels.items():
        settings += ["--config.label", f"org.opencontainers.image.{name}={value}"]
    _run("umoci", "config", "--image", image, *settings)


def _run(*command: str | Path) -> None:
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
    subprocess.run(command, check=True, env=environment)  # noqa: S603
