"""The command line as a whole."""

import subprocess
import sys

import pytest

from penstock.cli import errors, root
from penstock.cli.exits import MEANING, Exit
from shared import errors as tree

WORDS = [["topology", name] for name in ("show", "apply", "check")] + [[name] for name in root.COMMANDS]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(penstock, words):
    code, out, _ = penstock(*words, "--help")
    assert code == 0
    if words != ["topology"]:
        assert f"penstock {' '.join(words)}" in out.split("Example", 1)[1]


def test_the_list_of_commands_is_what_each_says_of_itself(penstock):
    _, out, _ = penstock("--help")
    for name in root.COMMANDS:
        assert f"  {name} " in out


def test_exit_codes_are_explained_in_one_place(penstock):
    _, out, _ = penstock("--help")
    for code, meaning in MEANING.items():
        assert f"{int(code):<4} {meaning}" in out
    assert set(MEANING) == set(Exit)


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(penstock):
    code, _, err = penstock("tokn")
    assert code == Exit.USAGE
    assert "did you mean token?" in err.lower()


def test_no_command_shows_the_help(penstock):
    code, out, err = penstock()
    assert "Commands" in out + err
    assert code in (Exit.OK, Exit.USAGE)


def test_the_version_is_shown(penstock):
    code, out, _ = penstock("--version")
    assert (code, out.startswith("penstock ")) == (0, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CommandError("no", Exit.REFUSED), Exit.REFUSED),
        (tree.ConfigurationError("no"), Exit.CONFIGURATION),
        (tree.MissingPlugin("no"), Exit.CONFIGURATION),
        (tree.BusAway("no"), Exit.UNREACHABLE),
        (tree.BusBlocked("no"), Exit.UNREACHABLE),
        (tree.ConfirmTimeout("no"), Exit.UNREACHABLE),
        (tree.PublishRefused("no"), Exit.REFUSED),
        (tree.Unroutable("no"), Exit.REFUSED),
        (tree.PenstockError("no"), Exit.FAILED),
    ],
)
def test_an_error_of_ours_is_its_own_sentence_and_a_code(error, code):
    assert errors.told(error) == ("no", code)


@pytest.fixture
def broken(monkeypatch):
    def explode(**_):
        raise RuntimeError("bug")

    from penstock.cli.token import command

    monkeypatch.setattr(command, "callback", explode)


def test_a_bug_is_a_sentence_and_no_traceback(penstock, broken):
    code, _, err = penstock("token")
    assert code == Exit.FAILED
    assert err.startswith("penstock: This should not have happened: RuntimeError: bug. Run it again with --debug")
    assert "Traceback" not in err


def test_debug_shows_where_a_bug_is(penstock, broken, monkeypatch):
    monkeypatch.setenv("PENSTOCK_DEBUG", "0")
    with pytest.raises(RuntimeError, match="bug"):
        penstock("--debug", "token")


def test_a_command_loads_only_what_it_needs():
    code = (
        "import sys; from penstock.cli.root import run; run(['token', '--subscribe', '#', '--secret', 'x' * 32]);"
        "print(sorted({'aiohttp', 'aiormq', 'pydantic', 'websockets', 'opentelemetry', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root_folder())
    assert ran.stdout.splitlines()[-1] == "[]"


def root_folder():
    from pathlib import Path

    return Path(__file__).parents[4]


def test_a_setting_that_is_missing_is_told_beside_one_that_nobody_reads(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_ENVIRONMENT", "production")
    monkeypatch.setenv("PENSTOCK_AUTH_SECRET", "x" * 32)
    assert root.run(["router"]) == Exit.CONFIGURATION
    told = capsys.readouterr().err
    assert "told how to check tokens" in told
    assert "did you mean PENSTOCK_AUTH__SECRET?" in told


def test_a_file_that_cannot_be_read_is_told_once(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "penstock.toml").write_text("[[topics")
    assert root.run(["router"]) == Exit.CONFIGURATION
    assert capsys.readouterr().err.count("penstock.toml") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[auth]\nsecrt = 'x'\n", "penstock: Nobody reads auth.secrt in penstock.toml; did you mean auth.secret?\n"),
        ('[topics]\nmatch = "a"\n', "penstock: topics in penstock.toml: it is a list of tables: write [[topics]].\n"),
    ],
)
def test_a_slip_in_the_file_is_told_once(capsys, clean_place, text, told):
    (clean_place / "penstock.toml").write_text(text)
    assert root.run(["router"]) == Exit.CONFIGURATION
    assert capsys.readouterr().err == told
