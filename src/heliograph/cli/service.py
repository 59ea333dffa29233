"""`heliograph service`: a systemd unit that runs `heliograph run`; a user unit, or a system unit for root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.cli.options import COMMANDS, add_config_option, add_parser, add_store_option, load_config
from heliograph.cli.terminal import paint, print_error, print_json, printable
from heliograph.config import ENVIRONMENT, STORE
from heliograph.config.passwords import NO_KEYRING
from heliograph.core.files import HOME_VARIABLE
from heliograph.core.installation import find_installation
from heliograph.errors import ConfigError, HeliographError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping, Sequence

UNIT = "heliograph.service"
SYSTEM_HOME = Path("/var/lib/heliograph")
PACKAGED_UNIT = Path("/usr/lib/systemd/system") / UNIT
"""The unit of the .deb, which belongs to the package: it is enabled, never written or deleted."""
_TIMEOUT = 60
_EXAMPLES = """\
  heliograph service install               a service of this user
  heliograph service install --dry-run     print the unit only
  sudo heliograph service install          a service of the system, as the user heliograph
  heliograph service status
  heliograph service remove
"""
_SUBCOMMANDS = {
    "install": "write, enable and start the unit; again to update it",
    "status": "show whether the service is installed and running",
    "remove": "stop the service and delete the unit; data and configuration stay",
}


class UnitSpec(NamedTuple):
    """Everything a unit depends on."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    system: bool
    run_as: str = ""
    """The user of a system unit."""
    home: Path = SYSTEM_HOME
    """The data folder of a system unit."""


def add_service(commands: Any) -> None:
    """Add the command and its subcommands to the command line."""
    parser = add_parser(commands, "service", COMMANDS["service"], _EXAMPLES)
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for name, run in {"install": run_install, "status": run_status, "remove": run_remove}.items():
        added = _add(subcommands, name, run)
        if name == "install":
            added.add_argument("--run-as", metavar="USER", default="heliograph", help="user of a system unit")
            added.add_argument("--no-start", action="store_false", dest="start", help="enable the service only")
            added.add_argument("--dry-run", action="store_true", help="print the unit and change nothing")
            add_config_option(added)
            add_store_option(added)
        if name == "status":
            added.add_argument("--json", action="store_true", help="print one JSON object")


def _add(subcommands: Any, name: str, run: Callable[[Namespace], int]) -> ArgumentParser:
    parser = add_parser(subcommands, name, _SUBCOMMANDS[name], _EXAMPLES)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--user", action="store_false", dest="system", help="a unit of this user (default, except root)")
    kind.add_argument("--system", action="store_true", help="a unit of the system (default for root)")
    parser.add_argument("--unit-folder", metavar="FOLDER", type=Path, help="folder of the unit (default: systemd's)")
    parser.set_defaults(run=run, system=is_root())
    return parser


def is_root() -> bool:
    """Return whether this program runs as root."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def is_available() -> bool:
    """Return whether this system was started by systemd."""
    return shutil.which("systemctl") is not None and Path("/run/systemd/system").is_dir()


def run_install(options: Namespace) -> int:
    """Check the configuration, write the unit, verify, enable and start it."""
    _check_method()
    if options.system and not options.dry_run:
        _check_owner(options.run_as, _system_home(), options.config)
    spec = unit_spec(options)
    text = unit_text(spec)
    if options.dry_run:
        print(text, end="")
        return 0
    _check_accounts(options, spec)
    _verify(text, system=spec.system)
    path = _unit_path(options)
    if path == PACKAGED_UNIT and path.read_text("utf-8") != text:
        path = _system_unit()  # has precedence
    if path != PACKAGED_UNIT:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
        print(printable(f"Unit written to {path}"))
    flags = _flags(system=spec.system)
    _systemctl([*flags, "daemon-reload"])
    _systemctl([*flags, "enable", UNIT])
    if options.start:
        _systemctl([*flags, "restart", UNIT])
    print("The service is enabled and started." if options.start else "The service is enabled.")
    print(f"Its log: journalctl {'' if spec.system else '--user '}-u heliograph -f")
    if not spec.system and not _lingers():
        print("It runs while you are logged in. To start it at boot: sudo loginctl enable-linger $USER")
    return 0


def run_status(options: Namespace) -> int:
    """Show the unit's state; exit code 0 if it is running."""
    path, flags = _unit_path(options), _flags(system=options.system)
    installed = path.exists()
    enabled = _query([*flags, "is-enabled", UNIT]) if installed else None
    active = _query([*flags, "is-active", UNIT]) if installed else None
    running = active == "active"
    if options.json:
        print_json({"installed": installed, "unit": str(path), "enabled": enabled, "active": active})
    elif not installed:
        print(printable(f"The service is not installed ({path}); run: heliograph service install"))
    else:
        shown = paint(active or "unknown", "ok" if running else "problem")
        print(f"{printable(str(path))}: {shown}, {enabled or 'unknown'}")
        if not running:
            print(f"Its log: journalctl {'' if options.system else '--user '}-u heliograph -n 20")
    return 0 if running else 1


