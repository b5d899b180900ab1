"""Scoring a candidate: running one string of a trained supernet on the corrupted held-out set."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.layers.kernels import compile_as
from lvbert_tf.models import ElectraPretrainer, Supernet
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.pretraining import metrics
from lvbert_tf.pretraining.corruption import corrupt
from lvbert_tf.pretraining.evaluation import mask_for_evaluation
from lvbert_tf.pretraining.masking import Features
from lvbert_tf.pretraining.objective import (
    PretrainingObjective,
    loss_weights,
    pretraining_loss,
    read_generator,
)
from lvbert_tf.search.corrupted_set import CorruptedSet
from lvbert_tf.training.distribution import compilation_of

REPLACED_TOKEN_SCORES = ("disc_loss", "disc_auc", "disc_accuracy")
MASKED_LM_SCORES = ("mlm_loss", "mlm_accuracy")
_LATENCY_REPEATS = 5


def corrupt_held_out(
    strategy: tf.distribute.Strategy,
    pretrainer: ElectraPretrainer,
    objective: PretrainingObjective,
    batches: Iterable[Mapping[str, tf.Tensor]],
    num_batches: int,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Masks held-out batches and, for replaced token detection, fills the masks with the generator.

    Masks and samples are those of an evaluation in pre-training: the seed is fixed, and there is no
    dropout.

    Args:
      strategy: where the networks were created; replicas share each batch.
      pretrainer: the networks; only its generator is used.
      objective: which tokens are masked, and how the generator is sampled.
      batches: int32 features of shape (batch, length), the batch a multiple of the replicas.
      num_batches: the highest number of batches.
      progress: called after each batch with the number of batches done.

    Returns:
      the features of a `CorruptedSet`.
    """

    def corrupt_rows(batch, index):
        masked = mask_for_evaluation(_rows_of_replica(batch), index, objective.masking)
        if pretrainer.replaced_token_head is not None:
            with compile_as(compilation_of(strategy, jit_compile=False)):
                reading, _ = read_generator(pretrainer, objective, masked, training=False)
            token_ids, is_fake = corrupt(masked, reading.sampled)
            masked = {
                "token_ids": token_ids,
                "segment_ids": masked["segment_ids"],
                "padding_mask": masked["padding_mask"],
                "is_fake": is_fake,
            }
        context = tf.distribute.get_replica_context()
        return {name: context.all_gather(value, axis=0) for name, value in masked.items()}

    @tf.function(autograph=False)
    def corrupt_batch(batch, index):
        return _first_result(strategy, strategy.run(corrupt_rows, args=(batch, index)))

    rows = []
    for index, batch in enumerate(itertools.islice(batches, num_batches)):
        corrupted = corrupt_batch(batch, tf.constant(index))
        rows.append({name: value.numpy() for name, value in corrupted.items()})
        progress(index + 1)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


