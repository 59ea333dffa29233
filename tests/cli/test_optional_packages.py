"""The command line in an environment without the optional packages: all of them, or each one by itself."""

import subprocess
import sys
from datetime import date

import pytest

from heliograph.cli import drawing
from heliograph.cli.plain_tables import PlainConsole, PlainGroup, PlainTable, PlainText
from heliograph.model import Quality
from heliograph.store.base import Batch, Day, Series, SeriesInfo
from heliograph.store.sqlite import SqliteStore

OPTIONAL = (
    "aiomqtt", "astral", "h11", "htpy", "keyring", "psycopg", "pyarrow", "rich", "starlette", "uvicorn", "youplot"
)  # fmt: skip
PROGRAM = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))  # importing them raises ModuleNotFoundError
from heliograph.__main__ import main
sys.exit(main())
"""
ROOF = Series("growatt", "11")


def run_without(packages, *words):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(packages), *map(str, words)],
        capture_output=True, encoding="utf-8", timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def file(tmp_path):
    days = [
        Day(ROOF, date(2026, 6, n), {"pv_energy": 10.0 * n}, Quality.LIVE, final=True, written_at=n) for n in (1, 2)
    ]
    with SqliteStore(tmp_path / "samples.sqlite") as store:
        store.write(Batch(days=days, series_info=[SeriesInfo(ROOF, "Südhang")]))
    return tmp_path / "samples.sqlite"


def test_live_values_are_a_table_without_any_optional_package(home):
    home.log_in("growatt", "--server", home.url)
    code, out, err = run_without(OPTIONAL, "now")
    assert (code, err) == (0, "")
    header, second, rule, *lines = out.splitlines()
    assert (header.split()[:3], second.split(), set(rule)) == (["Plant", "Solar", "House"], ["Lifetime"], {"-"})
    assert any("growatt · online · " in line for line in lines)
    assert "\x1b" not in out


def test_history_is_a_table_with_bars_without_any_optional_package(file):
    code, out, err = run_without(OPTIONAL, "history", "--month", "2026-06", "--store", file)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("Südhang   kWh")
    assert next(line for line in lines if "06-02" in line).split()[:2] == ["2026-06-02", "20.0"]
    assert next(line for line in lines if line.startswith("Total")).split() == ["Total", "30.0"]


@pytest.mark.parametrize(
    "words",
    [["--help"], ["export", "--format", "csv", "--from", "2026-06-01", "--resolution", "day"], ["completion", "bash"]],
)
def test_commands_work_without_any_optional_package(file, words):
    code, out, err = run_without(OPTIONAL, *words, *(["--store", file] if words[0] == "export" else []))
    assert (code, err) == (0, "")
    assert out


@pytest.mark.parametrize(
    ("package", "extra", "words"),
    [
        ("h11", "emulator", ["emulate"]),
        ("psycopg", "postgres", ["history", "--store", "postgresql://localhost/none"]),
        ("pyarrow", "parquet", ["export", "--output", "{folder}/x.parquet", "--store", "{folder}/samples.sqlite"]),
        ("htpy", "web", ["serve", "--store", "{folder}/samples.sqlite"]),
        ("starlette", "web", ["serve", "--store", "{folder}/samples.sqlite"]),
        ("uvicorn", "web", ["serve", "--store", "{folder}/samples.sqlite"]),
        ("youplot", "web", ["serve", "--store", "{folder}/samples.sqlite"]),
    ],
)
def test_command_names_the_missing_package_and_its_extra(file, package, extra, words):
    code, out, err = run_without([package], *(word.format(folder=file.parent) for word in words))
    assert (code, out) == (2, "")
    assert package in err
    assert f"pip install 'heliograph[{extra}]'" in err
    assert err.count("\n") == 1


# Plain drawing


def drawn(content, width, capsys):
    console = PlainConsole()
    console.width = width
    console.print(content)
    return capsys.readouterr().out.splitlines()


def test_plain_table_shortens_its_first_column(capsys):
    table = PlainTable(box="-")
    table.add_column("Plant", no_wrap=True, overflow="ellipsis")
    table.add_column("Solar", justify="right")
    table.add_row(PlainText("a long name of a plant"), "1.0 kW")
    table.add_row("屋根の太陽光発電", "12.0 kW")
    assert drawn(table, 20, capsys) == [
        "Plant          Solar", "-" * 20, "a long nam…   1.0 kW", "屋根の太陽…  12.0 kW"
    ]  # fmt: skip


def test_plain_table_wraps_a_folding_column(capsys):
    table = PlainTable()
    for name, overflow in (("Setting", "ellipsis"), ("Allowed", "fold")):
        table.add_column(name, overflow=overflow)
    table.add_row("export", "between zero and one hundred percent")
    table.add_row()
    lines = drawn(table, 30, capsys)
    assert lines == ["Setting  Allowed", "export   between zero and one", "         hundred percent", ""]


def test_plain_group_and_text_have_the_interface_of_rich(capsys):
    text = PlainText.assemble("Page: ", ("http://x", "bold")) + PlainText("!")
    text.append("?", "dim")
    parts = PlainText("\n").join([text, PlainText("second")])
    assert drawn(PlainGroup(parts, PlainText()), 80, capsys) == ["Page: http://x!?", "second", ""]
    assert parts.split()[1].cell_len == 6
    assert not PlainText()
    assert drawing.HAS_RICH
