"""Gradients of `tf.custom_gradient` that go with the graph that they belong to."""

import weakref

from tensorflow.python.framework import ops


class _Entry(dict):
    """An entry of TensorFlow's registry that a weak reference can lead to."""


class _Registry(weakref.WeakValueDictionary):
    """Leaves an entry to the graph in which it was made, and to the graphs around that one.

    Those around it make graphs anew from a branch or the body of a loop. Entries of other names are the
    gradients of TensorFlow's own operations, and stay.
    """

    def __init__(self, entries):
        super().__init__()
        self._of_operations = []
        for name, entry in entries.items():
            self[name] = entry

    def __setitem__(self, name, entry):
        entry = _Entry(entry)
        super().__setitem__(name, entry)
        if not name.startswith("CustomGradient-"):
            self._of_operations.append(entry)
            return
        graph = ops.get_default_graph()
        _keep(graph, entry)
        while graph.building_function and (graph := graph.outer_graph).building_function:
            _keep(graph, entry)


def _keep(graph, entry):
    graph.kept_gradients = [*getattr(graph, "kept_gradients", ()), entry]


def leave_gradients_to_graphs():
    """Ends that TensorFlow keeps every graph with a `tf.custom_gradient` until the process ends.

    Its registry keeps the gradient, whose closure holds tensors of the graph. The whole suite runs with
    a registry that replaces it. Users have TensorFlow's own, under which memory grows by every graph
    that is kept; tests do not show that growth.
    """
    registry = ops.gradient_registry
    registry._registry = _Registry(registry._registry)