class CandidateEvaluator:
    """Scores strings of a supernet, each one once. All see the same batches and one traced graph.

    With replaced token detection the scores are `disc_loss`, `disc_auc` and `disc_accuracy`; the masked
    LM is the generator then, which all candidates share, so its metrics say nothing. Under the masked
    LM objective the scores are `mlm_loss` and `mlm_accuracy`.

    Args:
      strategy: where the networks were created; replicas share each batch.
      pretrainer: the networks, whose discriminator is a trained supernet.
      objective: the objective that the networks were trained on.
      corrupted: the batches to score on; the rows of a batch are a multiple of the replicas.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        pretrainer: ElectraPretrainer,
        objective: PretrainingObjective,
        corrupted: CorruptedSet,
    ):
        self.strategy = strategy
        self.pretrainer = pretrainer
        self.objective = objective
        self._scores: dict[LayerString, dict[str, float]] = {}
        names, arrays = corrupted.features.keys(), corrupted.features.values()
        self._batches = [
            {name: tf.constant(value) for name, value in zip(names, values, strict=True)}
            for values in zip(*arrays, strict=True)
        ]
        self._sums = tf.function(self._batch_sums, autograph=False)

    @property
    def supernet(self) -> Supernet:
        """The supernet whose strings are scored."""
        return self.pretrainer.discriminator

    @property
    def num_traces(self) -> int:
        """How often TensorFlow has traced the function that scores a batch: once serves all strings."""
        return self._sums.experimental_get_tracing_count()

    def __call__(self, string: str | LayerString) -> dict[str, float]:
        """The scores of a string, by name.

        Raises:
          InputError: the supernet has no such string.
        """
        layers = LayerString.parse(string)
        if layers not in self._scores:
            self._scores[layers] = self.evaluate(layers)
        return dict(self._scores[layers])

    def evaluate(self, string: str | LayerString | None = None) -> dict[str, float]:
        """The scores of a string, computed anew and not kept.

        Args:
          string: of the supernet. None scores the encoder as it is configured, which is how an
            encoder that is no supernet is scored.

        Raises:
          InputError: the supernet has no such string.
        """
        path = None if string is None else self.supernet.path_of(string)
        batch_sums = [self._sums(batch, path) for batch in self._batches]
        totals = dict[str, np.ndarray]()
        for name in batch_sums[0]:
            rows = [sums[name].numpy() for sums in batch_sums]
            totals[name] = np.asarray(rows, np.float64).sum(axis=0)
        if self.pretrainer.replaced_token_head is None:
            scores = metrics.masked_lm_metrics(totals)
            return {name: scores[name] for name in MASKED_LM_SCORES}
        scores = metrics.replaced_token_metrics(totals)
        return {name: scores[name] for name in REPLACED_TOKEN_SCORES}

    def latency(self, string: str | LayerString) -> float:
        """Milliseconds that scoring the first held-out batch takes: the median of several times.

        Measured with the supernet's weights, which costs a few per cent more than the encoder alone.

        Raises:
          InputError: the supernet has no such string.
        """
        path, batch = self.supernet.path_of(LayerString.parse(string)), self._batches[0]

        def score() -> float:
            start = time.perf_counter()
            for value in self._sums(batch, path).values():
                value.numpy()  # waits for the device
            return 1000 * (time.perf_counter() - start)

        score()  # traces, or fills the caches
        return statistics.median(score() for _ in range(_LATENCY_REPEATS))

    def _batch_sums(self, batch, path):
        return _first_result(
            self.strategy, self.strategy.run(self._replica_sums, args=(batch, path))
        )

    def _replica_sums(self, batch, path):
        rows = _rows_of_replica(batch)
        with selected_path(path):
            if self.pretrainer.replaced_token_head is None:
                sums = self._masked_lm_sums(rows)
            else:
                sums = self._replaced_token_sums(rows)
        return tf.distribute.get_replica_context().all_reduce("SUM", sums)

    def _masked_lm_sums(self, masked: Features) -> dict[str, tf.Tensor]:
        weights = loss_weights(masked, self.objective)
        with compile_as(compilation_of(self.strategy, jit_compile=False)):
            _, sums = pretraining_loss(
                self.pretrainer, self.objective, masked, weights, training=False
            )
        return sums

    def _replaced_token_sums(self, corrupted: Features) -> dict[str, tf.Tensor]:
        inputs = {name: corrupted[name] for name in ("token_ids", "segment_ids", "padding_mask")}
        logits = self.pretrainer.replaced_token_logits(inputs, training=False)
        return metrics.replaced_token_sums(logits, corrupted["is_fake"], corrupted["padding_mask"])


def _first_result(strategy: tf.distribute.Strategy, results):
    """The results of the first replica, where all replicas have computed the same."""
    return {name: strategy.experimental_local_results(value)[0] for name, value in results.items()}


def _rows_of_replica(batch: Features) -> Features:
    """Takes this replica's rows of a batch that every replica has as a whole.

    It has to be called in a replica context.
    """
    context = tf.distribute.get_replica_context()
    replicas, replica = context.num_replicas_in_sync, context.replica_id_in_sync_group
    size = next(iter(batch.values())).shape[0] // replicas
    return {
        name: tf.reshape(value, [replicas, size, *value.shape[1:]])[replica]
        for name, value in batch.items()
    }
