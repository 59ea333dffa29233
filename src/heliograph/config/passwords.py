"""Where Heliograph keeps an account's password: the system's keyring, else a file that only its owner can read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heliograph.core import files
from heliograph.core.files import data_folder
from heliograph.core.redact import Secret, excerpt
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

NO_KEYRING = "HELIOGRAPH_NO_KEYRING"
COMMAND_SECONDS = 30


class DeferredSecret(Secret):
    """A secret that is fetched whenever it is revealed: nothing is unlocked or run before a login needs it.

    It is fetched anew each time, so that whoever runs for months logs in with the password of today; the last one
    is at hand for what masks it.
    """

    __slots__ = ("_fetch",)

    def __init__(self, fetch: Callable[[], Secret]) -> None:
        super().__init__("")
        self._fetch = fetch

    def reveal(self) -> str:
        self._value = self._fetch().reveal()
        return self._value


class PasswordStore:
    """The passwords Heliograph keeps; `warnings` are one-line sentences for the person at the keyboard."""

    def __init__(self, folder: Path, *, keyring: bool = True) -> None:
        self.path = folder / "passwords.json"
        self.warnings: list[str] = []
        self._may_use_keyring = keyring

    @classmethod
    def for_user(cls, environ: Mapping[str, str]) -> PasswordStore:
        """Return the passwords of this user."""
        return cls(data_folder(environ), keyring=not environ.get(NO_KEYRING))

    def save(self, vendor: str, username: str, password: Secret) -> str:
        """Keep a password and return where it now is, in words."""
        keyring = self._keyring()
        if keyring is None:
            self._write(vendor, username, password.reveal())
            return str(self.path)
        with _foreign():
            keyring.set_password(_service(vendor), username, password.reveal())
        # The file is looked at first, so nothing older may stay there.
        self._write(vendor, username, None)
        return f"the keyring ({keyring.name})"

    def load(self, vendor: str, username: str) -> Secret | None:
        """Return the password that is kept; the file goes first, as it opens without asking anybody."""
        password = self._read().get(vendor, {}).get(username)
        if password is None and (keyring := self._keyring()) is not None:
            with _foreign():
                password = keyring.get_password(_service(vendor), username)
        return None if password is None else Secret(password)

    def delete(self, vendor: str, username: str) -> bool:
        """Forget the password wherever it is, and tell whether there was one."""
        there = self._write(vendor, username, None)
        if (keyring := self._keyring()) is not None:
            with _foreign():
                if keyring.get_password(_service(vendor), username) is not None:
                    keyring.delete_password(_service(vendor), username)
                    there = True
        return there

    def _keyring(self) -> Any:
        """Return the system's keyring, if there is one that keeps anything."""
        if not self._may_use_keyring:
            return None
        try:
            import keyring  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            return None
        with _foreign():
            backend = keyring.get_keyring()
            return backend if backend.priority > 0 else None

    def _write(self, vendor: str, username: str, password: str | None) -> bool:
        """Put a password into the file or take it out, and tell whether there was one."""
        if password is None and not self.path.exists():
            return False
        import json  # noqa: PLC0415 - only a login and a logout write

        try:
            with files.file_lock(self.path.with_name(f"{self.path.name}.lock")):
                kept = self._read()
                there = kept.get(vendor, {}).pop(username, None) is not None
                if password is not None:
                    kept.setdefault(vendor, {})[username] = password
                if there or password is not None:
                    files.write_atomic(
                        self.path, json.dumps({name: users for name, users in kept.items() if users}, indent=1)
                    )
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error.strerror or error}") from None
        return there

    def _read(self) -> dict[str, dict[str, str]]:
        import json  # noqa: PLC0415 - a stored session needs no password

        try:
            kept = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError):  # no JSON; no UTF-8; brackets without end
            kept = None
        if not _sound(kept):
            self._set_aside()
            return {}
        found: dict[str, dict[str, str]] = kept
        return found

    def _set_aside(self) -> None:
        """Move a broken file out of the way: it may still hold what its owner wants back."""
        number = 1
        while (aside := self.path.with_name(f"passwords.broken-{number}.json")).exists():
            number += 1
        try:
            self.path.replace(aside)
        except OSError as error:
            raise ConfigError(f"{self.path} is broken and cannot be moved: {error.strerror or error}") from None
        self.warnings.append(f"{self.path} was broken, so it is now {aside.name}; log in again to keep a password")


def run_password_command(command: Sequence[str]) -> Secret:
    """Return the first line a command prints; neither the command nor its output is ever in an error."""
    import subprocess  # noqa: PLC0415 - slow to import, and few accounts have a command

    try:
        done = subprocess.run(  # noqa: S603 - it is the person's own command, and no shell reads it
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"did not end within {COMMAND_SECONDS} s") from None
    except (OSError, ValueError) as error:  # not there; not to be run; a name no system has
        raise ConfigError(f"cannot be run: {getattr(error, 'strerror', None) or 'no name of a program'}") from None
    if done.returncode:
        said = excerpt(done.stderr)
        raise ConfigError(f"failed with exit code {done.returncode}{said and ': '}{said}")
    try:
        password = done.stdout.partition(b"\n")[0].rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise ConfigError("printed something that is not UTF-8 text") from None
    if not password:
        raise ConfigError("printed an empty first line, which is no password")
    return Secret(password)


def _service(vendor: str) -> str:
    return f"heliograph {vendor}"


@contextmanager
def _foreign() -> Iterator[None]:
    """Turn whatever a keyring raises into advice."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each backend lets through what its system raises, and its text is not ours
        raise ConfigError(
            f"the keyring does not answer ({type(error).__name__}); unlock it, "
            f"or set {NO_KEYRING}=1 to keep passwords in a file"
        ) from None


def _sound(kept: Any) -> bool:
    """Tell whether this is {vendor: {username: password}}."""
    return isinstance(kept, dict) and all(
        isinstance(users, dict) and all(isinstance(password, str) for password in users.values())
        for users in kept.values()
    )
