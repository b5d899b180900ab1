"""Learning rates that rise from the embeddings to the head (ELECTRA, appendix B)."""

import re
from collections.abc import Callable

import keras

_LAYER = re.compile(r"\blayer_(\d+)/")
_EMBEDDINGS = re.compile(r"\bembeddings(_projection)?/")


def rate_multiplier(
    num_layers: int, decay: float, layers_a_depth: int
) -> Callable[[keras.Variable], float]:
    """Makes the function that gives each variable of a task's model the factor of its learning rate.

    With n depths the factor is `decay^(n + 2 - depth)`: the embeddings have depth 0, the first layers
    1, and the head n + 2.

    Args:
      num_layers: the length of the layer string.
      decay: the factor from one depth to the one below; 1 gives the same rate everywhere.
      layers_a_depth: how many layers make a depth: 2 as in the reference, where a Transformer layer
        (attention and feed-forward) is a depth; or 1, so that every layer of the string is one.
    """
    depths = -(-num_layers // layers_a_depth)

    def multiplier(variable: keras.Variable) -> float:
        layer = _LAYER.search(variable.path)
        if layer:
            depth = int(layer.group(1)) // layers_a_depth + 1
        else:
            depth = 0 if _EMBEDDINGS.search(variable.path) else depths + 2
        return decay ** (depths + 2 - depth)

    return multiplier
