"""No class that KerasHub can load from a preset is left without its checks."""

import importlib
import pkgutil

import keras
import keras_hub
import pytest

import lvbert_tf.models
from lvbert_tf.errors import InputError
from lvbert_tf.presets.classes import check_config

LOADABLE = (
    *(keras_hub.models.Backbone, keras_hub.models.Task),
    *(keras_hub.models.Preprocessor, keras_hub.tokenizers.Tokenizer),
)
FOREIGN = {"class_name": "Lambda", "module": "keras.layers", "config": {}}


def loadable_classes():
    for found in pkgutil.walk_packages(lvbert_tf.models.__path__, "lvbert_tf.models."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            is_own = isinstance(value, type) and value.__module__ == found.name
            if is_own and issubclass(value, LOADABLE):
                yield value


@pytest.mark.parametrize("cls", loadable_classes(), ids=lambda cls: cls.__name__)
def test_presets_may_hold_it_and_its_configuration_is_checked(cls):
    name = keras.saving.get_registered_name(cls)
    assert name == f"lvbert_tf>{cls.__name__}"
    check_config({"class_name": cls.__name__, "registered_name": name, "config": {}})
    with pytest.raises(InputError, match=r"'Lambda' of 'keras\.layers'"):
        cls.from_config({"anything": FOREIGN})
    if issubclass(cls, keras.Model):
        assert cls.load_weights is not keras.Model.load_weights
        assert cls.save_weights is not keras.Model.save_weights


def test_all_kinds_of_classes_are_among_them():
    found = list(loadable_classes())
    assert all(any(issubclass(cls, base) for cls in found) for base in LOADABLE)
