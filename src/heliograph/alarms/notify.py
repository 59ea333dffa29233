"""Notifications: which alarms are due, the message about them, and its delivery."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from heliograph.alarms.model import RULES, AlarmState
from heliograph.config.alarms import SEVERITIES
from heliograph.core.redact import SecretMasker, mask_secrets
from heliograph.eventlog import LogEvent
from heliograph.store.base import AlarmRow, Batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from heliograph.alarms.model import Alarm
    from heliograph.config.alarms import AlarmsConfig
    from heliograph.store.base import Store
    from heliograph.store.threaded import StoreThread

SEND_SECONDS = 60.0
"""Seconds after which the sending program is killed."""
REPEAT_SECONDS = 6 * 3600
"""Seconds in which an alarm that comes and goes is announced once."""
RETRY_SECONDS = 15 * 60
SEND_COMMAND = (sys.executable, "-m", "heliograph.alarms.send")
_SENT_KEY, _FAILED_KEY = "notifications", "failed notifications"
_MAX_NAMES = 8

_log = logging.getLogger(__name__)


class SentNotice(NamedTuple):
    """The last announcement of an alarm: the time of that change of its state, and when."""

    change: int
    at: int


class MessageProgress(Protocol):
    """Receives the number of messages and the last problem."""

    sent: int
    problem: str | None


class ServiceResult(NamedTuple):
    """The result of one service; `name` is the kind of its address, without host, user and token."""

    name: str
    accepted: bool
    problem: str = ""


class FailedService(NamedTuple):
    """A service that has not accepted its last messages: how many, when it was tried last, and why."""

    name: str
    times: int
    at: int
    problem: str


def change_of(alarm: Alarm, now: int) -> int | None:
    """Return the time of the change that a person should know; None if there is none, or the person answered."""
    state = alarm.state(now)
    if state is AlarmState.CLEARED:
        return alarm.cleared_at
    if state is not AlarmState.RAISED:
        return None
    snoozed_until = alarm.response.until if alarm.response is not None else None
    return max(alarm.raised_at or 0, snoozed_until or 0)


def due_alarms(
    alarms: Sequence[Alarm], sent: Mapping[str, SentNotice], config: AlarmsConfig, now: int
) -> tuple[Alarm, ...]:
    """Return the alarms to announce now, in one message; none in quiet hours, or while more may follow soon."""
    if _is_quiet(config, now):
        return ()
    allowed = SEVERITIES[: SEVERITIES.index(config.severity) + 1]
    found: list[tuple[int, Alarm]] = []
    for alarm in alarms:
        change, last = change_of(alarm, now), sent.get(alarm.key)
        if change is None or (last is not None and last.change >= change) or RULES[alarm.rule].severity not in allowed:
            continue
        if alarm.cleared_at is not None and (last is None or last.change != _raised_change(alarm, last)):
            # It was over before anybody was notified.
            continue
        if alarm.cleared_at is None and last is not None and now - last.at < REPEAT_SECONDS:
            continue
        found.append((change, alarm))
    if not found or now - min(change for change, _ in found) < config.digest.total_seconds():
        return ()
    return tuple(alarm for _, alarm in found)


def _raised_change(alarm: Alarm, last: SentNotice) -> int | None:
    """Return the announced change if it is one of this occurrence: raised, or raised again after a snooze."""
    return last.change if alarm.raised_at is not None and last.change >= alarm.raised_at else None


def _is_quiet(config: AlarmsConfig, now: int) -> bool:
    if config.quiet is None:
        return False
    local = datetime.fromtimestamp(now, UTC).astimezone(config.zone)
    start, end = config.quiet
    minute = local.hour * 60 + local.minute
    return start <= minute < end if start <= end else minute >= start or minute < end


class AlarmMessage(NamedTuple):
    """One message: the causes, each with the plants it concerns."""

    title: str
    body: str


def message_of(alarms: Sequence[Alarm], zone: tzinfo | None) -> AlarmMessage:
    """Return the message about these alarms, with one paragraph per cause, however many plants it concerns."""
    causes: dict[tuple[str, bool], list[Alarm]] = {}
    for alarm in alarms:
        causes.setdefault((alarm.rule, alarm.is_active), []).append(alarm)
    paragraphs, headings = [], []
    for (name, is_active), concerned in sorted(causes.items(), key=lambda item: not item[0][1]):
        rule, names = RULES[name], [alarm.title for alarm in concerned]
        shown = ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if names[_MAX_NAMES:] else "")
        if not is_active:
            headings.append(f"over: {rule.title}")
            paragraphs.append(f"Over: {rule.title} ({shown}).")
            continue
        headings.append(rule.title)
        since = datetime.fromtimestamp(min(alarm.raised_at or 0 for alarm in concerned), UTC).astimezone(zone)
        seen = f"\nSeen: {concerned[0].seen}." if concerned[0].seen else ""
        paragraphs.append(
            f"{rule.title[:1].upper()}{rule.title[1:]}: {shown}, since {since:%H:%M}.{seen}\n{rule.advice}"
        )
    title = headings[0] if len(headings) == 1 else f"{len(headings)} messages"
    return AlarmMessage(mask_secrets(f"Heliograph: {title}"), mask_secrets("\n\n".join(paragraphs)))


@dataclass(slots=True)
class AlarmNotifier:
    """Announces alarms; the store has what was announced, so that a restart repeats nothing."""

    config: AlarmsConfig
    command: Sequence[str] = SEND_COMMAND
    timeout: float = SEND_SECONDS
    results: tuple[ServiceResult, ...] = ()
    """The results of the last message."""
    progress: MessageProgress | None = None
    """Receives the number of messages and the last problem, for the status page and the metrics."""
    _retry_at: int = field(default=0)

    async def announce(self, alarms: Sequence[Alarm], store: StoreThread, now: int) -> bool:
        """Send one message about what is due; return whether a service accepted one."""
        if self.config.services is None or now < self._retry_at:
            return False
        sent = await store.run(sent_notices)
        due = due_alarms(alarms, sent, self.config, now)
        if not due:
            return False
        self.results = await self.send(message_of(due, self.config.zone))
        failed = [result for result in self.results if not result.accepted]
        for result in failed:
            _log.warning(LogEvent("notification.failed", service=result.name, why=result.problem))
        if self.progress is not None:
            self.progress.sent += len(failed) < len(self.results)
            self.progress.problem = "; ".join(f"{one.name}: {one.problem}" for one in failed) or None
        await store.run(lambda opened: _store_failures(opened, failed, now))
        if not any(result.accepted for result in self.results):
            self._retry_at = now + RETRY_SECONDS
            return False
        _log.info(LogEvent("notification.sent", alarms=len(due)))
        kept = {alarm.key for alarm in alarms}
        notices = {key: notice for key, notice in sent.items() if key in kept}
        notices |= {alarm.key: SentNotice(change_of(alarm, now) or now, now) for alarm in due}
        row = AlarmRow(_SENT_KEY, now, json.dumps(notices), None)
        await store.run(lambda opened: opened.write(Batch(alarms=[row])))
        return True

    async def send(self, message: AlarmMessage) -> tuple[ServiceResult, ...]:
        """Send a message to all services in a process of its own, which is killed if it hangs."""
        assert self.config.services is not None, "there are services"
        addresses = (await asyncio.to_thread(self.config.services.reveal)).split()
        names = [_service_name(number, address) for number, address in enumerate(addresses, 1)]
        masker = SecretMasker(addresses)
        data = json.dumps({"services": addresses, **message._asdict()}).encode()
        del addresses
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self.command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
        )
        results = {name: ServiceResult(name, accepted=False, problem="the service did not answer") for name in names}
        try:
            async with asyncio.timeout(self.timeout):
                await _exchange(process, data, names, results, masker)
        except TimeoutError:
            pass  # the services without a result did not answer
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return tuple(results.values())


async def _exchange(
    process: asyncio.subprocess.Process,
    data: bytes,
    names: Sequence[str],
    results: dict[str, ServiceResult],
    masker: SecretMasker,
) -> None:
    assert process.stdin is not None and process.stdout is not None, "pipes were requested"  # noqa: PT018
    with suppress(ConnectionError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()
    async for line in process.stdout:
        try:
            number, accepted, reason = json.loads(line)
            concerned = names if number == 0 else [names[number - 1]]
        except (ValueError, TypeError, IndexError):
            continue  # a library's own output
        problem = mask_secrets(masker.mask(str(reason)))
        results.update({name: ServiceResult(name, accepted is True, problem) for name in concerned})


def _service_name(number: int, address: str) -> str:
    """Return a name without secrets: the number of the address and its scheme.

    >>> _service_name(1, "ntfy://token@example.com/topic"), _service_name(2, "hunter2")
    ('service 1 (ntfy)', 'service 2')
    """
    scheme, found, _ = address.partition("://")
    return f"service {number} ({scheme})" if found and scheme.isalnum() and len(scheme) <= 20 else f"service {number}"


def sent_notices(store: Store) -> dict[str, SentNotice]:
    """Return what was announced, by the keys of the alarms."""
    for row in store.alarms():
        if row.key == _SENT_KEY:
            with suppress(ValueError, TypeError, AttributeError):
                return {key: SentNotice(*map(int, pair)) for key, pair in json.loads(row.contents or "{}").items()}
    return {}


def failed_services(store: Store) -> tuple[FailedService, ...]:
    """Return the services that did not accept the last message."""
    for row in store.alarms():
        if row.key == _FAILED_KEY:
            with suppress(ValueError, TypeError, AttributeError):
                rows = json.loads(row.contents or "[]")
                return tuple(FailedService(str(name), int(n), int(at), str(why)) for name, n, at, why in rows)
    return ()


def _store_failures(store: Store, failed: Sequence[ServiceResult], now: int) -> None:
    """Store which services failed now; one that accepts a message is no longer counted."""
    before = {one.name: one.times for one in failed_services(store)}
    if before or failed:
        rows = [FailedService(one.name, before.get(one.name, 0) + 1, now, one.problem) for one in failed]
        store.write(Batch(alarms=[AlarmRow(_FAILED_KEY, now, json.dumps(rows), None)]))
