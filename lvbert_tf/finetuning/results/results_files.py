"""`results/`: the figures of all trials of a run, as JSON and in the reference's text form."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lvbert_tf.finetuning.results.results import Figures, TrialResult
from lvbert_tf.finetuning.results.summary import Summary, summarize_trials
from lvbert_tf.io.whole import replace_file, write_json


def write_results(
    results_dir: Path,
    task_names: Sequence[str],
    trials: Sequence[TrialResult],
    settings: Mapping[str, Any],
) -> None:
    """Writes `<tasks>_results.json` and `<tasks>_results.txt`; the tasks are joined by commas.

    The JSON has `tasks`, `settings`, `trials` (see `TrialResult.to_json_dict`) and `summary` (task ->
    split -> metric -> median, mean, std, minimum, maximum, number). A figure that is not finite is
    null. The text is that of `results_text`.

    Args:
      results_dir: created if need be.
      settings: of JSON's types.

    Raises:
      InputError: a file cannot be written; the old one is untouched.
    """
    results_dir.mkdir(parents=True, exist_ok=True)
    stem = ",".join(task_names)
    content = {
        "tasks": list(task_names),
        "settings": dict(settings),
        "trials": [trial.to_json_dict() for trial in trials],
        "summary": {
            task: {
                split: {metric: _plain(summary) for metric, summary in summaries.items()}
                for split, summaries in splits.items()
            }
            for task, splits in summarize_trials(trials).items()
        },
    }
    replace_file(results_dir / f"{stem}_results.txt", results_text(trials))
    write_json(results_dir / f"{stem}_results.json", content)


def results_text(trials: Sequence[TrialResult]) -> str:
    """A line for every trial and task, as `cola: mcc: 57.04 - loss: 0.45`.

    The reference scores one dev set a task. The further ones of ours have lines of their own that
    begin with task and split, as `mnli_dev_mismatched: accuracy: 79.10 - loss: 0.55`.
    """
    lines = []
    for trial in trials:
        for task, splits in trial.figures.items():
            for index, (split, figures) in enumerate(splits.items()):
                lines.append(_line(f"{task}_{split}" if index else task, figures))
    return "".join(line + "\n" for line in lines)


def _line(name: str, figures: Figures) -> str:
    return f"{name}: " + " - ".join(f"{metric}: {value:.2f}" for metric, value in figures.items())


def _plain(summary: Summary) -> dict[str, Any]:
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in asdict(summary).items()
    }
