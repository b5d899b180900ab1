"""The loop: what it scores, and that stopping, failing and sharing change nothing of it."""

import dataclasses
import hashlib
import threading

import pytest
from synthetic import SEED, Landscape, make_settings, open_synthetic

from lvbert_tf.errors import InputError
from lvbert_tf.search import search as search_module
from lvbert_tf.search.candidate import ranked
from lvbert_tf.search.limit import UNLIMITED
from lvbert_tf.search.samplers import SAMPLERS, evolution
from lvbert_tf.search.search import Outcome, search
from lvbert_tf.search.trials import Places, candidates

samplers = pytest.mark.parametrize("sampler", sorted(SAMPLERS))


def run(directory, settings, evaluate=None, seed=SEED, url="", **callbacks):
    study, space = open_synthetic(directory, settings, url, seed)
    outcome = search(study, space, settings, evaluate or Landscape(), seed, **callbacks)
    return study, outcome


def without_times(study):
    return [dataclasses.replace(candidate, seconds=0.0) for candidate in candidates(study)]


@samplers
def test_every_sampler_scores_as_many_strings_once_each(tmp_path, sampler):
    settings = make_settings(sampler=sampler)
    evaluate = Landscape()
    study, outcome = run(tmp_path, settings, evaluate)
    assert outcome == Outcome.COMPLETE
    assert sum(evaluate.calls.values()) == len(evaluate.calls) == settings.num_candidates == 28
    found = candidates(study)
    assert [candidate.number for candidate in found] == list(range(28))
    assert {candidate.string for candidate in found} == set(evaluate.calls)
    assert all(candidate.scores == evaluate(candidate.string) for candidate in found)
    assert all(candidate.seconds > 0 for candidate in found)
    best = ranked(found, "disc_loss")[0]
    assert best.scores["disc_loss"] == min(trial.values[0] for trial in study.trials)


def test_the_values_of_a_trial_are_the_objectives(tmp_path):
    settings = make_settings(sampler="nsga2", fitness="disc_auc", cost="latency")
    study, _ = run(tmp_path, settings)
    for trial, candidate in zip(study.trials, candidates(study), strict=True):
        assert trial.values == [candidate.scores["disc_auc"], candidate.scores["latency"]]


@samplers
def test_the_seed_decides(tmp_path, sampler):
    settings = make_settings(sampler=sampler)
    first, _ = run(tmp_path / "a", settings)
    again, _ = run(tmp_path / "b", settings)
    other, _ = run(tmp_path / "c", settings, seed=SEED + 1)
    assert without_times(first) == without_times(again) != without_times(other)


@pytest.mark.parametrize(
    ("sampler", "digest"),
    [
        ("evolution", "1dbda163a130160f"),
        ("nsga2", "29a9178c18996761"),
        ("random", "d5fd7a7c797cabf5"),
    ],
)
def test_equal_seeds_propose_what_they_always_did(tmp_path, sampler, digest):
    """The digests are those of an earlier release, whose searches go on as they would have."""
    sizes = {"population_size": 40, "num_mutations": 15, "num_crossovers": 15}
    settings = make_settings(sampler=sampler, num_layers=24, num_generations=4, **sizes)
    study, _ = run(tmp_path, settings)
    lines = [f"{one.number} {one.string} {one.origin}" for one in candidates(study)]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest


def test_generations_that_are_scored_are_not_planned_again(tmp_path, monkeypatch):
    run(tmp_path, make_settings())
    planned = []

    def note(space, settings, generation, earlier, rng):
        planned.append(generation)
        return evolution(space, settings, generation, earlier, rng)

    monkeypatch.setitem(SAMPLERS, "evolution", note)
    run(tmp_path, make_settings(num_generations=5))
    assert planned == [4, 5]


def test_every_generation_has_random_numbers_of_its_own(tmp_path, monkeypatch):
    drawn = []

    def spying(space, settings, generation, known, rng):
        drawn.append(rng.integers(2**62))
        return SAMPLERS["evolution"](space, settings, generation, known, rng)

    monkeypatch.setitem(search_module.SAMPLERS, "random", spying)
    run(tmp_path, make_settings(sampler="random"))
    assert len(drawn) == len(set(drawn)) == 4


@samplers
def test_stopped_before_any_candidate_and_gone_on_with_is_as_if_never_stopped(tmp_path, sampler):
    settings = make_settings(sampler=sampler)
    whole, _ = run(tmp_path / "whole", settings)
    evaluate, runs = Landscape(), 0
    while True:
        before = sum(evaluate.calls.values())
        study, outcome = run(
            tmp_path / "parts",
            settings,
            evaluate,
            stopped=lambda before=before: sum(evaluate.calls.values()) == before + 3,
        )
        runs += 1
        if outcome == Outcome.COMPLETE:
            break
        assert outcome == Outcome.STOPPED
    assert runs == 10
    assert max(evaluate.calls.values()) == 1
    assert without_times(study) == without_times(whole)


