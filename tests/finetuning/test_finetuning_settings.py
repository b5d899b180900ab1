"""Which hparams of fine-tuning have an effect on which tasks."""

from dataclasses import fields

import pytest

from lvbert_tf.finetuning import settings
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.tasks.registry import find_task

CHANGED = {"head_dropout": 0.2, "double_unordered": False, "beam_size": 5, "learning_rate": 1e-3}


@pytest.mark.parametrize(
    ("names", "unused"),
    [
        (("cola",), ["beam_size"]),
        (("sts", "squad"), []),
        (("squad",), ["head_dropout", "double_unordered"]),
        (("pos",), ["head_dropout", "double_unordered", "beam_size"]),
    ],
)
def test_hparams_that_no_task_uses_are_reported(tmp_path, names, unused):
    config = FinetuningConfig.create(str(tmp_path), "model", CHANGED)
    lines = config.without_effect([find_task(name, tmp_path) for name in names])
    assert [line.split(" has no effect: ")[0] for line in lines] == unused


def test_every_hparam_of_answers_is_only_for_span_tasks(tmp_path):
    head = {field.name for field in fields(FinetuningConfig.create(str(tmp_path), "x", {}).head)}
    assert head - {"max_seq_length"} == settings._ONLY_FOR.keys() - {"double_unordered"}
