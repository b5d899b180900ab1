"""The loop of a search: plan a generation, score it, plan the next."""

import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.samplers import SAMPLERS, Proposal
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace
from lvbert_tf.search.trials import Places, TrialRecord, enqueue
from lvbert_tf.search.worker import Worker

POLL_SECONDS = 1.0

Evaluate = Callable[[LayerString], Mapping[str, float]]
"""Scores a string, always alike; the names are those of `candidate.FITNESS`, and "latency"."""


class Outcome(Enum):
    """How a search ended."""

    COMPLETE = "every generation was scored"
    EXHAUSTED = "every string of the space was scored"
    STOPPED = "it was asked to stop"


def search(
    study: optuna.Study,
    space: SearchSpace,
    settings: SearchSettings,
    evaluate: Evaluate,
    seed: int,
    on_candidate: Callable[[Candidate], None] = lambda _: None,
    on_generation: Callable[[int, Sequence[Candidate]], None] = lambda _, __: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Runs a search to its end, from wherever its study is.

    The proposals of a generation are a function of the seed and the scores of the generations
    before. They are written as waiting trials and then scored, by as many processes as call this
    with the same study. So however often processes are killed and started again, and however many
    there are, the candidates are the same.

    Args:
      study: see `open_study`.
      space: what may be proposed.
      settings: the sampler and its generations.
      evaluate: scores a string that has no scores yet.
      seed: of all random numbers.
      on_candidate: called after each candidate that this process has scored.
      on_generation: called after each generation that this process took part in, with its number
        and all candidates so far.
      stopped: asked before each candidate.

    Raises:
      InputError: the evaluator does not give the fitness, or the study's storage failed. What was
        scored is kept.
    """
    places = Places(study)
    worker = Worker(places)
    for generation in range(settings.num_generations + 1):
        first = settings.first_number(generation)
        if worker.all_finished(range(first, settings.first_number(generation + 1))):
            continue
        proposals = _plan(places, space, settings, generation, seed)
        numbers = range(first, first + len(proposals))
        took_part = False
        while not worker.all_finished(numbers):
            if stopped():
                return Outcome.STOPPED
            took_part = True
            trial = worker.take(numbers)
            if trial is not None:
                candidate = _score(worker, trial, settings, evaluate)
                if candidate is not None:
                    on_candidate(candidate)
            elif enqueue(places, space, first, proposals):
                worker.fail_duplicates()
            else:  # others are at the rest
                time.sleep(POLL_SECONDS)
        if took_part:
            on_generation(generation, places.candidates())
        if len(proposals) < settings.generation_size(generation):
            return Outcome.EXHAUSTED
    return Outcome.COMPLETE


def _plan(
    places: Places, space: SearchSpace, settings: SearchSettings, generation: int, seed: int
) -> list[Proposal]:
    """The proposals of a generation, once all those before have been scored."""
    first = settings.first_number(generation)
    earlier = [candidate for candidate in places.candidates() if candidate.number < first]
    rng = np.random.default_rng([seed, generation])
    return SAMPLERS[settings.sampler](space, settings, generation, earlier, rng)


def _score(
    worker: Worker, trial: FrozenTrial, settings: SearchSettings, evaluate: Evaluate
) -> Candidate | None:
    """Scores a trial that this worker has taken; None if another one had it and was faster."""
    record = TrialRecord.of(trial)
    with worker.at_work(trial):
        start = time.perf_counter()
        given = evaluate(LayerString.parse(record.string))
        seconds = time.perf_counter() - start
        scores = {name: float(value) for name, value in given.items()}
        candidate = record.candidate(scores, seconds)
        values = [candidate.metric(name) for name in settings.objectives]
    return candidate if worker.finish(trial, scores, seconds, values) else None
