"""Recording of an account: its reads are made one after the other, within its budget, and what they return is kept."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from heliograph.core.pseudonyms import Pseudonyms
from heliograph.emulator.recording.bundle import Bundle, Exchange, RecordedDevice
from heliograph.emulator.request import parse_request
from heliograph.errors import CloudError, ConfigError, LoginFailed, Throttled
from heliograph.vendors.base import load

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from heliograph.core.endpoint import Call
    from heliograph.core.session import Request, Response
    from heliograph.model import DeviceSnapshot, Snapshot
    from heliograph.vendors.base import VendorInfo


class RecordingFull(Exception):
    """The recording has as many requests as it may have."""


class RecordingOptions(NamedTuple):
    """Limits of a recording."""

    max_requests: int = 60
    """Requests that are sent, logins included."""
    pause: float = 2.0
    """Seconds between two requests."""
    plants: tuple[str, ...] = ()
    """Ids of the plants to record; all if empty."""
    keep: tuple[str, ...] = ()
    """Keys whose texts are not replaced."""


class RecordingTransport:
    """A blocking transport that records what another one sends and receives, without headers and cookie values."""

    def __init__(
        self,
        send: Callable[..., Response],
        options: RecordingOptions,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._send = send
        self._options = options
        self._sleep = sleep
        self._answers: dict[tuple[str, str, bytes | None], Response] = {}
        self.call = ""
        """Name of the call that the next requests belong to."""
        self.sent = 0
        self.exchanges: list[Exchange] = []
        self.origins: set[str] = set()

    def send(self, request: Request, timeout: float, clock: Callable[[], float]) -> Response:
        """Send a request, after the pause; an equal request is answered with the recorded response."""
        key = (request.verb, request.url, request.body)
        if request.is_login:
            self._answers.clear()
        elif key in self._answers:
            return self._answers[key]
        if self.sent >= self._options.max_requests:
            raise RecordingFull
        if self.sent:
            self._sleep(self._options.pause)
        self.sent += 1
        response = self._send(request, timeout, clock)
        if response.status < 400:
            self._answers[key] = response
        parts = urlsplit(request.url)
        self.origins.add(f"{parts.scheme}://{parts.netloc}")
        self.exchanges.append(_exchange(self.call, request, response))
        return response


def _exchange(call: str, request: Request, response: Response) -> Exchange:
    parts = urlsplit(request.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() == "content-type"}
    parsed = parse_request(request.verb, target, headers, request.body or b"", "")
    cookies = tuple(line.partition("=")[0].strip() for line in response.cookies)
    fields = {} if request.is_login else dict(parsed.arguments)
    return Exchange(
        "login" if request.is_login else call,
        request.verb,
        parsed.path,
        fields,
        response.status,
        _json(response.body),
        cookies,
        request.is_login,
    )


def _json(body: bytes) -> Any:
    """Return the JSON of a body, None for anything else, such as a web page, which cannot be masked reliably."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if _is_flat(found, _DEEPEST) else None


_DEEPEST = 60
"""Objects inside objects; no known response has more than ten."""


def _is_flat(data: Any, levels: int) -> bool:
    items = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return levels > 0 and all(_is_flat(item, levels - 1) for item in items)


class Recording(NamedTuple):
    """The masked recordings of an account, one per API, and what was masked."""

    bundles: tuple[Bundle, ...]
    pseudonyms: Pseudonyms
    requests: int
    snapshots: tuple[Snapshot, ...]
    """Models and firmware of the recorded plants, not masked."""
    stopped: str = ""
    """Why it ended early."""


def record_account(
    info: VendorInfo,
    apis: Sequence[tuple[str, Any]],
    transport: RecordingTransport,
    options: RecordingOptions,
    *,
    version: str,
    secrets: Iterable[str] = (),
    key: bytes | None = None,
) -> Recording:
    """Make the reads of an account and return them masked.

    `apis` are its clients, which send over `transport`, each with the name of its API; an empty name leaves the
    choice to the client. A login is recorded too. A call that fails is noted, and the next one follows; a rejected
    login, a lock or a limit ends the recording with what there is. Raises the error if nothing could be read. `key`
    makes the pseudonyms repeatable, for recordings of emulated accounts.
    """
    reads = load(info.recording) if info.recording else None
    parts: list[_Part] = []
    stopped = ""
    for name, client in apis:
        part = _Part(name, client, len(transport.exchanges))
        parts.append(part)
        try:
            _record_api(reads, part, transport, options)
        except RecordingFull:
            stopped = f"the limit of {options.max_requests} requests is reached; --max-requests allows more"
        except (Throttled, LoginFailed) as error:
            if all(row.is_login for row in transport.exchanges):
                raise
            stopped = str(error)
        part.dialect = (reads.dialect_of(client) if reads else "") or name or "api"
        part.exchanges = part.exchanges_of(transport)
        if stopped:
            break
    private = [*secrets, *(text for part in parts for text in part.private())]
    for part in parts:
        others = part.unrecorded()
        part.exchanges = [
            row._replace(body=without_rows_of(row.body, others))
            for row in part.exchanges
            if others.isdisjoint(row.fields.values())
        ]
    is_vendor_url = _vendor_urls(info, parts, transport.origins)
    at = datetime.fromtimestamp(parts[0].client.session.server_time, UTC)
    pseudonyms = Pseudonyms(private, keep=options.keep, is_vendor_url=is_vendor_url, key=key, recorded_at=at)
    for part in parts:
        for exchange in part.exchanges:
            pseudonyms.learn(exchange.body)
    bundles = tuple(_bundle(info.name, part, pseudonyms, version) for part in parts if part.exchanges)
    _check(bundles, private)
    snapshots = tuple(one for part in parts for one in part.snapshots)
    return Recording(bundles, pseudonyms, transport.sent, snapshots, stopped)


