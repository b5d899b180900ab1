"""The search program: from records to a supernet, scored strings, a report and `best.toml`."""

import dataclasses
import time

import tensorflow as tf

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.pretraining import run as pretraining
from lvbert_tf.pretraining.data import open_held_out
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.runs.preparation import prepare
from lvbert_tf.runs.token_table import as_begun, fit_to_vocabulary
from lvbert_tf.search.corrupted_set import CorruptedSet
from lvbert_tf.search.experiment import Experiment
from lvbert_tf.search.report_stage import report
from lvbert_tf.search.scoring_stage import score_strings
from lvbert_tf.search.settings import STAGES
from lvbert_tf.search.storage import open_storage
from lvbert_tf.settings.user_hparams import load_hparams
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training import distribution, workers


def run_search(
    data_dir: str,
    search_name: str,
    hparams: str = "",
    stage: str = "all",
    storage_url: str = "",
    strategy_name: str = "auto",
    virtual_devices: int = 0,
    tpu: str | None = None,
) -> int:
    """Runs the stages of a search, from wherever they are; `run_search.py --help` has the arguments.

    Returns:
      the exit code, as of `pretrain`.

    Raises:
      InputError: bad arguments or bad data; before anything is written, where that can be known.
    """
    since = time.monotonic()
    if stage not in STAGES:
        raise InputError(f"--stage {stage!r}: expected one of {', '.join(STAGES)}")
    experiment = Experiment.create(data_dir, search_name, load_hparams(hparams), storage_url)
    experiment = experiment.with_config(as_begun(experiment.config))
    if stage != "report":
        config, vocabulary, start = prepare(experiment.config)
        experiment = experiment.with_config(config)
        strategy = distribution.start_strategy(
            config.devices, strategy_name, virtual_devices, tpu, cli.say
        )
        held_out = _open_held_out(experiment, vocabulary)
        if stage != "supernet":
            _check_one_worker(strategy)
            # Before the supernet is trained: hours later is too late to find no database.
            open_storage(experiment.journal, storage_url)
        # Strings are only ever scored with a trained supernet.
        if experiment.held_out_path.exists():
            _check_begun(experiment)
        elif stage != "search" and (status := pretraining.run(config, vocabulary, start, strategy)):
            return status
        if stage != "supernet" and (
            status := score_strings(experiment, vocabulary, strategy, held_out, since)
        ):
            return status
    if stage in ("all", "report"):
        if experiment.config.vocab_size is None:  # the supernet has been moved away
            experiment = experiment.with_config(fit_to_vocabulary(experiment.config)[0])
        report(experiment)
    return 0


def _open_held_out(experiment: Experiment, vocabulary: Vocabulary) -> RecordSet:
    config = experiment.config
    records = open_held_out(config.eval_tfrecords, config.records, vocabulary, cli.stay_silent)
    if records is None:
        raise InputError(
            f"no held-out records match {config.eval_tfrecords}: strings are scored on"
            " them; build_pretraining_dataset.py --held_out_fraction sets some aside"
        )
    return records


def _check_begun(experiment: Experiment) -> None:
    """Compares a search that has begun to score strings with what it was begun with."""
    provenance = CorruptedSet.load(experiment.held_out_path).provenance
    if provenance.checkpoint_step != experiment.config.num_train_steps:
        raise InputError(
            f"num_train_steps is {experiment.config.num_train_steps}, but strings have been scored"
            f" with the supernet of step {provenance.checkpoint_step}; use another --search_name, or"
            " set it back"
        )
    experiment.open_study(dataclasses.asdict(provenance))


def _check_one_worker(strategy: tf.distribute.Strategy) -> None:
    if workers.worker_of(strategy)[1] > 1:
        raise InputError(
            "workers of TF_CONFIG or Slurm train a supernet together (--stage supernet), but score"
            " strings each by itself: start --stage search on each with --strategy one_device"
        )
