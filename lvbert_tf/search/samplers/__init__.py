"""The samplers. A sampler is a function that proposes the candidates of a generation.

A sampler keeps no state: its proposals are a function of the candidates of earlier generations, which
the study has, and of the random numbers.
"""

from collections.abc import Callable, Sequence

import numpy as np

from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.samplers.evolution import evolution
from lvbert_tf.search.samplers.nsga2 import nsga2
from lvbert_tf.search.samplers.proposals import Proposal
from lvbert_tf.search.samplers.random_search import random_search
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace

Sampler = Callable[
    [SearchSpace, SearchSettings, int, Sequence[Candidate], np.random.Generator], list[Proposal]
]
"""(space, settings, generation, candidates of all earlier generations, random numbers) -> proposals.

The proposals are strings of the space. They differ from each other and from all candidates. There are
`settings.generation_size(generation)` of them, or fewer if the space has no more.
"""

SAMPLERS: dict[str, Sampler] = {
    "evolution": evolution,
    "random": random_search,
    "nsga2": nsga2,
}
