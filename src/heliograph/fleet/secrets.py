"""Sealing of passwords, tokens, user names and sessions, so that the database alone opens no account.

AES-256-GCM with a random nonce per value. The owner of a value is authenticated with it: a value that is copied to
another row, or to another column, does not open. The keys are in a file or the output of a command, one per line:

    1 q83v…=
    2 7f1a…=

The number of the key is stored with each value. New values are sealed with the last key; the others only open.
"""

from __future__ import annotations

import hmac
import json
import os
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heliograph.config.passwords import DeferredSecret, run_secret_command
from heliograph.core.files import write_atomic
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from heliograph.fleet.database import Database

KEY_BYTES = 32
_NONCE_BYTES = 12
_INDEX_CONTEXT = ("index key",)


class Sealed(NamedTuple):
    """A sealed value, and the number of its key."""

    key_number: int
    data: bytes


class SecretBox:
    """Seals and opens values with numbered keys."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys:
            raise ConfigError("there is no key; run: heliograph fleet key new")
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self.current = max(keys)
        """The number of the key that seals."""

    def seal(self, secret: Secret, context: Sequence[object]) -> Sealed:
        """Seal a text; it opens only with the same `context`."""
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[self.current]
        return Sealed(self.current, nonce + cipher.encrypt(nonce, secret.reveal().encode(), _associated(context)))

    def open(self, sealed: Sealed, context: Sequence[object]) -> Secret:
        """Open a text; raises `StoreError` with another key or context, or if it was changed."""
        cipher = self._ciphers.get(sealed.key_number)
        if cipher is None:
            known = ", ".join(map(str, self._ciphers))
            raise StoreError(f"a secret was sealed with key {sealed.key_number}, and the key file has {known}")
        data = sealed.data
        try:
            return Secret(cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _associated(context)).decode())
        except (InvalidTag, ValueError):
            advice = "the row was changed or copied from another one; import the account again"
            raise StoreError(f"a secret of {context[0]} does not open with key {sealed.key_number}; {advice}") from None

    @property
    def numbers(self) -> set[int]:
        """The numbers of the keys."""
        return set(self._ciphers)

    def deferred(self, sealed: Sealed, context: Sequence[object]) -> Secret:
        """Return a secret that is opened each time it is revealed."""
        return DeferredSecret(lambda: self.open(sealed, context))


class BlindIndex:
    """A keyed hash of user names: equal names are found without opening any."""

    def __init__(self, key: Secret) -> None:
        self._key = b64decode(key.reveal())

    def of(self, vendor: str, server: str, username: str) -> bytes:
        """Return the hash of a user name of a vendor's server; case and outer spaces do not count."""
        return hmac.digest(self._key, _associated((vendor, server, username.strip().casefold())), "sha256")


def _associated(context: Sequence[object]) -> bytes:
    return json.dumps(context).encode()


def parse_keys(text: str, where: str) -> dict[int, bytes]:
    """Return the keys in a text; raises `ConfigError`, which contains no part of a key."""
    keys: dict[int, bytes] = {}
    for count, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        number, _, encoded = line.strip().partition(" ")
        try:
            key = b64decode(encoded.strip(), validate=True)
        except ValueError:
            key = b""
        if not (number.isascii() and number.isdigit()) or len(key) != KEY_BYTES or int(number) in keys:
            expected = "a new number, a space and 32 bytes in base64, as heliograph fleet key new writes it"
            raise ConfigError(f"{where}, line {count} is no key: expected {expected}")
        keys[int(number)] = key
    if not keys:
        raise ConfigError(f"{where} contains no key; run: heliograph fleet key new")
    return keys


def read_keys(file: Path | None, command: Sequence[str] = ()) -> dict[int, bytes]:
    """Return the keys of a file, or of a command's output; raises `ConfigError`."""
    if file is None:
        if not command:
            raise ConfigError("no key is given; use --key-file, HELIOGRAPH_FLEET_KEY or --key-command")
        return parse_keys(_output_of(command), "the output of the key command")
    try:
        text = file.read_text("ascii")
    except OSError as error:
        advice = "a new fleet's is made by heliograph fleet key new"
        raise ConfigError(f"the key file {file} cannot be read: {error.strerror or error}; {advice}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not a key file") from None
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise ConfigError(f"{file} contains the fleet's key and others can read it; run: chmod 600 {file}")
    return parse_keys(text, str(file))


def _output_of(command: Sequence[str]) -> str:
    try:
        return run_secret_command(command).reveal()
    except ConfigError as error:
        raise ConfigError(f"the key command {error}") from None


def add_key(file: Path) -> int:
    """Add a new key to a file, which is created if it is missing; return its number."""
    keys = read_keys(file) if file.exists() else {}
    number = max(keys, default=0) + 1
    keys[number] = AESGCM.generate_key(8 * KEY_BYTES)
    lines = [f"{one} {b64encode(key).decode()}\n" for one, key in sorted(keys.items())]
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(file, "".join(lines))
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror or error}") from None
    return number


async def open_index(database: Database, box: SecretBox) -> BlindIndex:
    """Return the fleet's blind index; raises `StoreError` if the key is not this fleet's. The first key makes one."""
    rows = await database.run("SELECT number, index_key FROM secret_key ORDER BY number DESC")
    if not rows:
        sealed = box.seal(Secret(b64encode(os.urandom(KEY_BYTES)).decode()), _INDEX_CONTEXT)
        await database.run("INSERT INTO secret_key VALUES (%s, %s) ON CONFLICT DO NOTHING", sealed)
        return await open_index(database, box)
    for number, data in rows:
        sealed = Sealed(number, bytes(data))
        try:
            found = box.open(sealed, _INDEX_CONTEXT)
        except StoreError:
            continue
        if box.current != number and box.current not in {one for one, _ in rows}:
            await database.run(
                "INSERT INTO secret_key VALUES (%s, %s) ON CONFLICT DO NOTHING", box.seal(found, _INDEX_CONTEXT)
            )
        return BlindIndex(found)
    numbers = ", ".join(str(number) for number, _ in rows)
    raise StoreError(f"the key does not open this fleet's secrets, which were sealed with key {numbers}; use that key")


async def check_keys(database: Database, box: SecretBox) -> None:
    """Raise `StoreError` unless the keys open what the fleet's accounts are sealed with."""
    rows = await database.run(
        "SELECT number, index_key FROM secret_key WHERE number IN (SELECT key_number FROM account) ORDER BY number"
    )
    for number, data in rows:
        try:
            box.open(Sealed(number, bytes(data)), _INDEX_CONTEXT)
        except StoreError:
            raise StoreError(
                f"the key does not open the accounts of this fleet, which are sealed with key {number}; use that key"
            ) from None
