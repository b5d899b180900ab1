"""The second stage of the search program: scoring strings with the trained supernet."""

import dataclasses
import sys
from collections.abc import Mapping

import numpy as np
import optuna
import tensorflow as tf
from tqdm import tqdm

from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.io.sealed import write_sealed_json
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.records.input_pipeline import evaluation_dataset, num_evaluation_batches
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.runs.initialization import load_pretrainer
from lvbert_tf.search.candidate import ranked
from lvbert_tf.search.corrupted_set import CorruptedSet, Provenance, open_corrupted_set
from lvbert_tf.search.evaluator import CandidateEvaluator, corrupt_held_out
from lvbert_tf.search.experiment import Experiment
from lvbert_tf.search.report.quantities import quantity
from lvbert_tf.search.report.references import reference_strings
from lvbert_tf.search.search import Evaluate, Outcome, search
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.trials import Places
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.checkpoints import step_of, step_paths
from lvbert_tf.training.distribution import check_batch
from lvbert_tf.training.precision import POLICIES, resolve_precision
from lvbert_tf.training.signals import StopRequest


def score_strings(
    experiment: Experiment,
    vocabulary: Vocabulary,
    strategy: tf.distribute.Strategy,
    held_out: RecordSet,
    since: float,
) -> int:
    """Corrupts the held-out set, searches, searches at random to compare, and scores the baselines.

    Each of them only as far as it is not done yet. Several processes may do this at the same time.

    Args:
      experiment: the search.
      vocabulary: of the records.
      strategy: where strings are scored.
      held_out: what they are scored on.
      since: the `time.monotonic()` from which `max_hours` counts.

    Returns:
      0 done; 143 or 130 stopped by SIGTERM, `max_hours` or SIGINT, with all scores kept.

    Raises:
      InputError: the supernet is not trained; the held-out set or a study is damaged or was made
        with something else.
    """
    check_batch(strategy, strategy.num_replicas_in_sync, 1, experiment.config.eval_batch_size)
    with StopRequest(experiment.config.max_hours, since) as stop:
        pretrainer, step = _load_supernet(experiment, strategy)
        objective = PretrainingObjective.from_settings(
            experiment.config.objective,
            MaskingSpec.from_settings(experiment.config.objective, vocabulary),
        )
        corrupted = _corrupted_set(experiment, strategy, pretrainer, step, objective, held_out)
        evaluator = CandidateEvaluator(strategy, pretrainer, objective, corrupted)

        def evaluate(string: LayerString) -> Mapping[str, float]:
            if "latency" not in experiment.settings.objectives:
                return evaluator(string)
            return {**evaluator(string), "latency": evaluator.latency(string)}

        provenance = dataclasses.asdict(corrupted.provenance)
        studies = [("search", experiment.open_study(provenance), experiment.settings)]
        if random_settings := experiment.random_settings:
            random_study = experiment.open_random_study(random_settings, provenance)
            studies.append(("random search", random_study, random_settings))
        for title, study, settings in studies:
            outcome = _search(title, study, experiment, settings, evaluate, stop)
            if outcome is Outcome.STOPPED:
                return _stopped(stop)
        if not experiment.references_path.exists():
            scores = {}
            for string in reference_strings(experiment.space):
                if stop:
                    return _stopped(stop)
                scores[str(string)] = dict(evaluate(string))
            write_sealed_json(experiment.references_path, scores)
    return 0


def _stopped(stop: StopRequest) -> int:
    cli.say("stopped; the same command continues, and --stage report shows what there is")
    return stop.exit_code


def _load_supernet(
    experiment: Experiment, strategy: tf.distribute.Strategy
) -> tuple[ElectraPretrainer, int]:
    """The networks, and the step that they were trained to."""
    config = experiment.config
    paths = step_paths(f"{config.model_dir}/checkpoints")
    step = step_of(paths[-1]) if paths else 0
    if step < config.num_train_steps:
        raise InputError(
            f"the supernet in {config.model_dir} is at step {step} of {config.num_train_steps};"
            " train it first, with --stage supernet"
        )
    policy = POLICIES[resolve_precision(config.precision)]
    with strategy.scope():
        return load_pretrainer(paths[-1], cli.say, dtype=policy), step


def _corrupted_set(
    experiment: Experiment,
    strategy: tf.distribute.Strategy,
    pretrainer: ElectraPretrainer,
    step: int,
    objective: PretrainingObjective,
    held_out: RecordSet,
) -> CorruptedSet:
    most, size = experiment.config.num_eval_steps, experiment.config.eval_batch_size
    num_batches = num_evaluation_batches(held_out, size, most)

    def make() -> dict[str, np.ndarray]:
        with _bar(num_batches, "held-out set", "batch") as bar:
            return corrupt_held_out(
                strategy,
                pretrainer,
                objective,
                evaluation_dataset(held_out, size),
                num_batches,
                lambda done: bar.update(),
            )

    provenance = Provenance.of(pretrainer, step, objective, held_out, most, size)
    return open_corrupted_set(experiment.held_out_path, provenance, make)


def _search(
    title: str,
    study: optuna.Study,
    experiment: Experiment,
    settings: SearchSettings,
    evaluate: Evaluate,
    stop: StopRequest,
) -> Outcome:
    fitness, places = quantity(settings.fitness), Places(study)
    with _bar(settings.num_candidates, title, "string") as bar:

        def show() -> None:
            """Also what other processes have scored."""
            scored = places.candidates()
            if scored:
                best = ranked(scored, settings.fitness)[0]
                value = fitness.text(best.metric(settings.fitness))
                bar.set_postfix_str(f"best {best.string}, {fitness.label} {value}", refresh=False)
            bar.update(len(scored) - bar.n)

        show()
        bar.unpause()  # earlier runs say nothing of the speed of this one
        outcome = search(
            study,
            experiment.space,
            settings,
            evaluate,
            experiment.config.seed,
            on_candidate=lambda _: show(),
            stopped=lambda: bool(stop),
        )
        show()
    if outcome is not Outcome.STOPPED:
        cli.say(f"{title}: {len(places.candidates()):,} strings; {outcome.value}")
    return outcome


def _bar(total: int, title: str, unit: str) -> tqdm:
    return tqdm(total=total, desc=title, unit=unit, file=sys.stderr, dynamic_ncols=True)
