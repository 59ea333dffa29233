"""The sending program with apprise, against real receivers: HTTP like ntfy, SMTP, and one that hangs."""

import asyncio
import json
import smtplib
import socket
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec

import pytest

from heliograph.alarms.notify import SEND_COMMAND, AlarmMessage, AlarmNotifier
from heliograph.config.alarms import AlarmsConfig
from heliograph.core.redact import Secret
from support.http_service import Service
from support.smtp_server import SmtpServer

MESSAGE = AlarmMessage("Heliograph: no data from the plant", "No data from the plant: Roof, since 12:00.")
needs_apprise = pytest.mark.skipif(find_spec("apprise") is None, reason="apprise is not installed: heliograph[alerts]")


def send(*addresses, timeout=60.0):
    notifier = AlarmNotifier(AlarmsConfig(services=Secret("\n".join(addresses))), timeout=timeout)
    return [(one.name, one.accepted) for one in asyncio.run(notifier.send(MESSAGE))]


@needs_apprise
def test_message_reaches_a_service_like_ntfy():
    with closing(Service()) as service:
        port = service.url.rpartition(":")[2].strip("/")
        assert send(f"ntfy://user:hunter2@127.0.0.1:{port}/roof") == [("service 1 (ntfy)", True)]
        (request,) = service.requests
    assert b"No data from the plant: Roof" in request.body


@needs_apprise
def test_message_reaches_a_mail_server():
    with SmtpServer() as server:
        address = f"mailto://127.0.0.1:{server.port}?from=a@example.com&to=b@example.com&mode=insecure"
        assert send(address) == [("service 1 (mailto)", True)]
        (message,) = server.messages
    assert "no data from the plant" in message


@needs_apprise
def test_service_that_hangs_and_an_unknown_address_do_not_affect_another():
    with socket.create_server(("127.0.0.1", 0)) as silent, closing(Service()) as service:
        hanging = f"json://127.0.0.1:{silent.getsockname()[1]}/"
        found = send(hanging, "hunter2", service.url.replace("http", "json", 1), timeout=20.0)
    assert found == [("service 1 (json)", False), ("service 2", False), ("service 3 (json)", True)]


@pytest.mark.skipif(find_spec("apprise") is not None, reason="apprise is installed")
def test_sending_without_apprise_names_the_extra():
    message = json.dumps({"services": ["ntfy://a/b"], **MESSAGE._asdict()})
    done = subprocess.run(SEND_COMMAND, input=message, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert json.loads(done.stdout) == [0, False, "apprise is not installed: pip install 'heliograph[alerts]'"]


def test_mail_server_of_these_tests_accepts_a_message():
    with SmtpServer() as server:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=30) as client:
            client.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\nhello")
        assert "hello" in server.messages[0]


def test_sending_program_imports_no_part_of_the_collector():
    code = "import sys, heliograph.alarms.send; print([m for m in sys.modules if m[11:] in ('collect', 'store')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
