"""Dense layers, alone or several of the same input as one; their quantisation and adapters (LoRA)."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from lvbert_tf.errors import InputError
from lvbert_tf.layers.kernels import (
    bias_gelu,
    gelu_product,
    project_to_heads,
    split_into_heads,
)

# What Keras computes by itself; "gptq" and "awq" call the layers of a model one by one, without masks.
QUANTIZATIONS = ("int8", "int4", "float8")


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Dense(keras.layers.Dense):
    """`x W + b` as `keras.layers.Dense`; `product` leaves the addition of b to the code that follows.

    The class has the name of Keras's class, because files of weights contain the name.

    Args:
        units: width of the output.
        keeps_precision: whether the layer stays as it is when a model is quantised, as heads do.
        **kwargs: as for `keras.layers.Dense`.

    With an adapter (`enable_lora`) nothing else of the layer trains: its bias is frozen with its weight
    matrix, because files of adapters (`save_lora_weights`) contain no biases.
    """

    def __init__(self, units: int, keeps_precision: bool = False, **kwargs):
        super().__init__(units, **kwargs)
        self.keeps_precision = keeps_precision

    def product(self, x):
        """Returns `x W` and `b` separately, for `layers.kernels` that add the bias in their own loop.

        If W is quantised, Keras computes the whole layer, with bias and adapter, and the returned bias
        is zero.

        Args:
            x: shape (..., width).

        Returns:
            the product, shape (..., units), and the bias, shape (units,).
        """
        if self.quantization_mode is None:
            return ops.matmul(x, self.kernel), self.bias
        return self(x), ops.zeros_like(self.bias)

    def product_of_gelu(self, x, bias):
        """As `product(bias_gelu(x, bias))`, with one kernel.

        Args:
            x: shape (rows, width).
            bias: shape (width,).
        """
        if self.quantization_mode is None:
            return gelu_product(x, bias, self.kernel), self.bias
        return self.product(bias_gelu(x, bias))

    def quantize(self, mode=None, type_check=True, config=None):
        """Quantises the weight matrix as Keras does.

        Raises:
            NotImplementedError: the layer keeps its precision. Where Keras quantises a whole model, it
                turns this into a warning.
            InputError: the mode is not one of `QUANTIZATIONS` or does not go with an adapter, or the
                configuration would be lost when a model is saved.
        """
        if self.keeps_precision:
            raise NotImplementedError(f"Layer {self.name} is of a head and stays {self.dtype}.")
        if mode not in QUANTIZATIONS:
            raise InputError(f"quantization {mode!r} is not one of {', '.join(QUANTIZATIONS)}")
        if mode == "float8" and self.lora_enabled:
            raise InputError("quantization 'float8' does not go with LoRA; use int8 or int4")
        _check_quantizer(mode, config)
        super().quantize(mode, type_check=False, config=config)

    @property
    def quantization(self) -> str | None:
        """How W is quantised: "int8", "float8", "int4/128" (in groups of 128), or None."""
        policy = self.dtype_policy
        if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
            policy = policy[self.path]
        mode = policy.quantization_mode
        return f"{mode}/{policy.block_size}" if mode == "int4" else mode

    def check_lora(self) -> None:
        """Refuses an adapter where there can be none; see `_check_lora`."""
        _check_lora(self, self.quantization_mode)

    def enable_lora(self, rank, *arguments, **options):
        """Adds an adapter as Keras does; the bias no longer trains.

        Raises:
            InputError: see `_check_lora`.
        """
        self.check_lora()
        super().enable_lora(rank, *arguments, **options)
        self.bias.trainable = False

    def get_config(self):
        return {**super().get_config(), "keeps_precision": self.keeps_precision}

    def load_own_variables(self, store):
        """Loads the weights; an adapter starts afresh, so it changes nothing at first and can learn."""
        first = self.lora_kernel_a.numpy() if self.lora_enabled else None
        super().load_own_variables(store)
        if first is not None:
            self.lora_kernel_a.assign(first)  # Keras sets both factors to 0, and they would stay 0


def dense(units: int, initializer_range: float, dtype, name: str) -> Dense:
    """A dense layer whose weight matrix starts from a truncated normal of the given deviation."""
    initializer = truncated_normal(initializer_range)
    return Dense(units, kernel_initializer=initializer, dtype=dtype, name=name)


def output_dense(units: int, name: str, dtype="float32", activation=None) -> Dense:
    """A dense layer of a head, with Glorot's initialiser, TensorFlow's default, as in the reference."""
    return Dense(units, keeps_precision=True, activation=activation, dtype=dtype, name=name)


def truncated_normal(deviation: float) -> keras.initializers.Initializer:
    """BERT's initialiser of weight matrices."""
    return keras.initializers.TruncatedNormal(stddev=deviation)


def quantization_config(quantization: str) -> keras.quantizers.QuantizationConfig:
    """The configuration that gives a layer this `Dense.quantization`.

    Raises:
        InputError: there is no such form.
    """
    mode, _, size = quantization.partition("/")
    try:
        if mode == "int4":
            return keras.quantizers.Int4QuantizationConfig(block_size=int(size))
        return {
            "int8": keras.quantizers.Int8QuantizationConfig,
            "float8": keras.quantizers.Float8QuantizationConfig,
        }[mode]()
    except (KeyError, ValueError) as error:
        raise InputError(f"quantization {quantization!r} is not known") from error


def _check_quantizer(mode, config) -> None:
    """Refuses a quantizer of activations that would be lost when the model is saved."""
    usual = quantization_config("int4/-1" if mode == "int4" else mode)
    given, known = (c.activation_quantizer for c in (config, usual))
    if (given and given.get_config()) != (known and known.get_config()):
        raise InputError(
            f"activation_quantizer {given} is lost when a model is saved; leave it at the default"
        )


