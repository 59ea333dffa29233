"""Where GoodWe's two dialects live, region by region, and which addresses may be sent a session."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from heliograph.core.servers import is_trusted_url, resolve_server_url


class BaseUrls(NamedTuple):
    """Where an account logs in."""

    legacy: str
    """The SEMS Portal's base, ending in /api/."""
    plus: str
    """SEMS+ Web's base, ending in /web/sems/."""


def _region(legacy: str, plus: str) -> BaseUrls:
    return BaseUrls(f"https://{legacy}.semsportal.com/api/", f"https://{plus}.goodwe.com/web/sems/")


REGIONS = {
    "global": _region("www", "semsplus"),
    "eu": _region("eu", "eu-semsplus"),
    "us": _region("us", "us-semsplus"),
    "au": _region("au", "au-semsplus"),
    "hk": _region("hk", "hk-semsplus"),
    # China has no classic host of its own that anybody has named.
    "cn": _region("www", "cn-semsplus"),
}
SERVERS = {name: bases.plus if name == "cn" else bases.legacy for name, bases in REGIONS.items()}
"""The one address that stands for a region: a session's `server`, from which `bases` finds both."""

DOMAINS = ("semsportal.com", "goodwe.com", "sems.com.cn")
DEFAULT_GATEWAY = "https://eu-gateway.semsportal.com/web/sems/"
"""Where SEMS+ data lie when a login of GoodWe's own servers names no address, as maintained clients assume."""

_HOMES = {urlsplit(address)[:2]: bases for bases in reversed(REGIONS.values()) for address in bases}
_HOMES["https", "semsportal.com"] = REGIONS["global"]
_PATH = re.compile(r"(?:api|web/sems)/$")
_GATEWAY = re.compile(r"https://(\w+)-gateway\.semsportal\.com/(?:web/)?sems/")


def resolve_server(server: str) -> str:
    """Return the address that stands for a region's name, or for an address in any of its forms.

    >>> address("eu"), address("https://eu-semsplus.goodwe.com")
    ('https://eu.semsportal.com/api/', 'https://eu.semsportal.com/api/')
    >>> address("http://127.0.0.1:8080"), address("http://127.0.0.1:8080/web/sems")
    ('http://127.0.0.1:8080/api/', 'http://127.0.0.1:8080/api/')
    """
    found = resolve_server_url(server or "global", SERVERS, "GoodWe")
    if found in SERVERS.values():
        return found
    home = base_urls(found)
    return home.plus if home is REGIONS["cn"] else home.legacy


def base_urls(server: str) -> BaseUrls:
    """Return where both dialects log in, given the address that stands for them."""
    home = _HOMES.get(urlsplit(server)[:2])
    root = _PATH.sub("", server)
    return home or BaseUrls(f"{root}api/", f"{root}web/sems/")


def is_china_region(server: str) -> bool:
    """Tell whether a server is that of the Chinese region, whose login says so of itself."""
    return base_urls(server) is REGIONS["cn"]


def plus_base(api: str) -> str:
    """Return the base of SEMS+ calls for the address a login names.

    >>> gateway("https://eu-gateway.semsportal.com/sems/"), gateway("https://eu-gateway.semsportal.com/web/sems")
    ('https://eu-gateway.semsportal.com/web/sems/', 'https://eu-gateway.semsportal.com/web/sems/')
    """
    base = api.rstrip("/")
    if base.endswith("/sems") and not base.endswith("/web/sems"):
        base = base.removesuffix("/sems") + "/web/sems"
    return base + "/"


def legacy_base(api: str) -> str:
    """Return the base of classic calls for the address a login names.

    >>> portal("https://eu-gateway.semsportal.com/sems/"), portal("https://au.semsportal.com/api")
    ('https://eu.semsportal.com/api/', 'https://au.semsportal.com/api/')
    """
    base = api.rstrip("/") + "/"
    # Quirk: since 2026 some classic logins name the gateway of SEMS+, which knows no classic route; the region's
    # own host does (Home Assistant integration, issue 217).
    found = _GATEWAY.fullmatch(base)
    return f"https://{found[1]}.semsportal.com/api/" if found else base


def is_plus_gateway(api: str) -> bool:
    """Tell whether an address is one of SEMS+ data rather than of the classic portal."""
    return api.rstrip("/").endswith("/sems")


def is_trusted(url: str, server: str) -> bool:
    r"""Tell whether a session may be sent to an address: GoodWe's own, or the configured server's.

    >>> trusts("http://127.0.0.1:8081/api/", "http://127.0.0.1:8080/api/")
    True
    >>> trusts("http://127.0.0.1:8081\\.evil.org/", "http://127.0.0.1:8080/api/")
    False
    """
    return is_trusted_url(url, server, DOMAINS) or _same_machine(url, server)


_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d+/[\w./-]*")


def _same_machine(url: str, server: str) -> bool:
    # Regions of an emulated cloud are ports of this machine.
    there, here = _LOOPBACK.fullmatch(url), _LOOPBACK.fullmatch(server)
    return there is not None and here is not None and there[1] == here[1]
