"""The configured accounts: [[account]] tables of the file, and environment variables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from heliograph.config.passwords import DeferredSecret, PasswordStore
from heliograph.config.table import did_you_mean, secret_keys
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from heliograph.config.table import ConfigTable

ENVIRONMENT = "the environment"
TOKEN_USER = "token"  # noqa: S105 - a placeholder
"""The user name of accounts with an API token only."""

_LIMITS = ("requests_per_day", "logins_per_day", "reserve")
_KEYS = (
    "name",
    "vendor",
    "username",
    *secret_keys("password"),
    *secret_keys("token"),
    "portal",
    "server",
    "timezone",
    "plants",
    "interval",
    *_LIMITS,
    "writes",
    "grid_code",
    "writes_per_day",
)
_MAX_INTERVAL = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of a vendor; `server` None is the default server, empty `plants` are all plants."""

    name: str
    vendor: str
    username: str = field(repr=False)
    password: Secret
    """Fetched when it is revealed, if it comes from a command or the password store."""
    token: Secret | None = None
    """An API token, alone or beside user name and password; it may be fetched like the password."""
    password_key: str = "password"  # noqa: S105 - the key, not the password
    """The key or variable that provides the password; empty if it is in the password store."""
    token_key: str = ""
    """The same of the token."""
    portal: bool | str = False
    """Whether the vendor's web portal may be used for values that no other API has; a text is its address."""
    origin: str = ""
    """Where the account is configured: the path of the file, or ENVIRONMENT."""
    server: str | None = None
    zone: tzinfo | None = None
    plants: tuple[str, ...] = ()
    interval: timedelta | None = None
    requests_per_day: int | None = None
    logins_per_day: int | None = None
    reserve: int | None = None
    """Requests of a day that are reserved for interactive use."""
    writes: Literal[True] | tuple[str, ...] = ()
    """Names of the settings that may be changed; True for all, empty for none."""
    grid_code: bool = False
    """Whether grid code settings may be changed; they must be in `writes` as well."""
    writes_per_day: int | None = None
    """Writes to one device within 24 hours; None for the default."""

    @property
    def has_password(self) -> bool:
        """Whether the account has user name and password; False for a token alone."""
        return self.token is None or self.username != TOKEN_USER

    def token_account(self) -> Account:
        """Return the same account opened by its token only."""
        return replace(self, username=TOKEN_USER, password=Secret(""), password_key="", portal=False)

    def password_account(self) -> Account:
        """Return the same account opened by its password only."""
        return replace(self, token=None, token_key="")


def parse_account(table: ConfigTable) -> Account:
    """Return the account of one [[account]] table; raises `ConfigError` for any invalid key."""
    table.reject_unknown_keys(_KEYS)
    vendor = table.choice("vendor", tuple(VENDORS))
    name = table.text("name") if "name" in table else vendor
    token = _token(table, vendor, name)
    username, password = TOKEN_USER, Secret("")
    if token is None or any(key in table for key in ("username", *secret_keys("password"))):
        username = table.text("username")
        password = table.secret("password") or _stored_password_of_table(table, name, vendor, username)
    limits = {limit: table.number(limit, 0 if limit == "reserve" else 1) for limit in _LIMITS if limit in table}
    if limits.get("reserve", 0) >= limits.get("requests_per_day", float("inf")):
        raise table.error("leaves no requests_per_day for the program itself", "reserve")
    return Account(
        name=name,
        vendor=vendor,
        username=username,
        password=password,
        password_key=table.secret_key(),
        token=token,
        token_key="" if table.values.get("token") is True else table.secret_key("token"),
        origin=str(table.file.path),
        portal=_portal(table, vendor) if "portal" in table else False,
        server=table.text_or_none("server"),
        zone=_zone(table) if "timezone" in table else None,
        plants=table.texts("plants", 'plant ids, like ["1234567"]'),
        interval=_interval(table, vendor) if "interval" in table else None,
        writes=_writes(table, vendor),
        grid_code=table.flag("grid_code"),
        writes_per_day=table.number("writes_per_day", 1, 1000) if "writes_per_day" in table else None,
        **limits,
    )


def _token(table: ConfigTable, vendor: str, name: str) -> Secret | None:
    """Return the API token of an account; `token = true` is the one that `heliograph login --token` has stored."""
    if not (key := table.secret_key("token")):
        return None
    if not VENDORS[vendor].token_client:
        raise table.error(f"is not possible for {vendor}; configure username and password", key)
    if table.values[key] is not True:
        return table.secret("token")
    account = "" if name == vendor else f" --account {name}"
    missing = f"is not stored; run: heliograph login {vendor} --token{account}"
    return stored_secret(table.file.environ, token_service(vendor), name, str(table.error(missing, key)))


