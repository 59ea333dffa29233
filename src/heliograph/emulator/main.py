"""The emulator as a program: prints one line of JSON, then serves until SIGTERM or SIGINT."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, tzinfo
from errno import EADDRINUSE
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from heliograph.core.installation import extra_command
from heliograph.emulator.app import Emulator
from heliograph.emulator.clock import SimulatedClock
from heliograph.emulator.faults import parse_fault_options
from heliograph.emulator.weather import STEP_SECONDS
from heliograph.emulator.world import World
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.emulator.api import Emulation
    from heliograph.emulator.server import ServedApplication


class EmulatorOptions(NamedTuple):
    """Start options of the emulator."""

    port: int = 0
    second_port: int = 0
    host: str = "127.0.0.1"
    start: datetime | None = None
    """Default: now."""
    speed: float = 1.0
    seed: int = 7
    accounts: int = 2
    faults: tuple[str, ...] = ()
    zone: tzinfo | None = None
    """Default: the fixed offset of `start`."""
    extra_plants: tuple[str, ...] = ()
    """Optional plant families that each account of their cloud has as well."""


def build_emulator(options: EmulatorOptions, emulations: Sequence[Emulation] | None = None) -> Emulator:
    """Create an emulator of all clouds, or of `emulations`."""
    start = options.start or datetime.now().astimezone()
    zone = options.zone or start.tzinfo or UTC
    offset = start.astimezone(zone).utcoffset() or timedelta()
    if offset % timedelta(seconds=STEP_SECONDS):
        raise ConfigError("the UTC offset of --start must be a multiple of 5 minutes")
    world = World(SimulatedClock(start, options.speed), zone, options.seed)
    emulated = load_emulations() if emulations is None else emulations
    _check_extra_plants(options.extra_plants, emulated)
    faults = parse_fault_options(options.faults)
    return Emulator(world, emulated, options.accounts, faults, options.extra_plants)


def _check_extra_plants(extra: Sequence[str], emulated: Sequence[Emulation]) -> None:
    if not extra:
        return
    known = sorted(family for emulation in emulated for family in emulation.optional_families())
    if unknown := [family for family in extra if family not in known]:
        raise ConfigError(f"no emulated cloud has an optional plant {unknown[0]!r}; they are: {', '.join(known)}")


def load_emulations() -> list[Emulation]:
    """Load the emulated clouds of all vendors."""
    return [import_module(info.emulator).EMULATION for info in VENDORS.values()]


def check_packages() -> None:
    """Raise `ConfigError` if the package of the extra is not installed."""
    if find_spec("h11") is None:
        raise ConfigError(f"the emulator needs h11, which is not installed: {extra_command('emulator')}")


def run_emulator(options: EmulatorOptions, emulations: Sequence[Emulation] | None = None) -> int:
    """Serve the emulated clouds until SIGTERM or SIGINT."""
    check_packages()
    return serve_until_stopped(build_emulator(options, emulations), options)


def serve_until_stopped(application: ServedApplication, options: EmulatorOptions) -> int:
    """Serve until SIGTERM or SIGINT; the one line on standard output has the URLs and the accounts."""
    import asyncio  # noqa: PLC0415 - not needed to create an emulator
    import signal  # noqa: PLC0415

    check_packages()

    from heliograph.emulator.server import serve  # noqa: PLC0415

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(stop.set))
        ports = (options.port, options.second_port)
        await serve(application, options.host, ports, lambda line: print(json.dumps(line), flush=True), stop)

    try:
        asyncio.run(main())
    except OSError as error:
        wanted = " and ".join(str(port) for port in (options.port, options.second_port) if port) or "0"
        # asyncio adds the address, which the sentence contains already.
        why = (error.strerror or str(error)).rpartition("): ")[2]
        advice = "; another program uses it. Port 0 selects a free port" if error.errno == EADDRINUSE else ""
        raise ConfigError(f"cannot listen on {options.host} port {wanted}: {why}{advice}") from error
    return 0
