import pytest

from lvbert_tf.finetuning.learning.layer_rates import rate_multiplier
from lvbert_tf.models import LVBertBackbone, LVBertTextClassifier


@pytest.fixture(scope="module")
def variables():
    backbone = LVBertBackbone(10, "CAFFA", 2, 8, 16, embedding_dim=4, max_sequence_length=8)
    return LVBertTextClassifier(backbone, 2).trainable_variables


def multipliers(variables, layers_a_depth):
    multiplier = rate_multiplier(5, 0.5, layers_a_depth)
    return {variable.path: multiplier(variable) for variable in variables}


def of(found, part):
    values = {value for path, value in found.items() if part in path}
    assert len(values) == 1, part
    return values.pop()


@pytest.mark.parametrize(
    ("layers_a_depth", "depths", "layers"), [(2, 3, [1, 1, 2, 2, 3]), (1, 5, [1, 2, 3, 4, 5])]
)
def test_rates_rise_from_the_embeddings_to_the_head(variables, layers_a_depth, depths, layers):
    found = multipliers(variables, layers_a_depth)
    assert of(found, "embeddings/") == 0.5 ** (depths + 2)
    assert of(found, "embeddings_projection/") == 0.5 ** (depths + 2)
    for index, depth in enumerate(layers):
        assert of(found, f"layer_{index}/") == 0.5 ** (depths + 2 - depth)
    assert of(found, "logits/") == 1.0


def test_a_layer_norm_is_no_layer_of_the_string(variables):
    found = multipliers(variables, 2)
    assert of(found, "embeddings/layer_norm") == 0.5**5
