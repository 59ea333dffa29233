"""Which accounts there are and where things are kept: one TOML file and the environment, into frozen objects."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.errors import ConfigError
from heliograph.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

VENDORS = ("growatt", "goodwe")
HOME = "HELIOGRAPH_HOME"

_PASSWORDS = ("password", "password_file", "password_env")
_KEYS = ("name", "vendor", "username", *_PASSWORDS, "server", "timezone", "plants")

EXAMPLE = """\
    [[account]]
    vendor = "growatt"                 # or "goodwe"
    username = "me"
    password = "secret"                # or password_file = "…", or password_env = "…"
    # name = "home"                    # what to call it; the vendor unless said
    # server = "us"                    # a region's name or an address
    # timezone = "Europe/Amsterdam"    # the clock on the plants' wall
    # plants = ["1234567"]             # these only"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of one cloud; `server` None is the cloud's usual one, empty `plants` are all of them."""

    name: str
    vendor: str
    username: str = field(repr=False)
    password: Secret
    server: str | None = None
    zone: tzinfo | None = None
    plants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every account there is; `warnings` are one-line sentences for the person at the keyboard."""

    path: Path
    accounts: tuple[Account, ...]
    warnings: tuple[str, ...] = ()

    def chosen(self, name: str | None = None, server: str | None = None) -> tuple[Account, ...]:
        """Return the account of that name, or all, sent to another server when one is given."""
        if not self.accounts:
            raise ConfigError(
                "no account is known yet. Set HELIOGRAPH_GROWATT_USERNAME and HELIOGRAPH_GROWATT_PASSWORD "
                f"(or the same with GOODWE), or write {self.path}:\n\n{EXAMPLE}"
            )
        found = tuple(one for one in self.accounts if name in (None, one.name))
        if not found:
            known = ", ".join(one.name for one in self.accounts)
            raise ConfigError(f"there is no account {name!r}; the accounts are: {known}")
        if server is None:
            return found
        from dataclasses import replace  # noqa: PLC0415 - one option in ten runs

        return tuple(replace(one, server=server) for one in found)


def config_path(environ: Mapping[str, str]) -> Path:
    """Return where the configuration is looked for when no file is named."""
    if environ.get(HOME):
        return Path(environ[HOME]) / "config.toml"
    from platformdirs import user_config_path  # noqa: PLC0415 - not needed where HELIOGRAPH_HOME is set

    return user_config_path("heliograph", appauthor=False) / "config.toml"


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of everything kept between runs."""
    if environ.get(HOME):
        return Path(environ[HOME])
    from platformdirs import user_data_path  # noqa: PLC0415 - not needed where HELIOGRAPH_HOME is set

    return user_data_path("heliograph", appauthor=False)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file, if there is one, and the accounts of the environment whose vendor it does not name.

    A file that was asked for has to be there; the usual one may be missing.
    """
    place = path or config_path(environ)
    accounts: tuple[Account, ...] = ()
    warnings: tuple[str, ...] = ()
    if path is not None or place.exists():
        accounts, warnings = _File(place, environ).read()
    named = {one.vendor for one in accounts}
    accounts += tuple(one for one in _from_environment(environ) if one.vendor not in named)
    return Config(path=place, accounts=accounts, warnings=warnings)


def _from_environment(environ: Mapping[str, str]) -> list[Account]:
    found = []
    for vendor in VENDORS:
        keys = [f"HELIOGRAPH_{vendor.upper()}_{part}" for part in ("USERNAME", "PASSWORD")]
        username, password = (environ.get(key) for key in keys)
        if username and password:
            found.append(Account(name=vendor, vendor=vendor, username=username, password=Secret(password)))
        elif username or password:
            have, lack = keys if username else reversed(keys)
            raise ConfigError(f"{have} is set but {lack} is not; an account needs both")
    return found


class _File:
    """One configuration file, which knows where in it each key stands."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.environ = environ
        self.warnings: list[str] = []
        try:
            # An editor on Windows may put a byte order mark in front.
            self.text = path.read_text("utf-8-sig")
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path} is not UTF-8 text") from None

    def read(self) -> tuple[tuple[Account, ...], tuple[str, ...]]:
        """Return the accounts, and what the person should know about the file."""
        data = self._parsed()
        for key in data:
            if key != "account":
                raise self.wrong(f"is not known here; accounts stand under [[account]]{_meant(key, ('account',))}", key)
        tables = data.get("account", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.wrong("is a list of tables; write [[account]] with two brackets", "account")
        accounts = tuple(_Table(self, place, table).account() for place, table in enumerate(tables))
        for place, one in enumerate(accounts):
            if one.name in {other.name for other in accounts[:place]}:
                raise self.wrong(f"{one.name!r} is used twice; give each account its own name", "name", place)
        return accounts, tuple(self.warnings)

    def _parsed(self) -> dict[str, Any]:
        import tomllib  # noqa: PLC0415 - whoever lives by the environment has no file

        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            message, _, spot = str(error).partition(" (at ")
            where = re.match(r"line (\d+)", spot)
            line = f", line {where[1]}" if where else ""
            raise ConfigError(f"{self.path}{line}: this is not TOML: {message}") from None

    def warn_if_open(self, path: Path) -> None:
        """Note that others on this machine can read a file that holds a password."""
        warning = f"{path} holds a password and others can read it; run: chmod 600 {path}"
        if os.name == "posix" and path.stat().st_mode & 0o077 and warning not in self.warnings:
            self.warnings.append(warning)

    def wrong(self, message: str, key: str, account: int | None = None) -> ConfigError:
        return ConfigError(f"{self.path}, line {_line_of(self.text.splitlines(), key, account)}: {key} {message}")


class _Table:
    """One [[account]] table."""

    def __init__(self, file: _File, place: int, table: dict[str, Any]) -> None:
        self.file = file
        self.place = place
        self.table = table

    def account(self) -> Account:
        """Return the account, every key checked."""
        for key in self.table:
            if key not in _KEYS:
                raise self._wrong(f"is not known here; known are {', '.join(_KEYS)}{_meant(key, _KEYS)}", key)
        vendor = self._text("vendor")
        if vendor not in VENDORS:
            raise self._wrong(f"must be one of {', '.join(VENDORS)}, not {vendor!r}", "vendor")
        return Account(
            name=self._text("name") if "name" in self.table else vendor,
            vendor=vendor,
            username=self._text("username"),
            password=self._password(),
            server=self._text("server") if "server" in self.table else None,
            zone=self._zone() if "timezone" in self.table else None,
            plants=self._plants(),
        )

    def _text(self, key: str) -> str:
        value = self.table.get(key)
        if value is None:
            raise self._wrong("is missing from this account", key)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong('must be a text in quotes, like "…"', key)
        return value

    def _password(self) -> Secret:
        given = [key for key in _PASSWORDS if key in self.table]
        if len(given) != 1:
            which = " and ".join(given)
            problem = f"is given together: {which}; keep one" if given else "is missing from this account"
            raise self._wrong(problem, given[-1] if given else "password")
        text = self._text(given[0])
        if given[0] == "password":
            self.file.warn_if_open(self.file.path)
            return Secret(text)
        return self._secret_of_environment(text) if given[0] == "password_env" else self._secret_of_file(text)

    def _secret_of_environment(self, name: str) -> Secret:
        if not self.file.environ.get(name):
            raise self._wrong(f"names {name}, which is not set", "password_env")
        return Secret(self.file.environ[name])

    def _secret_of_file(self, name: str) -> Secret:
        path = self.file.path.parent / Path(name).expanduser()
        try:
            text = path.read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            raise self._wrong(
                f"names {path}, which cannot be read: {error.strerror or error}", "password_file"
            ) from None
        except UnicodeDecodeError:
            raise self._wrong(f"names {path}, which is not UTF-8 text", "password_file") from None
        if not text:
            raise self._wrong(f"names {path}, which is empty", "password_file")
        self.file.warn_if_open(path)
        return Secret(text)

    def _zone(self) -> tzinfo:
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - most accounts need none

        name = self._text("timezone")
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # unknown; not a name at all; the name of a folder
            raise self._wrong(f'must be a zone\'s name like "Europe/Amsterdam", not {name!r}', "timezone") from None

    def _plants(self) -> tuple[str, ...]:
        plants = self.table.get("plants", [])
        if not isinstance(plants, list) or not all(type(one) in {str, int} and str(one).strip() for one in plants):
            raise self._wrong('must be a list of plant ids, like ["1234567"]', "plants")
        return tuple(str(one).strip() for one in plants)

    def _wrong(self, message: str, key: str) -> ConfigError:
        return self.file.wrong(message, key, self.place)


def _line_of(lines: list[str], key: str, account: int | None) -> int:
    """Find the line of a key, in its own [[account]] where it belongs to one; a missing key has its header's."""
    heads = [number for number, line in enumerate(lines) if re.match(r"\s*\[\[\s*[\"']?account\b", line)]
    first, last = 0, len(lines)
    if account is not None and account < len(heads):
        first, last = [*heads, len(lines)][account : account + 2]
    written = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\].=]")
    return next((number for number in range(first, last) if written.match(lines[number])), first) + 1


def _meant(key: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    close = get_close_matches(key, known, n=1)
    return f". Did you mean {close[0]}?" if close else ""
