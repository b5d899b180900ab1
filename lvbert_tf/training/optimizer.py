"""The reference's Adam."""

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

# LayerNorm's scales and shifts, and all biases, in our names and in the reference's.
_NOT_DECAYED = re.compile(r"layer_norm|LayerNorm|bias")
# From this number of elements on, one compiled pass over memory is faster than the ten passes of
# separate operations, by more than the compilation costs.
_LARGE = 1 << 16


def adam_direction(weight, first, second, decay, epsilon):
    """The direction of Adam's update with decoupled weight decay."""
    return first / (tf.sqrt(second) + epsilon) + decay * weight


def _new_values(
    direction, old, gradient, scale, only_if, rate, average_decay, beta_1, beta_2, *arguments
):
    """Computes one update.

    Args:
      direction: computes the direction of the update from weight, moments and `arguments`.
      old: the weight, its first and second moment, and its average if there is one.
      gradient, scale, only_if: see `ReferenceAdam.update_together`.
      rate: the learning rate.
      average_decay: the factor of the old average; None if there is no average.
      beta_1, beta_2: see `ReferenceAdam`.

    Returns:
      the new values in the order of `old`.
    """
    weight, first, second, *average = old
    gradient = scale * gradient
    first = beta_1 * first + (1.0 - beta_1) * gradient
    second = beta_2 * second + (1.0 - beta_2) * tf.square(gradient)
    weight = weight - rate * direction(weight, first, second, *arguments)
    new = [weight, first, second]
    new += [average_decay * value + (1.0 - average_decay) * weight for value in average]
    return [tf.where(only_if, *values) for values in zip(new, old, strict=True)]


_compiled_new_values = tf.function(_new_values, jit_compile=True, autograph=False)


def _joined(values):
    flat = [tf.reshape(value, [-1]) for value in values]  # so that it is compiled once a size
    return tf.concat(flat, 0) if len(flat) > 1 else flat[0]


