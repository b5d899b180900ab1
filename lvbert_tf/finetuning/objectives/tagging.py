"""Tagging the words of sentences."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.metrics.tagging import score_entities, score_word_tags
from lvbert_tf.finetuning.objectives.features import (
    Batch,
    TaskFeatures,
    model_inputs,
    token_columns,
)
from lvbert_tf.finetuning.objectives.objective import Prediction
from lvbert_tf.finetuning.parts import HeadSettings
from lvbert_tf.finetuning.task_examples import TaggedSentence
from lvbert_tf.finetuning.tasks.tag_schemes import EntityTags
from lvbert_tf.finetuning.tasks.task import Role, Task
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTokenizer,
    LVBertTokenTagger,
    LVBertTokenTaggerPreprocessor,
)
from lvbert_tf.models.token_tagger import tags_of_words


class TaggingObjective:
    """Cross-entropy at the first piece of each word; predictions are `{"tags": [...]}`.

    Each word gets a tag, except words beyond the model's length. Tags are written as in the training
    examples; those of entities obey the rules of their scheme. A tag that the training examples lack is
    never predicted and adds nothing to the loss.

    Args:
      task: a task of kind "tagging".
      model: a model whose tags are `TagScheme.outputs` for the training examples.
    """

    model_class = LVBertTokenTagger

    def __init__(self, task: Task, model: LVBertTokenTagger):
        assert model.preprocessor is not None
        self.task = task
        self.model = model
        self.preprocessor = model.preprocessor

    @staticmethod
    def new_model(
        task: Task,
        examples: Sequence[TaggedSentence],
        backbone: LVBertBackbone,
        tokenizer: LVBertTokenizer,
        settings: HeadSettings,
    ) -> LVBertTokenTagger:
        """Makes a model with a fresh head for the tags of the examples."""
        assert task.tag_scheme is not None
        preprocessor = LVBertTokenTaggerPreprocessor(tokenizer, settings.length_of(task))
        outputs = task.tag_scheme.outputs(example.tags or () for example in examples)
        return LVBertTokenTagger(backbone, tuple(outputs), preprocessor, written_as=outputs)

    def features(self, examples: Sequence[TaggedSentence], role: Role) -> TaskFeatures:
        """The rows of sentences, with `word_starts` and, if all have tags, `label`."""
        words = [_ragged([example.words for example in examples])]
        if all(example.tags is not None for example in examples):
            words.append(_ragged(self._learned([example.tags or () for example in examples])))
        return TaskFeatures(token_columns(self.preprocessor.encode, tuple(words)), {})

    def forward(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns `tags`, int32 of shape [batch, length], and `losses` of shape [batch] with labels.

        Logits are not returned: those of all words of a split may not fit in memory.
        """
        logits = self.model(model_inputs(batch), training=training)
        outputs = {"tags": tf.argmax(logits, axis=-1, output_type=tf.int32)}
        if "label" in batch:
            labels = batch["label"]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.maximum(labels - 1, 0), logits
            )
            # The sum, as in the reference, so that a word of a long sentence counts the same.
            outputs["losses"] = tf.reduce_sum(tf.where(labels > 0, losses, 0.0), axis=-1)
        return outputs

    def losses(self, outputs: Mapping[str, tf.Tensor], batch: Batch) -> tf.Tensor:
        return outputs["losses"]

    def predictions(
        self,
        examples: Sequence[TaggedSentence],
        features: TaskFeatures,
        outputs: Mapping[str, Sequence[np.ndarray]],
    ) -> list[Prediction]:
        word_starts = features.tokens["word_starts"]
        tags = self._learned(tags_of_words(self.model.tags, word_starts, outputs["tags"]))
        return [{"tags": [self.model.written_as.get(tag, tag) for tag in row]} for row in tags]

    def score(
        self, examples: Sequence[TaggedSentence], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        entities = isinstance(self.task.tag_scheme, EntityTags)
        score = score_entities if entities else score_word_tags
        references = [example.tags or () for example in examples]
        predicted = [prediction["tags"] for prediction in predictions]
        return score(references, predicted, self.task.metrics)

    def _learned(self, sentences: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
        """The model's tags that mark the same as tags of examples or predictions."""
        assert self.task.tag_scheme is not None
        return self.task.tag_scheme.learned(sentences, self.model.tags)


def _ragged(rows: Sequence[Sequence[str]]) -> tf.RaggedTensor:
    """Strings of shape [rows, (words)]."""
    flat = tf.constant([text for row in rows for text in row], tf.string)
    return tf.RaggedTensor.from_row_lengths(flat, [len(row) for row in rows])
