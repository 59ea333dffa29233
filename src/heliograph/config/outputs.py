"""The configured outputs: page, MQTT, PVOutput, InfluxDB and webhooks, one table of the file each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from heliograph.config.table import secret_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from heliograph.config.table import ConfigFile, ConfigTable
    from heliograph.core.redact import Secret

Discovery = Literal["entities", "devices", "none"]

OUTPUT_TABLES = ("serve", "mqtt", "pvoutput", "influx", "webhook")
_DISCOVERIES = ("entities", "devices", "none")
_OWN_PATHS = ("alarms", "api", "assets", "healthz", "login", "metrics", "plant", "status")
"""First parts of the page's own paths; a prefix that begins like one would be taken for it."""
MIN_TOKEN_LENGTH = 16
"""Minimum length of a token that cannot be guessed."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """The page's address; other machines need a token, and may use the names in `hosts`.

    `trusted_proxies` are addresses and networks of reverse proxies; `X-Forwarded-For`, `X-Forwarded-Proto` and
    `X-Forwarded-Prefix` of other clients are ignored. `prefix` is the path below which a proxy serves the page.
    `ingress` is the address of Home Assistant's ingress, which authenticates its users: they need no token.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: Secret | None = None
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    prefix: str = ""
    ingress: str | None = None

    @property
    def is_local_only(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)


@dataclass(frozen=True, kw_only=True)
class MqttConfig:
    """An MQTT broker, and the kind of Home Assistant discovery.

    `commands` allows everyone who may publish at the broker to change the settings in the `writes` of the accounts.
    """

    host: str
    port: int
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    topic: str = "heliograph"
    discovery: Discovery = "entities"
    prefix: str = "homeassistant"
    commands: bool = False


@dataclass(frozen=True, kw_only=True)
class PvOutputConfig:
    """One PVOutput system, and the plant whose data is sent to it."""

    plant: str
    system: str
    key: Secret
    url: str = "https://pvoutput.org"


@dataclass(frozen=True, kw_only=True)
class InfluxConfig:
    """An InfluxDB database: version 2 with organisation and bucket, version 1 with a database name."""

    url: str
    token: Secret | None = None
    org: str | None = None
    bucket: str | None = None
    database: str | None = None
    username: str | None = None
    password: Secret | None = None
    measurement: str = "solar"
    device_metrics: bool = True
    """Whether voltages, temperatures and states of devices are sent too."""


@dataclass(frozen=True, kw_only=True)
class WebhookConfig:
    """A URL that receives every sample; signed if there is a secret. Empty `plants` are all plants."""

    url: str
    secret: Secret | None = None
    plants: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """All configured outputs."""

    serve: ServeConfig | None = None
    mqtt: MqttConfig | None = None
    pvoutput: tuple[PvOutputConfig, ...] = ()
    influx: tuple[InfluxConfig, ...] = ()
    webhooks: tuple[WebhookConfig, ...] = ()


def parse_outputs(file: ConfigFile, data: Mapping[str, Any]) -> Outputs:
    """Return the outputs of the file; raises `ConfigError` for any invalid key."""
    serve, mqtt = file.table(data, "serve"), file.table(data, "mqtt")
    return Outputs(
        serve=None if serve is None else _serve(serve),
        mqtt=None if mqtt is None else _mqtt(mqtt),
        pvoutput=tuple(_pvoutput(table) for table in file.tables(data, "pvoutput")),
        influx=tuple(_influx(table) for table in file.tables(data, "influx")),
        webhooks=tuple(_webhook(table) for table in file.tables(data, "webhook")),
    )


