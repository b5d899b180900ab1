"""Random search: strings drawn uniformly, none of them twice."""

from collections.abc import Sequence

import numpy as np

from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.samplers.proposals import Proposal, proposed, random_strings
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace


def random_search(
    space: SearchSpace,
    settings: SearchSettings,
    generation: int,
    candidates: Sequence[Candidate],
    rng: np.random.Generator,
) -> list[Proposal]:
    """Proposes random strings that were not proposed before; see `Sampler` for the arguments."""
    visited = {candidate.string for candidate in candidates}
    size = settings.generation_size(generation)
    return proposed(None, random=random_strings(space, size, visited, rng))
