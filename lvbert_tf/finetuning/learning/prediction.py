"""The outputs of a task's model for the rows of a split."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.learning.batches import batches, padded_lengths, prediction_plan
from lvbert_tf.finetuning.objectives.features import Batch, Features
from lvbert_tf.finetuning.objectives.objective import Objective


class Predictor:
    """Runs a task's model without dropout; replicas share each batch.

    Args:
      strategy: where the model was created.
      objective: the task and its model.
      batch_size: rows at once, over all replicas.
      max_seq_length: tokens of a row at most.
      bucket: whether batches are padded to their own length; see `padded_lengths`.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        objective: Objective,
        batch_size: int,
        max_seq_length: int,
        bucket: bool,
    ):
        self.strategy = strategy
        self.objective = objective
        self.batch_size = batch_size
        self.max_seq_length = max_seq_length
        self.bucket = bucket
        self._outputs = tf.function(self._batch_outputs, autograph=False)

    def predict(
        self,
        features: Features,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[int], object] = lambda rows: None,
    ) -> dict[str, list[np.ndarray]] | None:
        """The outputs of `Objective.forward`, and `loss` where the features have a label.

        Every worker computes all rows.

        Args:
          stopped: asked before each batch.
          progress: called after each batch with the number of its rows.

        Returns:
          for each output an array for each row, in the order of the rows; None if it was stopped.
        """
        choices = padded_lengths(features.lengths, self.max_seq_length, self.bucket)
        plan = prediction_plan(features.lengths, self.batch_size, choices)
        found: dict[str, list] = {}
        iterator = batches(features, plan)
        for rows in plan.rows:
            if stopped():
                return None
            for name, values in self._outputs(iterator).items():
                column = found.setdefault(name, [None] * features.num_rows)
                for row, value in zip(rows, values.numpy(), strict=True):
                    if row >= 0:
                        column[row] = value
            progress(int((rows >= 0).sum()))
        return found

    def _batch_outputs(self, iterator):
        # Taken here the length of the batch is unknown, so that one trace serves all lengths.
        outputs = self.strategy.run(self._replica_outputs, args=(iterator.get_next(),))
        return {
            name: self.strategy.experimental_local_results(value)[0]
            for name, value in outputs.items()
        }

    def _replica_outputs(self, batch: Batch):
        context = tf.distribute.get_replica_context()
        replicas, replica = context.num_replicas_in_sync, context.replica_id_in_sync_group
        size = self.batch_size // replicas
        rows = {name: value[replica * size : (replica + 1) * size] for name, value in batch.items()}
        outputs = self.objective.forward(rows, training=False)
        if "label" in rows:
            outputs["loss"] = self.objective.losses(outputs, rows)
        return {name: context.all_gather(value, axis=0) for name, value in outputs.items()}
