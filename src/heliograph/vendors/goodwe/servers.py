"""Servers of GoodWe's two dialects by region, and the check whether a URL may receive a session token."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from heliograph.core.servers import is_trusted_url, resolve_server_url


class BaseUrls(NamedTuple):
    """Base URLs at which an account logs in."""

    legacy: str
    """Base URL of the SEMS Portal, ending in /api/."""
    plus: str
    """Base URL of SEMS+ Web, ending in /web/sems/."""


def _region(legacy: str, plus: str) -> BaseUrls:
    return BaseUrls(f"https://{legacy}.semsportal.com/api/", f"https://{plus}.goodwe.com/web/sems/")


REGIONS = {
    "global": _region("www", "semsplus"),
    "eu": _region("eu", "eu-semsplus"),
    "us": _region("us", "us-semsplus"),
    "au": _region("au", "au-semsplus"),
    "hk": _region("hk", "hk-semsplus"),
    # No SEMS Portal host of the Chinese region is known.
    "cn": _region("www", "cn-semsplus"),
}
SERVERS = {name: bases.plus if name == "cn" else bases.legacy for name, bases in REGIONS.items()}
"""Server URL by region; this is a session's `server`, from which `base_urls` derives both base URLs."""

DOMAINS = ("semsportal.com", "goodwe.com", "sems.com.cn")
DEFAULT_GATEWAY = "https://eu-gateway.semsportal.com/web/sems/"
"""SEMS+ data server if a login at GoodWe's own servers names none, as maintained clients assume."""

_BASES = {urlsplit(url)[:2]: bases for bases in reversed(REGIONS.values()) for url in bases}
_BASES["https", "semsportal.com"] = REGIONS["global"]
_PATH = re.compile(r"(?:api|web/sems)/$")
_GATEWAY = re.compile(r"https://(\w+)-gateway\.semsportal\.com/(?:web/)?sems/")


def resolve_server(server: str) -> str:
    """Return the server URL for a region name or for a URL in any of its forms.

    >>> resolve_server("eu"), resolve_server("https://eu-semsplus.goodwe.com")
    ('https://eu.semsportal.com/api/', 'https://eu.semsportal.com/api/')
    >>> resolve_server("http://127.0.0.1:8080"), resolve_server("http://127.0.0.1:8080/web/sems")
    ('http://127.0.0.1:8080/api/', 'http://127.0.0.1:8080/api/')
    """
    url = resolve_server_url(server or "global", SERVERS, "GoodWe")
    if url in SERVERS.values():
        return url
    bases = base_urls(url)
    return bases.plus if bases is REGIONS["cn"] else bases.legacy


def base_urls(server: str) -> BaseUrls:
    """Return the login base URLs of both dialects for a server URL."""
    root = _PATH.sub("", server)
    return _BASES.get(urlsplit(server)[:2]) or BaseUrls(f"{root}api/", f"{root}web/sems/")


def is_china_region(server: str) -> bool:
    """Return True for the server of the Chinese region, whose SEMS+ login needs a flag."""
    return base_urls(server) is REGIONS["cn"]


def plus_base(api: str) -> str:
    """Return the base URL of SEMS+ calls for the API address in a login response.

    >>> plus_base("https://eu-gateway.semsportal.com/sems/"), plus_base("https://eu-gateway.semsportal.com/web/sems")
    ('https://eu-gateway.semsportal.com/web/sems/', 'https://eu-gateway.semsportal.com/web/sems/')
    """
    base = api.rstrip("/")
    if base.endswith("/sems") and not base.endswith("/web/sems"):
        base = base.removesuffix("/sems") + "/web/sems"
    return base + "/"


def legacy_base(api: str) -> str:
    """Return the base URL of SEMS Portal calls for the API address in a login response.

    >>> legacy_base("https://eu-gateway.semsportal.com/sems/"), legacy_base("https://au.semsportal.com/api")
    ('https://eu.semsportal.com/api/', 'https://au.semsportal.com/api/')
    """
    base = api.rstrip("/") + "/"
    # Quirk: since 2026 some SEMS Portal logins name the SEMS+ gateway, which has no SEMS Portal route; the region's
    # own host does (Home Assistant integration, issue 217).
    match = _GATEWAY.fullmatch(base)
    return f"https://{match[1]}.semsportal.com/api/" if match else base


def is_plus_gateway(api: str) -> bool:
    """Return True if an API address is a SEMS+ gateway rather than the SEMS Portal."""
    return api.rstrip("/").endswith("/sems")


def is_trusted(url: str, server: str) -> bool:
    r"""Return True if a session token may be sent to a URL: GoodWe's own servers or the configured one.

    >>> is_trusted("http://127.0.0.1:8081/api/", "http://127.0.0.1:8080/api/")
    True
    >>> is_trusted("http://127.0.0.1:8081\\.evil.org/", "http://127.0.0.1:8080/api/")
    False
    """
    return is_trusted_url(url, server, DOMAINS) or _same_loopback_host(url, server)


_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d+/[\w./-]*")


def _same_loopback_host(url: str, server: str) -> bool:
    # The regions of the emulated cloud are ports of the same host.
    first, second = _LOOPBACK.fullmatch(url), _LOOPBACK.fullmatch(server)
    return first is not None and second is not None and first[1] == second[1]