def run_remove(options: Namespace) -> int:
    """Stop and disable the service, and delete its unit."""
    path, flags = _unit_path(options), _flags(system=options.system)
    if not path.exists():
        print(printable(f"The service is not installed ({path})"))
        return 0
    _systemctl([*flags, "disable", "--now", UNIT])
    try:
        if path != PACKAGED_UNIT:
            path.unlink()
    except OSError as error:
        raise ConfigError(f"{path} cannot be deleted: {error.strerror or error}") from None
    _systemctl([*flags, "daemon-reload"])
    print("The service is removed; data and configuration stay.")
    return 0


def unit_spec(options: Namespace) -> UnitSpec:
    """Return the unit of the running program with its environment and options."""
    command = [sys.executable, "-m", "heliograph", "run"]
    if options.config is not None:
        command += ["--config", str(options.config.absolute())]
    if options.store is not None:
        command += ["--store", options.store]
    kept = [(name, os.environ[name]) for name in (NO_KEYRING, STORE) if os.environ.get(name)]
    if options.system:
        home = _system_home()
        # A service of the system has no keyring.
        environment = [(HOME_VARIABLE, str(home)), *dict([(NO_KEYRING, "1"), *kept]).items()]
        return UnitSpec(tuple(command), tuple(environment), system=True, run_as=options.run_as, home=home)
    if os.environ.get(HOME_VARIABLE):
        kept.insert(0, (HOME_VARIABLE, str(Path(os.environ[HOME_VARIABLE]).absolute())))
    return UnitSpec(tuple(command), tuple(kept), system=False)


def unit_text(spec: UnitSpec) -> str:
    """Return the unit file. A system unit is hardened by namespaces, which a user's manager may not be able to create.

    >>> spec = UnitSpec(("/opt/50% off/python", "-m", "heliograph"), (("HELIOGRAPH_HOME", "/a b"),), system=False)
    >>> [line for line in unit_text(spec).splitlines() if line.startswith(("ExecStart", "Environment"))]
    ['ExecStart="/opt/50%% off/python" -m heliograph', 'Environment="HELIOGRAPH_HOME=/a b"']
    """
    lines = ["[Unit]", "Description=Heliograph collects solar data"]
    if spec.system:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    # `$` is special in ExecStart only.
    command = " ".join(_quote(word).replace("$", "$$") for word in spec.command)
    lines += ["", "[Service]", f"ExecStart={command}"]
    lines += [f"Environment={_quote(f'{name}={value}')}" for name, value in spec.environment]
    lines += ["UMask=0077", "Restart=on-failure", "RestartSec=60", "RestartPreventExitStatus=2", "LimitNOFILE=65536"]
    lines += ["NoNewPrivileges=yes", "LockPersonality=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes"]
    lines += ["RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service"]
    if spec.system:
        lines += [f"User={spec.run_as}", *_folder_lines(spec), "CapabilityBoundingSet=", "ProtectSystem=strict"]
        lines += ["PrivateTmp=yes", "PrivateDevices=yes", "ProtectKernelTunables=yes", "ProtectControlGroups=yes"]
    lines += ["", "[Install]", f"WantedBy={'multi-user.target' if spec.system else 'default.target'}"]
    return "\n".join(lines) + "\n"


def _folder_lines(spec: UnitSpec) -> list[str]:
    """Return the lines that make the data folder writable, and homes invisible unless the unit needs one."""
    inside = any(str(path).startswith(("/home/", "/root/", "/run/user/")) for path in (spec.command[0], spec.home))
    lines = [f"ProtectHome={'read-only' if inside else 'yes'}"]
    if spec.home == SYSTEM_HOME:
        return [*lines, "StateDirectory=heliograph", "StateDirectoryMode=0700"]
    return [*lines, f"ReadWritePaths={_quote(str(spec.home))}"]


