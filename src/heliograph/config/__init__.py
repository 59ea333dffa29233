"""The configuration: accounts, store and outputs, from one TOML file and environment variables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from heliograph.config.accounts import ENVIRONMENT, Account, accounts_from_environment, parse_account
from heliograph.config.alarms import AlarmsConfig, parse_alarms
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

    from heliograph.tariffs.tariff import Tariff

__all__ = [
    "ENVIRONMENT",
    "STORE",
    "Account",
    "AlarmsConfig",
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

_TABLES = ("account", "store", "tariff", "alarms", *OUTPUT_TABLES)


@dataclass(frozen=True, kw_only=True)
class Config(Outputs):
    """The accounts, the store and the outputs."""

    path: Path
    accounts: tuple[Account, ...]
    store: str = ""
    """The store's path or URL; empty for the default file in the data folder."""
    tariffs: tuple[Tariff, ...] = ()
    alarms: AlarmsConfig = field(default_factory=AlarmsConfig)
    warnings: tuple[str, ...] = ()
    """One-line messages for the user."""

    def select_accounts(self, name: str | None = None, server: str | None = None) -> tuple[Account, ...]:
        """Return the account of that name, or all; with another server if one is given."""
        if not self.accounts:
            raise ConfigError(f"no account is configured in {self.path}; run: heliograph setup")
        selected = tuple(account for account in self.accounts if name in (None, account.name))
        if not selected:
            known = ", ".join(account.name for account in self.accounts)
            raise ConfigError(f"there is no account {name!r}; the accounts are: {known}")
        if server is None:
            return selected
        return tuple(replace(account, server=server) for account in selected)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Load the file, if it exists, and the environment's accounts of vendors that are not in the file.

    A `path` must exist; the default file may be missing.
    """
    file_path = path or config_path(environ)
    exists = path is not None or file_path.exists()
    config = _parse(ConfigFile(file_path, environ)) if exists else Config(path=file_path, accounts=())
    vendors = {account.vendor for account in config.accounts}
    others = tuple(account for account in accounts_from_environment(environ) if account.vendor not in vendors)
    return replace(config, accounts=config.accounts + others, store=environ.get(STORE) or config.store)


def _parse(file: ConfigFile) -> Config:
    data = file.parse()
    for key in data:
        if key not in _TABLES:
            raise file.error(f"is an unknown table; accounts are in [[account]]{did_you_mean(key, _TABLES)}", key)
    tables = file.tables(data, "account")
    accounts = tuple(parse_account(table) for table in tables)
    for table, account in zip(tables, accounts, strict=True):
        if account.name in {other.name for other in accounts[: table.index]}:
            raise table.error(f"{account.name!r} is used twice; give each account its own name", "name")
    alarms = file.table(data, "alarms")
    return Config(
        path=file.path,
        accounts=accounts,
        alarms=AlarmsConfig() if alarms is None else parse_alarms(alarms),
        store=_store(file, data),
        tariffs=_tariffs(file, data),
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


def _tariffs(file: ConfigFile, data: dict[str, Any]) -> tuple[Tariff, ...]:
    if "tariff" not in data:
        return ()
    from heliograph.config.tariffs import parse_tariffs  # noqa: PLC0415 - most files have none

    return parse_tariffs(file, data)
