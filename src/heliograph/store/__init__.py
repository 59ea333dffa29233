"""The store of samples: SQLite or PostgreSQL; `open_store` opens one by path or URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from heliograph.errors import ConfigError, StoreMissing

if TYPE_CHECKING:
    from heliograph.store.base import Store


def open_store(where: str | Path, *, create: bool = True) -> Store:
    """Open the store at a path, `sqlite:///path`, or `postgresql://user:password@host/database`.

    A missing store is created; with `create=False`, as for reading, `StoreMissing` is raised instead.
    """
    scheme, colon, rest = str(where).partition("://")
    if not colon or isinstance(where, Path):
        return _sqlite(str(where), create)
    if scheme == "sqlite":
        return _sqlite(rest.removeprefix("/"), create)
    if scheme in ("postgresql", "postgres"):
        return _postgres(str(where), make=create)
    raise ConfigError(f"{scheme}:// is not a supported store; use a path, sqlite:///path or postgresql://…")


def _sqlite(path: str, make: bool) -> Store:
    file = Path(path).expanduser()
    from heliograph.store.recovery import numbers_of_files  # noqa: PLC0415 - as below
    from heliograph.store.sqlite import SqliteStore  # noqa: PLC0415 - slow to import

    if not make and not numbers_of_files(file):
        raise StoreMissing(f"there is no store at {path} yet; run: heliograph collect, or heliograph backfill")

    return SqliteStore(file, writes=make)


def _postgres(url: str, *, make: bool) -> Store:
    try:
        from heliograph.store.postgres import PostgresStore  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        from heliograph.core.installation import extra_command  # noqa: PLC0415 - for this error only

        raise ConfigError(
            f"PostgreSQL needs {error.name}, which is not installed: {extra_command('postgres')}"
        ) from None
    return PostgresStore(url, create=make)
