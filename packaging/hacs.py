"""The archive that HACS installs: the files of the integration of Home Assistant, as `heliograph.zip`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

if TYPE_CHECKING:
    from pathlib import Path

COMPONENT = "custom_components/heliograph"
NAME = "heliograph.zip"
_REQUIRED = ("__init__.py", "manifest.json", "config_flow.py", "translations/en.json")
_KEYS = ("domain", "name", "codeowners", "documentation", "issue_tracker", "version")
"""What HACS requires of a manifest."""
_SUFFIXES = {".json", ".png", ".py", ".svg", ".yaml"}


def build(root: Path, version: str, epoch: int) -> str:
    """Write the archive into dist/ and check it; return what was done. Exit if the integration is missing or wrong."""
    folder = root / COMPONENT
    if not folder.is_dir():
        raise SystemExit(
            f"the archive for HACS was not built: there is no folder {COMPONENT}. It has the integration of Home "
            "Assistant, and a release without it would break the updates of those who installed it with HACS"
        )
    files = component_files(folder)
    check(folder, version)
    path = root / "dist" / NAME
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for file in files:
            # The files are at the top: HACS unpacks them into custom_components/heliograph.
            info = ZipInfo(file.relative_to(folder).as_posix(), time.gmtime(epoch)[:6])
            info.compress_type, info.external_attr = ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, file.read_bytes())
    return f"{NAME} built of {len(files)} files, version {version}"


def component_files(folder: Path) -> list[Path]:
    """Return the files that are installed, without caches."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path for path in found if path.suffix in _SUFFIXES or path.name == "py.typed")


def check(folder: Path, version: str) -> None:
    """Exit if HACS or Home Assistant would not accept the integration."""
    missing = [name for name in _REQUIRED if not (folder / name).is_file()]
    if missing:
        raise SystemExit(f"{COMPONENT} has no {', '.join(missing)}")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    lacking = [key for key in _KEYS if not manifest.get(key)]
    if lacking:
        raise SystemExit(f"{COMPONENT}/manifest.json has no {', '.join(lacking)}")
    if manifest["domain"] != folder.name:
        raise SystemExit(f"the domain in {COMPONENT}/manifest.json is {manifest['domain']!r}, not {folder.name!r}")
    if manifest["version"] != version:
        raise SystemExit(f"the version in {COMPONENT}/manifest.json is {manifest['version']!r}, not {version!r}")
    hacs = json.loads((folder.parent.parent / "hacs.json").read_text("utf-8"))
    if not hacs.get("zip_release") or hacs.get("filename") != NAME:
        raise SystemExit(f'hacs.json needs "zip_release": true and "filename": "{NAME}"')
    for file in component_files(folder):
        if file.suffix == ".json":
            json.loads(file.read_text("utf-8"))
