"""The support bundle: a report for a public issue, with credentials and personal data masked."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
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

_PACKAGES = ("pyreqwest", "filelock", "platformdirs", "rich", "keyring", "h11")
_SHOWN = {
    "vendor": re.compile("|".join(f'"{name}"' for name in VENDORS)),
    "timezone": re.compile(r'"[A-Z][A-Za-z_]+(/[A-Za-z_+-]+)*"'),
    "server": re.compile(r'"[a-z]{2}"'),
    "interval": re.compile(r'\d{1,4}|"\d{1,4} ?[a-z]{1,3}"'),
    **dict.fromkeys(("requests_per_day", "logins_per_day", "reserve"), re.compile(r"\d{1,6}")),
}
"""Configuration keys whose values are shown if they match; everything else is masked."""
_KEYS = frozenset(
    (*_SHOWN, "name", "username", "password", "password_file", "password_env", "password_command", "plants", "token")
)
_FIRST_TIMESTAMP = 1e9
_HIDDEN = frozenset(("session", "refused_passwords", "notes"))
_SESSION = ("alive", "skew", "futile_at", "died_at")
_FACTS = ("dialect", "open", "tried")


def write_bundle(
    path: Path, sections: Sequence[Section], diagnoses: Sequence[AccountDiagnosis], config: Path | None
) -> None:
    """Write the bundle to a new file; an existing file is not replaced."""
    config = config or config_path(os.environ)
    text = format_bundle(sections, diagnoses, config)
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} already exists; choose another file for the bundle") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be config_text: {error.strerror or error}") from None


def format_bundle(sections: Iterable[Section], diagnoses: Sequence[AccountDiagnosis], config: Path) -> str:
    """Return the report as text."""
    config_text = _read(config)
    parts = ["Report of heliograph doctor. Read it before you post it.", ""]
    for section in sections:
        parts += [*format_section(section), ""]
    parts += ["Packages", *_packages(), ""]
    parts += ["Configuration", *(f"  {line}" for line in _configuration(config_text)), ""]
    for number, diagnosis in enumerate(diagnoses, 1):
        parts += [f"State of account {number} ({diagnosis.account.vendor})", *_state(diagnosis), ""]
    masker = SecretMasker([*_personal(diagnoses), *_quoted(config_text), *_environment_secrets()])
    return mask_secrets(masker.mask(_without_paths("\n".join(parts), config)))


def _packages() -> Iterator[str]:
    for name in _PACKAGES:
        try:
            yield f"  {name} {version(name)}"
        except PackageNotFoundError:
            yield f"  {name} is not installed"
    for name in sorted(
        name for name in os.environ if name.startswith("HELIOGRAPH_") or name.lower().endswith("_proxy")
    ):
        yield f"  {name} is set"


def _read(config: Path) -> str:
    try:
        return config.read_text("utf-8-sig", "replace")
    except OSError:
        return ""


def _configuration(config_text: str) -> Iterator[str]:
    """Yield the lines of the file with masked values; works for invalid TOML too."""
    for number, line in enumerate(config_text.splitlines(), 1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if line.strip() == "[[account]]":
            yield f"{number}: [[account]]"
        elif equals and key in _KEYS:
            shown = value if key in _SHOWN and _SHOWN[key].fullmatch(value) else MASK
            yield f"{number}: {key} = {shown}"
        elif line.strip() and not line.strip().startswith("#"):
            yield f"{number}: {MASK}"


def _state(diagnosis: AccountDiagnosis) -> Iterator[str]:
    for name, value in diagnosis.state.to_dict().items():
        if name not in _HIDDEN:
            yield f"  {name}: {_format(value)}"
    for name in _SESSION:
        yield f"  session {name}: {_format(getattr(diagnosis.session, name))}"
    for name in _FACTS:
        yield f"  session {name}: {_format(diagnosis.session.facts.get(name))}"
    yield f"  session plants: {len(diagnosis.session.facts.get('plants') or ())}"
    for at, note in diagnosis.budget.notes:
        yield f"  {at:%Y-%m-%d %H:%M:%S} UTC: {note}"


def _format(value: Any) -> str:
    """Format a value of the state; large numbers are timestamps."""
    if isinstance(value, float) and value > _FIRST_TIMESTAMP:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"[{', '.join(map(_format, value))}]" if isinstance(value, list) else str(value)


def _personal(diagnoses: Iterable[AccountDiagnosis]) -> Iterator[str]:
    """Yield credentials and personal data of the accounts."""
    for diagnosis in diagnoses:
        account, session = diagnosis.account, diagnosis.session
        secrets = [account.username, account.password.value_if_loaded()] if account.has_password else []
        if account.token is not None:
            secrets.append(account.token.value_if_loaded())
        yield from (*secrets, *session.secrets(), *_private_names(account))
        plants = session.facts.get("plants") or {}
        yield from (str(text) for pair in plants.items() for text in pair if text)
        host = urlsplit(session.server).hostname or ""
        if host not in LOCAL_HOSTS and not diagnosis.vendor.is_known_server(session.server):
            yield host


def _private_names(account: Account) -> Iterator[str]:
    yield from account.plants
    if account.name not in VENDORS:
        yield account.name


def _quoted(config_text: str) -> Iterator[str]:
    """Yield all quoted texts of the file, since an error may quote any of them, except values that are shown."""
    for found in re.finditer(r'"((?:[^"\\\n]|\\.)*)"|\'([^\'\n]*)\'', config_text):
        if not any(form.fullmatch(f'"{found[1]}"') for form in _SHOWN.values()):
            yield found[1] or found[2] or ""


def _environment_secrets() -> Iterator[str]:
    for vendor in VENDORS:
        yield from (os.environ.get(f"HELIOGRAPH_{vendor.upper()}_{part}", "") for part in ("USERNAME", "PASSWORD"))


def _without_paths(text: str, config: Path) -> str:
    """Replace this machine's paths, and the hashes in names of state files, which would confirm a guessed user name."""
    homes = {os.environ.get(name, ""): "~" for name in ("HOME", "USERPROFILE")}
    for path, name in {str(config): "CONFIG", str(data_folder(os.environ)): "DATA", **homes}.items():
        if Path(path).is_absolute() and Path(path).parent != Path(path):
            text = text.replace(path, name)
    return re.sub(r"\b(\w+)-[0-9a-f]{16}\b", rf"\1-{MASK}", text)
