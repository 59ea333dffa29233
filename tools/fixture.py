"""Makes fixtures of recordings: of bundles by `heliograph record`, or of the emulated families.

python tools/fixture.py my-recording/growatt-password --source "issue 123"
python tools/fixture.py --emulated

A fixture is a folder in tests/fixtures/recordings: the recording in one file, where it comes from, and the values that
the replayed account has now, for a person to compare with the vendor's app. docs/supported.md is derived from them.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heliograph import GoodWe, Growatt, GrowattToken, __version__
from heliograph.emulator.clouds.goodwe import EMULATION as GOODWE_CLOUD
from heliograph.emulator.clouds.growatt import EMULATION as GROWATT_CLOUD
from heliograph.emulator.clouds.growatt.openapi.context import token_of
from heliograph.emulator.main import EmulatorOptions, build_emulator
from heliograph.emulator.recording.bundle import Bundle, read_bundle
from heliograph.emulator.recording.recorder import Recording, RecordingOptions, RecordingTransport, record_account
from heliograph.emulator.recording.replay import USER, Replay
from heliograph.emulator.server import serve_in_thread
from heliograph.transports import send
from heliograph.vendors import VENDORS
from heliograph.vendors.growatt.openapi import limits as token_limits
from heliograph.vendors.growatt.portal import GrowattPortal

if TYPE_CHECKING:
    from collections.abc import Iterator

SERIAL_NUMBERS = {"datalogger"}
"""Device metrics that a recording replaces by pseudonyms."""
FOLDER = Path(__file__).parent.parent / "tests" / "fixtures" / "recordings"
NOON = "2026-06-21T12:02:00+02:00"
MAX_REQUESTS = 45

CLIENTS: dict[str, Any] = {
    "password": Growatt,
    "portal": GrowattPortal,
    "token": GrowattToken,
    "legacy": GoodWe,
    "plus": GoodWe,
}


class EmulatedRecording(NamedTuple):
    """One plant of the emulated clouds, and the API it is recorded through."""

    vendor: str
    dialect: str
    family: str


EMULATED = (
    *(EmulatedRecording("growatt", "password", family) for family in ("tlx", "tlx-battery", "mix", "spa", "inverter")),
    *(EmulatedRecording("growatt", "password", family) for family in ("storage", "noah", "nexa")),
    *(EmulatedRecording("growatt", "token", family) for family in ("max", "sph-s", "wit")),
    EmulatedRecording("growatt", "portal", "spa"),
    *(EmulatedRecording("goodwe", "legacy", family) for family in ("single", "hybrid", "meter", "several")),
    *(EmulatedRecording("goodwe", "plus", family) for family in ("single", "hybrid", "meter", "several")),
)


class LiveRecording(NamedTuple):
    """A recording of an emulated plant, with what its account had at that time."""

    recording: Recording
    values: dict[str, Any]
    secrets: tuple[str, ...]


def record_emulated(row: EmulatedRecording, faults: tuple[str, ...] = ()) -> LiveRecording:
    """Record one emulated plant over a socket."""
    is_growatt = row.vendor == "growatt"
    optional = tuple({row.family} & set(GROWATT_CLOUD.optional_families())) if is_growatt else ()
    options = EmulatorOptions(
        start=datetime.fromisoformat(NOON), speed=0, accounts=1, extra_plants=optional, faults=faults
    )
    emulator = build_emulator(options, [GROWATT_CLOUD if is_growatt else GOODWE_CLOUD])
    account = emulator.accounts[0]
    plant = next(one for one in account.plants if one.family == row.family)
    secrets = (token_of(account),) if row.dialect == "token" else (account.username, account.password)
    limits = RecordingOptions(max_requests=MAX_REQUESTS, pause=0.0, plants=(plant.id,))
    transport = RecordingTransport(send, limits)
    token_limits.GAP = 0.0  # the second between two calls does not change what an emulated cloud returns
    with serve_in_thread(emulator) as ready:
        client = CLIENTS[row.dialect](
            *secrets,
            server=ready["url"],
            keeper=None,
            transport=transport,
            clock=lambda: emulator.world.clock.now().timestamp(),
        )
        if not is_growatt:
            client.session.facts["dialect"] = row.dialect
        recording = record_account(
            VENDORS[row.vendor],
            [(row.dialect, client)],
            transport,
            limits,
            version=__version__,
            secrets=secrets,
            key=b"emulated",
        )
    private = (*secrets, plant.id, plant.name, *plant.devices)
    return LiveRecording(recording, snapshot_values(recording.snapshots[0]), private)


def snapshot_values(snapshot: Any) -> dict[str, Any]:
    """Return what a snapshot says about a plant, without its id and name, and without serial numbers."""
    values = snapshot.as_dict()
    devices = [
        {
            "family": one.device.family,
            "status": one.status and one.status.value,
            **{name: value for name, value in sorted(one.measurements.items()) if name not in SERIAL_NUMBERS},
        }
        for one in snapshot.devices
    ]
    return {name: values[name] for name in values if name not in {"plant", "name"}} | {"devices": devices}


@contextmanager
def replayed(bundle: Bundle) -> Iterator[Any]:
    """Serve a bundle and yield a client of it."""
    replay = Replay(bundle, speed=0)
    secrets = (USER,) if bundle.dialect == "token" else (USER, USER)
    with serve_in_thread(replay) as ready:
        yield CLIENTS[bundle.dialect](
            *secrets, server=ready["url"], keeper=None, clock=lambda: replay.now().timestamp()
        )


def replayed_values(bundle: Bundle) -> dict[str, Any]:
    """Return the values of the recorded plants, in the order of the recording."""
    with replayed(bundle) as client:
        return {plant: snapshot_values(client.snapshot(plant, max_age=0)) for plant in bundle.plants}


def write_fixture(bundle: Bundle, folder: Path, source: str) -> Path:
    """Write the fixture of a bundle, or renew it, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row._asdict(), ensure_ascii=False, separators=(",", ":")) for row in bundle.exchanges]
    index = json.dumps(bundle.index_data(), ensure_ascii=False, indent=1)
    text = f'{index[:-2]},\n "responses": [\n' + ",\n".join(lines) + "\n]}\n"
    (folder / "recording.json").write_text(text, encoding="utf-8", errors="replace")
    provenance = "emulated" if bundle.emulated else "recorded"
    about = {"provenance": provenance, "source": source, "recorded_at": bundle.recorded_at}
    toml = "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in about.items())
    (folder / "about.toml").write_text(toml, encoding="utf-8")
    expected = json.dumps(replayed_values(bundle), ensure_ascii=False, indent=1)
    (folder / "expected.json").write_text(expected + "\n", encoding="utf-8")
    return folder


