"""What samplers propose: new strings of the space, as many as asked for, the same every time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Landscape, make_settings, make_space

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.search.candidate import Candidate, ranked
from lvbert_tf.search.limit import UNLIMITED
from lvbert_tf.search.pareto import pareto_front
from lvbert_tf.search.samplers import SAMPLERS

samplers = pytest.mark.parametrize("sampler", sorted(SAMPLERS))


def run(space, search_settings, evaluate, seed):
    """The candidates of a whole search, without a study."""
    candidates = []
    for generation in range(search_settings.num_generations + 1):
        rng = np.random.default_rng([seed, generation])
        proposals = SAMPLERS[search_settings.sampler](
            space, search_settings, generation, candidates, rng
        )
        candidates += [
            Candidate(
                number,
                proposal.string,
                evaluate(proposal.string),
                space.parameters(proposal.string),
                space.flops(proposal.string),
                proposal.generation,
                proposal.origin,
                0.0,
            )
            for number, proposal in enumerate(proposals, start=len(candidates))
        ]
    return candidates


def no_limits(num_layers, types="CAF"):
    return make_space(num_layers, types, max_parameters=UNLIMITED, max_flops=UNLIMITED)


@given(
    st.sampled_from(sorted(SAMPLERS)),
    st.integers(1, 7),
    st.sampled_from(["AF", "CA", "CAF"]),
    st.integers(1, 12),
    st.integers(0, 8),
    st.integers(1, 8),
    st.integers(1, 5),
    st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_proposals_are_new_strings_of_the_space(
    sampler, num_layers, types, population, mutations, crossovers, parents, seed
):
    space = make_space(num_layers, types)
    search_settings = make_settings(
        sampler=sampler,
        population_size=population,
        num_mutations=mutations,
        num_crossovers=crossovers,
        num_parents=parents,
    )
    candidates = run(space, search_settings, Landscape(), seed)
    strings = [candidate.string for candidate in candidates]
    assert all(string in space for string in strings)
    assert len(set(strings)) == len(strings)
    assert len(strings) == min(search_settings.num_candidates, space.size)
    assert candidates == run(space, search_settings, Landscape(), seed)


@samplers
def test_another_seed_proposes_others(sampler):
    chosen = make_settings(sampler=sampler)
    space = no_limits(8)
    first, second = (
        {candidate.string for candidate in run(space, chosen, Landscape(), seed)} for seed in (0, 1)
    )
    assert len(first & second) < 5


def test_a_generation_of_evolution_descends_from_the_best_of_all_before():
    chosen = make_settings(
        num_layers=24,
        population_size=30,
        num_parents=3,
        num_mutations=20,
        num_crossovers=20,
        mutation_probability=0.05,
    )
    candidates = run(no_limits(24), chosen, Landscape(), 0)
    for generation in range(1, chosen.num_generations + 1):
        before = [known for known in candidates if known.generation < generation]
        born = [known for known in candidates if known.generation == generation]
        assert Counter(known.origin for known in born) == {"mutation": 20, "crossover": 20}
        parents = [str(known.string) for known in ranked(before, "disc_loss")[:3]]
        for known in born:
            if known.origin == "crossover":
                assert any(
                    all(layer in pair for layer, *pair in zip(known.string, a, b, strict=True))
                    for a in parents
                    for b in parents
                )
            else:
                # 24 layers are redrawn with 0.05, so more than 8 changes would be 1 in 10^5.
                assert min(distance(known.string, parent) for parent in parents) <= 8


def distance(a, b):
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_a_collapsed_population_is_filled_with_immigrants():
    # One parent has no mate, and hardly ever another mutant than itself.
    chosen = make_settings(num_parents=1, mutation_probability=1e-6)
    candidates = run(no_limits(8), chosen, Landscape(), 0)
    later = Counter(known.origin for known in candidates if known.generation)
    assert later == {"immigrant": chosen.num_candidates - chosen.population_size}


@samplers
def test_a_space_is_searched_to_its_last_string(sampler):
    space = no_limits(3)
    chosen = make_settings(num_layers=3, sampler=sampler, num_generations=9)
    assert chosen.num_candidates > 27
    candidates = run(space, chosen, Landscape(), 0)
    assert len({known.string for known in candidates}) == len(candidates) == 27


def test_random_search_has_no_generations():
    candidates = run(no_limits(8), make_settings(sampler="random"), Landscape(), 0)
    assert {(known.origin, known.generation) for known in candidates} == {("random", None)}


def test_random_search_is_uniform():
    space = no_limits(8)
    chosen = make_settings(sampler="random", population_size=2000, num_generations=0)
    letters = Counter("".join(known.string for known in run(space, chosen, Landscape(), 0)))
    assert all(abs(letters[letter] - 16_000 / 3) < 250 for letter in "CAF")


LARGER = {
    "num_layers": 16,
    "population_size": 30,
    "num_generations": 8,
    "num_mutations": 15,
    "num_crossovers": 15,
    "num_parents": 8,
}


def test_evolution_finds_better_strings_than_random_search_at_equal_evaluations():
    space = no_limits(16)
    for seed in range(5):
        best = {}
        for sampler in ("evolution", "random"):
            evaluate = Landscape()
            run(space, make_settings(sampler=sampler, **LARGER), evaluate, seed)
            assert sum(evaluate.calls.values()) == 270
            best[sampler] = min(evaluate(string)["disc_loss"] for string in [*evaluate.calls])
        assert best["evolution"] < best["random"] - 1


def test_evolution_follows_scores_that_are_better_higher():
    chosen = make_settings(fitness="disc_auc", **LARGER)
    candidates = run(no_limits(16), chosen, Landscape(noise=0), 0)
    best = max(known.scores["disc_auc"] for known in candidates)
    first = max(known.scores["disc_auc"] for known in candidates if known.generation == 0)
    assert best > 1.5 * first


@pytest.mark.parametrize("cost", ["parameters", "flops"])
def test_nsga2_finds_a_better_front_than_random_search_at_equal_evaluations(cost):
    space = no_limits(16)
    for seed in range(3):
        fronts = {}
        for sampler in ("nsga2", "random"):
            chosen = make_settings(sampler=sampler, cost=cost, **LARGER)
            candidates = run(space, chosen, Landscape(), seed)
            fronts[sampler] = pareto_front(candidates, "disc_loss", cost)
        beaten = [
            known
            for known in fronts["random"]
            if any(
                other.loss("disc_loss") < known.loss("disc_loss")
                and other.loss(cost) <= known.loss(cost)
                for other in fronts["nsga2"]
            )
        ]
        assert len(beaten) > 0.7 * len(fronts["random"])


def test_nsga2_breeds_from_the_winners_of_tournaments():
    # Half of the candidates begin with A and dominate the others, which begin with F.
    rng = np.random.default_rng(0)
    candidates = [
        Candidate(number, string, {"disc_loss": number}, number, 1, 0, "random", 0.0)
        for number in range(40)
        for string in [LayerString("AF"[number // 20] + LayerString.random(15, "CAF", rng))]
    ]
    chosen = make_settings(
        sampler="nsga2",
        population_size=40,
        num_mutations=400,
        num_crossovers=0,
        mutation_probability=0.01,
    )
    children = SAMPLERS["nsga2"](no_limits(16), chosen, 1, candidates, rng)
    share = sum(child.string[0] == "A" for child in children) / len(children)
    assert abs(share - 0.75) < 0.06  # of two at random, one is of the better half


def test_nsga2_weighs_measured_latency():
    chosen = make_settings(sampler="nsga2", cost="latency", num_layers=8)
    candidates = run(no_limits(8), chosen, Landscape(), 0)
    assert {known.origin for known in candidates} == {"random", "nsga2"}


@pytest.mark.parametrize("sampler", ["evolution", "nsga2"])
def test_scores_that_are_no_numbers_are_not_bred_from(sampler):
    """As of a block of the supernet that diverged: here the convolution of the first layer."""
    landscape = Landscape("C" * 8)

    def evaluate(string):
        return {"disc_loss": float("nan")} if string[0] == "C" else landscape(string)

    chosen = make_settings(
        sampler=sampler,
        population_size=30,
        num_generations=8,
        num_mutations=5,
        num_crossovers=5,
        mutation_probability=0.05,
    )
    candidates = run(no_limits(8), chosen, evaluate, 0)
    diverged = [known.number for known in candidates if known.string[0] == "C"]
    assert sum(number < 30 for number in diverged) > 3
    later = [known for known in candidates[60:] if known.origin != "immigrant"]
    assert len(later) > 20
    assert sum(known.number in diverged for known in later) <= len(later) / 6
