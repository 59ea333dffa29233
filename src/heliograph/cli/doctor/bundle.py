"""What a doctor found, fit for a public issue: nothing in it opens an account or tells whose it is."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heliograph.cli.doctor.account import LOCAL_HOSTS
from heliograph.cli.doctor.result import format_section
from heliograph.core.files import config_path, data_folder
from heliograph.core.redact import MASK, SecretMasker, mask_secrets
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from heliograph.cli.doctor.account import AccountDiagnosis
    from heliograph.cli.doctor.result import Section
    from heliograph.config import Account

_PACKAGES = ("pyreqwest", "filelock", "platformdirs", "rich", "keyring", "h11", "astral")
_SHOWN = {
    "vendor": re.compile("|".join(f'"{name}"' for name in VENDORS)),
    "timezone": re.compile(r'"[A-Z][A-Za-z_]+(/[A-Za-z_+-]+)*"'),
    "server": re.compile(r'"[a-z]{2}"'),
    "interval": re.compile(r'\d{1,4}|"\d{1,4} ?[a-z]{1,3}"'),
    **dict.fromkeys(("requests_per_day", "logins_per_day", "reserve"), re.compile(r"\d{1,6}")),
}
"""What of a configuration is shown, and the values that can be nothing else; all the rest is masked."""
_KEYS = frozenset(
    (*_SHOWN, "name", "username", "password", "password_file", "password_env", "password_command", "plants")
)
_LONG_AGO = 1e9
_HIDDEN = frozenset(("session", "refused_passwords", "notes"))
_SESSION = ("alive", "skew", "futile_at", "died_at")
_FACTS = ("dialect", "open", "tried")


def write_bundle(
    path: Path, sections: Sequence[Section], patients: Sequence[AccountDiagnosis], config: Path | None
) -> None:
    """Write the bundle; a file that is there already is somebody's, and stays."""
    place = config or config_path(os.environ)
    text = format_bundle(sections, patients, place)
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} is there already; name another file for the bundle") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None


def format_bundle(sections: Iterable[Section], patients: Sequence[AccountDiagnosis], config: Path) -> str:
    """Return everything that helps whoever looks for the fault, and nothing else."""
    written = _text_of(config)
    parts = ["What heliograph doctor found. Read it before you post it.", ""]
    for section in sections:
        parts += [*format_section(section), ""]
    parts += ["Packages", *_packages(), ""]
    parts += ["Configuration", *(f"  {line}" for line in _configuration(written)), ""]
    for number, patient in enumerate(patients, 1):
        parts += [f"Memory of account {number} ({patient.account.vendor})", *_memory(patient), ""]
    known = SecretMasker([*_personal(patients), *_quoted(written), *_of_environment()])
    return mask_secrets(known.mask(_without_places("\n".join(parts), config)))


def _packages() -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only a bundle asks

    for name in _PACKAGES:
        try:
            yield f"  {name} {version(name)}"
        except PackageNotFoundError:
            yield f"  {name} is not installed"
    for name in sorted(
        name for name in os.environ if name.startswith("HELIOGRAPH_") or name.lower().endswith("_proxy")
    ):
        yield f"  {name} is set"


def _text_of(config: Path) -> str:
    try:
        return config.read_text("utf-8-sig", "replace")
    except OSError:
        return ""


def _configuration(written: str) -> Iterator[str]:
    """Yield the lines of the file with their values masked; it need not be TOML, or it would not be in trouble."""
    for number, line in enumerate(written.splitlines(), 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if line.strip() == "[[account]]":
            yield f"{number}: [[account]]"
        elif equals and key in _KEYS:
            shown = value if key in _SHOWN and _SHOWN[key].fullmatch(value) else MASK
            yield f"{number}: {key} = {shown}"
        elif line.strip() and not line.strip().startswith("#"):
            yield f"{number}: {MASK}"


def _memory(patient: AccountDiagnosis) -> Iterator[str]:
    for name, value in patient.state.to_dict().items():
        if name not in _HIDDEN:
            yield f"  {name}: {_plain(value)}"
    for name in _SESSION:
        yield f"  session {name}: {_plain(getattr(patient.session, name))}"
    for name in _FACTS:
        yield f"  session {name}: {_plain(patient.session.facts.get(name))}"
    yield f"  session plants: {len(patient.session.facts.get('plants') or ())}"
    for at, note in patient.budget.notes:
        yield f"  {at:%Y-%m-%d %H:%M:%S} UTC: {note}"


def _plain(value: Any) -> str:
    """Return a value of the memory; what is so large is a moment."""
    if isinstance(value, float) and value > _LONG_AGO:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"[{', '.join(map(_plain, value))}]" if isinstance(value, list) else str(value)


def _personal(patients: Iterable[AccountDiagnosis]) -> Iterator[str]:
    """Yield what opens an account or tells whose it is."""
    for patient in patients:
        account, session = patient.account, patient.session
        yield from (account.username, account.password.value_if_loaded(), *session.secrets(), *_own_names(account))
        plants = session.facts.get("plants") or {}
        yield from (str(text) for pair in plants.items() for text in pair if text)
        host = urlsplit(session.server).hostname or ""
        if host not in LOCAL_HOSTS and not patient.vendor.is_known_server(session.server):
            yield host


def _own_names(account: Account) -> Iterator[str]:
    yield from account.plants
    if account.name not in VENDORS:
        yield account.name


def _quoted(written: str) -> Iterator[str]:
    """Yield what stands in quotes in the file, wherever an error may have taken it from, but for what is shown."""
    for found in re.finditer(r'"((?:[^"\\\n]|\\.)*)"|\'([^\'\n]*)\'', written):
        if not any(form.fullmatch(f'"{found[1]}"') for form in _SHOWN.values()):
            yield found[1] or found[2] or ""


def _of_environment() -> Iterator[str]:
    for vendor in VENDORS:
        yield from (os.environ.get(f"HELIOGRAPH_{vendor.upper()}_{part}", "") for part in ("USERNAME", "PASSWORD"))


def _without_places(text: str, config: Path) -> str:
    """Take out the paths of this machine, and the account files' names, which anybody could check a guess against."""
    homes = {os.environ.get(name, ""): "~" for name in ("HOME", "USERPROFILE")}
    for place, name in {str(config): "CONFIG", str(data_folder(os.environ)): "DATA", **homes}.items():
        if Path(place).is_absolute() and Path(place).parent != Path(place):
            text = text.replace(place, name)
    return re.sub(r"\b(\w+)-[0-9a-f]{16}\b", rf"\1-{MASK}", text)
