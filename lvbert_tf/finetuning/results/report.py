"""What a run prints and writes after its trials: table, results, answers, GLUE's submission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvbert_tf.finetuning.parts import ReportSettings
from lvbert_tf.finetuning.results.glue_submission import glue_tables, write_glue_submission
from lvbert_tf.finetuning.results.summary import best_trial, results_table, write_results
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory, TrialResult
from lvbert_tf.finetuning.run_context import RunContext
from lvbert_tf.io.whole import write_json


@dataclass(frozen=True)
class Report:
    """Reports the trials of a run.

    Args:
      run: the tasks, and where to show lines.
      settings: what is reported.
      hparams: the hparams of the run, in JSON's types.
      directories: the directories of the trials, in order.
    """

    run: RunContext
    settings: ReportSettings
    hparams: Mapping[str, Any]
    directories: Sequence[TrialDirectory]

    def write(self, results: Sequence[TrialResult]) -> None:
        """Writes the results of the trials so far.

        Raises:
          InputError: they cannot be written.
        """
        write_results(self.settings.results_dir, tuple(self.run.data), results, self.hparams)

    def keep_best_model(self, results: Sequence[TrialResult]) -> None:
        """Removes the models of all trials so far but the best one."""
        best = best_trial(results)
        for result in results:
            if result is not best:
                self.directories[result.trial - 1].remove_models()

    def finish(self, results: Sequence[TrialResult]) -> None:
        """Prints and writes the results of all trials, and writes the best one's predictions for others.

        SQuAD's scripts read its answers; gluebenchmark.com reads its test predictions.

        Raises:
          InputError: a file cannot be written, or a test split has rows without a prediction.
        """
        self.write(results)
        names, results_dir = tuple(self.run.data), self.settings.results_dir
        if self.settings.do_eval:
            metrics = {name: data.task.metrics for name, data in self.run.data.items()}
            print(results_table(results, metrics))
        result = best_trial(results)
        best = self.directories[result.trial - 1]
        stem = results_dir / ",".join(names)
        written = [f"{stem}_results.json", f"{stem}_results.txt"]
        for name, data in self.run.data.items():
            metrics_of_answers = result.metrics.get(name, {}).get("dev")
            if not self.settings.do_eval or data.task.kind != "span" or metrics_of_answers is None:
                continue
            if answers := best.read_predictions(name, "dev"):
                texts = {answer["id"]: answer["answer"] for answer in answers}
                scores = None
                if data.task.unanswerable:
                    scores = {answer["id"]: answer["no_answer_score"] for answer in answers}
                write_answers(results_dir, names, name, texts, scores, metrics_of_answers)
                written.append(f"{stem}_qa/")
        if self.settings.write_test_outputs:
            written += self._write_submission(best)
        written += [str(best.preset(name)) for name in names]
        for line in ("written:", *written):
            self.run.say(line)

    def _write_submission(self, best: TrialDirectory) -> list[str]:
        """Adds a trial's test predictions to GLUE's submission; returns lines for the user."""
        predictions, rows, missing = {}, {}, []
        for name, data in self.run.data.items():
            for split in data.task.splits_of("test"):
                found = best.read_predictions(name, split)
                if found is None:
                    missing.append(f"{name} {split}")
                elif (name, split) in glue_tables():
                    key = "label" if data.task.kind == "classification" else "value"
                    predictions[name, split] = [prediction[key] for prediction in found]
                    rows[name, split] = len(data.examples(split))
        lines = []
        if missing:
            lines.append(
                f"no predictions for {', '.join(missing)}: trial {best.trial} was trained without"
                " write_test_outputs, or is beyond n_writes_test; run again with do_train false to"
                " write them"
            )
        if predictions:
            path = self.settings.results_dir / "glue_submission.zip"
            lines.append(str(write_glue_submission(path, predictions, rows)))
        return lines


def write_answers(
    results_dir: Path,
    task_names: Sequence[str],
    task_name: str,
    answers: Mapping[str, str],
    no_answer_scores: Mapping[str, float] | None,
    metrics: Mapping[str, float],
) -> None:
    """Writes a task's answers into `<tasks>_qa/`, as SQuAD's official evaluation scripts read them.

    `<task>_preds.json` has id -> text, and `<task>_eval.json` the metrics. Where contexts may hold no
    answer there is also `<task>_null_odds.json` with id -> score. The text is then the best one even
    for questions that seem to have no answer, and the script of SQuAD 2.0 is to be called with
    `--na-prob-file <task>_null_odds.json --na-prob-thresh <qa_na_threshold>`.

    Args:
      results_dir: the directory of the results; the folder is created in it if need be.
      task_names: the tasks of the run; joined by commas they name the folder.
      task_name: the task whose answers these are.
      answers: id -> text.
      no_answer_scores: id -> how likely it is that there is no answer, on any scale; None for a task
        whose questions all have one.
      metrics: the metrics of the answers.

    Raises:
      ValueError: the scores belong to other questions than the answers.
      InputError: a file cannot be written; the old one is then untouched.
    """
    if no_answer_scores is not None and no_answer_scores.keys() != answers.keys():
        raise ValueError(f"{len(answers)} answers but {len(no_answer_scores)} scores, or other ids")
    folder = results_dir / f"{','.join(task_names)}_qa"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{task_name}_preds.json", dict(answers))
    if no_answer_scores is not None:
        write_json(folder / f"{task_name}_null_odds.json", dict(no_answer_scores))
    write_json(folder / f"{task_name}_eval.json", dict(metrics))
