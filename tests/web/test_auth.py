"""Who may look, over a real socket: hosts, origins, tokens, cookies, and what every answer forbids a browser."""

from __future__ import annotations

import logging
import socket
from urllib.parse import urlencode

import pytest

from heliograph.config import ServeConfig
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError
from heliograph.web.auth import SECURITY_HEADERS, AuthPolicy, FailedTokenThrottle
from support.website import TOKEN, home, served, written

PLANTS = "/api/v1/plants"
BEARER = f"Bearer {TOKEN}"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return written(tmp_path_factory.mktemp("web") / "samples.sqlite", home())


@pytest.fixture(scope="module")
def site(store):
    with served(store) as site:
        yield site


@pytest.fixture
def locked(store):
    with served(store, token=TOKEN, hosts=("Solar.example",)) as site:
        yield site


def raw(site, text):
    """Send these very bytes and return all that comes back."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        line.sendall(text)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_every_response_has_security_headers(site, locked):
    answers = [site.ask(path) for path in ("/", PLANTS, "/nothing", f"{PLANTS}?limit=0", "/metrics", "/assets/page.js")]
    answers += [site.ask("/", Host="evil.example"), site.ask("/", "POST"), locked.ask("/"), locked.ask("/?token=no")]
    for answer in answers:
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "Server" not in answer.headers
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "127.0.0.1:1", "localhost:8765"])
def test_this_machine_may_be_called_by_any_of_its_own_names(site, host):
    assert site.ask(PLANTS, Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "192.168.1.7", "127.0.0.1.evil.example", "localhost.evil.example", "localhost@evil", "", "[::2]"],
)
def test_foreign_host_is_rejected(site, host):
    for path in (PLANTS, "/", "/assets/page.js", "/healthz", "/metrics", "/api/v1/events/live"):
        assert site.ask(path, Host=host).status == 421


def test_configured_host_is_accepted_in_any_case_and_port(locked):
    for host in ("solar.example", "SOLAR.EXAMPLE", "solar.example:443"):
        assert locked.ask(PLANTS, Host=host, Authorization=BEARER).status == 200
    assert locked.ask(PLANTS, Host="other.example", Authorization=BEARER).status == 421


def test_where_all_addresses_are_listened_on_each_may_be_named_but_no_other_name(store):
    with served(store, host="0.0.0.0", token=TOKEN) as site:
        assert site.ask(PLANTS, Host="192.168.1.7:8765", Authorization=BEARER).status == 200
        assert site.ask(PLANTS, Host="[fe80::1]", Authorization=BEARER).status == 200
        assert site.ask(PLANTS, Host="evil.example", Authorization=BEARER).status == 421


def test_missing_or_repeated_host_is_rejected(site):
    assert raw(site, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421")
    both = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(site, both).startswith((b"HTTP/1.1 421", b"HTTP/1.1 400"))


def test_only_our_own_pages_may_ask_from_a_browser(site):
    own = f"http://127.0.0.1:{site.port}"
    assert site.ask(PLANTS, Origin=own).status == 200
    assert site.ask(PLANTS, Host="localhost", Origin="https://localhost").status == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"{own}.evil.example", "", "file://"):
        answer = site.ask(PLANTS, Origin=origin)
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_nothing_can_be_changed(site, locked, method):
    for where in (site, locked):
        answer = where.ask(PLANTS, method, Authorization=BEARER)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


def test_login_path_needs_a_configured_token(site):
    assert site.ask("/login", "POST", "token=", Content_Type=FORM).status == 405


@pytest.mark.parametrize(
    "path",
    [
        PLANTS,
        "/",
        "/metrics",
        "/healthz",
        "/api/v1/openapi.json",
        "/api/v1/events/live",
        "/status",
        "/nothing",
        "/login",
    ],
)
def test_missing_token_is_rejected(locked, path):
    answer = locked.ask(path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert b"growatt" not in answer.body
    for wrong in ("Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xe9"):
        if wrong.startswith("Bearer") and path != PLANTS:
            continue  # ten wrong ones are too many
        assert locked.ask(path, Authorization=wrong).status == 401


@pytest.mark.parametrize("path", [PLANTS, "/metrics", "/healthz", "/"])
def test_programs_bring_the_token_in_a_header(locked, path):
    assert locked.ask(path, Authorization=BEARER).status == 200
    assert locked.ask(path, Authorization=f"bearer  {TOKEN}").status == 200
    assert "Set-Cookie" not in locked.ask(path, Authorization=BEARER).headers


def test_a_person_is_asked_for_the_token_and_keeps_a_cookie_that_is_not_the_token(locked):
    form = locked.ask("/", Accept="text/html,*/*")
    assert form.status == 401
    assert form.headers["Content-Type"].startswith("text/html")
    assert b'<form method="post" action="/login">' in form.body
    assert form.headers["Referrer-Policy"] == "same-origin"  # else a browser calls the form's origin null
    sent = locked.ask("/login", "POST", urlencode({"token": TOKEN}), Content_Type=FORM)
    assert (sent.status, sent.headers["Location"]) == (303, "/")
    cookie = sent.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    kept = cookie.partition(";")[0]
    assert locked.ask(PLANTS, Cookie=kept).status == 200
    assert locked.ask(PLANTS, Cookie=f"{kept}0").status == 401
    assert locked.ask(PLANTS, Cookie="heliograph=").status == 401


def test_a_cookie_opens_nothing_once_the_token_is_another(store, locked):
    cookie = locked.ask(f"/?token={TOKEN}").headers["Set-Cookie"].partition(";")[0]
    assert locked.ask(PLANTS, Cookie=cookie).status == 200
    with served(store, token="another-token-altogether") as other:
        assert other.ask(PLANTS, Cookie=cookie).status == 401


def test_a_token_in_an_address_becomes_a_cookie_and_leaves_the_address(locked):
    answer = locked.ask(f"/status?token={TOKEN}&view=week")
    assert (answer.status, answer.headers["Location"]) == (303, "/status?view=week")
    assert "Set-Cookie" in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert locked.ask("/status?token=no", Accept="text/html").status == 401


@pytest.mark.parametrize("path", ["/plant/x/a%20b", "/plant/x/%C3%A9%3F%25", "/plant/x/a%2Fb", "/plant/x/..;"])
def test_a_token_in_an_address_leads_on_to_that_very_address(locked, path):
    assert locked.ask(f"{path}?token={TOKEN}").headers["Location"] == path


@pytest.mark.parametrize("path", ["//evil.example/x", "///evil.example", "/\\evil.example", "/%5cevil.example"])
def test_a_token_in_an_address_leads_nowhere_else(locked, path):
    place = locked.ask(f"{path}?token={TOKEN}").headers["Location"]
    assert place.startswith("/")
    assert not place.startswith(("//", "/\\"))


def test_cross_origin_login_is_rejected(locked):
    body = urlencode({"token": TOKEN})
    assert locked.ask("/login", "POST", body, Content_Type=FORM, Origin="http://evil.example").status == 403
    assert locked.ask("/login", "POST", "x" * 10_000, Content_Type=FORM).status == 413
    assert locked.ask("/login", "POST", b"\xff\xfe", Content_Type=FORM).status == 401


def test_token_guessing_is_throttled(locked):
    for _ in range(10):
        assert locked.ask(PLANTS, Authorization="Bearer guess").status == 401
    answer = locked.ask(PLANTS, Authorization="Bearer guess")
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert locked.ask("/login", "POST", urlencode({"token": "guess"}), Content_Type=FORM).status == 429
    assert locked.ask("/?token=guess").status == 429


def test_valid_token_is_accepted_while_tokens_of_its_address_are_throttled(locked):
    for _ in range(12):
        locked.ask(PLANTS, Authorization="Bearer guess")
    assert locked.ask(PLANTS, Authorization=BEARER).status == 200
    assert locked.ask("/login", "POST", urlencode({"token": TOKEN}), Content_Type=FORM).status == 303
    assert locked.ask(f"/?token={TOKEN}").status == 303
    assert locked.ask(PLANTS, Authorization="Bearer guess").status == 429


def forwarded(client, scheme="https"):
    return {"X_Forwarded_For": client, "X_Forwarded_Proto": scheme}


def test_invalid_tokens_are_counted_per_client_of_a_trusted_proxy(store):
    with served(store, token=TOKEN, trusted_proxies=("127.0.0.0/8",)) as site:
        for number in range(11):
            # The client may send the header itself; the proxy appends the address it sees.
            answer = site.ask(PLANTS, Authorization="Bearer guess", **forwarded(f"10.0.0.{number}, 192.0.2.1"))
        assert answer.status == 429
        assert site.ask(PLANTS, Authorization="Bearer guess", **forwarded("192.0.2.2")).status == 401


def test_valid_token_is_accepted_while_more_addresses_guess_than_are_remembered(store, monkeypatch):
    monkeypatch.setattr("heliograph.web.auth._MAX_ADDRESSES", 16)
    with served(store, token=TOKEN, trusted_proxies=("127.0.0.0/8",)) as site:
        guesses = {
            site.ask(PLANTS, Authorization="Bearer guess", **forwarded(f"10.0.{number}.7")).status
            for number in range(40)
        }
        for client in ("10.0.0.7", "10.0.39.7", "192.0.2.2"):
            assert site.ask(PLANTS, Authorization=BEARER, **forwarded(client)).status == 200
    assert guesses <= {401, 429}


def test_forwarded_addresses_of_untrusted_clients_are_ignored(store):
    for proxies in ((), ("192.0.2.1",)):
        with served(store, token=TOKEN, trusted_proxies=proxies) as site:
            for number in range(11):
                answer = site.ask(PLANTS, Authorization="Bearer guess", **forwarded(f"10.0.0.{number}"))
            assert answer.status == 429


@pytest.mark.parametrize(
    ("proxies", "scheme", "secure"),
    [
        (("127.0.0.1",), "https", True),
        (("127.0.0.1",), "http", False),
        (("127.0.0.1",), "javascript", False),
        (("192.0.2.1",), "https", False),
        ((), "https", False),
    ],
)
def test_cookie_is_secure_if_a_trusted_proxy_received_the_request_over_tls(store, proxies, scheme, secure):
    with served(store, token=TOKEN, trusted_proxies=proxies) as site:
        answer = site.ask(
            "/login", "POST", urlencode({"token": TOKEN}), Content_Type=FORM, **forwarded("10.1.1.1", scheme)
        )
    assert answer.status == 303
    assert ("Secure" in answer.headers["Set-Cookie"]) is secure


def test_trusted_proxy_is_recognised_on_a_socket_for_both_ip_versions(store):
    with served(store, host="::", token=TOKEN, trusted_proxies=("127.0.0.1",)) as site:
        answer = site.ask(f"/?token={TOKEN}", **forwarded("10.1.1.1"))
    assert "Secure" in answer.headers["Set-Cookie"]


def test_cookie_is_accepted_while_tokens_are_throttled(locked):
    cookie = locked.ask(f"/?token={TOKEN}").headers["Set-Cookie"].partition(";")[0]
    for _ in range(12):
        locked.ask(PLANTS, Authorization="Bearer guess")
    assert locked.ask(PLANTS, Cookie=cookie).status == 200


def test_guesses_are_forgotten_after_a_minute_and_counted_by_household():
    now = [0.0]
    doubts = FailedTokenThrottle(lambda: now[0])
    for number in range(10):
        assert doubts.retry_after("2001:db8::1") == 0
        doubts.record_failure(f"2001:db8::{number:x}")
    assert doubts.retry_after("2001:db8::ffff") == 60
    assert doubts.retry_after("2001:db8:0:1::1") == doubts.retry_after("10.0.0.1") == 0
    now[0] = 59.0
    assert doubts.retry_after("2001:db8::1") == 1
    now[0] = 60.0
    assert doubts.retry_after("2001:db8::1") == 0


def test_many_addresses_that_guess_do_not_fill_the_memory():
    doubts = FailedTokenThrottle(lambda: 0.0)
    for number in range(5000):
        doubts.record_failure(f"10.0.{number // 250}.{number % 250}")
    assert len(doubts._failures) <= 1024


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "solar.lan", ""])
def test_public_address_requires_a_token(host):
    with pytest.raises(ConfigError, match="requires a token"):
        AuthPolicy.from_config(ServeConfig(host=host))
    assert AuthPolicy.from_config(ServeConfig(host=host, token=Secret(TOKEN))).token == TOKEN.encode()


@pytest.mark.parametrize("token", ["", "short", "x" * 15])
def test_a_token_that_can_be_guessed_is_none(token):
    with pytest.raises(ConfigError, match="token"):
        AuthPolicy.from_config(ServeConfig(host="0.0.0.0", token=Secret(token)))
    with pytest.raises(ConfigError, match="token"):
        AuthPolicy.from_config(ServeConfig(token=Secret(token)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])
def test_this_machine_needs_no_token(host):
    rules = AuthPolicy.from_config(ServeConfig(host=host))
    assert rules.token is None
    assert rules.allows_host(f"[{host}]:80" if host == "::1" else host)


def test_rules_do_not_show_their_token():
    assert TOKEN not in repr(AuthPolicy.from_config(ServeConfig(token=Secret(TOKEN))))


def test_internal_error_is_reported_without_details(store, caplog):
    def seen():
        raise RuntimeError("secret-of-somebody")

    with served(store, seen=seen) as site, caplog.at_level(logging.CRITICAL):
        answer = site.ask(PLANTS)
    assert answer.status == 500
    assert answer.json["detail"] == "internal error; please report it"
    assert b"secret-of-somebody" not in answer.body
    assert answer.headers["Content-Security-Policy"] == SECURITY_HEADERS["Content-Security-Policy"]


def test_a_head_too_long_or_no_http_at_all_ends_the_connection_and_nothing_else(site):
    assert b" 400 " in raw(site, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000)[:40]
    assert b" 400 " in raw(site, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")[:40]
    assert site.ask(PLANTS).status == 200


def test_a_web_socket_gets_no_further_than_the_door(site):
    head = ("Host: localhost", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    asked = "\r\n".join(("GET / HTTP/1.1", *head, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "")).encode()
    assert not raw(site, asked).startswith(b"HTTP/1.1 101")
