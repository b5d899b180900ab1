"""Text to token ids: vocabularies, learning one, the tokenizer, and the offsets of tokens in texts.

Each name is imported at its first use, so that reading a vocabulary does not import TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lvbert_tf.text.offsets import character_offsets
    from lvbert_tf.text.tokenizer import Tokenizer
    from lvbert_tf.text.vocabulary import Vocabulary
    from lvbert_tf.text.wordpiece_learner import learn_vocabulary, write_vocabulary

__all__ = ["Tokenizer", "Vocabulary", "character_offsets", "learn_vocabulary", "write_vocabulary"]

_HOME = {
    "Tokenizer": "tokenizer",
    "Vocabulary": "vocabulary",
    "character_offsets": "offsets",
    "learn_vocabulary": "wordpiece_learner",
    "write_vocabulary": "wordpiece_learner",
}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
