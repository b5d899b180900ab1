"""How each kind of task is learned and predicted."""

from collections.abc import Mapping
from typing import Any

from lvbert_tf.finetuning.objectives.classification import ClassificationObjective
from lvbert_tf.finetuning.objectives.regression import RegressionObjective
from lvbert_tf.finetuning.objectives.span import SpanObjective
from lvbert_tf.finetuning.objectives.tagging import TaggingObjective
from lvbert_tf.finetuning.tasks.task import Kind

# Each makes an `Objective` of a task and a model, and with `new_model` the model.
OBJECTIVES: Mapping[Kind, Any] = {
    "classification": ClassificationObjective,
    "span": SpanObjective,
    "regression": RegressionObjective,
    "tagging": TaggingObjective,
}
