"""The password store: the system's keyring, or a file that only its owner can read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heliograph.core import files
from heliograph.core.redact import Secret, excerpt
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

NO_KEYRING = "HELIOGRAPH_NO_KEYRING"
COMMAND_SECONDS = 30


class DeferredSecret(Secret):
    """A secret that is fetched each time it is revealed, so that no keyring or command is used before a login.

    A program that runs for months thus logs in with the current password. The last value is cached for masking.
    """

    __slots__ = ("_fetch",)

    def __init__(self, fetch: Callable[[], Secret]) -> None:
        super().__init__("")
        self._fetch = fetch

    def reveal(self) -> str:
        self._value = self._fetch().reveal()
        return self._value


class PasswordStore:
    """The stored passwords of one user; `warnings` are one-line messages for the user."""

    def __init__(self, folder: Path, *, keyring: bool = True) -> None:
        self.path = folder / "passwords.json"
        self.warnings: list[str] = []
        self._use_keyring = keyring

    @classmethod
    def for_user(cls, environ: Mapping[str, str]) -> PasswordStore:
        """Return the password store of this user."""
        return cls(files.data_folder(environ), keyring=not environ.get(NO_KEYRING))

    def save(self, vendor: str, username: str, password: Secret) -> str:
        """Save a password and return where, as a text for the user."""
        keyring = self._keyring()
        if keyring is None:
            self._update_file(vendor, username, password.reveal())
            return str(self.path)
        with _keyring_errors():
            keyring.set_password(_service(vendor), username, password.reveal())
        # The file is read first, so it must not contain an older password.
        self._update_file(vendor, username, None)
        return f"the keyring ({keyring.name})"

    def load(self, vendor: str, username: str) -> Secret | None:
        """Load a password; the file is read first, because a keyring may prompt the user."""
        password = self._read_file().get(vendor, {}).get(username)
        if password is None and (keyring := self._keyring()) is not None:
            with _keyring_errors():
                password = keyring.get_password(_service(vendor), username)
        return None if password is None else Secret(password)

    def delete(self, vendor: str, username: str) -> bool:
        """Delete a password from the file and the keyring; return whether there was one."""
        found = self._update_file(vendor, username, None)
        if (keyring := self._keyring()) is not None:
            with _keyring_errors():
                if keyring.get_password(_service(vendor), username) is not None:
                    keyring.delete_password(_service(vendor), username)
                    found = True
        return found

    def _keyring(self) -> Any:
        """Return the system's keyring, or None if there is none that can store passwords."""
        if not self._use_keyring:
            return None
        try:
            import keyring  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            return None
        with _keyring_errors():
            backend = keyring.get_keyring()
            return backend if backend.priority > 0 else None

    def _update_file(self, vendor: str, username: str, password: str | None) -> bool:
        """Set a password in the file, or remove it; return whether there was one."""
        if password is None and not self.path.exists():
            return False
        import json  # noqa: PLC0415 - only login and logout write

        try:
            with files.file_lock(self.path.with_name(f"{self.path.name}.lock")):
                stored = self._read_file()
                found = stored.get(vendor, {}).pop(username, None) is not None
                if password is not None:
                    stored.setdefault(vendor, {})[username] = password
                if found or password is not None:
                    content = {name: users for name, users in stored.items() if users}
                    files.write_atomic(self.path, json.dumps(content, indent=1))
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error.strerror or error}") from None
        return found

    def _read_file(self) -> dict[str, dict[str, str]]:
        import json  # noqa: PLC0415 - a stored session needs no password

        try:
            stored = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError):  # not JSON; not UTF-8; nested too deeply
            stored = None
        if not _is_valid(stored):
            self._set_aside()
            return {}
        found: dict[str, dict[str, str]] = stored
        return found

    def _set_aside(self) -> None:
        """Rename a damaged file: the user may still want to recover its content."""
        number = 1
        while (aside := self.path.with_name(f"passwords.broken-{number}.json")).exists():
            number += 1
        try:
            self.path.replace(aside)
        except OSError as error:
            raise ConfigError(f"{self.path} is damaged and cannot be renamed: {error.strerror or error}") from None
        self.warnings.append(f"{self.path} was damaged and is now {aside.name}; log in again to store the password")


def run_password_command(command: Sequence[str]) -> Secret:
    """Return the first line of a command's output; no error contains the command or its standard output."""
    password = run_secret_command(command).reveal().partition("\n")[0].rstrip("\r")
    if not password:
        raise ConfigError("printed an empty first line, which is not a password")
    return Secret(password)


def run_secret_command(command: Sequence[str]) -> Secret:
    """Return a command's output; no error contains the command or its standard output."""
    import subprocess  # noqa: PLC0415 - slow to import, and few accounts have a command

    try:
        done = subprocess.run(  # noqa: S603 - configured by the user, and run without a shell
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"did not end within {COMMAND_SECONDS} s") from None
    except (OSError, ValueError) as error:  # not found; not executable; an invalid name
        raise ConfigError(f"cannot be run: {getattr(error, 'strerror', None) or 'invalid program name'}") from None
    if done.returncode:
        stderr = excerpt(done.stderr)
        raise ConfigError(f"failed with exit code {done.returncode}{stderr and ': '}{stderr}")
    try:
        return Secret(done.stdout.decode())
    except UnicodeDecodeError:
        raise ConfigError("printed text that is not UTF-8") from None


def _service(vendor: str) -> str:
    return f"heliograph {vendor}"


@contextmanager
def _keyring_errors() -> Iterator[None]:
    """Replace any error of a keyring by one with advice."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each backend raises its system's own errors, whose text may be private
        raise ConfigError(
            f"the keyring does not respond ({type(error).__name__}); unlock it, "
            f"or set {NO_KEYRING}=1 to store passwords in a file"
        ) from None


def _is_valid(stored: Any) -> bool:
    """Return whether this is {vendor: {username: password}}."""
    return isinstance(stored, dict) and all(
        isinstance(users, dict) and all(isinstance(password, str) for password in users.values())
        for users in stored.values()
    )
