"""The default transport of blocking clients: sockets for the first requests of a process, then pyreqwest.

A short program so ends before pyreqwest could send its first request; a long one uses less CPU with pyreqwest (ADR
0026). pyreqwest sends all requests behind a proxy, outside Linux, where it knows the proxies and certificates of the
system, and to servers whose certificate OpenSSL does not trust.
"""

from __future__ import annotations

import atexit
import os
import sys
from itertools import count
from typing import TYPE_CHECKING

from heliograph.transports.failures import checked_url, host_of, out_of_resources
from heliograph.transports.pool_loader import load_pool
from heliograph.transports.sockets import SocketTransport, UntrustedCertificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.core.session import Request, Response

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

_FIRST_REQUESTS = 30
"""Requests of a process that are sent over sockets: a login and what a short program fetches."""

_sockets = SocketTransport()
_sent = count(1)
atexit.register(_sockets.close)
_untrusted: set[str] = set()
"""Servers that OpenSSL's root certificates do not vouch for."""


def send(request: Request, timeout: float, clock: Callable[[], float]) -> Response:
    """Send one request, as described at `BlockingTransport.send`."""
    checked_url(request)
    number = next(_sent)
    if number == _FIRST_REQUESTS + 1:
        _sockets.close()
    is_first = number <= _FIRST_REQUESTS and sys.platform == "linux"
    if is_first and host_of(request) not in _untrusted and not any(map(os.environ.get, _PROXIES)):
        try:
            return _sockets.send(request, timeout, clock)
        except UntrustedCertificate:  # nothing was sent
            _untrusted.add(host_of(request))
    try:
        pool = load_pool()
    except OSError as error:  # no file can be opened
        raise out_of_resources(request, error, sent=False) from None
    response: Response = pool.send(request, timeout, clock)
    return response
