"""The configuration file: typed access to its tables, with errors that name file, line and key."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.config.passwords import DeferredSecret, run_password_command
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}


class ConfigFile:
    """One configuration file, with the line of each key."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.environ = environ
        self.warnings: list[str] = []
        try:
            # Editors on Windows may write a byte order mark.
            self.text = path.read_text("utf-8-sig")
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path} is not UTF-8 text") from None

    def parse(self) -> dict[str, Any]:
        """Return the content of the file as parsed TOML."""
        import tomllib  # noqa: PLC0415 - not needed when configured by environment variables

        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            message, _, position = str(error).partition(" (at ")
            found = re.match(r"line (\d+)", position)
            line = f", line {found[1]}" if found else ""
            raise ConfigError(f"{self.path}{line}: this is not TOML: {message}") from None

    def tables(self, data: Mapping[str, Any], name: str) -> list[ConfigTable]:
        """Return the tables [[name]] of the file."""
        tables = data.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.error(f"is a list of tables; write [[{name}]] with two brackets", name)
        return [ConfigTable(self, name, index, table) for index, table in enumerate(tables)]

    def table(self, data: Mapping[str, Any], name: str) -> ConfigTable | None:
        """Return the table [name] of the file, or None."""
        if name not in data:
            return None
        if not isinstance(data[name], dict):
            raise self.error(f"is one table; write [{name}] with one bracket", name)
        return ConfigTable(self, name, 0, data[name])

    def warn_if_readable_by_others(self, path: Path) -> None:
        """Add a warning if other users of this machine can read a file that contains a password."""
        warning = f"{path} contains a password and others can read it; run: chmod 600 {path}"
        if os.name == "posix" and path.stat().st_mode & 0o077 and warning not in self.warnings:
            self.warnings.append(warning)

    def error(self, message: str, key: str, table: str = "", index: int = 0) -> ConfigError:
        """Return an error that names file, line and key."""
        line = _line_of(self.text.splitlines(), key, table, index)
        return ConfigError(f"{self.path}, line {line}: {key} {message}")


