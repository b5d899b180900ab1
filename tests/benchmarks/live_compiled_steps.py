"""Tiny training steps of every kind compile for a TPU, and JAX computes in them what TensorFlow does.

`make test-compiled` runs these by the file's name, which pytest does not take for a test's otherwise:
the compiler is in an environment of its own.
"""

import os
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import LENGTH, hparams

from benchmarks.accelerators import lowering
from benchmarks.accelerators.pretraining_case import build_step
from benchmarks.compiled_step import COMPILER, compile_step
from benchmarks.contestant import ROOT
from lvbert_tf.finetuning.learning.steps import FinetuningGradients
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_examples import Question, RowLocation, Span, TextExample
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.step import TrainingStep

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *(f"word{index}" for index in range(55))))
TOKENS = [*SPECIAL_TOKENS, "who", "a", "fine", "dull", "film"]
ROW = RowLocation("rows.tsv", 1)
EXAMPLES = {
    "sst": TextExample("a fine film", None, 1, ROW),
    "sts": TextExample("a fine film", "a dull film", 2.5, ROW),
    "squad": Question("q", "who", "a fine film", ("fine",), (Span(2, 6),), False, ROW),
}


def pretraining_case(precision="bfloat16", **changes):
    """(step, batch) of pre-training."""
    settings = {"vocab_size": VOCABULARY.size, "jit_compile": True, **changes}
    config = PretrainingConfig.create("data", "m", hparams(**settings))
    shape = (config.train_batch_size, LENGTH)
    ids = np.random.default_rng(0).integers(5, VOCABULARY.size, shape).astype(np.int32)
    batch = {"input_ids": ids, "input_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
    batch = {name: tf.constant(value) for name, value in batch.items()}
    return build_step(config, VOCABULARY, precision, "tpu"), batch


def finetuning_case(name, data_dir):
    """(step, batch) of a task with four equal rows."""
    task, examples = find_task(name, data_dir), [EXAMPLES[name]] * 4
    lengths = {"max_seq_length": LENGTH, "max_query_length": 4, "doc_stride": 4}
    config = FinetuningConfig.create("data", "m", lengths)
    backbone = LVBertBackbone(len(TOKENS), "CAF", 2, 16, 32, max_sequence_length=LENGTH)
    kind = OBJECTIVES[task.kind]
    model = kind.new_model(task, examples, backbone, LVBertTokenizer(TOKENS), config.head)
    objective, scale = kind(task, model), LossScale(dynamic=False)
    optimizer = ReferenceAdam(1e-3)
    optimizer.build(model.trainable_variables)
    gradients = FinetuningGradients(objective, scale, batch_size=4, num_replicas=1, num_parts=1)
    strategy = tf.distribute.get_strategy()
    step = TrainingStep(strategy, gradients, optimizer, scale, 0, "tpu")
    return step, objective.features(examples, "train").batch(tf.range(4), LENGTH)


def compiled_for_tpu(case, folder):
    """What the compiler says of a step, whose variables it has to update where they are."""
    hlo = folder / "step.hlo"
    hlo.write_bytes(lowering.lower(*case).hlo)
    compiled = compile_step(folder / "step.stablehlo", folder / "step.txt", "tpu-v5e", hlo)
    assert compiled["device"] == "TPU v5 lite"
    assert compiled["alias_bytes"] > 0.9 * compiled["argument_bytes"]
    return compiled


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"electra_objective": False, "generator_layer_list": None},
        {"electric_objective": True},
        {"gradient_accumulation_steps": 2},
        {"layer_types": "CA", "custom_layer_list": "C"},
    ],
    ids=["replaced tokens", "masked LM", "Electric", "accumulation", "supernet"],
)
def test_pretraining_compiles_for_a_tpu(changes, tmp_path):
    compiled_for_tpu(pretraining_case(**changes), tmp_path)


@pytest.mark.parametrize("name", EXAMPLES)
def test_finetuning_compiles_for_a_tpu(name, tmp_path):
    compiled_for_tpu(finetuning_case(name, tmp_path), tmp_path)


def run_in_jax(folder):
    """Runs a copy of the runner beside the step, away from the project."""
    shutil.copy(ROOT / "benchmarks" / "stablehlo_runner.py", folder)
    command = [COMPILER, "stablehlo_runner.py", "step.stablehlo", "--steps", "2"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_jax_computes_the_losses_and_gradient_norms_of_tensorflow(tmp_path):
    case = pretraining_case("float32")
    lowered = lowering.lower(*case)
    (tmp_path / "step.hlo").write_bytes(lowered.hlo)
    compile_step(
        tmp_path / "step.stablehlo", tmp_path / "step.txt", "tpu-v5e", tmp_path / "step.hlo"
    )
    computed = lowering.run(*case, steps=3)
    assert len({*computed[:, 0]}) == 3  # so that a step that forgets the one before would show
    lowered.save_examples(tmp_path / "step.npz", computed)
    done = run_in_jax(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| gradient norm of step 3 |" in done.stdout

    computed[2, 0] *= 1.001
    lowered.save_examples(tmp_path / "step.npz", computed)
    done = run_in_jax(tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: differs by more than 0.0001\n")
