"""The page below a path of a reverse proxy and in the ingress of Home Assistant: addresses, and whose headers count."""

import re
from urllib.parse import urlencode

import pytest

from heliograph.config import ServeConfig
from heliograph.errors import ConfigError
from heliograph.web.auth import INGRESS_HEADERS, SECURITY_HEADERS, AuthPolicy
from heliograph.web.prefix import Peers
from support.website import TOKEN, home, numbered, served, written

FORM = "application/x-www-form-urlencoded"
PAGES = ("/", "/status", "/plant/growatt/11", "/plant/growatt/11/report", "/plant/growatt/11/device/SN1", "/nothing")
INGRESS_PATH = "/api/hassio_ingress/a-Token_0"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return written(tmp_path_factory.mktemp("web") / "samples.sqlite", home())


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    return written(tmp_path_factory.mktemp("town") / "samples.sqlite", home(), numbered())


def addresses(reply):
    """Return all addresses in a page, without those relative to it."""
    text = reply.body.decode()
    found = re.findall(r"""(?:href|src|action|data-live)=["']([^"']*)""", text)
    found += re.findall(r"samples(?:&\w+;|\W)+(/[^&\"]*)", text)
    return {one for one in found if not one.startswith(("?", "#"))}


def assert_below(prefix, site, pages=PAGES, **headers):
    for page in pages:
        reply = site.ask(page, Accept="text/html", **headers)
        found = addresses(reply)
        assert len(found) > 5, page
        assert {one for one in found if not one.startswith(f"{prefix}/")} == set(), page


def test_configured_prefix_is_before_every_address_of_every_page(store, town):
    for where in (store, town):
        with served(where, prefix="/solar") as site:
            assert_below("/solar", site)


@pytest.mark.parametrize("path", ["/solar/status", "/status"])
def test_path_is_the_same_with_and_without_the_configured_prefix(path, store):
    with served(store, prefix="/solar") as site:
        reply = site.ask(path)
        assert (reply.status, b"<h1>Status</h1>" in reply.body) == (200, True)
        assert site.ask("/solar", Accept="text/html").status == 200
        assert site.ask("/solarium", Accept="text/html").status == 404
        assert site.ask("/solar/solar/status", Accept="text/html").status == 404


def test_ids_that_need_escaping_work_below_a_prefix(town):
    with served(town, prefix="/a/b") as site:
        for address in addresses(site.ask("/")):
            if "/plant/" in address:
                assert site.ask(address).status == 200, address


def test_prefix_of_a_trusted_proxy_is_used_and_of_others_ignored(store):
    with served(store, trusted_proxies=("127.0.0.1",)) as site:
        assert_below("/solar", site, X_Forwarded_Prefix="/solar/")
        assert_below("", site)
        assert_below("", site, X_Ingress_Path="/solar")
    with served(store, trusted_proxies=("192.0.2.1",), ingress="192.0.2.2") as site:
        assert_below("", site, X_Forwarded_Prefix="/solar", X_Ingress_Path="/solar")


@pytest.mark.parametrize(
    "prefix",
    ["//evil.example", "/a//b", "evil.example", '/a"b', "/..", "/a/../b", "/a b", "/a?b", "/" + "a" * 200],
)
def test_prefix_that_is_no_path_is_rejected(prefix, store):
    with served(store, trusted_proxies=("127.0.0.1",)) as site:
        reply = site.ask("/", X_Forwarded_Prefix=prefix)
    assert (reply.status, b"X-Forwarded-Prefix must be one path" in reply.body) == (400, True)
    assert b"evil" not in reply.body


def test_login_redirects_and_cookie_stay_below_the_prefix(store):
    with served(store, token=TOKEN, prefix="/solar") as site:
        form = site.ask("/status", Accept="text/html")
        assert form.status == 401
        assert addresses(form) == {"/solar/login", "/solar/assets/mark.svg", "/solar/assets/page.css"}
        sent = site.ask("/solar/login", "POST", urlencode({"token": TOKEN}), Content_Type=FORM)
        assert (sent.status, sent.headers["Location"]) == (303, "/solar/")
        assert "Path=/solar/;" in sent.headers["Set-Cookie"]
        by_address = site.ask(f"/solar/status?token={TOKEN}&view=week")
        assert by_address.headers["Location"] == "/solar/status?view=week"
        for path in ("//evil.example", "/solar//evil.example"):
            assert site.ask(f"{path}?token={TOKEN}").headers["Location"] == "/solar/evil.example"


