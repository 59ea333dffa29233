"""The OpenAPI 3.1 document, generated from the same table as the routes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from heliograph import __version__
from heliograph.web import api
from heliograph.web.prefix import url
from heliograph.web.schemas import SCHEMAS, TEXT, Schema, ref

if TYPE_CHECKING:
    from starlette.requests import Request

    from heliograph.web.parameters import QueryParameter

_PATH = f"{api.PREFIX}/openapi.json"


def route() -> Route:
    """Return the route of the document."""
    same = document()

    async def handler(_: Request) -> Response:
        return Response(json.dumps({**same, "servers": [{"url": url("") or "/"}]}), media_type=api.JSON)

    return Route(_PATH, handler)


def document() -> dict[str, Any]:
    """Return the document."""
    paths = {
        api.PREFIX + one.path: _path(one.path, one.meaning, one.parameters, _json(one.schema)) for one in api.CALLS
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliograph",
            "version": __version__,
            "description": "Stored data of all plants. Energies are in kWh, powers in W, states of charge in %. "
            "Times are in UTC; days follow the plant's time zone. null means unknown, never 0.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": {**paths, **_others()},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _content("Error.", "application/problem+json", ref("Problem"))},
        },
    }


def _others() -> dict[str, Any]:
    health = {
        "200": _content("Healthy.", api.JSON, ref("Health")),
        "503": _content("Not healthy.", api.JSON, ref("Health")),
    }
    return {
        _PATH: _path("", "This document.", (), _content("OpenAPI document.", api.JSON, {"type": "object"})),
        f"{api.PREFIX}/events/live": _path(
            "",
            "Changes as server-sent events: `now` with the changed plants, `accounts` with all accounts. A client "
            "that reconnects with Last-Event-ID gets the changes it missed.",
            api.EVENT_PARAMETERS,
            _content("Endless stream of events.", "text/event-stream", TEXT),
        ),
        "/healthz": {
            "get": {
                "summary": "Whether the current state can be read.",
                "responses": {**health, **_PROBLEM},
            }
        },
        "/metrics": _path("", "Current values for Prometheus.", (), _content("Metrics.", "text/plain", TEXT)),
    }


_PROBLEM = {"default": {"$ref": "#/components/responses/Problem"}}


def _path(path: str, meaning: str, parameters: tuple[QueryParameter, ...], response: Any) -> dict[str, Any]:
    named = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in re.findall(r"\{(\w+)\}", path)]
    query = [_parameter(one) for one in parameters]
    same = {"304": {"description": "Not modified."}} if path else {}
    summary, _, rest = meaning.partition(". ")
    return {
        "get": {
            "summary": summary.rstrip("."),
            **({"description": rest} if rest else {}),
            "parameters": [*named, *query],
            "responses": {"200": response, **same, **_PROBLEM},
        }
    }


def _parameter(one: QueryParameter) -> dict[str, Any]:
    commas = {"style": "form", "explode": False} if one.schema.get("type") == "array" else {}
    return {"name": one.name, "in": "query", "description": one.meaning, "schema": one.schema, **commas}


def _json(schema: str) -> dict[str, Any]:
    return _content("Response.", api.JSON, ref(schema))


def _content(meaning: str, kind: str, schema: Schema) -> dict[str, Any]:
    return {"description": meaning, "content": {kind: {"schema": schema}}}
