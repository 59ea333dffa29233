"""`heliograph alarms`: list, acknowledge and snooze alarms in the store, and test the notification services."""

from __future__ import annotations

import asyncio
import re
import time
from argparse import SUPPRESS
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from heliograph.alarms.model import RULES, AlarmResponse, AlarmState, alarm_data, response_row
from heliograph.alarms.monitor import stored_alarms
from heliograph.cli.options import (
    COMMANDS,
    add_config_option,
    add_parser,
    add_store_option,
    load_config,
    store_location,
)
from heliograph.cli.terminal import print_json, print_wrapped, printable
from heliograph.cli.timefmt import format_local_time
from heliograph.core.installation import extra_command
from heliograph.errors import ConfigError
from heliograph.store import open_store
from heliograph.store.base import Batch

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from heliograph.alarms.model import Alarm

_LIST = """\
  heliograph alarms list
  heliograph alarms list --all --json      also those that are over
"""
_ACK = """\
  heliograph alarms ack 3f9a1c             no further message about this occurrence
  heliograph alarms ack --all
"""
_SNOOZE = """\
  heliograph alarms snooze 3f9a1c --for 3d
  heliograph alarms snooze 3f9a1c          for a day
"""
_TEST = """\
  heliograph alarms test                   send a test message to every configured service
"""
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def add_alarms(commands: Any) -> None:
    """Add the command and its subcommands to the command line."""
    parser = add_parser(commands, "alarms", COMMANDS["alarms"], f"{_LIST}{_ACK}{_SNOOZE}{_TEST}")
    add_config_option(parser)
    add_store_option(parser)
    subcommands = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    listing = _add(subcommands, "list", "list the alarms: what was seen, since when, what to do", _LIST, _list)
    listing.add_argument("--all", action="store_true", help="also alarms that are over")
    for name, sentence, examples, run in (
        ("ack", "acknowledge alarms: no further messages until they are over", _ACK, _ack),
        ("snooze", "silence alarms for a time", _SNOOZE, _snooze),
    ):
        answer = _add(subcommands, name, sentence, examples, run)
        answer.add_argument("ids", nargs="*", metavar="ID", help="the ids of heliograph alarms list")
        answer.add_argument("--all", action="store_true", help="every raised alarm")
        answer.set_defaults(late=("ids",))
        if name == "snooze":
            answer.add_argument("--for", dest="span", metavar="TIME", default="1d", help="12h, 3d or 2w (default: 1d)")
    _add(subcommands, "test", "send a test message to every configured service", _TEST, _test)


def _add(subcommands: Any, name: str, sentence: str, examples: str, run: Callable[[Namespace], int]) -> ArgumentParser:
    parser = add_parser(subcommands, name, sentence, examples)
    parser.add_argument("--json", action="store_true", help="print a list of objects; unknown is null")
    add_config_option(parser)
    add_store_option(parser)
    for action in parser._actions:  # noqa: SLF001 - argparse has no public access
        if action.dest in {"config", "store"}:
            # The option may also precede the subcommand; its default must not override that.
            action.default = SUPPRESS
    parser.set_defaults(run=run)
    return parser


def _list(options: Namespace) -> int:
    now = int(time.time())
    with open_store(store_location(options), create=False) as store:
        alarms = [alarm for alarm in stored_alarms(store) if alarm.is_active or options.all]
    if options.json:
        print_json([alarm_data(alarm, now) for alarm in alarms])
        return 0
    if not alarms:
        print_wrapped("No alarms.")
    for alarm in alarms:
        print_wrapped(*_lines(alarm, now))
    return 0


def _lines(alarm: Alarm, now: int) -> list[str]:
    rule, state, at = RULES[alarm.rule], alarm.state(now), datetime.fromtimestamp(now, UTC)

    def shown(moment: int | None) -> str:
        return format_local_time(datetime.fromtimestamp(moment or 0, UTC), at)

    until = alarm.response.until if alarm.response is not None else None
    times = {
        AlarmState.CLEARED: f"from {shown(alarm.raised_at)} to {shown(alarm.cleared_at)}",
        AlarmState.SNOOZED: f"since {shown(alarm.raised_at)}, snoozed until {shown(until)}",
        AlarmState.ACKNOWLEDGED: f"since {shown(alarm.raised_at)}, acknowledged",
    }.get(state or AlarmState.RAISED, f"since {shown(alarm.raised_at)}")
    lines = [f"{alarm.id}  {rule.severity}: {printable(alarm.title)}: {rule.title}, {times}"]
    lines += [f"  seen: {printable(alarm.seen)}"] if alarm.seen else []
    return lines if state is AlarmState.CLEARED else [*lines, f"  {rule.advice}"]


def _ack(options: Namespace) -> int:
    return _answer(options, "acknowledged", AlarmResponse(at=int(time.time())))


def _snooze(options: Namespace) -> int:
    found = re.fullmatch(r"(\d{1,3}) ?([hdw])", options.span.strip())
    if not found or not int(found[1]):
        raise ConfigError(f"--for is a time like 12h, 3d or 2w, not {options.span!r}")
    now = int(time.time())
    span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    return _answer(options, "snoozed", AlarmResponse(at=now, until=now + int(span.total_seconds())))


def _answer(options: Namespace, done: str, response: AlarmResponse) -> int:
    if bool(options.ids) == options.all:
        raise ConfigError("give the ids of heliograph alarms list, or --all")
    where = store_location(options)
    with open_store(where, create=False) as store:
        active = [alarm for alarm in stored_alarms(store) if alarm.is_active]
    known = {alarm.id: alarm for alarm in active}
    for name in options.ids:
        if name not in known:
            listed = f"; active are: {', '.join(known)}" if known else "; no alarm is active"
            raise ConfigError(f"there is no active alarm {name!r}{listed}")
    chosen = active if options.all else [known[name] for name in dict.fromkeys(options.ids)]
    if chosen:
        with open_store(where) as store:
            store.write(Batch(alarms=[response_row(alarm.key, response) for alarm in chosen]))
    if options.json:
        print_json([{"id": alarm.id, "rule": alarm.rule, "name": alarm.title, "state": done} for alarm in chosen])
    else:
        lines = [f"{alarm.id} {done}: {printable(alarm.title)}: {RULES[alarm.rule].title}" for alarm in chosen]
        print_wrapped(*(lines or ["No alarms."]))
    return 0


def _test(options: Namespace) -> int:
    from heliograph.alarms.notify import AlarmMessage, AlarmNotifier  # noqa: PLC0415 - for this subcommand only

    config = load_config(options).alarms
    if config.services is None:
        raise ConfigError(
            "no notification service is configured; add to the configuration file: [alarms] and notify_file, a file "
            "with one apprise address per line"
        )
    check_apprise()
    message = AlarmMessage("Heliograph: test", "This is a test message. Alarms of your plants are sent like this.")
    results = asyncio.run(AlarmNotifier(config).send(message))
    if options.json:
        print_json([result._asdict() for result in results])
    else:
        print_wrapped(*(f"{one.name}: {'accepted' if one.accepted else one.problem}" for one in results))
    return 0 if results and all(result.accepted for result in results) else 1


def check_apprise() -> None:
    """Raise `ConfigError` if the extra is not installed."""
    if find_spec("apprise") is None:
        raise ConfigError(f"notifications need apprise, which is not installed: {extra_command('alerts')}")
