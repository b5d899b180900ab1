"""Predictions and figures of a run's splits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.objectives.objective import Objective, Prediction
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.run_context import RunContext
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.tasks.task import Example, Role

Figures = dict[str, dict[str, dict[str, float]]]  # task -> split -> metric -> figure


@dataclass(frozen=True)
class Predicted:
    """What a model makes of examples.

    Args:
      predictions: one for each.
      loss: the mean over the rows, or None where it cannot be told.
    """

    predictions: list[Prediction]
    loss: float | None


class TaskPredictor:
    """Predicts for examples with a task's model.

    Args:
      strategy: where the model was created.
      objective: the task and its model.
      config: batch size, length, buckets.
      quiet: whether to show no progress bar.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        objective: Objective,
        config: FinetuningConfig,
        quiet: bool = False,
    ):
        self.objective = objective
        self.quiet = quiet
        self._predictor = Predictor(
            strategy,
            objective,
            config.eval_batch_size,
            objective.model.preprocessor.sequence_length,
            config.bucket_by_length and not isinstance(strategy, tf.distribute.TPUStrategy),
        )

    def predict(
        self,
        examples: Sequence[Example],
        role: Role,
        what: str,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Predicted | None:
        """Predicts for examples.

        Args:
          role: of their split.
          what: stands before the progress bar.
          stopped: asked before each batch.

        Returns:
          the predictions, or None if it was stopped.
        """
        features = self.objective.features(examples, role)
        with tqdm(
            total=features.num_rows, desc=what, unit="row", leave=False, disable=self.quiet or None
        ) as bar:
            outputs = self._predictor.predict(features, stopped, bar.update)
        if outputs is None:
            return None
        losses = outputs.pop("loss", None)
        loss = float(np.mean(losses)) if losses is not None else None
        return Predicted(self.objective.predictions(examples, features, outputs), loss)


def evaluate(
    run: RunContext, predictors: Mapping[str, TaskPredictor], directory: TrialDirectory
) -> Figures | None:
    """Scores the dev splits and predicts for the test splits, those that were read.

    Every split's predictions are written to the directory of the trial, each with the place of its row.

    Returns:
      the figures of the dev splits, the main one of a task first, with `loss` last where it can be
      told; or None if it was stopped.

    Raises:
      InputError: predictions cannot be written.
    """
    found: Figures = {}
    for name, predictor in predictors.items():
        data = run.data[name]
        found[name] = {}
        for split in data.readings:
            role = data.task.splits[split].role
            if role == "train" or (role == "test" and directory.trial > run.config.n_writes_test):
                continue
            examples = data.examples(split)
            predicted = predictor.predict(examples, role, f"{name} {split}", run.stopped)
            if predicted is None:
                return None
            if run.chief:
                rows = zip(examples, predicted.predictions, strict=True)
                placed = [{**row.source.to_json_dict(), **prediction} for row, prediction in rows]
                directory.write_predictions(name, split, placed)
            if role == "dev":
                figures = predictor.objective.score(examples, predicted.predictions)
                loss = {} if predicted.loss is None else {"loss": predicted.loss}
                found[name][split] = {**figures, **loss}
    return found
