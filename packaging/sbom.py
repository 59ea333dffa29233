"""The bill of materials of a release, in CycloneDX 1.5, from the lock file of the .deb and the image."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from pathlib import Path

_LOCKED = re.compile(r"^(?P<name>[a-zA-Z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\\n]+?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def write_sbom(path: Path, version: str, created_at: str, lock: str) -> None:
    """Write the bill of materials of this version; `created_at` is its time in ISO 8601."""
    path.write_text(json.dumps(sbom(version, created_at, lock), indent=1) + "\n", "utf-8")


def sbom(version: str, created_at: str, lock: str) -> dict[str, Any]:
    r"""Return the document; it depends on its arguments only.

    >>> document = sbom("1.0", "2026-01-01T00:00:00Z", "h11==0.16.0 \\\n    --hash=sha256:" + 64 * "a")
    >>> document["components"][0]["purl"], document["components"][0]["hashes"][0]["alg"]
    ('pkg:pypi/h11@0.16.0', 'SHA-256')
    """
    components = locked_components(lock)
    program = {**_component("heliograph", version), "type": "application", "licenses": [{"license": {"id": "MIT"}}]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'heliograph {version} {lock}')}",
        "version": 1,
        "metadata": {"timestamp": created_at, "component": program},
        "components": components,
        "dependencies": [{"ref": program["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }


def locked_components(lock: str) -> list[dict[str, Any]]:
    """Return the components of a lock file: name, version, condition, and the checksums of all their files."""
    found: list[dict[str, Any]] = []
    for line in lock.splitlines():
        if locked := _LOCKED.match(line):
            component = {**_component(locked["name"], locked["version"]), "type": "library", "hashes": []}
            if locked["marker"]:
                component["properties"] = [{"name": "python:marker", "value": locked["marker"]}]
            found.append(component)
        elif digest := _HASH.search(line):
            found[-1]["hashes"].append({"alg": "SHA-256", "content": digest[1]})
    return found


def _component(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower()}@{version}"
    return {"bom-ref": purl, "name": name, "version": version, "purl": purl}
