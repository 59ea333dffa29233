"""Exceptions of this package, one class per decision the caller can take.

HeliographError
├── ConfigError            fix the file or the command line
│   └── InvalidValue       a setting's value is not allowed; nothing was sent
├── StoreError             the store failed; nothing acknowledged was lost
│   ├── StoreInUse         another program collects into the store
│   └── StoreMissing       there is no store yet: collect something first
└── CloudError             .vendor .call .excerpt .advice
    ├── Unreachable        try again soon: no response, a time-out, a server error
    ├── Throttled          try again after .retry_after
    │   ├── AccountLocked  the account is locked until .until
    │   └── Blocked        a firewall page: wait for hours; other addresses still work
    ├── LoginFailed        ask the user
    │   ├── InvalidCredentials
    │   ├── TermsNotAccepted
    │   └── WrongRegion
    ├── SessionExpired     log in again; a client that logs in by itself has already tried that once
    ├── RequestRefused     understood and refused: .code .reason
    └── Unreadable         the answer does not match the declaration: the vendor API changed
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if not TYPE_CHECKING:
    _OLD_NAMES = {"Invalid": "InvalidValue", "NothingKept": "StoreMissing", "Refused": "RequestRefused"}

    def __getattr__(name: str) -> type[HeliographError]:
        if name not in _OLD_NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from warnings import warn  # noqa: PLC0415 - old names only

        warn(f"heliograph.errors.{name} is now {_OLD_NAMES[name]}", DeprecationWarning, stacklevel=2)
        return globals()[_OLD_NAMES[name]]


class HeliographError(Exception):
    """Base of all errors this package raises on purpose."""


class ConfigError(HeliographError):
    """The configuration or the command line has to be fixed."""


class InvalidValue(ConfigError):
    """The value is not allowed for a setting; the text names the parameter and what is allowed. Nothing was sent."""


class StoreError(HeliographError):
    """The store failed; nothing acknowledged was lost."""


class StoreInUse(StoreError):
    """Another program holds the claim of the store."""


class StoreMissing(StoreError):
    """A read-only command found no store."""


class CloudError(HeliographError):
    """A call of a vendor API failed; the text names the call, what happened and what to do next."""

    def __init__(self, message: str, *, vendor: str = "", call: str = "", advice: str = "", excerpt: str = "") -> None:
        self.message = message
        self.vendor = vendor
        self.call = call
        self.advice = advice
        self.excerpt = excerpt
        self.status: int | None = None
        """HTTP status of the response, if there was one."""
        super().__init__(message)

    def __str__(self) -> str:
        where = " ".join(part for part in (self.vendor, self.call) if part)
        text = f"{where}: {self.message}" if where else self.message
        # The markup of a web page explains nothing; its status and the advice do.
        if self.excerpt and not self.excerpt.startswith("<"):
            text += f" (answer: {self.excerpt})"
        return f"{text}. {self.advice}" if self.advice else text


class Unreachable(CloudError):
    """No usable response: network trouble, a time-out or an error inside the vendor API."""

    timed_out: bool = False
    sent: bool = True
    """True if the request may have reached the server; False if there was no connection."""


class Throttled(CloudError):
    """Too many requests; try again after `retry_after` seconds."""

    retry_after: float = 300.0
    account_wide: bool = True
    """False if only this call has to wait, not the whole account."""


class AccountLocked(Throttled):
    """The account is locked until `until`; every further login may prolong it."""

    def __init__(self, message: str, *, until: datetime | None = None, **details: str) -> None:
        super().__init__(message, **details)
        self.until = until or datetime.now(UTC) + timedelta(seconds=self.retry_after)


class Blocked(Throttled):
    """A firewall of the vendor blocks this address or program; blocks last for hours."""

    retry_after = 4 * 3600.0


class LoginFailed(CloudError):
    """The login was answered, and the user has to act."""

    code: str = ""


class InvalidCredentials(LoginFailed):
    """Wrong user name or password, or an account of another region."""


class TermsNotAccepted(LoginFailed):
    """The login gives no session until new terms or a new password are accepted in the app."""


class WrongRegion(LoginFailed):
    """The account is on another regional server, or the login redirects to an unknown one."""


class SessionExpired(CloudError):
    """The vendor API no longer accepts this session."""


class RequestRefused(CloudError):
    """The vendor API understood and refused the request; `code` and `reason` are its own."""

    code: str = ""
    reason: str = ""


class Unreadable(CloudError):
    """The answer does not match the declaration of the call."""
