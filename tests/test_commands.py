"""The programs as commands of an installed package."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lvbert_tf.commands import COMMANDS, named_as_called

ROOT = Path(__file__).parents[1]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def test_every_program_is_a_command():
    assert set(SCRIPTS) == set(COMMANDS.values())
    programs = {
        f"lvbert_tf.programs.{path.stem}:run"
        for path in ROOT.glob("lvbert_tf/programs/*.py")
        if "\nrun = " in path.read_text()
    } | {"lvbert_tf.plan.__main__:run"}
    assert set(SCRIPTS.values()) == programs


@pytest.mark.parametrize("script", [each for each in COMMANDS if each.endswith(".py")])
def test_a_script_is_its_command(script):
    module = SCRIPTS[COMMANDS[script]].removesuffix(":run")
    assert f"from {module} import run\n" in (ROOT / script).read_text()


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_command_names_commands_and_no_scripts(command):
    """In the words of --help, and in those of an error."""
    module = SCRIPTS[command].removesuffix(":run")
    code = f"import sys; sys.argv[0] = '/bin/{command}'; from {module} import run; run()"
    for argument, status in (("--help", 0), ("--no_such_flag", 2)):
        done = subprocess.run(
            [sys.executable, "-c", code, argument], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == status, done.stderr
        scripts = r"(run_|build_|export_|convert_)\w+\.py|python -m"
        assert not re.search(scripts, done.stdout + done.stderr)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_scripts_are_named_as_the_user_calls_them():
    text = "python run_search.py --stage search; run_pretraining.py --help; my_run_search.py"
    assert named_as_called(text, "run_search.py") == text
    assert named_as_called(text, "lvbert-search") == (
        "lvbert-search --stage search; lvbert-pretrain --help; my_run_search.py"
    )


def test_all_programs_may_be_imported_at_once():
    """Flags belong to the process: to define them on import would be to define --data_dir twice."""
    modules = [place.removesuffix(":run") for place in SCRIPTS.values()]
    done = subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], cwd=ROOT)
    assert done.returncode == 0
