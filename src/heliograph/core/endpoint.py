"""Declarations of vendor API calls, read by the clients, the emulator, the documentation and the tests.

A declared operation is a class attribute. On the declaring class it is the declaration itself, on a blocking client a
method, on an async client a coroutine method. The decorated function has the public signature; its body only
translates arguments to wire fields:

    @query("GET", "newMixApi.do", MixInfo, result_path="obj", op="getMixInfo")
    def mix_info(self, mix_id: str, plant_id: str | None = None) -> Fields:
        '''Headline values of one hybrid inverter.'''
        return {"mixId": mix_id} | without_none(plantId=plant_id)
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from functools import update_wrapper
from types import FunctionType, MethodType
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
    """HTTP method, path and encoding of one call."""

    verb: Literal["GET", "POST"]
    path: str
    """Appended to the server's base URL; `{name}` is replaced by the field of that name."""
    fixed: Mapping[str, str]
    """Constant query arguments, such as the dispatcher's `op`."""
    encoding: Encoding
    result_path: str
    """Dotted members of the answer that wrap the result; empty if the answer is the result."""
    command: bool
    """True if the call changes something; commands are never sent twice."""
    is_html: bool
    """True if the answer is an HTML page rather than JSON."""
    is_login: bool
    """True if the call opens the session and so needs none."""


class Call(Generic[T_co]):
    """One call with its wire fields, ready to be sent."""

    __slots__ = ("endpoint", "fields")

    def __init__(self, endpoint: Endpoint[Any, T_co], fields: Fields) -> None:
        self.endpoint = endpoint
        self.fields = fields

    def __repr__(self) -> str:
        return f"Call({self.endpoint.name})"


FlowGenerator = Generator[Any, Any, T]
Flow = Call[T] | FlowGenerator[T]
"""The requests behind one operation: a single call, or a generator that yields flows and is sent their results."""


class SyncClientBase:
    """Base of clients whose operations are blocking methods."""

    def perform(self, start: Callable[[], Flow[T]]) -> T:
        """Run the flow that `start` returns and return its result."""
        raise NotImplementedError


class AsyncClientBase:
    """Base of clients whose operations are coroutine methods."""

    async def perform(self, start: Callable[[], Flow[T]]) -> T:
        """Run the flow that `start` returns and return its result."""
        raise NotImplementedError


class RawClientBase(SyncClientBase):
    """Base of blocking clients whose operations return the answer as sent."""