def test_more_generations_continue_a_search(tmp_path):
    longer = make_settings(num_generations=5)
    whole, _ = run(tmp_path / "whole", longer)
    run(tmp_path / "parts", make_settings(num_generations=2))
    study, _ = run(tmp_path / "parts", longer)
    assert without_times(study) == without_times(whole)
    evaluate = Landscape()
    assert run(tmp_path / "parts", longer, evaluate)[1] == Outcome.COMPLETE
    assert not evaluate.calls  # there was nothing left to do


def test_callbacks(tmp_path):
    scored, generations = [], []
    settings = make_settings()
    study, _ = run(
        tmp_path,
        settings,
        on_candidate=lambda candidate: scored.append(candidate),
        on_generation=lambda number, known: generations.append((number, len(known))),
    )
    assert scored == candidates(study)
    assert generations == [(0, 10), (1, 16), (2, 22), (3, 28)]
    run(tmp_path, settings, on_generation=lambda number, known: generations.append(number))
    assert len(generations) == 4


@samplers
def test_a_search_ends_early_when_the_space_is_exhausted(tmp_path, sampler):
    settings = make_settings(
        num_layers=3, sampler=sampler, num_generations=50, max_parameters=UNLIMITED
    )
    evaluate = Landscape()
    study, outcome = run(tmp_path, settings, evaluate)
    assert outcome == Outcome.EXHAUSTED
    assert len(evaluate.calls) == len(candidates(study)) == 27
    assert run(tmp_path, settings, evaluate)[1] == Outcome.EXHAUSTED
    assert sum(evaluate.calls.values()) == 27


def test_a_failing_evaluator_loses_nothing(tmp_path):
    settings, evaluate = make_settings(), Landscape()

    def failing(string):
        if len(evaluate.calls) == 13:
            raise RuntimeError("out of memory")
        return evaluate(string)

    with pytest.raises(RuntimeError, match="out of memory"):
        run(tmp_path / "failed", settings, failing)
    study, _ = run(tmp_path / "failed", settings, evaluate)
    assert set(evaluate.calls.values()) == {1}
    assert without_times(study) == without_times(run(tmp_path / "whole", settings)[0])


def test_an_evaluator_without_the_fitness_is_refused(tmp_path):
    settings = make_settings(fitness="mlm_loss")
    with pytest.raises(InputError, match="gives no mlm_loss, only disc_loss, disc_auc, latency"):
        run(tmp_path, settings)
    study, _ = open_synthetic(tmp_path, settings)
    assert all(trial.state.name == "WAITING" for trial in study.trials)


@pytest.mark.parametrize(("fitness", "worst"), [("disc_loss", "inf"), ("disc_auc", "-inf")])
def test_a_score_that_is_no_number_is_the_worst(tmp_path, fitness, worst):
    def evaluate(string):
        return {fitness: float("nan") if string[0] == "C" else 0.5}

    study, outcome = run(tmp_path, make_settings(fitness=fitness), evaluate)
    assert outcome == Outcome.COMPLETE
    diverged = [trial for trial in study.trials if trial.params["layer_01"] == "C"]
    assert diverged and all(trial.value == float(worst) for trial in diverged)
    assert ranked(candidates(study), fitness)[0].string[0] != "C"


def test_a_trial_that_somebody_failed_is_scored_again(tmp_path):
    settings = make_settings()
    whole, _ = run(tmp_path / "whole", settings)
    run(tmp_path / "parts", settings, stopped=stop_after(4))
    study, _ = open_synthetic(tmp_path / "parts", settings)
    failed = Places(study).trials()[7]
    study._storage.set_trial_state_values(failed._trial_id, type(failed.state).FAIL)
    study, _ = run(tmp_path / "parts", settings)
    assert without_times(study) == without_times(whole)


def stop_after(count):
    asked = iter(range(count + 1))  # once more, before the first generation is planned
    return lambda: next(asked, None) is None


def test_threads_that_serve_one_study_score_what_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(search_module, "POLL_SECONDS", 0.01)
    settings, evaluate = make_settings(), Landscape(seconds=0.005)
    whole, _ = run(tmp_path / "whole", settings)
    outcomes = []

    def serve():
        outcomes.append(run(tmp_path / "shared", settings, evaluate)[1])

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Outcome.COMPLETE] * 4
    study, _ = open_synthetic(tmp_path / "shared", settings)
    assert without_times(study) == without_times(whole)
    assert set(evaluate.calls.values()) == {1}
    assert not [trial for trial in study.trials if trial.state.name in ("WAITING", "RUNNING")]


def test_a_search_in_a_database(tmp_path):
    settings = make_settings(num_layers=4, num_generations=1)
    whole, _ = run(tmp_path, settings)
    url = f"sqlite:///{tmp_path}/x.db"
    run(tmp_path, settings, url=url, stopped=stop_after(5))
    study, _ = run(tmp_path, settings, url=url)
    assert without_times(study) == without_times(whole)


def test_bad_strings_in_a_study_are_refused(tmp_path):
    settings = make_settings()
    study, space = open_synthetic(tmp_path, settings)
    run(tmp_path, settings, stopped=stop_after(2))
    trial = Places(study).trials()[2]
    study._storage.set_trial_user_attr(trial._trial_id, "string", "CAX")
    with pytest.raises(InputError, match="layer code 'X'"):
        search(study, space, settings, Landscape(), SEED)
