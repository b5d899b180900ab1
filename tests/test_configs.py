import re
import shlex
from pathlib import Path

import pytest

from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.search.experiment import Experiment
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.user_hparams import load_hparams

CONFIGS = Path(__file__).parents[1] / "configs"
FINETUNING_FILES = sorted(CONFIGS.glob("finetune_*.toml"))
FILES = sorted(set(CONFIGS.glob("*.toml")) - set(FINETUNING_FILES))


def header(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    comments = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    return [line.removeprefix("#").strip() for line in comments]


def is_search(path: Path) -> bool:
    return path.stem.startswith("search_")


def load(path: Path) -> PretrainingConfig:
    """What is pre-trained: a model, or the supernet of a search."""
    if is_search(path):
        return Experiment.create("data", path.stem, load_hparams(str(path))).config
    return PretrainingConfig.create("data", path.stem, load_hparams(str(path)))


def test_the_promised_experiments_are_there():
    assert {
        "lv_bert_small",
        "lv_bert_small_seq512",
        "lv_bert_medium",
        "lv_bert_base",
        "electra_small",
        "electra_base",
        "demo",
        "search_small",
        "search_demo",
    } <= {path.stem for path in FILES}
    assert {"finetune_demo"} <= {path.stem for path in FINETUNING_FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_header_gives_source_expectation_cost_and_command(path):
    lines = header(path)
    for word in ("Paper:", "Expect", "Cost:", "Data:", "Command:"):
        assert any(line.startswith(word) for line in lines), word
    command = shlex.split(lines[lines.index("Command:") + 1])
    program, name = "run_pretraining.py", "--model_name"
    if is_search(path):
        program, name = "run_search.py", "--search_name"
    assert command[:2] == ["python", program]
    flags = dict(zip(command[2::2], command[3::2], strict=True))
    assert set(flags) == {"--data_dir", name, "--hparams"}
    assert flags["--hparams"] == f"configs/{path.name}"
    assert path.stem.endswith(flags[name])


@pytest.mark.parametrize("path", FINETUNING_FILES, ids=lambda path: path.stem)
def test_fine_tuning_files(path):
    lines = header(path)
    for word in ("Paper:", "Expect", "Cost:", "Data:", "Command:"):
        assert any(line.startswith(word) for line in lines), word
    command = shlex.split(lines[lines.index("Command:") + 1])
    assert command[:2] == ["python", "run_finetuning.py"]
    flags = dict(zip(command[2::2], command[3::2], strict=True))
    assert flags.pop("--hparams") == f"configs/{path.name}"
    config = FinetuningConfig.create(
        flags["--data_dir"], flags["--model_name"], load_hparams(str(path))
    )
    assert config.task_names.names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_stated_cost_is_the_cost(path):
    config = load(path)
    stated = re.search(r"Cost: ([\d.e]+) FLOPs", path.read_text())
    steps = config.num_train_steps * config.train_batch_size
    assert float(stated[1]) == pytest.approx(config.training_flops * steps, rel=0.01)


def test_architectures():
    strings = {path.stem: load(path).layer_string for path in FILES}
    assert strings["electra_small"] == strings["electra_base"] == ELECTRA
    for name in ("lv_bert_small", "lv_bert_small_seq512", "lv_bert_medium", "lv_bert_base"):
        assert strings[name] == LV_BERT_SMALL


def test_the_continuation_fits_the_model_it_continues():
    first, second = (
        load(CONFIGS / "lv_bert_small.toml"),
        load(CONFIGS / "lv_bert_small_seq512.toml"),
    )
    assert second.networks.differences(first.networks) == []
    assert second.init_checkpoint == first.model_dir
    assert second.pretrain_tfrecords.startswith("data/pretrain_tfrecords_512/")
