"""Records which texts of errors and repairs the tests have made Home Assistant show."""

from __future__ import annotations

from collections import defaultdict
from functools import wraps

from custom_components.heliograph import config_flow, source
from homeassistant.helpers import issue_registry as ir

from homeassistant import exceptions

DOMAIN = "heliograph"

REACHED: dict[str, set[str]] = defaultdict(set)
"""The translation keys that were used, by their group in the translations."""


def record(monkeypatch):
    """Record keys until the patches are undone."""
    created = exceptions.HomeAssistantError.__init__

    @wraps(created)
    def create(self, *args, **options):
        created(self, *args, **options)
        # A door's own error is not shown: the coordinator or a form says it in other words.
        if options.get("translation_domain") == DOMAIN and not isinstance(self, source.SourceError):
            REACHED["exceptions"].add(options["translation_key"])

    monkeypatch.setattr(exceptions.HomeAssistantError, "__init__", create)
    report = ir.async_create_issue

    @wraps(report)
    def create_issue(hass, domain, issue_id, **options):
        report(hass, domain, issue_id, **options)
        if domain == DOMAIN:
            REACHED["issues"].add(options["translation_key"])

    monkeypatch.setattr(ir, "async_create_issue", create_issue)
    for group, flow in (("config", config_flow.HeliographConfigFlow), ("options", config_flow.HeliographOptionsFlow)):
        monkeypatch.setattr(flow, "async_show_form", _recorded(f"{group}.error", flow.async_show_form))


def _recorded(group, show):
    @wraps(show)
    def show_form(self, **options):
        REACHED[group].update((options.get("errors") or {}).values())
        return show(self, **options)

    return show_form
