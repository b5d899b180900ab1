"""The package as others install it: an sdist, a wheel of it, and an environment without a checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import lvbert_tf

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel that was built from the sdist, and the sdist from what a checkout has."""
    directory = tmp_path_factory.mktemp("packaging")
    tree = directory / "tree"
    shutil.copytree(ROOT / "lvbert_tf", tree / "lvbert_tf", ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.in"):
        shutil.copy(ROOT / name, tree)
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, directory, cwd=tree)
    (sdist,) = directory.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory / "unpacked", filter="data")
    (unpacked,) = (directory / "unpacked").iterdir()
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", directory)
    run(sys.executable, "-m", "pip", "wheel", *options, unpacked)
    (built,) = directory.glob("*.whl")
    return built


def pins_of(name: str) -> dict[str, str]:
    """The versions in a lock file, by package."""
    lines = (ROOT / name).read_text().splitlines()
    return dict(
        line.split("==") for line in lines if "==" in line and not line.startswith((" ", "#"))
    )


TPU_PINS = pins_of("requirements-tpu.txt")


def run(*command, cwd="/") -> str:
    """What a command prints, which must do well; it finds no checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def commands(wheel):
    """The commands of an environment that has the wheel, and ours for its dependencies."""
    environment = wheel.parent / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel
    )
    (packages,) = environment.glob("lib/python*/site-packages")
    # Of a folder that is named here only its modules are found, not what is installed editably in it.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


def test_the_package_is_found_from_anywhere_and_tests_are_of_this_checkout():
    found = run(sys.executable, "-c", "import lvbert_tf; print(lvbert_tf.__file__)")
    assert found.strip().endswith("/lvbert_tf/__init__.py")
    assert Path(lvbert_tf.__file__).parents[1] == ROOT


def test_the_wheel_has_every_file_of_the_package(wheel):
    listed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("lvbert_tf/")}
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "lvbert_tf").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert listed == there
    assert "lvbert_tf/serving/model_card.md.j2" in listed


def test_what_is_installed_was_tested_and_has_bounds(commands):
    """The pinned packages are within the bounds of what is published, those for TPUs as well."""
    code = "from importlib.metadata import requires; print(*requires('lvbert_tf'), sep='\\n')"
    pins = pins_of("requirements-dev.txt") | pins_of("requirements-engines.txt")
    published = [Requirement(line) for line in run(commands / "python", "-c", code).splitlines()]
    extras = [str(each.marker).split('"')[1] if each.marker else "" for each in published]
    assert {"", "gpu", "tpu", "beam", "engines", "postgres", "s3", "gcs"} == {*extras}
    for each, extra in zip(published, extras, strict=True):
        assert {part.operator for part in each.specifier} == {">=", "<"}, each
        name = each.name.replace("_", "-").lower()
        assert name in pins or extra, each
        tested = TPU_PINS if extra == "tpu" else pins
        assert name not in tested or tested[name] in each.specifier, each
        assert extra or name not in TPU_PINS or TPU_PINS[name] in each.specifier, each


@pytest.mark.slow
def test_the_commands_pretrain_fine_tune_and_export_without_a_checkout(commands, tmp_path):
    import tiny_run  # here, as the other tests need no TensorFlow

    data = tiny_run.make_data(tmp_path / "data")
    where = run(commands / "python", "-c", "import lvbert_tf; print(lvbert_tf.__file__)")
    assert where.startswith(str(commands.parent))
    directories = ("--data_dir", data, "--model_name", "tiny")
    hparams = tiny_run.hparams_json(num_train_steps=2, num_warmup_steps=1, eval_every_steps=0)
    run(commands / "lvbert-pretrain", *directories, "--hparams", hparams)
    task = data / "finetuning_data" / "mine"
    task.mkdir(parents=True)
    (task / "task.toml").write_text(
        'kind = "classification"\nlabels = ["film", "plot"]\n'
        '[files]\ntrain = "rows.tsv"\ndev = "rows.tsv"\n'
        '[columns]\ntext = "text"\nlabel = "label"\n'
    )
    rows = "".join(f"the {word}\t{word}\n" for word in ("film", "plot") * 4)
    (task / "rows.tsv").write_text("text\tlabel\n" + rows)
    tuning = json.dumps({"task_names": ["mine"], "max_seq_length": 16, "num_train_epochs": 1})
    run(commands / "lvbert-finetune", *directories, "--hparams", tuning)
    trial = data / "models" / "tiny" / "finetuning_models" / "mine_1"
    printed = run(
        commands / "lvbert-export", "--model_dir", trial, "--output_dir", tmp_path / "served"
    )
    assert printed.strip() == str(tmp_path / "served" / "1")
    assert "classifies texts" in (tmp_path / "served" / "1" / "model_card.md").read_text()
