"""`heliograph serve`: serves the web page, the API and the metrics of a store until stopped."""

from __future__ import annotations

import asyncio
import os
import webbrowser
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.clients import create_client, missing_values
from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.options import add_command, add_store_option, load_config, store_location
from heliograph.config import ServeConfig
from heliograph.core.files import data_folder
from heliograph.core.installation import extra_command
from heliograph.core.redact import Secret
from heliograph.current import AccountStatus
from heliograph.errors import ConfigError, HeliographError
from heliograph.tariffs.reader import MoneyReader

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from heliograph.config import Account, Config

_EXAMPLES = """\
  heliograph serve                                      the page and the API, on this machine only
  heliograph serve --open
  heliograph serve --host 0.0.0.0 --token-file token    for the whole network, protected by a token
  curl http://127.0.0.1:8765/api/v1/plants
  curl http://127.0.0.1:8765/metrics
"""
WEB_PACKAGES = ("starlette", "uvicorn", "h11", "htpy", "youplot", "anyio", "markupsafe")
"""Modules that the page imports, also while it answers."""


def add_serve(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "serve", _EXAMPLES, serve, accounts=False)
    add_page_options(parser)
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_store_option(parser)


def add_page_options(parser: ArgumentParser) -> None:
    """Add the options for the page's address and token."""
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 takes a free one (default: 8765)")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="file with the access token")


def serve(options: Namespace) -> int:
    """Listen until SIGTERM or Ctrl-C."""
    config = load_config(options)
    location, web = store_location(options), page_config(config.serve, options)

    def ready(address: str) -> None:
        print(f"heliograph listens on {address}", flush=True)
        if options.open:
            webbrowser.open(address)

    async def listen() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        accounts, money = AccountStatusProvider(config.accounts), money_reader(config)
        await serve_store(web, location, accounts, stop, ready=ready, money=money)

    asyncio.run(listen())
    return 0


def serve_store(
    config: ServeConfig, location: str, accounts: Any, stop: Any, **options: Any
) -> Coroutine[Any, Any, None]:
    """Return a coroutine that serves a store until stopped; raises `ConfigError` if the web extra is missing."""
    # All of them: a package that is imported by the first request would otherwise be missed there.
    for package in WEB_PACKAGES:
        if find_spec(package) is None:
            raise ConfigError(f"the page needs {package}, which is not installed: {extra_command('web')}")
    from heliograph.web.server import serve as listen  # noqa: PLC0415 - an extra

    return listen(config, location, accounts, stop, **options)


def money_reader(config: Config) -> MoneyReader:
    """Return a reader of money at the configured tariffs, for one thread."""
    return MoneyReader(config.tariffs, data_folder(os.environ))


class AccountStatusProvider:
    """Reads the status of accounts from their state files on every call; nothing is sent.

    `problems` returns the error of the last poll by account name, for accounts this program polls.
    """

    def __init__(self, accounts: Sequence[Account], problems: Callable[[], Mapping[str, Exception]] = dict) -> None:
        self._accounts = accounts
        self._problems = problems

    def __call__(self) -> tuple[AccountStatus, ...]:
        """Return the status of every account."""
        problems = self._problems()
        return tuple(_account_status(account, problems.get(account.name)) for account in self._accounts)


def _account_status(account: Account, problem: Exception | None) -> AccountStatus:
    found = AccountStatus(name=account.name, vendor=account.vendor)
    try:
        client = create_client(account)
        found = replace(found, budget=client.budget, missing_values=missing_values(client))
        if account.token is not None and account.has_password:
            found = replace(found, password_budget=create_client(account.password_account()).budget)
    except HeliographError as error:
        problem = problem or error
    return replace(found, problem=None if problem is None else str(problem))


def page_config(serve: ServeConfig | None, options: Namespace) -> ServeConfig:
    """Return the configured settings of the page, overridden by the options."""
    given: dict[str, Any] = {}
    if options.host is not None:
        given["host"] = options.host
    if options.port is not None:
        given["port"] = options.port
    if options.token_file is not None:
        given["token"] = _read_token(options.token_file)
    return replace(serve or ServeConfig(), **given)


def _read_token(path: Path) -> Secret:
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    if not text:
        raise ConfigError(f"{path} is empty; write a token into it")
    return Secret(text)
