"""The strings that whoever searches compares with."""

from lvbert_tf.architecture.layer_string import LV_BERT_SMALL, LayerString, interleaved, sandwich
from lvbert_tf.search.space import SearchSpace

INTERLEAVED = "A and F in turn"
PUBLISHED = "LV-BERT-small, as published"
SANDWICH = "sandwich order"


def reference_strings(space: SearchSpace) -> dict[LayerString, str]:
    """The baselines of a space that its supernet can score, each with what it is.

    They are A and F in turn, LV-BERT-small's string if it has as many layers, and the sandwich
    orders if the number of layers is even. Limits of the space do not exclude any.
    """
    depth = space.num_layers
    strings = {interleaved("AF", depth): INTERLEAVED}
    if depth == len(LV_BERT_SMALL):
        strings[LV_BERT_SMALL] = PUBLISHED
    if depth % 2 == 0:
        # Coefficient 0 is the interleaved order, and depth / 2 the same string as one less.
        pairs = depth // 2
        strings |= {sandwich(pairs, coefficient): SANDWICH for coefficient in range(1, pairs)}
    return {
        string: kind for string, kind in strings.items() if set(string) <= set(space.layer_types)
    }
