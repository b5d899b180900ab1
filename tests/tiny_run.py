"""A data directory and hparams for pre-training runs that take seconds."""

import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

VOCABULARY = Path(__file__).parent / "fixtures" / "tokenizer" / "vocab.txt"
LENGTH = 16
SPECIAL = 5  # [PAD] [UNK] [CLS] [SEP] [MASK] are the first five ids of no text


def vocabulary_size() -> int:
    """Lines of the vocabulary."""
    return len(VOCABULARY.read_text(encoding="utf-8").splitlines())


def write_records(path: Path, count: int, seed: int) -> None:
    """Writes examples whose every token follows from the one before, with padding at the end."""
    tokens = VOCABULARY.read_text(encoding="utf-8").splitlines()
    cls, sep = tokens.index("[CLS]"), tokens.index("[SEP]")
    plain = np.array([i for i, token in enumerate(tokens) if not token.startswith("[")][:40])
    generator = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(count):
            used = int(generator.integers(8, LENGTH + 1))
            body = plain[(generator.integers(len(plain)) + np.arange(used - 2)) % len(plain)]
            features = {
                "input_ids": [cls, *body, sep],
                "input_mask": [1] * used,
                "segment_ids": [0] * used,
            }
            example = tf.train.Example()
            for name, values in features.items():
                padded = [*values, *[0] * (LENGTH - used)]
                example.features.feature[name].int64_list.value.extend(padded)
            writer.write(example.SerializeToString())


def make_data(directory: Path, examples: int = 96) -> Path:
    """Writes vocab.txt and pretrain_tfrecords/ with training and held-out records."""
    records = directory / "pretrain_tfrecords"
    records.mkdir(parents=True)
    shutil.copy(VOCABULARY, directory / "vocab.txt")
    write_records(records / "pretrain_data.tfrecord-0-of-2", examples // 2, seed=0)
    write_records(records / "pretrain_data.tfrecord-1-of-2", examples // 2, seed=1)
    write_records(records / "held_out.tfrecord-0-of-1", 12, seed=2)
    return directory


def hparams(**changes) -> dict:
    """Settings of a run of 12 steps of 8 examples, with all three layer types and dropout."""
    values = {
        "custom_layer_list": "CA",
        "generator_layer_list": "F",
        "model_hparam_overrides": {
            "hidden_size": 16,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": LENGTH,
        },
        "embedding_size": 8,
        "generator_hidden_size": 0.5,
        "vocab_size": vocabulary_size(),
        "max_seq_length": LENGTH,
        "train_batch_size": 8,
        "eval_batch_size": 8,
        "num_eval_steps": 2,
        "learning_rate": 5e-3,
        "num_warmup_steps": 2,
        "num_train_steps": 12,
        "iterations_per_loop": 5,
        "log_steps": 4,
        "eval_every_steps": 6,
        "save_checkpoints_steps": 3,
        "keep_checkpoint_max": 0,
        "precision": "float32",
        "allow_missing_manifest": True,
    }
    overrides = {**values["model_hparam_overrides"], **changes.pop("model_hparam_overrides", {})}
    return {**values, **changes, "model_hparam_overrides": overrides}


def hparams_json(**changes) -> str:
    """`hparams` as the command line takes it."""
    return json.dumps(hparams(**changes))


def saved_steps(model_dir: Path) -> list[int]:
    """The steps that a model directory has checkpoints of, oldest first."""
    paths = (model_dir / "checkpoints").glob("step-*")
    return sorted(int(path.name.removeprefix("step-")) for path in paths)


def arrays(model_dir: Path, step: int) -> dict[str, np.ndarray]:
    """All that the checkpoint of a step holds, by name."""
    prefix = model_dir / "checkpoints" / f"step-{step:08d}" / "state"
    reader = tf.train.load_checkpoint(str(prefix))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names if not name.startswith("_")}


def check_same_arrays(model_dir: Path, other: Path, step: int) -> None:
    """Checks that the checkpoints of a step in two model directories are equal, bit for bit."""
    ours, theirs = arrays(model_dir, step), arrays(other, step)
    assert ours.keys() == theirs.keys()
    assert any("optimizer" in name for name in ours)
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
