"""What proposes the candidates of a generation; each sampler is one function.

A sampler is asked with what was scored in earlier generations and told through the study only. It
keeps no state: its proposals are a function of those candidates and the random numbers.
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

Proposals are in the space, differ from each other and from all candidates, and number
`settings.generation_size(generation)`, or fewer if the space has no more.
"""

SAMPLERS: dict[str, Sampler] = {
    "evolution": evolution,
    "random": random_search,
    "nsga2": nsga2,
}
