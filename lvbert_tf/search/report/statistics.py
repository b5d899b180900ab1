"""Statistics of many candidates: the best so far, the expected best of random ones, layer types."""

from collections.abc import Sequence

import numpy as np

from lvbert_tf.search.candidate import Candidate


def best_so_far(losses: np.ndarray) -> np.ndarray:
    """The lowest loss among the first 1, 2, ... candidates; shape (candidates,)."""
    return np.minimum.accumulate(losses)


def expected_best(losses: np.ndarray) -> np.ndarray:
    """The lowest loss among 1, 2, ... of these candidates, as the mean over all choices of that many.

    The estimate is unbiased for candidates that were drawn independently. It cannot be extended to more
    candidates than there are.

    Source: Tang et al., Showing Your Work Doesn't Always Work, ACL 2020.

    Args:
      losses: shape (candidates,), finite.

    Returns:
      shape (candidates,).
    """
    in_order = np.sort(losses)
    total = len(losses)
    # The chance that none of the `rank` lowest is among those chosen, for ranks 0 to `total`.
    none_chosen = np.ones(total + 1)
    expected = np.empty(total)
    for chosen in range(total):
        left = np.maximum(total - chosen - np.arange(total + 1), 0)
        none_chosen = none_chosen * left / (total - chosen)
        expected[chosen] = (none_chosen[:-1] - none_chosen[1:]) @ in_order
    return expected


def layer_shares(candidates: Sequence[Candidate], layer_types: str) -> np.ndarray:
    """The share of the candidates that has each layer type at each position.

    Returns:
      shape (layer types, layers); the shares of a position sum to 1.
    """
    layers = np.array([list(candidate.string) for candidate in candidates])
    return np.stack([(layers == layer_type).mean(axis=0) for layer_type in layer_types])
