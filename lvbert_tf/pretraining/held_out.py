"""Evaluating a run on its held-out records, and saying how it compares with knowing nothing."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

from lvbert_tf.pretraining.evaluation import Evaluator
from lvbert_tf.records.input_pipeline import evaluation_dataset, num_evaluation_batches
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.settings.parts import EvaluationSettings
from lvbert_tf.text.vocabulary import Vocabulary


def evaluate_held_out(
    evaluator: Evaluator,
    records: RecordSet,
    settings: EvaluationSettings,
    vocabulary: Vocabulary,
    stopped: Callable[[], bool] = lambda: False,
    quiet: bool = False,
) -> dict[str, Any] | None:
    """Evaluates on at most `num_eval_steps` batches, with a progress bar on standard error.

    Returns:
      the metrics of `Evaluator.evaluate`, with `commonest_token` as text; None if stopped.
    """
    batches = num_evaluation_batches(records, settings.eval_batch_size, settings.num_eval_steps)
    dataset = evaluation_dataset(records, settings.eval_batch_size)
    with tqdm(
        total=batches, desc="evaluation", unit="batch", file=sys.stderr, leave=False, disable=quiet
    ) as bar:
        metrics = evaluator.evaluate(dataset, batches, stopped, lambda done: bar.update())
    if metrics is not None:
        metrics["commonest_token"] = vocabulary.tokens[int(metrics.pop("commonest_token_id"))]
    return metrics


def describe(metrics: Mapping[str, Any]) -> str:
    """Lines for the user: held-out figures beside the trivial baselines."""
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
