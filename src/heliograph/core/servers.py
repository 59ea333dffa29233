"""Addresses: from a region's name to its server, and which ones may be sent a session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Python and the HTTP library disagree about where a host ends when it holds a backslash and the like.
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")


def resolve_server_url(server: str, regions: Mapping[str, str], vendor: str) -> str:
    """Return the address of a region's name, or an address as it is, ending in a slash."""
    if "@" in server:
        # It would stand in every error, and go to every server as a header.
        raise ConfigError("a server's address holds no user name and no password; take out what stands before the @")
    if "://" not in server:
        if server.lower() not in regions:
            known = ", ".join(regions)
            raise ConfigError(f"{server!r} is no {vendor} region; use one of {known}, or an address with https://")
        return regions[server.lower()]
    return server if server.endswith("/") else server + "/"


def is_trusted_url(url: str, configured: str, domains: tuple[str, ...]) -> bool:
    r"""Tell whether a session may be sent to an address: the configured server itself, or https below a domain.

    >>> is_trusted_url("https://eu.semsportal.com/api/", "https://semsportal.com/api/", ("semsportal.com",))
    True
    >>> is_trusted_url("http://eu.semsportal.com/api/", "https://semsportal.com/api/", ("semsportal.com",))
    False
    >>> is_trusted_url("https://semsportal.com.evil.org/", "https://semsportal.com/api/", ("semsportal.com",))
    False
    >>> is_trusted_url("https://evil.org\\.semsportal.com/", "https://semsportal.com/api/", ("semsportal.com",))
    False
    >>> is_trusted_url("http://127.0.0.1:8080/api/", "http://127.0.0.1:8080/", ("semsportal.com",))
    True
    """
    try:
        there, here = urlsplit(url), urlsplit(configured)
    except ValueError:
        return False
    if (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return True
    host = there.hostname or ""
    known = any(host == domain or host.endswith("." + domain) for domain in domains)
    return there.scheme == "https" and known and _PLAIN_HOST.fullmatch(there.netloc) is not None
