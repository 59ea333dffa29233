"""`heliograph serve`: show what the store holds, to a browser and to other programs, until told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heliograph.cli.concurrency import stop_on_signals
from heliograph.cli.options import add_command, add_store_option, load_config, store_location
from heliograph.errors import ConfigError, HeliographError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from heliograph.config import Account, ServeConfig
    from heliograph.current import AccountStatus

_EXAMPLES = """\
  heliograph serve                                      the page and the API, for this machine only
  heliograph serve --open
  heliograph serve --host 0.0.0.0 --token-file token    for the whole house; a token opens it
  curl http://127.0.0.1:8765/api/v1/plants
  curl http://127.0.0.1:8765/metrics
"""
_NEEDS = ("starlette", "uvicorn", "h11", "htpy", "youplot", "anyio", "markupsafe")


def add_serve(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "serve", _EXAMPLES, serve, accounts=False)
    parser.add_argument("--host", help="the address to listen on; usually 127.0.0.1, which is this machine only")
    parser.add_argument("--port", type=int, help="the port to listen on; usually 8765, and 0 takes a free one")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="a file with the token that opens the page")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_store_option(parser)


def serve(options: Namespace) -> int:
    """Listen until SIGTERM or Ctrl-C."""
    import asyncio  # noqa: PLC0415 - help needs no event loop

    config = load_config(options)
    where, chosen = store_location(options), _chosen(config.serve, options)

    async def listen() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await serve_store(
            chosen, where, AccountStatusProvider(config.accounts), stop, ready=_ready(open_it=options.open)
        )

    asyncio.run(listen())
    return 0


def serve_store(config: ServeConfig, where: str, accounts: Any, stop: Any, **more: Any) -> Coroutine[Any, Any, None]:
    """Return what serves a store until stopped; whoever has not installed what it needs is told."""
    try:
        from heliograph.web.server import serve as listen  # noqa: PLC0415 - an extra that may not be installed
    except ModuleNotFoundError as error:
        needed = (error.name or "").partition(".")[0]
        if needed not in _NEEDS:
            raise
        raise ConfigError(f"the page needs {needed}, which is not installed: pip install 'heliograph[web]'") from None
    return listen(config, where, accounts, stop, **more)


class AccountStatusProvider:
    """Accounts as they are by what their keeper remembers, asked again whenever somebody looks; nothing is sent.

    `problems` tells, by an account's name, what its last poll failed with, where this program polls it.
    """

    def __init__(self, accounts: Sequence[Account], problems: Callable[[], Mapping[str, Exception]] = dict) -> None:
        self._accounts = accounts
        self._problems = problems

    def __call__(self) -> tuple[AccountStatus, ...]:
        """Return every account there is."""
        problems = self._problems()
        return tuple(_now(one, problems.get(one.name)) for one in self._accounts)


def _now(account: Account, problem: Exception | None) -> AccountStatus:
    from heliograph.cli.clients import create_client  # noqa: PLC0415 - help needs no clouds
    from heliograph.current import AccountStatus  # noqa: PLC0415 - nor plants

    budget = None
    try:
        budget = create_client(account).budget
    except HeliographError as error:
        problem = problem or error
    told = None if problem is None else str(problem)
    return AccountStatus(name=account.name, vendor=account.vendor, budget=budget, problem=told)


def _chosen(serve: ServeConfig | None, options: Namespace) -> ServeConfig:
    """Return what is configured, but for what the options say."""
    from dataclasses import replace  # noqa: PLC0415 - help needs none

    from heliograph.config import ServeConfig  # noqa: PLC0415 - as above

    given: dict[str, Any] = {}
    if options.host is not None:
        given["host"] = options.host
    if options.port is not None:
        given["port"] = options.port
    if options.token_file is not None:
        given["token"] = _token(options.token_file)
    return replace(serve or ServeConfig(), **given)


def _token(path: Path) -> Any:
    from heliograph.core.redact import Secret  # noqa: PLC0415 - few name a file

    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    if not text:
        raise ConfigError(f"{path} is empty; write a token into it")
    return Secret(text)


def _ready(*, open_it: bool) -> Callable[[str], None]:
    def ready(address: str) -> None:
        print(f"heliograph listens on {address}", flush=True)
        if open_it:
            import webbrowser  # noqa: PLC0415 - few ask for it

            webbrowser.open(address)

    return ready
