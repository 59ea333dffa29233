"""Secrets and private data, masked the same way in errors, logs and recordings."""

from __future__ import annotations

import re
from functools import cache

MASK = "***"
EXCERPT_LENGTH = 120
_READ = 4096

# Wire keys of both clouds whose values identify a person or open a door; matched without regard to case.
_KEYS = (
    "password|passwordcrc|pwd|token|cpowertoken|cpowerauth|uid|account|username|useraccount|accountname|accountnameoss|"
    "email|owner_email|owner_name|owner_phone|phonenum|phone|check_code|lastloginip|client_url|plantaddress|address|lat|lng|"
    "plant_lat|plant_lng|latitude|longitude|jsessionid"
)


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    # Compiled when the first error needs them: that takes longer than a login's whole preparation.
    return (
        re.compile(rf'("(?:{_KEYS})"\s*:\s*)("(?:[^"\\]|\\.)*"?|-?[\d.]+)', re.IGNORECASE),
        # JSON inside a JSON text has its quotes escaped.
        re.compile(rf'(\\"(?:{_KEYS})\\"\s*:\s*)(\\".*?(?:(?<!\\)\\"|$)|-?[\d.]+)', re.IGNORECASE | re.DOTALL),
        re.compile(rf"(\b(?:{_KEYS})=)([^&;\s]+)", re.IGNORECASE),
        # The form of a web page may be filled with what was sent to it.
        re.compile(r"""(\bvalue\s*=\s*)("[^"]*"?|'[^']*'?)""", re.IGNORECASE),
        re.compile(r"()[\w.+-]+@[\w-]+\.[\w.-]+"),
    )


class Secret:
    """A text that never prints itself.

    >>> Secret("hunter2")
    Secret(***)
    >>> f"{Secret('hunter2')}"
    '***'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, for the one line that sends it."""
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"


def masked(text: str) -> str:
    """Mask passwords, tokens, names, addresses and places in a text of either cloud.

    >>> masked('{"pwd": "hunter2", "code": 0}')
    '{"pwd": ***, "code": 0}'
    >>> masked("userName=me&password=5f4dcc3b")
    'userName=***&password=***'
    """
    for pattern in _patterns():
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def excerpt(body: bytes | str) -> str:
    r"""Return the masked beginning of an answer on one line, safe to print on a terminal.

    >>> excerpt(b"<html>\n<title>405</title>")
    '<html> <title>405</title>'
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    # Masked before it is cut, and without the word the first cut went through, so that no cut can leave half a
    # secret unrecognised. Control characters include those that turn the direction of a line.
    whole = text if len(text) <= _READ else re.sub(r"[\w.+@-]+$", "", text[:_READ])
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+", " ", masked(whole)).strip()
    return text if len(text) <= EXCERPT_LENGTH else text[: EXCERPT_LENGTH - 1] + "…"