def _quote(word: str) -> str:
    """Quote a word for a unit file."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{word}"' if not word or any(char in word for char in " '\"\\;") else word


def _check_accounts(options: Namespace, spec: UnitSpec) -> None:
    """Raise `ConfigError` if the service would find no account; warn about accounts that only this shell has."""
    if spec.system and options.config is None:
        os.environ[HOME_VARIABLE] = str(spec.home)  # of this process: the configuration that the service reads
    config = load_config(options)
    for account in config.select_accounts():
        if account.origin == ENVIRONMENT:
            print_error(f"account {account.name} comes from environment variables, which the service does not have")


def _check_owner(name: str, home: Path, config: Path | None) -> None:
    """Raise `ConfigError` if the user of a system unit does not exist or does not own the data folder."""
    import pwd  # noqa: PLC0415 - not available on Windows

    as_user = f"sudo -u {name} env {HOME_VARIABLE}={home} heliograph setup"
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(
            f"there is no user {name!r}; create it, then set up its accounts:\n\n"
            f"    useradd --system --home-dir {home} --create-home {name}\n    {as_user}\n"
        ) from None
    if config is None and not (home / "config.toml").exists():
        raise ConfigError(f"{home} has no configuration yet; run first: {as_user}")
    if home.stat().st_uid != user.pw_uid:
        raise ConfigError(f"{home} belongs to another user than {name}; run: chown -R {name}: {home}")


def _system_home() -> Path:
    return Path(os.environ.get(HOME_VARIABLE) or SYSTEM_HOME).absolute()


def _check_method() -> None:
    """Raise `ConfigError` if the program was installed in a way that no unit can start."""
    method = find_installation().method
    if method == "image":
        raise ConfigError("a container has no systemd; its engine starts it: docker run --restart unless-stopped …")
    if method == "temporary":
        raise ConfigError(
            "this environment is deleted later; install the program first, with `uv tool install heliograph` or "
            "`pipx install heliograph`, then run: heliograph service install"
        )


def _system_unit() -> Path:
    return Path("/etc/systemd/system") / UNIT


def _unit_path(options: Namespace) -> Path:
    folder: Path | None = options.unit_folder
    if folder is None and options.system:
        written = _system_unit()
        return PACKAGED_UNIT if PACKAGED_UNIT.exists() and not written.exists() else written
    if folder is None:
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        folder = config / "systemd" / "user"
    return folder / UNIT


def _flags(*, system: bool) -> list[str]:
    return [] if system else ["--user"]


def _verify(text: str, *, system: bool) -> None:
    """Check the unit with systemd-analyze, if it is installed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    with TemporaryDirectory(prefix="heliograph-") as folder:
        path = Path(folder) / UNIT
        path.write_text(text, "utf-8")
        # A user's manager needs a runtime folder, which a shell of `su` or `sudo` does not have.
        environment = {"XDG_RUNTIME_DIR": folder, **os.environ}
        done = _run([program, "verify", *_flags(system=system), str(path)], environment)
    if done.returncode and UNIT in done.stderr:
        raise ConfigError(f"systemd does not accept the unit: {done.stderr.strip()[:500]}")


def _systemctl(arguments: Sequence[str]) -> None:
    """Run systemctl; raises `HeliographError` with its message."""
    program = shutil.which("systemctl")
    if program is None:
        raise ConfigError("systemd is not available here; start `heliograph run` by your system's own means")
    done = _run([program, *arguments])
    if done.returncode:
        message = " ".join(done.stderr.split())[:300] or f"exit code {done.returncode}"
        raise HeliographError(f"systemctl {' '.join(arguments)} failed: {message}; fix that and run this command again")


def _query(arguments: Sequence[str]) -> str | None:
    """Return the first word that systemctl prints, which also fails for a unit that is not active."""
    program = shutil.which("systemctl")
    words = _run([program, *arguments]).stdout.split() if program else []
    return words[0] if words else None


def _lingers() -> bool:
    """Return whether services of this user start at boot; True if that cannot be found out."""
    program = shutil.which("loginctl")
    return program is None or "Linger=no" not in _run([program, "show-user", str(os.getuid()), "-p", "Linger"]).stdout


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - without a shell
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT, env=environment
        )
    except subprocess.TimeoutExpired:
        raise HeliographError(f"{Path(command[0]).name} did not end within {_TIMEOUT} s") from None
