"""The one transformation Growatt's app applies to a password before it sends it."""

from __future__ import annotations

from hashlib import md5


def hash_password(password: str) -> str:
    """Return the MD5 of a password with a `0` at an even place written as `c`.

    The result opens the account just as the password does.

    >>> hash_password("12345678")
    '25d55ad283aa40caf464c76d713cc7ad'
    """
    # Quirk: the app writes the high nibble of a byte below 0x10 as "c"; the server expects it.
    digest = md5(password.encode(), usedforsecurity=False).hexdigest()
    return "".join("c" if place % 2 == 0 and sign == "0" else sign for place, sign in enumerate(digest))