class Operation(Generic[P, T]):
    """Descriptor of one declared operation, either an `Endpoint` or a `CompositeOperation`.

    Read on a class of declarations it returns itself, on a client class a function, on a client a bound method.
    """

    def __init__(self, function: Callable[..., Any], returns: str) -> None:
        self.function = function
        self.name = function.__name__
        self.returns = returns
        """Type of the result, as an annotation."""
        self.__doc__ = function.__doc__
        self._methods: dict[type, Callable[..., Any]] = {}

    @property
    def signature(self) -> inspect.Signature:
        """The public signature, without self."""
        import inspect  # noqa: PLC0415 - slow to import; only the CLI and the documentation need it

        whole = inspect.signature(self.function)
        return whole.replace(parameters=list(whole.parameters.values())[1:], return_annotation=self.returns)

    def flow(self, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        """Return the flow for these arguments."""
        raise NotImplementedError

    def flow_of(self, client: Any, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        """Return the flow for a client, which a declared call does not depend on."""
        return self.flow(*args, **kwargs)

    def perform_on(self, client: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the operation on a client and return its result; awaitable if the client is async."""
        return client.perform(lambda: self.flow_of(client, *args, **kwargs))

    @overload
    def __get__(self, client: None, owner: type[RawClientBase]) -> Callable[Concatenate[Any, P], Any]: ...
    @overload
    def __get__(self, client: None, owner: type[SyncClientBase]) -> Callable[Concatenate[Any, P], T]: ...
    @overload
    def __get__(
        self, client: None, owner: type[AsyncClientBase]
    ) -> Callable[Concatenate[Any, P], Coroutine[object, None, T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: RawClientBase, owner: type) -> Callable[P, Any]: ...
    @overload
    def __get__(self, client: SyncClientBase, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncClientBase, owner: type) -> Callable[P, Coroutine[object, None, T]]: ...
    def __get__(self, client: SyncClientBase | AsyncClientBase | None, owner: type) -> Any:
        method = self._methods.get(owner)
        if method is None:
            if not issubclass(owner, (SyncClientBase, AsyncClientBase)):
                return self
            method = self._methods[owner] = self._method_of(owner)
        return method if client is None else MethodType(method, client)

    def _method_of(self, owner: type) -> Callable[..., Any]:
        """Return the method for a client class, with the declared signature and the real result type."""

        async def call_async(client: AsyncClientBase, /, *args: Any, **kwargs: Any) -> Any:
            return await self.perform_on(client, *args, **kwargs)

        def call(client: SyncClientBase, /, *args: Any, **kwargs: Any) -> Any:
            return self.perform_on(client, *args, **kwargs)

        declared = self.function
        public = FunctionType(
            declared.__code__, declared.__globals__, self.name, declared.__defaults__, declared.__closure__
        )
        public.__kwdefaults__ = declared.__kwdefaults__
        returns = "Any" if issubclass(owner, RawClientBase) else self.returns
        public.__annotations__ = {**declared.__annotations__, "return": returns}
        return update_wrapper(call_async if issubclass(owner, AsyncClientBase) else call, public)


class Endpoint(Operation[P, T]):
    """An operation of one request; `shape` converts the answer to the result."""

    def __init__(self, function: Callable[..., Fields], route: Route, shape: Callable[[Any], T]) -> None:
        # A function is annotated with its result; a payload class is the result.
        annotations = getattr(shape, "__annotations__", {})
        super().__init__(function, str(annotations.get("return", getattr(shape, "__name__", "Any"))))
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
    """An operation of several requests: a generator of flows."""

    owner: type | None = None
    """The class of declarations that its function receives as `self`; None for functions that ignore it."""

    def __init__(self, function: Callable[..., FlowGenerator[T]]) -> None:
        annotation = str(function.__annotations__["return"])
        super().__init__(function, annotation.removeprefix("FlowGenerator[").removesuffix("]"))

    def flow(self, *args: P.args, **kwargs: P.kwargs) -> FlowGenerator[T]:
        generator: FlowGenerator[T] = self.function(self.owner, *args, **kwargs)
        return generator

    def owned_by(self, owner: type) -> Self:
        """Return the same operation for another class of declarations."""
        twin = type(self)(self.function)
        twin.owner = owner
        return twin


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
    """Declare a call that only reads; it is sent again after a renewed login.

    Fields are sent in the query of a GET and in the form of a POST; `encoding` overrides that.
    """
    used: Encoding = encoding or ("query" if verb == "GET" else "form")
    route = Route(verb, path, fixed, used, result_path, command=False, is_html=is_html, is_login=is_login)
    return lambda function: Endpoint(function, route, shape)


def command(
    verb: Literal["GET", "POST"],
    path: str,
    shape: Callable[[Any], T],
    *,
    encoding: Encoding = "form",
    **fixed: str,
) -> Callable[[Declared[P]], Endpoint[P, T]]:
    """Declare a call that changes something; it is never sent twice and needs `allow_commands`."""
    route = Route(verb, path, fixed, encoding, result_path="", command=True, is_html=False, is_login=False)
    return lambda function: Endpoint(function, route, shape)


def composite(function: Callable[Concatenate[Any, P], FlowGenerator[T]]) -> CompositeOperation[P, T]:
    """Declare an operation of several requests: a generator that yields flows and is sent their results."""
    return CompositeOperation(function)


def operations(declarations: type) -> Iterator[Operation[..., Any]]:
    """Yield every declared operation of a class and its bases, in the order of their files; overridden ones once."""
    found: dict[str, Operation[..., Any]] = {}
    for owner in reversed(declarations.__mro__):
        found |= {name: row for name, row in vars(owner).items() if isinstance(row, Operation)}
    yield from found.values()


def endpoints(declarations: type) -> Iterator[Endpoint[..., Any]]:
    """Yield every declared single call."""
    return (row for row in operations(declarations) if isinstance(row, Endpoint))


def without_none(**fields: Any) -> Fields:
    """Return the fields that have a value; a missing argument is not sent."""
    return {key: value for key, value in fields.items() if value is not None}
