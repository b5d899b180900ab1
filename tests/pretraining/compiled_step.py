"""A training step that tests share."""

import numpy as np

from lvbert_tf.training.step import TrainingStep


class Compiled:
    """A step function that tests share, since tracing takes longest; `fresh` starts it anew."""

    def __init__(self, step: TrainingStep):
        self._step = step
        self._variables = step.gradients.pretrainer.trainable_variables
        self._initial = [variable.numpy() for variable in self._variables]

    def fresh(self) -> TrainingStep:
        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)
        for variable in self._step.optimizer.variables:
            if variable.path != "reference_adam/learning_rate":
                variable.assign(np.zeros(variable.shape))
        return self._step
