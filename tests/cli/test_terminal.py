"""Wrapping and colours of terminal output."""

import io

import pytest

from heliograph.cli.main import run
from heliograph.cli.prompt import TerminalPrompt
from heliograph.cli.terminal import paint, print_error, wrap


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Screen()


TEXT = "heliograph: the cloud refused the user name or the password; check both, and /a/path/that/is-long"


def test_wrap_breaks_at_words_with_hanging_indent(screen):
    lines = wrap(TEXT, screen).split("\n")
    assert all(len(line) <= 50 for line in lines)
    assert [line[:2] for line in lines] == ["he", "  "]
    assert " ".join(line.strip() for line in lines) == TEXT
    assert wrap("    " + TEXT, screen).split("\n")[1].startswith("      ")


def test_wrap_never_breaks_a_word(screen):
    word = "/a/path/that/is-much-longer-than-the-terminal-is-wide/config.toml"
    assert word in wrap(f"cannot write {word} now", screen)


def test_wrap_leaves_a_pipe_unchanged(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    assert wrap(TEXT, io.StringIO()) == TEXT


def test_print_error_wraps_on_a_terminal(screen, monkeypatch):
    monkeypatch.setattr("sys.stderr", screen)
    print_error(TEXT)
    assert all(len(line) <= 50 for line in screen.getvalue().splitlines())


def test_terminal_prompt_wraps_a_long_question_at_words(screen, monkeypatch):
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr("sys.stdin", io.StringIO("eu\n"))
    assert (
        TerminalPrompt().text("Region (eu, us, cn, au, smten, atess, mobile-eu, mobile-us)", "--server", "eu") == "eu"
    )
    assert screen.getvalue().splitlines() == ["Region (eu, us, cn, au, smten, atess, mobile-eu,", "  mobile-us) [eu]: "]


@pytest.mark.parametrize("words", [["settings", "set"], ["setup"], ["service", "install"], ["emulate"], []])
def test_help_at_a_terminal_is_wrapped_at_words(screen, monkeypatch, words):
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        run([*words, "--help"])
    lines = screen.getvalue().splitlines()
    assert [line for line in lines if len(line) > 80 and len(line.split()) > 1] == []


def test_usage_error_at_a_terminal_is_wrapped_at_words(screen, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", screen)
    with pytest.raises(SystemExit):
        run(["settings", "undo"])
    assert all(len(line) <= 80 for line in screen.getvalue().splitlines())


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_paint_only_colours_a_terminal_that_wants_it(screen, monkeypatch, variable, value):
    assert paint("ok", "ok", screen) == "\x1b[32mok\x1b[0m"
    assert paint("ok", "ok", io.StringIO()) == "ok"
    monkeypatch.setenv(variable, value)
    assert paint("ok", "ok", screen) == "ok"
