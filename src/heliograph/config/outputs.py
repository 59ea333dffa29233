"""Who else gets the data: the page, a broker, and services on the net; one table of the file each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from heliograph.config.table import secret_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from heliograph.config.table import File, Table
    from heliograph.core.redact import Secret

Discovery = Literal["entities", "devices", "none"]

NAMES = ("serve", "mqtt", "pvoutput", "influx", "webhook")
_DISCOVERIES = ("entities", "devices", "none")
LEAST_TOKEN = 16
"""Characters of a token that is not guessed."""


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Where the page listens; for other machines only with a token, under the names of `hosts` besides its own."""

    host: str = "127.0.0.1"
    port: int = 8765
    token: Secret | None = None
    hosts: tuple[str, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


@dataclass(frozen=True, kw_only=True)
class Mqtt:
    """A broker, and whether Home Assistant is to find what is published there."""

    host: str
    port: int
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    topic: str = "heliograph"
    discovery: Discovery = "entities"
    prefix: str = "homeassistant"


@dataclass(frozen=True, kw_only=True)
class PvOutput:
    """One system of PVOutput, and the plant that feeds it."""

    plant: str
    system: str
    key: Secret
    url: str = "https://pvoutput.org"


@dataclass(frozen=True, kw_only=True)
class Influx:
    """A database that takes line protocol: version 2 by organisation and bucket, version 1 by database."""

    url: str
    token: Secret | None = None
    org: str | None = None
    bucket: str | None = None
    database: str | None = None
    username: str | None = None
    password: Secret | None = None
    measurement: str = "solar"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address that is told of every sample; signed where there is a secret. Empty `plants` are all of them."""

    url: str
    secret: Secret | None = None
    plants: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Everyone who gets the data."""

    serve: Serve | None = None
    mqtt: Mqtt | None = None
    pvoutput: tuple[PvOutput, ...] = ()
    influx: tuple[Influx, ...] = ()
    webhooks: tuple[Webhook, ...] = ()


def outputs_of(file: File, data: Mapping[str, Any]) -> Outputs:
    """Return what the file says of outputs, every key checked."""
    serve, mqtt = file.table(data, "serve"), file.table(data, "mqtt")
    return Outputs(
        serve=None if serve is None else _serve(serve),
        mqtt=None if mqtt is None else _mqtt(mqtt),
        pvoutput=tuple(_pvoutput(one) for one in file.tables(data, "pvoutput")),
        influx=tuple(_influx(one) for one in file.tables(data, "influx")),
        webhooks=tuple(_webhook(one) for one in file.tables(data, "webhook")),
    )


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own, which no other can reach.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    from ipaddress import ip_address  # noqa: PLC0415 - most runs listen nowhere

    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _serve(table: Table) -> Serve:
    table.only(("host", "port", *secret_keys("token"), "hosts"))
    serve = Serve(
        host=table.text("host") if "host" in table else Serve.host,
        port=table.number("port", 0, 65535) if "port" in table else Serve.port,
        token=table.secret("token"),
        hosts=table.texts("hosts", 'names, like ["solar.lan"]'),
    )
    if not serve.is_private and serve.token is None:
        raise table.wrong('is open to other machines and needs a token: add token_file, or token = "…"', "host")
    key = table.secret_key("token")
    # A command is not run before its token is needed.
    if serve.token is not None and key != "token_command" and len(serve.token.reveal()) < LEAST_TOKEN:
        raise table.wrong(f"is short enough to be guessed; take at least {LEAST_TOKEN} characters", key)
    return serve


def _mqtt(table: Table) -> Mqtt:
    table.only(("host", "port", "username", *secret_keys("password"), "tls", "topic", "discovery", "prefix"))
    tls = table.flag("tls")
    discovery = table.choice("discovery", _DISCOVERIES) if "discovery" in table else "entities"
    return Mqtt(
        host=table.text("host"),
        port=table.number("port", 1, 65535) if "port" in table else (8883 if tls else 1883),
        username=table.text_or_none("username"),
        password=table.secret("password"),
        tls=tls,
        topic=_topic(table, "topic", Mqtt.topic),
        discovery=cast("Discovery", discovery),
        prefix=_topic(table, "prefix", Mqtt.prefix),
    )


def _topic(table: Table, key: str, usual: str) -> str:
    if key not in table:
        return usual
    topic = table.text(key).strip("/")
    if not topic or set(topic) & set("+#") or not topic.isprintable():
        raise table.wrong('must be a topic like "heliograph", without + and #', key)
    return topic


def _pvoutput(table: Table) -> PvOutput:
    table.only(("plant", "system", *secret_keys("key"), "url"))
    key = table.secret("key")
    if key is None:
        raise table.wrong("is missing from this pvoutput; it is the API key of your PVOutput settings", "key")
    return PvOutput(
        plant=table.text("plant"),
        system=table.text("system"),
        key=key,
        url=_url(table) if "url" in table else PvOutput.url,
    )


def _influx(table: Table) -> Influx:
    known = ("url", *secret_keys("token"), "org", "bucket", "database", "username", *secret_keys("password"))
    table.only((*known, "measurement"))
    second = "org" in table or "bucket" in table or bool(table.secret_key("token"))
    if second == ("database" in table):
        raise table.wrong("needs org, bucket and token (version 2), or database (version 1)", "url")
    token = table.secret("token")
    if second and token is None:
        raise table.wrong("is missing from this influx", "token")
    return Influx(
        url=_url(table),
        token=token,
        org=table.text("org") if second else None,
        bucket=table.text("bucket") if second else None,
        database=None if second else table.text("database"),
        username=table.text_or_none("username"),
        password=table.secret("password"),
        measurement=table.text("measurement") if "measurement" in table else Influx.measurement,
    )


def _webhook(table: Table) -> Webhook:
    table.only(("url", *secret_keys("secret"), "plants"))
    return Webhook(
        url=_url(table), secret=table.secret("secret"), plants=table.texts("plants", 'plant ids, like ["1234567"]')
    )


def _url(table: Table) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415 - likewise

    text = table.text("url")
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or not text.isprintable() or " " in text:
        raise table.wrong('must be an address like "https://example.com/path"', "url")
    if parts.username or parts.password:
        raise table.wrong("must not hold a password; give it by its own key", "url")
    return text.rstrip("/")
