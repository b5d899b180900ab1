"""The reference's Adam."""

import re
from collections.abc import Callable

import keras
import tensorflow as tf

# LayerNorm's scales and shifts, and all biases, in our names and in the reference's.
_NOT_DECAYED = re.compile(r"layer_norm|LayerNorm|bias")


# From this number of elements on, one compiled pass over memory beats the ten of separate operations
# by more than it costs to compile it.
_LARGE = 1 << 16


def _adam_step(weight, first, second, gradient, rate, decay, beta_1, beta_2, epsilon):
    first = beta_1 * first + (1.0 - beta_1) * gradient
    second = beta_2 * second + (1.0 - beta_2) * tf.square(gradient)
    update = first / (tf.sqrt(second) + epsilon) + decay * weight
    return weight - rate * update, first, second


_compiled_adam_step = tf.function(_adam_step, jit_compile=True, autograph=False)


class ReferenceAdam(keras.optimizers.Optimizer):
    """Adam without bias correction and with decoupled weight decay (BERT's and ELECTRA's).

    `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `w -= rate x (m / (sqrt(v) + eps) + decay x w)`.
    LayerNorm's weights and biases are not decayed. Clip gradients before: over replicas the norm
    is that of their sum, which no single replica knows.

    Args:
        learning_rate: a float or a schedule.
        weight_decay_rate: the decay above.
        beta_1, beta_2, epsilon: as above.
        rate_multiplier: a function from a variable to the factor of its learning rate (layer-wise
            rates of fine-tuning), or None.

    Reproduces the reference to 1e-6: tests/training/test_optimizer.py.
    """

    def __init__(
        self,
        learning_rate=5e-4,
        weight_decay_rate: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        rate_multiplier: Callable[[keras.Variable], float] | None = None,
        name: str = "reference_adam",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.weight_decay_rate = weight_decay_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.rate_multiplier = rate_multiplier

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self.first_moments = self.add_optimizer_variables(var_list, "first_moment")
        self.second_moments = self.add_optimizer_variables(var_list, "second_moment")
        self.decays = [
            0.0
            if _NOT_DECAYED.search(getattr(variable, "path", variable.name))
            else self.weight_decay_rate
            for variable in var_list
        ]
        multiplier = self.rate_multiplier or (lambda variable: 1.0)
        self.multipliers = [multiplier(variable) for variable in var_list]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        targets = (variable, self.first_moments[index], self.second_moments[index])
        gradient = tf.convert_to_tensor(gradient)  # look-ups give sparse gradients
        step = _adam_step if gradient.shape.num_elements() < _LARGE else _compiled_adam_step
        flat = [tf.reshape(value, [-1]) for value in (*targets, gradient)]  # compiled once a size
        values = step(
            *flat,
            tf.cast(learning_rate, tf.float32) * self.multipliers[index],
            tf.constant(self.decays[index], tf.float32),
            self.beta_1,
            self.beta_2,
            self.epsilon,
        )
        for target, value in zip(targets, values, strict=True):
            self.assign(target, tf.reshape(value, gradient.shape))

    def get_config(self):
        return {
            **super().get_config(),
            "weight_decay_rate": self.weight_decay_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
