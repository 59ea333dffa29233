"""Selection of declared reads by the arguments that are known, for recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heliograph.core.endpoint import endpoints

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from heliograph.core.endpoint import Call, Endpoint


def declared_reads(declarations: type, left_out: Collection[str] = ()) -> list[Endpoint[..., Any]]:
    """Return the declared JSON queries without logins, in their order."""
    return [
        endpoint
        for endpoint in endpoints(declarations)
        if not (endpoint.route.command or endpoint.route.is_login or endpoint.route.is_html)
        and endpoint.name not in left_out
    ]


def calls_about(
    declared: list[Endpoint[..., Any]], subject: Mapping[str, Any], given: Mapping[str, Any], word: str = ""
) -> Iterator[Call[Any]]:
    """Yield the calls that take an argument of `subject` and whose other required arguments are all `given`.

    With an empty `subject`, those without any required argument. `word` is a word of the call's name.
    """
    known = {**given, **subject}
    for endpoint in declared:
        parameters = endpoint.signature.parameters
        required = {name for name, one in parameters.items() if one.default is one.empty}
        is_about = not subject.keys().isdisjoint(parameters) if subject else not required
        if is_about and required <= known.keys() and (not word or word in endpoint.name.split("_")):
            arguments = {name: known[name] for name in parameters if name in required or name in subject}
            try:
                yield endpoint.flow(**arguments)
            except ValueError:  # an argument that is optional in the declaration only
                continue
