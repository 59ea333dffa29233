"""Masking of secrets and private data in errors, logs and recordings."""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MASK = "***"
EXCERPT_LENGTH = 120
_READ = 4096
_SHORTEST = 4
"""Minimum length of a secret that is masked by value: shorter ones would mask parts of ordinary words."""

# Wire keys of both vendors whose values identify a person or open an account; case-insensitive.
_KEYS = (
    "password|passwordcrc|pwd|token|cpowertoken|cpowerauth|uid|account|username|useraccount|accountname|accountnameoss|"
    "email|owner_email|owner_name|owner_phone|phonenum|phone|check_code|lastloginip|client_url|plantaddress|address|lat|lng|"
    "plant_lat|plant_lng|latitude|longitude|jsessionid"
)


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    # Compiled on first use: that takes longer than everything else before a login.
    return (
        re.compile(rf'("(?:{_KEYS})"\s*:\s*)("(?:[^"\\]|\\.)*"?|-?[\d.]+)', re.IGNORECASE),
        # JSON inside a JSON text has its quotes escaped.
        re.compile(rf'(\\"(?:{_KEYS})\\"\s*:\s*)(\\".*?(?:(?<!\\)\\"|$)|-?[\d.]+)', re.IGNORECASE | re.DOTALL),
        re.compile(rf"(\b(?:{_KEYS})=)([^&;\s]+)", re.IGNORECASE),
        # Some pages repeat the rejected request with its headers.
        re.compile(r"(\bcookie\s*[:=]\s*)([^\r\n<]+)", re.IGNORECASE),
        re.compile(r"(://)[^/\s@]+@()"),
        # The form of a web page may contain the values that were sent.
        re.compile(r"""(\bvalue\s*=\s*)("[^"]*"?|'[^']*'?)""", re.IGNORECASE),
        # Masked with all adjacent characters: half an e-mail address identifies a person as well.
        # The lookbehind lets a match begin only where such characters begin, else the search takes quadratic time.
        re.compile(r"""()(?<![^\s"'<>=,:()])[^\s"'<>=,:()]*(?:@|%40|&#64;|&#x40;)[\w-]++\.[\w.%-]+""", re.IGNORECASE),
        # An MD5 (Growatt's password as it is sent, its cookies, GoodWe's tokens) or anything longer in hexadecimal,
        # and base64 over an MD5's letters, which is the password of SEMS+: each opens an account.
        re.compile(r"()(?<![0-9a-f])[0-9a-f]{32,}(?![0-9a-z])", re.IGNORECASE),
        re.compile(r"()(?:(?<![A-Za-z0-9+/])|(?<=%[0-9A-F]{2}))[A-Za-z0-9+/]{43}(?:=|%3D)"),
    )


SECRETS: ContextVar[Callable[[], Iterable[str]]] = ContextVar("secrets", default=tuple)
"""Callable that returns the known secrets while a server's text is quoted, as the server may repeat them."""


class Secret:
    """A text whose str and repr are masked.

    >>> Secret("hunter2")
    Secret(***)
    >>> f"{Secret('hunter2')}"
    '***'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise ConfigError(f"a password is a text, not {type(value).__name__}")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            # Surrogates of undecodable bytes; the encoding error of a later request would show the whole password.
            raise ConfigError("a password contains characters that are not UTF-8 text, so it cannot be sent")
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, only for sending it."""
        return self._value

    def value_if_loaded(self) -> str:
        """Return the secret if it is already loaded, else an empty text; used for masking."""
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"


def redact_url(url: str) -> str:
    """Return a URL without its query and without credentials.

    >>> redact_url("https://me:hunter2@example.com/plants?user=me")
    'https://example.com/plants'
    """
    scheme, slashes, rest = url.partition("?")[0].partition("//")
    host, slash, path = rest.partition("/")
    return scheme + slashes + host.rpartition("@")[2] + slash + path


