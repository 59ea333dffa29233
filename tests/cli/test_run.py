"""`heliograph run`: collector and page in one process, as lines on a terminal and as events in a pipe."""

import io
import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from heliograph.cli.console import PollLines, describe_event, describe_values, poll_lines
from heliograph.collect.freshness import Freshness
from heliograph.current import PlantState
from heliograph.local_time import zone_from_name
from heliograph.store.base import Series
from support.terminal import PROGRAM, terminal

at_terminal = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")


def plant(number=1, **values):
    return PlantState(
        series=Series("growatt", str(number), ""),
        name=f"Roof {number}",
        zone=zone_from_name("UTC"),
        status=None,
        quality=None,
        measured_at=None,
        fetched_at=None,
        freshness=Freshness.LIVE,
        sample_interval=300,
        values=values,
    )


def test_poll_line_describes_the_flow():
    values = {"pv_power": 2340.0, "load_power": 520.0, "battery_power": -1200.0, "battery_soc": 55.0}
    expected = "solar 2.34 kW, house 520 W, battery 55 % charging 1.20 kW, exporting 620 W, today 8.3 kWh"
    assert describe_values(plant(**values, grid_power=-620.0, pv_energy_today=8.3)) == expected


def test_poll_line_omits_unknown_values():
    assert describe_values(plant(pv_power=None, load_power=0.0, grid_power=4.0)) == "house 0 W, no grid exchange"
    assert describe_values(plant()) == "no current values"


def test_poll_lines_of_a_large_account_are_one_line():
    plants = [plant(number, pv_power=1000.0 if number else None) for number in range(8)]
    assert poll_lines("roofs", plants) == ["roofs: 8 plants, solar 7.00 kW from 7 of them"]
    assert len(poll_lines("roofs", plants[:3])) == 3


def test_console_sentence_without_its_fields_falls_back_to_the_fields():
    assert describe_event({"event": "poll.waiting", "account": "home"}) == "poll waiting: account home"
    waiting = {"event": "poll.waiting", "account": "home", "why": "the budget is used", "seconds": 900.0}
    assert describe_event(waiting) == "home: next poll in 15 min: the budget is used"


def test_console_sentence_of_a_history_query_is_in_words():
    facts = {"event": "gapfill.done", "plant": "11", "span": "curve", "period": "2026-06-21", "result": "empty"}
    assert describe_event(facts) == "history of plant 11: power curve 2026-06-21: the cloud has none"


def test_console_sentence_of_a_store_that_is_checked():
    facts = {"event": "store.checking", "path": "/data/solar.sqlite", "why": "the last collector did not end by itself"}
    assert describe_event(facts) == "checking /data/solar.sqlite: the last collector did not end by itself"


def test_console_sentence_is_printable():
    assert "\x1b" not in describe_event({"event": "poll.failed", "account": "home", "why": "\x1b[2J"})


def test_poll_lines_wrap_at_words_below_the_text(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Screen()
    PollLines(screen).print_line(0.0, "growatt: the cloud reports no time zone; set timezone", "warning")
    first, second = screen.getvalue().splitlines()
    assert (first[8:], second) == (
        "  \x1b[33mgrowatt: the cloud reports no time zone; set",
        "          timezone\x1b[0m",
    )


@at_terminal
def test_run_prints_page_and_a_line_per_plant_on_a_terminal(home):
    home.log_in("goodwe", "--server", home.url, "--no-verify")
    with terminal("run", "--port", "0", "--no-backfill", env={"NO_COLOR": "1"}) as (program, until, _):
        until("Collecting 1 account into ")
        until("Page: http://127.0.0.1:")
        shown = until("Hybrid 2")
        address = re.search(r"Page: (http://127.0.0.1:\d+/)", shown)[1]
        with urllib.request.urlopen(address, timeout=60) as response:
            assert b"Hybrid 2" in response.read()
        program.send_signal(signal.SIGINT)
        shown = until("text that never appears")
        assert program.wait(60) == 0
    assert "event=" not in shown
    assert "Traceback" not in shown
    assert re.search(r"^\d\d:\d\d:\d\d  Hybrid 2 +\S", shown, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("log", ["auto", "json"])
def test_run_logs_events_in_a_pipe(home, log):
    home.log_in("goodwe", "--server", home.url, "--no-verify")
    command = [*PROGRAM, "run", "--port", "0", "--no-backfill", "--log", log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        lines = []
        while not any("poll.done" in line for line in lines) and (line := program.stderr.readline()):
            lines.append(line)
        program.terminate()
        out, rest = program.communicate(timeout=60)
    assert (program.returncode, out) == (0, ""), rest
    if log == "json":
        assert {json.loads(line)["event"] for line in lines} >= {"collector.started", "web.listening", "poll.done"}
    else:
        assert any("info event=web.listening address=http://127.0.0.1:" in line for line in lines)


def test_run_without_page_packages_names_the_extra(home):
    home.log_in("goodwe", "--server", home.url, "--no-verify")
    program = "import sys; sys.modules['starlette'] = None; from heliograph.cli.main import run; sys.exit(run(['run']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "pip install 'heliograph[web]'" in done.stderr
    assert "Traceback" not in done.stderr