def is_loopback(host: str) -> bool:
    """Return whether an address is a loopback address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    from ipaddress import ip_address  # noqa: PLC0415 - needed for [serve] only

    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _serve(table: ConfigTable) -> ServeConfig:
    table.reject_unknown_keys(("host", "port", *secret_keys("token"), "hosts", "trusted_proxies", "prefix", "ingress"))
    serve = ServeConfig(
        host=table.text("host") if "host" in table else ServeConfig.host,
        port=table.number("port", 0, 65535) if "port" in table else ServeConfig.port,
        token=table.secret("token"),
        hosts=table.texts("hosts", 'names, like ["solar.lan"]'),
        trusted_proxies=_networks(table, "trusted_proxies"),
        prefix=_prefix(table) if "prefix" in table else "",
        ingress=_address(table, "ingress") if "ingress" in table else None,
    )
    if not serve.is_local_only and serve.token is None and serve.ingress is None:
        raise table.error('is reachable from other machines and needs a token: add token_file, or token = "…"', "host")
    key = table.secret_key("token")
    # A command runs only when its token is needed.
    if serve.token is not None and key != "token_command" and len(serve.token.reveal()) < MIN_TOKEN_LENGTH:
        raise table.error(f"is too short; use at least {MIN_TOKEN_LENGTH} characters", key)
    return serve


def _networks(table: ConfigTable, key: str) -> tuple[str, ...]:
    from ipaddress import ip_network  # noqa: PLC0415 - needed for this key only

    description = 'IP addresses or networks, like ["127.0.0.1", "172.18.0.0/16"]'
    networks = table.texts(key, description)
    try:
        for network in networks:
            ip_network(network)
    except ValueError:
        raise table.error(f"must be a list of {description}", key) from None
    return networks


def _prefix(table: ConfigTable) -> str:
    import re  # noqa: PLC0415 - needed for this key only

    prefix = "/" + table.text("prefix").strip("/")
    if not re.fullmatch(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", prefix):
        raise table.error('must be a path like "/solar", of letters, digits and -._~', "prefix")
    first = prefix.split("/")[1]
    if first in _OWN_PATHS:
        raise table.error(f"must not begin with /{first}, which is a path of the page itself", "prefix")
    return prefix


def _address(table: ConfigTable, key: str) -> str:
    from ipaddress import ip_address  # noqa: PLC0415 - needed for this key only

    try:
        return str(ip_address(table.text(key)))
    except ValueError:
        raise table.error('must be one IP address, like "172.30.32.2"', key) from None


def _mqtt(table: ConfigTable) -> MqttConfig:
    table.reject_unknown_keys(
        ("host", "port", "username", *secret_keys("password"), "tls", "topic", "discovery", "prefix", "commands")
    )
    tls = table.flag("tls")
    discovery = table.choice("discovery", _DISCOVERIES) if "discovery" in table else "entities"
    return MqttConfig(
        host=table.text("host"),
        port=table.number("port", 1, 65535) if "port" in table else (8883 if tls else 1883),
        username=table.text_or_none("username"),
        password=table.secret("password"),
        tls=tls,
        topic=_topic(table, "topic", MqttConfig.topic),
        discovery=cast("Discovery", discovery),
        prefix=_topic(table, "prefix", MqttConfig.prefix),
        commands=table.flag("commands"),
    )


def _topic(table: ConfigTable, key: str, default: str) -> str:
    if key not in table:
        return default
    topic = table.text(key).strip("/")
    if not topic or set(topic) & set("+#") or not topic.isprintable():
        raise table.error('must be a topic like "heliograph", without + and #', key)
    return topic


def _pvoutput(table: ConfigTable) -> PvOutputConfig:
    table.reject_unknown_keys(("plant", "system", *secret_keys("key"), "url"))
    key = table.secret("key")
    if key is None:
        raise table.error("is missing from this pvoutput; it is the API key of your PVOutput settings", "key")
    return PvOutputConfig(
        plant=table.text("plant"),
        system=table.text("system"),
        key=key,
        url=_url(table) if "url" in table else PvOutputConfig.url,
    )


def _influx(table: ConfigTable) -> InfluxConfig:
    known = ("url", *secret_keys("token"), "org", "bucket", "database", "username", *secret_keys("password"))
    table.reject_unknown_keys((*known, "measurement", "device_metrics"))
    second = "org" in table or "bucket" in table or bool(table.secret_key("token"))
    if second == ("database" in table):
        raise table.error("needs org, bucket and token (version 2), or database (version 1)", "url")
    token = table.secret("token")
    if second and token is None:
        raise table.error("is missing from this influx", "token")
    return InfluxConfig(
        url=_url(table),
        token=token,
        org=table.text("org") if second else None,
        bucket=table.text("bucket") if second else None,
        database=None if second else table.text("database"),
        username=table.text_or_none("username"),
        password=table.secret("password"),
        measurement=table.text("measurement") if "measurement" in table else InfluxConfig.measurement,
        device_metrics=table.flag("device_metrics", default=True),
    )


def _webhook(table: ConfigTable) -> WebhookConfig:
    table.reject_unknown_keys(("url", *secret_keys("secret"), "plants"))
    return WebhookConfig(
        url=_url(table), secret=table.secret("secret"), plants=table.texts("plants", 'plant ids, like ["1234567"]')
    )


def _url(table: ConfigTable) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415 - needed for URLs only

    text = table.text("url")
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or not text.isprintable() or " " in text:
        raise table.error('must be an address like "https://example.com/path"', "url")
    if parts.username or parts.password:
        raise table.error("must not contain a password; use its own key", "url")
    return text.rstrip("/")
