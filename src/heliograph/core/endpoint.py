"""The declaration: one row per call of a cloud, read by clients, emulator, docs and tests. The one clever file.

A declared call is a class attribute. Read on the declaring class it is the declaration itself; on a blocking
client it is a method; on an async client an awaitable method. Its signature is the public one, its body only
translates arguments to wire fields:

    @query("GET", "newMixApi.do", MixInfo, inside="obj", op="getMixInfo")
    def mix_info(self, mix_id: str, plant_id: str | None = None) -> Fields:
        '''Headline values of one hybrid inverter.'''
        return {"mixId": mix_id} | given(plantId=plant_id)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    NamedTuple,
    ParamSpec,
    Self,
    TypeVar,
    overload,
)

if TYPE_CHECKING:
    import inspect

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Fields = dict[str, Any]
Encoding = Literal["query", "form", "multipart", "json"]


class Route(NamedTuple):
    """Where a call goes and how its fields travel."""

    verb: Literal["GET", "POST"]
    path: str
    """Joined to the server's address; `{name}` takes the field of that name."""
    fixed: Mapping[str, str]
    """Query arguments that belong to the path: the dispatcher's `op` and the like."""
    encoding: Encoding
    result_path: str
    """Dotted members the answer is wrapped in; empty for a bare answer."""
    command: bool
    """Whether it changes something; commands are never sent twice."""
    is_html: bool
    """Whether the answer is an HTML page rather than JSON."""
    is_login: bool
    """Whether it opens the session, and so needs none."""


class Call(Generic[T_co]):
    """One call ready to be sent: a declaration and its wire fields."""

    __slots__ = ("endpoint", "fields")

    def __init__(self, endpoint: Endpoint[Any, T_co], fields: Fields) -> None:
        self.endpoint = endpoint
        self.fields = fields

    def __repr__(self) -> str:
        return f"Call({self.endpoint.name})"


Flow = Call[T] | Generator[Any, Any, T]
"""What a method comes down to: one call, or a generator that yields plans and is sent their results."""

FlowGenerator = Generator[Any, Any, T]


class SyncClientBase:
    """What a client is whose declared calls are plain methods."""

    def perform(self, plan: Callable[[], Flow[T]]) -> T:
        """Carry the plan and return its result."""
        raise NotImplementedError


class AsyncClientBase:
    """What a client is whose declared calls are awaited."""

    async def perform(self, plan: Callable[[], Flow[T]]) -> T:
        """Carry the plan and return its result."""
        raise NotImplementedError


class RawClientBase(SyncClientBase):
    """A blocking client whose methods hand on the answer as sent."""


class Operation(Generic[P, T]):
    """A declared method; what it plans is up to its two kinds, `Endpoint` and `Sequence`."""

    def __init__(self, declared: Callable[..., Any]) -> None:
        self.function = declared
        self.name = declared.__name__
        self.__doc__ = declared.__doc__

    @property
    def signature(self) -> inspect.Signature:
        """The public signature, without self."""
        import inspect  # noqa: PLC0415 - slow to import, and only help() and the docs ask

        whole = inspect.signature(self.function)
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    def flow(self, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        """Return what to send for these arguments."""
        raise NotImplementedError

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: RawClientBase, owner: type) -> Callable[P, Any]: ...
    @overload
    def __get__(self, client: SyncClientBase, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncClientBase, owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, client: SyncClientBase | AsyncClientBase | None, owner: type) -> Any:
        return self if client is None else _Bound(self, client)


class Endpoint(Operation[P, T]):
    """A call that is one request."""

    def __init__(self, declared: Callable[..., Fields], route: Route, shape: Callable[[Any], T]) -> None:
        super().__init__(declared)
        self.route = route
        self.shape = shape

    def flow(self, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        return Call(self, self.function(None, *args, **kwargs))

    def alias(self, name: str) -> Endpoint[P, T]:
        """Return the same call under a second name."""
        twin: Endpoint[P, T] = Endpoint(self.function, self.route, self.shape)
        twin.name = name
        return twin


class CompositeOperation(Operation[P, T]):
    """A method that needs several requests: a generator of plans."""

    def flow(self, *args: P.args, **kwargs: P.kwargs) -> FlowGenerator[T]:
        steps: FlowGenerator[T] = self.function(None, *args, **kwargs)
        return steps


class _Bound:
    """A declared method of one client."""

    __slots__ = ("_client", "_method")

    def __init__(self, method: Operation[..., Any], client: SyncClientBase | AsyncClientBase) -> None:
        self._method = method
        self._client = client

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        method = self._method
        return self._client.perform(lambda: method.flow(*args, **kwargs))

    @property
    def __signature__(self) -> inspect.Signature:
        return self._method.signature

    @property
    def __name__(self) -> str:
        return self._method.name

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._method.__doc__

    def __repr__(self) -> str:
        return f"<{type(self._client).__name__}.{self._method.name}>"


Declared = Callable[Concatenate[Any, P], Fields]


def query(
    verb: Literal["GET", "POST"],
    path: str,
    shape: Callable[[Any], T],
    *,
    encoding: Encoding | None = None,
    result_path: str = "",
    is_html: bool = False,
    is_login: bool = False,
    **fixed: str,
) -> Callable[[Declared[P]], Endpoint[P, T]]:
    """Declare a call that only reads; it may be sent again after a renewed login.

    Fields travel in the query of a GET and in the form of a POST unless `where` says otherwise.
    """
    travels: Encoding = encoding or ("query" if verb == "GET" else "form")
    return lambda declared: Endpoint(
        declared,
        Route(verb, path, fixed, travels, result_path, command=False, is_html=is_html, is_login=is_login),
        shape,
    )


def command(
    verb: Literal["GET", "POST"],
    path: str,
    shape: Callable[[Any], T],
    *,
    encoding: Encoding | None = None,
    **fixed: str,
) -> Callable[[Declared[P]], Endpoint[P, T]]:
    """Declare a call that changes something; it is never sent twice and needs `allow_commands`."""
    travels: Encoding = encoding or "form"
    return lambda declared: Endpoint(
        declared, Route(verb, path, fixed, travels, result_path="", command=True, is_html=False, is_login=False), shape
    )


def composite(declared: Callable[Concatenate[Any, P], FlowGenerator[T]]) -> CompositeOperation[P, T]:
    """Declare a method that needs several requests: a generator that yields plans and is sent results."""
    return CompositeOperation(declared)


def operations(cloud: type) -> Iterator[Operation[..., Any]]:
    """Yield every declared method of a cloud in the order of its file."""
    for owner in reversed(cloud.__mro__):
        yield from (row for row in vars(owner).values() if isinstance(row, Operation))


def endpoints(cloud: type) -> Iterator[Endpoint[..., Any]]:
    """Yield every declared single call of a cloud."""
    return (row for row in operations(cloud) if isinstance(row, Endpoint))


def without_none(**fields: Any) -> Fields:
    """Return the fields that have a value; a missing argument is not sent at all."""
    return {key: value for key, value in fields.items() if value is not None}
