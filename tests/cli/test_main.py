"""The command line itself: bare call, misspelt commands, common options before the command, Ctrl-C at the start."""

import subprocess
import sys

import pytest

from heliograph.cli.main import run
from heliograph.cli.options import move_global_options


def test_run_without_command_prints_help(capsys):
    assert run([]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("usage: heliograph")
    assert "show the current values of every plant" in out
    assert err == ""


@pytest.mark.parametrize(("typed", "meant"), [("nwo", "now"), ("colect", "collect"), ("setings", "settings")])
def test_misspelt_command_gets_suggestion(capsys, typed, meant):
    with pytest.raises(SystemExit) as left:
        run([typed])
    assert left.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: '{typed}' is not a command. Did you mean {meant}?\n")


def test_unknown_command_refers_to_help_and_is_made_printable(capsys):
    with pytest.raises(SystemExit):
        run(["\x1b[2Jqqqq" + "q" * 200])
    err = capsys.readouterr().err
    assert "heliograph --help lists them" in err
    assert "\x1b" not in err
    assert "q" * 100 not in err


@pytest.mark.parametrize(
    ("words", "moved"),
    [
        (["--config", "a", "now"], ["now", "--config", "a"]),
        (["--config=a", "--json", "now", "--account", "b"], ["now", "--config=a", "--json", "--account", "b"]),
        (["--config", "a", "now", "--config", "b"], ["now", "--config", "a", "--config", "b"]),
        (["--account", "b", "settings", "show", "X1"], ["settings", "show", "X1", "--account", "b"]),
        (["--account", "b", "call", "growatt", "--", "-x"], ["call", "growatt", "--account", "b", "--", "-x"]),
        (["--config"], ["--config"]),
        (["--help"], ["--help"]),
        ([], []),
    ],
)
def test_move_global_options(words, moved):
    assert move_global_options(words) == moved


def test_config_option_before_command_selects_file(capsys, tmp_path):
    assert run(["--config", str(tmp_path / "mine.toml"), "now"]) == 2
    assert f"{tmp_path / 'mine.toml'} cannot be read" in capsys.readouterr().err


def test_message_without_accounts_is_one_short_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HELIOGRAPH_HOME", str(tmp_path))
    assert run(["now"]) == 2
    err = capsys.readouterr().err
    assert err == f"heliograph: no account is configured in {tmp_path / 'config.toml'}; run: heliograph setup\n"


def test_ctrl_c_during_imports_prints_nothing():
    program = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'heliograph.cli.options': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from heliograph.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
