"""Learning rates that rise from the embeddings to the head (ELECTRA, appendix B)."""

import re
from collections.abc import Callable

import keras

_LAYER = re.compile(r"\blayer_(\d+)/")
_EMBEDDINGS = re.compile(r"\bembeddings(_projection)?/")


def rate_multiplier(
    num_layers: int, decay: float, layers_a_depth: int
) -> Callable[[keras.Variable], float]:
    """Makes the function from a variable of a task's model to the factor of its learning rate.

    With n depths the factor is `decay^(n + 2 - depth)`: the embeddings have depth 0, the first layers
    1, the head n + 2.

    Args:
      num_layers: of the string.
      decay: 1 for the same rate everywhere.
      layers_a_depth: 2 as in the reference, whose depths are Transformer layers, attention and
        feed-forward; 1 to count every layer of the string.
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
