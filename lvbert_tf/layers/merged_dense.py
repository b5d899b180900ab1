"""Dense layers of the same input as one product; each can have an adapter (LoRA) of its own."""

import weakref
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lvbert_tf.layers.dense import Dense, check_lora, truncated_normal


@keras.saving.register_keras_serializable(package="lvbert_tf")
class MergedDense(Dense):
    """Dense layers of the same input and width: one kernel, their columns side by side.

    Keras computes, merges and quantises with an adapter's two factors `lora_kernel_a` and
    `lora_kernel_b`; here they are made of those of the parts, which are separate layers (`Part`).

    Args:
        parts: the layers' names, in the order of their columns.
        width: units of each.
        initializer_range: standard deviation of the truncated normal initialiser.
    """

    def __init__(self, parts: tuple[str, ...], width: int, initializer_range: float, **kwargs):
        initializer = truncated_normal(initializer_range)
        super().__init__(len(parts) * width, kernel_initializer=initializer, **kwargs)
        self.width = width
        self.part_names = parts
        self._parts: dict[str, Callable[[], Any]] = {}  # weak references

    def make_part(self, name: str) -> "Part":
        """The part of a name, for the layer that has this one to keep.

        This one does not keep it, as Keras only quantises layers that have no layers inside.
        """
        part = Part(self, name)
        self._parts[name] = weakref.ref(part)
        return part

    @property
    def lora_kernel_a(self):
        """The adapters' first factors side by side: shape (width of x, ranks)."""
        return ops.concatenate([part.lora_kernel_a for part in self._adapted_parts()], axis=1)

    @property
    def lora_kernel_b(self):
        """Their second factors, each in the columns of its part: shape (ranks, units)."""
        rows = []
        for part in self._adapted_parts():
            before = self.part_names.index(part.name) * self.width
            after = self.units - self.width - before
            rows.append(ops.pad(part.lora_kernel_b, ((0, 0), (before, after))))
        return ops.concatenate(rows, axis=0)

    def _adapted_parts(self) -> "list[Part]":
        parts = [reference() for reference in self._parts.values()]
        return [part for part in parts if part is not None and part.lora_enabled]

    def use_adapters(self) -> None:
        """Counts the adapters of the parts in. They are what trains from now on."""
        self._kernel.trainable = self.bias.trainable = False
        self.lora_enabled = True
        self.lora_rank = self.lora_alpha = 1  # Keras scales by their quotient

    def enable_lora(self, rank: int):
        """Gives every part an adapter of its own."""
        for reference in self._parts.values():
            reference().enable_lora(rank)

    def load_own_variables(self, store):
        """Loads a kernel; adapters begin afresh."""
        enabled, self.lora_enabled = self.lora_enabled, False  # the factors are variables of others
        try:
            super().load_own_variables(store)
        finally:
            self.lora_enabled = enabled
        for part in self._adapted_parts():
            part.lora_kernel_b.assign(ops.zeros_like(part.lora_kernel_b))


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Part(keras.layers.Layer):
    """One of the layers that are computed as one: where its adapter is, and nothing else.

    KerasHub enables adapters of layers by name and saves them by layer, so a part has the name and the
    two factors of the dense layer that it stands for. What is saved of a model is the kernel with
    adapters merged into it.
    """

    def __init__(self, merged: MergedDense, name: str):
        super().__init__(name=name, dtype=merged.dtype_policy)
        self._merged: Callable[[], Any] = weakref.ref(merged)
        self.lora_enabled = False

    def build(self, input_shape):
        """There is nothing to build; the layer gets its path."""

    @property
    def weights(self):
        """Those of the merged layer, and the adapter's. KerasHub passes over layers without any."""
        return [*self._merged().weights, *super().weights]

    def check_lora(self) -> None:
        """Refuses an adapter where there can be none; see `check_lora`."""
        check_lora(self, self._merged().quantization_mode)

    def enable_lora(self, rank: int):
        """Adds an adapter, a product of two trainable matrices (Hu et al., 2021, section 4.1).

        Raises:
            InputError: see `check_lora`.
        """
        self.check_lora()
        merged = self._merged()
        width = merged.input_spec.axes[-1]
        self._tracker.unlock()
        self.lora_kernel_a = self._factor("lora_kernel_a", (width, rank), "he_uniform")
        self.lora_kernel_b = self._factor("lora_kernel_b", (rank, merged.width), "zeros")
        self._tracker.lock()
        self.lora_enabled = True
        merged.use_adapters()

    def _factor(self, name, shape, initializer):
        return self.add_weight(name=name, shape=shape, initializer=initializer, dtype="float32")

    def save_own_variables(self, store):
        """Saves nothing: the merged layer's kernel has the adapter in it."""

    def load_own_variables(self, store):
        """Loads nothing."""