def without_rows_of(data: Any, others: Collection[str]) -> Any:
    """Return JSON-ready data without the objects in lists that have the id of one of these plants or devices.

    A replay then has the recorded plants only, so that a client that reads all of them finds their responses.

    >>> without_rows_of({"count": 2, "rows": [{"id": 1234567}, {"id": "7654321"}]}, {"7654321"})
    {'count': 2, 'rows': [{'id': 1234567}]}
    """
    if isinstance(data, dict):
        return {name: without_rows_of(value, others) for name, value in data.items()}
    if isinstance(data, list):
        return [without_rows_of(item, others) for item in data if not _is_about(item, others)]
    return data


def _is_about(item: Any, others: Collection[str]) -> bool:
    return isinstance(item, dict) and any(str(value) in others for value in item.values())


class _Part:
    """The recording of one API in progress."""

    def __init__(self, dialect: str, client: Any, first: int) -> None:
        self.dialect = dialect
        self.client = client
        self.first = first
        self.exchanges: list[Exchange] = []
        self.plants: list[str] = []
        """Ids of the plants that were asked for."""
        self.snapshots: list[Snapshot] = []
        self.problems: list[str] = []

    def exchanges_of(self, transport: RecordingTransport) -> list[Exchange]:
        """Return the exchanges of this API."""
        return transport.exchanges[self.first :]

    def unrecorded(self) -> set[str]:
        """Return the ids of the account's other plants and their devices; short ones could be any number."""
        if not self.plants:
            return set()
        facts = self.client.session.facts
        found = {str(plant) for plant in facts.get("plants") or () if str(plant) not in self.plants}
        # The token API lists the devices of all plants; the client remembers whose they are.
        found |= {serial for serial, plant in facts.get("placed", {}).items() if plant not in self.plants}
        return {one for one in found if len(one) >= _SHORTEST_CHECKED}

    def private(self) -> Iterator[str]:
        """Yield the texts that identify the account, its plants and devices."""
        yield from self.client.session.secrets()
        plants = self.client.session.facts.get("plants") or {}
        yield from (str(text) for pair in plants.items() for text in pair if isinstance(text, str))
        for snapshot in self.snapshots:
            yield from (snapshot.plant.id, snapshot.plant.name or "")
            yield from (one.device.id for one in snapshot.devices)


def _record_api(reads: Any, part: _Part, transport: RecordingTransport, options: RecordingOptions) -> None:
    client = part.client
    if part.dialect != "token":
        # The first request then logs in, so that the recording has a login.
        client.forget()
    transport.call = "plants"
    plants = [plant.id for plant in client.plants()]
    if unknown := [plant for plant in options.plants if plant not in plants]:
        raise ConfigError(f"this account has no plant {unknown[0]!r}; it has: {', '.join(plants) or 'none'}")
    for plant in options.plants or plants:
        part.plants.append(plant)
        snapshot = _read(part, transport, "snapshot", partial(client.snapshot, plant, max_age=0))
        if snapshot is not None:
            part.snapshots.append(snapshot)
    if reads is None:
        return
    for call in reads.calls(reads.dialect_of(client) or part.dialect, part.snapshots):
        path = call.endpoint.route.path.format_map(call.fields)
        _read(part, transport, call.endpoint.name, partial(client.perform, partial(_identity, call)), path)


def _identity(call: Call[Any]) -> Call[Any]:
    return call


