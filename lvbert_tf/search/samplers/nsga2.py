"""NSGA-II: fitness against a cost (Deb et al., IEEE Trans. Evolutionary Computation 6(2), 2002).

Optuna's own NSGAIISampler is not used: its random state is in the process, so a killed search would not
repeat, and it knows neither the limits of the space nor which strings were scored before.
"""

from collections.abc import Sequence

import numpy as np

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.pareto import crowded_order
from lvbert_tf.search.samplers.proposals import Proposal, collect, proposed, random_strings
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace


def nsga2(
    space: SearchSpace,
    settings: SearchSettings,
    generation: int,
    candidates: Sequence[Candidate],
    rng: np.random.Generator,
) -> list[Proposal]:
    """Mutates and crosses the survivors of non-dominated sorting; see `Sampler` for the arguments.

    Generation 0 is random. Of all candidates so far, the first `population_size` in crowded order
    survive. Each parent of a child is the better of two random survivors. The child is the crossover
    of its parents, mutated. Random immigrants fill the generation as in `evolution`.
    """
    visited = {candidate.string for candidate in candidates}
    size = settings.generation_size(generation)
    if generation == 0:
        return proposed(generation, random=random_strings(space, size, visited, rng))
    in_order = crowded_order(candidates, settings.fitness, settings.cost)
    survivors = [candidate.string for candidate in in_order[: settings.population_size]]

    def winner() -> LayerString:
        return survivors[rng.integers(len(survivors), size=2).min()]

    def child() -> LayerString:
        crossed = space.cross(winner(), winner(), rng)
        return space.mutate(crossed, rng, settings.mutation_probability)

    children = collect(child, size, visited)
    immigrants = random_strings(space, size - len(children), visited, rng)
    return proposed(generation, nsga2=children, immigrant=immigrants)
