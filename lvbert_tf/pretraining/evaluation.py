"""Evaluation on held-out records, compared with the scores of a model that knows nothing."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lvbert_tf.io.whole import write_json
from lvbert_tf.layers.kernels import compile_as
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.masking import Features, MaskingSpec, mask_tokens
from lvbert_tf.pretraining.objective import PretrainingObjective, loss_weights, pretraining_loss
from lvbert_tf.records.input_pipeline import evaluation_dataset, num_evaluation_batches
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.settings.parts import EvaluationSettings
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.distribution import batches_of_replicas, compilation_of
from lvbert_tf.training.logs import without_nan

# The seed of masks and replacements. All evaluations of all runs share it, so that metrics compare.
EVALUATION_SEED = 20_210_601


def mask_for_evaluation(rows: Features, index: tf.Tensor, spec: MaskingSpec) -> Features:
    """Masks this replica's rows of a held-out batch, in every evaluation alike.

    It has to be called in a replica context.

    Args:
      rows: this replica's rows.
      index: the number of the batch among the held-out batches, from 0.
      spec: how to mask.

    Returns:
      what `mask_tokens` returns.
    """
    context = tf.distribute.get_replica_context()
    size = rows["input_ids"].shape[0]
    seed = tf.stack([tf.constant(EVALUATION_SEED), index])
    return mask_tokens(
        rows,
        seed,
        spec,
        global_batch_size=size * context.num_replicas_in_sync,
        offset=context.replica_id_in_sync_group * size,
    )


class Evaluator:
    """Evaluates without dropout. Every evaluation sees the same masks.

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
          batches: int32 features of shape (rows, length), the rows of each replica. With one replica
            any batches will do.
          num_batches: the highest number of batches.
          stopped: asked before each batch whether to stop.
          progress: called after each batch with the number of batches done.

        Returns:
          the metrics of training, `examples` and `commonest_token_id`. For comparison there is
          `baseline_mlm_accuracy`, the accuracy of always guessing the token that is commonest among
          the answers. With a discriminator there are also `baseline_disc_auc` and
          `baseline_disc_accuracy`, those of calling every token original. None if it was stopped.
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
        with compile_as(compilation_of(self.strategy, jit_compile=False)):
            _, sums = pretraining_loss(
                self.pretrainer, self.objective, masked, weights, training=False
            )
        sums["answers"] = tf.math.unsorted_segment_sum(
            tf.reshape(masked["mask_weights"], [-1]),
            tf.reshape(masked["mask_labels"], [-1]),
            self.pretrainer.discriminator.config.vocabulary_size,
        )
        real = tf.reduce_any(masked["padding_mask"] > 0, axis=-1)
        sums["examples"] = tf.reduce_sum(tf.cast(real, tf.float32))
        return tf.distribute.get_replica_context().all_reduce("SUM", sums)


@dataclass(frozen=True)
class HeldOut:
    """The held-out records of a run, and what evaluates a model on them.

    Attributes:
      evaluator: computes the metrics.
      records: what is read.
      settings: how much of it is read.
      vocabulary: names the commonest token.
      file: `eval.json`, which every evaluation replaces; None in workers that write nothing.
      weights: a context in which the model has the weights to evaluate.
    """

    evaluator: Evaluator
    records: RecordSet
    settings: EvaluationSettings
    vocabulary: Vocabulary
    file: Path | None
    weights: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext

    def evaluate(
        self, step: int, stopped: Callable[[], bool] = lambda: False
    ) -> dict[str, Any] | None:
        """Evaluates with a progress bar on standard error, and writes `file`.

        Args:
          step: how many steps the model has been trained for.
          stopped: asked before each batch whether to stop.

        Returns:
          `step` and the metrics of `Evaluator.evaluate`, with `commonest_token` as text in place of
          its id. None if it was stopped.
        """
        size = self.settings.eval_batch_size
        batches = num_evaluation_batches(self.records, size, self.settings.num_eval_steps)
        with (
            tqdm(
                total=batches,
                desc="evaluation",
                unit="batch",
                file=sys.stderr,
                leave=False,
                disable=self.file is None,
            ) as bar,
            self.weights(),
        ):
            of_replicas = batches_of_replicas(
                self.evaluator.strategy,
                lambda host, replicas: evaluation_dataset(self.records, size, host, replicas),
            )
            metrics = self.evaluator.evaluate(
                of_replicas, batches, stopped, lambda done: bar.update()
            )
        if metrics is None:
            return None
        metrics["commonest_token"] = self.vocabulary.tokens[metrics.pop("commonest_token_id")]
        metrics = {"step": step, **metrics}
        if self.file is not None:
            write_json(self.file, without_nan(metrics))
        return metrics


def comparison(metrics: Mapping[str, Any]) -> str:
    """Lines for the user: held-out metrics beside those of knowing nothing.

    Args:
      metrics: what `HeldOut.evaluate` returned.
    """
    lines = [
        f"held out, {metrics['examples']:,.0f} examples at step {metrics['step']}:",
        f"  masked LM accuracy {metrics['mlm_accuracy']:.4f}"
        f"   (always guessing {metrics['commonest_token']!r}:"
        f" {metrics['baseline_mlm_accuracy']:.4f})   loss {metrics['mlm_loss']:.4f}",
    ]
    if "disc_auc" in metrics:
        lines.append(
            f"  replaced token AUC {metrics['disc_auc']:.4f}   (guessing: 0.5000)"
            f"   accuracy {metrics['disc_accuracy']:.4f}"
            f" (calling all original: {metrics['baseline_disc_accuracy']:.4f})"
        )
    return "\n".join(lines)
