"""How each kind of task is learned and predicted."""

from collections.abc import Mapping
from typing import Any

from lvbert_tf.finetuning.objectives.classification import ClassificationObjective
from lvbert_tf.finetuning.objectives.regression import RegressionObjective
from lvbert_tf.finetuning.objectives.span import SpanObjective
from lvbert_tf.finetuning.objectives.tagging import TaggingObjective
from lvbert_tf.finetuning.tasks.task import Kind

OBJECTIVES: Mapping[Kind, Any] = {
    "classification": ClassificationObjective,
    "span": SpanObjective,
    "regression": RegressionObjective,
    "tagging": TaggingObjective,
}
"""The class for each kind of task. It makes an `Objective` of a task and a model; its `new_model` makes
the model."""
