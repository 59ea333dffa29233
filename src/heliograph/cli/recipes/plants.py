"""The input of a recipe: the user's plants, what they measure, and where other programs find their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from heliograph.cli.formats import slug_of
from heliograph.core.installation import extra_command
from heliograph.current import CurrentState
from heliograph.errors import ConfigError
from heliograph.history import stored_plants
from heliograph.metrics import METRICS
from heliograph.outputs.mqtt.discovery import describe_plant
from heliograph.outputs.mqtt.topics import display_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from heliograph.current import PlantState
    from heliograph.outputs.mqtt.topics import Topics
    from heliograph.store.base import Series, Store

TOKEN = "TOKEN"  # noqa: S105 - a placeholder: a recipe is pasted and shared
_RECENT = 14 * 24 * 3600
_MIN_AGE = 900
_SPARE = 600
"""Seconds for a delayed poll."""


class RecipePlant(NamedTuple):
    """One plant with the metrics it has measured in its last two weeks."""

    series: Series
    title: str
    """One line, without characters that mean something in a comment or a quoted text."""
    slug: str
    """Lower case letters, digits and underscores; unique among the plants."""
    url: str
    """Its current state in the JSON API; empty for a program that does not read it."""
    metrics: frozenset[str]
    entities: Mapping[str, str]
    """The entity ID of each metric, as Home Assistant makes it of the names of device and entity."""
    max_age: int
    """Seconds after which its newest sample is too old to be used."""

    def has(self, *metrics: str) -> bool:
        """Return whether the plant measures all of these metrics."""
        return self.metrics.issuperset(metrics)


class RecipeContext(NamedTuple):
    """The plants, and the addresses of Heliograph's outputs."""

    plants: tuple[RecipePlant, ...]
    base_url: str
    has_token: bool


class RecipeFile(NamedTuple):
    """One file for another program."""

    name: str
    text: str


def load_plants(store: Store, wanted: str | None, base_url: str, topics: Topics, now: int) -> tuple[RecipePlant, ...]:
    """Return the selected plants; raises `ConfigError` if there are none."""
    chosen = {plant.series for plant in stored_plants(store, wanted)}
    states = [state for state in CurrentState(store).plants(now) if state.series in chosen]
    if not states:
        raise ConfigError("the plant has no sample yet; run: heliograph collect")
    slugs = _slugs([(state.title, state.series.plant) for state in states])
    measured = {state.series: _measured(store, state.series, state.measured_at) for state in states}
    return tuple(
        RecipePlant(
            series=state.series,
            title=plain_text(state.title) or plain_text(state.series.plant),
            slug=slug,
            url=base_url and f"{base_url}/api/v1/plants/{state.series.vendor}/{_encode(state.series.plant)}",
            metrics=measured[state.series],
            entities=_entity_ids(topics, state, measured[state.series]),
            max_age=max(_MIN_AGE, round(2 * state.sample_interval + state.arrival_delay) + _SPARE),
        )
        for state, slug in zip(states, slugs, strict=True)
    )


def plain_text(text: str) -> str:
    r"""Return the letters, digits and harmless signs of a name on one line.

    >>> plain_text('Roof "A"\n# --> <b>')
    'Roof A b'
    """
    return " ".join(re.sub(r"[^\w .,+()-]|--", " ", display_text(text)).split())


def _slugs(names: Iterable[tuple[str, str]]) -> list[str]:
    found: list[str] = []
    for title, plant in names:
        slug = slug_of(title) or slug_of(plant) or "plant"
        if slug in found:
            slug = f"{slug}_{slug_of(plant)}"
        while slug in found:
            slug = f"{slug}_2"
        found.append(slug)
    return found


def _entity_ids(topics: Topics, plant: PlantState, metrics: Iterable[str]) -> dict[str, str]:
    device = describe_plant(topics, plant, metrics)
    name = str(device.device_info["name"])
    return {entity.key: f"sensor.{slug_of(f'{name} {entity.name}')}" for entity in device.entities}


def _encode(plant: str) -> str:
    try:
        from heliograph.web.paths import encode_id  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ConfigError(f"the JSON API needs {package}, which is not installed: {extra_command('web')}") from None
    return encode_id(plant)


def _measured(store: Store, series: Series, newest: int | None) -> frozenset[str]:
    if newest is None:
        return frozenset()
    names = tuple(METRICS)
    buckets = list(store.buckets(series, names, newest - _RECENT, newest + 1, _RECENT + 1))
    return frozenset(name for place, name in enumerate(names) if any(one.high[place] is not None for one in buckets))
