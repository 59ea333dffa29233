"""Questions to the user: at a terminal, or answered by defaults where there is none."""

from __future__ import annotations

import sys
import warnings
from getpass import GetPassWarning, getpass
from typing import TYPE_CHECKING, Protocol

from heliograph.cli.clients import is_interactive
from heliograph.cli.terminal import printable, wrap
from heliograph.core.redact import Secret
from heliograph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


class Prompt(Protocol):
    """Asks questions; `option` is the command line option that answers one."""

    interactive: bool

    def text(
        self, question: str, option: str, default: str | None = None, check: Callable[[str], str] = str.strip
    ) -> str:
        """Return an answer that passes `check`, which returns it in its final form or raises `ConfigError`."""

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return the answer to a yes-or-no question."""

    def secret(self, question: str, name: str) -> Secret:
        """Return a secret, which is not echoed; an empty one if nothing was entered. `name`: "password" or "token"."""


class TerminalPrompt:
    """Asks at the terminal, again after an invalid answer."""

    interactive = True

    def text(
        self, question: str, option: str, default: str | None = None, check: Callable[[str], str] = str.strip
    ) -> str:
        while True:
            answer = _input(f"{question}{f' [{default}]' if default else ''}: ") or (default or "")
            try:
                if not answer and default is None:
                    raise ConfigError("an answer is needed")  # noqa: TRY301 - shown like any invalid answer
                return check(answer)
            except ConfigError as error:
                print(printable(f"  {error}"))

    def confirm(self, question: str, *, default: bool) -> bool:
        while True:
            answer = _input(f"{question} [{'Y/n' if default else 'y/N'}]: ").lower()
            if answer in ("", "y", "yes", "n", "no"):
                return answer.startswith("y") if answer else default
            print("  answer y or n")

    def secret(self, question: str, name: str) -> Secret:
        try:
            with warnings.catch_warnings():
                # Without this, getpass would echo the password if it cannot switch the echo off.
                warnings.simplefilter("error", GetPassWarning)
                return Secret(getpass(f"{question}: "))
        except GetPassWarning:
            raise ConfigError(f"this terminal cannot hide the {name}; use --{name}-stdin instead") from None
        except EOFError:
            return Secret("")


class DefaultPrompt:
    """Answers with the default; raises `ConfigError` with the option that answers a question without one."""

    interactive = False

    def text(
        self, question: str, option: str, default: str | None = None, check: Callable[[str], str] = str.strip
    ) -> str:
        if default is None:
            raise ConfigError(f"no {question[:1].lower()}{question[1:]} given; use {option}")
        return check(default)

    def confirm(self, question: str, *, default: bool) -> bool:
        return default

    def secret(self, question: str, name: str) -> Secret:
        raise ConfigError(f"no terminal to ask for the {name}; use --{name}-stdin and write one line to standard input")


def create_prompt(*, defaults: bool = False) -> Prompt:
    """Return a prompt at the terminal, or one that answers with defaults if wanted or if there is no terminal."""
    return TerminalPrompt() if is_interactive() and not defaults else DefaultPrompt()


def read_secret_line(name: str) -> Secret:
    """Read a secret from the first line of standard input; arguments would be visible in the process list."""
    try:
        line = sys.stdin.readline()
        line.encode()
    except UnicodeError:
        raise ConfigError(f"the {name} is not text in this system's encoding; nothing was saved") from None
    return Secret(line.rstrip("\r\n"))


def _input(text: str) -> str:
    try:
        return input(f"{wrap(printable(text.rstrip()))} ").strip()
    except EOFError:
        print()
        raise ConfigError("the input has ended; nothing more was saved") from None
    except UnicodeError:
        raise ConfigError("the answer is not text in this system's encoding") from None