@keras.saving.register_keras_serializable(package="lvbert_tf")
class MergedDense(Dense):
    """Several dense layers of the same input and width as one: their weight matrices side by side.

    One product is faster than several, and the loop behind it reads the input once. Keras computes,
    merges and quantises with an adapter's two factors `lora_kernel_a` and `lora_kernel_b`; here they
    are composed of the factors of the parts, which are separate layers (`Part`).

    Args:
        parts: the layers' names, in the order of their columns.
        width: units of each layer.
        initializer_range: standard deviation of the truncated normal initialiser.
    """

    def __init__(self, parts: tuple[str, ...], width: int, initializer_range: float, **kwargs):
        initializer = truncated_normal(initializer_range)
        super().__init__(len(parts) * width, kernel_initializer=initializer, **kwargs)
        self.width = width
        self.part_names = parts
        self._parts: dict[str, Callable[[], Any]] = {}  # weak references

    def make_part(self, name: str) -> "Part":
        """Makes the part of a name, for the layer that owns this one to keep.

        This layer does not keep its parts itself, because Keras quantises only layers without layers
        inside.
        """
        part = Part(self, name)
        self._parts[name] = weakref.ref(part)
        return part

    def heads(self, x, num_heads: int) -> list:
        """Each part with its bias, cut into heads: shape (batch, heads, length, width / heads).

        Args:
            x: shape (batch, length, width of x).
            num_heads: the number of heads.
        """
        parts = len(self.part_names)
        if self.quantization_mode is None:
            return project_to_heads(x, self.kernel, self.bias, parts=parts, num_heads=num_heads)
        return split_into_heads(self(x), ops.shape(x)[:2], parts, num_heads)

    @property
    def lora_kernel_a(self):
        """The adapters' first factors side by side: shape (width of x, ranks)."""
        return ops.concatenate([part.lora_kernel_a for part in self._adapted_parts()], axis=1)

    @property
    def lora_kernel_b(self):
        """The adapters' second factors, each in the columns of its part: shape (ranks, units)."""
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
        """Adds the adapters of the parts to the weight matrix; only adapters train from now on."""
        self._kernel.trainable = self.bias.trainable = False
        self.lora_enabled = True
        self.lora_rank = self.lora_alpha = 1  # Keras scales by their quotient

    def enable_lora(self, rank: int):
        """Gives every part an adapter of its own."""
        for reference in self._parts.values():
            reference().enable_lora(rank)

    def load_own_variables(self, store):
        """Loads the weights; adapters start afresh."""
        enabled, self.lora_enabled = (
            self.lora_enabled,
            False,
        )  # the factors are variables of the parts
        try:
            super().load_own_variables(store)
        finally:
            self.lora_enabled = enabled
        for part in self._adapted_parts():
            part.lora_kernel_b.assign(ops.zeros_like(part.lora_kernel_b))


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Part(keras.layers.Layer):
    """One of the dense layers that a `MergedDense` computes together: the owner of its adapter.

    KerasHub enables adapters of layers by name and saves them layer by layer, so a part has the name and
    the two factors of the dense layer that it stands for. A saved model contains the merged weight
    matrix, with the adapters added to it.
    """

    def __init__(self, merged: MergedDense, name: str):
        super().__init__(name=name, dtype=merged.dtype_policy)
        self._merged: Callable[[], Any] = weakref.ref(merged)
        self.lora_enabled = False

    def build(self, input_shape):
        """Builds nothing, but gives the layer its path."""

    @property
    def weights(self):
        """The weights of the merged layer and the adapter; KerasHub skips layers without any."""
        return [*self._merged().weights, *super().weights]

    def check_lora(self) -> None:
        """Refuses an adapter where there can be none; see `_check_lora`."""
        _check_lora(self, self._merged().quantization_mode)

    def enable_lora(self, rank: int):
        """Adds an adapter, a product of two trainable matrices (Hu et al., 2021, section 4.1).

        Raises:
            InputError: see `_check_lora`.
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
        """Saves nothing: the merged layer's weight matrix contains the adapter."""

    def load_own_variables(self, store):
        """Loads nothing."""


# === Adapters of a model ===


def adaptable_layers(model: keras.Model) -> list[Dense | Part]:
    """The layers that can have an adapter: dense layers, and the parts of merged ones."""
    layers = model._flatten_layers(include_self=False)
    return [
        layer
        for layer in layers
        if isinstance(layer, (Dense, Part)) and not isinstance(layer, MergedDense)
    ]


def check_targets(model: keras.Model, rank: int, names: Sequence[str]) -> None:
    """Refuses adapters that the layers of these names could not have.

    Raises:
        InputError: see `LVBertBackbone.enable_lora`.
    """
    if type(rank) is not int or rank < 1:
        raise InputError(f"LoRA: rank {rank!r} is not a positive integer")
    layers = adaptable_layers(model)
    known = sorted({layer.name for layer in layers})
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        which = ", ".join(map(repr, unknown)) or "to adapt is named"
        raise InputError(f"LoRA: no layer {which}; target_layer_names are of {', '.join(known)}")
    for layer in layers:
        if layer.lora_enabled or layer.name in names:
            layer.check_lora()


def _check_lora(layer: keras.layers.Layer, quantization_mode: str | None) -> None:
    """Refuses an adapter where there can be none.

    Raises:
        InputError: the layer has an adapter, or its weight matrix is quantised to float8.
    """
    if layer.lora_enabled:
        raise InputError(f"{layer.path} has a LoRA adapter; LoRA is enabled once")
    if quantization_mode == "float8":
        raise InputError("LoRA does not go with quantization 'float8'; use int8 or int4")
