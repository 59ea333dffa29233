"""The document of the API (OpenAPI 3.1), made of the same table as its routes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from heliograph import __version__
from heliograph.web import api
from heliograph.web.schemas import SCHEMAS, TEXT, Schema, ref

if TYPE_CHECKING:
    from starlette.requests import Request

    from heliograph.web.parameters import QueryParameter

_PLACE = f"{api.PREFIX}/openapi.json"


def route() -> Route:
    """Return where the document is read."""
    whole = json.dumps(document())

    async def answer(_: Request) -> Response:
        return Response(whole, media_type=api.JSON)

    return Route(_PLACE, answer)


def document() -> dict[str, Any]:
    """Return the whole document."""
    paths = {
        api.PREFIX + one.path: _path(one.path, one.meaning, one.parameters, _json(one.schema)) for one in api.CALLS
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliograph",
            "version": __version__,
            "description": "What the store holds of every plant. Energies are in kWh, powers in W, states of charge "
            "in %. Moments are in UTC; a plant's days are those of its own zone. null is unknown, never 0.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": {**paths, **_others()},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _content("What is wrong.", "application/problem+json", ref("Problem"))},
        },
    }


def _others() -> dict[str, Any]:
    health = {
        "200": _content("All is well.", api.JSON, ref("Health")),
        "503": _content("Something fails.", api.JSON, ref("Health")),
    }
    return {
        _PLACE: _path("", "This document.", (), _content("It.", api.JSON, {"type": "object"})),
        f"{api.PREFIX}/events/live": _path(
            "",
            "Whatever changes, as server-sent events: `now` with the plants that changed, `accounts` with all "
            "accounts. Whoever comes back with Last-Event-ID gets what changed meanwhile.",
            api.EVENT_PARAMETERS,
            _content("Events, without end.", api.EVENTS, TEXT),
        ),
        "/healthz": {"get": {"summary": "Whether the store can be read.", "responses": {**health, **_PROBLEM}}},
        "/metrics": _path("", "Everything, for Prometheus.", (), _content("Metrics.", "text/plain", TEXT)),
    }


_PROBLEM = {"default": {"$ref": "#/components/responses/Problem"}}


def _path(path: str, meaning: str, parameters: tuple[QueryParameter, ...], answer: Any) -> dict[str, Any]:
    named = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in re.findall(r"\{(\w+)\}", path)]
    asked = [_parameter(one) for one in parameters]
    same = {"304": {"description": "As it was when it had this ETag."}} if path else {}
    summary, _, rest = meaning.partition(". ")
    return {
        "get": {
            "summary": summary.rstrip("."),
            **({"description": rest} if rest else {}),
            "parameters": [*named, *asked],
            "responses": {"200": answer, **same, **_PROBLEM},
        }
    }


def _parameter(one: QueryParameter) -> dict[str, Any]:
    commas = {"style": "form", "explode": False} if one.schema.get("type") == "array" else {}
    return {"name": one.name, "in": "query", "description": one.meaning, "schema": one.schema, **commas}


def _json(schema: str) -> dict[str, Any]:
    return _content("The answer.", api.JSON, ref(schema))


def _content(meaning: str, kind: str, schema: Schema) -> dict[str, Any]:
    return {"description": meaning, "content": {kind: {"schema": schema}}}