def _read(part: _Part, transport: RecordingTransport, name: str, read: Callable[[], Any], path: str = "") -> Any:
    """Return the result of a read, None if it failed; limits and rejected logins are raised."""
    transport.call = name
    try:
        return read()
    except LoginFailed:
        raise
    except CloudError as error:
        if isinstance(error, Throttled):
            if error.account_wide:
                raise
            if path and any(row.path.endswith(path) for row in part.exchanges_of(transport)):
                return None  # the snapshot has sent the same call, within the vendor's interval of equal calls
        problem = f"{name}: {error.message if isinstance(error, Throttled) else type(error).__name__}"
        if problem not in part.problems:
            part.problems.append(problem)
        return None


def _vendor_urls(info: VendorInfo, parts: Iterable[_Part], origins: Collection[str]) -> Callable[[str], bool]:
    """Return the test whether a text is a URL of the vendor's servers, to which a session may be sent."""
    diagnostics = info.diagnostics_module()
    known = [*origins, *("://".join(urlsplit(part.client.session.server)[:2]) for part in parts)]

    def is_vendor_url(text: str) -> bool:
        if not text.startswith(("https://", "http://")):
            return False
        try:
            parts = urlsplit(text)
        except ValueError:
            return False
        is_plain = not parts.query and parts.username is None and parts.path.count("/") <= _MOST_SEGMENTS
        return is_plain and (f"{parts.scheme}://{parts.netloc}" in known or diagnostics.is_known_server(text))

    return is_vendor_url


_MOST_SEGMENTS = 4
"""Slashes in the path of a base URL, at most; longer paths name pictures and documents of a plant."""


def _bundle(vendor: str, part: _Part, pseudonyms: Pseudonyms, version: str) -> Bundle:
    session = part.client.session
    parts = urlsplit(session.server)
    devices = [one for snapshot in part.snapshots for one in snapshot.devices]
    return Bundle(
        vendor=vendor,
        dialect=part.dialect,
        server_path=parts.path,
        recorded_at=datetime.fromtimestamp(round(session.server_time), UTC).isoformat(),
        heliograph=version,
        emulated=parts.hostname in {"127.0.0.1", "localhost", "::1"},
        plants=tuple(pseudonyms.pseudonym(one.plant.id) for one in part.snapshots),
        devices=tuple(_recorded_device(one, part.exchanges, pseudonyms) for one in devices),
        exchanges=tuple(_masked(exchange, pseudonyms) for exchange in part.exchanges),
        problems=tuple(part.problems),
    )


def _recorded_device(one: DeviceSnapshot, exchanges: Iterable[Exchange], pseudonyms: Pseudonyms) -> RecordedDevice:
    """Return family, model and firmware of a device, from its snapshot or from any response about it."""
    about = [row.body for row in exchanges if one.device.id in (*row.fields.values(), *row.path.split("/"))]
    found = {"model": one.measurements.get("model") or one.device.model, "firmware": one.measurements.get("firmware")}
    for name, keys in (("model", _MODEL_KEYS), ("firmware", _FIRMWARE_KEYS)):
        found[name] = found[name] or next((text for key in keys for text in _texts(about, key)), None)
    masked = {name: None if text is None else str(pseudonyms.mask(str(text), name)) for name, text in found.items()}
    return RecordedDevice(one.device.family, masked["model"], masked["firmware"])


_MODEL_KEYS = ("inverterType", "deviceModel", "modelType", "modelText", "model")
_FIRMWARE_KEYS = ("fwVersion", "firmwareVersion", "innerVersion", "fw_version", "inner_version")


def _texts(data: Any, key: str) -> Iterator[str]:
    """Yield the texts of a key anywhere in JSON-ready data."""
    if isinstance(data, dict):
        named = data.get("data") if data.get("code") == key else data.get(key)
        if isinstance(named, str) and named:
            yield named
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _texts(item, key)


def _masked(exchange: Exchange, pseudonyms: Pseudonyms) -> Exchange:
    return exchange._replace(
        path="/".join(map(pseudonyms.mask_sent, exchange.path.split("/"))),
        fields={name: pseudonyms.mask_sent(value) for name, value in exchange.fields.items()},
        body=pseudonyms.mask(exchange.body),
    )


def _check(bundles: Iterable[Bundle], private: Iterable[str]) -> None:
    """Raise `ConfigError` if a known private text is left in a bundle: nothing is then written."""
    recorded = [(row.path, row.fields, row.body) for bundle in bundles for row in bundle.exchanges]
    text = json.dumps(recorded, ensure_ascii=False).casefold()
    for secret in private:
        pattern = rf"(?<![^\W_]){re.escape(secret.casefold())}(?![^\W_])"
        if len(secret) >= _SHORTEST_CHECKED and re.search(pattern, text):
            raise ConfigError(
                "a known name, id or token of the account would be left in the recording, so none is written; please "
                "report this as a bug, with the vendor but without the value"
            )


_SHORTEST_CHECKED = 6
"""Characters of a text that the last check searches for: shorter ones also occur by chance."""
