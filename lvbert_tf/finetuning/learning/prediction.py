"""Predicting with a task's model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lvbert_tf.finetuning.learning.batches import (
    BatchPlan,
    batches,
    may_bucket,
    padded_lengths,
    prediction_plan,
)
from lvbert_tf.finetuning.objectives.features import Batch, TaskFeatures, divided
from lvbert_tf.finetuning.objectives.objective import Objective, Prediction
from lvbert_tf.finetuning.parts import PredictionSettings
from lvbert_tf.finetuning.tasks.task import Example, Role
from lvbert_tf.training.batch_parts import parts_of_batch
from lvbert_tf.training.distribution import batches_of_replicas, compilation_of

# A single batch of more rows is traced too if it can be computed in parts.
_MOST_ROWS_UNTRACED = 64


@dataclass(frozen=True)
class Predicted:
    """What a model predicts for examples.

    Args:
      predictions: one for each example.
      loss: the mean loss of the rows; None where the rows have no labels.
    """

    predictions: list[Prediction]
    loss: float | None


class Predictor:
    """Runs a task's model without dropout. Replicas share each batch, and every worker computes all.

    Args:
      strategy: the strategy under which the model was created.
      objective: the task and its model.
      settings: how rows are batched.
      quiet: whether to show no progress bar.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        objective: Objective,
        settings: PredictionSettings,
        quiet: bool = False,
    ):
        self.strategy = strategy
        self.objective = objective
        self.settings = settings
        self.quiet = quiet
        self._outputs = tf.function(self._batch_outputs, autograph=False)
        self._outputs_of_part = tf.function(self._outputs_of, autograph=False)

    def predict(
        self,
        examples: Sequence[Example],
        role: Role,
        what: str,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Predicted | None:
        """Predicts for examples.

        Args:
          examples: the examples of a split.
          role: the role of the split.
          what: stands before the progress bar.
          stopped: called before each batch; the prediction ends when it returns true.

        Returns:
          the predictions, or None if it was stopped.
        """
        features = self.objective.features(examples, role)
        with tqdm(
            total=features.num_rows, desc=what, unit="row", leave=False, disable=self.quiet or None
        ) as bar:
            outputs = self.outputs(features, stopped, bar.update)
        if outputs is None:
            return None
        losses = outputs.pop("loss", None)
        loss = float(np.mean(losses)) if losses is not None else None
        return Predicted(self.objective.predictions(examples, features, outputs), loss)

    def outputs(
        self,
        features: TaskFeatures,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[int], object] = lambda rows: None,
    ) -> dict[str, list[np.ndarray]] | None:
        """The outputs of `Objective.forward` for rows, and `loss` where the rows have a label.

        Args:
          features: the rows.
          stopped: called before each batch; the computation ends when it returns true.
          progress: called after each batch with the number of its rows.

        Returns:
          for each output an array for each row, in the order of the rows; None if it was stopped.
        """
        bucket = self.settings.bucket_by_length and may_bucket(self.strategy)
        longest = self.objective.model.preprocessor.sequence_length
        compilation = compilation_of(self.strategy, jit_compile=False)
        choices = padded_lengths(features.lengths, longest, bucket, compilation)
        shares = self.strategy.num_replicas_in_sync
        if features.num_rows > _MOST_ROWS_UNTRACED:
            shares *= parts_of_batch(self.strategy, self.settings.eval_batch_size)
        all_rows = max(1, -(-features.num_rows // shares)) * shares
        batch_size = min(self.settings.eval_batch_size, all_rows)
        plan = prediction_plan(features.lengths, batch_size, choices)
        found: dict[str, list] = {}
        results = self._results(features, plan)
        for rows in plan.rows:
            if stopped():
                return None
            for name, values in next(results).items():
                column = found.setdefault(name, [None] * features.num_rows)
                for row, value in zip(rows, values.numpy(), strict=True):
                    if row >= 0:
                        column[row] = value
            progress(int((rows >= 0).sum()))
        return found

    def _results(
        self, features: TaskFeatures, plan: BatchPlan
    ) -> Iterator[Mapping[str, tf.Tensor]]:
        """The outputs of each batch."""
        count, rows = plan.rows.shape
        large = rows > _MOST_ROWS_UNTRACED and parts_of_batch(self.strategy, rows) > 1
        if count == 1 and not large and self.strategy.num_replicas_in_sync == 1:
            # Tracing takes seconds, longer than one batch does without.
            batch = features.batch(tf.constant(plan.rows[0]), int(plan.lengths[0]))
            yield self.strategy.run(self._outputs_of, args=(batch,))
            return
        iterator = batches_of_replicas(
            self.strategy, lambda host, replicas: batches(features, plan, 0, host, replicas)
        )
        for _ in plan.rows:
            yield self._outputs(iterator)

    def _batch_outputs(self, iterator):
        # The batch is taken inside the graph, where its length is unknown: one trace serves all lengths.
        outputs = self.strategy.run(self._replica_outputs, args=(iterator.get_next(),))
        return {
            name: self.strategy.experimental_local_results(value)[0]
            for name, value in outputs.items()
        }

    def _outputs_of(self, rows: Batch):
        outputs = self.objective.forward(rows, training=False)
        if "label" in rows:
            outputs["loss"] = self.objective.losses(outputs, rows)
        return outputs

    def _replica_outputs(self, rows: Batch):
        context = tf.distribute.get_replica_context()
        parts = parts_of_batch(self.strategy, rows["token_ids"].shape[0])
        if parts == 1:
            outputs = self._outputs_of(rows)
        else:
            found = [self._outputs_of_part(part) for part in divided(rows, parts)]
            outputs = {name: tf.concat([part[name] for part in found], 0) for name in found[0]}
        return {name: context.all_gather(value, axis=0) for name, value in outputs.items()}
