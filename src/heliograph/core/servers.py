"""Server URLs: region names, and the check which URLs may receive a session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Python and the HTTP library disagree where a host ends if it contains a backslash and the like.
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")


def resolve_server_url(server: str, regions: Mapping[str, str], vendor: str) -> str:
    """Return the base URL of a region, or the given URL, with a trailing slash."""
    if "@" in server:
        # They would appear in every error message and be sent to every server as a header.
        raise ConfigError("a server's address must not contain a user name or password; remove the part before the @")
    if "://" not in server:
        if server.lower() not in regions:
            known = ", ".join(regions)
            raise ConfigError(f"{server!r} is not a {vendor} region; use one of {known}, or an address with https://")
        return regions[server.lower()]
    return server if server.endswith("/") else server + "/"


def is_trusted_url(url: str, configured: str, domains: tuple[str, ...]) -> bool:
    r"""Return True if a session may be sent to a URL: the configured server itself, or https below one of the domains.

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
        target, server = urlsplit(url), urlsplit(configured)
    except ValueError:
        return False
    if (target.scheme, target.netloc) == (server.scheme, server.netloc):
        return True
    host = target.hostname or ""
    known = any(host == domain or host.endswith("." + domain) for domain in domains)
    return target.scheme == "https" and known and _PLAIN_HOST.fullmatch(target.netloc) is not None
