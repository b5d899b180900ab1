"""Training and scoring, a process for each: one JSON file a training, written when it is complete."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from experiments.evidence.jobs import Job
from experiments.search import experiment
from experiments.search.experiment import Alone, Shared
from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.io.whole import write_json
from lvbert_tf.quiet_import import import_tensorflow

if TYPE_CHECKING:
    from lvbert_tf.models import ElectraPretrainer
    from lvbert_tf.search.evaluator import CandidateEvaluator

_STRINGS_BETWEEN_SAVES = 50


def result_path(output_dir: Path, training: Alone | Shared) -> Path:
    """The file that the scores of a training are written to."""
    return output_dir / "results" / f"{training.name}.json"


def training_job(output_dir: Path, training: Alone | Shared, strings: Iterable[str] = ()) -> Job:
    """The job that calls `train_and_score` in a process of its own.

    Args:
      output_dir: the directory of the experiment.
      training: what to train.
      strings: of a supernet, those to score; none of a string by itself.
    """
    command = [sys.executable, "-m", "experiments.search.training", f"--output_dir={output_dir}"]
    command += [f"--training={training.name}", f"--strings={','.join(strings)}"]
    return Job(training.name, command, [result_path(output_dir, training)])


def train_and_score(output_dir: Path, training: Alone | Shared, strings: Iterable[str]) -> None:
    """Trains, scores, and writes the result; continues what was interrupted.

    Args:
      output_dir: the directory of the experiment.
      training: what to train.
      strings: of a supernet, those to score; none of a string by itself.

    Raises:
      InputError: it was asked to stop, and has saved.
    """
    import tensorflow as tf

    from lvbert_tf.pretraining.run import run
    from lvbert_tf.runs.initialization import load_pretrainer
    from lvbert_tf.runs.preparation import prepare

    result = result_path(output_dir, training)
    config = experiment.pretraining_config(output_dir, training)
    start = time.process_time()  # which other programs on the machine hardly change
    if run(*prepare(config), tf.distribute.get_strategy()):
        raise InputError(f"{training.name} was stopped; the same command continues")
    trained = time.process_time() - start
    evaluator = _evaluator(output_dir, training, load_pretrainer(config.model_dir, print))
    if isinstance(training, Shared):
        scores = _score_all(output_dir, training, evaluator, strings)
    else:
        scores = {training.string: evaluator.evaluate()}
    seconds = {"training": trained, "all": time.process_time() - start}
    write_json(result, {"hparams": training.hparams, "seconds": seconds, "scores": scores})
    if isinstance(training, Alone) and not _is_reference(training):
        shutil.rmtree(config.model_dir)


def reference(objective: str) -> Alone:
    """The training whose generator corrupts the held-out records, for all models alike."""
    return Alone(objective, experiment.BASELINE, experiment.FIRST_SEED)


def _is_reference(training: Alone | Shared) -> bool:
    return training == reference(training.objective)


def _evaluator(
    output_dir: Path, training: Alone | Shared, pretrainer: "ElectraPretrainer"
) -> "CandidateEvaluator":
    """Makes what scores on the set of the reference, and that set first if this is the reference."""
    import tensorflow as tf

    from lvbert_tf.pretraining.masking import MaskingSpec
    from lvbert_tf.pretraining.objective import PretrainingObjective
    from lvbert_tf.records.input_pipeline import evaluation_dataset
    from lvbert_tf.records.record_set import RecordSet
    from lvbert_tf.runs.token_table import fit_to_vocabulary
    from lvbert_tf.search.corrupted_set import CorruptedSet, Provenance
    from lvbert_tf.search.evaluator import CandidateEvaluator, corrupt_held_out

    config = experiment.pretraining_config(output_dir, training)
    config, vocabulary = fit_to_vocabulary(config)
    strategy = tf.distribute.get_strategy()
    objective = PretrainingObjective.from_settings(
        config.objective, MaskingSpec.from_settings(config.objective, vocabulary)
    )
    path = output_dir / f"held_out-{training.objective}.npz"
    if _is_reference(training) and not path.exists():
        records = RecordSet.open(config.eval_tfrecords, config.records, vocabulary)
        batches, batch = experiment.SCORING_BATCHES, experiment.SCORING_BATCH
        provenance = Provenance.of(
            pretrainer, config.num_train_steps, objective, records, batches, batch
        )
        dataset = evaluation_dataset(records, batch)
        features = corrupt_held_out(strategy, pretrainer, objective, dataset, batches)
        CorruptedSet(provenance, features).save(path)
    return CandidateEvaluator(strategy, pretrainer, objective, CorruptedSet.load(path))


def _score_all(
    output_dir: Path, training: Shared, evaluator: "CandidateEvaluator", strings: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Scores the strings, and saves the scores now and then, so that a killed process loses few."""

    path = output_dir / "models" / training.name / "scores.json"
    scores: dict[str, dict[str, float]] = {}
    if path.exists():
        scores = json.loads(path.read_text(encoding="utf-8"))
    for string in strings:
        if string not in scores:
            scores[string] = evaluator(string)
            if len(scores) % _STRINGS_BETWEEN_SAVES == 0:
                write_json(path, scores)
    return scores


def _define_flags() -> None:
    flags.DEFINE_string("output_dir", None, "Directory of the experiment.", required=True)
    flags.DEFINE_string("training", None, "Name of what is trained.", required=True)
    flags.DEFINE_list("strings", [], "Of a supernet, the strings to score.")


def _main() -> None:
    training = experiment.training_named(flags.FLAGS.training)
    train_and_score(Path(flags.FLAGS.output_dir), training, flags.FLAGS.strings)


def _end_with(parent: int) -> None:
    """Ends this process once its parent has ended, so that no second one works in its directory."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    import_tensorflow()
    cli.run(_main, _define_flags)
