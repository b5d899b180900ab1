"""Learning rate schedules."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="lvbert_tf")
class WarmupPolynomialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Polynomial decay to zero times a linear warm-up, as the reference multiplies them.

    `peak x (1 - min(n, steps) / steps)^power x min(1, n / warmup_steps)` for the n-th update, counted
    from 1 as the reference does. The factors overlap: the rate never quite reaches its peak.

    Args:
        peak: the learning rate that the factors apply to.
        num_train_steps: the step at which the rate becomes zero.
        num_warmup_steps: the number of steps of warm-up; 0 means no warm-up.
        power: the exponent of the decay; 1 is linear.
    """

    def __init__(
        self, peak: float, num_train_steps: int, num_warmup_steps: int = 0, power: float = 1.0
    ):
        self.peak = peak
        self.num_train_steps = num_train_steps
        self.num_warmup_steps = num_warmup_steps
        self.power = power

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1.0  # Keras passes the number of updates made so far
        remaining = 1.0 - ops.minimum(step, float(self.num_train_steps)) / self.num_train_steps
        rate = self.peak * remaining**self.power
        if self.num_warmup_steps:
            rate = rate * ops.minimum(1.0, step / self.num_warmup_steps)
        return rate

    def get_config(self):
        return {
            "peak": self.peak,
            "num_train_steps": self.num_train_steps,
            "num_warmup_steps": self.num_warmup_steps,
            "power": self.power,
        }
