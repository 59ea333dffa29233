"""The accounts there are: tables of the file, and what the environment says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from heliograph.config.passwords import DeferredSecret, PasswordStore
from heliograph.config.table import did_you_mean, secret_keys
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from heliograph.config.table import ConfigTable

VENDORS = ("growatt", "goodwe")
ENVIRONMENT = "the environment"

_LIMITS = ("requests_per_day", "logins_per_day", "reserve")
_KEYS = (
    "name",
    "vendor",
    "username",
    *secret_keys("password"),
    "server",
    "timezone",
    "plants",
    "interval",
    *_LIMITS,
    "writes",
    "grid_code",
    "writes_per_day",
)

# Quirk: who asks more often is shut out. Growatt's values change every 3 minutes, and noah-mqtt went to 180 s after
# bans (noah-mqtt #68, #78); GoodWe's inverters upload every 5 to 8, and 60 s cost two users their access
# (goodwe-sems-home-assistant #75).
MIN_INTERVALS = {
    "growatt": (timedelta(minutes=3), "its values change no faster, and who asks more often gets blocked"),
    "goodwe": (timedelta(minutes=1), "inverters upload every five minutes, and who asks more often gets blocked"),
}
_LONGEST = timedelta(days=1)

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
    writes: Literal[True] | tuple[str, ...] = ()
    """Settings that may be written; none unless said, all where it is True."""
    grid_code: bool = False
    """Whether those of the grid code may be, which need naming as well."""
    writes_per_day: int | None = None
    """Writes of one device within 24 hours, other than the usual number."""


def parse_account(table: ConfigTable) -> Account:
    """Return the account of one [[account]] table, every key checked."""
    table.reject_unknown_keys(_KEYS)
    vendor = table.choice("vendor", VENDORS)
    username = table.text("username")
    name = table.text("name") if "name" in table else vendor
    limits = {limit: table.number(limit, 0 if limit == "reserve" else 1) for limit in _LIMITS if limit in table}
    if limits.get("reserve", 0) >= limits.get("requests_per_day", float("inf")):
        raise table.error("leaves nothing of requests_per_day for the program itself", "reserve")
    return Account(
        name=name,
        vendor=vendor,
        username=username,
        password=table.secret("password") or _password_kept(table, name, vendor, username),
        password_key=table.secret_key(),
        origin=str(table.file.path),
        server=table.text_or_none("server"),
        zone=_zone(table) if "timezone" in table else None,
        plants=table.texts("plants", 'plant ids, like ["1234567"]'),
        interval=_interval(table, vendor) if "interval" in table else None,
        writes=_writes(table, vendor),
        grid_code=table.flag("grid_code"),
        writes_per_day=table.number("writes_per_day", 1, 1000) if "writes_per_day" in table else None,
        **limits,
    )


def accounts_from_environment(environ: Mapping[str, str]) -> list[Account]:
    """Return the accounts the environment tells of."""
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
        kept = PasswordStore.for_user(environ)
        found = kept.load(vendor, username)
        if found is None:
            raise ConfigError("; ".join([missing, *kept.warnings]))
        return found

    return DeferredSecret(fetch)


def _password_kept(table: ConfigTable, name: str, vendor: str, username: str) -> Secret:
    chosen = "" if name == vendor else f" --account {name}"
    told = f"is missing from this account, and none is kept; run: heliograph login {vendor}{chosen}"
    return _kept(table.file.environ, vendor, username, str(table.error(told, "password")))


def _interval(table: ConfigTable, vendor: str) -> timedelta:
    wanted, (least, why) = table.duration("interval"), MIN_INTERVALS[vendor]
    if wanted < least:
        raise table.error(f"is below {least.total_seconds() / 60:.0f} min, the least for {vendor}: {why}", "interval")
    if wanted > _LONGEST:
        raise table.error("is longer than a day", "interval")
    return wanted


def _writes(table: ConfigTable, vendor: str) -> Literal[True] | tuple[str, ...]:
    if isinstance(table.values.get("writes"), bool):
        return True if table.flag("writes") else ()
    names = table.texts("writes", 'settings, like ["charge_stop_soc"], or true for all of them')
    known = _settings(vendor) if names else ()
    if wrong := next((name for name in names if name not in known), None):
        guess = did_you_mean(wrong.lower().replace("-", "_"), known, limit=3)
        told = f"names {wrong!r}, which no setting of {vendor} is called{guess or '.'}"
        raise table.error(f"{told} Take it out, and heliograph settings show lists what a device has", "writes")
    return names


def _settings(vendor: str) -> tuple[str, ...]:
    """Return what the settings of a cloud are called; its folder is only loaded for who may write some of them."""
    from importlib import import_module  # noqa: PLC0415 - as it says

    found: tuple[str, ...] = import_module(f"heliograph.vendors.{vendor}.settings").names()
    return found


def _zone(table: ConfigTable) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most accounts need none

    name = table.text("timezone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; the name of a folder
        raise table.error(f'must be a zone\'s name like "Europe/Amsterdam", not {name!r}', "timezone") from None
