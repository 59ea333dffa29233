"""Every way this can fail, one class per decision the caller can take.

HeliographError
├── ConfigError            fix the file or the command line
│   └── Invalid            a setting's value is not allowed; nothing was sent
├── StoreError             the store said no; nothing was lost
│   └── NothingKept        there is no store yet: collect something first
└── CloudError             .vendor .call .excerpt .advice
    ├── Unreachable        try again soon: no reply, a time-out, a server fault
    ├── Throttled          try again after .retry_after
    │   ├── AccountLocked  the account is locked until .until
    │   └── Blocked        a firewall page: hours, and from this address only
    ├── LoginFailed        ask the person
    │   ├── InvalidCredentials
    │   ├── TermsNotAccepted
    │   └── WrongRegion
    ├── SessionExpired     log in again; a client that logs in by itself has already tried that once
    ├── Refused            understood, and no: .code .reason
    └── Unreadable         the answer does not fit the declaration: the cloud changed something
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class HeliographError(Exception):
    """Anything this package raises on purpose."""


class ConfigError(HeliographError):
    """The configuration or the command line has to be fixed."""


class InvalidValue(ConfigError):
    """A value is none that a setting may have; the text names the parameter and what is allowed, nothing was sent."""


class StoreError(HeliographError):
    """The store refused; nothing acknowledged was lost."""


class StoreMissing(StoreError):
    """There is no store yet, and whoever only reads makes none."""


class CloudError(HeliographError):
    """A cloud did not give what was asked; the text says which, what happened and what to do next."""

    def __init__(self, message: str, *, vendor: str = "", call: str = "", advice: str = "", excerpt: str = "") -> None:
        self.message = message
        self.vendor = vendor
        self.call = call
        self.advice = advice
        self.excerpt = excerpt
        self.status: int | None = None
        """The HTTP status of the answer, when there was one."""
        super().__init__(message)

    def __str__(self) -> str:
        where = " ".join(part for part in (self.vendor, self.call) if part)
        text = f"{where}: {self.message}" if where else self.message
        if self.excerpt:
            text += f" (answer: {self.excerpt})"
        return f"{text}. {self.advice}" if self.advice else text


class Unreachable(CloudError):
    """No usable reply came back: network trouble, a time-out or a fault inside the cloud."""

    timed_out: bool = False
    sent: bool = True
    """Whether the request may have reached the cloud; False where there was no connection."""


class Throttled(CloudError):
    """The cloud asked to slow down; `retry_after` is in seconds."""

    retry_after: float = 300.0


class AccountLocked(Throttled):
    """The account is locked until `until`; every further login may prolong it."""

    until: datetime


class Blocked(Throttled):
    """A firewall in front of the cloud turned this address or program away; think in hours."""

    retry_after = 4 * 3600.0


class LoginFailed(CloudError):
    """The login was answered, and a person has to do something."""

    code: str = ""


class InvalidCredentials(LoginFailed):
    """Wrong user name or password, or an account of another region."""


class TermsNotAccepted(LoginFailed):
    """The login succeeds without a session until new terms or a new password are accepted in the app."""


class WrongRegion(LoginFailed):
    """The account lives on another regional server, or the login points outside the known ones."""


class SessionExpired(CloudError):
    """The cloud no longer knows this session."""


class RequestRefused(CloudError):
    """The cloud understood and said no; `code` and `reason` are its own words."""

    code: str = ""
    reason: str = ""


class Unreadable(CloudError):
    """The answer does not fit the declaration of the call."""