def fixture_name(bundle: Bundle) -> str:
    """Return the usual name of a bundle's fixture: vendor, API, and families of its devices."""
    families = "-".join(dict.fromkeys(device.family for device in bundle.devices))
    return f"{bundle.vendor}-{bundle.dialect}-{families or 'empty'}"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", type=Path, help="folder of a bundle")
    parser.add_argument("--emulated", action="store_true", help="renew the fixtures of all emulated families")
    parser.add_argument("--name", help="name of the fixture (default: vendor, API and families)")
    parser.add_argument("--source", default="", help="where the recording comes from, such as the issue it is in")
    options = parser.parse_args()
    if options.emulated == (options.bundle is not None):
        parser.error("give the folder of a bundle, or --emulated")
    if options.emulated:
        for row in EMULATED:
            (bundle,) = record_emulated(row).recording.bundles
            folder = FOLDER / f"emulated-{row.vendor}-{row.dialect}-{row.family}"
            print(write_fixture(bundle, folder, "python tools/fixture.py --emulated"))
        return 0
    bundle = read_bundle(options.bundle)
    if not bundle.emulated and not options.source:
        parser.error("a recording of a real account needs --source: who may be asked about it, or the issue")
    print(write_fixture(bundle, FOLDER / (options.name or fixture_name(bundle)), options.source or "the emulator"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