class ConfigTable:
    """One table of the file; every method validates the value it returns."""

    def __init__(self, file: ConfigFile, name: str, index: int, values: Mapping[str, Any]) -> None:
        self.file = file
        self.name = name
        self.index = index
        self.values = values

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def reject_unknown_keys(self, known: Sequence[str]) -> None:
        """Raise `ConfigError` for a key that is not known."""
        for key in self.values:
            if key not in known:
                raise self.error(f"is an unknown key; known are {', '.join(known)}{did_you_mean(key, known)}", key)

    def text(self, key: str) -> str:
        """Return a required text."""
        value = self.values.get(key)
        if value is None:
            raise self.error(f"is missing from this {self.name}", key)
        if not isinstance(value, str) or not value.strip():
            raise self.error('must be a text in quotes, like "…"', key)
        return value

    def text_or_none(self, key: str) -> str | None:
        """Return an optional text."""
        return self.text(key) if key in self else None

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return a required text that is one of the choices."""
        value = self.text(key)
        if value not in choices:
            raise self.error(f"must be one of {', '.join(choices)}, not {value!r}", key)
        return value

    def number(self, key: str, minimum: int, maximum: int | None = None) -> int:
        """Return a required whole number."""
        value = self.values[key]
        if type(value) is not int or value < minimum or (maximum is not None and value > maximum):
            upper = "" if maximum is None else f" and at most {maximum}"
            raise self.error(f"must be a whole number of at least {minimum}{upper}", key)
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return an optional boolean."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.error("must be true or false, without quotes", key)
        return value

    def texts(self, key: str, description: str) -> tuple[str, ...]:
        """Return an optional list of texts; numbers are converted to text."""
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(type(item) in {str, int} and str(item).strip() for item in values):
            raise self.error(f"must be a list of {description}", key)
        return tuple(str(item).strip() for item in values)

    def duration(self, key: str) -> timedelta:
        """Return a required duration: a number of minutes, or a text with a unit."""
        value = self.values[key]
        parts = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?([a-z]+)", value.strip()) if isinstance(value, str) else None
        if type(value) in {int, float} and abs(value) < 1e9:  # false for infinity and NaN
            return timedelta(minutes=value)
        if parts and parts[2] in _UNITS:
            return timedelta(seconds=float(parts[1]) * _UNITS[parts[2]])
        raise self.error('must be minutes, or a text like "10min", "600s" or "1h"', key)

    def secret_key(self, name: str = "password") -> str:
        """Return which key provides a secret: `password`, `password_file`, …; empty if none does."""
        given = [key for key in secret_keys(name) if key in self]
        if len(given) > 1:
            raise self.error(f"is given together: {' and '.join(given)}; keep one", given[-1])
        return given[0] if given else ""

    def secret(self, name: str) -> Secret | None:
        """Return an optional secret from whichever key provides it."""
        key = self.secret_key(name)
        if not key:
            return None
        kind = key.removeprefix(name)
        if kind == "_command":
            return self._secret_of_command(key)
        text = self.text(key)
        if not kind:
            self.file.warn_if_readable_by_others(self.file.path)
            return Secret(text)
        return self._secret_of_environment(key, text) if kind == "_env" else self._secret_of_file(key, text)

    def error(self, message: str, key: str) -> ConfigError:
        """Return an error that names file, line and key."""
        return self.file.error(message, key, self.name, self.index)

    def _secret_of_environment(self, key: str, name: str) -> Secret:
        if not self.file.environ.get(name):
            raise self.error(f"names {name}, which is not set", key)
        return Secret(self.file.environ[name])

    def _secret_of_file(self, key: str, name: str) -> Secret:
        path = self.file.path.parent / Path(name).expanduser()
        try:
            text = path.read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            raise self.error(f"names {path}, which cannot be read: {error.strerror or error}", key) from None
        except UnicodeDecodeError:
            raise self.error(f"names {path}, which is not UTF-8 text", key) from None
        if not text:
            raise self.error(f"names {path}, which is empty", key)
        self.file.warn_if_readable_by_others(path)
        return Secret(text)

    def _secret_of_command(self, key: str) -> Secret:
        command = self._command(key)

        def fetch() -> Secret:
            try:
                return run_password_command(command)
            except ConfigError as error:
                raise self.error(str(error), key) from None

        return DeferredSecret(fetch)

    def _command(self, key: str) -> tuple[str, ...]:
        command = self.values[key]
        if isinstance(command, str):
            import shlex  # noqa: PLC0415 - few accounts have a command

            try:
                command = shlex.split(command)
            except ValueError as error:
                raise self.error(f"cannot be split into words ({error})", key) from None
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command) or not any(command[:1]):
            raise self.error('must be a command like "pass solar" or ["pass", "solar"]', key)
        return tuple(command)


def secret_keys(name: str) -> tuple[str, ...]:
    """Return the keys that can provide a secret.

    >>> secret_keys("token")
    ('token', 'token_file', 'token_env', 'token_command')
    """
    return (name, f"{name}_file", f"{name}_env", f"{name}_command")


def did_you_mean(key: str, known: Sequence[str], *, limit: int = 1) -> str:
    """Return a suggestion of the most similar known keys, or an empty text."""
    from difflib import get_close_matches  # noqa: PLC0415 - needed for errors only

    close = get_close_matches(key, known, n=limit)
    return f". Did you mean {', '.join(close)}?" if close else ""


def _line_of(lines: list[str], key: str, table: str, index: int) -> int:
    """Return the line number of a key in the table of that index; for a missing key, that of the table's header."""
    first, last = 0, len(lines)
    headers = [number for number, line in enumerate(lines) if re.match(rf"\s*\[+\s*[\"']?{table}[\"']?\s*\]", line)]
    if table and index < len(headers):
        first = headers[index]
        last = next((n for n in range(first + 1, len(lines)) if re.match(r"\s*\[", lines[n])), len(lines))
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\].=]")
    return next((number for number in range(first, last) if pattern.match(lines[number])), first) + 1
