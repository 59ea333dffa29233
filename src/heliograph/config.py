"""Which accounts there are and where things are kept: one TOML file and the environment, into frozen objects."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.errors import ConfigError
from heliograph.folders import config_path
from heliograph.passwords import Deferred, Passwords, answer_of
from heliograph.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

VENDORS = ("growatt", "goodwe")
ENVIRONMENT = "the environment"
STORE = "HELIOGRAPH_STORE"

_PASSWORDS = ("password", "password_file", "password_env", "password_command")
_LIMITS = ("requests_per_day", "logins_per_day", "reserve")
_TOP = ("account", "store")
_KEYS = ("name", "vendor", "username", *_PASSWORDS, "server", "timezone", "plants", "interval", *_LIMITS)

# Quirk: who asks more often is shut out. Growatt's values change every 3 minutes, and noah-mqtt went to 180 s after
# bans (noah-mqtt #68, #78); GoodWe's inverters upload every 5 to 8, and 60 s cost two users their access
# (goodwe-sems-home-assistant #75).
FLOORS = {
    "growatt": (timedelta(minutes=3), "its values change no faster, and who asks more often gets blocked"),
    "goodwe": (timedelta(minutes=1), "inverters upload every five minutes, and who asks more often gets blocked"),
}
_LONGEST = timedelta(days=1)
_UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}

EXAMPLE = """\
    [[account]]
    vendor = "growatt"                 # or "goodwe"
    username = "me"
    password = "secret"                # or password_file, password_env or password_command = "…"
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
    """Fetched only when it is revealed, where a command or a keyring has to be asked for it."""
    password_key: str = "password"  # noqa: S105 - the key, not the password
    """What names the password: a key or a variable; empty where Heliograph keeps it (`passwords.py`)."""
    origin: str = ""
    """Where a person wrote it: the file's path, or ENVIRONMENT."""
    server: str | None = None
    zone: tzinfo | None = None
    plants: tuple[str, ...] = ()
    interval: timedelta | None = None
    requests_per_day: int | None = None
    logins_per_day: int | None = None
    reserve: int | None = None
    """Requests of a day that are kept for a person at the keyboard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every account there is; `warnings` are one-line sentences for the person at the keyboard."""

    path: Path
    accounts: tuple[Account, ...]
    store: str = ""
    """Where samples are kept, as a path or URL; empty is the usual file in the data folder."""
    warnings: tuple[str, ...] = ()

    def chosen(self, name: str | None = None, server: str | None = None) -> tuple[Account, ...]:
        """Return the account of that name, or all, sent to another server when one is given."""
        if not self.accounts:
            raise ConfigError(
                "no account is known yet. Run: heliograph login growatt (or goodwe). Or set "
                "HELIOGRAPH_GROWATT_USERNAME and HELIOGRAPH_GROWATT_PASSWORD "
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


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file, if there is one, and the accounts of the environment whose vendor it does not name.

    A file that was asked for has to be there; the usual one may be missing.
    """
    place = path or config_path(environ)
    there = path is not None or place.exists()
    written = _File(place, environ).read() if there else Config(path=place, accounts=())
    named = {one.vendor for one in written.accounts}
    from_environment = tuple(one for one in _from_environment(environ) if one.vendor not in named)
    return Config(
        path=place,
        accounts=written.accounts + from_environment,
        store=environ.get(STORE) or written.store,
        warnings=written.warnings,
    )


def _from_environment(environ: Mapping[str, str]) -> list[Account]:
    found = []
    for vendor in VENDORS:
        name, secret = (f"HELIOGRAPH_{vendor.upper()}_{part}" for part in ("USERNAME", "PASSWORD"))
        username, password = environ.get(name), environ.get(secret)
        if password and not username:
            raise ConfigError(f"{secret} is set but {name} is not; an account needs both")
        if username:
            told = f"{name} is set but {secret} is not, and no password is kept; run: heliograph login {vendor}"
            found.append(
                Account(
                    name=vendor,
                    vendor=vendor,
                    username=username,
                    password=Secret(password) if password else _kept(environ, vendor, username, told),
                    password_key=secret if password else "",
                    origin=ENVIRONMENT,
                )
            )
    return found


def _kept(environ: Mapping[str, str], vendor: str, username: str, missing: str) -> Secret:
    """Return the password Heliograph keeps for this account; whether there is one shows when it is needed."""

    def fetch() -> Secret:
        kept = Passwords.of(environ)
        found = kept.find(vendor, username)
        if found is None:
            raise ConfigError("; ".join([missing, *kept.warnings]))
        return found

    return Deferred(fetch)


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

    def read(self) -> Config:
        """Return what stands in the file, and what the person should know about it."""
        data = self._parsed()
        for key in data:
            if key not in _TOP:
                raise self.wrong(f"is not known here; accounts stand under [[account]]{_meant(key, _TOP)}", key)
        tables = data.get("account", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.wrong("is a list of tables; write [[account]] with two brackets", "account")
        accounts = tuple(_Table(self, place, table).account() for place, table in enumerate(tables))
        for place, one in enumerate(accounts):
            if one.name in {other.name for other in accounts[:place]}:
                raise self.wrong(f"{one.name!r} is used twice; give each account its own name", "name", place)
        return Config(path=self.path, accounts=accounts, store=self._store(data), warnings=tuple(self.warnings))

    def _store(self, data: dict[str, Any]) -> str:
        store = data.get("store", "")
        if not isinstance(store, str) or ("store" in data and not store.strip()):
            raise self.wrong('must be a path or a URL in quotes, like "postgresql://user@host/solar"', "store")
        if "@" in store and ":" in store.partition("://")[2].partition("@")[0]:
            self.warn_if_open(self.path)
        return store.strip()

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
        username = self._text("username")
        name = self._text("name") if "name" in self.table else vendor
        key = self._password_key()
        limits = {limit: self._count(limit) for limit in _LIMITS if limit in self.table}
        if limits.get("reserve", 0) >= limits.get("requests_per_day", float("inf")):
            raise self._wrong("leaves nothing of requests_per_day for the program itself", "reserve")
        return Account(
            name=name,
            vendor=vendor,
            username=username,
            password=self._password(key) if key else self._password_kept(name, vendor, username),
            password_key=key,
            origin=str(self.file.path),
            server=self._text("server") if "server" in self.table else None,
            zone=self._zone() if "timezone" in self.table else None,
            plants=self._plants(),
            interval=self._interval(vendor) if "interval" in self.table else None,
            **limits,
        )

    def _text(self, key: str) -> str:
        value = self.table.get(key)
        if value is None:
            raise self._wrong("is missing from this account", key)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong('must be a text in quotes, like "…"', key)
        return value

    def _password_key(self) -> str:
        given = [key for key in _PASSWORDS if key in self.table]
        if len(given) > 1:
            raise self._wrong(f"is given together: {' and '.join(given)}; keep one", given[-1])
        return given[0] if given else ""

    def _password(self, key: str) -> Secret:
        if key == "password_command":
            return self._secret_of_command(self._command())
        text = self._text(key)
        if key == "password":
            self.file.warn_if_open(self.file.path)
            return Secret(text)
        return self._secret_of_environment(text) if key == "password_env" else self._secret_of_file(text)

    def _password_kept(self, name: str, vendor: str, username: str) -> Secret:
        chosen = "" if name == vendor else f" --account {name}"
        told = f"is missing from this account, and none is kept; run: heliograph login {vendor}{chosen}"
        return _kept(self.file.environ, vendor, username, str(self._wrong(told, "password")))

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

    def _command(self) -> tuple[str, ...]:
        command = self.table["password_command"]
        if isinstance(command, str):
            import shlex  # noqa: PLC0415 - few accounts have a command

            try:
                command = shlex.split(command)
            except ValueError as error:
                raise self._wrong(f"cannot be split into words ({error})", "password_command") from None
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command) or not any(command[:1]):
            raise self._wrong('must be a command like "pass solar" or ["pass", "solar"]', "password_command")
        return tuple(command)

    def _secret_of_command(self, command: tuple[str, ...]) -> Secret:
        def fetch() -> Secret:
            try:
                return answer_of(command)
            except ConfigError as error:
                raise self._wrong(str(error), "password_command") from None

        return Deferred(fetch)

    def _count(self, key: str) -> int:
        value, least = self.table[key], 0 if key == "reserve" else 1
        if type(value) is not int or value < least:
            raise self._wrong(f"must be a whole number of at least {least}", key)
        return value

    def _interval(self, vendor: str) -> timedelta:
        value = self.table["interval"]
        parts = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?([a-z]+)", value.strip()) if isinstance(value, str) else None
        if type(value) in {int, float} and abs(value) < 1e9:  # which infinity and what is no number are not
            seconds = value * 60.0
        elif parts and parts[2] in _UNITS:
            seconds = float(parts[1]) * _UNITS[parts[2]]
        else:
            raise self._wrong('must be minutes, or a text like "10min", "600s" or "1h"', "interval")
        least, why = FLOORS[vendor]
        if seconds < least.total_seconds():
            raise self._wrong(
                f"is below {least.total_seconds() / 60:.0f} min, the least for {vendor}: {why}", "interval"
            )
        if seconds > _LONGEST.total_seconds():
            raise self._wrong("is longer than a day", "interval")
        return timedelta(seconds=seconds)

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
