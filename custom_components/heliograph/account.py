"""Clients of a cloud account, built from the data of an entry: over Home Assistant's aiohttp, state in its storage."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from homeassistant.const import CONF_PASSWORD, CONF_TIME_ZONE, CONF_TOKEN, CONF_USERNAME
from homeassistant.helpers.aiohttp_client import async_create_clientsession
from homeassistant.helpers.storage import STORAGE_DIR

from heliograph import transports
from heliograph.core.redact import Secret
from heliograph.keeper import Keeper
from heliograph.vendors import VENDORS

from .const import CONF_SERVER, CONF_VENDOR, DOMAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeassistant.core import HomeAssistant

    from heliograph.transports import AsyncTransport
    from heliograph.vendors.base import AsyncSolarClient

_TIMEOUT = 30.0
_COMMAND_TIMEOUT = 90.0
"""A cloud may wait for the device before it answers (docs/settings.md)."""


def storage_folder(hass: HomeAssistant) -> Path:
    """Return the folder of the account states, the stores and the journals; a backup of Home Assistant has it."""
    return Path(hass.config.path(STORAGE_DIR, DOMAIN))


def journal_folder(hass: HomeAssistant) -> Path:
    """Return the folder of the journals of setting changes."""
    return storage_folder(hass) / "orders"


def entry_folder(hass: HomeAssistant, entry_id: str) -> Path:
    """Return the folder of an entry's store."""
    return storage_folder(hass) / entry_id


def transport_of(hass: HomeAssistant) -> AsyncTransport:
    """Return a transport over a session of Home Assistant's that mixes no accounts: without a cookie jar."""
    return transports.aiohttp(async_create_clientsession(hass, cookie_jar=aiohttp.DummyCookieJar()))


def create_client(
    hass: HomeAssistant, data: Mapping[str, Any], transport: AsyncTransport, *, commands: bool = False
) -> AsyncSolarClient:
    """Create the client of an entry's account, for polls or for commands; nothing is sent.

    Imports the vendor and reads files, so not on the event loop. Raises `ConfigError` for a server that is none.
    """
    info = VENDORS[data[CONF_VENDOR]]
    client_type: Any = info.async_client_class()
    credentials: tuple[str | Secret, ...] = (data.get(CONF_USERNAME, ""), Secret(data.get(CONF_PASSWORD, "")))
    more: dict[str, Any] = {}
    if token := data.get(CONF_TOKEN):
        if data.get(CONF_USERNAME):
            more["token"] = Secret(token)
        else:
            client_type, credentials = info.token_client_class(asynchronous=True), (Secret(token),)
    client: AsyncSolarClient = client_type(
        *credentials,
        **more,
        server=data.get(CONF_SERVER, ""),
        zone=data.get(CONF_TIME_ZONE),
        timeout=_COMMAND_TIMEOUT if commands else _TIMEOUT,
        allow_commands=commands,
        keeper=Keeper(storage_folder(hass) / "accounts"),
        # A change is not interrupted half-way, and a person waits for it; polls are spread over the day by the poller.
        interactive=commands,
        self_throttled=not commands,
        transport=transport,
    )
    return client


def account_key(data: Mapping[str, Any]) -> str:
    """Return a text that identifies the account, whatever its entry is named; imports the vendor."""
    info = VENDORS[data[CONF_VENDOR]]
    server = info.client_class().resolve_server(data.get(CONF_SERVER, ""))
    who = data.get(CONF_USERNAME, "").strip().casefold()
    if not who:
        who = info.token_client_class(asynchronous=False).account_name(Secret(data[CONF_TOKEN]))
    return f"{info.name} {server} {who}"


def unique_id(data: Mapping[str, Any]) -> str:
    """Return the unique id of an account's entry, without personal data; imports the vendor."""
    return f"{data[CONF_VENDOR]}-{sha256(account_key(data).encode()).hexdigest()[:16]}"


def reads_by_token(data: Mapping[str, Any]) -> bool:
    """Return whether the account's polls use an API token."""
    return bool(data.get(CONF_TOKEN))
