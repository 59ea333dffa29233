"""`heliograph record`: records what the reads of an account return, with private data replaced."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph import __version__
from heliograph.cli.clients import create_client
from heliograph.cli.concurrency import run_in_thread
from heliograph.cli.options import add_command, load_accounts
from heliograph.cli.terminal import print_json, print_wrapped, printable
from heliograph.errors import ConfigError
from heliograph.vendors import VENDORS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from heliograph.config import Account
    from heliograph.emulator.recording.recorder import Recording, RecordingTransport

_EXAMPLES = """\
  heliograph record --output my-recording
  heliograph record --account roof --output my-recording --max-requests 30
  heliograph record --plant 1234567 --keep deviceTypeText --output my-recording
  heliograph emulate --replay my-recording/growatt-password
"""
_MOST_TEXTS = 12
_LONGEST_PAUSE = 600.0


def add_record(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "record", _EXAMPLES, record)
    parser.add_argument(
        "--output", metavar="FOLDER", type=Path, default=Path("recording"), help="a new folder (default: %(default)s)"
    )
    parser.add_argument(
        "--max-requests", metavar="N", default="60", help="send at most N requests (default: %(default)s)"
    )
    parser.add_argument(
        "--pause", metavar="SECONDS", default="2", help="pause between two requests (default: %(default)s)"
    )
    parser.add_argument(
        "--plant", action="append", default=[], metavar="ID", help="record this plant; repeatable (default: all)"
    )
    parser.add_argument(
        "--keep", action="append", default=[], metavar="KEY", help="do not replace the texts of this key; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def record(options: Namespace) -> int:
    """Record one account, write a bundle per API, and print what was replaced and what was kept."""
    from heliograph.emulator.recording.bundle import write_bundle  # noqa: PLC0415 - keeps --help fast
    from heliograph.emulator.recording.recorder import RecordingOptions, RecordingTransport, record_account  # noqa: PLC0415
    from heliograph.transports import send  # noqa: PLC0415

    limits = RecordingOptions(
        max_requests=int(_number("--max-requests", options.max_requests, 1, 500)),
        pause=_number("--pause", options.pause, 0, _LONGEST_PAUSE),
        plants=tuple(options.plant),
        keep=tuple(options.keep),
    )
    if options.output.exists():
        raise ConfigError(f"{options.output} already exists; choose another folder with --output")
    account = _select_account(options)
    transport = RecordingTransport(send, limits)
    apis = list(_apis(account, transport))
    found: Recording = run_in_thread(
        partial(
            record_account,
            VENDORS[account.vendor],
            apis,
            transport,
            limits,
            version=__version__,
            secrets=list(_secrets(account)),
        )
    )
    folders = []
    for bundle in found.bundles:
        folder = options.output / f"{bundle.vendor}-{bundle.dialect}"
        write_bundle(bundle, folder)
        folders.append(folder)
    (_print_json_summary if options.json else _print_summary)(found, folders)
    return 0 if folders else 1


def _number(option: str, text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ConfigError(f"{option} must be a number from {least:g} to {most:g}, got {text!r}")
    return number


def _select_account(options: Namespace) -> Account:
    accounts = load_accounts(options)
    if len(accounts) > 1:
        names = ", ".join(account.name for account in accounts)
        raise ConfigError(f"several accounts are configured; choose one with --account: {names}")
    if not accounts:
        raise ConfigError("no account is configured; run: heliograph setup")
    return accounts[0]


def _apis(account: Account, transport: RecordingTransport) -> Iterator[tuple[str, Any]]:
    """Yield a client for each API of the account."""
    if not VENDORS[account.vendor].token_client:
        yield "", create_client(account, interactive=True, transport=transport)
        return
    if account.has_password:
        by_password = replace(account.password_account(), portal=False)
        yield "password", create_client(by_password, interactive=True, transport=transport)
    if account.token is not None:
        yield "token", create_client(account.token_account(), interactive=True, transport=transport)
    if account.portal:
        client: Any = create_client(account.password_account(), interactive=True, transport=transport)
        yield "portal", client.portal_api


def _secrets(account: Account) -> Iterator[str]:
    yield account.name if account.name not in VENDORS else ""
    if account.has_password:
        yield from (account.username, account.password.reveal())
    if account.token is not None:
        yield account.token.reveal()
    yield from account.plants


def _print_summary(found: Recording, folders: list[Path]) -> None:
    names = found.pseudonyms
    lines = [f"{found.requests} requests were sent."]
    for bundle, folder in zip(found.bundles, folders, strict=True):
        devices = ", ".join(" ".join(filter(None, device)) for device in bundle.devices) or "no device"
        lines.append(f"{folder}: {len(bundle.exchanges)} responses of {devices}")
        lines += [f"  failed: {problem}" for problem in bundle.problems]
    if found.stopped:
        lines.append(f"The recording ended early: {found.stopped}")
    replaced = ", ".join(f"{key} ({count})" for key, count in sorted(names.masked.items()))
    lines += ["", f"Replaced, by key: {replaced or 'nothing'}", ""]
    if names.kept:
        lines.append("Kept texts, by key:")
        for key, texts in sorted(names.kept.items()):
            more = f" and {len(texts) - _MOST_TEXTS} more" if len(texts) > _MOST_TEXTS else ""
            lines.append(f"  {key}: {', '.join(sorted(texts)[:_MOST_TEXTS])}{more}")
        lines.append("")
    lines.append(
        "Powers, energies and their times are real. Read the files before you share them: they must not contain your "
        "name, address, serial numbers or anything else that you want to keep to yourself."
    )
    print_wrapped(*map(printable, lines))


def _print_json_summary(found: Recording, folders: list[Path]) -> None:
    print_json(
        {
            "requests": found.requests,
            "stopped": found.stopped,
            "bundles": [
                {"folder": str(folder), "responses": len(bundle.exchanges), **bundle.index_data()}
                for bundle, folder in zip(found.bundles, folders, strict=True)
            ],
            "replaced": dict(sorted(found.pseudonyms.masked.items())),
            "kept": {key: sorted(texts) for key, texts in sorted(found.pseudonyms.kept.items())},
        }
    )
