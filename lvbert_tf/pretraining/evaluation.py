"""Evaluation on held-out records, beside what a model without any knowledge would score."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.masking import Features, MaskingSpec, mask_tokens
from lvbert_tf.pretraining.objective import PretrainingObjective, loss_weights, pretraining_loss

# Of masks and replacements: the same at every evaluation of every run, so that figures compare.
EVALUATION_SEED = 20_210_601


def rows_of_replica(batch: Features) -> tuple[Features, tf.Tensor]:
    """This replica's share of a batch that every replica has whole; call it in a replica context.

    Returns:
      (its rows, the index of the first of them).
    """
    context = tf.distribute.get_replica_context()
    replicas, replica = context.num_replicas_in_sync, context.replica_id_in_sync_group
    size = next(iter(batch.values())).shape[0] // replicas
    rows = {
        name: tf.reshape(value, [replicas, size, *value.shape[1:]])[replica]
        for name, value in batch.items()
    }
    return rows, replica * size


def mask_for_evaluation(batch: Features, index: tf.Tensor, spec: MaskingSpec) -> Features:
    """Masks this replica's rows of the held-out batch of this index, always alike.

    Returns:
      as `mask_tokens`.
    """
    rows, offset = rows_of_replica(batch)
    seed = tf.stack([tf.constant(EVALUATION_SEED), index])
    whole = batch["input_ids"].shape[0]
    return mask_tokens(rows, seed, spec, global_batch_size=whole, offset=offset)


class Evaluator:
    """Evaluates without dropout; every evaluation sees the same masks.

    Args:
      strategy: where the model was created; replicas share each batch.
      pretrainer: the networks.
      objective: what is masked and how the losses are weighted.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        pretrainer: ElectraPretrainer,
        objective: PretrainingObjective,
    ):
        self.strategy = strategy
        self.pretrainer = pretrainer
        self.objective = objective
        self._sums = tf.function(self._batch_sums, autograph=False)

    def evaluate(
        self,
        batches: Iterable[Mapping[str, tf.Tensor]],
        num_batches: int,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[int], object] = lambda done: None,
    ) -> dict[str, Any] | None:
        """Computes the metrics over at most `num_batches` batches.

        Args:
          batches: int32 features of shape (batch, length), the batch a multiple of the replicas;
            every worker reads all of them.
          num_batches: at most this many.
          stopped: asked before each batch.
          progress: called after each batch with the number done.

        Returns:
          the training metrics, `examples`, `commonest_token_id`, and for comparison
          `baseline_mlm_accuracy` (always guessing the token that is commonest among the answers)
          and, with a discriminator, `baseline_disc_auc` and `baseline_disc_accuracy` (calling every
          token original). None if it was stopped.
        """
        totals: dict[str, np.ndarray] = {}
        for index, batch in enumerate(batches):
            if index == num_batches:
                break
            if stopped():
                return None
            for name, value in self._sums(batch, tf.constant(index)).items():
                totals[name] = totals.get(name, 0.0) + value.numpy().astype(np.float64)
            progress(index + 1)
        examples = float(totals.pop("examples"))
        answers = totals.pop("answers")
        metrics = self.objective.summarize(totals)
        metrics["examples"] = examples
        metrics["commonest_token_id"] = int(np.argmax(answers))
        metrics["baseline_mlm_accuracy"] = float(answers.max() / max(answers.sum(), 1.0))
        if "fake_rate" in metrics:
            metrics["baseline_disc_auc"] = 0.5
            metrics["baseline_disc_accuracy"] = 1.0 - metrics["fake_rate"]
        return metrics

    def _batch_sums(self, batch, index):
        sums = self.strategy.run(self._replica_sums, args=(batch, index))
        return {
            name: self.strategy.experimental_local_results(value)[0] for name, value in sums.items()
        }

    def _replica_sums(self, batch, index):
        masked = mask_for_evaluation(batch, index, self.objective.masking)
        weights = loss_weights(masked, self.objective)
        _, sums = pretraining_loss(self.pretrainer, self.objective, masked, weights, training=False)
        sums["answers"] = tf.math.unsorted_segment_sum(
            tf.reshape(masked["mask_weights"], [-1]),
            tf.reshape(masked["mask_labels"], [-1]),
            self.pretrainer.discriminator.config.vocabulary_size,
        )
        real = tf.reduce_any(masked["padding_mask"] > 0, axis=-1)
        sums["examples"] = tf.reduce_sum(tf.cast(real, tf.float32))
        return tf.distribute.get_replica_context().all_reduce("SUM", sums)
