"""Which accounts there are, where things are kept and who gets them: one TOML file and the environment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from heliograph.config.accounts import (
    ENVIRONMENT,
    EXAMPLE,
    MIN_INTERVALS,
    VENDORS,
    Account,
    accounts_from_environment,
    parse_account,
)
from heliograph.config.outputs import (
    OUTPUT_TABLES,
    InfluxConfig,
    MqttConfig,
    Outputs,
    PvOutputConfig,
    ServeConfig,
    WebhookConfig,
    parse_outputs,
)
from heliograph.config.table import ConfigFile, did_you_mean
from heliograph.core.files import config_path
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "ENVIRONMENT",
    "EXAMPLE",
    "MIN_INTERVALS",
    "STORE",
    "VENDORS",
    "Account",
    "Config",
    "InfluxConfig",
    "MqttConfig",
    "Outputs",
    "PvOutputConfig",
    "ServeConfig",
    "WebhookConfig",
    "load",
]

STORE = "HELIOGRAPH_STORE"

_TOP = ("account", "store", *OUTPUT_TABLES)


@dataclass(frozen=True, kw_only=True)
class Config(Outputs):
    """Every account there is, and everyone who gets its data."""

    path: Path
    accounts: tuple[Account, ...]
    store: str = ""
    """Where samples are kept, as a path or URL; empty is the usual file in the data folder."""
    warnings: tuple[str, ...] = ()
    """One-line sentences for the person at the keyboard."""

    def select_accounts(self, name: str | None = None, server: str | None = None) -> tuple[Account, ...]:
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
        return tuple(replace(one, server=server) for one in found)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file, if there is one, and the accounts of the environment whose vendor it does not name.

    A file that was asked for has to be there; the usual one may be missing.
    """
    place = path or config_path(environ)
    there = path is not None or place.exists()
    written = _read(ConfigFile(place, environ)) if there else Config(path=place, accounts=())
    named = {one.vendor for one in written.accounts}
    others = tuple(one for one in accounts_from_environment(environ) if one.vendor not in named)
    return replace(written, accounts=written.accounts + others, store=environ.get(STORE) or written.store)


def _read(file: ConfigFile) -> Config:
    """Return what stands in the file, and what the person should know about it."""
    data = file.parse()
    for key in data:
        if key not in _TOP:
            raise file.error(f"is not known here; accounts stand under [[account]]{did_you_mean(key, _TOP)}", key)
    tables = file.tables(data, "account")
    accounts = tuple(parse_account(table) for table in tables)
    for table, one in zip(tables, accounts, strict=True):
        if one.name in {other.name for other in accounts[: table.index]}:
            raise table.error(f"{one.name!r} is used twice; give each account its own name", "name")
    return Config(
        path=file.path,
        accounts=accounts,
        store=_store(file, data),
        **vars(parse_outputs(file, data)),
        warnings=tuple(file.warnings),
    )


def _store(file: ConfigFile, data: dict[str, Any]) -> str:
    store = data.get("store", "")
    if not isinstance(store, str) or ("store" in data and not store.strip()):
        raise file.error('must be a path or a URL in quotes, like "postgresql://user@host/solar"', "store")
    if "@" in store and ":" in store.partition("://")[2].partition("@")[0]:
        file.warn_if_readable_by_others(file.path)
    return store.strip()
