"""Prints the scores of a string on one device and on two, and whether the held-out sets are equal."""

import json

import keras
import numpy as np
import tensorflow as tf

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.search.corrupted_set import CorruptedSet, Provenance
from lvbert_tf.search.evaluator import CandidateEvaluator, corrupt_held_out
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.distribution import make_strategy

BATCH, LENGTH, BATCHES = 4, 12, 2


def main() -> None:
    replicated = make_strategy(virtual_devices=2)  # before anything is computed
    config = PretrainingConfig.create(
        "data",
        "tiny",
        {
            "layer_types": "CAF",
            "custom_layer_list": "CAF",
            "generator_layer_list": "F",
            "vocab_size": 50,
            "embedding_size": 8,
            "max_seq_length": LENGTH,
            "model_hparam_overrides": {
                "hidden_size": 16,
                "num_attention_heads": 2,
                "max_position_embeddings": LENGTH,
                "initializer_range": 0.2,
            },
        },
    )
    objective = PretrainingObjective.from_settings(
        config.objective, MaskingSpec(0.3, 4, 4, (2, 3, 4))
    )
    ids = np.random.default_rng(0).integers(5, 50, (BATCHES * BATCH, LENGTH)).astype(np.int32)
    batches = tf.data.Dataset.from_tensor_slices(
        {"input_ids": ids, "input_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}
    ).batch(BATCH)
    scores, sets = [], []
    for strategy in (tf.distribute.get_strategy(), replicated):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            pretrainer = ElectraPretrainer.from_networks(config.networks, dtype="float32")
        sets.append(corrupt_held_out(strategy, pretrainer, objective, batches, BATCHES))
        corrupted = CorruptedSet(
            Provenance(0, "", "", BATCHES, BATCH, {}, True, "float32"), sets[-1]
        )
        scores.append(CandidateEvaluator(strategy, pretrainer, objective, corrupted)("FCA"))
    equal = all(np.array_equal(values, sets[1][name]) for name, values in sets[0].items())
    print(
        json.dumps({"scores": scores, "replicas": replicated.num_replicas_in_sync, "same": equal})
    )


if __name__ == "__main__":
    main()
