"""Configuration in the user interface: two doors, new credentials, changes, and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import voluptuous as vol
from homeassistant.config_entries import ConfigEntryState, ConfigFlow, OptionsFlow
from homeassistant.const import (
    CONF_PASSWORD,
    CONF_TIME_ZONE,
    CONF_TOKEN,
    CONF_URL,
    CONF_USERNAME,
    CONF_VERIFY_SSL,
    __version__,
)
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import selector
from homeassistant.helpers.aiohttp_client import async_create_clientsession, async_get_clientsession

from heliograph import transports
from heliograph.errors import HeliographError
from heliograph.settings.permissions import WRITES_PER_DAY
from heliograph.store.base import series_of
from heliograph.vendors import VENDORS

from . import account
from .api import HeliographApi, normalized_address
from .api_source import ApiSource
from .const import (
    CONF_DOOR,
    CONF_INTERVAL,
    CONF_PLANTS,
    CONF_SERVER,
    CONF_VENDOR,
    CONF_WRITES,
    CONF_WRITES_PER_DAY,
    DOMAIN,
    DOOR_ACCOUNT,
    DOOR_API,
)
from .coordinator import nodes_of
from .model import TOPICS
from .problems import problem_key
from .source import SourceError
from .versions import is_supported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeassistant.config_entries import ConfigEntry, ConfigFlowResult

_PASSWORD = selector.TextSelector(selector.TextSelectorConfig(type=selector.TextSelectorType.PASSWORD))
_URL = selector.TextSelector(selector.TextSelectorConfig(type=selector.TextSelectorType.URL))
_TEXT = selector.TextSelector()
_API_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_URL): _URL,
        vol.Optional(CONF_TOKEN): _PASSWORD,
        vol.Required(CONF_VERIFY_SSL, default=True): selector.BooleanSelector(),
    }
)


class HeliographConfigFlow(ConfigFlow, domain=DOMAIN):
    """Set up an entry: a Heliograph of the user's, or an account of a cloud."""

    VERSION = 1

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which door."""
        if not is_supported(__version__):
            return self.async_abort(reason="core_too_old")
        return self.async_show_menu(step_id="user", menu_options=[DOOR_API, DOOR_ACCOUNT])

    async def async_step_account(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which cloud."""
        return self.async_show_menu(step_id="account", menu_options=list(VENDORS))

    async def async_step_api(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for address and token of a Heliograph."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            data, errors, placeholders = await self._checked_api(user_input)
            if not errors:
                await self.async_set_unique_id(data[CONF_URL])
                self._abort_if_unique_id_configured()
                return self.async_create_entry(title=urlsplit(data[CONF_URL]).netloc, data=data)
        return self._form("api", _API_SCHEMA, user_input, errors, placeholders)

    async def async_step_growatt(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the credentials of a Growatt account."""
        return await self._account_step("growatt", user_input)

    async def async_step_goodwe(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the credentials of a GoodWe account."""
        return await self._account_step("goodwe", user_input)

    async def _account_step(self, vendor: str, user_input: dict[str, Any] | None) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            data = _account_data(vendor, user_input)
            if errors := _incomplete(data):
                return self._form(vendor, self._account_schema(vendor), user_input, errors, placeholders)
            await self.async_set_unique_id(await self.hass.async_add_executor_job(account.unique_id, data))
            self._abort_if_unique_id_configured()
            plants, errors, placeholders = await self._checked_account(data, log_in=False)
            if not errors:
                if other := self._account_entry_of(plants):
                    return self.async_abort(reason="plants_known", description_placeholders={"entry": other.title})
                title = f"{VENDORS[vendor].title} {data.get(CONF_USERNAME, '')}".strip()
                return self.async_create_entry(title=title, data=data)
        return self._form(vendor, self._account_schema(vendor), user_input, errors, placeholders)

    def _account_entry_of(self, plants: list[str]) -> ConfigEntry | None:
        """Return the account's entry that already shows all these plants, by a token instead of a password perhaps."""
        for entry in self._async_current_entries(include_ignore=False):
            if entry.data[CONF_DOOR] == DOOR_ACCOUNT and entry.disabled_by is None:
                devices = dr.async_entries_for_config_entry(dr.async_get(self.hass), entry.entry_id)
                if {node for device in devices for node in nodes_of(device)}.issuperset(plants):
                    return entry
        return None

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin to ask for a new token or password."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a new token or password."""
        entry = self._get_reauth_entry()
        names = [CONF_TOKEN] if entry.data[CONF_DOOR] == DOOR_API else _secrets_of(entry.data)
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            data, errors, placeholders = await self._checked(entry, {**entry.data, **user_input})
            if not errors:
                return await self._changed(entry, data)
        schema = vol.Schema({vol.Required(name): _PASSWORD for name in names})
        return self._form("reauth_confirm", schema, {}, errors, {**placeholders, "entry": entry.title})

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a changed address, region or credentials of the same thing."""
        entry = self._get_reconfigure_entry()
        is_api = entry.data[CONF_DOOR] == DOOR_API
        step = "reconfigure" if is_api else "reconfigure_account"
        schema = _API_SCHEMA if is_api else self._account_schema(entry.data[CONF_VENDOR])
        return await self._reconfigure(entry, step, schema, user_input)

    async def async_step_reconfigure_account(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Take the changed credentials of an account."""
        entry = self._get_reconfigure_entry()
        schema = self._account_schema(entry.data[CONF_VENDOR])
        return await self._reconfigure(entry, "reconfigure_account", schema, user_input)

    async def _reconfigure(
        self, entry: ConfigEntry, step: str, schema: vol.Schema, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            is_api = entry.data[CONF_DOOR] == DOOR_API
            wanted = user_input if is_api else _account_data(entry.data[CONF_VENDOR], user_input)
            errors = {} if is_api else _incomplete(wanted)
            data = wanted
            if not errors:
                data, errors, placeholders = await self._checked(entry, wanted)
            if not errors:
                return await self._changed(entry, data)
        # A secret is never shown; an empty field would remove it, so it is asked for again.
        shown = {key: value for key, value in entry.data.items() if key not in (CONF_PASSWORD, CONF_TOKEN)}
        return self._form(step, schema, user_input or shown, errors, {**placeholders, "entry": entry.title})

    @staticmethod
    @callback
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:  # noqa: ARG004 - Home Assistant's own
        """Return the flow of an entry's options."""
        return HeliographOptionsFlow()

    def _form(
        self,
        step: str,
        schema: vol.Schema,
        user_input: Mapping[str, Any] | None,
        errors: dict[str, str],
        placeholders: Mapping[str, str],
    ) -> ConfigFlowResult:
        shown = {key: value for key, value in (user_input or {}).items() if key not in (CONF_PASSWORD, CONF_TOKEN)}
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(schema, shown),
            errors=errors,
            description_placeholders=dict(placeholders),
        )

    def _account_schema(self, vendor: str) -> vol.Schema:
        info = VENDORS[vendor]
        region = selector.SelectSelector(
            selector.SelectSelectorConfig(
                options=list(info.regions),
                custom_value=True,
                mode=selector.SelectSelectorMode.DROPDOWN,
                translation_key="region",
            )
        )
        by_name = vol.Optional if info.token_client else vol.Required
        fields: dict[Any, Any] = {by_name(CONF_USERNAME): _TEXT, by_name(CONF_PASSWORD): _PASSWORD}
        if info.token_client:
            fields[vol.Optional(CONF_TOKEN)] = _PASSWORD
        default = info.suggested_region(self.hass.config.time_zone) if info.zone_regions else info.regions[0]
        fields[vol.Required(CONF_SERVER, default=default)] = region
        if info.fixed_utc_offset:
            fields[vol.Required(CONF_TIME_ZONE, default=self.hass.config.time_zone)] = _TEXT
        return vol.Schema(fields)

    async def _checked(
        self, entry: ConfigEntry, data: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
        """Return data that works for an existing entry, or errors with their placeholders."""
        if entry.data[CONF_DOOR] == DOOR_API:
            return await self._checked_api(data)
        plants, errors, placeholders = await self._checked_account(data, log_in=True)
        if not errors:
            registry = dr.async_get(self.hass)
            devices = dr.async_entries_for_config_entry(registry, entry.entry_id)
            known = {node for device in devices for node in nodes_of(device)}
            accounts = {data.get(CONF_USERNAME, ""), entry.data.get(CONF_USERNAME, "")}
            if len(accounts) > 1 and known and not known & set(plants):
                errors = {"base": "other_account"}
        return data, errors, placeholders

    async def _checked_api(
        self, user_input: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
        """Read the state once over the API."""
        try:
            address = normalized_address(user_input[CONF_URL])
        except ValueError:
            return {}, {CONF_URL: "invalid_url"}, {}
        data = {**user_input, CONF_DOOR: DOOR_API, CONF_URL: address}
        session = async_get_clientsession(self.hass, verify_ssl=data.get(CONF_VERIFY_SSL, True))
        try:
            await ApiSource(HeliographApi(session, address, data.get(CONF_TOKEN, ""))).read()
        except SourceError as error:
            field = CONF_TOKEN if error.key == "invalid_token" else "base"
            return {}, {field: error.key}, dict(error.translation_placeholders or {})
        return data, {}, {}

    async def _checked_account(
        self, data: Mapping[str, Any], *, log_in: bool
    ) -> tuple[list[str], dict[str, str], dict[str, str]]:
        """Fetch the plants of an account; `log_in` sends a login even if the same password was refused before.

        The session is stored, so that the entry needs no second login.
        """
        session = async_create_clientsession(self.hass, auto_cleanup=False, cookie_jar=aiohttp.DummyCookieJar())
        try:
            client = await self.hass.async_add_executor_job(
                account.create_client, self.hass, data, transports.aiohttp(session)
            )
            if log_in:
                await client.log_in()
            plants = await client.plants()
        except HeliographError as error:
            return [], {"base": problem_key(error)}, {}
        finally:
            session.detach()
        nodes = [TOPICS.node_id(series_of(plant)) for plant in plants]
        return nodes, {} if nodes else {"base": "no_plants"}, {}

    async def _changed(self, entry: ConfigEntry, data: dict[str, Any]) -> ConfigFlowResult:
        """Store the data of an existing entry, unless another entry has the same address or account."""
        if data[CONF_DOOR] == DOOR_API:
            unique_id = str(data[CONF_URL])
        else:
            unique_id = await self.hass.async_add_executor_job(account.unique_id, data)
        others = self.hass.config_entries.async_entries(DOMAIN)
        if any(one.unique_id == unique_id and one.entry_id != entry.entry_id for one in others):
            return self.async_abort(reason="already_configured")
        is_changed = self.hass.config_entries.async_update_entry(entry, data=data, unique_id=unique_id)
        if not is_changed or entry.state is not ConfigEntryState.LOADED:
            # Otherwise the listener of the loaded entry does it; from 2026.12 on, core refuses to do both.
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_abort(reason=f"{self.source}_successful")


class HeliographOptionsFlow(OptionsFlow):
    """Which plants, how often, and whether settings may be changed."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for all options."""
        entry = self.config_entry
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if entry.data[CONF_DOOR] == DOOR_ACCOUNT:
            info = VENDORS[entry.data[CONF_VENDOR]]
            minimum, usual = info.intervals(by_token=account.reads_by_token(entry.data))
            placeholders = {"minimum": f"{minimum.total_seconds() / 60:g}", "usual": f"{usual.total_seconds() / 60:g}"}
            if user_input is not None:
                interval = user_input.get(CONF_INTERVAL)
                if interval is not None and interval * 60 < minimum.total_seconds():
                    errors = {CONF_INTERVAL: "interval_too_short"}
        if user_input is not None and not errors:
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(self._schema(), user_input or entry.options),
            errors=errors,
            description_placeholders=placeholders,
        )

    def _schema(self) -> vol.Schema:
        entry = self.config_entry
        coordinator = getattr(entry, "runtime_data", None)
        choices = dict(coordinator.plant_choices) if coordinator is not None else {}
        choices |= {node: node for node in entry.options.get(CONF_PLANTS, ()) if node not in choices}
        options = [selector.SelectOptionDict(value=node, label=title) for node, title in choices.items()]
        plants = selector.SelectSelector(
            selector.SelectSelectorConfig(options=options, multiple=True, mode=selector.SelectSelectorMode.DROPDOWN)
        )
        fields: dict[Any, Any] = {vol.Optional(CONF_PLANTS): plants}
        if entry.data[CONF_DOOR] == DOOR_ACCOUNT:
            minutes = selector.NumberSelectorConfig(
                min=1, max=1440, step=1, unit_of_measurement="min", mode=selector.NumberSelectorMode.BOX
            )
            writes = selector.NumberSelectorConfig(min=1, max=1000, step=1, mode=selector.NumberSelectorMode.BOX)
            fields[vol.Optional(CONF_INTERVAL)] = selector.NumberSelector(minutes)
            fields[vol.Required(CONF_WRITES, default=False)] = selector.BooleanSelector()
            fields[vol.Required(CONF_WRITES_PER_DAY, default=WRITES_PER_DAY)] = selector.NumberSelector(writes)
        return vol.Schema(fields)


def _account_data(vendor: str, user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an account's entry; empty fields are left out."""
    texts = {key: value.strip() if key != CONF_PASSWORD else value for key, value in user_input.items()}
    return {CONF_DOOR: DOOR_ACCOUNT, CONF_VENDOR: vendor, **{key: value for key, value in texts.items() if value}}


def _incomplete(data: Mapping[str, Any]) -> dict[str, str]:
    """Return an error if neither a token nor a user name with its password is given, or if one of these is missing."""
    if bool(data.get(CONF_USERNAME)) != bool(data.get(CONF_PASSWORD)):
        return {"base": "password_and_username"}
    if not data.get(CONF_USERNAME) and not data.get(CONF_TOKEN):
        return {"base": "no_credentials"}
    return {}


def _secrets_of(data: Mapping[str, Any]) -> list[str]:
    return [name for name in (CONF_PASSWORD, CONF_TOKEN) if data.get(name)]
