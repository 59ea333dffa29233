"""Declaration of the usual GoodWe call: a POST with JSON arguments and the result in `data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from heliograph.core.endpoint import query

if TYPE_CHECKING:
    from collections.abc import Callable

    from heliograph.core.endpoint import Declared, Endpoint

P = ParamSpec("P")
T = TypeVar("T")


def json_query(
    path: str, shape: Callable[[Any], T], *, is_login: bool = False
) -> Callable[[Declared[P]], Endpoint[P, T]]:
    """Declare a call that only reads."""
    return query("POST", path, shape, encoding="json", result_path="data", is_login=is_login)
