"""What a run shows and writes of its trials as a whole."""

from collections.abc import Sequence

from lvbert_tf import hparams
from lvbert_tf.finetuning.results.answer_files import write_answers
from lvbert_tf.finetuning.results.glue_submission import GLUE_TEST_SETS, write_glue_submission
from lvbert_tf.finetuning.results.results import TrialResult
from lvbert_tf.finetuning.results.results_files import write_results
from lvbert_tf.finetuning.results.results_table import results_table
from lvbert_tf.finetuning.results.summary import best_trial
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.run_context import RunContext


def write_figures(run: RunContext, results: Sequence[TrialResult]) -> None:
    """Writes the figures of the trials so far.

    Raises:
      InputError: they cannot be written.
    """
    settings = hparams.to_json(run.config)
    names = run.config.task_names.names
    write_results(run.config.results_dir, names, results, settings)


def finish(run: RunContext, results: Sequence[TrialResult]) -> None:
    """Prints the table of all trials; writes what is made of the best one's predictions.

    Raises:
      InputError: a file cannot be written, or a test set has rows without a prediction.
    """
    config, names = run.config, run.config.task_names.names
    if config.do_eval:
        metrics = {name: run.data[name].task.metrics for name in names}
        print(results_table(results, metrics))
    result = best_trial(results)
    best = TrialDirectory(config, result.trial)
    stem = config.results_dir / str(config.task_names)
    written = [f"{stem}_results.json", f"{stem}_results.txt"]
    for name in names:
        task = run.data[name].task
        scored = config.do_eval and task.kind == "span"
        answers = best.read_predictions(name, "dev") if scored else None
        if answers:
            scores = {
                answer["id"]: answer["no_answer_score"] for answer in answers if task.unanswerable
            }
            write_answers(
                config.results_dir,
                names,
                name,
                {answer["id"]: answer["answer"] for answer in answers},
                scores or None,
                result.figures[name]["dev"],
            )
            written.append(f"{stem}_qa/")
    if config.write_test_outputs:
        written += _write_submission(run, best)
    written += [str(best.preset(name)) for name in names]
    for line in ("written:", *written):
        run.say(line)


def keep_best_model(run: RunContext, results: Sequence[TrialResult]) -> None:
    """Removes the models of all trials but the best of those that have been run."""
    best = best_trial(results)
    for result in results:
        if result is not best:
            TrialDirectory(run.config, result.trial).remove_models()


def _write_submission(run: RunContext, best: TrialDirectory) -> list[str]:
    """Adds a trial's test predictions to GLUE's submission; returns lines for the user."""
    predictions, rows, missing = {}, {}, []
    for name, data in run.data.items():
        for split in data.task.splits_of("test"):
            found, reading = best.read_predictions(name, split), data.readings[split]
            if found is None:
                missing.append(f"{name} {split}")
            elif (name, split) in GLUE_TEST_SETS:
                key = "label" if data.task.kind == "classification" else "value"
                predictions[name, split] = [prediction[key] for prediction in found]
                rows[name, split] = len(reading.examples)
    lines = []
    if missing:
        lines.append(
            f"no predictions for {', '.join(missing)}: trial {best.trial} was trained without"
            " write_test_outputs, or is beyond n_writes_test; do_train false makes them"
        )
    if predictions:
        path = run.config.results_dir / "glue_submission.zip"
        lines.append(write_glue_submission(path, predictions, rows).describe())
    return lines