def _portal(table: ConfigTable, vendor: str) -> bool | str:
    """Return whether the web portal may be used, or its address."""
    if not VENDORS[vendor].portal_client:
        raise table.error(f"is not possible for {vendor}; remove it", "portal")
    if "username" not in table:
        raise table.error("needs username and password", "portal")
    return table.flag("portal") if isinstance(table.values["portal"], bool) else table.text("portal")


def token_service(vendor: str) -> str:
    """Return the name under which the password store has a vendor's tokens, by account name."""
    return f"{vendor} token"


def accounts_from_environment(environ: Mapping[str, str]) -> list[Account]:
    """Return the accounts configured by environment variables, at most one per vendor."""
    accounts = []
    for vendor in VENDORS:
        name, secret, token_name = (f"HELIOGRAPH_{vendor.upper()}_{part}" for part in ("USERNAME", "PASSWORD", "TOKEN"))
        username, password = environ.get(name), environ.get(secret)
        token = environ.get(token_name) if VENDORS[vendor].token_client else None
        if password and not username:
            raise ConfigError(f"{secret} is set but {name} is not; an account needs both")
        if token and not username:
            accounts.append(
                Account(
                    name=vendor,
                    vendor=vendor,
                    username=TOKEN_USER,
                    password=Secret(""),
                    password_key="",
                    token=Secret(token),
                    token_key=token_name,
                    origin=ENVIRONMENT,
                )
            )
        if username:
            missing = f"{name} is set but {secret} is not, and no password is stored; run: heliograph login {vendor}"
            accounts.append(
                Account(
                    name=vendor,
                    vendor=vendor,
                    username=username,
                    password=Secret(password) if password else stored_secret(environ, vendor, username, missing),
                    password_key=secret if password else "",
                    token=Secret(token) if token else None,
                    token_key=token_name if token else "",
                    origin=ENVIRONMENT,
                )
            )
    return accounts


def stored_secret(environ: Mapping[str, str], vendor: str, username: str, missing: str) -> Secret:
    """Return the password or token from the password store; raises `ConfigError(missing)` when it is revealed."""

    def fetch() -> Secret:
        passwords = PasswordStore.for_user(environ)
        found = passwords.load(vendor, username)
        if found is None:
            raise ConfigError("; ".join([missing, *passwords.warnings]))
        return found

    return DeferredSecret(fetch)


def _stored_password_of_table(table: ConfigTable, name: str, vendor: str, username: str) -> Secret:
    account = "" if name == vendor else f" --account {name}"
    missing = f"is missing from this account, and none is stored; run: heliograph login {vendor}{account}"
    return stored_secret(table.file.environ, vendor, username, str(table.error(missing, "password")))


def _interval(table: ConfigTable, vendor: str) -> timedelta:
    interval, info = table.duration("interval"), VENDORS[vendor]
    minimum, _ = info.intervals(by_token=bool(table.secret_key("token")))
    if interval < minimum:
        minutes = minimum.total_seconds() / 60
        raise table.error(
            f"is below {minutes:.0f} min, the minimum for {vendor}: {info.min_interval_reason}", "interval"
        )
    if interval > _MAX_INTERVAL:
        raise table.error("is longer than a day", "interval")
    return interval


def _writes(table: ConfigTable, vendor: str) -> Literal[True] | tuple[str, ...]:
    if isinstance(table.values.get("writes"), bool):
        return True if table.flag("writes") else ()
    names = table.texts("writes", 'settings, like ["charge_stop_soc"], or true for all of them')
    # The catalogue is imported only for an account with `writes`.
    known = VENDORS[vendor].setting_names() if names else ()
    if unknown := next((name for name in names if name not in known), None):
        guess = did_you_mean(unknown.lower().replace("-", "_"), known, limit=3)
        message = f"contains {unknown!r}, which is not a setting of {vendor}{guess or '.'}"
        raise table.error(f"{message} Remove it; heliograph settings show lists the settings of a device", "writes")
    return names


def _zone(table: ConfigTable) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most accounts need none

    name = table.text("timezone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; the name of a folder
        raise table.error(f'must be a time zone like "Europe/Amsterdam", not {name!r}', "timezone") from None
