"""`heliograph run`: the collector, the page and the outputs in one program."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heliograph.cli.collect import add_collector_options, collect_accounts
from heliograph.cli.console import PollLines, log_to_console
from heliograph.cli.logs import log_to_stderr
from heliograph.cli.options import add_command, load_config, store_location
from heliograph.cli.serve import add_page_options, page_config
from heliograph.cli.supervisor import BackgroundTask

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from heliograph.collect.poller import AccountPoller
    from heliograph.store.threaded import StoreThread

_EXAMPLES = """\
  heliograph run                       the page is at http://127.0.0.1:8765/
  heliograph run --port 8000
  heliograph run --log json            one JSON object per event, for log collectors
"""


def add_run(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "run", _EXAMPLES, run)
    add_page_options(parser)
    add_collector_options(parser, ("auto", "text", "json"))


def run(options: Namespace) -> int:
    """Collect and serve until SIGTERM or Ctrl-C, then write everything that was fetched."""
    config = load_config(options)
    accounts = config.select_accounts(options.account, options.server)
    config = replace(config, serve=page_config(config.serve, options))
    lines = PollLines(sys.stderr) if options.log == "auto" and sys.stderr.isatty() else None
    if lines is None:
        log_to_stderr("json" if options.log == "json" else "text")
    else:
        log_to_console(lines)

    def more_tasks(pollers: Sequence[AccountPoller], store: StoreThread) -> list[BackgroundTask]:
        return [] if lines is None else [BackgroundTask("poll lines", lambda stop: lines.run(pollers, store, stop))]

    where = store_location(options)
    saved = asyncio.run(collect_accounts(config, accounts, where, fill_gaps=options.backfill, more_tasks=more_tasks))
    return 0 if saved else 1
