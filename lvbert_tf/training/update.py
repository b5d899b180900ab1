"""Updating variables with gradients that are already summed over replicas."""

import functools
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from lvbert_tf.training.optimizer import ReferenceAdam


def apply_gradients(
    optimizer: ReferenceAdam,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
    scale: tf.Tensor | float = 1.0,
    only_if: tf.Tensor | bool = True,
    gates: Sequence[tf.Tensor | None] | None = None,
    compiled: bool = False,
) -> None:
    """Updates the variables and counts the step. It has to be called in a replica context.

    Keras's `optimizer.apply` sums gradients over replicas itself. These gradients were summed before
    they were clipped, so with several replicas the variables are updated through the strategy.

    Args:
      optimizer: built on (at least) these variables.
      gradients: one for each variable, equal on all replicas.
      variables: what is updated.
      scale: the factor of all gradients, equal on all replicas.
      only_if: a boolean scalar, equal on all replicas. False leaves the variables and the slots of the
        optimizer as they are; the step still counts, because its data are used up. It costs no
        conditional, and the update is computed in either case.
      gates: for each variable a boolean scalar that does the same for this variable alone in a
        conditional, or None if the variable has none. Variables with the same tensor share one
        conditional. By default no variable has one.
      compiled: whether XLA compiles the update of the variables without a gate, which is then one
        launch on each device. Variables with a gate, those of a supernet's blocks, have so many gates
        that compiling them would take longer than it saves.
    """
    context = tf.distribute.get_replica_context()
    gates = [None] * len(variables) if gates is None else gates
    conditions = list({id(gate): gate for gate in gates}.values())
    groups = [
        [index for index, gate in enumerate(gates) if gate is condition] for condition in conditions
    ]

    def update_in_groups(update, gradients, conditions):
        def update_group(members, condition):
            chosen = [[each[i] for i in members] for each in (gradients, variables)]
            update(*chosen, compiled and condition is None)

        for condition, members in zip(conditions, groups, strict=True):
            _run_if(condition, functools.partial(update_group, members, condition))

    def update_all_devices(strategy, gradients, scale, only_if, conditions):
        def local(value):
            return value if value is None else strategy.experimental_local_results(value)[0]

        def update(gradients, variables, compiled):
            def update_device(_, gradients, scale, only_if):
                def run(gradients, scale, only_if):
                    rate = optimizer.learning_rate
                    optimizer.update_together(gradients, variables, rate, scale, only_if)

                if compiled:
                    run = tf.function(run, jit_compile=True, autograph=False)
                run(gradients, scale, only_if)

            # One call for all variables, so that small ones are one array on each device, too.
            arguments = (gradients, scale, only_if)
            strategy.extended.update(variables[0].value, update_device, arguments, group=False)

        update_in_groups(update, gradients, [local(c) for c in conditions])

    if context.num_replicas_in_sync > 1:
        arguments = (list(gradients), scale, only_if, conditions)
        context.merge_call(update_all_devices, args=arguments)
    else:
        learning_rate = optimizer.learning_rate

        def update(gradients, variables, _):
            optimizer.update_together(gradients, variables, learning_rate, scale, only_if)

        update_in_groups(update, gradients, conditions)
    optimizer.iterations.assign_add(1)


def _run_if(condition: tf.Tensor | None, function: Callable[[], None]) -> None:
    def run():
        function()
        return tf.constant(True)

    if condition is None:
        function()
    else:
        tf.cond(condition, run, lambda: tf.constant(False))