def global_norm(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """The norm of all gradients together, of which the small ones are one array, as in an update.

    So there is one sum for them instead of hundreds, and XLA makes the array only once.

    Args:
      gradients: of known shapes.
    """
    large = [gradient for gradient in gradients if not _is_small(gradient)]
    small = [gradient for gradient in gradients if _is_small(gradient)]
    return tf.linalg.global_norm([*large, _joined(small)] if small else large)


def _is_small(tensor):
    return math.prod(tensor.shape) < _LARGE


def _constants(values, sizes):
    """A constant with a number for each element, or one number if all values are equal."""
    if len(set(values)) == 1:
        return tf.constant(values[0], tf.float32)
    return tf.constant(np.repeat(np.float32(values), sizes))


class ReferenceAdam(keras.optimizers.Optimizer):
    """Adam without bias correction and with decoupled weight decay (BERT's and ELECTRA's).

    `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `w -= rate x (m / (sqrt(v) + eps) + decay x w)`.
    The weights of LayerNorms and the biases are not decayed. The optimiser does not clip: the norm is
    that of the sum of gradients over replicas, which no single replica knows. `update_together` takes
    the factor of clipping as its `scale`.

    With `ema_decay` it keeps exponential moving averages of the weights, `a = d a + (1 - d) w` after
    each update. The decay of the n-th update is `d = min(ema_decay, n / (n + 9))`, so that the first
    weights are soon forgotten. `averaged_weights` puts the averages in the weights' place.

    Args:
        learning_rate: a float or a schedule.
        weight_decay_rate: `decay` above.
        beta_1, beta_2, epsilon: `b1`, `b2` and `eps` above.
        rate_multiplier: a function from a variable to the factor of its learning rate (layer-wise
            rates of fine-tuning), or None.
        ema_decay: the highest decay of the averages; None keeps no averages.

    It agrees with the reference within 1e-6 (tests/training/test_optimizer.py).
    """

    direction: Callable[..., tf.Tensor] = staticmethod(adam_direction)

    def __init__(
        self,
        learning_rate=5e-4,
        weight_decay_rate: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        rate_multiplier: Callable[[keras.Variable], float] | None = None,
        ema_decay: float | None = None,
        name: str = "reference_adam",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.weight_decay_rate = weight_decay_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.rate_multiplier = rate_multiplier
        self.ema_decay = ema_decay

    def build(self, var_list):
        if self.built:
            return
        super().build(var_list)
        self.first_moments = self.add_optimizer_variables(var_list, "first_moment")
        self.second_moments = self.add_optimizer_variables(var_list, "second_moment")
        self.averages = self.add_optimizer_variables(var_list, "average") if self.ema_decay else []
        self.restart_averages()
        self.decays = [
            0.0
            if _NOT_DECAYED.search(getattr(variable, "path", variable.name))
            else self.weight_decay_rate
            for variable in var_list
        ]
        multiplier = self.rate_multiplier or (lambda variable: 1.0)
        self.multipliers = [multiplier(variable) for variable in var_list]

    def restart_averages(self) -> None:
        """Sets the averages to the weights, after these were assigned."""
        for variable in self._averaged:
            self.average_of(variable).assign(variable)

    @property
    def _averaged(self):
        return self._trainable_variables if self.ema_decay else []

    def average_of(self, variable: keras.Variable) -> keras.Variable:
        """The average of a weight; `ema_decay` must be set."""
        return self.averages[self._get_variable_index(variable)]

    def exchange_averages(self) -> None:
        """Exchanges the values of weights and averages. It does nothing if there are no averages."""
        for variable in self._averaged:
            average, weight = self.average_of(variable), tf.identity(variable.value)
            variable.assign(average)
            average.assign(weight)

    def update_step(self, gradient, variable, learning_rate):
        self.update_together([gradient], [variable], learning_rate)

    def update_together(
        self,
        gradients: Sequence[tf.Tensor | tf.IndexedSlices],
        variables: Sequence[keras.Variable],
        learning_rate: tf.Tensor,
        scale: tf.Tensor | float = 1.0,
        only_if: tf.Tensor | bool = True,
    ) -> None:
        """Updates each variable with `scale` times its gradient, small variables as one array.

        If the boolean scalar `only_if` is False, the variables and their slots keep their values,
        whatever the gradients are.
        """
        # Look-ups give sparse gradients.
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        small = []
        for gradient, variable in zip(gradients, variables, strict=True):
            if _is_small(variable):
                small.append((gradient, variable))
            else:
                self._update([(gradient, variable)], learning_rate, scale, only_if)
        if small:
            self._update(small, learning_rate, scale, only_if)

    def _update(self, pairs, learning_rate, scale, only_if):
        """Updates several variables as if they were one array."""
        indices = [self._get_variable_index(variable) for _, variable in pairs]
        sizes = [math.prod(variable.shape) for _, variable in pairs]
        slots = [
            [variable for _, variable in pairs],
            [self.first_moments[index] for index in indices],
            [self.second_moments[index] for index in indices],
        ]
        if self.ema_decay:
            slots.append([self.averages[index] for index in indices])
        multipliers = _constants([self.multipliers[index] for index in indices], sizes)
        values = (_new_values if sum(sizes) < _LARGE else _compiled_new_values)(
            self.direction,
            [_joined(values) for values in slots],
            _joined([gradient for gradient, _ in pairs]),
            tf.cast(scale, tf.float32),
            tf.convert_to_tensor(only_if),
            tf.cast(learning_rate, tf.float32) * multipliers,
            self._average_decay(),
            self.beta_1,
            self.beta_2,
            _constants([self.decays[index] for index in indices], sizes),
            self.epsilon,
            *self.more_arguments(sizes),
        )
        for targets, value in zip(slots, values, strict=True):
            parts = tf.split(value, sizes) if len(sizes) > 1 else [value]
            for target, part in zip(targets, parts, strict=True):
                self.assign(target, tf.reshape(part, target.shape))

    def more_arguments(self, sizes: Sequence[int]) -> tuple:
        """What `direction` takes after `epsilon`.

        Args:
          sizes: the number of elements of each variable that is updated.
        """
        return ()

    def _average_decay(self):
        if not self.ema_decay:
            return None
        update = tf.cast(self.iterations.value, tf.float32) + 1.0
        return tf.minimum(self.ema_decay, update / (update + 9.0))

    def get_config(self):
        return {
            **super().get_config(),
            "weight_decay_rate": self.weight_decay_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "ema_decay": self.ema_decay,
        }


@contextlib.contextmanager
def averaged_weights(optimizer: ReferenceAdam) -> Iterator[None]:
    """Puts the averages of the weights in their place while the context is open.

    Without `ema_decay` it does nothing. Nothing may be trained or saved to continue meanwhile.
    """
    optimizer.exchange_averages()
    try:
        yield
    finally:
        optimizer.exchange_averages()