def mask_secrets(text: str) -> str:
    """Mask passwords, tokens, names, addresses and locations in a text of either vendor.

    >>> mask_secrets('{"pwd": "hunter2", "code": 0}')
    '{"pwd": ***, "code": 0}'
    >>> mask_secrets("userName=me&password=5f4dcc3b")
    'userName=***&password=***'
    """
    for pattern in _patterns():
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


# Like html.escape, whose module would be imported while a login is in progress.
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_HTML_QUOTES = str.maketrans({'"': "&quot;", "'": "&#x27;"})


class SecretMasker:
    """Masks known secrets in texts, in every encoding they may appear in.

    >>> SecretMasker(["p&ss wörd"]).mask("not p%26ss+w%C3%B6rd, not p&amp;ss wörd, not cCZzcyB3w7ZyZA==")
    'not ***, not ***, not ***'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # Not a regular expression: `re` keeps those compiled last, with the secrets, and in a hundred times their size.
        self._forms = {_lower(form) for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}

    def mask(self, text: str) -> str:
        """Return the text with all known secrets masked."""
        lower = _lower(text)
        found: list[tuple[int, int]] = []
        for form in self._forms:
            start = lower.find(form)
            while start >= 0:
                found.append((start, start + len(form)))
                start = lower.find(form, start + len(form))
        parts, shown = [], 0
        for start, end in sorted(found):
            if start >= shown:
                parts += [text[shown:start], MASK]
            shown = max(shown, end)
        return "".join([*parts, text[shown:]])


# Letters that `str.lower` makes longer, keeps apart from their upper case, or lowers differently at the end of a word.
_SPECIAL_CASES = str.maketrans("\u0130\u0131\u017f\u03a3\u03c2", "iis\u03c3\u03c3")


def _lower(text: str) -> str:
    """Return a text of the same length in lower case."""
    return text.translate(_SPECIAL_CASES).lower()


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, and as HTML, URLs, JSON and headers encode it."""
    from base64 import b64encode  # noqa: PLC0415 - only needed when a text is shown
    from hashlib import md5  # noqa: PLC0415
    from json import dumps  # noqa: PLC0415
    from urllib.parse import quote, quote_plus  # noqa: PLC0415

    raw = secret.encode("utf-8", "surrogatepass")
    digest = md5(raw, usedforsecurity=False).hexdigest()
    escaped = secret.translate(_HTML)
    yield from (secret, escaped.translate(_HTML_QUOTES), escaped, quote(raw), quote(raw, safe=""), quote_plus(raw))
    yield from (dumps(secret)[1:-1], dumps(secret, ensure_ascii=False)[1:-1], digest)
    yield from (b64encode(raw).decode(), b64encode(digest.encode()).decode())


def find_secrets(data: Any) -> Iterator[str]:
    """Yield every value of JSON-ready data whose key is in the list of secret keys."""
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, dict | list):
                yield from find_secrets(value)
            elif isinstance(value, str | int) and _secret_key().fullmatch(str(key)):
                yield str(value)
    elif isinstance(data, list):
        for item in data:
            yield from find_secrets(item)


@cache
def _secret_key() -> re.Pattern[str]:
    return re.compile(f"(?:{_KEYS})", re.IGNORECASE)


def excerpt(body: bytes | str) -> str:
    r"""Return the masked beginning of an answer on one line, safe to print on a terminal.

    >>> excerpt(b"<html>\n<title>405</title>")
    '<html> <title>405</title>'
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    # Masked before it is cut, and without the word at the first cut, so that no cut leaves half a secret unrecognised.
    # Control characters include those that change the direction of text.
    whole = text if len(text) <= _READ else re.sub(r"(?<![\w.+@-])[\w.+@-]+$", "", text[:_READ])
    whole = SecretMasker(SECRETS.get()()).mask(whole)
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+", " ", mask_secrets(whole)).strip()
    return text if len(text) <= EXCERPT_LENGTH else text[: EXCERPT_LENGTH - 1] + "…"
