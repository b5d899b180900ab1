"""Training and scoring in worker processes: one JSON file a training, written when it is complete."""

import contextlib
import json
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.search import experiment
from experiments.search.experiment import Alone, Shared
from lvbert_tf.errors import InputError
from lvbert_tf.files import write_json
from lvbert_tf.pretraining.quiet_import import import_tensorflow

if TYPE_CHECKING:
    from lvbert_tf.models import ElectraPretrainer
    from lvbert_tf.search.evaluator import CandidateEvaluator

_STRINGS_BETWEEN_SAVES = 50


def result_path(output_dir: Path, training: Alone | Shared) -> Path:
    """Where the scores of a training are."""
    return output_dir / "results" / f"{training.name}.json"


def start_worker() -> None:
    """Prepares a process that computes on one core, and ends with the one that started it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def train_and_score(output_dir: Path, training: Alone | Shared, strings: Iterable[str]) -> str:
    """Trains, scores, and writes the result; continues what was interrupted.

    Args:
      output_dir: of the benchmark.
      training: what to train.
      strings: of a supernet, those to score; none of a string by itself.

    Returns:
      the training's name.

    Raises:
      InputError: it was asked to stop, and has saved.
    """
    import keras
    import tensorflow as tf

    from lvbert_tf.pretraining.run import run
    from lvbert_tf.pretraining.token_table import fit_to_vocabulary
    from lvbert_tf.training.initialization import load_pretrainer

    result = result_path(output_dir, training)
    if result.exists():
        return training.name
    keras.backend.clear_session()
    config = experiment.pretraining_config(output_dir, training)
    log = output_dir / "logs" / f"{training.name}.txt"
    start = time.process_time()  # which other programs on the machine hardly change
    with _output_in(log):
        if run(*fit_to_vocabulary(config), tf.distribute.get_strategy()):
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
    return training.name


def reference(objective: str) -> Alone:
    """The training whose generator corrupts the held-out records, for all models alike."""
    return Alone(objective, experiment.BASELINE, experiment.FIRST_SEED)


def _is_reference(training: Alone | Shared) -> bool:
    return training == reference(training.objective)


def _evaluator(
    output_dir: Path, training: Alone | Shared, pretrainer: "ElectraPretrainer"
) -> "CandidateEvaluator":
    """Scores on the set that the reference made; makes it where this is the reference."""
    import tensorflow as tf

    from lvbert_tf.pretraining.input_pipeline import evaluation_dataset
    from lvbert_tf.pretraining.masking import MaskingSpec
    from lvbert_tf.pretraining.objective import Objective
    from lvbert_tf.pretraining.record_set import RecordSet
    from lvbert_tf.pretraining.token_table import fit_to_vocabulary
    from lvbert_tf.search.corrupted_set import CorruptedSet, Origin
    from lvbert_tf.search.evaluator import CandidateEvaluator, corrupt_held_out

    config = experiment.pretraining_config(output_dir, training)
    config, vocabulary = fit_to_vocabulary(config)
    strategy = tf.distribute.get_strategy()
    objective = Objective.from_config(config, MaskingSpec.from_config(config, vocabulary))
    path = output_dir / f"held_out-{training.objective}.npz"
    if _is_reference(training) and not path.exists():
        records = RecordSet.open(config.eval_tfrecords, config.max_seq_length, vocabulary)
        batches, batch = experiment.SCORING_BATCHES, experiment.SCORING_BATCH
        origin = Origin.of(pretrainer, config.num_train_steps, objective, records, batches, batch)
        dataset = evaluation_dataset(records, batch)
        features = corrupt_held_out(strategy, pretrainer, objective, dataset, batches)
        CorruptedSet(origin, features).save(path)
    return CandidateEvaluator(strategy, pretrainer, objective, CorruptedSet.load(path))


def _score_all(
    output_dir: Path, training: Shared, evaluator: "CandidateEvaluator", strings: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Scores the strings, saving now and then."""

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


@contextlib.contextmanager
def _output_in(path: Path) -> Iterator[None]:
    """Sends standard output and error to a file, TensorFlow's own too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(1), os.dup(2)]
    with path.open("a", encoding="utf-8") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
