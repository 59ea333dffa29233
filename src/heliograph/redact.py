"""Secrets and private data, masked the same way in errors, logs and recordings."""

from __future__ import annotations

import re
from functools import cache

MASK = "***"
EXCERPT_LENGTH = 120

# Wire keys of both clouds whose values identify a person or open a door; matched without regard to case.
_KEYS = (
    "password|passwordcrc|pwd|token|cpowertoken|uid|account|username|useraccount|accountname|email|owner_email|"
    "owner_name|owner_phone|phonenum|phone|check_code|lastloginip|client_url|plantaddress|address|lat|lng|"
    "plant_lat|plant_lng|latitude|longitude|jsessionid"
)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    # Compiled when the first error needs them: that takes longer than a login's whole preparation.
    return (
        re.compile(rf'("(?:{_KEYS})"\s*:\s*)("(?:[^"\\]|\\.)*"?|-?[\d.]+)', re.IGNORECASE),
        re.compile(rf"(\b(?:{_KEYS})=)([^&;\s]+)", re.IGNORECASE),
        re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
        re.compile(r"[\x00-\x1f\x7f-\x9f]+"),
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
    in_json, in_query, mail, _ = _patterns()
    for pattern in (in_json, in_query):
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return mail.sub(MASK, text)


def excerpt(body: bytes | str) -> str:
    r"""Return the masked beginning of an answer on one line, safe to print on a terminal.

    >>> excerpt(b"<html>\n<title>405</title>")
    '<html> <title>405</title>'
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    # Masked before it is cut, so that a cut can never leave half a secret unrecognised.
    text = _patterns()[3].sub(" ", masked(text[:4096])).strip()
    return text if len(text) <= EXCERPT_LENGTH else text[: EXCERPT_LENGTH - 1] + "…"
