"""Evolution, as in single-path one-shot search (Guo et al., ECCV 2020)."""

from collections.abc import Sequence

import numpy as np

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.search.candidate import Candidate, ranked
from lvbert_tf.search.samplers.proposals import Proposal, collect, proposed, random_strings
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace


def evolution(
    space: SearchSpace,
    settings: SearchSettings,
    generation: int,
    candidates: Sequence[Candidate],
    rng: np.random.Generator,
) -> list[Proposal]:
    """Mutates and crosses the best candidates so far; see `Sampler` for the arguments.

    Generation 0 is random. In each further generation the parents are the best `num_parents` of all
    candidates so far. The proposals are mutants of random parents and crossovers of random pairs of
    parents. Where these give too few new strings, random strings (immigrants) fill the generation.
    """
    visited = {candidate.string for candidate in candidates}
    size = settings.generation_size(generation)
    if generation == 0:
        return proposed(generation, random=random_strings(space, size, visited, rng))
    best = ranked(candidates, settings.fitness)[: settings.num_parents]
    parents = [candidate.string for candidate in best]

    def mutant() -> LayerString:
        parent = parents[rng.integers(len(parents))]
        return space.mutate(parent, rng, settings.mutation_probability)

    def child() -> LayerString:
        mother, father = rng.choice(len(parents), size=2, replace=False)
        return space.cross(parents[mother], parents[father], rng)

    mutants = collect(mutant, settings.num_mutations, visited)
    children = collect(child, settings.num_crossovers, visited) if len(parents) > 1 else []
    immigrants = random_strings(space, size - len(mutants) - len(children), visited, rng)
    return proposed(generation, mutation=mutants, crossover=children, immigrant=immigrants)