def test_slash_at_the_end_leads_to_the_page_below_the_prefix(store):
    with served(store, trusted_proxies=("127.0.0.1",)) as site:
        reply = site.ask("/status/", Accept="text/html", X_Forwarded_Prefix="/solar")
        assert (reply.status, reply.headers["Location"]) == (307, "/solar/status")
        assert site.ask("//", Accept="text/html").status == 404
        assert site.ask("//evil.example/", Accept="text/html").headers["Location"] == "/evil.example"


def test_manifest_document_and_download_work_below_the_prefix(store):
    with served(store, prefix="/solar") as site:
        manifest = site.ask("/solar/assets/manifest.webmanifest").json
        assert (manifest["start_url"], manifest["scope"]) == ("../", "../")
        assert {one["src"] for one in manifest["icons"]} == {"icon.svg", "icon-192.png", "icon-512.png"}
        assert site.ask("/solar/api/v1/openapi.json").json["servers"] == [{"url": "/solar"}]
        saved = site.ask("/solar/plant/growatt/11/data.csv?span=day&at=2026-06-21&show=power")
        assert (saved.status, saved.headers["Content-Type"].partition(";")[0]) == (200, "text/csv")
        connection, stream = site.stream("/solar/api/v1/events/live")
        assert stream.readline() == b": heliograph\n"
        connection.close()
    with served(store) as site:
        assert site.ask("/api/v1/openapi.json").json["servers"] == [{"url": "/"}]


def ingress_headers(**more):
    """Return the headers that Home Assistant and its Supervisor add."""
    added = {"X_Ingress_Path": INGRESS_PATH, "X_Forwarded_Host": "my.home:8123", "Host": "my.home:8123"}
    return {**added, "X_Forwarded_For": "192.0.2.9, 172.30.32.1", "X_Forwarded_Proto": "https", **more}


def test_ingress_needs_no_token_and_its_pages_are_below_its_path(store):
    with served(store, host="0.0.0.0", ingress="127.0.0.1") as site:
        assert_below(INGRESS_PATH, site, **ingress_headers())
        assert site.ask("/healthz").status == 200  # the watchdog of the Supervisor


def test_ingress_alone_may_show_the_page_in_a_frame(store):
    with served(store, host="0.0.0.0", ingress="127.0.0.1") as site:
        for path in (*PAGES, "/api/v1/plants", "/api/v1/nothing"):
            headers = site.ask(path, **ingress_headers()).headers
            assert {name: headers[name] for name in INGRESS_HEADERS} == INGRESS_HEADERS
    assert INGRESS_HEADERS["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in INGRESS_HEADERS["Content-Security-Policy"]
    with served(store, ingress="192.0.2.1", trusted_proxies=("127.0.0.1",)) as site:
        headers = site.ask("/", **ingress_headers(Host="localhost")).headers
        assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_other_clients_need_the_token_beside_an_ingress(store):
    forged = AuthPolicy.from_config(ServeConfig(host="0.0.0.0", ingress="192.0.2.1")).cookie
    with served(store, host="0.0.0.0", ingress="192.0.2.1") as site:
        for headers in (
            {},
            ingress_headers(Host="127.0.0.1"),
            {"Authorization": "Bearer "},
            {"Cookie": f"heliograph={forged}"},
        ):
            assert site.ask("/api/v1/plants", **headers).status == 401
        assert site.ask("/login", "POST", "token=", Content_Type=FORM).status == 405
    with served(store, host="0.0.0.0", ingress="192.0.2.1", token=TOKEN) as site:
        assert site.ask("/api/v1/plants", Authorization=f"Bearer {TOKEN}").status == 200


def test_foreign_origin_is_rejected_in_the_ingress_as_well(store):
    with served(store, host="0.0.0.0", ingress="127.0.0.1") as site:
        path = "/api/v1/plants"
        for origin in ("https://my.home:8123", "http://my.home:8123"):
            assert site.ask(path, **ingress_headers(Origin=origin, Host="172.30.33.4:8765")).status == 200
        for origin in ("https://evil.example", "null"):
            assert site.ask(path, **ingress_headers(Origin=origin)).status == 403


def test_peers_are_recognised_on_a_socket_for_both_ip_versions():
    peers = Peers(["172.30.32.2", "10.0.0.0/8", "fd00::/8"])
    for address in ("172.30.32.2", "::ffff:172.30.32.2", "10.1.2.3", "fd00::1", "fd00::1%eth0"):
        assert address in peers
    for address in ("172.30.32.3", "", "unix", "::ffff:172.30.32.3", "fe80::1"):
        assert address not in peers


def test_public_address_needs_a_token_or_an_ingress():
    assert AuthPolicy.from_config(ServeConfig(host="0.0.0.0", ingress="172.30.32.2")).is_public is False
    with pytest.raises(ConfigError, match="requires a token"):
        AuthPolicy.from_config(ServeConfig(host="0.0.0.0"))
