"""Applying gradients that are already summed over replicas."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
    only_if: tf.Tensor | None = None,
) -> None:
    """Updates the variables and counts the step. Call it in a replica context.

    Keras's `optimizer.apply` sums gradients over replicas itself. Ours were summed before they were
    clipped, so with several replicas each variable is updated through the strategy instead.

    Args:
      optimizer: built on (at least) these variables.
      gradients: equal on all replicas.
      variables: what they belong to.
      only_if: boolean scalar, equal on all replicas; false leaves the variables and the optimizer's
        slots as they are, but still counts the step, whose data are used up.
    """
    context = tf.distribute.get_replica_context()

    def update_one_device():
        learning_rate = optimizer.learning_rate
        for gradient, variable in zip(gradients, variables, strict=True):
            optimizer.update_step(gradient, variable, learning_rate)

    def update_all_devices(strategy, gradients, only_if):
        def update(variable, gradient):
            optimizer.update_step(gradient, variable, optimizer.learning_rate)

        def update_each():
            for gradient, variable in zip(gradients, variables, strict=True):
                strategy.extended.update(variable.value, update, args=(gradient,), group=False)

        if only_if is None:
            update_each()
        else:
            _run_if(strategy.experimental_local_results(only_if)[0], update_each)

    if context.num_replicas_in_sync > 1:
        context.merge_call(update_all_devices, args=(list(gradients), only_if))
    elif only_if is None:
        update_one_device()
    else:
        _run_if(only_if, update_one_device)
    optimizer.iterations.assign_add(1)


def _run_if(condition: tf.Tensor, function) -> None:
    def run():
        function()
        return tf.constant(True)

    tf.cond(condition, run, lambda: tf.constant(False))
