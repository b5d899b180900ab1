"""Answers to questions, as the official evaluation scripts of SQuAD read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lvbert_tf.io.whole import write_json


def write_answers(
    results_dir: Path,
    task_names: Sequence[str],
    task_name: str,
    answers: Mapping[str, str],
    no_answer_scores: Mapping[str, float] | None,
    figures: Mapping[str, float],
) -> None:
    """Writes a task's answers into `<tasks>_qa/`, as SQuAD's official evaluation scripts read them.

    `<task>_preds.json` is id -> text, `<task>_eval.json` the figures. Where contexts may hold no
    answer there is also `<task>_null_odds.json`, id -> score: the text is then the best one even of
    questions that seem to have none, and the script of SQuAD 2.0 is to be called with
    `--na-prob-file <task>_null_odds.json --na-prob-thresh <qa_na_threshold>`.

    Args:
      results_dir: the folder is created in it if need be.
      task_names: of the run; joined by commas they name the folder.
      task_name: whose answers they are.
      answers: id -> text.
      no_answer_scores: id -> how likely there is no answer, on any scale; None for other tasks.
      figures: of the answers.

    Raises:
      ValueError: scores of other questions than those answered.
      InputError: a file cannot be written; the old one is untouched.
    """
    if no_answer_scores is not None and no_answer_scores.keys() != answers.keys():
        raise ValueError(f"{len(answers)} answers but {len(no_answer_scores)} scores, or other ids")
    folder = results_dir / f"{','.join(task_names)}_qa"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{task_name}_preds.json", dict(answers))
    if no_answer_scores is not None:
        write_json(folder / f"{task_name}_null_odds.json", dict(no_answer_scores))
    write_json(folder / f"{task_name}_eval.json", dict(figures))
