"""How this program was installed and is started: the commands that hints name."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

InstallMethod = Literal["pip", "pipx", "uv", "uv tool", "deb", "image", "temporary"]

MARKER = "installed-as"
"""File in the environment's folder with which the .deb and the container image name themselves."""
_SERVICE_HOME = "/var/lib/heliograph"
"""The data folder of the service of the .deb, which belongs to the user `heliograph`."""
COMMANDS = (
    "alarms backfill backup call collect completion demo doctor emulate export fleet history import login logout now "
    "recipe record restore run serve service settings setup status"
)
_COMMAND = re.compile(rf"(?<![\w./-])heliograph(?= (?:{COMMANDS.replace(' ', '|')})\b)")
_TEMPORARY = ("uv/archive-v", "uv/environments-v", "uv/builds-v", "pipx/.cache/", "pipx/cache/", ".cache/pipx/")
"""Parts of the paths of environments that `uvx` and `pipx run` create and delete."""


class Installation(NamedTuple):
    """How the program was installed."""

    method: InstallMethod
    python: str = sys.executable
    source: str = ""
    """The folder or URL it was installed from; empty for a package index."""
    externally_managed: bool = False
    """Whether pip refuses to change this environment without an option of its own (PEP 668)."""
    extras: tuple[str, ...] = ()
    """The extras of a uv tool: another installation removes those that it does not name."""

    def requirement(self, extra: str) -> str:
        """Return the requirement of this program with an extra beside those it has, quoted for a shell.

        >>> Installation("pip").requirement("web"), Installation("pip", source="/tmp/h.whl").requirement("web")
        ("'heliograph[web]'", "'heliograph[web] @ /tmp/h.whl'")
        """
        extras = ",".join(sorted({*self.extras, extra}))
        return shlex.quote(f"heliograph[{extras}]" + (f" @ {self.source}" if self.source else ""))


def find_installation() -> Installation:
    """Return how the running program was installed."""
    from sysconfig import get_path  # noqa: PLC0415 - slow to import

    prefix = Path(sys.prefix)
    in_environment = sys.prefix != sys.base_prefix
    return Installation(
        _method(prefix),
        sys.executable,
        _source(),
        externally_managed=not in_environment and Path(get_path("stdlib"), "EXTERNALLY-MANAGED").exists(),
        extras=_extras(prefix / "uv-receipt.toml"),
    )


def _method(prefix: Path) -> InstallMethod:
    marker = prefix / MARKER
    if marker.is_file():
        return "image" if marker.read_text("utf-8").strip() == "image" else "deb"
    if any(part in f"{prefix.as_posix()}/" for part in _TEMPORARY):
        return "temporary"
    if (prefix / "pipx_metadata.json").exists():
        return "pipx"
    if (prefix / "uv-receipt.toml").exists():
        return "uv tool"
    return "pip" if find_spec("pip") is not None else "uv"


def _source() -> str:
    """Return the URL that the program was installed from, as PEP 610 records it; empty for a package index."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415 - slow to import

    try:
        recorded = distribution("heliograph").read_text("direct_url.json")
        data: Any = json.loads(recorded or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    url, version_control = data.get("url", ""), data.get("vcs_info")
    return f"{version_control['vcs']}+{url}" if version_control else str(url)


def _extras(receipt: Path) -> tuple[str, ...]:
    """Return the extras in the receipt of `uv tool install`; none if there is no receipt that can be read."""
    import tomllib  # noqa: PLC0415 - slow to import

    try:
        required = tomllib.loads(receipt.read_text("utf-8"))["tool"]["requirements"]
        found = [one["extras"] for one in required if one["name"].lower() == "heliograph" and "extras" in one]
        return tuple(sorted({str(extra) for extras in found for extra in extras}))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()


def extra_command(extra: str, installed: Installation | None = None) -> str:
    """Return the shell command that adds an extra to this installation.

    >>> extra_command("web", Installation("pip", "/home/ada/solar/bin/python"))
    "/home/ada/solar/bin/python -m pip install 'heliograph[web]'"
    >>> extra_command("web", Installation("uv tool"))
    "uv tool install 'heliograph[web]'"
    """
    installed = installed or find_installation()
    python = shlex.quote(installed.python)
    # pip takes the installed version, wherever it is from, and adds what the extra lacks.
    package = shlex.quote(f"heliograph[{extra}]")
    forced = " --break-system-packages" if installed.externally_managed else ""
    lines = f"FROM heliograph\\nUSER root\\nRUN {python} -m pip install {package}\\nUSER heliograph\\n"
    commands: dict[InstallMethod, str] = {
        "pip": f"{python} -m pip install{forced} {package}",
        "pipx": f"pipx runpip heliograph install {package}",
        "uv": f"uv pip install --python {python} {package}",
        "uv tool": f"uv tool install {installed.requirement(extra)}",
        "deb": f"sudo {python} -m pip install {package}",
        "image": f'printf "{lines}" | docker build --tag heliograph -',
        "temporary": f"uvx --from {installed.requirement('all')} heliograph",
    }
    return commands[installed.method]


def own_commands(text: str, program: str | None = None) -> str:
    """Return a hint with its commands as they are typed here, where `heliograph` alone starts another program or none.

    >>> own_commands("nothing is stored; run: heliograph login growatt", "/home/ada/solar/bin/heliograph")
    'nothing is stored; run: /home/ada/solar/bin/heliograph login growatt'
    """
    program = program or started_as()
    return text if program == "heliograph" else _COMMAND.sub(lambda _: program, text)


def started_as() -> str:
    """Return the command that starts this program again: `heliograph` where that is found and is this one."""
    path = Path(sys.argv[0])
    if path.name == "__main__.py" and path.parent.name == "heliograph":
        path = Path(sys.executable).with_name("heliograph")
    elif path.stem.lower() != "heliograph":
        return "heliograph"  # a program that uses the library
    method = _method(Path(sys.prefix))
    if method == "deb" and os.environ.get("HELIOGRAPH_HOME") == _SERVICE_HOME:
        return f"sudo -u heliograph env HELIOGRAPH_HOME={_SERVICE_HOME} heliograph"
    if method == "temporary":
        return f"uvx --from {Installation(method, source=_source()).requirement('all')} heliograph"
    if not path.exists():
        return f"{shlex.quote(sys.executable)} -m heliograph"
    found = shutil.which("heliograph")
    return "heliograph" if found and Path(found).samefile(path) else shlex.quote(str(path.absolute()))
