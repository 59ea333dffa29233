"""How SEMS+ writes a password, and how it wants a request signed."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256


def encode_password(password: str) -> str:
    """Return a password as the login sends it: base64 over the 32 letters of its MD5, not over the 16 bytes.

    The result opens the account just as the password does.

    >>> encoded("sems_test_password")
    'ZTJmYTRkNDJhZTk4Y2NiMTFkYzg0NWJhYWY1YWUxYzc='
    """
    return b64encode(md5(password.encode(), usedforsecurity=False).hexdigest().encode()).decode()


def sign_request(milliseconds: int, uid: str = "", token: str = "") -> str:
    """Return the `x-signature` of a request made at this moment; at login there is neither user nor token.

    >>> from base64 import b64decode
    >>> b64decode(signature(1790000000000)).decode()
    'fe9b21373fc40b6d03e2e581f0807790b3edde8a8dd60db24a9ee4961981839c@1790000000000'
    """
    digest = sha256(f"{milliseconds}@{uid}@{token}".encode()).hexdigest()
    return b64encode(f"{digest}@{milliseconds}".encode()).decode()
