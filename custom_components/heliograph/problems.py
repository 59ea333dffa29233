"""Errors of the library as what Home Assistant knows: a translated text, a repair, or a question to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.core.redact import mask_secrets
from heliograph.errors import (
    AccountLocked,
    Blocked,
    CloudError,
    ConfigError,
    InvalidCredentials,
    LoginFailed,
    RequestRefused,
    StoreError,
    TermsNotAccepted,
    Throttled,
    Unreachable,
    Unreadable,
    WrongRegion,
)

if TYPE_CHECKING:
    from heliograph.errors import HeliographError

_KEYS: tuple[tuple[type[HeliographError], str], ...] = (
    (InvalidCredentials, "invalid_auth"),
    (TermsNotAccepted, "terms_not_accepted"),
    (WrongRegion, "wrong_region"),
    (LoginFailed, "login_failed"),
    (AccountLocked, "account_locked"),
    (Blocked, "account_blocked"),
    (Throttled, "throttled"),
    (Unreachable, "cloud_unreachable"),
    (RequestRefused, "request_refused"),
    (Unreadable, "unreadable"),
    (StoreError, "store_error"),
    (ConfigError, "invalid_config"),
    (CloudError, "cloud_error"),
)
"""The translation key of each error, the more specific ones first."""
_REPAIRS = {
    TermsNotAccepted: "terms_not_accepted",
    WrongRegion: "wrong_region",
    LoginFailed: "login_failed",
    RequestRefused: "request_refused",
    Unreadable: "unreadable",
}
"""The errors that only the user can end, with the key of their repair; a wrong password asks for a new one instead."""


def problem_key(error: HeliographError) -> str:
    """Return the translation key of an error, for forms and exceptions."""
    return next((key for kind, key in _KEYS if isinstance(error, kind)), "cloud_error")


def repair_key(error: HeliographError | None) -> str | None:
    """Return the key of the repair of an error; None if it ends by itself or is reported otherwise."""
    if isinstance(error, InvalidCredentials):
        return None
    return next((key for kind, key in _REPAIRS.items() if isinstance(error, kind)), None)


def problem_text(error: HeliographError) -> str:
    """Return the text of an error without secrets; it is in English, as the clouds' own texts are."""
    return mask_secrets(str(error))
