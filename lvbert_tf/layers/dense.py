"""Dense layers whose bias the computation that follows can add, whatever form their kernel has."""

import keras
from keras import ops

from lvbert_tf.errors import InputError

# What Keras computes by itself; "gptq" and "awq" call the layers of a model one by one, without masks.
QUANTIZATIONS = ("int8", "int4", "float8")


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Dense(keras.layers.Dense):
    """As `keras.layers.Dense`, for layers that compute its product and add its bias themselves.

    Files of weights have the name of the class in them, so it is that of Keras's.

    Args:
        units: width of the output.
        keeps_precision: whether it stays as it is when a model is quantised, as heads do.
        **kwargs: of `keras.layers.Dense`.

    An adapter (`enable_lora`) is all of it that trains then: its bias is frozen with its kernel, as
    files of adapters (`save_lora_weights`) hold no biases.
    """

    def __init__(self, units: int, keeps_precision: bool = False, **kwargs):
        super().__init__(units, **kwargs)
        self.keeps_precision = keeps_precision

    def product(self, x):
        """`x kernel`, and what is still to be added to it.

        A quantised kernel is multiplied as Keras does it, bias and adapter included.

        Args:
            x: shape (..., width).

        Returns:
            the product, shape (..., units), and the addend, shape (units,).
        """
        if self.quantization_mode is None:
            return ops.matmul(x, self.kernel), self.bias
        return self(x), ops.zeros_like(self.bias)

    def quantize(self, mode=None, type_check=True, config=None):
        """As Keras.

        Raises:
            NotImplementedError: the layer keeps its precision; Keras makes a warning of it where it
                quantises a model.
            InputError: the mode is not one of `QUANTIZATIONS`, does not go with an adapter, or the
                configuration is one that is lost when a model is saved.
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
        """How the kernel is quantised: "int8", "float8" or as "int4/128", which is in groups of 128.

        None: it is not.
        """
        policy = self.dtype_policy
        if isinstance(policy, keras.dtype_policies.DTypePolicyMap):
            policy = policy[self.path]
        mode = policy.quantization_mode
        return f"{mode}/{policy.block_size}" if mode == "int4" else mode

    def check_lora(self) -> None:
        """Refuses an adapter where there can be none; see `check_lora`."""
        check_lora(self, self.quantization_mode)

    def enable_lora(self, rank, *arguments, **options):
        """As Keras; the bias no longer trains.

        Raises:
            InputError: see `check_lora`.
        """
        self.check_lora()
        super().enable_lora(rank, *arguments, **options)
        self.bias.trainable = False

    def get_config(self):
        return {**super().get_config(), "keeps_precision": self.keeps_precision}

    def load_own_variables(self, store):
        """Loads a kernel; an adapter begins afresh, so that it changes nothing and can learn."""
        first = self.lora_kernel_a.numpy() if self.lora_enabled else None
        super().load_own_variables(store)
        if first is not None:
            self.lora_kernel_a.assign(first)  # Keras sets both factors to 0, and they would stay 0


def output_dense(units: int, name: str, dtype="float32", activation=None) -> Dense:
    """A dense layer of a head. The reference leaves these at TensorFlow's initialiser, Glorot."""
    return Dense(units, keeps_precision=True, activation=activation, dtype=dtype, name=name)


def check_lora(layer: keras.layers.Layer, quantization_mode: str | None) -> None:
    """Refuses an adapter where there can be none.

    Raises:
        InputError: there is one, or the kernel is quantised to float8.
    """
    if layer.lora_enabled:
        raise InputError(f"{layer.path} has a LoRA adapter; LoRA is enabled once")
    if quantization_mode == "float8":
        raise InputError("LoRA does not go with quantization 'float8'; use int8 or int4")


def quantization_config(quantization: str) -> keras.quantizers.QuantizationConfig:
    """The configuration that makes a layer's `Dense.quantization` this.

    Raises:
        InputError: it is none.
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
    """Refuses a quantizer of activations that a saved model would come back without."""
    usual = quantization_config("int4/-1" if mode == "int4" else mode)
    given, known = (c.activation_quantizer for c in (config, usual))
    if (given and given.get_config()) != (known and known.get_config()):
        raise InputError(
            f"activation_quantizer {given} is lost when a model is saved; leave it at the default"
        )


def dense(units: int, initializer_range: float, dtype, name: str) -> Dense:
    """A dense layer whose kernel starts from a truncated normal of the given deviation."""
    initializer = truncated_normal(initializer_range)
    return Dense(units, kernel_initializer=initializer, dtype=dtype, name=name)


def truncated_normal(deviation: float) -> keras.initializers.Initializer:
    """BERT's initialiser of kernels."""
    return keras.initializers.TruncatedNormal(stddev=deviation)
