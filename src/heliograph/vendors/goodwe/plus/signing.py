"""Password encoding and request signature of SEMS+."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256


def encode_password(password: str) -> str:
    """Return a password as sent in the login: base64 of the 32 hex digits of its MD5, not of the 16 bytes.

    The result is as secret as the password itself.

    >>> encode_password("sems_test_password")
    'ZTJmYTRkNDJhZTk4Y2NiMTFkYzg0NWJhYWY1YWUxYzc='
    """
    return b64encode(md5(password.encode(), usedforsecurity=False).hexdigest().encode()).decode()


def sign_request(milliseconds: int, uid: str = "", token: str = "") -> str:
    """Return the `x-signature` header of a request at this time; a login has neither `uid` nor `token`.

    >>> from base64 import b64decode
    >>> b64decode(sign_request(1790000000000)).decode()
    'fe9b21373fc40b6d03e2e581f0807790b3edde8a8dd60db24a9ee4961981839c@1790000000000'
    """
    digest = sha256(f"{milliseconds}@{uid}@{token}".encode(errors="replace")).hexdigest()
    return b64encode(f"{digest}@{milliseconds}".encode()).decode()
