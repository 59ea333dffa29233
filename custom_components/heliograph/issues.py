"""Repairs of one entry: created while something needs the user, removed when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .const import DOMAIN, MINIMUM_CORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from homeassistant.config_entries import ConfigEntry
    from homeassistant.core import HomeAssistant

    from .model import AccountNow, PlantNow, SystemNow

DOCUMENTATION = "https://github.com/heliograph/heliograph/blob/main/docs/home-assistant.md#repairs"


class Issue(NamedTuple):
    """One repair; `key` is that of its texts."""

    key: str
    subject: str
    placeholders: Mapping[str, str]
    is_error: bool = False
    node: str | None = None
    """The device that the repair offers to remove."""


class IssueReporter:
    """Keeps the repairs of an entry equal to its problems."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        self._hass = hass
        self._entry = entry
        self._reported: dict[str, Issue] = {}

    def update(self, system: SystemNow, missing: Mapping[str, str], duplicates: Sequence[tuple[PlantNow, str]]) -> None:
        """Report the problems of a state, and remove the repairs of those that are over.

        `missing` are names of registered devices that the door does not have, by node; `duplicates` are plants that
        another entry shows, with the title of that entry.
        """
        wanted = {f"{self._entry.entry_id}_{one.key}_{one.subject}": one for one in self._issues(system)}
        for node, name in missing.items():
            issue = Issue("device_missing", node, {"name": name}, node=node)
            wanted[f"{self._entry.entry_id}_device_missing_{node}"] = issue
        for plant, other in duplicates:
            placeholders = {"plant": plant.title, "entry": self._entry.title, "other": other}
            issue = Issue("duplicate_plant", plant.node, placeholders)
            wanted[f"{self._entry.entry_id}_duplicate_plant_{plant.node}"] = issue
        for issue_id in self._reported.keys() - wanted.keys():
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        for issue_id, issue in wanted.items():
            if self._reported.get(issue_id) != issue:
                self._create(issue_id, issue)
        self._reported = wanted

    def clear(self) -> None:
        """Remove all repairs of the entry."""
        for issue_id in self._reported:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        self._reported = {}

    def _create(self, issue_id: str, issue: Issue) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            data={"entry_id": self._entry.entry_id, "node": issue.node, **issue.placeholders},
            is_fixable=issue.node is not None,
            learn_more_url=DOCUMENTATION,
            severity=ir.IssueSeverity.ERROR if issue.is_error else ir.IssueSeverity.WARNING,
            translation_key=issue.key,
            translation_placeholders=dict(issue.placeholders),
        )

    def _issues(self, system: SystemNow) -> Iterator[Issue]:
        for account in system.accounts:
            yield from _account_issues(account)
        titles = {plant.series.plant: plant.title for plant in system.plants.values()}
        for account in system.accounts:
            for plant_id, why in account.missing_values.items():
                if plant_id in titles:
                    yield Issue("missing_values", plant_id, {"plant": titles[plant_id], "reason": why})
        registry = er.async_get(self._hass)
        for node, plant in system.plants.items():
            if registry.async_get_entity_id("sensor", "mqtt", f"{node}_freshness"):
                yield Issue("also_mqtt", node, {"plant": plant.title})


def report_old_core(hass: HomeAssistant, version: str) -> None:
    """Report that this Home Assistant is too old; the repair ends with its next start."""
    issue = Issue("core_too_old", "", {"version": version, "minimum": MINIMUM_CORE}, is_error=True)
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue.key,
        is_fixable=False,
        learn_more_url=DOCUMENTATION,
        severity=ir.IssueSeverity.ERROR,
        translation_key=issue.key,
        translation_placeholders=dict(issue.placeholders),
    )


def _account_issues(account: AccountNow) -> Iterator[Issue]:
    who = {"account": account.name}
    if account.pause in ("locked", "blocked") and account.pause_until is not None:
        yield Issue(
            f"account_{account.pause}", account.name, {**who, "until": _local(account.pause_until)}, is_error=True
        )
    elif account.problem_kind is not None:
        yield Issue(account.problem_kind, account.name, {**who, "problem": account.problem or ""}, is_error=True)


def _local(moment: datetime) -> str:
    return f"{dt_util.as_local(moment):%Y-%m-%d %H:%M}"
