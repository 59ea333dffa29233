"""The bundle: a folder with one JSON file per recorded response, and an index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
INDEX = "index.json"
_LISTS = frozenset(("plants", "devices", "exchanges", "problems"))


class Exchange(NamedTuple):
    """One recorded request with its response."""

    call: str
    """Name of the declared call."""
    verb: str
    path: str
    fields: Mapping[str, str]
    """Arguments of query and body; none for a login."""
    status: int
    body: Any
    """The JSON of the response; None if it was no JSON and is not recorded."""
    cookies: tuple[str, ...] = ()
    """Names of the cookies that the response set."""
    is_login: bool = False


class RecordedDevice(NamedTuple):
    """One device of the recorded plants."""

    family: str
    model: str | None = None
    firmware: str | None = None


class Bundle(NamedTuple):
    """A recording of one API of one account."""

    vendor: str
    dialect: str
    """Name of the API: "password", "token", "portal", "legacy" or "plus"."""
    server_path: str
    """Path of the server's base URL."""
    recorded_at: str
    """Time of the vendor's clock, ISO 8601 in UTC."""
    heliograph: str
    """Version of the recording program."""
    emulated: bool
    """True if it was recorded from the emulator."""
    plants: tuple[str, ...]
    """Pseudonyms of the ids of the recorded plants."""
    devices: tuple[RecordedDevice, ...]
    exchanges: tuple[Exchange, ...]
    problems: tuple[str, ...] = ()
    """Calls that failed, and what was left out."""

    def index_data(self) -> dict[str, Any]:
        """Return everything but the responses as JSON-ready data."""
        rest = self._replace(exchanges=(), devices=())._asdict()
        del rest["exchanges"]
        return {"format": FORMAT, **rest, "devices": [device._asdict() for device in self.devices]}


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle into a new folder; an existing one is not replaced."""
    try:
        folder.mkdir(mode=0o700, parents=True)
        rows = []
        for number, exchange in enumerate(bundle.exchanges, 1):
            name = f"{number:04}-{exchange.call}.json"
            _write(folder / name, exchange._asdict())
            rows.append(
                {"file": name, "call": exchange.call, "request": f"{exchange.verb} {exchange.path}"}
                | {"status": exchange.status}
            )
        _write(folder / INDEX, bundle.index_data() | {"responses": rows})
    except FileExistsError:
        raise ConfigError(f"{folder} already exists; choose another folder with --output") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}") from None


def _write(path: Path, data: Any) -> None:
    # Responses may contain lone surrogates, which no encoding can express.
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", errors="replace")


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's folder, or the one file of a fixture."""
    try:
        if path.is_dir():
            index = json.loads((path / INDEX).read_text(encoding="utf-8"))
            rows = [
                json.loads((path / Path(row["file"]).name).read_text(encoding="utf-8")) for row in index["responses"]
            ]
        else:
            index = json.loads(path.read_text(encoding="utf-8"))
            rows = index["responses"]
        if index["format"] != FORMAT:
            raise ConfigError(f"{path} has format {index['format']}, and this version reads format {FORMAT}")
        members = {name: index[name] for name in Bundle._fields if name not in _LISTS}
        return Bundle(
            **members,
            plants=tuple(index["plants"]),
            devices=tuple(RecordedDevice(**device) for device in index["devices"]),
            exchanges=tuple(Exchange(**row | {"cookies": tuple(row["cookies"])}) for row in rows),
            problems=tuple(index["problems"]),
        )
    except OSError as error:
        raise ConfigError(f"{path} is no recording: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path} is no recording, or a damaged one ({type(error).__name__}: {error})") from None
